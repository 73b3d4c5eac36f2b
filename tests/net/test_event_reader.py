"""What is read from the log: in order, only what is committed, only what somebody may see, one snapshot."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from realtime_lab.errors import AlreadyClosed, InvalidSetting, StoreFailed
from realtime_lab.net.event_log import EventLog
from realtime_lab.net.event_reader import HIGHEST, Page, Stored
from realtime_lab.net.transaction import Transaction
from tests.net.harness import until


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture(params=["log.db", ":memory:"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return request.param if request.param == ":memory:" else str(tmp_path / request.param)


def offsets(page: Page) -> list[int]:
    return [each.offset for each in page.events]


async def fill(log: EventLog, *rooms: str | None) -> None:
    await asyncio.gather(*(log.append("a", n, to=room) for n, room in enumerate(rooms)))


async def test_an_event_comes_back_as_it_was_appended(path: str) -> None:
    async with EventLog(path) as log:
        await log.append("chat message", {"a": [b"x", 1]}, to="lobby")
        await log.append("b")
        first, second = (await log.read(0, rooms=None)).events
        assert (first.offset, first.event, first.room, first.data) == (1, "chat message", "lobby", {"a": [b"x", 1]})
        assert (second.offset, second.event, second.room, second.data) == (2, "b", "", None)
        assert first.at > 1e9
        assert await log.events() == [first, second]


async def test_a_page_has_what_comes_after_an_offset(path: str) -> None:
    async with EventLog(path) as log:
        assert await log.read(0) == Page([], 0, 0)
        await fill(log, *[None] * 10)
        assert offsets(await log.read(3, 4)) == [4, 5, 6, 7]
        assert await log.read(10) == await log.read(99) == await log.read(HIGHEST, HIGHEST) == await log.read(0, 0) == Page([], 10, 0)


async def test_only_what_is_for_everybody_or_for_these_rooms(path: str) -> None:
    async with EventLog(path) as log:
        await fill(log, None, "a", "b", "c", None, "a", "a\0b")
        assert offsets(await log.read(0)) == [1, 5]
        assert offsets(await log.read(0, rooms={"a", "c"})) == [1, 2, 4, 5, 6]
        assert offsets(await log.read(1, 2, rooms=["b", "missing", "b"])) == [3, 5]
        assert offsets(await log.read(0, rooms=["a\0b", "'A", "A", "?"])) == [1, 5, 7]
        assert offsets(await log.read(0, rooms=[f"room {n}" for n in range(9_999)] + ["b"])) == [1, 3, 5]
        assert offsets(await log.read(0, rooms=None)) == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("rooms", [None, (), ("b", "a")])
async def test_the_order_is_that_of_the_offsets_whatever_the_database_finds_first(file: Path, rooms: Any) -> None:
    async with EventLog(file) as log:
        assert log._second is not None
        await fill(log, "b", None, "a", "b", None, "a", None, None, None)
        everything = offsets(await log.read(0, rooms=rooms))
        for pragma in ("ON", "OFF"):  # ON: what is not ordered comes backwards
            await log._second.execute(f"PRAGMA reverse_unordered_selects = {pragma}")
            assert offsets(await log.read(0, rooms=rooms)) == everything == sorted(everything)
            for limit in (1, 2, 3):
                assert offsets(await log.read(0, limit, rooms=rooms)) == everything[:limit]


async def test_gaps_are_normal(file: Path) -> None:
    async def work(tx: Transaction) -> None:
        await tx.execute("INSERT OR IGNORE INTO log_events (offset, event, body, at) VALUES (2, 'again', 'null', 0)")
        await tx.execute("INSERT OR IGNORE INTO log_events (event, body, at) VALUES ('without a body', NULL, 0)")
        await tx.execute("DELETE FROM log_events WHERE offset = 3")

    async with EventLog(file) as log:
        await fill(log, *[None] * 4)
        await log.transact(work)
        last = await log.append("a")
        assert last > 4
        assert offsets(await log.read(1)) == [2, 4, last]
        assert offsets(await log.read(2, 1)) == [4]


async def test_the_offset_of_undone_work_is_given_again_and_nobody_reads_it_before() -> None:
    async def undone(tx: Transaction) -> None:
        assert await tx.append("undone") == 1
        raise KeyError

    async with EventLog(":memory:") as log:
        with pytest.raises(KeyError):
            await log.transact(undone)
        assert (await log.read(0), log.head) == (Page([], 0, 0), 0)
        assert await log.append("a") == 1
        assert [each.event for each in await log.events()] == ["a"]


async def test_reading_does_not_wait_for_what_is_being_written_and_does_not_see_it(file: Path) -> None:
    async with EventLog(file) as log:
        await log.append("a")
        gate = asyncio.Event()
        log.before_commit = gate.wait
        submitted = log.submit(lambda tx: tx.append("a"))
        await submitted.executed
        assert (offsets(await log.read(0)), log.head) == ([1], 1)
        assert await log.owner_of("alice") is None
        gate.set()
        await submitted.committed
        assert (offsets(await log.read(0)), log.head) == ([1, 2], 2)


async def test_work_may_read_what_is_committed_and_not_its_own(file: Path) -> None:
    async def work(tx: Transaction) -> list[int]:
        await tx.append("a")
        return offsets(await log.read(0))

    async with EventLog(file) as log:
        assert [await log.transact(work), await log.transact(work)] == [[], [1]]
    async with EventLog(":memory:") as log:
        with pytest.raises(InvalidSetting, match="wait for itself"):
            await log.transact(work)


async def test_a_page_is_one_snapshot(file: Path) -> None:
    async def write() -> None:
        while not done:
            await asyncio.gather(*(log.append("a") for _ in range(3)))
            await log.trim(log.head - 5)

    done = False
    async with EventLog(file, synchronous="OFF", max_events=20) as log:
        await fill(log, *[None] * 10)
        writing = asyncio.ensure_future(write())
        heads: set[int] = set()
        while len(heads) < 50:
            for page in await asyncio.gather(*(log.read(0, rooms=rooms) for rooms in (None, ()))):
                assert offsets(page) == list(range(page.trimmed + 1, page.head + 1))
                heads.add(page.head)
        done = True
        await writing


@pytest.mark.parametrize("rooms", [None, (), ("b",)])
async def test_all_pages_together_are_the_log(file: Path, rooms: Any) -> None:
    random.seed(1)
    async with EventLog(file, synchronous="OFF") as log:
        sent = [random.choice([None, "a", "b"]) for _ in range(2500)]
        await fill(log, *sent)
        expected = [n for n, room in enumerate(sent) if rooms is None or room is None or room in rooms]
        found: list[Stored] = []
        while page := (await log.read(found[-1].offset if found else 0, 100, rooms=rooms)).events:
            found += page
        assert [each.data for each in found] == expected


async def test_what_matches_rarely_is_found_through_the_index(file: Path) -> None:
    async with EventLog(file) as log:
        await fill(log, *[None] * 999)
        await log.transact(lambda tx: tx.execute("ANALYZE"))  # the statistics say: hardly any rooms
    async with EventLog(file) as log:
        assert log._second is not None
        seen: list[Any] = []
        execute = log._second.execute

        async def explained(sql: str, parameters: Any = ()) -> list[Any]:
            seen.extend(await execute(f"EXPLAIN QUERY PLAN {sql}", parameters))
            return await execute(sql, parameters)

        log._second.execute = explained  # type: ignore[method-assign]
        await log.read(0, rooms=["a", "b"])
        plan = [detail for *_, detail in seen]
        assert "SEARCH log_events USING COVERING INDEX log_events_room (room=? AND rowid>?)" in plan
        assert not [each for each in plan if each.startswith("SCAN log_events")]


@pytest.mark.parametrize("number", [-1, True, 1.0, "1", None, HIGHEST + 1, float("nan"), [1]])
async def test_numbers_that_are_none_are_refused(number: Any) -> None:
    async with EventLog(":memory:") as log:
        for call in (log.read(number), log.read(0, number), log.trim(number)):
            with pytest.raises(InvalidSetting, match="give a whole number, 0 or more"):
                await call
    with pytest.raises(InvalidSetting):
        await log.read(number)


@pytest.mark.parametrize("rooms", ["lobby", [""], [1], [None], ["x" * 201], ["\ud800"], 7, iter(["a"]), ["x"] * 10_001, b"ab"])
async def test_rooms_that_are_none_are_refused(rooms: Any) -> None:
    async with EventLog(":memory:") as log:
        with pytest.raises(InvalidSetting):
            await log.read(0, rooms=rooms)


@pytest.mark.parametrize("room", ["", "x" * 201, 1, "\ud800", b"a"])
async def test_an_event_for_a_room_that_is_none_is_refused(room: Any) -> None:
    async with EventLog(":memory:") as log:
        with pytest.raises(InvalidSetting):
            await log.append("a", to=room)
        assert await log.append("a", to="x" * 200) == 1


async def test_a_closed_log_cannot_be_read(path: str) -> None:
    log = EventLog(path)
    for _ in range(2):
        for call in (log.read(0), log.events(), log.owner_of("alice"), log.trim(0)):
            with pytest.raises(AlreadyClosed, match="not open"):
                await call
        await log.open()
        await log.close()


@pytest.mark.parametrize("end", ["close", "abandon"])
async def test_whoever_reads_when_it_is_closed_gets_a_page_or_an_error(file: Path, end: str) -> None:
    log = EventLog(file)
    for turns in range(10):
        await log.open()
        await log.append("a")
        reading = [asyncio.ensure_future(log.read(0)) for _ in range(5)]
        for _ in range(turns):
            await asyncio.sleep(0)
        ending = asyncio.ensure_future(getattr(log, end)())
        await asyncio.sleep(0)
        with pytest.raises(AlreadyClosed, match="not open"):
            await log.read(0)
        for result in await asyncio.gather(*reading, return_exceptions=True):
            assert isinstance(result, (Page, AlreadyClosed))
        await ending


async def test_a_reader_that_is_cancelled_harms_nobody(path: str) -> None:
    async with EventLog(path) as log:
        await fill(log, *[None] * 2000)
        for turns in range(10):
            reading = [asyncio.ensure_future(log.read(0, 2000)) for _ in range(3)]
            for _ in range(turns):
                await asyncio.sleep(0)
            reading[1].cancel()
            first, _, third = await asyncio.gather(*reading, return_exceptions=True)
            assert isinstance(first, Page)
            assert first == third
            assert await log.append("b") == first.head + 1


async def test_the_reader_changes_nothing(file: Path) -> None:
    async with EventLog(file) as log:
        assert log._second is not None
        with pytest.raises(StoreFailed, match="may not be written"):
            await log._second.execute("DELETE FROM log_meta")


async def test_what_is_damaged_is_named(file: Path) -> None:
    async with EventLog(file) as log:
        await fill(log, None, None, None)
        await log.transact(lambda tx: tx.execute("UPDATE log_events SET body = '{' WHERE offset = 1"))
        await log.transact(lambda tx: tx.execute("UPDATE log_events SET attachments = '[1]' WHERE offset = 2"))
        first, second, third = await log.events()
        for each in (first, second):
            with pytest.raises(StoreFailed, match=f"stored event {each.offset} is damaged"):
                assert each.data
        assert third.data == 2
        await log.transact(lambda tx: tx.execute("UPDATE log_events SET body = CAST(x'ff' AS TEXT) WHERE offset = 2"))
        with pytest.raises(StoreFailed, match=r"log\.db cannot be read"):
            await log.read(0)
        await log.append("a", 3)
        assert [each.data for each in (await log.read(2)).events] == [2, 3]
        await log.transact(lambda tx: tx.execute("DROP TABLE log_events"))
        with pytest.raises(StoreFailed, match=r"cannot be read: no such table"):
            await log.read(0)


async def test_the_owner_of_a_client_id_is_on_record(path: str) -> None:
    async with EventLog(path) as log:
        assert await log.owner_of("c1") is None
        await log.transact(lambda tx: tx.record("c1", 0, 1, "", {}))
        assert await log.owner_of("c1") is None
        await log.transact(lambda tx: tx.record("c1", 1, 2, "", {}, owner="alice"))
        assert await log.owner_of("c1") == "alice"
        await log.transact(lambda tx: tx.record("c1", 2, 3, "", {}))
        assert await log.owner_of("c1") == "alice"
        await log.transact(lambda tx: tx.record("c1", 3, 4, "", {}, owner="bob"))
        assert await log.owner_of("c1") == "bob"


async def test_the_hooks_see_an_append_before_anybody_is_told() -> None:
    async with EventLog(":memory:") as log:
        said: list[Any] = []
        submitted = log.submit(lambda tx: tx.append("a", {"b": 1}, to="lobby"))
        log.on_append = lambda *details: said.append(details)
        log.on_commit = lambda head: said.append((head, log.head, submitted.committed.done()))
        await submitted.committed
        assert said == [(1, "a", {"b": 1}, "lobby"), (1, 1, False)]
        await log.append("b")
        await log.read(0)
        assert said[2:] == [(2, "b", None, ""), (2, 2, True)]
        await log.trim(3)
        await log.trim(3)
        assert said[4:] == [(2, 2, True)]


async def test_what_is_undone_is_announced_and_not_committed() -> None:
    def refuse(*details: Any) -> None:
        raise KeyError("no")

    async with EventLog(":memory:") as log:
        heads: list[int] = []
        log.on_commit = heads.append
        log.on_append = refuse
        with pytest.raises(KeyError):
            await log.append("a")
        log.on_append = None
        assert (await log.events(), heads) == ([], [])


async def test_a_hook_that_raises_after_a_commit_is_reported_and_the_commit_stands() -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))

    def broken(head: int) -> None:
        raise KeyError(head)

    async with EventLog(":memory:") as log:
        log.on_commit = broken
        assert await log.append("a") == 1
        assert await log.append("a") == 2
        assert log.head == 2
    await until(lambda: len(reported) == 2)
    assert isinstance(reported[0]["exception"], KeyError)


async def test_it_behaves_like_a_list(tmp_path: Path) -> None:
    """Whatever is appended, undone, trimmed and reopened, in any order."""

    async def undone(tx: Transaction) -> None:
        await tx.append("undone")
        raise KeyError

    for seed in range(15):
        chance = random.Random(seed)
        log = EventLog(tmp_path / f"{seed}.db", synchronous="OFF")
        await log.open()
        model: list[tuple[int, str]] = []
        head = trimmed = 0
        for _ in range(60):
            match chance.choice(["append", "append", "append", "undo", "trim", "read", "read", "reopen"]):
                case "append":
                    rooms = [chance.choice(["", "a", "b"]) for _ in range(chance.randint(1, 5))]
                    given = await asyncio.gather(*(log.append("a", to=room or None) for room in rooms))
                    assert given == list(range(head + 1, head + 1 + len(rooms)))
                    model += zip(given, rooms, strict=True)
                    head += len(rooms)
                case "undo":
                    with pytest.raises(KeyError):
                        await log.transact(undone)
                case "trim":
                    before = chance.randint(0, head + 1)
                    assert await log.trim(before) == sum(offset < before for offset, _ in model)
                    model = [each for each in model if each[0] >= before]
                    trimmed = max(trimmed, before - 1)
                case "read":
                    after, limit, seen = chance.randint(0, head + 1), chance.randint(0, 9), chance.choice([None, (), ("a",), ("b", "a")])
                    page = await log.read(after, limit, rooms=seen)
                    visible = [(n, room) for n, room in model if n > after and (seen is None or room in ("", *seen))]
                    assert [(each.offset, each.room) for each in page.events] == visible[:limit]
                    assert page[1:3] == (head, trimmed)
                case _:
                    await chance.choice([log.close, log.abandon])()
                    await log.open()
            assert (log.head, log.trimmed, log.oldest) == (head, trimmed, trimmed + 1)
        await log.close()
