"""What one run of a server waits for before it crashes after an acknowledgement."""

import asyncio

from realtime_lab.net.run import _taken
from tests.net.harness import offline, stack, until


async def test_what_is_put_behind_a_connection_that_has_ended_is_not_waited_for() -> None:
    async with stack() as it:
        client = await it.connected()
        (socket,) = it.server.sio.eio.sockets.values()
        async with asyncio.timeout(1):
            assert await _taken(socket)
            await offline(it, client)
            await until(lambda: socket.closed)
            socket.queue.put_nowait("an acknowledgement that was ready a moment too late")
            assert not await _taken(socket)
