"""Events that a client has missed: made, counted, and replayed by us."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from benchmarks.ours import EVENT, body, returning
from benchmarks.processes import Answer, silent, timed
from realtime_lab import EventLog, Server
from realtime_lab.net.transaction import Transaction

PORTION = 1000


class Counter:
    """A handler that counts, and says when all have come."""

    def __init__(self, events: int = 0) -> None:
        self.expect(events)

    def expect(self, events: int) -> None:
        """So many more."""
        self._left = events
        self.all = asyncio.Event()

    def __call__(self, data: Any) -> None:
        """Handle one."""
        self._left -= 1
        if not self._left:
            self.all.set()


async def fill(path: str, events: int, make: Callable[[int], Any] = body) -> str:
    """Put so many events into a new log, and give its path."""

    async def some(tx: Transaction, first: int) -> None:
        for n in range(first, min(first + PORTION, events)):
            await tx.append(EVENT, make(n))

    async with EventLog(path, synchronous="OFF") as log:
        for first in range(0, events, PORTION):
            await log.transact(partial(some, first=first))
    return path


def rows(path: str, events: int) -> sqlite3.Cursor:
    """Offset, name and JSON of the last so many events of a log, as they are asked for."""
    database = sqlite3.connect(path, check_same_thread=False)
    (head,) = database.execute("SELECT max(offset) FROM log_events").fetchone()
    return database.execute("SELECT offset, event, body FROM log_events WHERE offset > ? ORDER BY offset", (head - events,))


@asynccontextmanager
async def serve(path: str) -> AsyncIterator[tuple[list[Any], Answer]]:
    """Our server on this log. It gives its address and its head."""
    async with Server(log=(log := EventLog(path))) as server:
        yield [str(server.url), log.head], silent


@asynccontextmanager
async def come_back(url: str, head: int) -> AsyncIterator[tuple[None, Answer]]:
    """Our client. Asked for n, a new one comes that has missed the last n events."""

    async def replay(events: int) -> None:
        client, handled = returning(url, head - events), Counter(events)
        client.on(EVENT)(handled)
        async with client:
            await handled.all.wait()

    yield None, timed(replay)
