"""Batches: many stored events in one packet, handled one by one as if each had come alone."""

import asyncio
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from realtime_lab.errors import AlreadyClosed, RealtimeLabError
from realtime_lab.net.batch import BYTES, ROWS, Batch, open_batch, pieces
from realtime_lab.net.client import Client
from realtime_lab.net.connection import Connection
from realtime_lab.net.event_log import EventLog
from realtime_lab.net.event_reader import Stored
from realtime_lab.net.feed import WINDOW
from realtime_lab.net.tail import PAGES, Section, Tail
from realtime_lab.rules.replay import Session
from tests.net.harness import CHAT, FAST, RETRIES, Stack, offline, rounds, until
from tests.net.replaying import Blocked, another, caught_up, kept_offset, log_of, publish, replaying, reported

BATCH: dict[str, Any] = {"replay": True, "batch": True, "retry_delay": 0.0}


def stored(*bodies: str, **more: Any) -> list[Stored]:
    return [Stored(n, CHAT, body, more.get("attachments"), "", 0.0) for n, body in enumerate(bodies, 1)]


def packets(it: Stack) -> list[tuple[str, str]]:
    """What crossed the link towards the client: (event, payload)."""
    return [(event.event, event.text) for event in it.of("wire", direction="downstream", type="EVENT")]


async def away(it: Stack, **options: Any) -> tuple[Client, list[Any]]:
    """A client that nobody keeps a record of, and that is away; it comes back by `connect()`."""
    client, given = await another(it, **{**BATCH, **options})
    await it.server.disconnect(client.sid)
    await until(lambda: client.state == "disconnected")
    return client, given


def through_the_link(it: Stack) -> tuple[Client, list[Any]]:
    """A client that nobody keeps a record of, on the link, and the chat messages that it is given."""
    client, given = Client(it.link.url, **{**FAST, **BATCH}), list[Any]()
    client.on(CHAT)(given.append)
    it.clients.append(client)
    return client, given


# -- the frame --------------------------------------------------------------------------------------------------------------------------


def test_a_batch_is_spliced_from_the_stored_text_one_event_a_line() -> None:
    (batch,) = pieces(stored('{"n": 1.0}', '"\\u20ac \\\\n"', "null"))
    assert isinstance(batch, Batch)
    name, text = json.loads(batch.arguments)
    assert (name, batch.offset) == ("batch", 3)
    assert text.split(",\n") == [f'[[1,"{CHAT}",{{"n": 1.0}}]', f'[2,"{CHAT}","\\u20ac \\\\n"]', f'[3,"{CHAT}",null]]']
    assert batch.rows == [(1, CHAT, {"n": 1.0}), (2, CHAT, "€ \\n"), (3, CHAT, None)]


def test_what_is_large_has_attachments_or_is_alone_goes_the_ordinary_way_in_order() -> None:
    large, binary = stored(f'"{"x" * BYTES}"')[0], stored('{"_placeholder":true,"num":0}', attachments='["eA=="]')[0]
    small = stored("1", "2")
    assert pieces([]) == []
    assert pieces(small[:1]) == small[:1]
    kinds = [type(piece) for piece in pieces([*small, large, *small, binary, small[0]])]
    assert kinds == [Batch, Stored, Batch, Stored, Stored]
    named = [small[0]._replace(event="n" * BYTES), small[1]._replace(event="m" * BYTES)]
    assert pieces(named) == named


TEXTS = """
[
[]
{}
7
["abc"]
[[1,"a"]]
[[1,"a",1,2]]
[[1,"a",1],[2,"a"]]
[[1,"a",{]]
[["1","a",1]]
[[true,"a",1]]
[[1.0,"a",1]]
[[0,"a",1]]
[[-1,"a",1]]
[[9007199254740993,"a",1]]
[[2,"a",1],[1,"a",1]]
[[1,"a",1],[1,"a",1]]
[[1,7,1]]
[[1,"a",1],[2,null,1]]
[[1,"disconnect",1]]
[[1,"session",1]]
[[1,"batch",1]]
"""
MALFORMED: list[tuple[Any, ...]] = [(), ("[]", "[]"), (7,), ("[" * 100_000,), *((text,) for text in TEXTS.split("\n"))]


