"""What work may do in the log's database, and the record about clients."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from realtime_lab.errors import AlreadyClosed, InvalidSetting, NotSerialisable, ReservedName, StoreFailed
from realtime_lab.net.body import load
from realtime_lab.net.event_log import EventLog
from realtime_lab.net.transaction import Answers, Moved, Transaction
from realtime_lab.rules.dedup import ANSWERS

OK = {"ok": True}


def recorded(client: str, previous: int, n: int, answer: dict[str, Any] = OK) -> Callable[[Transaction], Awaitable[None]]:
    return lambda tx: tx.record(client, previous, n, f"print {n}", answer)


@pytest.mark.parametrize("before", ["", " \n\t", "-- a comment\n", "/* one */ /* COMMIT */", ";", "\ufeff", "--\n;/**/"])
@pytest.mark.parametrize(
    "sql",
    ["BEGIN", "commit", "END", "ROLLBACK", "SAVEPOINT a", "RELEASE a", "PRAGMA x", "ATTACH 'x' AS y", "DETACH y", "VACUUM", "SELEC 1", ""],
)
async def test_only_statements_about_data_are_run(before: str, sql: str) -> None:
    async with EventLog(":memory:") as log:
        with pytest.raises(InvalidSetting, match="one statement about data"):
            await log.transact(lambda tx: tx.execute(before + sql))


async def test_statements_about_data_are_run_also_after_a_comment() -> None:
    async def work(tx: Transaction) -> list[Any]:
        await tx.execute("create table mine (x, y)")
        await tx.execute("-- first\nINSERT INTO mine VALUES (:x, :y)", {"x": 1, "y": 2})
        await tx.execute("REPLACE INTO mine VALUES (?, ?)", (3, 4))
        return await tx.execute("WITH a AS (SELECT * FROM mine) SELECT * FROM a ORDER BY x")

    async with EventLog(":memory:") as log:
        assert await log.transact(work) == [(1, 2), (3, 4)]
        with pytest.raises((sqlite3.ProgrammingError, sqlite3.Warning), match="one statement"):
            await log.transact(lambda tx: tx.execute("SELECT 1; COMMIT"))


async def test_an_event_is_stored_as_it_was() -> None:
    async def work(tx: Transaction) -> tuple[int, int | None, list[Any]]:
        assert tx.offset is None
        offset = await tx.append("chat message", {"a": [b"x", 1]})
        return offset, tx.offset, await tx.execute("SELECT offset, event, body, attachments, at > 1e9 FROM log_events")

    async with EventLog(":memory:") as log:
        offset, last, ((stored, event, body, attachments, recent),) = await log.transact(work)
        assert offset == last == stored
        assert (event, load(body, attachments), recent) == ("chat message", {"a": [b"x", 1]}, 1)


async def test_whoever_listens_hears_of_an_append_in_the_context_of_the_work() -> None:
    who: ContextVar[str] = ContextVar("who", default="nobody")

    async def work(tx: Transaction) -> None:
        who.set("the work")
        await tx.append("a")
        await tx.append("b", [1], to="lobby")

    async with EventLog(":memory:") as log:
        heard: list[Any] = []
        log.on_append = lambda offset, event, data, room: heard.append((offset, event, data, room, who.get()))
        await log.transact(work)
        assert heard == [(1, "a", None, "", "the work"), (2, "b", [1], "lobby", "the work")]


@pytest.mark.parametrize(
    ("event", "data", "error"), [("disconnect", 1, ReservedName), ("a", object(), NotSerialisable), ("\ud800", 1, NotSerialisable)]
)
async def test_what_cannot_be_an_event_is_refused_alone(event: str, data: Any, error: type[Exception]) -> None:
    async with EventLog(":memory:") as log:
        bad, good = await asyncio.gather(log.append(event, data), log.append("a", 1), return_exceptions=True)
        assert isinstance(bad, error)
        assert good == 1


async def test_tx_ends_with_its_work() -> None:
    kept: list[Transaction] = []

    async def work(tx: Transaction) -> None:
        kept.append(tx)

    async with EventLog(":memory:") as log:
        await log.transact(work)
        for call in (kept[0].execute("SELECT 1"), kept[0].append("a"), kept[0].record("c", 0, 1, "", {}), kept[0].answers("c")):
            with pytest.raises(AlreadyClosed, match="has ended"):
                await call


async def test_a_client_is_recorded_number_by_number() -> None:
    async with EventLog(":memory:") as log:
        assert await log.history_of("alice") == Answers(0, {})
        await log.transact(recorded("alice", 0, 1, {"ok": True, "result": b"x"}))
        await log.transact(recorded("alice", 1, 2))
        await log.transact(recorded("bob", 0, 1))
        assert await log.history_of("alice") == Answers(2, {1: ("print 1", {"ok": True, "result": b"x"}), 2: ("print 2", OK)})
        assert await log.history_of("bob") == Answers(1, {1: ("print 1", OK)})


@pytest.mark.parametrize(("previous", "n"), [(0, 1), (1, 2), (3, 4)])
async def test_a_number_that_somebody_else_moved_is_refused_with_everything_that_belongs_to_it(previous: int, n: int) -> None:
    async def work(tx: Transaction) -> None:
        await tx.append("a")
        await tx.record("alice", previous, n, "", OK)

    async with EventLog(":memory:") as log:
        await log.transact(recorded("alice", 0, 2))
        with pytest.raises(Moved) as caught:
            await log.transact(work)
        assert caught.value.last == 2
        assert (await log.history_of("alice")).last == 2
        assert await log.transact(lambda tx: tx.execute("SELECT * FROM log_events")) == []


async def test_a_number_whose_commit_failed_is_still_to_come() -> None:
    async def fails() -> None:
        raise OSError("the disk is full")

    async with EventLog(":memory:") as log:
        await log.transact(recorded("alice", 0, 1))
        log.before_commit = fails
        with pytest.raises(StoreFailed):
            await log.transact(recorded("alice", 1, 2))
        log.before_commit = None
        await log.transact(recorded("alice", 1, 2))
        assert (await log.history_of("alice")).last == 2


@pytest.mark.parametrize("wrong", [False, True])
async def test_what_work_did_to_the_record_about_a_client_counts_if_it_stands(wrong: bool) -> None:
    async def forget(tx: Transaction) -> None:
        await tx.execute("DELETE FROM log_answers")
        await tx.execute("DELETE FROM log_clients")
        await tx.expect("alice", 0)
        if wrong:
            raise KeyError("wrong")

    async with EventLog(":memory:") as log:
        await log.transact(recorded("alice", 0, 1))
        with pytest.raises(KeyError) if wrong else nullcontext():
            await log.transact(forget)
        with pytest.raises(Moved) if wrong else nullcontext():
            await log.transact(recorded("alice", 0, 1))
        await log.transact(recorded("alice", 1, 2))


async def test_of_a_client_that_is_not_on_record_what_was_committed_is_forgotten_and_what_was_not_is_undone() -> None:
    async with EventLog(":memory:") as log:
        await log.transact(lambda tx: tx.expect("alice", 3, committed=3))
        for committed in (0, 2):
            with pytest.raises(Moved):
                await log.transact(lambda tx, committed=committed: tx.expect("alice", 3, committed=committed))


async def test_only_the_newest_answers_are_kept() -> None:
    async def many(tx: Transaction) -> None:
        for n in range(1, ANSWERS + 11):
            await tx.record("alice", n - 1, n, "", OK)

    async with EventLog(":memory:") as log:
        await log.transact(recorded("bob", 0, 1))
        await log.transact(many)
        last, kept = await log.history_of("alice")
        assert last == ANSWERS + 10
        assert list(kept) == list(range(11, ANSWERS + 11))
        assert (await log.history_of("bob")).kept


async def test_after_sqlite_has_undone_everything_no_statement_is_left_alone() -> None:
    async def work(tx: Transaction) -> None:
        with pytest.raises(sqlite3.IntegrityError):
            await tx.execute("INSERT OR ROLLBACK INTO mine VALUES (1)")
        with pytest.raises(StoreFailed, match="SQLite has undone"):
            await tx.execute("INSERT INTO mine VALUES (2)")

    async with EventLog(":memory:") as log:
        await log.transact(lambda tx: tx.execute("CREATE TABLE mine (x UNIQUE)"))
        await log.transact(lambda tx: tx.execute("INSERT INTO mine VALUES (1)"))
        with pytest.raises(StoreFailed, match="undone the whole transaction"):
            await log.transact(work)
        assert await log.transact(lambda tx: tx.execute("SELECT * FROM mine")) == [(1,)]


@pytest.mark.parametrize("where", [":memory:", "log.db"])
async def test_work_that_fails_after_a_part_of_it_was_kept_leaves_nothing_of_that_part(tmp_path: Path, where: str) -> None:
    async def work(tx: Transaction) -> None:
        part = tx.part()
        await part.execute("INSERT INTO mine VALUES (1)")
        await part.append("a")
        tx.keep(part)
        raise ValueError("after all")

    async with EventLog(where if where == ":memory:" else tmp_path / where) as log:
        await log.transact(lambda tx: tx.execute("CREATE TABLE mine (x)"))
        beside = log.submit(lambda tx: tx.execute("INSERT INTO mine VALUES (0)"))
        with pytest.raises(StoreFailed, match="of which a part stands"):
            await log.transact(work)
        with pytest.raises(StoreFailed):
            await beside.committed
        assert await log.transact(lambda tx: tx.execute("SELECT * FROM mine")) == []
        assert (log.head, await log.events()) == (0, [])
        assert await log.append("b") == 1
