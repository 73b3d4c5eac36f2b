"""What the record of a lab needs in memory, for each of its events: alone, and with what a control room computes of it."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from benchmarks.figures import fill
from benchmarks.processes import Answer, Stage
from benchmarks.replay_memory import kilobytes
from benchmarks.rounds import Contender, Figure, Measure, Row, limit
from realtime_lab import Lab
from realtime_lab.history.picture import Picture

WARM = 1_000
"""Events of the record after which everything is loaded that is needed once."""


@asynccontextmanager
async def recording(*, pictured: bool) -> AsyncIterator[tuple[None, Answer]]:
    """Asked for n, how many bytes each of the next n events of a new lab's record needs."""

    async def answer(events: int) -> float:
        async with Lab.start() as lab:
            await lab.join("alice")
            await lab.join("bob")
            picture = Picture(last=18)
            if pictured:
                lab.journal.subscribe(picture.feed)
            await fill(lab, WARM)
            gc.collect()
            began, before = len(lab.journal), kilobytes("VmRSS")
            await fill(lab, began + events)
            if pictured:
                picture.layout()
            gc.collect()
            return 1024 * (kilobytes("VmRSS") - before) / (len(lab.journal) - began)

    yield None, answer


async def measured(stage: Stage, events: int, *, pictured: bool) -> Measure:
    """Each time in a new process: what a process has once had, it keeps."""

    async def once(many: int) -> float:
        async with Stage(inline=stage.inline) as fresh:
            return float(await (await fresh.python(recording, pictured=pictured)).ask(many))

    return once


def contender(name: str, *, pictured: bool) -> Contender:
    """One of them."""
    return Contender(name, partial(measured, pictured=pictured), needs=("linux",))


FIGURES = (
    Figure(
        "journal_memory",
        "What one event in the record of a lab needs in memory; a message through a link makes some seven. A record ends, and says "
        "so, at 300,000 events.",
        "B",
        [
            Row(contender("the lab", pictured=False), None, limit()),
            Row(contender("the lab and its control room", pictured=True), None, limit(1_500)),
        ],
        events=20_000,
        rounds=3,
        warm=False,
    ),
)
