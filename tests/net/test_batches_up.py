"""Numbered events that travel together, on the real stack: each still has its own fate, and the order and the count are as without."""

import asyncio
import json
import math
import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import socketio

from realtime_lab.errors import InvalidSetting, Rejected, ReservedName, TryAgain
from realtime_lab.net.client import Client
from realtime_lab.net.event_log import EventLog
from realtime_lab.net.numbered import BYTES, ROWS, answer, batch, open_batch, replies, row, tombstone
from realtime_lab.net.sending import Again
from realtime_lab.rules.dedup import ANSWERS
from realtime_lab.rules.retry import MAX_WINDOW
from tests.net.harness import CHAT, RETRIES, Stack, deduping, offline, stack, until
from tests.net.test_intake import account, rows

BATCH: dict[str, Any] = {**RETRIES, "ack_timeout": 5.0, "batch": True}


async def greeted(it: Stack, **options: Any) -> Client:
    """A client that knows that the server understands batches."""
    client = await it.connected(**{**BATCH, **options})
    await until(lambda: client._connection is not None and client._connection.batches)
    return client


async def fates(deliveries: list[Any]) -> list[str]:
    return [(await each).outcome for each in deliveries]


def packets(it: Stack) -> list[str]:
    """The names of the events that crossed the link on the way up."""
    return [event.event for event in it.of("wire", direction="upstream") if event.event]


# -- the frame ----------------------------------------------------------------------------------------------------------------------------


def test_a_batch_is_json_with_a_line_for_each_event_and_can_be_written_in_another_way_too() -> None:
    text = batch([row(7, "a", '"x"'), tombstone(8), row(9, "b", "null")])
    assert json.loads(text) == [[7, "a", "x"], [8], [9, "b", None]]
    assert [(each.n, each.event, each.data) for each in open_batch([text])] == [(7, "a", ("x",)), (8, "", ()), (9, "b", ())]
    assert [each.text for each in open_batch([text])] == [each.text for each in open_batch([json.dumps(json.loads(text))])]


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["[]", "[]"], [7], [None], ["x"], ["{}"], ["[]"], ["[7]"], ['[[0,"a",1]]'], ['[[1,"a",1],[3,"a",1]]'],
        ['[[2,"a",1],[1,"a",1]]'],        ['[[true,"a",1]]'], ['[[1,"disconnect",1]]'], ['[[1,"session",1]]'],
        ['[[1,"",1]]'], ["[[1,2,3]]"], ['[["1","a",1]]'],
        ['[[1,"a",1,2]]'], ["[[9007199254740993]]"], ["[" * 5000],
    ],
)  # fmt: skip
def test_what_is_no_batch_is_refused_with_what_was_expected(arguments: list[Any]) -> None:
    with pytest.raises(ValueError, match=r"in a batch|a batch is one text"):
        open_batch(arguments)


def test_one_answer_speaks_of_all() -> None:
    assert answer({}) == {"ok": True}
    no = {"ok": False, "error": "no", "retryable": False}
    assert [(said.ok, said.error) for said in replies([7, 8], (answer({8: no}),))] == [(True, ""), (False, "no")]
    first, second = replies([7, 8], ({"ok": False, "error": "later", "retryable": True},))
    assert (first.retryable, first.gap, second.retryable, second.gap) == (True, False, True, True)
    assert [said.ok for said in replies([7, 8], ({"ok": False, "error": "never", "retryable": False},))] == [False, False]
    assert all(said.ok for said in replies([7, 8], ()))  # a foreign server's


def test_the_server_remembers_as_many_answers_as_can_be_under_way() -> None:
    assert MAX_WINDOW <= ANSWERS


# -- on the real stack --------------------------------------------------------------------------------------------------------------------


