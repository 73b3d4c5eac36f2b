"""The log's life: opening, closing, crashing; what was told survives."""

import asyncio
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from realtime_lab.errors import AlreadyClosed, InvalidSetting, StoreFailed, StoreInUse
from realtime_lab.net.client_store import ClientStore
from realtime_lab.net.event_log import EventLog, Log
from realtime_lab.net.transaction import Transaction
from tests.net.harness import rounds
from tests.net.process import line_of, lines_of, process


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


async def offsets(log: Log) -> list[int]:
    return [offset for (offset,) in await log.transact(lambda tx: tx.execute("SELECT offset FROM log_events ORDER BY offset"))]


async def test_the_epoch_is_made_with_the_database_and_lives_as_long(file: Path) -> None:
    log = EventLog(file)
    with pytest.raises(AlreadyClosed, match="not open"):
        assert log.epoch
    async with log:
        epoch = log.epoch
        assert len(epoch) == 32
        int(epoch, 16)
    async with EventLog(str(file)) as again:
        assert again.epoch == epoch
    async with EventLog(file.with_name("other.db")) as other:
        assert other.epoch != epoch


async def test_memory_forgets(file: Path) -> None:
    log = EventLog(":memory:")
    async with log:
        epoch = log.epoch
        assert await log.append("a") == 1
    async with log:
        assert log.epoch != epoch
        assert await offsets(log) == []


@pytest.mark.parametrize("end", ["close", "abandon"])
async def test_it_can_be_opened_again_and_offsets_never_come_back(file: Path, end: str) -> None:
    log = EventLog(file)
    for expected in (1, 2, 3):
        await log.open()
        await log.open()
        assert log.is_open
        assert await log.append("a") == expected
        await log.transact(lambda tx: tx.execute("DELETE FROM log_events"))
        await getattr(log, end)()
        await getattr(log, end)()
        assert not log.is_open


async def test_a_closed_log_says_so() -> None:
    log = EventLog(":memory:")
    for _ in range(2):
        with pytest.raises(AlreadyClosed, match="not open"):
            await log.append("a")
        with pytest.raises(AlreadyClosed, match="not open"):
            log.submit(lambda tx: tx.append("a"))
        await log.open()
        await log.close()


async def test_opening_closing_and_abandoning_at_the_same_time_come_to_an_end(file: Path) -> None:
    log = EventLog(file)
    for calls in ("open close", "open abandon", "open close open abandon", "open open close close abandon", "close open abandon close"):
        await asyncio.gather(*(getattr(log, call)() for call in calls.split()))
        await log.close()
        async with log:
            await log.append("a")


async def test_abandoning_ends_a_close_that_waits_for_work(file: Path) -> None:
    log = EventLog(file)
    await log.open()
    hanging = log.submit(lambda tx: asyncio.sleep(3600))
    closing = asyncio.ensure_future(log.close())
    await rounds(5)
    assert not closing.done()
    await log.abandon()
    await closing
    with pytest.raises(AlreadyClosed):
        await hanging.executed
    async with log:
        pass


async def test_a_close_that_nobody_waits_for_goes_on(file: Path) -> None:
    log = EventLog(file)
    await log.open()
    for turns in range(6):
        await log.open()  # waits for the end of the last one
        submitted = log.submit(lambda tx: tx.append("a"))
        closing = asyncio.ensure_future(log.close())
        await rounds(turns + 1)
        closing.cancel()
        await log.open()
        assert submitted.committed.result() == turns + 1
        assert log.is_open
    await log.close()


async def test_two_logs_on_one_file_are_refused(file: Path) -> None:
    async with EventLog(file):
        with pytest.raises(StoreInUse, match=r"event log .* in use"):
            await EventLog(file).open()
        (line,) = await lines_of("try:\n    await EventLog(path).open()\nexcept StoreInUse as error:\n    say('refused')", file)
        assert line == "refused"


