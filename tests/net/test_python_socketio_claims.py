"""What the README and the lessons say about plain python-socketio: each sentence is a test that runs it, through a real link."""

import asyncio
import inspect
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import socketio
from socketio.exceptions import BadNamespaceError
from socketio.exceptions import TimeoutError as NoAnswer

from tests.net.harness import CHAT, Stack, stack, until


@asynccontextmanager
async def plain_client(it: Stack, **options: Any) -> AsyncIterator[socketio.AsyncClient]:
    """A python-socketio client as anybody writes it, connected through the link."""
    client = socketio.AsyncClient(handle_sigint=False, **options)
    await client.connect(it.link.url, transports=["websocket"])
    try:
        yield client
    finally:
        await client.shutdown()


async def test_emit_while_disconnected_raises_and_keeps_nothing() -> None:
    async with stack() as it, plain_client(it, reconnection_delay=0.05, randomization_factor=0) as client:
        it.link.cut()
        await until(lambda: not client.namespaces)
        with pytest.raises(BadNamespaceError):
            await client.emit(CHAT, "kept?")
        it.link.restore()
        await until(lambda: client.namespaces)
        await client.emit(CHAT, "later")
        await until(lambda: it.at_server)
        assert it.at_server == ["later"]


async def test_what_is_emitted_into_a_break_that_is_not_noticed_yet_is_lost_without_a_word() -> None:
    async with stack() as it, plain_client(it, reconnection=False) as client:
        it.link.cut()
        await client.emit(CHAT, 1)  # no error
        await until(lambda: not client.connected)
        assert it.at_server == []


async def test_what_its_server_emits_while_a_client_is_away_is_lost() -> None:
    async with stack() as it, plain_client(it, reconnection_delay=0.05, randomization_factor=0) as client:
        got: list[int] = []
        client.on("news", got.append)
        await it.server.sio.emit("news", 1)
        await until(lambda: got)
        it.link.cut()
        await until(lambda: not client.namespaces and not it.server.sids)
        await it.server.sio.emit("news", 2)
        it.link.restore()
        await until(lambda: client.namespaces and it.server.sids)
        await it.server.sio.emit("news", 3)
        await until(lambda: len(got) == 2)
        assert got == [1, 3]


async def test_an_event_whose_handler_raises_is_over() -> None:
    async with stack() as it, plain_client(it) as client:
        got: list[int] = []

        async def fragile(data: int) -> None:
            got.append(data)
            if data == 1:
                raise ValueError("what is this?")

        reported: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context["exception"]))
        client.on("news", fragile)
        await it.server.sio.emit("news", 1)
        await it.server.sio.emit("news", 2)
        await until(lambda: len(got) == 2)
        assert got == [1, 2]


async def test_call_waits_its_whole_timeout_after_a_disconnect() -> None:
    async with stack() as it:
        it.server.on("slow")(lambda sid: asyncio.sleep(30))
        async with plain_client(it, reconnection=False) as client:
            call = asyncio.create_task(client.call("slow", timeout=1))
            await until(lambda: it.of("received", event="slow"))
            began = time.monotonic()
            it.link.cut()
            await until(lambda: not client.connected)
            with pytest.raises(NoAnswer):
                await call
            assert time.monotonic() - began > 0.7


async def test_nothing_is_sent_again() -> None:
    async with stack() as it, plain_client(it, reconnection_delay=0.05, randomization_factor=0) as client:
        it.link.cut(before=f"{CHAT} #1")
        call = asyncio.create_task(client.call(CHAT, 1, timeout=0.5))
        await until(lambda: it.of("fault", event="cut"))
        it.link.restore()
        with pytest.raises(NoAnswer):
            await call
        await until(lambda: client.namespaces)
        await client.emit(CHAT, 2)
        await until(lambda: it.at_server)
        assert it.at_server == [2]


async def test_a_callback_that_never_fires_stays_until_the_connection_ends() -> None:
    async with stack() as it:
        it.server.on("slow")(lambda sid: asyncio.sleep(30))
        async with plain_client(it) as client:
            with pytest.raises(NoAnswer):
                await client.call("slow", timeout=0.05)
            assert len(client.callbacks["/"]) == 2  # the counter, and the forgotten callback


def test_its_client_has_no_volatile_events_and_no_retries() -> None:
    assert not hasattr(socketio.AsyncClient, "volatile")
    assert "retries" not in inspect.getsource(socketio.AsyncClient) + inspect.getsource(socketio.AsyncClient.__mro__[1])


SEVENTEEN = textwrap.dedent("""
    import asyncio, os, socketio
    from aiohttp import web

    async def main():
        sio, got = socketio.AsyncServer(async_mode="aiohttp"), []
        sio.on("chat message", lambda sid, data: got.append(data))
        app = web.Application()
        sio.attach(app)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        client = socketio.AsyncClient(handle_sigint=False, reconnection=False)
        await client.connect(f"http://127.0.0.1:{runner.addresses[0][1]}", transports=["polling"])
        for n in range(17):
            await client.emit("chat message", n)
        await client.eio.queue.join()
        await client.emit("chat message", "a request of its own")
        while not got:
            await asyncio.sleep(0.01)
        print(got, flush=True)
        os._exit(0)

    asyncio.run(main())
""")


def test_seventeen_events_in_one_long_polling_request_are_thrown_away_by_its_server() -> None:
    """In a process of its own, because this package raises that limit for its whole process."""
    done = subprocess.run([sys.executable, "-c", SEVENTEEN], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.strip() == "['a request of its own']", done.stderr
