"""A crash of a server that remembers nothing, and what is left of any server after many of them."""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from realtime_lab.net.crash import CRASHES, IN_THE_LOG, CrashPoint
from realtime_lab.net.event_log import EventLog
from realtime_lab.net.event_reader import Page
from realtime_lab.net.packets import ignore
from realtime_lab.net.server import Server
from tests.net.harness import CHAT, RETRIES, Stack, deduping, stack, until


def tell(it: Stack) -> None:
    """A handler that stores an event for everybody."""

    @it.server.on("tell")
    async def store(sid: str, n: int, tx: Any) -> None:
        await tx.append(CHAT, n)


async def stuck(it: Stack, send: Callable[[str, str], Awaitable[object]]) -> None:
    """The client takes nothing any more, and its sockets are full."""
    it.link.stall("downstream")
    for n in range(30):
        await send(CHAT, f"{n} {'x' * 900_000}")


async def test_an_event_that_waits_for_an_answer_to_leave_when_the_server_crashes_reports_nothing(
    tmp_path: Path,
) -> None:
    log = EventLog(tmp_path / "log.db", synchronous="OFF")
    async with stack(log=log) as it:
        tell(it)
        client = await it.connected(ack_timeout=10.0)
        it.server.crash(at="after_ack")
        with it.server._crash.leaving():
            sent = client.emit("tell", 1)
            await until(lambda: (guest := it.server._run.guests.guest(client.sid)) and guest.arrived)
            it.server.crash()
            while log.is_open:  # noqa: ASYNC110  # soon after that everything that runs is cancelled
                await asyncio.sleep(0)
        await it.server.restart()
        assert (await sent).outcome == "unknown"
        await it.works(client)


@pytest.mark.parametrize("point", ["before_commit", "after_commit", "before_ack"])
async def test_a_server_that_is_closed_meanwhile_does_not_wait_for_a_crash_that_nobody_is_left_to_die(tmp_path: Path, point: str) -> None:
    begun, goes_on = asyncio.Event(), asyncio.Event()
    async with deduping(tmp_path) as it:

        @it.server.on("tell")
        async def slow(sid: str, n: int, tx: Any) -> None:
            begun.set()
            await goes_on.wait()
            await tx.append(CHAT, n)

        client = await it.connected(**RETRIES)
        it.server.crash(at=point)
        client.emit("tell", 1)
        await begun.wait()
        closing = asyncio.create_task(it.server.close())
        await until(lambda: it.server.state == "closed")
        goes_on.set()
        async with asyncio.timeout(10):
            await closing
        assert not it.of("fault", event="crash")


BARE = [point for point in CRASHES if point not in IN_THE_LOG]


@pytest.mark.parametrize("point", BARE)
async def test_a_server_without_a_log_can_crash_where_nothing_is_committed(point: str) -> None:
    async with stack() as it:
        client = await it.connected(ack_timeout=10.0)
        assert (await client.emit(CHAT, 1)).outcome == "acked"
        it.server.crash(at=point)
        assert it.server.armed == point
        sent = client.emit(CHAT, 2)
        fate = await sent
        await until(lambda: it.server.state == "crashed")
        assert fate.outcome == ("acked" if point == "after_ack" else "unknown")
        assert it.at_server == [1, 2][: 1 + (point != "before_apply")]
        assert len(it.of("answered")) == len(it.of("acked")) == 1 + (point == "after_ack")
        assert (it.of("undone"), it.server.armed, it.server.sids) == ([], "", ())
        await it.server.restart()
        await it.works(client)


@pytest.mark.parametrize("point", BARE)
async def test_a_number_means_nothing_to_a_server_without_a_log_so_a_crash_after_the_handler_makes_it_twice(point: str) -> None:
    async with stack() as it:
        client = await it.connected(**RETRIES)
        it.server.crash(at=point)
        sent = client.emit(CHAT, 1)
        await until(lambda: it.server.state == "crashed")
        await it.server.restart()
        assert (await sent).outcome == "acked"
        assert it.at_server == [1] * (2 if point == "before_ack" else 1)


@pytest.mark.parametrize("point", CRASHES)
async def test_an_effect_outside_of_the_database_happens_again_if_the_crash_comes_before_the_commit(tmp_path: Path, point: str) -> None:
    async with deduping(tmp_path, group=1) as it:
        client = await it.connected(**RETRIES)
        it.server.crash(at=point)
        sent = client.emit(CHAT, 1)
        await until(lambda: it.server.state == "crashed")
        await it.server.restart()
        assert (await sent).outcome == "acked"
        assert it.at_server == [1] * (2 if point == "before_commit" else 1)
        assert it.of("undone") == []  # nothing of it is, and that is the point


class SlowToRead(EventLog):
    """A log on a disk that takes its time."""

    async def read(self, *args: Any, **options: Any) -> Page:
        await asyncio.sleep(0.05)
        return await super().read(*args, **options)