@pytest.mark.parametrize("path", ["log.db", ":memory:"])
async def test_a_log_that_was_erased_begins_anew(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    log = EventLog(path)
    for _ in range(2):
        async with log:
            epoch = log.epoch
            assert (log.head, log.trimmed) == (0, 0)
            await log.append("a")
            await log.trim(2)
            with pytest.raises(InvalidSetting, match="open"):
                await log.erase()
            assert await log.append("a") == 2
        await log.erase()
        await log.erase()
        with pytest.raises(AlreadyClosed):
            assert log.head
        with pytest.raises(AlreadyClosed):
            await log.read(0)
    async with log:
        assert log.epoch != epoch


async def test_a_log_that_is_open_elsewhere_is_not_erased(file: Path) -> None:
    async with EventLog(file) as log:
        await log.append("a")
        with pytest.raises(StoreInUse):
            await EventLog(file).erase()
        await log.append("a")
    async with EventLog(file) as log:
        assert await offsets(log) == [1, 2]


async def test_erasing_while_it_closes_waits_for_that_and_goes_on_without_its_caller(file: Path) -> None:
    log = EventLog(file)
    for turns in range(8):
        await log.open()
        assert await log.append("a") == 1
        closing = asyncio.ensure_future(log.close())
        await rounds(1)
        erasing = asyncio.ensure_future(log.erase())
        await rounds(turns)
        erasing.cancel()
        (_, erased) = await asyncio.gather(closing, erasing, return_exceptions=True)
        assert isinstance(erased, asyncio.CancelledError)
        if not turns:
            await log.erase()  # it was cancelled before it began


async def test_erasing_inside_work_is_refused() -> None:
    async with EventLog(":memory:") as log:
        with pytest.raises(InvalidSetting, match="wait for itself"):
            await log.transact(lambda tx: log.erase())


async def test_a_client_store_is_no_event_log(file: Path) -> None:
    store = ClientStore(file)
    await store.open()
    await store.close()
    with pytest.raises(StoreFailed, match="another kind"):
        await EventLog(file).open()


async def test_a_database_without_an_epoch_is_not_left_locked(file: Path) -> None:
    async with EventLog(file) as log:
        await log.transact(lambda tx: tx.execute("DELETE FROM log_meta"))
    for _ in range(2):
        with pytest.raises(StoreFailed, match="lost its identity"):
            await EventLog(file).open()


@pytest.mark.parametrize(("synchronous", "level"), [("FULL", 2), ("NORMAL", 1), ("OFF", 0)])
async def test_synchronous_is_what_was_asked_for(file: Path, synchronous: Any, level: int) -> None:
    async with EventLog(file, synchronous=synchronous) as log:
        assert log._database is not None
        assert await log._database.execute("PRAGMA synchronous") == [(level,)]


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="'FULL', 'NORMAL', 'OFF'"):
        EventLog("a.db", synchronous="full")  # type: ignore[arg-type]


async def test_an_application_keeps_its_tables_in_the_same_transaction(file: Path) -> None:
    async def say(tx: Transaction, text: str) -> None:
        await tx.append("chat message", text)
        await tx.execute("INSERT INTO said VALUES (?)", (text,))

    async with EventLog(file) as log:
        await log.transact(lambda tx: tx.execute("CREATE TABLE said (text UNIQUE)"))
        await log.transact(lambda tx: say(tx, "hi"))
        with pytest.raises(sqlite3.IntegrityError):
            await log.transact(lambda tx: say(tx, "hi"))
        assert await offsets(log) == [1]
    async with EventLog(file) as log:
        assert await log.transact(lambda tx: tx.execute("SELECT * FROM said")) == [("hi",)]


APPEND = """
async with EventLog(path, synchronous="NORMAL", max_events=400) as log:
    async def go(who):
        while True:
            say(await log.append("a", who))
    await asyncio.gather(*(go(who) for who in range(5)))
"""


async def test_what_was_told_survives_the_end_of_the_process_and_offsets_go_on(file: Path) -> None:
    highest = 0
    for _ in range(2):
        told = []
        async with process(APPEND, file) as it:
            while len(told) < 500:
                told.append(int(await line_of(it)))
            it.kill()
            assert it.stdout is not None
            told += [int(line) for line in (await it.stdout.read()).decode().split("\n")[:-1]]
            await it.wait()
        assert min(told) > highest
        assert len(set(told)) == len(told)
        async with EventLog(file) as log:
            stored = await offsets(log)
            assert stored == list(range(log.trimmed + 1, log.head + 1))
            assert {each for each in told if each > log.trimmed} <= set(stored)
            assert log.trimmed == max(0, log.head - 400)
            highest = await log.append("a")
            assert highest > max(stored)


