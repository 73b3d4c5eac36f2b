"""ClientStore: the client's memory that survives a restart: who it is, which events are not settled yet, and where it stands in the log.

The tables:

    store_meta      client_id: made with the file; it and the numbers below live and die together
                    epoch, offset: everything up to there is handled; absent before the first session
    store_events    the outbox; n never comes back (AUTOINCREMENT), not even after all rows were deleted
                    gone = 1: the client gave up on n. The row stays, without its content, until the server knows that n is skipped
"""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple, TypeVar

from realtime_lab.errors import AlreadyClosed, RealtimeLabError, StoreFailed
from realtime_lab.net.body import dump, load
from realtime_lab.net.database import Database, Parameters, Schema, database_path, open_database
from realtime_lab.net.statements import Statements
from realtime_lab.net.to_the_end import to_the_end
from realtime_lab.rules.replay import Position

T = TypeVar("T")

MOVE = "INSERT INTO store_meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"

SCHEMA = Schema(
    application_id=0x524C4353,  # "RLCS"
    version=1,
    script="""
        CREATE TABLE store_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
        CREATE TABLE store_events (
            n INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, body TEXT NOT NULL, attachments TEXT,
            gone INTEGER NOT NULL DEFAULT 0);
        INSERT INTO store_meta VALUES ('client_id', '{identity}')
    """,
    identity="SELECT value FROM store_meta WHERE name = 'client_id'",
)


class Pending(NamedTuple):
    """An event that is not settled yet."""

    n: int
    event: str
    data: Any
    gone: bool
    """The client gave up on it: its event and data are empty, but its number must still be skipped at the server."""


class Effects(Statements):
    """`tx` of `async with client.transaction() as tx`: `await tx.execute(sql, values)` on the application's own tables."""


class ClientStore:
    """One file for one client. Everything is on the disk (PRAGMA synchronous=FULL) when a method returns.

    Methods take turns in the order of their calls. Who is cancelled while one of them runs does not stop it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = database_path(path)
        self.client_id = ""
        """uuid4, hexadecimal, made once with the file; empty before open()."""
        self.highest = 0
        """The highest number that was ever given."""
        self.position: Position | None = None
        """Where it stands in the server's log, as it was written last."""
        self._turn = asyncio.Lock()
        self._database: Database | None = None

    async def open(self) -> None:
        """Open, or make, the file; nothing happens if it is open. Raises StoreInUse, StoreFailed."""
        async with self._turn:
            if self._database is None:
                self._database = await self._opening()

    async def close(self) -> None:
        """Finish what runs, then close. Twice is harmless."""
        await self._in_turn(self._close)

    async def abandon(self) -> None:
        """Close as a crash does: what is not committed is gone, who waits for it gets AlreadyClosed."""
        await self._close()
        await self.close()  # it may have been about to open

    async def add(self, rows: Iterable[tuple[str, Any]]) -> list[int]:
        """Keep these events (name, data), all of them or none, and give their numbers in order.

        Raises NotSerialisable, StoreFailed, AlreadyClosed; then no number was used.
        """
        dumped = [(event, *dump(data)) for event, data in rows]
        return await self._in_turn(lambda: self._add(dumped))

    async def remove(self, numbers: Iterable[int]) -> None:
        """These events are settled: forget them. A number that is not there is no error. Raises StoreFailed, AlreadyClosed."""
        await self._write("DELETE FROM store_events WHERE n = ?", [(n,) for n in numbers])

    async def give_up(self, numbers: Iterable[int]) -> None:
        """Keep only that these numbers must be skipped. A number that is not there is no error. Raises StoreFailed, AlreadyClosed."""
        sql = "UPDATE store_events SET event = '', body = 'null', attachments = NULL, gone = 1 WHERE n = ?"
        await self._write(sql, [(n,) for n in numbers])

    async def move(self, position: Position) -> None:
        """Everything up to here is handled. Raises StoreFailed, AlreadyClosed."""
        await self._in_turn(lambda: self._move(position))

    @asynccontextmanager
    async def transaction(self, position: Position) -> AsyncIterator["Effects"]:
        """SQL on the application's own tables in this file, committed together with `position`, or not at all.

        Nothing else is written to this store meanwhile. After a cancellation `self.position` says whether it was committed.
        Raises StoreInUse, StoreFailed, AlreadyClosed, and what the block raises.
        """
        async with self._turn:
            database = self._opened()
            effects = Effects(database)
            try:
                await to_the_end(database.execute("BEGIN IMMEDIATE"))
                yield effects
                effects.close()
                await to_the_end(self._commit(database, position))
            finally:
                effects.close()
                if database.in_transaction:
                    await to_the_end(database.execute("ROLLBACK"))

    async def pending(self) -> list[Pending]:
        """What is not settled, in order. Raises StoreFailed, AlreadyClosed."""
        sql = "SELECT n, event, body, attachments, gone FROM store_events ORDER BY n"
        rows = await self._in_turn(lambda: self._opened().execute(sql))
        with self._whole():
            return [Pending(n, _text(event), load(_text(body), attachments), bool(gone)) for n, event, body, attachments, gone in rows]

    async def _opening(self) -> Database:
        database = await open_database(self.path, SCHEMA, what="client store")
        try:
            with self._whole():
                rows = await database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'store_events'")
                said: dict[str, str] = dict(await database.execute("SELECT name, value FROM store_meta WHERE name IN ('epoch', 'offset')"))
                self.position = Position(_text(said["epoch"]), int(said["offset"])) if said.keys() >= {"epoch", "offset"} else None
                self.client_id = _text(database.identity)
                self.highest = int(rows[0][0]) if rows else 0
        except BaseException:
            await database.close()
            raise
        return database

    async def _close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            await database.close()

    async def _add(self, rows: Sequence[tuple[str, str, str | None]]) -> list[int]:
        numbers = list(range(self.highest + 1, self.highest + 1 + len(rows)))
        sql = "INSERT INTO store_events (n, event, body, attachments) VALUES (?, ?, ?, ?)"
        await self._opened().write(sql, [(n, *row) for n, row in zip(numbers, rows, strict=True)])
        self.highest += len(rows)
        return numbers

    async def _commit(self, database: Database, position: Position) -> None:
        for row in _rows(position):
            await database.execute(MOVE, row)
        await database.execute("COMMIT")
        self.position = position

    async def _move(self, position: Position) -> None:
        await self._opened().write(MOVE, _rows(position))
        self.position = position

    async def _write(self, sql: str, rows: Sequence[Parameters]) -> None:
        await self._in_turn(lambda: self._opened().write(sql, rows))

    async def _in_turn(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do this after what was called before, and to its end: half a transaction would be left for the next one otherwise."""

        async def run() -> T:
            async with self._turn:
                with self._whole():
                    return await work()

        return await asyncio.shield(asyncio.ensure_future(run()))

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """What cannot be read, or written, although the file is an SQLite database, is damaged: these statements are right."""
        try:
            yield
        except RealtimeLabError:  # it says already what is wrong
            raise
        except (sqlite3.Error, ValueError, TypeError, LookupError, RecursionError) as error:
            raise StoreFailed(f"the client store {self.path} is damaged: {error}. Put a backup in its place.") from error

    def _opened(self) -> Database:
        if self._database is None:
            raise AlreadyClosed(f"the client store {self.path} is not open. Call `await store.open()` first.")
        return self._database


def _text(value: object) -> str:
    """A column that has lost its kind is damaged."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.80} is no text")
    return value


def _rows(position: Position) -> list[tuple[str, str]]:
    return [("epoch", position.epoch), ("offset", str(position.offset))]
