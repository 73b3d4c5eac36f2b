"""A single event, nothing else waiting: how long until its sender knows. Beside `call` of plain python-socketio. Two processes."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from statistics import median
from typing import Any

from benchmarks.ours import EVENT, UP, body
from benchmarks.plain import connected, listening
from benchmarks.processes import Answer, Stage, silent
from benchmarks.rounds import Contender, Figure, Measure, Row, cost
from realtime_lab import Client, EventLog, Server


@asynccontextmanager
async def serve(path: str) -> AsyncIterator[tuple[str, Answer]]:
    """Our server; without a path it has no log."""
    server = Server(log=EventLog(path), dedupe=True) if path else Server()
    server.on(EVENT)(lambda sid, data: None)
    async with server:
        yield str(server.url), silent


@asynccontextmanager
async def emit(url: str) -> AsyncIterator[tuple[None, Answer]]:
    """Our client. Asked for n, it emits n messages one after the other, and gives the median."""
    async with Client(url, **UP) as client:

        async def answer(events: int) -> float:
            return await each(events, lambda data: client.emit(EVENT, data))

        yield None, answer


@asynccontextmanager
async def plain_server() -> AsyncIterator[tuple[str, Answer]]:
    """A plain python-socketio server that acknowledges."""
    async with listening() as (sio, url):
        sio.on(EVENT, lambda sid, data: None)
        yield url, silent


@asynccontextmanager
async def plain_client(url: str) -> AsyncIterator[tuple[None, Answer]]:
    """A plain python-socketio client, as `emit`."""
    async with connected(url) as client:

        async def answer(events: int) -> float:
            return await each(events, lambda data: client.call(EVENT, data))

        yield None, answer


async def each(events: int, send: Any) -> float:
    """The median of so many, in seconds."""
    took = []
    for n in range(events):
        data = body(n)
        began = time.perf_counter()
        await send(data)
        took.append(time.perf_counter() - began)
    return median(took)


async def ours(stage: Stage, events: int, *, path: str | None = None) -> Measure:
    """path: "" without a log, None in a file."""
    path = str(stage.folder() / "log.db") if path is None else path
    return (await stage.python(emit, url=(await stage.python(serve, path=path)).ready)).ask


async def plain(stage: Stage, events: int) -> Measure:
    """The anchor."""
    return (await stage.python(plain_client, url=(await stage.python(plain_server)).ready)).ask


CALL = Contender("python-socketio `call`", plain)

FIGURES = (
    Figure(
        "latency",
        "One event, nothing waiting, until it is known to be acknowledged: the median (p50). Two processes.",
        "us",
        [
            Row(Contender("at least once", partial(ours, path="")), CALL, cost(1.3)),
            Row(Contender("and dedupe, log in memory", partial(ours, path=":memory:")), CALL, cost(1.3)),
            Row(Contender("and dedupe, committed", ours), CALL, cost()),
        ],
        events=1000,
        limits="At least once takes some 0.2 ms of processor time more than `call`, at both ends together. In a profile two fifths of that "
        "are emit(), until the event has its number, its place in the buffer and its first try; a quarter is what follows the "
        "acknowledgement; the rest is the envelope, and a turn of the loop for the task that sends, which is how a break loses nothing. "
        "With dedupe an event is written down before it is acknowledged. In a file that is a hop to the database's thread and back, "
        "and a commit that the disk has taken.",
    ),
)
