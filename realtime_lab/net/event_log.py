"""EventLog: the server's memory. Events get an offset that only grows, and what the server did stands or falls in one transaction.

All writing goes through one queue (group_commit.py). Nobody is told an offset before the commit.

The tables, beside which an application may have its own (not named log_...; PRAGMA application_id and user_version are the log's):

    log_meta      epoch: made with the database; offsets of different epochs cannot be compared
    log_events    the events; AUTOINCREMENT, so that an offset never comes back, not even after all rows were deleted
                  body: JSON as in body.py; attachments: base64 of its bytes; at: seconds since 1970 (Unix time) when it was appended
    log_clients   last: the number of the client's last applied event
    log_answers   how its newest events were answered (transaction.py: 256 for each client), and the fingerprint of what they held
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Protocol, Self, get_args

from realtime_lab.errors import AlreadyClosed, InvalidSetting
from realtime_lab.net.database import Database, Schema, Synchronous, database_path, open_database
from realtime_lab.net.group_commit import GroupCommit, Submitted, T, Work
from realtime_lab.net.transaction import Answers

GROUP = 500
"""Pieces of work in one transaction at most, unless the log is told otherwise."""

SCHEMA = Schema(
    application_id=0x524C4556,  # "RLEV"
    version=1,
    script="""
        CREATE TABLE log_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
        CREATE TABLE log_events (
            offset INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, body TEXT NOT NULL, attachments TEXT, at REAL NOT NULL);
        CREATE TABLE log_clients (client_id TEXT PRIMARY KEY, last INTEGER NOT NULL);
        CREATE TABLE log_answers (
            client_id TEXT, n INTEGER, fingerprint TEXT NOT NULL, answer TEXT NOT NULL, attachments TEXT,
            PRIMARY KEY (client_id, n)) WITHOUT ROWID;
        INSERT INTO log_meta VALUES ('epoch', '{identity}')
    """,
    identity="SELECT value FROM log_meta WHERE name = 'epoch'",
)


class Log(Protocol):
    """What a Server needs of its log."""

    before_commit: Callable[[], Awaitable[object]] | None

    @property
    def is_open(self) -> bool:
        """Whether work can be submitted."""

    @property
    def epoch(self) -> str:
        """The name of the sequence that its offsets belong to."""

    async def open(self) -> None:
        """Open; nothing happens if it is open."""

    async def close(self) -> None:
        """Finish what was submitted, then close."""

    async def abandon(self) -> None:
        """Close as a crash does: what is not committed is gone."""

    def submit(self, work: Work[T]) -> Submitted[T]:
        """Queue a piece of work."""

    async def transact(self, work: Work[T]) -> T:
        """Run a piece of work and wait for the commit."""

    async def append(self, event: str, data: Any = None) -> int:
        """Append one event, wait for the commit and give its offset."""

    async def history_of(self, client_id: str) -> Answers:
        """What is on record about a client."""


class EventLog:
    """A `Log` in an SQLite file; ":memory:" forgets everything when it is closed. It can be opened again after close() or abandon().

    synchronous     "FULL": a commit survives a power failure. "NORMAL" (faster): the last commits may not, but the end of the process does
                    no harm. "OFF": only for tests
    group           pieces of work that may share one commit. 1: each has its own, which is slow, and easy to watch
    """

    def __init__(self, path: str | os.PathLike[str], *, synchronous: Synchronous = "FULL", group: int = GROUP) -> None:
        if synchronous not in get_args(Synchronous):
            raise InvalidSetting(f"synchronous={synchronous!r}: give one of {', '.join(map(repr, get_args(Synchronous)))}.")
        if isinstance(group, bool) or not isinstance(group, int) or group < 1:
            raise InvalidSetting(f"group={group!r}: give a whole number, 1 or more.")
        self.path = database_path(path)
        self._size = group
        self.before_commit: Callable[[], Awaitable[object]] | None = None
        """Awaited just before each commit: a place for a lab to crash at. If it raises, the group is undone."""
        self._synchronous: Synchronous = synchronous
        self._door = asyncio.Lock()
        self._database: Database | None = None
        self._writer: GroupCommit | None = None
        self._epoch = ""

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

    async def open(self) -> None:
        """Open, or make, the database; nothing happens if it is open. Raises StoreInUse, StoreFailed."""
        async with self._door:
            if self.is_open:
                return
            await self._finish()  # it may have been closed by somebody who did not wait
            self._database = await open_database(self.path, SCHEMA, what="event log", synchronous=self._synchronous)
            self._epoch = self._database.identity
            self._writer = GroupCommit(self._database, self._about_to_commit, self._size)

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
        return await asyncio.shield(self.submit(work).committed)

    async def append(self, event: str, data: Any = None) -> int:
        """Append one event and give its offset after the commit. Raises as `transact`, and NotSerialisable, ReservedName."""
        return await self.transact(lambda tx: tx.append(event, data))

    async def history_of(self, client_id: str) -> Answers:
        """What is on record, and committed, about a client. Raises as `transact`."""
        return await self.transact(lambda tx: tx.answers(client_id))

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def _end(self) -> None:
        async def end() -> None:
            async with self._door:
                await self._finish()

        # To the end, even if the caller is cancelled: by itself (`abandon` inside work), or by somebody who is tired of waiting.
        await asyncio.shield(asyncio.ensure_future(end()))

    async def _finish(self) -> None:
        if self._database is None or self._writer is None:
            return
        try:
            await self._writer.finish()
        finally:
            database, self._database = self._database, None
            await database.close()

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
