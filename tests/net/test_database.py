"""One owner, and errors that say what to do."""

import asyncio
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import aiosqlite
import pytest

from realtime_lab.errors import AlreadyClosed, InvalidSetting, NotSerialisable, StoreFailed, StoreInUse
from realtime_lab.net import client_store
from realtime_lab.net.database import Database, Schema, database_path, open_database, open_reader, remove_database
from tests.examples import every_fourth
from tests.net.process import line_of, lines_of, process

SCHEMA = Schema(77, 2, "CREATE TABLE t (x INTEGER PRIMARY KEY, y); INSERT INTO t (y) VALUES ('{identity}')", "SELECT y FROM t")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


async def opened(path: Path | str, schema: Schema = SCHEMA) -> Database:
    return await open_database(database_path(path), schema, what="test store")


async def value(database: Database, sql: str) -> object:
    ((it,),) = await database.execute(sql)
    return it


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def relative(file: Path) -> Path:
    return Path(os.path.relpath(file))


async def test_a_new_database_is_made_ready(file: Path) -> None:
    database = await opened(file)
    assert await value(database, "PRAGMA journal_mode") == "wal"
    assert await value(database, "PRAGMA synchronous") == 2
    assert await value(database, "PRAGMA foreign_keys") == 1
    assert await value(database, "PRAGMA application_id") == 77
    assert await value(database, "PRAGMA user_version") == 2
    assert await value(database, "SELECT y FROM t") == database.identity
    assert len(database.identity) == 32
    await database.close()
    assert names(file.parent) == ["a.db", "a.db-lock"]


async def test_what_was_made_is_not_made_again(file: Path) -> None:
    first = await opened(file)
    await first.close()
    second = await opened(file)
    assert second.identity == first.identity
    await second.close()


async def test_closing_twice_is_harmless_and_afterwards_nothing_works(file: Path) -> None:
    database = await opened(file)
    await asyncio.gather(database.close(), database.close())
    await database.close()
    assert not database.in_transaction
    for call in (
        database.execute("SELECT 1", "SELECT 1"),
        database.run(lambda connection: None),
        database.write("SELECT ?", [(1,)]),
    ):
        with pytest.raises(AlreadyClosed, match="is closed"):
            await call


async def test_an_open_transaction_is_undone_by_closing(file: Path) -> None:
    database = await opened(file)
    await database.execute("BEGIN IMMEDIATE")
    await database.execute("INSERT INTO t (y) VALUES (1)")
    assert database.in_transaction
    await database.close()
    database = await opened(file)
    assert await value(database, "SELECT count(*) FROM t") == 1
    await database.close()


async def test_write_is_all_or_nothing(file: Path) -> None:
    database = await opened(file)
    await database.write("INSERT INTO t VALUES (?, ?)", [(5, "a"), (6, "b")])
    with pytest.raises(sqlite3.IntegrityError):
        await database.write("INSERT INTO t VALUES (?, ?)", [(7, "c"), (5, "again")])
    assert [x for (x,) in await database.execute("SELECT x FROM t")] == [1, 5, 6]
    assert not database.in_transaction
    await database.close()


async def test_a_second_object_of_this_process_is_refused_also_under_another_name(file: Path) -> None:
    database = await opened(file)
    link = file.with_name("link.db")
    link.symlink_to(file)
    for name in (file, link, relative(file)):
        with pytest.raises(StoreInUse, match=r"test store .*a\.db is in use"):
            await opened(name)
    await database.close()
    await (await opened(link)).close()


async def test_another_process_is_refused_while_this_one_has_it(file: Path) -> None:
    store = "store = ClientStore(path)\ntry:\n    await store.open(); say('open')\nexcept StoreInUse as e:\n    say(e)\nawait store.close()"
    database = await opened(file, client_store.SCHEMA)
    (line,) = await lines_of(store, file)
    assert "in use by another process" in line
    await database.close()
    assert await lines_of(store, file) == ["open"]


async def test_the_lock_is_gone_when_its_process_is_killed(file: Path) -> None:
    async with process("store = ClientStore(path); await store.open(); say('open'); await asyncio.sleep(60)", file) as it:
        assert await line_of(it) == "open"
        with pytest.raises(StoreInUse):
            await opened(file)
        it.kill()
        await it.wait()
        with pytest.raises(StoreFailed, match="of another kind"):  # and not StoreInUse
            await opened(file)


async def test_a_reader_may_look_at_the_file_meanwhile(file: Path) -> None:
    database = await opened(file)
    async with aiosqlite.connect(file) as reader:
        assert await reader.execute_fetchall("SELECT count(*) FROM t") == [(1,)]
        await database.execute("INSERT INTO t (y) VALUES (1)")
        assert await reader.execute_fetchall("SELECT count(*) FROM t") == [(2,)]
    await database.close()


