"""From one server to 100 clients that have caught up, all on one loop, in bursts; beside `AsyncServer.emit` to a room."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from benchmarks.missed import Counter
from benchmarks.ours import DOWN, EVENT, body
from benchmarks.plain import connected, listening
from benchmarks.processes import Answer, Stage, timed
from benchmarks.rounds import Contender, Figure, Measure, Row, faster
from realtime_lab import Client, EventLog, Server

BURST = 64
CLIENTS = 100
ROOM = "room"


@asynccontextmanager
async def published(path: str, clients: int) -> AsyncIterator[tuple[None, Answer]]:
    """Ours: stored, and sent from there."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(Server(log=EventLog(path)))
        arrived = Counter()
        for _ in range(clients):
            client = Client(server.url, **DOWN)
            client.on(EVENT)(arrived)
            await stack.enter_async_context(client)

        async def burst(events: int) -> None:
            for first in range(0, events, BURST):
                numbers = range(first, min(first + BURST, events))
                arrived.expect(len(numbers) * clients)
                await asyncio.gather(*(server.publish(EVENT, body(n)) for n in numbers))
                await arrived.all.wait()

        yield None, timed(burst)


@asynccontextmanager
async def emitted(clients: int) -> AsyncIterator[tuple[None, Answer]]:
    """Plain python-socketio: sent and forgotten."""
    async with listening() as (sio, url), AsyncExitStack() as stack:

        async def connect(sid: str, environ: Any) -> None:
            await sio.enter_room(sid, ROOM)

        sio.on("connect", connect)
        arrived = Counter()
        for _ in range(clients):
            client = await stack.enter_async_context(connected(url))
            client.on(EVENT, arrived)

        async def burst(events: int) -> None:
            for first in range(0, events, BURST):
                numbers = range(first, min(first + BURST, events))
                arrived.expect(len(numbers) * clients)
                for n in numbers:
                    await sio.emit(EVENT, body(n), to=ROOM)
                await arrived.all.wait()

        yield None, timed(burst)


async def ours(stage: Stage, events: int) -> Measure:
    """With a log on the disk, synchronous=FULL."""
    return (await stage.python(published, path=str(stage.folder() / "log.db"), clients=min(CLIENTS, events))).ask


async def plain(stage: Stage, events: int) -> Measure:
    """The anchor."""
    return (await stage.python(emitted, clients=min(CLIENTS, events))).ask


FIGURES = (
    Figure(
        "fan_out",
        f"To {CLIENTS} clients that have caught up, on one loop, in bursts of {BURST}: events until everybody has handled them.",
        "events/s",
        [
            Row(
                Contender("publish, committed, Client(replay=True)", ours),
                Contender("python-socketio, emit to a room", plain, share=0.25),
                faster(10),
            )
        ],
        events=8 * BURST,
        limits="Each client reads every event for itself: in a profile a third of the time is reading and checking what came, a fifth "
        "calling the handlers, a tenth asyncio's tasks, the rest sockets. A quarter of all is Python's garbage collector (measured by "
        "switching it off), which looks at everything that 100 clients are made of.",
    ),
)
