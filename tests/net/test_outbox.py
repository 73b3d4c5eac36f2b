"""What a client keeps, sends again and remembers: on the real stack, through the real link."""

import asyncio
import math
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import socketio
from aiohttp import web
from engineio.payload import Payload

from realtime_lab.errors import (
    AlreadyClosed,
    BufferFull,
    InvalidSetting,
    NotSettled,
    PayloadTooLarge,
    StoreFailed,
    StoreInUse,
)
from realtime_lab.net.client import Client
from realtime_lab.net.event_log import EventLog
from realtime_lab.net.link import Link
from realtime_lab.net.server import Server
from tests.net.harness import CHAT, FAST, RETRIES, deduping, offline, stack, until


@asynccontextmanager
async def plain_server() -> AsyncIterator[tuple[str, list[Any]]]:
    """A python-socketio server as anybody writes it: its address, and what it gets."""
    got: list[Any] = []
    sio = socketio.AsyncServer(async_mode="aiohttp")
    sio.on(CHAT, lambda sid, data: got.append(data))
    app = web.Application()
    sio.attach(app)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", got
    finally:
        await sio.shutdown()
        await runner.cleanup()


# -- the send buffer --------------------------------------------------------------------------------------------------------------------


async def test_a_long_buffer_is_flushed_in_portions_that_a_plain_long_polling_server_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain python-socketio takes 16 packets of one request and throws a larger one away whole."""
    async with plain_server() as (url, got):
        client = Client(url, send_buffer=True, transports=["polling"], **FAST)
        for n in range(200):
            client.emit(CHAT, n)  # before it is connected
        await client.connect()
        monkeypatch.setattr(Payload, "max_decode_packets", 16)  # connect() has raised it for the process
        await until(lambda: len(got) == 200)
        assert got == list(range(200))
        await client.close()


async def test_what_the_buffer_still_holds_survives_a_break_in_the_middle_of_its_flush() -> None:
    async with stack() as it:
        client = await it.connected(send_buffer=True, transports=["polling"])
        await offline(it, client)
        for n in range(100):
            client.emit(CHAT, n)
        it.link.cut(before=f"{CHAT} #31")
        it.link.restore()
        await until(lambda: it.of("fault", event="cut", reason=f'alice.link.cut(before="{CHAT} #31")'))
        await until(lambda: not client.connected)
        waited = client.waiting
        assert len(waited) == 60  # what was handed to the connection is lost, and no more than a portion of it
        it.link.restore()
        await until(lambda: it.at_server[-1:] == [99])
        assert it.at_server == [*range(30), *range(100 - len(waited), 100)]


async def test_a_buffer_has_a_limit_in_bytes_and_in_age() -> None:
    async with stack() as it:
        client = await it.connected(send_buffer=True, buffer_limit_bytes=1000, max_age=0.3)
        await offline(it, client)
        old = client.emit(CHAT, "x" * 900)
        with pytest.raises(BufferFull, match="1000 bytes"):
            client.emit(CHAT, "y" * 200)
        fate = await old
        assert (fate.outcome, "too old" in fate.reason) == ("rejected", True)
        client.emit(CHAT, "young")
        it.link.restore()
        await until(lambda: it.at_server)
        assert it.at_server == ["young"]


async def test_an_event_that_grew_too_old_leaves_a_tombstone_and_the_next_one_is_applied(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        client = await it.connected(max_age=0.2, **RETRIES)
        await offline(it, client)
        assert (await client.emit(CHAT, "old")).outcome == "rejected"
        it.link.restore()
        assert (await client.emit(CHAT, "new")).outcome == "acked"
        assert it.at_server == ["new"]
        assert [event.reason for event in it.of("discarded", "server")] == ["given up"]


async def test_what_grows_too_old_after_a_restart_is_unknown_because_an_earlier_run_may_have_sent_it(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        client = await it.connected(store=tmp_path / "client.db", **RETRIES)
        it.link.cut(after=f"{CHAT} #1")
        client.emit(CHAT, "handled, and its acknowledgement lost")
        await until(lambda: it.at_server and not client.connected)
        await client.abort()
        client = it.client(store=tmp_path / "client.db", max_age=0.2, **RETRIES)
        await client.start()
        await until(lambda: it.of("discarded", "alice"))  # although nothing is emitted meanwhile
        await until(lambda: [event.reason for event in it.of("settled", "alice")] == ["unknown"])
        it.link.restore()
        await until(lambda: client.connected and client.settled)
        assert len(it.at_server) == 1


async def test_what_grew_too_old_and_could_not_be_marked_so_is_unknown_because_the_next_start_sends_it(tmp_path: Path) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    async with deduping(tmp_path) as it:
        client = await it.connected(store=tmp_path / "client.db", max_age=0.2, **RETRIES)
        await offline(it, client)
        old = client.emit(CHAT, "old")
        assert await old.kept()
        await client._outbox._keeper._store._database.execute("PRAGMA query_only = ON")  # type: ignore[attr-defined]  # as on a full disk
        fate = await old
        assert (fate.outcome, "the store failed" in fate.reason) == ("unknown", True)
        await client.abort()
        it.link.restore()
        again = await it.connected(store=tmp_path / "client.db", **RETRIES)
        await until(lambda: again.settled)
        assert it.at_server == ["old"]


async def test_a_volatile_event_never_overtakes_what_waits() -> None:
    async with stack() as it:
        client = await it.connected(send_buffer=True, reconnection_delay=0.3, reconnection_delay_max=0.3)
        await offline(it, client)
        for n in range(3):
            client.emit(CHAT, n)
        assert (await client.volatile.emit(CHAT, "now")).outcome == "rejected"
        it.link.restore()
        await until(lambda: it.at_server == [0, 1, 2])
        client.volatile.emit(CHAT, "free")
        await until(lambda: it.at_server[-1] == "free")


async def test_an_event_larger_than_the_server_takes_is_refused_and_the_connection_lives() -> None:
    async with stack() as it:
        client = await it.connected(**RETRIES)
        sid = client.sid
        with pytest.raises(PayloadTooLarge, match=r"1,000,\d+ bytes"):
            client.emit(CHAT, "x" * 1_000_000)
        fits = client.emit(CHAT, "x" * 999_000)
        assert (await fits).outcome == "acked"
        assert client.sid == sid


# -- retries ----------------------------------------------------------------------------------------------------------------------------


async def test_a_plain_python_socketio_server_gets_the_envelope_and_its_acknowledgement_counts() -> None:
    async with plain_server() as (url, got), Client(url, **RETRIES) as client:
        assert (await client.emit(CHAT, "hi")).outcome == "acked"
        assert [(each["id"].split(":")[1], each["data"]) for each in got] == [("1", "hi")]


async def test_no_callback_stays_behind_in_python_socketio() -> None:
    async with stack() as it:
        calls: list[str] = []

        @it.server.on("slow")
        async def slow(sid: str) -> None:
            calls.append(sid)
            await asyncio.sleep(0 if len(calls) == 4 else 60)  # the first three tries are never answered

        client = await it.connected(retries=math.inf, ack_timeout=0.05, retry_delay=0.0)
        assert (await client.emit("slow")).outcome == "acked"
        assert client._connection is not None
        assert len(client._connection._sio.callbacks["/"]) == 1  # the counter


async def test_flush_waits_for_every_fate_and_says_when_it_waits_in_vain(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        client = await it.connected(**RETRIES)
        for n in range(20):
            client.emit(CHAT, n)
        await client.flush()
        assert client.settled
        assert it.at_server == list(range(20))
        await offline(it, client)
        client.emit(CHAT, 20)
        with pytest.raises(NotSettled, match="1 of 1"):
            await client.flush(timeout=0.05)
        assert not client.settled
        it.link.restore()
        await client.flush()


async def test_emitted_before_connect_and_closed_before_it_was_sent() -> None:
    async with stack() as it:
        client = it.client(**RETRIES)
        early = client.emit(CHAT, "early")
        await client.connect()
        assert (await early).outcome == "acked"
        await offline(it, client)
        late = client.emit(CHAT, "late")
        await client.close()
        fate = await late
        assert (fate.outcome, fate.reason) == ("rejected", "the client was closed before it was sent")
        with pytest.raises(AlreadyClosed):
            client.emit(CHAT, "too late")


async def test_start_begins_offline_and_delivers_when_somebody_listens(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        it.link.refuse()
        client = it.client(store=tmp_path / "client.db", **RETRIES)
        await client.start()
        sent = client.emit(CHAT, "patience")
        assert await sent.kept()
        it.link.accept()
        assert (await sent).outcome == "acked"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retries": -1, "ack_timeout": 1.0}, "retries=-1"),
        ({"retries": 1.5, "ack_timeout": 1.0}, r"retries=1\.5"),
        ({"retries": True, "ack_timeout": 1.0}, "retries=True"),
        ({"retries": 3}, "retries= needs ack_timeout"),
        ({"retries": 3, "ack_timeout": 0}, "ack_timeout"),
        ({"store": "x.db"}, "store= needs retries="),
        ({"retries": 3, "ack_timeout": 1.0, "window": 0}, "window=0"),
        ({"retries": 3, "ack_timeout": 1.0, "window": 513}, "window=513"),
        ({"retries": 3, "ack_timeout": 1.0, "retry_delay": -1}, "retry_delay=-1"),
        ({"send_buffer": True, "buffer_limit": 0}, "buffer_limit|limit=0"),
        ({"send_buffer": True, "max_age": 0}, "max_age=0"),
        ({"auth": "a token"}, "give a dict"),
    ],
)
def test_an_impossible_guarantee_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSetting, match=message):
        Client("http://127.0.0.1:1", **options)


# -- the store --------------------------------------------------------------------------------------------------------------------------


async def test_who_the_client_is_and_what_it_keeps_survive_and_without_a_store_they_do_not(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        ids = []
        for options in ({"store": tmp_path / "client.db"}, {"store": tmp_path / "client.db"}, {}, {}):
            client = await it.connected(**RETRIES, **options)
            ids.append(client._outbox.peer.client_id)
            await until(lambda: client.settled)  # noqa: B023  # awaited in the same round
            await offline(it, client)
            client.emit(CHAT, len(ids))
            await client.abort()
            it.link.restore()
        assert ids[0] == ids[1]
        assert len(set(ids)) == 3
        assert it.at_server == [1]  # the second client found it
        client = await it.connected(store=tmp_path / "client.db", **RETRIES)
        await until(lambda: it.at_server == [1, 2])  # 3 and 4 are gone with their memory


async def test_what_was_given_up_is_not_sent_after_a_restart_either_only_its_tombstone_is(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        finite: dict[str, Any] = {"retries": 0, "ack_timeout": 1.0, "store": tmp_path / "client.db"}
        client = await it.connected(**finite)
        it.link.cut(before=f"{CHAT} #1")
        assert (await client.emit(CHAT, "given up")).outcome == "unknown"
        await client.abort()
        it.link.restore()
        client = await it.connected(**finite)
        client.emit(CHAT, "next")
        await client.flush()  # the tombstone is nothing that anybody waits for
        assert it.at_server == ["next"]
        assert [event.reason for event in it.of("discarded", "server")] == ["given up"]


async def test_a_process_that_is_killed_loses_nothing_that_it_kept(tmp_path: Path) -> None:
    script = f"""