async def test_what_waits_travels_together_and_what_does_not_wait_goes_alone(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        client = await greeted(it)
        assert (await client.emit(CHAT, "alone")).outcome == "acked"
        assert packets(it) == [CHAT]
        assert await fates([client.emit(CHAT, n) for n in range(1000)]) == ["acked"] * 1000
        assert it.at_server == ["alone", *range(1000)]
        assert len(packets(it)) <= 1 + math.ceil(1000 / ROWS) + 2
        assert set(packets(it)) == {CHAT, "batch"}


async def test_a_batch_has_a_limit_in_bytes_and_a_larger_event_goes_alone_in_its_place(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        client = await greeted(it)
        await client.emit(CHAT, "first")
        long = ["x" * (BYTES // 3)] * 5
        data = [*long, "y" * (BYTES + 1), b"bytes", {"and": [b"more"]}, *range(5)]
        assert await fates([client.emit(CHAT, each) for each in data]) == ["acked"] * len(data)
        assert it.at_server == ["first", *data]


async def test_each_event_of_a_batch_has_its_own_fate(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        account(it)
        tries: list[int] = []

        @it.server.on("busy")
        def busy(sid: str, n: int) -> int:
            tries.append(n)
            if tries.count(n) < 3:
                raise TryAgain("busy")
            return n

        @it.server.on("strict")
        def strict(sid: str, n: int) -> None:
            raise Rejected(f"not {n}")

        client = await greeted(it)
        sent = [
            client.emit("deposit", 1), client.emit("deposit", -5), client.emit("deposit", 2), client.emit("strict", 3),
            client.emit(CHAT, 4), client.emit("busy", 5), client.emit(CHAT, 6), client.emit("deposit", 7), client.emit("nobody", 8),
            client.emit("deposit", 9),
        ]  # fmt: skip
        said = [await each for each in sent]
        expected = ["acked", "rejected", "acked", "rejected", "acked", "acked", "acked", "acked", "rejected", "acked"]
        assert [each.outcome for each in said] == expected
        assert [each.result for each in said] == [1, None, 2, None, None, 5, None, 7, None, 9]
        assert said[1].reason == "not a deposit"
        assert said[3].reason == "not 3"
        assert it.at_server == [4, 6]
        assert tries == [5, 5, 5]
        assert await rows(it) == [1, 2, 7, 9]


async def test_a_handler_that_is_refused_for_now_in_the_database_holds_back_what_follows_it(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        seen: list[int] = []

        @it.server.on("store")
        async def store(sid: str, n: int, tx: Any) -> int:
            seen.append(n)
            await tx.append("stored", n)
            if n == 3 and seen.count(3) == 1:
                raise TryAgain("not yet")
            return await tx.append("stored", n)

        client = await greeted(it)
        said = [await each for each in [client.emit("store", n) for n in range(1, 7)]]
        assert [each.outcome for each in said] == ["acked"] * 6
        assert seen == [1, 2, 3, 3, 4, 5, 6]
        log = it.server._log
        assert isinstance(log, EventLog)
        assert [event.data for event in await log.events()] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
        assert [each.result for each in said] == [2, 4, 6, 8, 10, 12]


async def test_what_is_behind_refused_events_is_not_sent_again_and_again(tmp_path: Path) -> None:
    """It was, up to thirteen windows for one: what came too early was answered before what it had to wait for (measured)."""
    async with deduping(tmp_path) as it:
        seen: list[int] = []

        @it.server.on("note")
        async def note(sid: str, n: int) -> None:
            seen.append(n)
            if n % 100 == 0 and seen.count(n) == 1:
                raise TryAgain("not yet")

        client = await greeted(it)
        events = 1500
        said = await fates([client.emit("note", n) for n in range(1, events + 1)])
        assert said == ["acked"] * events
        assert [*dict.fromkeys(seen)] == [*range(1, events + 1)]
        sent = sum(1 for event in it.of("sent") if event.event == "note")
        assert events <= sent < 4 * events


async def test_a_handler_that_cancels_itself_undoes_only_its_own_event(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        cancelled: list[int] = []

        @it.server.on("store")
        async def store(sid: str, n: int, tx: Any) -> None:
            await tx.execute("CREATE TABLE IF NOT EXISTS account (amount INTEGER)")
            await tx.execute("INSERT INTO account VALUES (?)", (n,))
            task = asyncio.current_task()
            if n == 2 and not cancelled and task is not None:
                cancelled.append(n)
                task.cancel()
                await asyncio.sleep(0)

        client = await greeted(it)
        assert await fates([client.emit("store", n) for n in range(1, 5)]) == ["acked"] * 4
        assert cancelled == [2]
        assert await rows(it) == [1, 2, 3, 4]


async def test_events_in_the_database_are_not_acknowledged_if_their_commit_fails_while_one_behind_them_is_handled(tmp_path: Path) -> None:
    failures: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append("reported"))
    async with deduping(tmp_path) as it:
        account(it)

        @it.server.on("mail")
        async def mail(sid: str, n: int) -> None:
            if "mail" not in failures:
                failures.append("mail")
                await until(lambda: not commits_of(it))
                raise TryAgain("the mail server is busy")

        client = await greeted(it)
        await client.emit("deposit", 1)
        log = it.server._log
        assert isinstance(log, EventLog)
        ordinary = log.before_commit

        async def before_commit() -> None:
            if "disk" not in failures:
                failures.append("disk")
                raise OSError("the disk is full")
            if ordinary is not None:
                await ordinary()

        log.before_commit = before_commit
        assert await fates([client.emit("deposit", 2), client.emit("deposit", 3), client.emit("mail", 4)]) == ["acked"] * 3
        assert await rows(it) == [1, 2, 3]
        assert {"disk", "mail"} <= {*failures}


def commits_of(it: Stack) -> dict[int, Any]:
    """What the server still waits for, of its only client."""
    (client,) = it.server._run._intake.clients._clients.values()
    return client.commits


@pytest.mark.parametrize("point", ["before_apply", "before_commit", "after_commit", "before_ack", "after_ack"])
@pytest.mark.parametrize("event", ["deposit", CHAT])
async def test_after_a_crash_at_any_point_each_event_is_in_the_database_once(tmp_path: Path, point: str, event: str) -> None:
    async with deduping(tmp_path) as it:
        account(it)
        client = await greeted(it)
        await client.emit("deposit", 100)
        it.server.crash(at=point, nth=1)
        sent = [client.emit(event, n) for n in range(1, 21)]
        await until(lambda: it.server.state == "crashed")
        await it.server.restart()
        assert await fates(sent) == ["acked"] * 20
        if event == "deposit":
            assert await rows(it) == [100, *range(1, 21)]
        else:  # outside of the database nobody promises more than this
            assert [*dict.fromkeys(it.at_server)] == [*range(1, 21)]
            assert await rows(it) == [100]


async def test_a_crash_while_a_handler_holds_what_sqlite_has_undone_already_can_be_survived(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        account(it)
        stuck: list[int] = []

        @it.server.on("undone")
        async def undone(sid: str, n: int, tx: Any) -> None:
            if not stuck:
                stuck.append(n)
                await tx.execute("CREATE TABLE mine (x PRIMARY KEY)")
                with pytest.raises(sqlite3.IntegrityError):
                    await tx.execute("INSERT OR ROLLBACK INTO mine VALUES (1), (1)")
                await asyncio.Event().wait()

        client = await greeted(it)
        sent = [client.emit("undone", n) for n in range(1, 5)]
        await until(lambda: stuck)
        it.server.crash()
        await it.server.restart()
        assert await fates(sent) == ["acked"] * 4
        assert await rows(it) == []


@pytest.mark.parametrize("seed", range(4))
async def test_cuts_at_any_moment_lose_nothing_and_repeat_nothing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    async with deduping(tmp_path) as it:
        account(it)
        client = await it.connected(**BATCH, store=tmp_path / "alice.db" if seed % 2 else None)
        sent: list[Any] = []
        for cut in range(8):
            sent += [client.emit("deposit", len(sent) + k) for k in range(chance.choice([1, 3, 300]))]
            if chance.random() < 0.5:
                await asyncio.sleep(chance.random() / 50)  # at any moment
            if cut % 2:
                it.link.cut()
                it.link.restore()
            else:
                await offline(it, client)
                it.link.restore()
        assert set(await fates(sent)) == {"acked"}
        assert await rows(it) == [*range(len(sent))]


async def test_a_client_with_a_store_goes_on_where_it_was(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        account(it)
        first = await greeted(it, store=tmp_path / "alice.db")
        await offline(it, first)
        for delivery in [first.emit("deposit", n) for n in range(300)]:
            await delivery.kept()
        await first.abort()
        it.link.restore()
        second = await it.connected(**BATCH, store=tmp_path / "alice.db")
        await second.flush()
        await until(lambda: second.settled)
        assert await rows(it) == [*range(300)]
        assert len(packets(it)) < 20


@pytest.mark.parametrize("batch", [True, False])
async def test_a_rejection_that_the_server_has_forgotten_is_not_told_to_be_a_success(tmp_path: Path, batch: bool) -> None:
    """The process ended before it had noted that it was rejected, and so much was decided since that its answer is gone."""
    async with deduping(tmp_path) as it:
        account(it)
        store = tmp_path / "alice.db"
        options = {**BATCH, "store": store, "batch": batch}

        @it.server.on("forbidden")
        async def forbidden(sid: str, data: int) -> None:
            raise Rejected("never")

        first = await it.connected(**{**options, "batch": True})
        forbid, *deposits = [first.emit("forbidden", 7), *(first.emit("deposit", n) for n in range(ANSWERS + 1))]
        assert (await forbid).outcome == "rejected"
        assert set(await fates(deposits)) == {"acked"}
        await first.close()
        with sqlite3.connect(store) as database:
            add = "INSERT INTO store_events (n, event, body, attachments) VALUES (?, ?, ?, NULL)"
            database.executemany(add, [(1, "forbidden", "7"), (2, "deposit", "0"), (ANSWERS + 2, "deposit", str(ANSWERS))])
        database.close()
        second = await it.connected(**options)
        await until(lambda: second.settled)
        settled = [(event.reason, "any more" in event.text) for event in it.of("settled")]
        assert settled[-3:] == [("unknown", True), ("unknown", True), ("acked", False)]
        assert await rows(it) == [*range(ANSWERS + 1)]


async def test_what_was_given_up_leaves_its_place_in_a_batch(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        client = await greeted(it, max_age=0.05)
        await offline(it, client)
        old = [client.emit(CHAT, f"old {n}") for n in range(3)]
        assert await fates(old) == ["rejected"] * 3
        new = [client.emit(CHAT, n) for n in range(3)]
        it.link.restore()
        await client.flush()
        assert {(await each).outcome for each in new} <= {"acked", "rejected"}
        await until(lambda: client.settled)
        assert (await client.emit(CHAT, "after")).outcome == "acked"
        assert it.at_server[-1] == "after"
        assert not [each for each in it.at_server if str(each).startswith("old")]


async def test_a_volatile_event_keeps_its_place_among_what_travels_together(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        client = await greeted(it)
        client.emit(CHAT, 1)
        client.volatile.emit(CHAT, "volatile")
        await client.emit(CHAT, 2)
        await until(lambda: len(it.at_server) == 3)
        assert sorted(it.at_server, key=str) == [1, 2, "volatile"]
        assert [it.at_server.index(1) < it.at_server.index(2)] == [True]


async def test_a_silent_server_does_not_stop_the_tries(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        client = await greeted(it, ack_timeout=0.3, retries=1)
        gate = asyncio.Event()
        it.server.on("slow")(lambda sid, n: gate.wait())
        sent = [client.emit("slow", n) for n in range(600)]
        assert (await sent[0]).outcome == "unknown"
        gate.set()
        assert set(await fates(sent)) <= {"unknown", "acked"}
        await until(lambda: client.settled)
        assert (await client.emit(CHAT, "on it goes")).outcome == "acked"


async def test_a_server_without_dedupe_takes_batches_too_and_promises_no_more_than_without(tmp_path: Path) -> None:
    async with stack(log=EventLog(":memory:")) as it:
        it.server.on("strict")(lambda sid, n: (_ for _ in ()).throw(Rejected("no")))
        client = await greeted(it)
        sent = [client.emit(CHAT, 1), client.emit("strict", 2), client.emit(CHAT, 3)]
        assert await fates(sent) == ["acked", "rejected", "acked"]
        assert it.at_server == [1, 3]


@pytest.mark.parametrize("foreign", ["no log", "python-socketio"])
async def test_a_server_that_does_not_understand_batches_gets_none(tmp_path: Path, foreign: str) -> None:
    async with stack() as it:
        if foreign == "python-socketio":
            it.server.sio.on("*", lambda event, sid, *arguments: it.at_server.append(arguments[0]["data"]))
        client = await it.connected(**BATCH)
        assert await fates([client.emit(CHAT, n) for n in range(50)]) == ["acked"] * 50
        assert it.at_server == [*range(50)]
        assert set(packets(it)) == {CHAT}


async def test_a_malformed_batch_is_answered_and_its_connection_lives(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        client = socketio.AsyncClient(handle_sigint=False, reconnection=False)
        auth = {"realtime_lab": {"client_id": "hand", "nack": True, "batch": True}}
        await client.connect(it.link.url, auth=auth, transports=["websocket"])
        try:
            said = await client.call("batch", "[[1]", timeout=3)
            assert said["ok"] is False
            assert "a batch is one text" in said["error"]
            assert await client.call("batch", batch([row(1, CHAT, "1"), row(2, CHAT, "2")]), timeout=3) == {"ok": True}
            assert await client.call("batch", batch([row(2, CHAT, "2"), row(3, CHAT, "3")]), timeout=3) == {"ok": True}
            said = await client.call("batch", batch([row(3, CHAT, '"other"'), row(4, CHAT, "4")]), timeout=3)
            assert list(said["answers"]) == ["3"]
            assert "with other content" in said["answers"]["3"]["error"]
            said = await client.call("batch", batch([row(6, CHAT, "6"), row(7, CHAT, "7")]), timeout=3)
            assert [each["expected"] for each in said["answers"].values()] == [5, 5]
            assert it.at_server == [1, 2, 3, 4]
        finally:
            await client.shutdown()


async def test_what_was_sent_alone_may_come_again_in_a_batch(tmp_path: Path) -> None:
    """Its fingerprint is the same."""
    async with deduping(tmp_path) as it:
        client = socketio.AsyncClient(handle_sigint=False, reconnection=False)
        await client.connect(
            it.link.url, auth={"realtime_lab": {"client_id": "hand", "nack": True, "batch": True}}, transports=["websocket"]
        )
        try:
            data = {"b": [1.5, 10**20, "ü\u2028😀"], "a": {"2": None}}
            assert await client.call(CHAT, {"id": "hand:1", "data": data}, timeout=3) == {"ok": True}
            text = json.dumps(data, separators=(",", ":"))
            assert await client.call("batch", batch([row(1, CHAT, text), row(2, CHAT, "2")]), timeout=3) == {"ok": True}
            assert it.at_server == [data, 2]
        finally:
            await client.shutdown()


def test_what_cannot_travel_in_batches_is_refused() -> None:
    with pytest.raises(InvalidSetting, match=r"needs retries= or replay=True"):
        Client("http://127.0.0.1:1", batch=True)
    with pytest.raises(InvalidSetting, match=r"max_payload"):
        Client("http://127.0.0.1:1", **BATCH, max_payload=1000)


async def test_the_name_of_the_batch_is_taken(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        client = await greeted(it)
        with pytest.raises(ReservedName, match="carries many events"):
            client.emit("batch", 1)
        with pytest.raises(ReservedName, match="carries many events"):
            await it.server.publish("batch", 1)
        assert isinstance(client._outbox._again, Again)
