"""What a client remembers of its events: in memory, gone with the process, or in a store, so that a restart goes on where it was.

Both give each event its number. An event may be sent only once its number cannot be given to another one any more; with a store that is
after the commit. So a crash between the two loses an event that was never sent, and never makes two events of one number.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

from realtime_lab.errors import AlreadyClosed, StoreFailed, StoreInUse
from realtime_lab.net.client_store import ClientStore, Pending
from realtime_lab.net.packets import Content
from realtime_lab.net.reporting import report

STORE_ERRORS = (StoreFailed, StoreInUse)
"""It failed, or a foreign program writes to it for too long. Either may be over soon, so the writer goes on."""


class Keeper(Protocol):
    """`keep` calls back with the number as soon as the event is safe, in the order of the calls."""

    client_id: str
    highest: int
    """The highest number that was given."""
    durable: bool
    """Does it outlive the process?"""

    async def open(self) -> list[Pending]:
        """What an earlier run left behind, in order. Raises StoreInUse, StoreFailed."""

    def keep(self, event: str, content: Content, kept: Callable[[int], None], failed: Callable[[OSError], None]) -> None:
        """Remember an event."""

    def give_up(self, n: int, then: Callable[[bool], object]) -> None:
        """Only the number of this event is still needed. Calls `then` with whether that is written."""

    def forget(self, n: int) -> None:
        """The number is finished."""

    async def close(self) -> None:
        """Nothing more comes; what was said so far is written."""


class NoKeeper:
    """Keeps nothing and gives no numbers: the events are in the send buffer, and that is all."""

    client_id = ""
    highest = 0
    durable = False

    async def open(self) -> list[Pending]:
        """Nothing was left behind."""
        return []

    def keep(self, event: str, content: Content, kept: Callable[[int], None], failed: Callable[[OSError], None]) -> None:
        """No number."""
        kept(0)

    def give_up(self, n: int, then: Callable[[bool], object]) -> None:
        """At once."""
        then(True)

    def forget(self, n: int) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do."""


class MemoryKeeper(NoKeeper):
    """Numbers that live and die with this object, and so does the client id."""

    def __init__(self) -> None:
        self.client_id = uuid4().hex

    def keep(self, event: str, content: Content, kept: Callable[[int], None], failed: Callable[[OSError], None]) -> None:
        """At once."""
        self.highest += 1
        kept(self.highest)


@dataclass(frozen=True, slots=True)
class _Arrival:
    event: str
    content: Content
    kept: Callable[[int], None]
    failed: Callable[[OSError], None]


class StoreKeeper:
    """Writes to a ClientStore, in order, everything that waits in one go."""

    durable = True

    def __init__(self, store: ClientStore) -> None:
        self._store = store
        self._arrivals: deque[_Arrival] = deque()
        self._gone: list[tuple[int, Callable[[bool], object]]] = []
        self._finished: list[int] = []
        self._news = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._door = asyncio.Lock()
        self._closed = False
        self.client_id = ""
        self.highest = 0

    async def open(self) -> list[Pending]:
        """Open the store, and write from now on. Raises AlreadyClosed after close()."""
        async with self._door:
            if self._closed:
                raise AlreadyClosed("this client was closed. Make a new one.")
            if self._writer is not None:
                return []
            await self._store.open()
            self.client_id, self.highest = self._store.client_id, self._store.highest
            pending = await self._store.pending()
            self._writer = asyncio.create_task(self._write())
            return pending

    def keep(self, event: str, content: Content, kept: Callable[[int], None], failed: Callable[[OSError], None]) -> None:
        """Soon; before the store is open it waits."""
        self._arrivals.append(_Arrival(event, content, kept, failed))
        self._news.set()

    def give_up(self, n: int, then: Callable[[bool], object]) -> None:
        """Soon."""
        self._gone.append((n, then))
        self._news.set()

    def forget(self, n: int) -> None:
        """Soon."""
        self._finished.append(n)
        self._news.set()

    async def close(self) -> None:
        """Write what was said so far and close the store. What was said to a store that never was open is lost."""
        async with self._door:
            self._closed = True
            if self._writer is not None:
                self._news.set()
                await asyncio.wait({self._writer})
                self._writer = None
                await self._store.close()

    async def _write(self) -> None:
        while not self._closed or self._news.is_set():
            await self._news.wait()
            self._news.clear()
            await self._flush()

    async def _flush(self) -> None:
        arrivals, self._arrivals = self._arrivals, deque()
        if arrivals:
            await self._add(arrivals)
        gone, self._gone = self._gone, []
        finished, self._finished = self._finished, []
        written = False
        try:
            if gone:
                await self._store.give_up([n for n, _ in gone])
            written = True
            if finished:
                await self._store.remove(finished)
        except STORE_ERRORS as error:  # they stay: after a restart they are sent again, and the server knows their numbers
            self._report(error)
        for _, then in gone:
            then(written)

    async def _add(self, arrivals: deque[_Arrival]) -> None:
        try:
            numbers = await self._store.add([(each.event, each.content.data) for each in arrivals])
        except STORE_ERRORS as error:
            for each in arrivals:
                each.failed(error)
            self._report(error)
            return
        for each, n in zip(arrivals, numbers, strict=True):
            self.highest = n
            each.kept(n)

    def _report(self, error: OSError) -> None:
        report(f"the client's store: {error}", error)