@pytest.mark.parametrize("point", ["after_commit", "before_ack"])
@pytest.mark.parametrize("dedupe", [True, False])
async def test_who_is_told_before_a_crash_is_not_left_to_chance(tmp_path: Path, point: str, dedupe: bool) -> None:
    async with stack(log=SlowToRead(tmp_path / "log.db", synchronous="OFF", group=1), dedupe=dedupe) as it:
        tell(it)
        client = await it.connected(replay=True, window=8, **RETRIES)
        await until(lambda: it.server.idle)
        it.server.crash(at=point, nth=3)
        for n in range(1, 6):
            client.emit("tell", n)
        await until(lambda: it.server.state == "crashed")
        await until(lambda: not client.connected)
        assert it.at_client == [1, 2]
        assert len(it.of("committed")) == 3


async def test_a_client_that_takes_nothing_does_not_keep_a_crash_from_coming(tmp_path: Path) -> None:
    async with stack(log=EventLog(tmp_path / "log.db", synchronous="OFF", group=1), dedupe=True) as it:
        tell(it)
        client = await it.connected(replay=True, window=8, **RETRIES)
        await stuck(it, it.server.publish)
        it.server.crash(at="after_commit", nth=2)
        for n in (1, 2):
            client.emit("tell", n)
        await until(lambda: it.server.state == "crashed")


@pytest.mark.parametrize("point", BARE)
async def test_what_was_emitted_before_a_crash_is_not_left_to_chance(point: str) -> None:
    async with stack() as it:
        told: list[int] = []
        bob = await it.connected()
        bob.on("told")(told.append)
        client = await it.connected(ack_timeout=10.0)

        @it.server.on("tell")
        async def tell_all(sid: str, n: int) -> None:
            await it.server.emit("told", n)

        it.server.crash(at=point, nth=2)
        for n in (1, 2):  # a third one may have been handled before the second one's acknowledgement has left
            client.emit("tell", n)
        await until(lambda: it.server.state == "crashed")
        await until(lambda: not bob.connected)
        assert told == [1, 2][: 1 + (point != "before_apply")]


async def test_who_takes_nothing_of_what_was_emitted_does_not_keep_a_crash_from_coming() -> None:
    async with stack() as it:
        client = await it.connected()
        await stuck(it, it.server.emit)
        it.server.crash(at="before_ack")
        client.emit(CHAT, 1)
        await until(lambda: it.server.state == "crashed")


@pytest.mark.parametrize("another", [False, True])
async def test_a_crash_that_is_taken_back_while_it_waits_for_its_last_words_does_not_come(another: bool) -> None:
    async with stack() as it:
        client = await it.connected(ack_timeout=10.0)
        await stuck(it, it.server.emit)
        it.server.crash(at="before_ack")
        fate = client.emit(CHAT, 1)
        await until(lambda: it.at_server == [1])
        it.server.disarm()
        if another:
            it.server.crash(at="before_ack", nth=2)
        it.link.restore()
        assert (await fate).outcome == "acked"
        assert it.server.state == "listening"
        if another:
            assert (await client.emit(CHAT, 2)).outcome == "acked"
            assert (await client.emit(CHAT, 3)).outcome == "unknown"
            assert it.server.state == "crashed"


