"""What a thousand events cost, counted: no clock, so it is the same on every machine. Nobody watches, as in production, but the link."""

import asyncio
import math
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from realtime_lab.net.client import Client
from realtime_lab.net.event_log import EventLog
from realtime_lab.net.link import Link
from realtime_lab.net.server import Server
from tests.net.harness import CHAT, until

EVENTS = 1000


@dataclass
class Counts:
    """What was counted since it was begun."""

    packets: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(direction, name) of what crossed the link."""
    hops: int = 0
    """Calls to the thread of the log's database for writing."""
    tasks: int = 0
    commits: int = 0


class Counted:
    """A server on a log in a file, and a link to it that counts."""

    def __init__(self, log: EventLog, server: Server) -> None:
        self.log, self.server = log, server
        self.counts = Counts()
        self.link: Link

    def observe(self, kind: str, /, **details: Any) -> None:
        if kind == "wire" and details.get("event"):
            self.counts.packets[details["direction"], details["event"]] += 1

    @contextmanager
    def counting(self) -> Iterator[Counts]:
        """Everything inside."""
        counts, loop = self.counts, asyncio.get_running_loop()
        database: Any = self.log._database
        run, commits = database.run, self.log.commits

        def counted_run(work: Any) -> Any:
            counts.hops += 1
            return run(work)

        def counted_task(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
            counts.tasks += 1
            return asyncio.Task(coro, loop=loop, **options)

        counts.packets.clear()
        database.run = counted_run
        loop.set_task_factory(counted_task)
        try:
            yield counts
        finally:
            loop.set_task_factory(None)
            del database.run
            counts.commits = self.log.commits - commits


@asynccontextmanager
async def counted(folder: Path) -> AsyncIterator[Counted]:
    log = EventLog(folder / "log.db")
    server = Server(log=log, dedupe=True)
    async with server:
        it = Counted(log, server)
        it.link = Link("127.0.0.1", server.port, observer=it.observe)
        await it.link.start()
        try:
            yield it
        finally:
            it.link.close()


async def test_what_is_sent_up_costs_by_the_batch(tmp_path: Path) -> None:
    handled: list[int] = []
    async with counted(tmp_path) as it:
        it.server.on(CHAT)(lambda sid, n: handled.append(n))
        async with Client(it.link.url, retries=math.inf, ack_timeout=10, batch=True) as client:
            await client.emit(CHAT, 0)
            with it.counting() as counts:
                for delivery in [client.emit(CHAT, n) for n in range(1, EVENTS + 1)]:
                    assert (await delivery).outcome == "acked"
    assert handled == list(range(EVENTS + 1))
    assert counts.packets == {("upstream", "batch"): 4}
    assert counts.hops == counts.commits == 4
    assert counts.tasks <= 32


async def test_so_it_does_if_each_handler_works_in_the_database(tmp_path: Path) -> None:
    async with counted(tmp_path) as it:

        @it.server.on(CHAT)
        async def append(sid: str, n: int, tx: Any) -> None:
            await tx.append("news", n, to="somebody")

        async with Client(it.link.url, retries=math.inf, ack_timeout=10, batch=True) as client:
            await client.emit(CHAT, 0)
            with it.counting() as counts:
                for delivery in [client.emit(CHAT, n) for n in range(1, EVENTS + 1)]:
                    assert (await delivery).outcome == "acked"
        assert it.log.head == EVENTS + 1
    assert counts.packets == {("upstream", "batch"): 4}
    assert counts.hops == counts.commits == 4
    assert counts.tasks <= 32


async def test_what_is_published_together_goes_down_together(tmp_path: Path) -> None:
    given: list[int] = []
    async with counted(tmp_path) as it:
        client = Client(it.link.url, replay=True, batch=True)
        client.on(CHAT)(given.append)
        async with client:
            await until(lambda: client.session is not None)
            with it.counting() as counts:
                await asyncio.gather(*[it.server.publish(CHAT, n) for n in range(EVENTS)])
                await until(lambda: len(given) == EVENTS)
    assert given == list(range(EVENTS))
    assert counts.hops == counts.commits == 2, "500 pieces of work in one"
    assert set(counts.packets) == {("downstream", "batch")}
    assert counts.packets.total() <= 2, "one for each commit, or for both"
    assert counts.tasks <= EVENTS + 20, "one is the test's own, for each publish()"


async def test_what_waits_for_a_connection_takes_little_memory() -> None:
    client = Client("http://127.0.0.1:9", retries=math.inf, ack_timeout=10, batch=True, reconnection_delay=1000.0)
    await client.start()
    try:
        deliveries = [client.emit(CHAT, "x") for _ in range(10)]
        before = sys.getallocatedblocks()
        deliveries += [client.emit(CHAT, "x") for _ in range(EVENTS)]
        blocks = sys.getallocatedblocks() - before
        assert len(client.waiting) == EVENTS + 10
        assert blocks / EVENTS < 10
    finally:
        await client.close()