@pytest.mark.parametrize("arguments", MALFORMED, ids=lambda arguments: repr(arguments)[:40])
def test_what_is_no_batch_is_refused_as_a_whole(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="batch"):
        open_batch(arguments)


# -- on the way -------------------------------------------------------------------------------------------------------------------------


async def test_what_waits_travels_together_and_what_does_not_wait_goes_at_once_by_itself(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        client = await it.connected(**BATCH)
        for n in (1, 2):
            await publish(it, n)
            await caught_up(it, client)
        await offline(it, client)
        await publish(it, *range(3, 2503))
        it.link.restore()
        await caught_up(it, client)
        assert it.at_client == list(range(1, 2503))
        assert [event for event, _ in packets(it)] == ["session", CHAT, CHAT, "session", "batch", "batch", "batch"]
        assert [len([*group]) for group in (it.of("sent"), it.of("received", "alice"))] == [2502, 2502]
        inside = [event.inside for event in it.of("received", "alice")]
        assert inside == [-1, -1, *range(ROWS), *range(ROWS), *range(500)]


async def test_who_did_not_ask_for_batches_gets_none_and_is_not_told_of_any(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        await publish(it, 1, 2, 3)
        client = await it.connected(replay=True)
        await offline(it, client)
        await publish(it, 4, 5, 6)
        it.link.restore()
        await caught_up(it, client)
        assert [event for event, _ in packets(it)] == ["session", "session", CHAT, CHAT, CHAT]
        assert not any('"batch"' in text for _, text in packets(it))


async def test_two_batches_are_under_way_at_most(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        client = await it.connected(**BATCH)
        go = asyncio.Event()
        given: list[int] = []

        @client.on(CHAT)
        async def wait(n: int) -> None:
            given.append(n)
            if n > 1:  # the first of a batch is handled, and the batch is not
                await go.wait()

        await offline(it, client)
        await publish(it, *range(1, 5001))
        it.link.restore()
        await until(lambda: len(given) == 2 and it.server.idle)
        await rounds(50)
        assert len(it.of("sent")) == WINDOW * ROWS
        go.set()
        await caught_up(it, client)
        assert given == list(range(1, 5001))


async def test_who_is_overtaken_by_a_trim_is_told_between_two_batches(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        client = await it.connected(**BATCH)
        blocked = Blocked(client)
        await offline(it, client)
        await publish(it, *range(1, 6001))
        it.link.restore()
        await until(lambda: len(it.of("sent")) == WINDOW * ROWS and it.server.idle)
        await log_of(it).trim(5001)
        blocked.go.set()
        await caught_up(it, client)
        read = (WINDOW + 1) * ROWS
        assert blocked.given == [*range(1, read + 1), *range(5001, 6001)]
        assert client.session == Session(log_of(it).epoch, 5000, "truncated")


async def test_a_batch_is_limited_by_its_bytes(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        client, given = await away(it)
        data = ["x" * (BYTES // 3) if n % 2 else n for n in range(20)] + ["y" * 2 * BYTES, b"bytes", 1, 2]
        for each in data:
            await publish(it, each)
        sizes: list[int] = []
        receive = client._receive

        async def measured(connection: Connection, index: int, event: str, arguments: tuple[Any, ...]) -> Any:
            sizes.extend([len(arguments[0])] if event == "batch" else [])
            return await receive(connection, index, event, arguments)

        client._receive = measured  # type: ignore[method-assign]
        await client.connect()
        await caught_up(it, client)
        assert given == data
        assert len(sizes) >= 4
        assert max(sizes) < 1.5 * BYTES


# -- handled one by one, by a client that nobody keeps a record of ----------------------------------------------------------------------


async def test_the_offset_moves_with_each_event_and_handlers_of_every_kind_keep_their_order(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        client, given = await away(it)
        offsets: list[int | None] = []

        @client.on(CHAT)
        def plain(n: int) -> int:
            offsets.append(client.offset)
            given.append(n)
            return n

        @client.on("slow")
        async def slow(n: int) -> None:
            offsets.append(client.offset)
            await asyncio.sleep(0)
            given.append(n)

        @client.on("task")
        def task(n: int) -> Any:
            return asyncio.ensure_future(slow(n))

        @client.on("nothing")
        def nothing() -> None:
            given.append(None)

        names = [CHAT, CHAT, "slow", CHAT, "unheard", "task", CHAT, "slow", "slow", CHAT]
        for n in range(1, 1501):
            log_of(it).submit(lambda tx, n=n: tx.append(names[n % 10], n))
        await it.server.publish("nothing")
        await client.connect()
        await caught_up(it, client)
        assert given == [*(n for n in range(1, 1501) if n % 10 != 4), None]
        assert offsets == [n - 1 for n in range(1, 1501) if n % 10 != 4]


@pytest.mark.parametrize("kind", ["plain", "async"])
@pytest.mark.parametrize("how", ["resume", "skip", "on_error"])
async def test_an_event_in_a_batch_that_fails_is_tried_again_and_holds_up_what_follows(tmp_path: Path, kind: str, how: str) -> None:
    async with replaying(tmp_path) as it:
        errors = reported()
        client, _ = await away(it, on_error="skip" if how == "on_error" else "halt", store=tmp_path / "alice.db")
        calls: list[int] = []
        bad = {5}

        def fragile(n: int) -> None:
            calls.append(n)
            if n in bad:
                raise ValueError(n)

        async def asynchronously(n: int) -> None:
            fragile(n)

        client.on(CHAT)(fragile if kind == "plain" else asynchronously)
        await publish(it, *range(1, 11))
        await client.connect()
        if how != "on_error":
            await until(lambda: client.halted == 5)
            assert (calls, client.offset, client.idle) == ([1, 2, 3, 4, *[5] * 4], 4, True)
            assert kept_offset(tmp_path / "alice.db") == 4
            bad.clear()
            client.resume() if how == "resume" else client.skip(5)
        await caught_up(it, client)
        assert calls == [1, 2, 3, 4, *[5] * (5 if how == "resume" else 4), 6, 7, 8, 9, 10]
        assert [type(error) for error in errors] == [ValueError] * 4 + [RealtimeLabError] * (how != "on_error")
        assert kept_offset(tmp_path / "alice.db") == 10


async def test_a_break_in_the_middle_of_a_batch_repeats_nothing_that_was_handled(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        client, given = through_the_link(it)

        @client.on(CHAT)
        async def cut(n: int) -> None:
            given.append(n)
            if n % 700 == 3:
                it.link.cut()
                await until(lambda: not client.connected)
                it.link.restore()

        await client.connect()
        await offline(it, client)
        await publish(it, *range(1, 3001))
        it.link.restore()
        await caught_up(it, client)
        assert given == list(range(1, 3001))


@pytest.mark.parametrize("where", ["handler", "task"])
async def test_a_handler_that_closes_its_client_in_the_middle_of_a_batch_is_the_last(tmp_path: Path, where: str) -> None:
    async with replaying(tmp_path) as it:
        store = tmp_path / "alice.db"
        client, _ = await away(it, store=store)
        given: list[int] = []
        ended: list[str] = []

        async def close() -> None:
            await client.close()
            ended.append("closed")

        def plain(n: int) -> None:
            given.append(n)
            if n == 700:
                asyncio.get_running_loop().create_task(close())

        async def itself(n: int) -> None:
            given.append(n)
            if n == 700:
                await close()

        client.on(CHAT)(plain if where == "task" else itself)
        await publish(it, *range(1, 3001))
        await client.start()
        await until(lambda: ended)
        last = given[-1]
        assert given == list(range(1, last + 1))
        assert 700 <= last < 3000
        again, more = await another(it, **BATCH, store=store)
        await caught_up(it, again)
        assert more[0] <= last + 1, "at least once"
        assert [n for n in more if n > last] == list(range(last + 1, 3001))


async def test_a_transaction_in_a_batch_keeps_its_own_event_and_all_before_it(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        reported()
        store = tmp_path / "alice.db"
        client, _ = await away(it, store=store)
        kept: list[int] = []

        @client.on(CHAT)
        async def once(n: int) -> None:
            if n % 10 == 0:
                async with client.transaction() as tx:
                    await tx.execute("CREATE TABLE IF NOT EXISTS effects (n)")
                    await tx.execute("INSERT INTO effects VALUES (?)", (n,))
                kept.append(kept_offset(store))
                if n == 20:
                    raise ValueError("it is kept nevertheless")

        await publish(it, *range(1, 51))
        await client.connect()
        await caught_up(it, client)
        assert kept == [10, 20, 30, 40, 50]


async def test_the_store_is_written_once_for_a_batch(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        client, given = await away(it, store=tmp_path / "alice.db")
        await publish(it, *range(1, 2001))
        assert client._incoming is not None
        store = client._incoming._kept._store
        assert store is not None
        moves: list[int] = []
        move = store.move

        async def counted(position: Any) -> None:
            moves.append(position.offset)
            await move(position)

        store.move = counted  # type: ignore[method-assign]
        await client.connect()
        await caught_up(it, client)
        assert (len(given), kept_offset(tmp_path / "alice.db")) == (2000, 2000)
        assert len(moves) < 100


async def test_the_loop_has_its_turns_during_a_long_replay(tmp_path: Path) -> None:
    """In turns, because seconds would also measure what else the machine does."""
    async with replaying(tmp_path) as it:
        client, given = await away(it)
        client.on(CHAT)(lambda n: (given.append(n), sum(range(2000)))[0])
        await publish(it, *range(1, 2001))
        turns: list[int] = []

        async def watch() -> None:
            while len(given) < 2000:
                turns.append(len(given))
                await asyncio.sleep(0)

        watching = asyncio.create_task(watch())
        await client.connect()
        await caught_up(it, client)
        await watching
        assert max(b - a for a, b in pairwise(turns)) < 1000


async def test_a_handler_of_a_batch_emits_and_waits_for_its_own_acknowledgement(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        client, given = await away(it, **RETRIES)

        @client.on(CHAT)
        async def tell(n: int) -> None:
            given.append((await client.emit(CHAT, n)).outcome)

        await publish(it, *range(20))
        await client.connect()
        await caught_up(it, client)
        assert given == ["acked"] * 20
        assert it.at_server == list(range(20))


# -- what cannot be read ----------------------------------------------------------------------------------------------------------------


async def test_a_batch_that_cannot_be_read_is_reported_and_its_events_come_one_by_one(tmp_path: Path) -> None:
    """The server does not read what it sends. Here somebody else has written to its database, and puts it right in the end."""
    async with replaying(tmp_path) as it:
        errors = reported()
        client, given = through_the_link(it)
        await client.connect()
        await offline(it, client)
        await publish(it, *range(1, 101))
        await log_of(it).transact(lambda tx: tx.execute("UPDATE log_events SET body = '{' WHERE offset = 50"))
        it.link.restore()
        await until(lambda: len(errors) >= 2)
        await until(lambda: client.offset == 49)
        assert (client.connected, given) == (True, list(range(1, 50)))
        assert "a batch cannot be read" in str(errors[0])
        assert "the stored event 50 is damaged" in str(errors[1])
        await offline(it, client)
        await log_of(it).transact(lambda tx: tx.execute("UPDATE log_events SET body = '50' WHERE offset = 50"))
        it.link.restore()
        await caught_up(it, client)
        assert given == list(range(1, 101))


@pytest.mark.parametrize("arguments", [("[",), (7,), ('[[9,"a",1],[8,"a",1]]',)], ids=str)
async def test_nothing_stored_is_handled_behind_a_batch_that_cannot_be_read(tmp_path: Path, arguments: tuple[Any, ...]) -> None:
    """A foreign server sends it, and then goes on as if nothing were wrong."""
    async with replaying(tmp_path) as it:
        errors = reported()
        client, given = await another(it, **BATCH)
        await publish(it, 1)
        await caught_up(it, client)
        connection = client._connection
        assert connection is not None
        answer = await client._receive(connection, 2, "batch", arguments)
        assert (answer["ok"], answer["retryable"]) == (False, False)
        assert (len(errors), "a batch cannot be read" in str(errors[0])) == (1, True)
        assert (await client._receive(connection, 3, "batch", (f'[[11,"{CHAT}",11]]',)))["ok"] is False
        await client._receive(connection, 4, CHAT, ({"id": 12, "data": 12},))
        await rounds(20)
        assert (given, client.offset, client.connected, len(errors)) == ([1], 1, True, 1)
        await it.server.emit(CHAT, "plain")
        await until(lambda: given == [1, "plain"])
        session = {"epoch": log_of(it).epoch, "offset": 1, "recovered": True, "reason": "", "batch": True}
        await client._receive(connection, 5, "session", (session,))
        await client._receive(connection, 6, "batch", (f'[[2,"{CHAT}",2],[3,"{CHAT}",3]]',))
        assert (given, client.offset) == ([1, "plain", 2, 3], 3)


async def test_an_event_of_this_name_is_an_event_like_any_other_where_batches_were_not_agreed(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        client, _ = await another(it, replay=True)
        heard: list[Any] = []
        client.on("batch")(heard.append)
        await it.server.sio.emit("batch", "[")
        await until(lambda: heard == ["["])


# -- the tail, read once for all --------------------------------------------------------------------------------------------------------


def counted(log: EventLog) -> list[int]:
    """From here on: after which offset the log was read."""
    reads: list[int] = []
    read = log.read

    async def counting(after: int, limit: int = 1000, **options: Any) -> Any:
        if limit:
            reads.append(after)
        return await read(after, limit, **options)

    log.read = counting  # type: ignore[method-assign]
    return reads


async def test_those_who_stand_at_the_same_place_share_one_read(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        clients = [await another(it, **BATCH) for _ in range(20)]
        await until(lambda: it.server.idle)
        reads = counted(log_of(it))
        log = log_of(it)
        last = [log.submit(lambda tx, n=n: tx.append(CHAT, n)) for n in range(1, 101)][-1]  # one group: one commit
        await last.committed
        await caught_up(it, *(client for client, _ in clients))
        assert all(given == list(range(1, 101)) for _, given in clients)
        assert len(reads) <= 2 * log.commits, "once for each commit, and once more where it came during a read"


async def test_those_who_may_see_different_rooms_share_nothing(tmp_path: Path) -> None:
    async with replaying(tmp_path, authenticate=lambda auth: auth["name"], rooms=lambda identity: [identity]) as it:
        clients = {name: await another(it, **BATCH, auth={"name": name}) for name in ("a", "b", "a", "c")}
        for n in range(10):
            for name in "abc":
                await it.server.publish(CHAT, f"{name}{n}", to=name)
            await it.server.publish(CHAT, n)
        for name, (client, given) in clients.items():
            await caught_up(it, client)
            assert given == [each for n in range(10) for each in (f"{name}{n}", n)]


async def test_a_page_is_not_given_out_after_a_trim(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        first, _ = await away(it)
        second, late = await away(it)
        await publish(it, *range(1, 11))
        await first.connect()
        await caught_up(it, first)
        await log_of(it).trim(6)
        await second.connect()
        await caught_up(it, second)
        assert late == [6, 7, 8, 9, 10]
        assert second.session == Session(log_of(it).epoch, 5, "truncated")


async def test_a_page_is_not_given_out_of_another_database(tmp_path: Path) -> None:
    """Nobody says that it has changed, because nothing was committed."""
    async with EventLog(tmp_path / "log.db", synchronous="OFF") as log:
        tail = Tail(log)
        await log.append(CHAT, "old")
        assert len((await tail.read(0, ())).pieces) == 1
        await log.close()
        await log.erase()
        await log.open()
        assert (await tail.read(0, ())) == Section([], 0, 0, last=True)


async def test_a_read_that_has_failed_is_tried_again_and_one_who_is_gone_takes_it_from_nobody(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "log.db", synchronous="OFF")
    await log.open()
    tail = Tail(log)
    await log.close()
    for _ in range(2):
        with pytest.raises(AlreadyClosed):
            await tail.read(0, ())
    async with log:
        both = [asyncio.create_task(tail.read(0, ())) for _ in range(2)]
        await rounds(2)
        both[0].cancel()
        assert (await both[1]).last
        for n in range(100):
            await tail.read(n, ())
        assert len(tail._pages) == PAGES


async def test_nobody_is_bothered_by_a_read_that_fails_after_all_who_waited_for_it_have_left(tmp_path: Path) -> None:
    """A page of a log that is closed meanwhile, because the server crashes. (What a task raises in vain fails a test here.)"""
    log = EventLog(tmp_path / "log.db", synchronous="OFF")
    await log.open()
    tail = Tail(log)
    async with log._reading:  # the read has to wait
        reader = asyncio.create_task(tail.read(0, ()))
        await rounds(3)
        reader.cancel()
        await rounds(3)
        closing = asyncio.create_task(log.close())
        await rounds(3)
    await closing
    (page,) = tail._pages.values()
    await asyncio.wait({page})
    del page
    tail.forget()
