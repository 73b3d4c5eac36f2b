"""What the log forgets: when it is asked, by count, by age; and clients that were not heard of."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from realtime_lab.errors import AlreadyClosed, InvalidSetting, StoreFailed
from realtime_lab.net.event_log import EventLog
from realtime_lab.net.retention import CLIENTS, PIECE
from realtime_lab.net.transaction import Transaction
from tests.net.harness import until


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


async def kept(log: EventLog) -> list[int]:
    return [each.offset for each in await log.events()]


async def fill(log: EventLog, count: int) -> None:
    async def work(tx: Transaction) -> None:
        for n in range(count):
            await tx.append("a", n)

    await log.transact(work)


async def filled(file: Path, count: int, older: float = 0) -> None:
    """A log with so many events, which are older by so many seconds than they are."""
    async with EventLog(file, synchronous="OFF") as log:
        await fill(log, count)
        await log.transact(lambda tx: tx.execute("UPDATE log_events SET at = at - ?", (older,)))


# -- when it is asked ----------------------------------------------------------------------------------------------------------------


async def test_trimming_removes_what_is_below(file: Path) -> None:
    async with EventLog(file) as log:
        await fill(log, 5)
        assert await log.trim(0) == await log.trim(1) == 0
        assert await log.trim(4) == 3
        assert await log.trim(3) == 0
        assert (await kept(log), log.head, log.trimmed, log.oldest) == ([4, 5], 5, 3, 4)
        assert (await log.read(0, 0))[1:3] == (5, 3)
        with pytest.raises(InvalidSetting, match="give 6 at most"):
            await log.trim(7)
        assert await log.trim(6) == 2
        assert await kept(log) == []


async def test_after_the_tail_was_removed_offsets_go_on_also_in_a_new_start(file: Path) -> None:
    for start in range(3):
        async with EventLog(file) as log:
            assert (log.head, log.trimmed, log.oldest) == (start, start, start + 1)
            assert await log.append("a") == start + 1
            assert await log.trim(log.head + 1) == 1
            assert (log.head, log.trimmed) == (start + 1, start + 1)


async def test_an_empty_log_can_be_trimmed() -> None:
    async with EventLog(":memory:") as log:
        assert await log.trim(1) == 0
        with pytest.raises(InvalidSetting, match="give 1 at most"):
            await log.trim(2)
        assert (log.trimmed, await log.append("a")) == (0, 1)


async def test_what_is_missing_already_counts_as_trimmed(file: Path) -> None:
    async with EventLog(file) as log:
        await fill(log, 5)
        await log.transact(lambda tx: tx.execute("DELETE FROM log_events WHERE offset BETWEEN 2 AND 4"))
        assert await log.trim(4) == 1
        assert (log.trimmed, await kept(log)) == (3, [5])


async def test_a_long_trim_lets_others_write(file: Path) -> None:
    await filled(file, 5 * PIECE + 7)
    async with EventLog(file, synchronous="OFF") as log:
        trimming = asyncio.ensure_future(log.trim(5 * PIECE + 5))
        seen = set()
        while not trimming.done():
            await log.append("meanwhile")
            page = await log.read(0, 1, rooms=None)
            assert page.events[0].offset == page.trimmed + 1  # whole pieces, and the mark moves with them
            seen.add(page.trimmed)
        assert await trimming == 5 * PIECE + 4
        assert len(seen & {PIECE, 2 * PIECE, 3 * PIECE, 4 * PIECE, 5 * PIECE}) > 2


async def test_a_trim_that_is_undone_leaves_everything(file: Path) -> None:
    async def no() -> None:
        raise OSError("no")

    async with EventLog(file) as log:
        await fill(log, 3)
        log.before_commit = no
        with pytest.raises(StoreFailed):
            await log.trim(3)
        log.before_commit = None
        assert (log.trimmed, await kept(log)) == (0, [1, 2, 3])


# -- by count ------------------------------------------------------------------------------------------------------------------------


async def test_after_each_commit_only_the_newest_are_kept(file: Path) -> None:
    async with EventLog(file, max_events=3) as log:
        for n in range(1, 8):
            assert await log.append("a") == n
            assert await kept(log) == list(range(max(1, n - 2), n + 1))
        await fill(log, 2 * PIECE)
        assert (await kept(log), log.trimmed) == ([2 * PIECE + 5, 2 * PIECE + 6, 2 * PIECE + 7], 2 * PIECE + 4)
    async with EventLog(file) as log:
        assert (log.head, log.trimmed) == (2 * PIECE + 7, 2 * PIECE + 4)


async def test_forgetting_takes_no_commit_of_its_own(file: Path) -> None:
    async with EventLog(file, max_events=3, max_age=60, forget_clients=60) as log:
        for _ in range(10):
            await log.append("a")
        assert log.commits == 10


async def test_a_log_that_was_opened_with_too_many_gets_down_by_itself_while_others_write(file: Path) -> None:
    await filled(file, 5 * PIECE)
    async with EventLog(file, synchronous="OFF", max_events=10) as log:
        assert log.trimmed == 0  # nothing is forgotten before something is written
        await log.append("a")
        assert PIECE <= log.trimmed < 3 * PIECE
        await log.append("b")
        await until(lambda: log.head - log.trimmed == 10)
        assert len(await kept(log)) == 10
        commits = log.commits
        await log.append("a")
        assert log.commits == commits + 1


async def test_it_can_be_closed_and_abandoned_while_it_gets_down(file: Path) -> None:
    await filled(file, 10 * PIECE)
    for end in ("close", "abandon"):
        log = EventLog(file, synchronous="OFF", max_events=10)
        await log.open()
        await log.append("a")
        await getattr(log, end)()
        assert log.head - log.trimmed > 10
    async with EventLog(file) as log:
        assert await kept(log) == list(range(log.trimmed + 1, log.head + 1))


# -- by age --------------------------------------------------------------------------------------------------------------------------


async def test_what_is_too_old_goes_with_the_next_commit(file: Path) -> None:
    await filled(file, 5, older=60)
    async with EventLog(file, max_age=61) as log:
        await log.append("a")
        assert await kept(log) == [1, 2, 3, 4, 5, 6]
    async with EventLog(file, max_age=59) as log:
        await log.append("a")
        assert (await kept(log), log.trimmed) == ([6, 7], 5)


async def test_age_shows_as_time_passes(file: Path) -> None:
    async with EventLog(file, max_age=0.05) as log:
        assert await log.append("a") == 1
        while log.trimmed < 10:
            await log.append("a")
        page = await log.read(0)
        assert page.events[0].offset == page.trimmed + 1
        assert page.events[-1].at - page.events[0].at < 1


async def test_an_event_before_one_that_is_too_old_is_too_old_whatever_its_clock_said(file: Path) -> None:
    await filled(file, 3, older=60)
    async with EventLog(file) as log:
        await log.transact(lambda tx: tx.execute("UPDATE log_events SET at = at + 1e9 WHERE offset < 3"))
        await log.append("b")
    async with EventLog(file, max_age=30) as log:
        await log.append("c")
        assert await kept(log) == [4, 5]


async def test_a_long_past_is_forgotten_in_pieces_and_to_its_end(file: Path) -> None:
    await filled(file, 3 * PIECE, older=60)
    async with EventLog(file, synchronous="OFF", max_age=30) as log:
        await log.append("a")
        assert PIECE <= log.trimmed < 3 * PIECE
        await until(lambda: log.trimmed == 3 * PIECE)
        assert await kept(log) == [3 * PIECE + 1]


# -- clients -------------------------------------------------------------------------------------------------------------------------


async def test_a_client_that_was_not_heard_of_is_forgotten_with_its_answers(file: Path) -> None:
    async def record(tx: Transaction) -> None:
        for n in range(2 * CLIENTS + 3):
            await tx.record(f"old {n}", 0, 1, "", {}, owner="alice")
        await tx.execute("UPDATE log_clients SET at = at - 60")
        await tx.record("old 0", 1, 2, "", {})
        await tx.record("new", 0, 1, "", {})

    async with EventLog(file) as log:
        await log.transact(record)
    async with EventLog(file, forget_clients=30) as log:
        await log.append("a")
        while len(await log.transact(lambda tx: tx.execute("SELECT client_id FROM log_clients"))) > 2:
            assert log.commits < 20
        answers = await log.transact(lambda tx: tx.execute("SELECT client_id, n FROM log_answers ORDER BY client_id, n"))
        assert answers == [("new", 1), ("old 0", 1), ("old 0", 2)]
        assert (await log.history_of("new")).last == 1
        assert await log.owner_of("old 1") is None
        assert (await log.history_of("old 0")).last == 2
        assert await kept(log) == [1]


# -- settings, and trouble -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, -1, True, "3", float("nan"), float("inf"), [1]])
@pytest.mark.parametrize("name", ["max_events", "max_age", "forget_clients"])
def test_a_setting_that_is_none_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidSetting, match=f"{name}="):
        EventLog("a.db", **{name: value})


def test_half_an_event_cannot_be_kept() -> None:
    with pytest.raises(InvalidSetting, match=r"max_events=1\.5"):
        EventLog("a.db", max_events=1.5)  # type: ignore[arg-type]


async def test_what_cannot_be_forgotten_is_reported_once_and_hurts_no_writer(file: Path) -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
    async with EventLog(file, max_events=2) as log:
        await log.transact(lambda tx: tx.execute("CREATE TABLE mine (x REFERENCES log_events ON DELETE RESTRICT)"))
        await fill(log, 2)
        await log.transact(lambda tx: tx.execute("INSERT INTO mine VALUES (1)"))
        for offset in (3, 4, 5):
            assert await log.append("a") == offset
        assert (await kept(log), log.trimmed) == ([1, 2, 3, 4, 5], 0)
    assert ["FOREIGN KEY" in context["message"] for context in reported] == [True]


async def test_trimming_a_closed_log_is_an_error(file: Path) -> None:
    with pytest.raises(AlreadyClosed):
        await EventLog(file).trim(0)
