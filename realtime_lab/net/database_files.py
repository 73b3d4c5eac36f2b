"""The files of an SQLite database: who may open them, what is wrong with them, and how they are removed.

Who has a database open keeps an exclusive lock on a second, empty file beside it (`<path>-lock`). SQLite's own lock on the database would
shut out readers too. The lock belongs to the process, so it is gone when the process is killed; the empty file stays, because removing it
would let two owners lock two files of the same name.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from traceback import clear_frames

from realtime_lab.errors import NotSerialisable, StoreFailed, StoreInUse

BUSY = 1.0
"""Seconds that a statement waits, on the database's thread, for a foreign program that writes to the same file."""

IN_USE = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
BROKEN = {
    sqlite3.SQLITE_FULL: "the disk is full. Free some space and try again; what was committed is still there.",
    sqlite3.SQLITE_IOERR: "the disk refused to read or write (full, over a quota, or failing). What was committed is still there.",
    sqlite3.SQLITE_READONLY: "it may not be written. Give this user the right to write to the file and to its folder.",
    sqlite3.SQLITE_PERM: "access was denied. Give this user the right to write to the file and to its folder.",
    sqlite3.SQLITE_CANTOPEN: "it can be neither opened nor made. Check that this user may write to its folder.",
    sqlite3.SQLITE_NOTADB: "the file is not an SQLite database. Give the path of one, or a path that does not exist yet.",
    sqlite3.SQLITE_CORRUPT: "the file is damaged. Put a backup in its place, or give a path that does not exist yet.",
    sqlite3.SQLITE_PROTOCOL: "its locks do not work. Put it on a local disk.",
}
"""SQLite's primary result codes that speak of the file and not of the statement."""


@contextmanager
def translated(path: str, what: str) -> Iterator[None]:
    """SQLite's errors about the file become StoreInUse and StoreFailed. Errors about a statement (a broken constraint, bad SQL) stay."""
    try:
        yield
    except UnicodeEncodeError as error:
        raise NotSerialisable(f"{error.object!r} holds half of a surrogate pair and cannot be stored. Send well-formed text.") from error
    except UnicodeDecodeError as error:  # SQLite quotes what it found, and that is no text any more (measured)
        clear_frames(error.__traceback__)
        raise _broken(path, what, sqlite3.SQLITE_CORRUPT, repr(error.object)) from error
    except sqlite3.Error as error:
        clear_frames(error.__traceback__)  # they hold the cursor, and a statement that failed half-way would keep its old snapshot with it
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the high bits say which kind of it
        if code in IN_USE:
            raise _in_use(path, what) from error
        if code in BROKEN:
            raise _broken(path, what, code, str(error)) from error
        raise


def lock_of(path: str, what: str) -> sqlite3.Connection:
    """Take the lock; closing it gives it back. Blocks, so it runs on a thread."""
    _check_files(Path(path), what)
    with translated(path, what):
        connection = sqlite3.connect(f"{path}-lock", isolation_level=None, timeout=0, check_same_thread=False)
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except BaseException:
            connection.close()
            raise
        return connection


def remove_files(path: str, application_id: int, what: str) -> None:
    """Remove a database that nobody has open, if it is one of this kind. Blocks, so it runs on a thread."""
    with closing(lock_of(path, what)):
        if Path(path).exists():
            _check_kind(path, application_id, what)
        _unlink(path, what)


def _unlink(path: str, what: str) -> None:
    """The write-ahead log goes before the database, because a new database would take an old log for its own."""
    try:
        for each in (f"{path}-wal", f"{path}-shm", path):
            Path(each).unlink(missing_ok=True)
    except OSError as error:
        raise StoreFailed(f"the {what} {path} cannot be removed: {error}. Give this user the right to write to its folder.") from error


def _check_kind(path: str, ours: int, what: str) -> None:
    with translated(path, what), closing(sqlite3.connect(path, timeout=BUSY)) as connection:
        ((application_id,),) = connection.execute("PRAGMA application_id")
        if application_id != ours and connection.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
            raise another_kind(path, what)


def another_kind(path: str, what: str) -> StoreFailed:
    """The error for a database that somebody else made."""
    return StoreFailed(
        f"{path} is a database of another kind, and no {what}. Give a path that does not exist yet; "
        "an application's own tables can be made in it afterwards."
    )


def check_whole(path: str, what: str) -> None:
    """SQLite removes a write-ahead log whose database is empty or gone, and with it what nobody else has. Raises StoreFailed instead."""
    database, log = Path(path), Path(f"{path}-wal")
    if log.exists() and log.stat().st_size and not (database.exists() and database.stat().st_size):
        raise StoreFailed(
            f"the {what} {path} is empty or gone, and its write-ahead log {log} is still there, with what was committed last. "
            "Put the database back beside it; or give a path that does not exist yet."
        )


def _check_files(path: Path, what: str) -> None:
    """What SQLite would report unclearly, or not at all: it opens a read-only file without a word, and then locks nothing."""
    folder = path.parent
    if not folder.is_dir():
        raise StoreFailed(f"the {what} {path} cannot be made: the folder {folder} does not exist. Make it first, or give another path.")
    if path.exists() and not path.is_file():
        raise StoreFailed(f"the {what} {path} cannot be opened: this is a folder or a device, not a file. Give the path of a file.")
    for each in (folder, path, Path(f"{path}-lock")):
        if each.exists() and not os.access(each, os.W_OK):
            raise StoreFailed(f"the {what} {path} cannot be written: {each} is read-only. Give this user the right to write to it.")


def _broken(path: str, what: str, code: int, said: str) -> StoreFailed:
    return StoreFailed(f"the {what} {path} cannot be used: {BROKEN[code]} (SQLite: {said})")


def _in_use(path: str, what: str) -> StoreInUse:
    return StoreInUse(
        f"the {what} {path} is in use by another process, or by another object of this one. Close it there, or give each its own path."
    )
