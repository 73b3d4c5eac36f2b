"""One SQLite database: opened safely, owned by one object at a time, with errors that a person can act on."""

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast
from uuid import uuid4

import aiosqlite

from realtime_lab.errors import AlreadyClosed, InvalidSetting, StoreFailed
from realtime_lab.net.database_files import BUSY, another_kind, check_whole, lock_of, remove_files, translated

MEMORY = ":memory:"

Synchronous = Literal["FULL", "NORMAL", "OFF"]
Parameters = Sequence[Any] | Mapping[str, Any]
Row = tuple[Any, ...]
T = TypeVar("T")


@dataclass(frozen=True)
class Schema:
    """What is in a new database, and how it is recognised later (PRAGMA application_id and user_version)."""

    application_id: int
    version: int
    script: str
    """SQL statements; {identity} stands for a new uuid4 in hexadecimal."""
    identity: str
    """The query that gives it back."""

    def creation(self) -> str:
        """The script that makes a new database, in one transaction."""
        marks = f"PRAGMA application_id = {self.application_id}; PRAGMA user_version = {self.version}"
        return f"BEGIN IMMEDIATE; {self.script.format(identity=uuid4().hex)}; {marks}; COMMIT"


def database_path(path: str | os.PathLike[str]) -> str:
    """The one absolute name of a database's file (links are followed, so that two names of it meet in one lock), or ":memory:"."""
    name = os.fspath(path)
    if not isinstance(name, str) or not name or "\0" in name:
        raise InvalidSetting(f'{path!r} is not the path of a file. Give one, for example "alice.db", or ":memory:".')
    return name if name == MEMORY else str(Path(name).resolve())


