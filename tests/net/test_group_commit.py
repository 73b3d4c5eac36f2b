"""Many pieces of work in one transaction: each stands or falls alone, all are told together."""

import asyncio
import contextlib
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from realtime_lab.errors import AlreadyClosed, InvalidSetting, StoreFailed
from realtime_lab.net.event_log import GROUP, EventLog
from realtime_lab.net.transaction import Transaction
from tests.net.harness import rounds, until


async def data(log: EventLog) -> list[str]:
    return [body for (body,) in await log.transact(lambda tx: tx.execute("SELECT body FROM log_events ORDER BY offset"))]


async def broken(tx: Transaction) -> None:
    await tx.append("broken")
    raise KeyError("broken")


async def test_a_thousand_appends_make_few_commits_and_keep_their_order(tmp_path: Path) -> None:
    async with EventLog(tmp_path / "a.db") as log:
        offsets = await asyncio.gather(*(log.append("a", n) for n in range(1000)))
        assert offsets == list(range(1, 1001))
        assert log.commits == 1000 / GROUP
        assert await data(log) == [str(n) for n in range(1000)]


async def test_a_chain_of_events_fits_in_one_group(tmp_path: Path) -> None:
    async def chain(log: EventLog) -> None:
        for n in range(50):
            submitted = log.submit(lambda tx, n=n: tx.append("a", n))
            await submitted.executed
            await rounds(6)
            assert not submitted.committed.done()
        await submitted.committed

    async with EventLog(tmp_path / "a.db") as log:
        await chain(log)
        assert log.commits == 1


async def test_nobody_is_told_before_the_commit() -> None:
    async with EventLog(":memory:") as log:
        gate = asyncio.Event()
        log.before_commit = gate.wait
        submitted = log.submit(lambda tx: tx.append("a"))
        assert await submitted.executed == 1
        await rounds(100)
        assert not submitted.committed.done()
        assert log.commits == 0
        gate.set()
        assert await submitted.committed == 1
        assert log.commits == 1


async def test_work_that_raises_is_undone_alone() -> None:
    async with EventLog(":memory:") as log:
        results = await asyncio.gather(log.append("a", 1), log.transact(broken), log.append("a", 2), return_exceptions=True)
        assert results[0] == 1
        assert isinstance(results[1], KeyError)
        assert results[2] == 2  # its number was not committed to anybody
        assert log.commits == 1
        assert await data(log) == ["1", "2"]


async def test_work_that_is_cancelled_inside_or_no_coroutine_is_undone_alone() -> None:
    async def cancelled(tx: Transaction) -> None:
        await tx.append("a", 0)
        task = asyncio.ensure_future(asyncio.sleep(60))
        task.cancel()
        await task

    async with EventLog(":memory:") as log:
        work: Any = lambda tx: 3  # noqa: E731
        first, second, third = await asyncio.gather(log.transact(cancelled), log.transact(work), log.append("a", 1), return_exceptions=True)
        assert isinstance(first, asyncio.CancelledError)
        assert isinstance(second, TypeError)
        assert third == 1
        assert await data(log) == ["1"]


async def test_nothing_of_work_that_raised_trails_behind() -> None:
    async def trail(tx: Transaction) -> None:
        while True:
            await tx.append("a", "trailing")

    async def work(tx: Transaction) -> None:
        trails.extend(asyncio.ensure_future(trail(tx)) for _ in range(3))
        await tx.append("a", "first")
        raise KeyError("broken")

    trails: list[asyncio.Future[None]] = []
    async with EventLog(":memory:") as log:
        with pytest.raises(KeyError):
            await log.transact(work)
        for each in await asyncio.gather(*trails, return_exceptions=True):
            assert isinstance(each, AlreadyClosed)
        assert await data(log) == []


async def test_an_error_that_nobody_looks_at_makes_no_noise() -> None:
    async with EventLog(":memory:") as log:
        log.submit(broken)
        await log.append("a")  # the harness fails this test if the loop complains


