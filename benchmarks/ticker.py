"""Does a long replay leave room for others on the same loop? How late a timer is meanwhile, server and client on one loop."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.missed import Counter, fill, serve
from benchmarks.ours import EVENT, returning
from benchmarks.processes import Answer, Stage
from benchmarks.rounds import Contender, Figure, Measure, Row, limit

TICK = 0.001
"""Seconds."""


async def tick(late: list[float]) -> None:
    """Note how late each tick is."""
    while True:
        due = time.perf_counter() + TICK
        await asyncio.sleep(TICK)
        late.append(time.perf_counter() - due)


@asynccontextmanager
async def lateness(path: str) -> AsyncIterator[tuple[None, Answer]]:
    """Asked for n, a client replays the last n events; the answer is the 99th percentile of what the ticks were late."""
    async with serve(path) as ((url, head), _):

        async def replay(events: int) -> float:
            client, handled, late = returning(url, head - events), Counter(events), [0.0]
            client.on(EVENT)(handled)
            ticking = asyncio.create_task(tick(late))
            async with client:
                await handled.all.wait()
            ticking.cancel()
            return sorted(late)[len(late) * 99 // 100]

        yield None, replay


async def ours(stage: Stage, events: int) -> Measure:
    """In one process."""
    return (await stage.python(lateness, path=await fill(str(stage.folder() / "log.db"), events))).ask


FIGURES = (
    Figure(
        "ticker",
        f"How late a timer of {TICK * 1000:.0f} ms is while events are replayed, 99th percentile (p99). Server and client on one loop.",
        "ms",
        [Row(Contender("Client(replay=True)", ours), None, limit(0.005))],
        events=100_000,
        rounds=3,
        limits="One turn of the loop may hold the making of a page by the server, its opening by the client, and 2 ms of handlers.",
    ),
)
