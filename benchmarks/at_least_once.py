"""At least once from client to server, applied once (dedupe), in two processes; beside the JavaScript client's `retries`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from benchmarks.ours import EVENT, UP, body
from benchmarks.processes import NODE, Answer, Stage, silent, timed
from benchmarks.rounds import Contender, Figure, Measure, Row, faster
from realtime_lab import Client, EventLog, Server


@asynccontextmanager
async def serve(path: str, *, appends: bool = False) -> AsyncIterator[tuple[str, Answer]]:
    """A server with a log in this file, or in ":memory:". appends: what arrives is put into the log too, in the same commit."""
    server = Server(log=EventLog(path, synchronous="FULL"), dedupe=True)
    if appends:

        @server.on(EVENT)
        async def append(sid: str, data: Any, tx: Any) -> None:
            await tx.append(EVENT, data, to="somebody else")  # what the anchor does not do either: send it back
    else:

        @server.on(EVENT)
        def take(sid: str, data: Any) -> None:
            """Nothing: what is measured is the way to it."""

    async with server:
        yield str(server.url), silent


@asynccontextmanager
async def emit(url: str, **options: Any) -> AsyncIterator[tuple[None, Answer]]:
    """A client, with more options if need be. Asked for n, it emits n messages and waits until each is acknowledged."""
    async with Client(url, **UP, **options) as client:

        async def all_of(events: int) -> None:
            deliveries = [client.emit(EVENT, body(n)) for n in range(events)]
            for delivery in deliveries:
                assert (await delivery).outcome == "acked"

        yield None, timed(all_of)


async def two_processes(stage: Stage, events: int, *, file: bool, appends: bool = False, way: float = 0.0) -> Measure:
    """Ours. way: seconds that a byte needs in each direction."""
    path = str(stage.folder() / "log.db") if file else ":memory:"
    server = await stage.python(serve, path=path, appends=appends)
    url = server.ready if not way else await delayed(stage, int(server.ready.rpartition(":")[2]), way)
    return (await stage.python(emit, url=url)).ask


async def retries(stage: Stage, events: int, *, way: float = 0.0) -> Measure:
    """JavaScript at both ends."""
    port = (await stage.node("server.mjs")).ready
    if way:
        port = int((await delayed(stage, port, way)).rpartition(":")[2])
    return (await stage.node("retries.mjs", port=port)).ask


async def delayed(stage: Stage, port: int, way: float) -> str:
    """The address of a proxy in front of this port."""
    return str((await stage.python(slow_way, port=port, way=way)).ready)


@asynccontextmanager
async def slow_way(port: int, way: float) -> AsyncIterator[tuple[str, Answer]]:
    """A proxy that passes on every byte `way` seconds after it came, as many at once as there are."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while chunk := await reader.read(1 << 16):
            loop.call_later(way, writer.write, chunk)
        loop.call_later(way, writer.close)

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, onward = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, onward), pump(there, writer), return_exceptions=True)

    proxy = await asyncio.start_server(accepted, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}", silent
    finally:
        proxy.close()


JAVASCRIPT = Contender("JavaScript `retries`", retries, share=0.2, needs=NODE)

FIGURES = (
    Figure(
        "at_least_once",
        "At least once with dedupe, two processes, no delay. Committed: on the disk (synchronous=FULL) before its acknowledgement.",
        "events/s",
        [
            Row(Contender("log in memory", partial(two_processes, file=False)), JAVASCRIPT, faster(15)),
            Row(Contender("committed: that it was applied", partial(two_processes, file=True)), JAVASCRIPT, faster(10)),
            Row(Contender("committed: that, and tx.append", partial(two_processes, file=True, appends=True)), JAVASCRIPT, faster(10)),
        ],
        events=20_000,
        limits="Where the time goes (log in memory, CPU for each event): 12 to 23 us until the client has accepted it, which nothing "
        "overlaps here because all are emitted in one go; then 20 to 25 us of the client to send and settle it, beside 22 to 30 us of "
        "the server to take it, hand it to its handler and write it down. In a profile no single function has a tenth of that: it is "
        "the sum of what each event has of its own: a copy of its data, a place in the buffer, a number, a try, a fate, a fingerprint.",
    ),
)