async def test_a_caller_that_is_cancelled_harms_nobody() -> None:
    async with EventLog(":memory:") as log:
        gate = asyncio.Event()
        log.before_commit = gate.wait
        tasks = [asyncio.ensure_future(log.append("a", n)) for n in range(3)]
        await rounds(1)
        waiting = log.submit(lambda tx: tx.append("a", 3))
        await waiting.executed
        tasks[1].cancel()
        waiting.committed.cancel()
        gate.set()
        first, second, third = await asyncio.gather(*tasks, return_exceptions=True)
        assert (first, third) == (1, 3)
        assert isinstance(second, asyncio.CancelledError)
        assert await data(log) == ["0", "1", "2", "3"]


async def test_a_commit_that_fails_fails_everybody_and_nothing_is_left() -> None:
    async def no() -> None:
        raise OSError("no")

    async with EventLog(":memory:") as log:
        log.before_commit = no
        submitted = [log.submit(lambda tx: tx.append("a")) for _ in range(3)]
        for each in submitted:
            assert await each.executed
            with pytest.raises(StoreFailed, match=r"could not commit this, and undid it: no") as caught:
                await each.committed
            assert isinstance(caught.value.__cause__, OSError)
        log.before_commit = None
        assert await log.append("a") == 1
        assert log.commits == 1


async def test_a_violation_that_shows_at_the_commit_fails_the_group_and_no_more() -> None:
    async def orphan(tx: Transaction) -> None:
        await tx.execute("INSERT INTO child VALUES (7)")

    async with EventLog(":memory:") as log:
        await log.transact(lambda tx: tx.execute("CREATE TABLE parent (x PRIMARY KEY)"))
        await log.transact(lambda tx: tx.execute("CREATE TABLE child (x REFERENCES parent DEFERRABLE INITIALLY DEFERRED)"))
        with pytest.raises(StoreFailed, match="FOREIGN KEY"):
            await log.transact(orphan)
        assert await log.append("a") == 1


async def test_an_insert_that_undoes_everything_is_told_to_everybody() -> None:
    async with EventLog(":memory:") as log:
        await log.transact(lambda tx: tx.execute("CREATE TABLE mine (x PRIMARY KEY)"))
        await log.transact(lambda tx: tx.execute("INSERT INTO mine VALUES (1)"))
        bad = lambda tx: tx.execute("INSERT OR ROLLBACK INTO mine VALUES (1)")  # noqa: E731
        results = await asyncio.gather(log.append("a"), log.transact(bad), return_exceptions=True)
        for each in results:
            assert isinstance(each, StoreFailed)
            assert "SQLite has undone the whole transaction (UNIQUE" in str(each)
        assert await data(log) == []
        assert await log.append("a") == 1


async def test_a_full_disk_fails_the_group_and_works_again_with_room(tmp_path: Path) -> None:
    async with EventLog(tmp_path / "a.db") as log:
        assert log._database is not None
        await log.append("a", 0)
        await log._database.execute("PRAGMA max_page_count = 12")
        results = await asyncio.gather(*(log.append("a", "x" * 9000) for _ in range(20)), return_exceptions=True)
        stored = [each for each in results if isinstance(each, int)]
        assert len(stored) < 20
        assert all(isinstance(each, StoreFailed) for each in results if each not in stored)
        assert len(await data(log)) == 1 + len(stored)
        await log._database.execute("PRAGMA max_page_count = 1000")
        await log.append("a", "x" * 9000)


async def test_work_sees_the_context_of_who_submitted_it() -> None:
    who: ContextVar[str] = ContextVar("who", default="nobody")

    async def work(tx: Transaction) -> str:
        seen = who.get()
        who.set("changed")
        return seen

    async def submit(log: EventLog, name: str) -> str:
        who.set(name)
        return await log.transact(work)

    async with EventLog(":memory:") as log:
        assert await asyncio.gather(*(asyncio.ensure_future(submit(log, name)) for name in "abc")) == ["a", "b", "c"]
        assert await log.transact(work) == "nobody"


