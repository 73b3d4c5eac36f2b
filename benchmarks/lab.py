"""How long a cell waits for `Lab.start()` and for `lab.join()`, after the imports."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from benchmarks.processes import Answer, Stage
from benchmarks.rounds import Contender, Figure, Measure, Row, limit
from realtime_lab import Lab


@asynccontextmanager
async def laboratory() -> AsyncIterator[tuple[None, Answer]]:
    """Asked for "start" or "join", how many seconds it took in a new lab."""

    async def answer(what: str) -> float:
        began = time.perf_counter()
        async with Lab.start() as lab:
            if what == "join":
                began = time.perf_counter()
                await lab.join("alice")
            return time.perf_counter() - began

    yield None, answer


async def step(stage: Stage, events: int, *, what: str) -> Measure:
    """One of them."""
    program = await stage.python(laboratory)

    async def once(_: int) -> float:
        return float(await program.ask(what))

    return once


FIGURES = (
    Figure(
        "lab",
        "How long the first cells of a notebook wait, after the imports.",
        "ms",
        [
            Row(Contender("Lab.start()", partial(step, what="start")), None, limit(0.050)),
            Row(Contender("lab.join()", partial(step, what="join")), None, limit(0.020)),
        ],
        rounds=15,
    ),
)
