"""At least once with both ends in one kernel: one process, one loop, as in a notebook."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from benchmarks.at_least_once import JAVASCRIPT, emit, serve
from benchmarks.processes import Answer, Stage
from benchmarks.rounds import Contender, Figure, Measure, Row, faster


@asynccontextmanager
async def both(path: str, *, appends: bool = False) -> AsyncIterator[tuple[None, Answer]]:
    """The server and the client of at_least_once.py on one loop."""
    async with serve(path, appends=appends) as (url, _), emit(url) as client:
        yield client


async def one_process(stage: Stage, events: int, *, file: bool, appends: bool = False) -> Measure:
    """Ours, in one process that does nothing else."""
    path = str(stage.folder() / "log.db") if file else ":memory:"
    return (await stage.python(both, path=path, appends=appends)).ask


FIGURES = (
    Figure(
        "one_kernel",
        "At least once with dedupe, server and client on one loop. Committed as in at_least_once.",
        "events/s",
        [
            Row(Contender("log in memory", partial(one_process, file=False)), JAVASCRIPT, faster()),
            Row(Contender("committed: that it was applied", partial(one_process, file=True)), JAVASCRIPT, faster(6)),
            Row(Contender("committed: that, and tx.append", partial(one_process, file=True, appends=True)), JAVASCRIPT, faster(6)),
        ],
        events=20_000,
        limits="Both ends share a processor, so the costs of at_least_once add up. A tenth is Python's garbage collector, which looks "
        "at all the events that wait.",
    ),
)