async def test_our_own_reader_sees_what_is_committed_and_can_change_nothing(file: Path) -> None:
    database = await opened(file)
    reader = await open_reader(database.path, what="test store")
    await database.execute("BEGIN IMMEDIATE")
    await database.execute("INSERT INTO t (y) VALUES (1)")
    assert await value(reader, "SELECT count(*) FROM t") == 1
    await database.execute("COMMIT")
    assert await value(reader, "SELECT count(*) FROM t") == 2
    with pytest.raises(StoreFailed, match="may not be written"):
        await reader.execute("DELETE FROM t")
    await reader.close()
    with pytest.raises(AlreadyClosed):
        await reader.execute("SELECT 1")
    with pytest.raises(StoreInUse):  # the reader has not given back the lock
        await opened(file)
    await database.close()
    assert names(file.parent) == ["a.db", "a.db-lock"]


async def test_a_statement_that_failed_half_way_does_not_keep_its_snapshot(file: Path) -> None:
    database = await opened(file)
    await database.execute("INSERT INTO t (y) VALUES (CAST(x'ff' AS TEXT))")
    reader = await open_reader(database.path, what="test store")
    with pytest.raises(sqlite3.OperationalError, match="decode") as kept:
        await reader.execute("SELECT y FROM t")
    await database.execute("DELETE FROM t")
    assert await value(reader, "SELECT count(*) FROM t") == 0
    assert kept.value.__traceback__ is not None
    await reader.close()
    await database.close()


async def test_a_foreign_writer_is_waited_for_off_the_loop_and_then_named(file: Path) -> None:
    database = await opened(file)
    async with aiosqlite.connect(file, isolation_level=None) as foreign:
        await foreign.execute("BEGIN IMMEDIATE")
        writing = asyncio.ensure_future(database.execute("INSERT INTO t (y) VALUES (1)"))
        longest, last = 0.0, time.monotonic()
        while not writing.done():
            await asyncio.sleep(0.01)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
        with pytest.raises(StoreInUse):
            writing.result()
        assert longest < 0.7  # it waited a second
        await foreign.execute("ROLLBACK")
        await database.execute("INSERT INTO t (y) VALUES (1)")
    await database.close()


async def test_memory_needs_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one, other = await opened(":memory:"), await opened(":memory:")
    assert one.identity != other.identity
    await one.close()
    await other.close()
    assert not names(tmp_path)


