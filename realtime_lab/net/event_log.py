"""EventLog: the server's memory. Events get an offset that only grows, and what the server did stands or falls in one transaction.

All writing goes through one queue (group_commit.py). Nobody is told an offset before the commit. Reading has a connection of its own and
does not wait for what is being written (event_reader.py); only ":memory:" has one connection for both. What is forgotten: retention.py.
The tables: log_tables.py.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from types import TracebackType
from typing import Any, Self, get_args

from realtime_lab.errors import AlreadyClosed, InvalidSetting
from realtime_lab.net.database import (
    MEMORY,
    Database,
    Parameters,
    Row,
    Synchronous,
    database_path,
    open_database,
    open_reader,
    remove_database,
)
from realtime_lab.net.event_reader import HIGHEST, Enough, EventReader, Page, Stored, check_number
from realtime_lab.net.group_commit import AtOnce, GroupCommit, Submitted, T, Work
from realtime_lab.net.log import Log
from realtime_lab.net.log_tables import SCHEMA
from realtime_lab.net.retention import Retention, trim_below
from realtime_lab.net.transaction import Answers, Appended, Marks, Transaction

WHAT = "event log"

GROUP = 500
"""Pieces of work in one transaction at most, unless the log is told otherwise."""

__all__ = ["GROUP", "EventLog", "Log"]


class EventLog:
    """A `Log` in an SQLite file; ":memory:" forgets everything when it is closed. It can be opened again after close() or abandon().

    synchronous     "FULL": a commit survives a power failure. "NORMAL" (faster): the last commits may not, but the end of the process does
                    no harm. "OFF": only for tests
    group           pieces of work that may share one commit. 1: each has its own, which is slow, and easy to watch
    max_events      how many of the newest events are kept after each commit. None: all
    max_age         seconds for which an event is kept; older ones go with the next commit (retention.py: how precisely). None: for ever
    forget_clients  seconds after which a client that was not heard of is forgotten: its last number, its answers and its owner. Give more
                    than any client keeps events that were not acknowledged, and than any connection lasts without one. None: never
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: Synchronous = "FULL",
        group: int = GROUP,
        max_events: int | None = None,
        max_age: float | None = None,
        forget_clients: float | None = None,
    ) -> None:
        if synchronous not in get_args(Synchronous):
            raise InvalidSetting(f"synchronous={synchronous!r}: give one of {', '.join(map(repr, get_args(Synchronous)))}.")
        self.path = database_path(path)
        self._size = check_number("group", group, 1)
        self._retention = Retention(max_events=max_events, max_age=max_age, forget_clients=forget_clients)
        self.before_commit: Callable[[], Awaitable[object]] | None = None
        """Awaited just before each commit: a place for a lab to crash at. If it raises, the group is undone."""
        self.on_append: Appended | None = None
        """Called with (offset, event, data, room) inside `tx.append`, in the context of the work that appends; nothing is committed yet.
        If it raises, `tx.append` does."""
        self.on_commit: Callable[[int], object] | None = None
        """Called with `head` right after each commit that appended or removed events, before anybody is told. It must not raise."""
        self._synchronous: Synchronous = synchronous
        self._door = asyncio.Lock()
        self._reading = asyncio.Lock()
        """One read at a time: each begins with a snapshot of its own, and only one holds rows that nobody may want."""
        self._database: Database | None = None
        self._second: Database | None = None
        """The connection for reading."""
        self._writer: GroupCommit | None = None
        self._epoch = ""
        self._marks = Marks(0, 0)
        self._reader = EventReader(self._query, self.path)

    @property
    def is_open(self) -> bool:
        """Whether work can be submitted."""
        return self._writer is not None and self._writer.accepts

    @property
    def commits(self) -> int:
        """Transactions committed since it was opened."""
        return 0 if self._writer is None else self._writer.commits

    @property
    def epoch(self) -> str:
        """The name of the sequence that this database's offsets belong to (uuid4, hexadecimal). Raises AlreadyClosed before open()."""
        if not self._epoch:
            raise self._not_open()
        return self._epoch

    @property
    def head(self) -> int:
        """The highest offset committed so far; 0: none yet. Raises AlreadyClosed before open()."""
        return self._marks.head if self.epoch else 0

    @property
    def coming_head(self) -> int:
        """As `head`, after the COMMIT that SQLite may be at: a crash does not stop that one."""
        return self._marks.after(self._writer.at_commit if self._writer else ()).head

    @property
    def trimmed(self) -> int:
        """Every event up to this offset was removed; 0: none. Raises AlreadyClosed before open()."""
        return self._marks.trimmed if self.epoch else 0

    @property
    def oldest(self) -> int:
        """The lowest offset that an event can still have. Raises AlreadyClosed before open()."""
        return self.trimmed + 1

    async def open(self) -> None:
        """Open, or make, the database; nothing happens if it is open. Raises StoreInUse, StoreFailed."""
        async with self._door:
            if self.is_open:
                return
            await self._finish()  # it may have been closed by somebody who did not wait
            database = await open_database(self.path, SCHEMA, what=WHAT, synchronous=self._synchronous)
            try:
                page = await EventReader(lambda sql, parameters, enough: database.execute(sql, parameters), self.path).page(0, 0)
                self._second = None if self.path == MEMORY else await open_reader(self.path, what=WHAT)
            except BaseException:
                await database.close()
                raise
            self._database, self._epoch, self._marks = database, database.identity, Marks(page.head, page.trimmed)
            self._writer = GroupCommit(
                database,
                self._size,
                head=lambda: self._marks.head,
                begin=lambda group: Transaction(database, group, self._appended),
                last_work=self._last_work,
                before_commit=self._about_to_commit,
                after_commit=self._committed,
            )

    async def close(self) -> None:
        """Finish what was submitted, then close. Twice is harmless. Raises InvalidSetting inside work of this log."""
        self._not_from_inside("close")
        if self._writer is not None:
            self._writer.seal()
        await self._end()

    async def abandon(self) -> None:
        """Close as a crash does: what is not committed is gone, who waits for it gets AlreadyClosed. The file can be opened at once.

        When a piece of work or `before_commit` calls this, it is cancelled here.
        """
        if self._writer is not None:
            self._writer.stop()
        await self._end()

    def submit(self, work: Work[T]) -> Submitted[T]:
        """Queue `await work(tx)`. Work is run one after the other in this order, so it should be short. Raises AlreadyClosed."""
        if self._writer is None or not self._writer.accepts:
            raise self._not_open()
        return self._writer.submit(work)

    async def transact(self, work: Work[T]) -> T:
        """Run `await work(tx)` and give its result after the commit. Whoever is cancelled here does not know whether it was done.

        Raises what the work raised, StoreFailed, StoreInUse, AlreadyClosed, and InvalidSetting inside work of this log.
        """
        self._not_from_inside("transact")
        return await self.submit(work).committed

    async def append(self, event: str, data: Any = None, *, to: str | None = None) -> int:
        """Append one event, for everybody or for one room, and give its offset after the commit. Raises as `transact` and `tx.append`."""
        return await self.transact(AtOnce(lambda tx: tx.append_at_once(event, data, to=to)))

    async def read(self, after: int, limit: int = 1000, *, rooms: Collection[str] | None = (), max_bytes: int | None = None) -> Page:
        """The next events with an offset above `after`, in order: those for everybody and for these rooms. rooms=None: for all rooms.

        max_bytes   of stored text at most, though at least one event; `complete` says whether that has cut the page short
        It does not wait for what is being written, except in ":memory:". Raises InvalidSetting, StoreFailed, StoreInUse, AlreadyClosed.
        """
        return await self._reader.page(after, limit, rooms, max_bytes)

    async def events(self) -> list[Stored]:
        """All that is kept, for the curious. Raises as `read`."""
        return (await self.read(0, HIGHEST, rooms=None)).events

    async def trim(self, before: int) -> int:
        """Remove every event with an offset below `before`, for good, and give their number. `head` + 1 removes all.

        It is done in pieces, between which others write. Raises as `transact`.
        """
        return await trim_below(self.transact, before)

    async def history_of(self, client_id: str) -> Answers:
        """What is on record, and committed, about a client. Raises as `transact`."""
        return await self.transact(lambda tx: tx.answers(client_id))

    async def owner_of(self, client_id: str) -> str | None:
        """To whom a client id belongs, as far as it is committed. None: to nobody, or nothing is on record. Raises as `read`."""
        return await self._reader.owner_of(client_id)

    async def erase(self) -> None:
        """Remove the files, an application's own tables too, so that the next open() makes a new database, with a new epoch.

        Raises InvalidSetting while it is open here, StoreInUse while it is open elsewhere, StoreFailed.
        """
        self._not_from_inside("erase")
        await _to_the_end(self._erase())

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def _end(self) -> None:
        await _to_the_end(self._close())

    async def _close(self) -> None:
        async with self._door:
            await self._finish()

    async def _erase(self) -> None:
        async with self._door:
            if self.is_open:
                raise InvalidSetting(f"the event log {self.path} is open. Close it before you erase it.")
            await self._finish()
            await remove_database(self.path, SCHEMA, what=WHAT)
            self._epoch = ""

    async def _finish(self) -> None:
        if self._database is None or self._writer is None:
            return
        database, second, self._database, self._second = self._database, self._second, None, None
        try:
            await self._writer.finish()
        finally:
            try:
                if second is not None:
                    async with self._reading:
                        await second.close()
            finally:
                await database.close()

    async def _query(self, sql: str, parameters: Parameters, enough: Enough | None) -> list[Row]:
        async def rows_of(database: Database | None) -> list[Row]:
            if database is None or not self.is_open:
                raise self._not_open()
            return await (database.execute(sql, parameters) if enough is None else database.take(enough, sql, parameters))

        if self.path == MEMORY:
            return await self.transact(lambda tx: rows_of(self._database))
        async with self._reading:
            return await rows_of(self._second)

    def _appended(self, offset: int, event: str, data: Any, room: str) -> None:
        if self.on_append is not None:
            self.on_append(offset, event, data, room)

    def _last_work(self, standing: Sequence[Transaction]) -> Work[None] | None:
        head, trimmed = self._marks.after(standing)
        if not self._retention.due(head, trimmed):
            return None
        return lambda tx: self._retention.forget(tx, head, head - self._marks.head)

    def _committed(self, standing: Sequence[Transaction]) -> None:
        before, self._marks = self._marks, self._marks.after(standing)
        if self._retention.behind and self.is_open:
            self.submit(AtOnce(lambda tx: None))  # its commit forgets the next piece
        if self.on_commit is not None and before != self._marks:
            self.on_commit(self.head)

    async def _about_to_commit(self) -> None:
        if self.before_commit is not None:
            await self.before_commit()

    def _not_open(self) -> AlreadyClosed:
        return AlreadyClosed(f"the event log {self.path} is not open. Call `await log.open()` first.")

    def _not_from_inside(self, method: str) -> None:
        if self._writer is not None and self._writer.is_waiting_for_caller:
            raise InvalidSetting(
                f"log.{method}() inside work of the same log would wait for itself. Use tx, or log.submit() without waiting."
            )


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Even if the caller is cancelled: by itself (`abandon` inside work), or by somebody who is tired of waiting."""
    await asyncio.shield(asyncio.ensure_future(work))