class Database:
    """An open database with one connection. A file is worked on in a thread of its own, so nothing blocks the loop. Memory waits for no
    disk, and to change threads would take longer than the work (measured).
    """

    def __init__(self, path: str, what: str, connection: aiosqlite.Connection, lock: sqlite3.Connection | None) -> None:
        self.path = path
        self.what = what
        self.identity = ""
        """Made with the database, and never changed: tells it from any other."""
        self.failed = False
        """Did the file fail in this transaction? Then only rollback() helps: after ROLLBACK TO, SQLite goes on finding damage where there
        is none (measured)."""
        self._connection = connection
        self._lock = lock
        self._closed = False

    @property
    def in_transaction(self) -> bool:
        """False also after SQLite has rolled back by itself, as it may when the disk is full. Ask between statements only."""
        return not self._closed and self._connection.in_transaction

    async def execute(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Run one statement and give its rows. Raises StoreInUse, StoreFailed, AlreadyClosed."""
        return await self.run(lambda connection: connection.execute(sql, parameters).fetchall())

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Call the function where the database is worked on: many statements for one hop. Raises as `execute`, and what the function does.

        Whoever is cancelled does not stop it.
        """
        with self._usable():
            connection: Any = self._connection
            if self.path == MEMORY:
                return work(connection._conn)
            return cast(T, await connection._execute(work, connection._conn))  # as aiosqlite's own methods do

    async def take(self, enough: Callable[[Row], bool], sql: str, parameters: Parameters = ()) -> list[Row]:
        """As `execute`, up to and with the row at which it is `enough`, which is asked on the connection's thread."""

        def rows(connection: sqlite3.Connection) -> list[Row]:
            taken: list[Row] = []
            with closing(connection.execute(sql, parameters)) as cursor:  # an open statement would keep its old snapshot
                for row in cursor:
                    taken.append(row)
                    if enough(row):
                        break
            return taken

        return await self.run(rows)

    async def write(self, sql: str, rows: Sequence[Parameters]) -> None:
        """Run one statement for every row, in one transaction: all of it, or nothing. Must not be called twice at the same time."""
        try:
            await self.execute("BEGIN IMMEDIATE")
            with self._usable():
                await self._connection.executemany(sql, rows)
            await self.execute("COMMIT")
        finally:
            await self.rollback()

    async def rollback(self) -> None:
        """Undo what is not committed, if there is anything."""
        self.failed = False
        if self.in_transaction:
            await self.execute("ROLLBACK")

    async def close(self) -> None:
        """Close. What was not committed is gone; SQLite moves the rest from the write-ahead log into the file. Twice is harmless."""
        if self._closed:
            return
        self._closed = True
        try:
            with translated(self.path, self.what):
                await self._connection.close()
        finally:
            if self._lock is not None:
                self._lock.close()

    @contextmanager
    def _usable(self) -> Iterator[None]:
        if self._closed:
            raise AlreadyClosed(f"the {self.what} {self.path} is closed. Open it again first.")
        try:
            with translated(self.path, self.what):
                yield
        except StoreFailed:
            self.failed = True
            raise

    async def _prepare(self, schema: Schema, synchronous: Synchronous) -> None:
        ((application_id,),) = await self._ask("PRAGMA application_id")
        ((version,),) = await self._ask("PRAGMA user_version")
        ((entries,),) = await self._ask("SELECT count(*) FROM sqlite_master")
        new = not (application_id or version or entries)
        if not new:
            self._recognise(schema, application_id, version)
        ((mode,),) = await self._ask("PRAGMA journal_mode = WAL")
        if mode not in {"wal", "memory"}:
            raise StoreFailed(f"the {self.what} {self.path} cannot have a write-ahead log there. Put it on a local disk.")
        await self.execute(f"PRAGMA synchronous = {synchronous}")
        await self.execute("PRAGMA foreign_keys = ON")
        if new:
            await self._connection.executescript(schema.creation())
        rows = await self._ask(schema.identity)
        if not rows:
            raise StoreFailed(
                f"the {self.what} {self.path} has lost its identity: {schema.identity} gives nothing. Put a backup in its place."
            )
        self.identity = rows[0][0]

    async def _ask(self, sql: str) -> list[Row]:
        """What every database of this kind answers. Raises StoreFailed if this one does not."""
        try:
            return await self.execute(sql)
        except sqlite3.Error as error:
            raise StoreFailed(
                f"the {self.what} {self.path} cannot be used: the file is damaged ({error}). Put a backup in its place."
            ) from error

    def _recognise(self, schema: Schema, application_id: int, version: int) -> None:
        if application_id != schema.application_id:
            raise another_kind(self.path, self.what)
        if version != schema.version:
            raise StoreFailed(
                f"the {self.what} {self.path} has version {version}, this realtime_lab reads version {schema.version}. "
                "Use the realtime_lab that wrote it, or a newer one."
            )


async def open_database(path: str, schema: Schema, *, what: str, synchronous: Synchronous = "FULL") -> Database:
    """Open or make the database at a path from `database_path`, for this object alone. `what` is its name in error messages.

    Raises StoreInUse when it is open elsewhere, StoreFailed when it cannot be opened or is of another kind.
    """
    return await _to_the_end(_open(path, schema, what, synchronous))


async def open_reader(path: str, *, what: str) -> Database:
    """A second connection to a database that this process has open: it sees what is committed, and waits for no writer.

    It can change nothing, and takes no lock of its own, so close it before the database. Raises StoreInUse, StoreFailed.
    """
    return await _to_the_end(_open_reader(path, what))


async def remove_database(path: str, schema: Schema, *, what: str) -> None:
    """Remove the files of a database, so that the next opening makes a new one.

    Raises StoreInUse when it is open elsewhere, StoreFailed when it cannot be removed or is of another kind; a damaged one can be removed.
    """
    if path != MEMORY:
        await asyncio.to_thread(remove_files, path, schema.application_id, what)


async def _to_the_end(opening_database: Coroutine[Any, Any, Database]) -> Database:
    opening = asyncio.ensure_future(opening_database)
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:  # a thread cannot be stopped half-way: let it open, so that the lock can be given back
        await asyncio.wait({opening})
        if opening.exception() is None:
            await opening.result().close()
        raise


async def _open(path: str, schema: Schema, what: str, synchronous: Synchronous) -> Database:
    lock = None if path == MEMORY else await asyncio.to_thread(_locked, path, what)
    return await _ready(Database(path, what, _connection(path), lock), lambda database: database._prepare(schema, synchronous))


def _locked(path: str, what: str) -> sqlite3.Connection:
    lock = lock_of(path, what)
    try:
        check_whole(path, what)
    except BaseException:
        lock.close()
        raise
    return lock


async def _open_reader(path: str, what: str) -> Database:
    return await _ready(Database(path, what, _connection(path), None), lambda database: database.execute("PRAGMA query_only = ON"))


async def _ready(database: Database, prepare: Callable[[Database], Awaitable[object]]) -> Database:
    try:
        with translated(database.path, database.what):
            await database._connection
            await prepare(database)
    except BaseException:
        await database.close()
        raise
    return database


def _connection(path: str) -> aiosqlite.Connection:
    """A database that nobody closed must not keep the process alive for ever; its transaction is undone at the next opening."""
    connection = aiosqlite.connect(path, isolation_level=None, timeout=BUSY, check_same_thread=path != MEMORY)
    thread: Any = getattr(connection, "_thread", connection)  # before aiosqlite 0.22 the connection itself is the thread
    thread.daemon = True
    return connection
