"""What a server does with events that have numbers, and what a crash leaves of it: real sockets, a real database."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import socketio

from realtime_lab.errors import ConnectionRejected, InvalidSetting, Rejected, StoreFailed, StoreInUse, TryAgain, UnknownFault
from realtime_lab.net.client import Client
from realtime_lab.net.clients import NumberedClient
from realtime_lab.net.crash import CRASHES
from realtime_lab.net.envelope import Envelope, Peer, announce, peer_of, reply, seal, unseal
from realtime_lab.net.event_log import EventLog
from realtime_lab.net.server import Server
from tests.net.harness import CHAT, FAST, RETRIES, Stack, deduping, stack, until


@asynccontextmanager
async def by_hand(it: Stack, client_id: str = "hand", *, nack: bool = True, first: int = 1) -> AsyncIterator[socketio.AsyncClient]:
    """A plain client that speaks the envelope itself, so that it can say what no good client says."""
    client = socketio.AsyncClient(handle_sigint=False, reconnection=False)
    auth = {"realtime_lab": {"client_id": client_id, "nack": nack, "first": first}}
    await client.connect(it.link.url, auth=auth, transports=["websocket"])
    try:
        yield client
    finally:
        await client.shutdown()


async def say(client: socketio.AsyncClient, n: int, data: Any, **more: Any) -> Any:
    return await client.call(CHAT, {"id": f"hand:{n}", "data": data, **more}, timeout=3)


def account(it: Stack) -> None:
    """Deposits in the database."""

    @it.server.on("deposit")
    async def deposit(sid: str, amount: int, tx: Any) -> int:
        await tx.execute("CREATE TABLE IF NOT EXISTS account (amount INTEGER)")
        await tx.execute("INSERT INTO account VALUES (?)", (amount,))
        if amount < 0:
            raise Rejected("not a deposit")
        return amount


async def rows(it: Stack) -> list[int]:
    log = it.server._log
    assert log is not None
    try:
        return [row[0] for row in await log.transact(lambda tx: tx.execute("SELECT amount FROM account"))]
    except sqlite3.OperationalError:  # no table yet
        return []


# -- the envelope -----------------------------------------------------------------------------------------------------------------------


def test_what_is_sealed_is_unsealed() -> None:
    peer = Peer("c", 1, nack=True)
    assert unseal(peer, (seal(peer, 7, {"a": 1}),)) == Envelope(({"a": 1},), 7)
    assert unseal(peer, (seal(peer, 7, None),)) == Envelope((), 7)
    assert unseal(peer, (seal(peer, 0, "x"),)) == Envelope(("x",))
    assert unseal(peer, (seal(peer, 7, None, gone=True),)) == Envelope((), 7, gone=True)
    assert peer_of(announce({"token": 1}, peer), log=True) == peer
    assert announce({"token": 1}, Peer())["token"] == 1
    assert peer_of({"token": 1}, log=True) == peer_of(None, log=True) == Peer()


def test_data_that_only_looks_like_an_envelope_is_left_alone_without_an_announcement() -> None:
    looks = {"id": "c:1", "data": 1}
    assert unseal(Peer(), (looks, 2)) == Envelope((looks, 2))


@pytest.mark.parametrize(
    "arguments",
    [(), (1,), ({"id": "c:1"},), ({"data": 1}, 2), ({"gone": True},), ({"id": "d:1", "data": 1},), ({"id": "c:0", "data": 1},)]
    + [({"id": f"c:{n}", "data": 1},) for n in ("-1", "x", "1.5", "", "\u0661", "9" * 30)]
    + [({"id": 1, "data": 1},), ({"id": None, "data": 1},), ({"id": "c:1", "gone": "yes"},)],
)
def test_what_is_no_envelope_is_refused(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match=r"realtime_lab|client_id"):
        unseal(Peer("c"), arguments)


@pytest.mark.parametrize(
    "ours", [1, {"client_id": 1}, {"client_id": "a b"}, {"client_id": "x" * 65}, {"first": 0}, {"first": True}, {"first": "1"}]
)
def test_an_announcement_that_nobody_can_work_with_is_an_error(ours: Any) -> None:
    with pytest.raises(ValueError, match=r"auth\.realtime_lab"):
        peer_of({"realtime_lab": ours}, log=True)


def test_any_answer_of_another_server_is_a_yes() -> None:
    assert [reply(answer).ok for answer in ((), (None,), ("x",), ({"ok": 1},), ({"ok": True},))] == [True] * 5
    refusal = reply(({"ok": False, "error": "e", "retryable": True, "expected": 3},))
    assert (refusal.ok, refusal.error, refusal.retryable, refusal.gap) == (False, "e", True, True)


# -- numbers ----------------------------------------------------------------------------------------------------------------------------


async def test_a_bad_announcement_is_refused_with_the_reason() -> None:
    async with stack() as it:
        client = it.client(auth={"realtime_lab": "x"})  # overwritten by the client's own
        await client.connect()
        for ours, reason in (
            ({"client_id": "no blanks"}, "client_id has 1 to 64 letters, digits"),
            ({"client_id": "c", "first": 0}, "first is a whole number, 1 or more"),
            ("c", "auth.realtime_lab is an object"),
        ):
            plain = socketio.AsyncClient(handle_sigint=False, reconnection=False)
            said: list[Any] = []
            plain.on("connect_error")(said.append)
            with pytest.raises(socketio.exceptions.ConnectionError):
                await plain.connect(it.link.url, auth={"realtime_lab": ours}, transports=["websocket"])
            await plain.shutdown()
            assert [reason in each["message"] for each in said] == [True]
        assert it.server.sids == (client.sid,)


async def test_repeats_gaps_conflicts_and_tombstones_are_answered_and_on_record(tmp_path: Path) -> None:
    async with deduping(tmp_path, group=1) as it, by_hand(it) as client:
        assert await say(client, 1, "a") == {"ok": True}
        assert await say(client, 1, "a") == {"ok": True, "duplicate": True}
        gap = await say(client, 3, "c")
        assert (gap["retryable"], gap["expected"]) == (True, 2)
        conflict = await say(client, 1, "b")
        assert (conflict["ok"], conflict["retryable"]) == (False, False)
        tombstone = await client.call(CHAT, {"id": "hand:2", "gone": True}, timeout=3)
        assert (tombstone["ok"], tombstone["retryable"]) == (False, False)
        assert (await say(client, 2, "late"))["ok"] is False  # its sender had given it up, and learns it
        assert await say(client, 3, "c") == {"ok": True}
        assert it.at_server == ["a", "c"]
        assert [event.reason for event in it.of("discarded")] == ["duplicate", "gap", "conflict", "given up", "duplicate"]
        assert [event.index for event in it.of("discarded")] == [1, 2, 3, 4, 5]


async def test_an_answer_is_given_again_as_it_was_also_after_a_restart_and_a_refusal_too(tmp_path: Path) -> None:
    async with deduping(tmp_path, group=1) as it:
        account(it)
        async with by_hand(it) as client:
            first = await client.call("deposit", {"id": "hand:1", "data": 5})
            refused = await client.call("deposit", {"id": "hand:2", "data": -5})
            assert (first, refused["error"]) == ({"ok": True, "result": 5}, "not a deposit")
        it.server.crash()
        await it.server.restart()
        async with by_hand(it) as client:
            assert await client.call("deposit", {"id": "hand:1", "data": 5}) == {**first, "duplicate": True}
            assert await client.call("deposit", {"id": "hand:2", "data": -5}) == {**refused, "duplicate": True}
        assert await rows(it) == [5]  # what the refusing handler had written is rolled back


async def test_an_answer_older_than_512_is_known_to_be_forgotten(tmp_path: Path) -> None:
    async with deduping(tmp_path, group=1) as it:
        it.server.on("double")(lambda sid, n: 2 * n)
        async with by_hand(it) as client:
            for n in range(1, 515):
                assert await client.call("double", {"id": f"hand:{n}", "data": n}) == {"ok": True, "result": 2 * n}
            assert await client.call("double", {"id": "hand:3", "data": 3}) == {"ok": True, "result": 6, "duplicate": True}
            assert await client.call("double", {"id": "hand:2", "data": 2}) == {"ok": True, "forgotten": True, "duplicate": True}


async def test_ids_of_another_client_and_malformed_envelopes_are_refused(tmp_path: Path) -> None:
    async with deduping(tmp_path, group=1) as it, by_hand(it) as client:
        for content in ({"id": "somebody:1", "data": 1}, "no envelope", {"id": "hand:x", "data": 1}):
            answer = await client.call(CHAT, content)
            assert (answer["ok"], answer["retryable"]) == (False, False)
        assert it.at_server == []
        assert await say(client, 1, "fine") == {"ok": True}


async def test_a_peer_that_does_not_know_a_no_is_not_answered_where_it_should_try_again(tmp_path: Path) -> None:
    async with deduping(tmp_path, group=1) as it:

        @it.server.on("busy")
        def busy(sid: str, data: Any = None) -> None:
            raise TryAgain("later")

        async with by_hand(it, nack=False) as client:
            with pytest.raises(socketio.exceptions.TimeoutError):
                await client.call("busy", {"id": "hand:1", "data": 1}, timeout=0.3)
        async with by_hand(it) as client:
            assert await client.call("busy", {"id": "hand:1", "data": 1}) == {"ok": False, "error": "later", "retryable": True}


async def test_a_new_connection_of_a_client_replaces_the_old_one_at_once(tmp_path: Path) -> None:
    async with deduping(tmp_path, group=1) as it, by_hand(it) as old:
        gone = asyncio.Event()
        old.on("disconnect")(lambda *reason: gone.set())
        async with by_hand(it) as new:
            assert await say(new, 1, "new") == {"ok": True}
            await asyncio.wait_for(gone.wait(), 5)
            assert it.at_server == ["new"]
            assert len(it.server.sids) == 1


async def test_a_slow_handler_is_not_entered_twice_by_a_repeat_from_the_next_connection(tmp_path: Path) -> None:
    async with deduping(tmp_path, group=1) as it:
        gate, entered = asyncio.Event(), []

        @it.server.on("slow")
        async def slow(sid: str, n: int) -> int:
            entered.append(n)
            await gate.wait()
            return n

        client = await it.connected(**RETRIES)
        sent = client.emit("slow", 7)
        await until(lambda: entered)
        it.link.cut()
        await until(lambda: not client.connected)
        it.link.restore()
        await until(lambda: len(it.of("sent", "alice")) == 2)
        gate.set()
        fate = await sent
        assert (fate.outcome, fate.result, entered) == ("acked", 7, [7])


async def test_a_full_disk_asks_for_another_try_and_nothing_is_lost_when_there_is_room_again(tmp_path: Path) -> None:
    async with deduping(tmp_path, group=1) as it:
        reported: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context["exception"]))

        @it.server.on("note")
        async def note(sid: str, text: str, tx: Any) -> None:
            await tx.execute("CREATE TABLE IF NOT EXISTS account (amount TEXT)")
            await tx.execute("INSERT INTO account VALUES (?)", (text,))

        client = await it.connected(**RETRIES)
        await client.emit("note", "first")
        database = it.server._log._database  # type: ignore[union-attr]
        [(pages,)] = await database.execute("PRAGMA page_count")
        await database.execute(f"PRAGMA max_page_count = {pages}")
        big = client.emit("note", "x" * 100_000)
        await until(lambda: len(it.of("sent", "alice")) >= 4)
        assert big.fate is None
        assert any(isinstance(error, StoreFailed) for error in reported)
        await database.execute("PRAGMA max_page_count = 1000000")
        assert (await big).outcome == "acked"
        assert [len(text) for text in await rows(it)] == [5, 100_000]  # type: ignore[arg-type]


async def test_a_commit_that_fails_is_not_taken_for_one_that_stands(tmp_path: Path) -> None:
    """What was decided in a transaction that was rolled back is decided again."""
    async with deduping(tmp_path, group=1) as it:
        account(it)
        reported: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context["exception"]))
        client = await it.connected(**RETRIES)
        await client.emit("deposit", 1)
        fail = [True, True]

        async def before_commit() -> None:
            if it.server._run._intake.receptions.uncommitted and fail:
                fail.pop()
                raise OSError("the disk has gone")

        it.server._log.before_commit = before_commit  # type: ignore[union-attr]
        assert (await client.emit("deposit", 2)).outcome == "acked"
        assert await rows(it) == [1, 2]
        assert len(reported) >= 2
        assert [event.kind for event in it.of("undone")] == ["undone", "undone"]


@pytest.mark.parametrize("options", [{"window": 16}, {"batch": True}], ids=["alone", "batch"])
@pytest.mark.parametrize("event", ["deposit", CHAT])
async def test_what_follows_a_commit_that_fails_does_not_stand_without_it(tmp_path: Path, event: str, options: dict[str, Any]) -> None:
    """Of a client of which nothing is on record yet, so that the record cannot tell that something is missing before it."""
    async with deduping(tmp_path, group=1) as it:
        account(it)
        reported: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(type(context["exception"])))
        client = await it.connected(**{**RETRIES, **options})
        await until(lambda: client._connection is not None and client._connection.batches == ("batch" in options))
        sent: list[Any] = []

        async def before_commit() -> None:
            if len(sent) == 2 and it.of("received"):  # and not when it is asked what is on record
                sent.extend(client.emit(event, n) for n in range(3, 7))  # what is to stand behind that which fails now
                await until(lambda: log._writer is not None and not log._writer._jobs.empty())
                raise OSError("the disk has gone")

        sent += [client.emit("deposit", n) for n in (1, 2)]
        log = it.server._log
        assert isinstance(log, EventLog)
        log.before_commit = before_commit
        await until(lambda: len(sent) == 6)
        assert [(await each).outcome for each in sent] == ["acked"] * 6
        assert [*await rows(it), *dict.fromkeys(it.at_server)] == [*range(1, 7)]
        assert {*reported} == {StoreFailed}  # what only follows it is not reported
        await until(lambda: it.server.idle)
        received, undone = (sorted(each.message for each in it.of(kind)) for kind in ("received", "undone"))
        assert len(received) - len(undone) == 6 or event == CHAT  # what is not undone stands


async def test_who_is_in_doubt_meanwhile_still_waits_for_the_commit_of_what_was_decided() -> None:
    """An earlier batch may learn late that its commit has failed, while the next one is with its handlers."""
    client, commit = NumberedClient("c"), asyncio.get_running_loop().create_future()
    client.doubt()
    client.decided(1, "print", {"ok": True}, commit)
    assert (client.commits, client.stored, client.committed) == ({1: commit}, 1, 0)
    commit.set_result(None)
    await until(lambda: not client.commits)
    assert client.committed == 1


async def test_what_is_on_record_of_a_client_was_committed() -> None:
    async with EventLog(":memory:") as log:
        await log.transact(lambda tx: tx.record("c", 0, 1, "print", {"ok": True}))
        client = NumberedClient("c")
        await client.ledger(log)
        assert (client.stored, client.committed) == (1, 1)


async def test_late_events_of_a_replaced_connection_are_not_even_answered(tmp_path: Path) -> None:
    async with deduping(tmp_path, group=1) as it, by_hand(it) as old:
        kept_alive: list[str] = []
        it.server.sio.disconnect = lambda sid: asyncio.sleep(0, kept_alive.append(sid))  # the goodbye is slow to arrive
        async with by_hand(it) as new:
            await until(lambda: kept_alive)
            with pytest.raises(socketio.exceptions.TimeoutError):
                await old.call(CHAT, {"id": "hand:1", "data": "old"}, timeout=0.3)
            assert await say(new, 1, "new") == {"ok": True}
        assert it.at_server == ["new"]
        assert [event.reason for event in it.of("discarded")] == ["replaced"]


@pytest.mark.parametrize("dedupe", [False, True])
@pytest.mark.parametrize("in_database", [False, True])
async def test_an_event_whose_handler_was_cancelled_is_not_acknowledged_before_it_is_handled(
    tmp_path: Path, dedupe: bool, in_database: bool
) -> None:
    """python-socketio takes a handler that was cancelled for one that has returned."""
    begun: list[Any] = []

    async def handle(sid: str, data: Any) -> str:
        begun.append(data)
        if len(begun) == 1:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)
        return "handled"

    async def handle_in_database(sid: str, data: Any, tx: Any) -> str:
        return await handle(sid, data)

    async with stack(log=EventLog(tmp_path / "log.db"), dedupe=dedupe) as it:
        it.server.on(CHAT)(handle_in_database if in_database else handle)
        fate = await (await it.connected(**RETRIES)).emit(CHAT, "a")
        assert (fate.outcome, fate.result, begun) == ("acked", "handled", ["a", "a"])
        begun.clear()
        fate = await (await it.connected(ack_timeout=3.0)).emit(CHAT, "c")
        assert (fate.outcome, fate.reason, begun) == ("rejected", "its handler was cancelled", ["c"])


async def test_a_handler_that_refuses_in_a_group_undoes_its_own_effect_and_no_other(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        account(it)
        await it.server._log.append("a commit before", 0)  # type: ignore[union-attr]
        commits = it.server._log.commits  # type: ignore[union-attr]
        clients = [await it.connected(window=16, **RETRIES) for _ in range(3)]
        sent = [client.emit("deposit", amount) for amount in (1, -1, 2, -2, 3) for client in clients]
        fates = [await each for each in sent]
        assert [fate.outcome for fate in fates] == [*["acked"] * 3, *["rejected"] * 3] * 2 + ["acked"] * 3
        assert sorted(await rows(it)) == [1, 1, 1, 2, 2, 2, 3, 3, 3]
        assert it.server._log.commits - commits < 18  # type: ignore[union-attr]  # they shared commits


async def test_a_handler_that_asks_for_another_try_leaves_nothing_of_this_one(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        calls: list[int] = []

        @it.server.on("deposit")
        async def deposit(sid: str, amount: int, tx: Any) -> int:
            calls.append(amount)
            await tx.execute("CREATE TABLE IF NOT EXISTS account (amount INTEGER)")
            await tx.execute("INSERT INTO account VALUES (?)", (amount,))
            if len(calls) < 3:
                raise TryAgain("locked")
            return amount

        client = await it.connected(**RETRIES)
        assert (await client.emit("deposit", 7)).result == 7
        assert (calls, await rows(it)) == ([7, 7, 7], [7])


@pytest.mark.parametrize(
    "error", [StoreFailed("the disk has gone"), StoreInUse("a foreign writer")], ids=lambda error: type(error).__name__
)
async def test_a_database_that_fails_inside_a_handler_says_nothing_about_the_event(tmp_path: Path, error: OSError) -> None:
    """As a full disk while it sorts, or rights that were taken away: SQLite does not undo the transaction then."""
    async with deduping(tmp_path) as it:
        reported: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context["exception"]))
        failing = [error, error]

        @it.server.on("deposit")
        async def deposit(sid: str, amount: int, tx: Any) -> int:
            await tx.execute("CREATE TABLE IF NOT EXISTS account (amount INTEGER)")
            await tx.execute("INSERT INTO account VALUES (?)", (amount,))
            if failing:
                raise failing.pop()
            return amount

        client = await it.connected(**RETRIES)
        assert (await client.emit("deposit", 7)).outcome == "acked"
        assert await rows(it) == [7]
        assert reported == [error, error]


async def test_events_without_a_number_work_in_the_database_too(tmp_path: Path) -> None:
    async with deduping(tmp_path, group=1) as it:
        account(it)
        client = await it.connected(ack_timeout=2.0)
        assert (await client.emit("deposit", 3)).result == 3
        assert (await client.emit("deposit", -3)).outcome == "rejected"
        assert (await client.emit("deposit", 3)).result == 3
        assert await rows(it) == [3, 3]


def test_dedupe_needs_a_log_and_tx_an_async_handler(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="needs log="):
        Server(dedupe=True)
    server = Server(log=EventLog(tmp_path / "log.db"))
    with pytest.raises(TypeError, match="async def"):
        server.on("deposit")(lambda sid, amount, tx: None)
    with pytest.raises(InvalidSetting, match="has no log"):

        @Server().on("deposit")
        async def deposit(sid: str, amount: int, tx: Any) -> None: ...


# -- crashes ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transports", [["websocket"], ["polling"]])
@pytest.mark.parametrize("point", CRASHES)
async def test_what_a_crash_at_each_point_leaves(tmp_path: Path, point: str, transports: list[str]) -> None:
    async with deduping(tmp_path, group=1, ping_interval=1, ping_timeout=1) as it:
        account(it)
        client = await it.connected(transports=transports, **RETRIES)
        await client.emit("deposit", 1)
        port = it.server.port
        it.server.crash(at=point)
        sent = client.emit("deposit", 2)
        await until(lambda: it.server.state == "crashed")
        it.link.refuse()
        await it.server.restart()
        committed = point not in ("before_apply", "before_commit")
        assert await rows(it) == [1, 2][: 1 + committed]
        assert len(it.of("undone")) == (point == "before_commit")
        assert len(it.of("committed")) == 1 + committed
        assert len(it.of("answered")) == 1 + (point == "after_ack")
        assert len(it.of("acked")) == 1 + (point == "after_ack")  # it was on its way before the crash
        it.link.accept()
        fate = await sent
        assert (fate.outcome, fate.result) == ("acked", 2)
        assert await rows(it) == [1, 2]
        assert it.server.port == port
        assert [event.reason for event in it.of("disconnected", "server")] == ["the server crashed"]


async def test_the_nth_event_to_come_is_the_one_and_the_events_before_it_stand(tmp_path: Path) -> None:
    async with deduping(tmp_path, group=1) as it:
        account(it)
        client = await it.connected(window=8, **RETRIES)
        it.server.crash(at="before_commit", nth=3)
        for n in range(1, 6):
            client.emit("deposit", n)
        await until(lambda: it.server.state == "crashed")
        it.link.refuse()
        await it.server.restart()
        assert await rows(it) == [1, 2]
        it.link.accept()
        await client.flush()
        assert await rows(it) == [1, 2, 3, 4, 5]


async def test_a_crash_by_hand_forgets_what_is_running_and_close_works_in_any_state(tmp_path: Path) -> None:
    async with deduping(tmp_path, group=1) as it:
        it.server.on("slow")(lambda sid, data=None: asyncio.sleep(60))
        client = await it.connected(ack_timeout=30.0)
        sent = client.emit("slow", 1)
        await until(lambda: it.of("received"))
        it.server.crash()
        assert (await sent).outcome == "unknown"
        assert [event.reason for event in it.of("failed")] == ["the server crashed"]
        it.server.crash()  # of a dead one: nothing more happens
        await it.server.close()
        assert it.server.state == "closed"


async def test_twenty_crashes_leave_no_task_and_no_connection_behind(tmp_path: Path) -> None:
    async with deduping(tmp_path, group=1) as it:
        account(it)
        client = await it.connected(**RETRIES)
        await client.emit("deposit", 0)
        before = len(asyncio.all_tasks())
        for n in range(1, 21):
            it.server.crash(at=CRASHES[n % 5])
            client.emit("deposit", n)
            await until(lambda: it.server.state == "crashed")
            await it.server.restart()
            await client.flush()
        assert await rows(it) == list(range(21))
        await until(lambda: len(asyncio.all_tasks()) <= before)
        assert it.link.connections == 1


async def test_slips_with_crashes_are_named() -> None:
    async with stack() as it:
        for mistake, words in (
            ({"at": "lunch"}, "no place to crash at"),
            ({"at": "after_commit"}, "has no log"),
            ({"at": "before_ack", "nth": 0}, "nth=0"),
        ):
            with pytest.raises(UnknownFault, match=words):
                it.server.crash(**mistake)
        with pytest.raises(UnknownFault, match="has not crashed"):
            await it.server.restart()
        assert it.server.state == "listening"
        assert it.server.armed == ""


async def test_a_refusing_server_is_still_final_for_a_client_with_guarantees() -> None:
    async with stack() as it:
        it.server.sio.on("connect", lambda sid, environ, auth: False)
        client = Client(it.link.url, **RETRIES, **FAST)
        kept = client.emit(CHAT, 1)
        with pytest.raises(ConnectionRejected):
            await client.connect()
        await client.close()
        assert (await kept).outcome == "rejected"