@pytest.mark.parametrize("path", ["", "a\0b", b"bytes"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidSetting, match="not the path of a file"):
        database_path(path)


def untouched(file: Path) -> list[tuple[str, bytes]]:
    return [(each.name, each.read_bytes()) for each in sorted(file.parent.iterdir()) if each.is_file() and not each.name.endswith("-lock")]


def garble(file: Path, content: bytes, at: int) -> None:
    old = file.read_bytes() if file.exists() else b""
    file.write_bytes(old[:at] + content + old[at + len(content) :])


async def refused(file: Path, reason: str) -> None:
    before = untouched(file) if file.parent.is_dir() else []
    with pytest.raises(StoreFailed, match=reason) as caught:
        await opened(file)
    assert database_path(file) in str(caught.value)
    assert before == (untouched(file) if file.parent.is_dir() else [])


async def test_garbage_a_folder_and_a_missing_folder_are_refused(file: Path) -> None:
    await refused(file.parent, "a folder or a device, not a file")
    await refused(file.parent / "missing" / "a.db", r"the folder .*missing does not exist")
    garble(file, b"not a database at all, but long enough to be read as one" * 100, at=0)
    await refused(file, "not an SQLite database")
    await refused(file / "a.db", "does not exist")


async def test_a_damaged_database_is_refused(file: Path) -> None:
    await (await opened(file)).close()
    garble(file, b"\x5a" * 3996, at=100)  # the page that lists the tables
    await refused(file, "damaged")


async def test_a_database_of_another_kind_is_refused_and_not_touched(file: Path) -> None:
    with sqlite3.connect(file) as foreign:
        foreign.execute("CREATE TABLE precious (x)")
    foreign.close()
    await refused(file, "another kind")


@pytest.mark.parametrize(
    "schema",
    [Schema(78, 2, "SELECT 1", "SELECT 1"), Schema(77, 1, "SELECT 1", "SELECT 1"), Schema(77, 3, "SELECT 1", "SELECT 1")],
    ids=["kind", "newer", "older"],
)
async def test_another_kind_or_version_of_ours_is_refused(file: Path, schema: Schema) -> None:
    await (await opened(file)).close()
    with pytest.raises(
        StoreFailed, match="another kind" if schema.application_id == 78 else f"has version 2, .* reads version {schema.version}"
    ):
        await opened(file, schema)
    await (await opened(file)).close()


async def test_an_applications_own_tables_do_not_matter(file: Path) -> None:
    database = await opened(file)
    await database.execute("CREATE TABLE mine (x)")
    await database.close()
    await (await opened(file)).close()


@pytest.mark.parametrize("path", ["a.db", ":memory:"])
async def test_what_is_removed_is_made_anew(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = await opened(path)
    await first.close()
    await remove_database(database_path(path), SCHEMA, what="test store")
    await remove_database(database_path(path), SCHEMA, what="test store")
    assert "a.db" not in names(tmp_path)
    second = await opened(path)
    assert second.identity != first.identity
    await second.close()


def destroy(file: Path, what: str) -> None:
    if what == "all but the write-ahead log":
        file.unlink()
    elif what == "the list of tables":
        with sqlite3.connect(file) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        garble(file, b"\x5a" * 3996, at=100)


@pytest.mark.parametrize("damage", ["nothing", "the list of tables", "all but the write-ahead log"])
async def test_what_a_killed_process_left_and_what_is_damaged_can_be_removed(damage: str, file: Path) -> None:
    code = "store = ClientStore(path); await store.open(); await store.add([('a', 1)]); say('open'); await asyncio.sleep(60)"
    async with process(code, file) as it:
        assert await line_of(it) == "open"
    assert {"a.db", "a.db-shm", "a.db-wal"} <= set(names(file.parent))
    destroy(file, damage)
    await remove_database(str(file), client_store.SCHEMA, what="client store")
    assert not {"a.db", "a.db-shm", "a.db-wal"} & set(names(file.parent))
    new = await opened(file)
    assert await value(new, "SELECT count(*) FROM t") == 1
    await new.close()


async def test_what_is_open_or_of_another_kind_is_not_removed(file: Path) -> None:
    database = await opened(file)
    with pytest.raises(StoreInUse):
        await remove_database(database.path, SCHEMA, what="test store")
    await database.close()
    for content in (b"", b"a thesis " * 1000):
        garble(file, content, at=0)
        before = untouched(file)
        with pytest.raises(StoreFailed, match=r"^the .* not an SQLite database" if content else rf"^{file} is .* another kind"):
            await remove_database(database.path, client_store.SCHEMA, what="client store")
        assert untouched(file) == before


READ_ONLY = """
os.setuid(65534) if os.getuid() == 0 else None
try:
    await {store}(path).{method}()
except StoreFailed as error:
    say(error)
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """pytest's own folders are closed to other users."""
    folder = Path(tempfile.mkdtemp()).resolve()
    folder.chmod(0o777)
    yield folder
    folder.chmod(0o777)
    shutil.rmtree(folder)


def forbid_writing(folder: Path, what: str) -> None:
    for each in folder.iterdir():
        each.chmod(0o666)
    (folder / what).chmod(0o555 if what == "." else 0o444)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions work in another way there")
@pytest.mark.parametrize(
    ("what", "store", "method"),
    every_fourth(
        [
            ("a.db", "ClientStore", "open"),
            ("a.db-lock", "ClientStore", "open"),
            (".", "ClientStore", "open"),
            ("a.db", "EventLog", "open"),
            (".", "EventLog", "erase"),
        ],
        several=True,
    ),
)
async def test_a_read_only_file_or_folder_is_refused(what: str, store: str, method: str, open_folder: Path) -> None:
    file = open_folder / "a.db"
    await lines_of(f"store = {store}(path); await store.open(); await store.close()", file)
    before = file.read_bytes()
    forbid_writing(open_folder, what)
    (line,) = await lines_of(READ_ONLY.format(store=store, method=method), file)
    assert f"{open_folder / what} is read-only" in line
    assert file.read_bytes() == before


async def test_a_full_disk_is_named_and_recovers(file: Path) -> None:
    database = await opened(file)
    await database.execute("PRAGMA max_page_count = 4")
    with pytest.raises(StoreFailed, match="the disk is full"):
        await database.execute("INSERT INTO t (y) VALUES (?)", ("x" * 100_000,))
    await database.execute("PRAGMA max_page_count = 1000")
    await database.execute("INSERT INTO t (y) VALUES (?)", ("x" * 100_000,))
    await database.close()


async def test_errors_of_a_statement_stay_what_they_are(file: Path) -> None:
    database = await opened(file)
    with pytest.raises(sqlite3.IntegrityError):
        await database.execute("INSERT INTO t VALUES (1, 1)")
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await database.execute("SELECT * FROM missing")
    with pytest.raises(NotSerialisable, match="surrogate"):
        await database.execute("SELECT ?", ("\ud800",))
    await database.close()


async def test_a_failed_opening_leaves_nothing_locked(file: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="syntax"):
        await opened(file, Schema(77, 2, "CREATE TABLE t (x); NONSENSE", ""))
    database = await opened(file)
    assert await value(database, "SELECT count(*) FROM t") == 1
    await database.close()


async def test_a_cancelled_opening_leaves_nothing_locked(file: Path) -> None:
    for turns in range(1, 40, 3):
        task = asyncio.ensure_future(opened(file))
        for _ in range(turns):
            await asyncio.sleep(0.0002)
        task.cancel()
        (result,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(result, Database):
            await result.close()
        await (await opened(file)).close()


async def test_a_database_that_nobody_closed_does_not_keep_the_process_alive(file: Path) -> None:
    assert await asyncio.wait_for(lines_of("store = ClientStore(path); await store.open(); say('open')", file), 10) == ["open"]
