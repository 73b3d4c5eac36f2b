"""What watching costs: at least once through a link, with everything on record in a journal, beside the same without. One loop."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from benchmarks.at_least_once import emit
from benchmarks.one_kernel import one_process
from benchmarks.ours import EVENT
from benchmarks.processes import Answer, Stage
from benchmarks.rounds import Contender, Figure, Measure, Row, faster
from realtime_lab import EventLog, Journal, Link, Server
from realtime_lab.lab.garbage import seldom


@asynccontextmanager
async def watched() -> AsyncIterator[tuple[None, Answer]]:
    """As in a lab: every end, and the link between them, has an observer; and garbage of all ages is collected seldom."""
    journal = Journal(time.monotonic)
    server = Server(log=EventLog(":memory:"), dedupe=True, observer=partial(journal.record, "server"))
    server.on(EVENT)(lambda sid, data: None)
    async with AsyncExitStack() as stack:
        stack.enter_context(seldom)
        await stack.enter_async_context(server)
        link = Link("127.0.0.1", server.port, name="alice", observer=partial(journal.record, "alice"))
        await link.start()
        stack.push_async_callback(link.stop)
        yield await stack.enter_async_context(emit(link.url, observer=partial(journal.record, "alice")))


async def through(stage: Stage, events: int) -> Measure:
    """Ours, watched."""
    return (await stage.python(watched)).ask


FIGURES = (
    Figure(
        "link_and_journal",
        "At least once with dedupe, server and client on one loop, log in memory: through a link, and on record in a journal.",
        "events/s",
        [Row(Contender("with link and journal", through), Contender("without", partial(one_process, file=False)), faster(0.5))],
        events=5_000,
        limits="An event is on record some six times on its way (emitted, buffered, sent, received, handled, settled), and the link "
        "reads every packet.",
    ),
)