async def test_a_crash_resets_its_connections_and_says_no_goodbye() -> None:
    async with stack() as it:
        reader, writer = await asyncio.open_connection("127.0.0.1", it.server.port)
        writer.write(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        it.server.crash()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", it.server.port)


async def test_what_was_ordered_can_be_taken_back() -> None:
    async with stack() as it:
        client = await it.connected(ack_timeout=10.0)
        it.server.crash(at="before_ack", nth=2)
        assert (await client.emit(CHAT, 1)).outcome == "acked"
        it.server.disarm()
        assert (await client.emit(CHAT, 2)).outcome == "acked"
        assert it.server.state == "listening"
        assert [event.event for event in it.of("fault", "server")] == ["armed", "disarm"]


async def test_a_crashed_server_can_be_closed_and_its_port_and_its_log_are_free(tmp_path: Path) -> None:
    file = tmp_path / "log.db"
    server = Server(log=EventLog(file), dedupe=True)
    await server.start()
    port = server.port
    server.crash()
    await server.close()
    await server.close()
    async with Server(log=EventLog(file), dedupe=True, port=port) as other:
        assert other.port == port


async def test_a_crash_while_it_starts_again_is_a_crash(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        client = await it.connected(**RETRIES)
        sent = [client.emit(CHAT, n) for n in range(50)]
        for _ in range(5):
            it.server.crash()
            await it.server.restart()
        assert it.server.state == "listening"
        await client.flush()
        assert [(await each).outcome for each in sent] == ["acked"] * 50
        assert [event.event for event in it.of("fault", "server")] == ["crash", "restart"] * 5


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc to count in")
@pytest.mark.parametrize("transports", [["websocket"], ["polling"]], ids=lambda names: names[0])
async def test_many_crashes_leave_no_file_socket_or_task_behind(tmp_path: Path, transports: list[str]) -> None:
    def handles() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    async with deduping(tmp_path, ping_interval=1, ping_timeout=1) as it:
        client = await it.connected(transports=transports, **RETRIES)
        await client.emit(CHAT, 0)
        before = handles(), len(asyncio.all_tasks())
        for n in range(1, 16):
            it.server.crash(at=CRASHES[n % 5])
            client.emit(CHAT, n)
            await until(lambda: it.server.state == "crashed")
            await it.server.restart()
            await client.flush()
        # a long poll and its heartbeat come and go: five tasks more or less. Something left behind by each crash would be fifteen
        await until(lambda: handles() <= before[0] + 5 and len(asyncio.all_tasks()) <= before[1] + 5)
        assert list(dict.fromkeys(it.at_server)) == list(range(16))


@pytest.mark.parametrize("numbered", [True, False])
async def test_a_crash_does_not_stop_a_commit_that_sqlite_is_at_and_the_record_says_so(tmp_path: Path, numbered: bool) -> None:
    log = EventLog(tmp_path / "log.db", synchronous="OFF", group=1)
    async with stack(log=log, dedupe=numbered) as it:

        @it.server.on("deposit")
        async def deposit(sid: str, amount: int, tx: Any) -> None:
            await tx.execute("CREATE TABLE IF NOT EXISTS account (amount INTEGER)")
            await tx.execute("INSERT INTO account VALUES (?)", (amount,))
            await tx.append("booked", amount)
            booked.append(amount)

        booked: list[int] = []

        async def crash_when_sqlite_has_it() -> None:
            if booked == [10]:
                booked.append(0)
                asyncio.get_running_loop().call_soon(it.server.crash)

        client = await it.connected(**(RETRIES if numbered else {"ack_timeout": 10.0}))
        log.before_commit = crash_when_sqlite_has_it
        client.emit("deposit", 10)
        await until(lambda: it.server.state == "crashed")
        assert ([event.message for event in it.of("committed")], it.of("undone")) == ([1], [])
        assert [event.offset for event in it.of("stored")] == [1]
        it.link.refuse()
        await it.server.restart()
        assert await log.transact(lambda tx: tx.execute("SELECT amount FROM account")) == [(10,)]
        it.link.accept()
        await until(lambda: client.connected and client.idle)
        assert await log.transact(lambda tx: tx.execute("SELECT amount FROM account")) == [(10,)]
        assert len(it.of("discarded", reason="duplicate")) == numbered


async def test_after_the_last_answer_before_a_crash_nothing_more_is_begun() -> None:
    async with stack() as it:
        client = await it.connected(**RETRIES)
        for n in range(0, 20, 2):
            it.server.crash(at="after_ack")
            client.emit(CHAT, n)
            client.emit(CHAT, n + 1)
            await until(lambda: it.server.state == "crashed")
            assert it.at_server == list(range(n + 1))
            await it.server.restart()
            await client.flush()


async def test_nobody_gets_the_port_of_a_server_that_has_crashed_and_nobody_can_connect_to_it() -> None:
    async with stack() as it:
        port = it.server.port
        it.server.crash()
        assert it.server.state == "crashed"
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind(("127.0.0.1", port))
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        await it.server.restart()
        assert it.server.port == port
        await it.connected()
        it.server.crash()
        await it.server.close()
        with socket.socket() as stranger:
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            stranger.bind(("127.0.0.1", port))


async def test_what_comes_when_a_crash_is_taken_back_stays_behind_what_waits_for_its_turn(tmp_path: Path) -> None:
    """Events are taken one by one while a crash is ordered. Those that wait then were sent earlier (measured: they were overtaken)."""
    async with stack(log=EventLog(tmp_path / "log.db", synchronous="OFF")) as it:
        order: list[int] = []
        goes_on = asyncio.Event()

        @it.server.on("note")
        async def note(sid: str, n: int) -> None:
            if n == 1:
                await goes_on.wait()
            order.append(n)

        client = await it.connected(ack_timeout=10.0)
        it.server.crash(at="after_commit", nth=100)
        sent = [client.emit("note", n) for n in (1, 2, 3)]
        await until(lambda: (guest := it.server._run.guests.guest(client.sid)) and guest.arrived == 3)
        it.server.disarm()
        sent += [client.emit("note", n) for n in (4, 5)]
        await until(lambda: (guest := it.server._run.guests.guest(client.sid)) and guest.arrived == 5)
        for _ in range(20):
            await asyncio.sleep(0)
        goes_on.set()
        assert [(await each).outcome for each in sent] == ["acked"] * 5
        assert order == [1, 2, 3, 4, 5]


async def test_what_comes_when_an_answer_has_left_is_behind_what_waited_for_that() -> None:
    point = CrashPoint(ignore, lambda: None)
    point.order("after_ack", 1, with_log=False)
    order: list[int] = []

    async def begun(n: int) -> None:
        await point.reached("before_apply", asyncio.Event().wait)
        order.append(n)

    with point.leaving():
        tasks = [asyncio.create_task(begun(n)) for n in (1, 2)]
        await asyncio.sleep(0)
        assert order == []
        tasks.append(asyncio.create_task(begun(3)))
    await asyncio.gather(*tasks)
    assert order == [1, 2, 3]