# -- disks that fail ------------------------------------------------------------------------------------------------------------------


def garble(file: Path, old: bytes, new: bytes) -> None:
    content = file.read_bytes()
    assert content.count(old) == 1
    file.write_bytes(content.replace(old, new))


def page_with(file: Path, needle: bytes) -> bytes:
    """The page of the database that holds this."""
    content = file.read_bytes()
    start = content.index(needle) // 4096 * 4096
    return content[start : start + 4096]


async def test_a_page_in_the_middle_that_is_damaged_is_named_and_everything_else_goes_on(file: Path) -> None:
    async with EventLog(file, synchronous="OFF") as log:
        await asyncio.gather(*(log.append("a", f"number {n} " + "x" * 500) for n in range(1, 101)))
        everything = await log.events()
    good = page_with(file, b"number 50 ")
    bad = b"\x5a" * len(good)
    garble(file, good, bad)
    reported: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
    async with EventLog(file, max_events=20) as log:
        assert (log.head, log.trimmed) == (100, 0)
        for rooms in (None, ()):
            with pytest.raises(StoreFailed, match=r"log\.db cannot be used: the file is damaged"):
                await log.read(0, rooms=rooms)
            assert (await log.read(0, 20, rooms=rooms)).events == everything[:20]
            assert (await log.read(80, rooms=rooms)).events == everything[80:]
        with pytest.raises(StoreFailed, match="damaged"):
            await log.trim(90)
        with pytest.raises(StoreFailed, match="damaged"):  # what is too old cannot be forgotten
            await log.append("a")
        assert await log.append("a") == 101  # that is not tried again for a while
        assert ["damaged" in context["message"] for context in reported] == [True]
        assert (log.head, log.trimmed) == (101, 0)
    garble(file, bad, good)
    async with EventLog(file) as log:
        assert (await log.events())[:-1] == everything
        assert log.head == 101


async def test_a_foreign_program_that_writes_holds_up_writers_and_no_reader(file: Path) -> None:
    async with EventLog(file) as log:
        await log.append("a")
        with closing(sqlite3.connect(file, isolation_level=None)) as foreign:
            foreign.execute("BEGIN IMMEDIATE")
            appending = asyncio.ensure_future(log.append("b"))
            while not appending.done():
                page = await log.read(0)
                assert [each.offset for each in page.events] == [1]
            with pytest.raises(StoreInUse, match="in use by another process"):
                await appending
            foreign.execute("ROLLBACK")
        assert await log.append("c") == 2
    async with EventLog(file) as log:
        assert [each.event for each in await log.events()] == ["a", "c"]


async def test_a_full_disk_loses_nothing_and_is_read_and_has_room_again_after_a_trim(file: Path) -> None:
    async with EventLog(file) as log:
        assert log._database is not None
        await log._database.execute("PRAGMA max_page_count = 40")
        stored = 0
        with pytest.raises(StoreFailed, match="the disk is full"):
            while True:
                assert await log.append("a", "x" * 9000) == stored + 1
                stored += 1
        assert stored > 3
        assert (len(await log.events()), log.head) == (stored, stored)
        assert await log.trim(3) == 2
        assert await log.append("a", "x" * 9000) == stored + 1
    async with EventLog(file) as log:
        assert await offsets(log) == list(range(3, stored + 2))


QUOTA = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = EventLog(path)
await log.open()
await log.append("a", "before")
def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
limit(os.path.getsize(f"{path}-wal") + 20_000)
results = await asyncio.gather(*(log.append("a", "x" * 9000) for _ in range(20)), return_exceptions=True)
say({type(each).__name__ for each in results})
say(results[-1])
say([each.data for each in await log.events()], log.head)
limit(resource.RLIM_INFINITY)
say(await log.append("a", "after"))
await log.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no file size limits there")
async def test_a_file_that_may_not_grow_fails_the_group_and_works_again_with_room(file: Path) -> None:
    kinds, reason, read, offset = await lines_of(QUOTA, file)
    assert kinds == "{'StoreFailed'}"
    assert "full, over a quota, or failing" in reason
    assert read == "['before'] 1"
    assert offset == "2"
    async with EventLog(file) as log:
        assert await offsets(log) == [1, 2]
