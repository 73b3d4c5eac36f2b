"""Replay: who was away connects, and the handler is called for each event that was missed. From connect() to the last call, two processes.

The anchors have the same events: a loop that emits one by one (python-socketio), JavaScript's connection state recovery, a stream in
Redis, and the bytes alone over TCP, from the same SQLite file.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from benchmarks.missed import PORTION, Counter, come_back, fill, rows, serve
from benchmarks.ours import EVENT, body
from benchmarks.plain import connected, listening
from benchmarks.processes import NODE, REDIS, Answer, Stage, in_thread, silent, timed
from benchmarks.rounds import Contender, Figure, Measure, Row, faster


@asynccontextmanager
async def loop_server(path: str) -> AsyncIterator[tuple[str, Answer]]:
    """python-socketio; who asks for the last n events gets each in an emit of its own, as the page "Delivery guarantees" does it."""
    async with listening() as (sio, url):

        async def replay(sid: str, events: int) -> None:
            for offset, event, text in rows(path, events):
                await sio.emit(event, {"id": offset, "data": json.loads(text)}, to=sid)

        sio.on("replay", replay)
        yield url, silent


@asynccontextmanager
async def loop_client(url: str) -> AsyncIterator[tuple[None, Answer]]:
    """Connects, asks, and handles."""

    async def replay(events: int) -> None:
        async with connected(url) as client:
            client.on(EVENT, handled := Counter(events))
            await client.emit("replay", events)
            await handled.all.wait()

    yield None, timed(replay)


@asynccontextmanager
async def tcp_server(path: str) -> AsyncIterator[tuple[int, Answer]]:
    """Who sends n on a line gets the last n events, each on a line."""

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = rows(path, int(await reader.readline()))
        while some := found.fetchmany(PORTION):
            writer.write("".join(f'[{offset},"{event}",{text}]\n' for offset, event, text in some).encode())
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], silent
    finally:
        server.close()


@asynccontextmanager
async def tcp_client(port: int) -> AsyncIterator[tuple[None, Answer]]:
    """The least that one can do with a line: parse it, and call the handler."""

    def replay(events: int) -> None:
        handled = Counter(events)
        with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rwb", 1 << 16) as stream:
            stream.write(f"{events}\n".encode())
            stream.flush()
            for line in stream:
                handled(json.loads(line)[2])
        assert handled.all.is_set()

    yield None, timed(in_thread(replay))


@asynccontextmanager
async def redis_client(port: int, events: int) -> AsyncIterator[tuple[None, Answer]]:
    """Fills a stream, and reads it 1,000 entries at a time."""
    import redis

    first = redis.Redis(port=port)
    with first.pipeline(transaction=False) as pipeline:
        for n in range(events):
            pipeline.xadd("events", {"data": json.dumps(body(n))}, id=f"{n + 1}-0")
        pipeline.execute()

    def replay(many: int) -> None:
        handled, last = Counter(many), f"{events - many}-0"
        with redis.Redis(port=port) as client:
            while found := client.xrange("events", f"({last}", "+", count=PORTION):
                for _, fields in found:
                    handled(json.loads(fields[b"data"]))
                last = found[-1][0].decode()
        assert handled.all.is_set()

    yield None, timed(in_thread(replay))


async def ours(stage: Stage, events: int) -> Measure:
    """A server on a log, and a client."""
    server = await stage.python(serve, path=await fill(str(stage.folder() / "log.db"), events))
    url, head = server.ready
    return (await stage.python(come_back, url=url, head=head)).ask


async def by(server: Callable[..., Any], client: Callable[..., Any], address: str, stage: Stage, events: int) -> Measure:
    """An anchor of two programs that has the same events in a file of its own."""
    ready = (await stage.python(server, path=await fill(str(stage.folder() / "log.db"), events))).ready
    return (await stage.python(client, **{address: ready})).ask


async def recovery(stage: Stage, events: int) -> Measure:
    """JavaScript: what is missed is sent while the client is away, and only then the time begins."""
    server = await stage.node("server.mjs")
    client = await stage.node("recovery.mjs", port=server.ready)

    async def once(many: int) -> float:
        await client.ask(None)
        await server.ask(many)
        took: float = await client.ask(many)
        return took

    return once


async def stream(stage: Stage, events: int) -> Measure:
    """Redis. What it writes to its disk is not waited for: only reading is timed."""
    return (await stage.python(redis_client, port=await stage.redis("no"), events=events)).ask


OURS = Contender("Client(replay=True)", ours)
LOOP = Contender("one emit per event", partial(by, loop_server, loop_client, "url"))
RECOVERY = Contender("JavaScript, connection state recovery", recovery, needs=NODE)
REDIS_STREAM = Contender("redis-py, XRANGE 1000", stream, needs=REDIS)
TCP = Contender("TCP, a line for each event", partial(by, tcp_server, tcp_client, "port"))


def figure(events: int, recovered: float, rounds: int) -> Figure:
    """For so many missed events."""
    times = {LOOP: 40, RECOVERY: recovered, REDIS_STREAM: 2, TCP: 0.5}
    return Figure(
        f"replay_{events}",
        "Missed events come from SQLite: from connect() until the client's handler was called for the last one. Two processes.",
        "events/s",
        [Row(OURS, anchor, faster(target)) for anchor, target in times.items()],
        events=events,
        rounds=rounds,
        limits="The floor is JSON in Python: the last anchor parses a line for each event and calls the handler, and does nothing else. "
        "What it reaches beside one emit per event is what anything could reach here.",
    )


FIGURES = (figure(10_000, recovered=10, rounds=5), figure(100_000, recovered=6, rounds=3))