async def test_work_that_would_wait_for_itself_is_refused() -> None:
    async with EventLog(":memory:") as log:
        for call in (lambda tx: log.append("a"), lambda tx: log.history_of("a"), lambda tx: log.close()):
            with pytest.raises(InvalidSetting, match="wait for itself"):
                await log.transact(call)

        async def hook() -> None:
            await log.append("a")

        log.before_commit = hook
        with pytest.raises(StoreFailed, match="wait for itself"):
            await log.append("a")
        log.before_commit = None
        nested = await log.transact(lambda tx: asyncio.sleep(0, log.submit(lambda tx: tx.append("a"))))
        assert await nested.committed == 1


async def test_closing_finishes_what_was_submitted(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "a.db")
    await log.open()
    submitted = [log.submit(lambda tx: tx.append("a")) for _ in range(GROUP + 3)]
    await log.close()
    assert [each.committed.result() for each in submitted] == list(range(1, GROUP + 4))


async def test_abandoning_fails_everybody_who_waits_and_loses_what_is_not_committed(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "a.db")
    await log.open()
    assert await log.append("a", "kept") == 1
    log.before_commit = asyncio.Event().wait  # for ever
    group = [log.submit(lambda tx: tx.append("a", "lost")) for _ in range(3)]
    await group[-1].executed
    await until(lambda: log._writer is not None and log._writer._jobs.empty())
    later = log.submit(lambda tx: tx.append("a", "lost"))
    await log.abandon()
    for each in (*group, later):
        with pytest.raises(AlreadyClosed, match="before this was known to be committed"):
            await each.committed
    assert group[0].executed.result() == 2
    log.before_commit = None
    await log.open()
    assert await data(log) == ['"kept"']
    await log.close()


async def test_abandoning_before_the_writer_began_fails_them_too() -> None:
    log = EventLog(":memory:")
    await log.open()
    submitted = log.submit(lambda tx: tx.append("a"))
    await log.abandon()
    with pytest.raises(AlreadyClosed):
        await submitted.committed


@pytest.mark.parametrize("where", ["work", "before_commit"])
async def test_what_fails_because_of_the_end_keeps_no_log_from_its_end(where: str, tmp_path: Path) -> None:
    log = EventLog(tmp_path / "a.db")
    await log.open()
    waits = asyncio.Event()

    async def fail(tx: Transaction | None = None) -> None:
        waits.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise StoreFailed("what it would undo now is undone already") from None

    if where == "before_commit":
        log.before_commit = fail
    submitted = log.submit(fail) if where == "work" else log.submit(lambda tx: tx.append("a"))
    await waits.wait()
    await log.abandon()
    with pytest.raises(AlreadyClosed, match="before this was known to be committed"):
        await submitted.committed
    log.before_commit = None
    async with log:
        assert await data(log) == []


@pytest.mark.parametrize("stubborn", [False, True])
@pytest.mark.parametrize("where", ["work", "before_commit"])
async def test_a_crash_from_inside_ends_the_log_and_commits_nothing(where: str, stubborn: bool, tmp_path: Path) -> None:
    log = EventLog(tmp_path / "a.db")
    await log.open()

    async def crash(tx: Transaction | None = None) -> None:
        with contextlib.suppress(asyncio.CancelledError) if stubborn else contextlib.nullcontext():
            await log.abandon()

    async def record(tx: Transaction) -> None:
        ran_after_the_crash.append(tx)

    ran_after_the_crash: list[Transaction] = []
    if where == "before_commit":
        log.before_commit = crash
    submitted = log.submit(lambda tx: tx.append("a"))
    other = log.submit(crash) if where == "work" else submitted
    later = log.submit(record) if where == "work" else submitted
    for each in (submitted, other, later):
        with pytest.raises(AlreadyClosed):
            await each.committed
    await log.close()
    assert not ran_after_the_crash
    log.before_commit = None
    async with log:
        assert await data(log) == []