import asyncio, math, sys
from realtime_lab import Client
async def main():
    client = Client(sys.argv[1], retries=math.inf, ack_timeout=0.2, retry_delay=0.01, window=4, store={str(tmp_path / "client.db")!r})
    await client.connect()
    for n in range(10_000):
        if await client.emit("count", n).kept():
            print(n, flush=True)
asyncio.run(main())
"""
    async with stack(log=EventLog(tmp_path / "log.db", synchronous="OFF"), dedupe=True) as it:
        counted: list[int] = []
        it.server.on("count")(lambda sid, n: counted.append(n))
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, it.link.url, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        kept = [int(await process.stdout.readline()) for _ in range(40)]
        process.kill()
        kept += [int(line) for line in (await process.stdout.read()).split()]
        await process.wait()
        client = it.client(store=tmp_path / "client.db", **RETRIES)
        await client.connect()
        await until(lambda: client.settled and client.state == "connected" and len(counted) >= len(kept))
        assert counted[: len(kept)] == kept == list(range(len(kept)))
        assert counted == list(range(len(counted)))  # one more may have been kept without being told


async def test_two_clients_on_one_store_are_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        first = await it.connected(store=tmp_path / "client.db", **RETRIES)
        second = it.client(store=tmp_path / "client.db", **RETRIES)
        with pytest.raises(StoreInUse, match=r"client\.db"):
            await second.connect()
        assert (await first.emit(CHAT, "still here")).outcome == "acked"


@pytest.mark.parametrize("spoil", ["corrupt", "folder", "foreign"])
async def test_a_store_that_cannot_be_used_is_an_error_that_names_it(tmp_path: Path, spoil: str) -> None:
    file = tmp_path / "client.db"
    if spoil == "folder":
        file.mkdir()
    elif spoil == "foreign":
        async with EventLog(file):
            pass
    else:
        file.write_bytes(b"not a database, only some text that is long enough to be read as one " * 20)
    async with stack() as it:
        client = it.client(store=file, **RETRIES)
        with pytest.raises(StoreFailed, match=r"client\.db"):
            await client.connect()


async def test_a_full_disk_refuses_the_new_event_and_loses_none_of_the_old_ones(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        reported: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context["exception"]))
        client = await it.connected(store=tmp_path / "client.db", **RETRIES)
        await offline(it, client)
        first = client.emit(CHAT, "first")
        assert await first.kept()
        database = client._outbox._keeper._store._database  # type: ignore[attr-defined]
        [(pages,)] = await database.execute("PRAGMA page_count")
        await database.execute(f"PRAGMA max_page_count = {pages}")
        second = client.emit(CHAT, "x" * 100_000)
        fate = await second
        assert (fate.outcome, await second.kept()) == ("rejected", False)
        assert "full" in fate.reason
        assert isinstance(reported[0], StoreFailed)
        await database.execute("PRAGMA max_page_count = 1000000")
        third = client.emit(CHAT, "third")
        it.link.restore()
        assert [(await each).outcome for each in (first, third)] == ["acked", "acked"]
        assert it.at_server == ["first", "third"]


async def test_a_server_with_a_new_database_does_not_block_a_client_with_old_numbers(tmp_path: Path) -> None:
    client = None
    for name in ("one", "two"):
        async with Server(log=EventLog(tmp_path / f"{name}.db"), dedupe=True) as server:
            link = Link("127.0.0.1", server.port)
            await link.start()
            client = Client(link.url, store=tmp_path / "client.db", **RETRIES, **FAST)
            await client.connect()
            server.on(CHAT)(lambda sid, data: data)
            for n in range(3):
                assert (await client.emit(CHAT, n)).outcome == "acked"
            await client.close()
            await link.stop()
