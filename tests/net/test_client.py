"""The bare client: it comes back by itself, says honestly what it knows, and leaves nothing behind."""

import asyncio
import gc
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import socketio
from aiohttp import web
from engineio.base_client import connected_clients

from realtime_lab.errors import (
    AlreadyClosed,
    ConnectionRejected,
    ConnectTimeout,
    InvalidSetting,
    NotConnected,
    NotSerialisable,
    ReservedName,
    UnknownFault,
)
from realtime_lab.net.client import Client
from realtime_lab.net.delivery import Fate
from realtime_lab.net.link import Link
from realtime_lab.net.server import Server
from tests.examples import every_fourth
from tests.net.harness import CHAT, FAST, TRANSPORTS, Stack, rounds, stack, until

ANNOUNCED = {"realtime_lab": {"nack": True}}
"""What our client adds to the application's auth."""

both_transports = pytest.mark.parametrize("transports", TRANSPORTS, ids=lambda names: names[0])


async def plain_server(*, connect: Callable[..., Any] | None = None) -> tuple[web.AppRunner, socketio.AsyncServer, str]:
    """A python-socketio server as anybody writes it."""
    sio = socketio.AsyncServer(async_mode="aiohttp")
    if connect is not None:
        sio.on("connect", connect)
    app = web.Application()
    sio.attach(app)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, sio, f"http://127.0.0.1:{runner.addresses[0][1]}"


async def stop(runner: web.AppRunner, sio: socketio.AsyncServer) -> None:
    await sio.shutdown()
    await runner.cleanup()


# -- connecting and coming back ----------------------------------------------------------------------------------------------------------


@both_transports
async def test_a_client_comes_back_after_a_reset_with_a_new_sid(transports: tuple[str, ...]) -> None:
    async with stack() as it:
        told: list[Any] = []
        client = it.client(transports=transports)
        client.on("connect")(lambda: told.append("connect"))
        client.on("disconnect")(told.append)
        await client.connect()
        await until(lambda: told == ["connect"])
        sids = {client.sid}
        for _ in range(3):
            it.link.cut()
            await until(lambda: not client.connected)
            assert client.state == "connecting"
            assert client.sid == ""
            it.link.restore()
            await it.works(client)
            sids.add(client.sid)
        assert len(sids) == 4
        assert told == ["connect", "transport error"] * 3 + ["connect"]


@both_transports
async def test_the_server_stops_and_comes_back_on_the_same_port_and_the_client_with_it(transports: tuple[str, ...]) -> None:
    first = Server()
    await first.start()
    port = first.port
    client = Client(first.url, transports=transports, **FAST)
    await client.connect()
    await first.close()
    await until(lambda: not client.connected)
    assert client.state == "connecting"
    async with Server(port=port) as second:
        await until(lambda: client.connected and client.sid in second.sids)
        await client.close()


class Unwilling(Exception):
    pass


@both_transports
@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize(
    ("direction", "packet"), [("upstream", 1), ("upstream", 2), ("upstream", 3)] + [("downstream", n) for n in (1, 2, 3)]
)
async def test_a_break_at_any_packet_of_a_young_connection_ends_in_a_working_one(
    side: str, direction: str, packet: int, transports: tuple[str, ...]
) -> None:
    async with stack() as it:
        it.link.cut(**{side: packet}, direction=direction)
        client = it.client(transports=transports)

        @client.on("connect")
        async def greet() -> None:
            with suppress(NotConnected):
                client.emit(CHAT, "hello")
                client.emit(CHAT, "again")

        @it.server.on("connect")
        async def welcome(sid: str) -> None:
            await it.server.emit(CHAT, "welcome", to=sid)
            await it.server.emit(CHAT, "and again", to=sid)

        connecting = asyncio.create_task(client.connect())
        await until(lambda: it.link.state == "down" and it.link.connections == 0)
        await until(lambda: not client.connected)
        it.link.restore()
        await connecting
        await it.works(client)


async def relay(port: int, spoiled: Callable[[bytes], bool]) -> asyncio.Server:
    """Passes every connection on to `port`, and breaks it off at the first piece that is `spoiled`, also in the middle of a packet."""

    async def pair(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
            pipes = [asyncio.create_task(pipe(reader, up_writer)), asyncio.create_task(pipe(up_reader, writer))]
            await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
            up_writer.transport.abort()
        writer.transport.abort()

    async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while (data := await source.read(100)) and not spoiled(data):
                sink.write(data)

    return await asyncio.start_server(pair, "127.0.0.1", 0)


async def test_a_failed_post_is_noticed_at_once_although_the_poll_still_waits() -> None:
    failing = [False]
    async with Server() as server:
        front = await relay(server.port, lambda data: failing[0] and data.startswith(b"POST"))
        client = Client(f"http://127.0.0.1:{front.sockets[0].getsockname()[1]}", transports=["polling"], **FAST)
        await client.connect()
        sid = client.sid
        failing[0] = True
        client.emit(CHAT, 1)
        await until(lambda: not client.connected)
        failing[0] = False
        await until(lambda: client.connected and client.sid != sid)
        await client.close()
        front.close()


@pytest.mark.parametrize("way", every_fourth([("polling", "websocket"), ("polling",), ("websocket",)]), ids="+".join)
async def test_a_break_after_any_number_of_bytes_of_the_handshake_ends_in_a_working_connection(way: tuple[str, ...]) -> None:
    budget, cuts = [0.0], 0

    def spoiled(data: bytes) -> bool:
        nonlocal cuts
        budget[0] -= len(data)
        cuts += budget[0] < 0
        return budget[0] < 0

    async with Server(ping_interval=1, ping_timeout=1) as server:  # over polling only the heartbeat finds a poll that nobody answers
        front = await relay(server.port, spoiled)
        for size in range(0, 2600, 200):
            budget[0] = size
            client = Client(f"http://127.0.0.1:{front.sockets[0].getsockname()[1]}", transports=way, ack_timeout=0.5, **FAST)
            connecting = asyncio.create_task(client.connect())
            await until(lambda: cuts or client.connected)  # noqa: B023  # awaited in the same round
            budget[0], cuts = float("inf"), 0
            await connecting
            for _ in range(20):  # the first connection may be dead already without anybody knowing
                with suppress(NotConnected):
                    if (await client.emit("anything", size)).outcome == "rejected":  # nobody handles it: an answer, at any rate
                        break
                await until(lambda: client.connected)  # noqa: B023  # awaited in the same round
            else:
                pytest.fail(f"no working connection after a break at {size} bytes")
            await client.close()
        front.close()


async def test_no_connection_in_time_is_an_error_and_nothing_goes_on_in_the_background() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never says a word
        attempts: list[int] = []
        client = Client(f"http://127.0.0.1:{silent.getsockname()[1]}", auth=lambda: attempts.append(1), **{**FAST, "connect_timeout": 0.05})
        began = time.monotonic()
        with pytest.raises(ConnectTimeout, match="Is the server running"):
            await client.connect(timeout=0.3)
        assert 0.3 <= time.monotonic() - began < 2
        assert client.state == "disconnected"
        assert len(attempts) > 1
        assert len(asyncio.all_tasks()) <= 2  # the test and, before Python 3.12, its time limit
        await client.close()


async def test_connect_may_be_tried_again_after_it_timed_out() -> None:
    async with stack() as it:
        it.link.refuse()
        client = it.client()
        with pytest.raises(ConnectTimeout):
            await client.connect(timeout=0.05)
        it.link.accept()
        await client.connect()
        await it.works(client)
        with pytest.raises(UnknownFault, match="connected already"):
            await client.connect()


async def test_a_cancelled_connect_stops_trying() -> None:
    async with stack() as it:
        it.link.refuse()
        client = it.client()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.connect(), 0.05)
        assert client.state == "disconnected"
        it.link.accept()
        await client.connect()
        await it.works(client)


async def test_close_while_connecting_ends_the_wait_of_connect_at_once() -> None:
    async with stack() as it:
        it.link.stall()
        client = it.client()
        connecting = asyncio.create_task(client.connect())
        await until(lambda: it.link.connections == 1)
        await client.close()
        with pytest.raises(AlreadyClosed):
            await asyncio.wait_for(connecting, 1)
        assert client.state == "closed"


@both_transports
async def test_close_at_any_moment_of_the_handshake_ends_and_frees_everything(transports: tuple[str, ...]) -> None:
    before = set(connected_clients)
    async with stack(ping_interval=1, ping_timeout=1) as it:
        for moment in range(0, 80, 2):
            client = it.client(transports=transports)
            connecting = asyncio.create_task(client.connect())
            await rounds(moment)
            await asyncio.wait_for(client.close(), 5)
            with suppress(AlreadyClosed):
                await asyncio.wait_for(connecting, 1)
            assert client.state == "closed"
        await until(lambda: not it.server.sids and it.link.connections == 0)
    assert set(connected_clients) == before


@both_transports
async def test_an_async_auth_that_hangs_does_not_keep_the_client_from_closing(transports: tuple[str, ...]) -> None:
    async def slow() -> dict[str, str]:
        await asyncio.sleep(3600)
        return {}

    async with stack() as it:
        client = it.client(auth=slow, transports=transports)
        connecting = asyncio.create_task(client.connect())
        await rounds(30)
        await asyncio.wait_for(client.close(), 5)
        with pytest.raises(AlreadyClosed):
            await connecting


# -- refusals and goodbyes ---------------------------------------------------------------------------------------------------------------


@both_transports
@pytest.mark.parametrize(
    ("refusal", "message"),
    [(lambda: socketio.exceptions.ConnectionRefusedError("not today", 7), "not today"), (lambda: None, "rejected by server")],
)
async def test_a_refusal_is_final_and_says_why(refusal: Callable[[], Any], message: str, transports: tuple[str, ...]) -> None:
    asked: list[Any] = []

    def connect(sid: str, environ: Any, auth: Any) -> bool:
        asked.append(auth)
        if error := refusal():
            raise error
        return False

    runner, sio, url = await plain_server(connect=connect)
    client = Client(url, auth={"token": "x"}, transports=transports, **FAST)
    began = time.monotonic()
    with pytest.raises(ConnectionRejected, match=message):
        await client.connect()
    assert time.monotonic() - began < 1.5
    assert client.state == "disconnected"
    await client.close()  # the supervisor has ended: nobody tries again
    assert asked == [{"token": "x", **ANNOUNCED}]
    await stop(runner, sio)


async def test_an_http_error_with_a_json_body_is_no_refusal() -> None:
    answers: list[int] = []

    async def gateway(request: web.Request) -> web.Response:
        answers.append(1)
        return web.json_response({"message": "try later"}, status=503)

    app = web.Application()
    app.router.add_get("/socket.io/", gateway)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = Client(f"http://127.0.0.1:{runner.addresses[0][1]}", transports=["polling"], **FAST)
    with pytest.raises(ConnectTimeout):
        await client.connect(timeout=0.3)
    assert len(answers) > 1
    await runner.cleanup()


@both_transports
async def test_the_servers_goodbye_is_final(transports: tuple[str, ...]) -> None:
    async with stack() as it:
        why: list[str] = []
        client = await it.connected(transports=transports)
        client.on("disconnect")(why.append)
        await it.server.disconnect(client.sid)
        await until(lambda: client.state == "disconnected")
        await until(lambda: why == ["server disconnect"])
        await until(lambda: it.link.connections == 0)
        with pytest.raises(NotConnected):
            client.emit(CHAT, 1)
        await until(lambda: not client._supervisor.running)  # nobody is left who could connect again
        assert len(it.of("connected", "alice")) == 1


@both_transports
async def test_a_goodbye_right_after_the_welcome_is_not_missed(transports: tuple[str, ...]) -> None:
    async with stack() as it:
        it.server.on("connect")(it.server.disconnect)
        client = it.client(transports=transports)
        await client.connect()
        await until(lambda: client.state == "disconnected")
        assert [event.reason for event in it.of("disconnected", "alice")] == ["server disconnect"]


@both_transports
async def test_auth_is_asked_again_at_every_attempt_and_reaches_the_server(transports: tuple[str, ...]) -> None:
    seen: list[Any] = []
    runner, sio, url = await plain_server(connect=lambda sid, environ, auth: seen.append(auth))
    count = 0

    async def auth() -> dict[str, int]:
        nonlocal count
        count += 1
        if count == 2:
            raise ValueError("no token yet")
        return {"attempt": count}

    link = Link("127.0.0.1", int(url.rsplit(":", 1)[1]))
    await link.start()
    client = Client(link.url, auth=auth, transports=transports, **FAST)
    await client.connect()
    link.cut()
    await until(lambda: not client.connected)
    link.restore()
    await until(lambda: client.connected and len(seen) == 2)
    assert seen == [{"attempt": 1, **ANNOUNCED}, {"attempt": 3, **ANNOUNCED}]
    await client.close()
    await link.stop()
    await stop(runner, sio)


# -- emitting ----------------------------------------------------------------------------------------------------------------------------


async def test_emit_while_disconnected_is_refused_out_loud_and_on_record() -> None:
    async with stack() as it:
        client = it.client()
        with pytest.raises(NotConnected, match="keeps nothing for later"):
            client.emit(CHAT, 1)
        await client.connect()
        client.emit(CHAT, 2)
        it.link.cut()
        await until(lambda: not client.connected)
        with pytest.raises(NotConnected):
            client.emit(CHAT, 3)
        assert [event.message for event in it.of("emitted", "alice")] == [1, 2, 3]
        assert [(event.message, event.reason) for event in it.of("refused")] == [(1, "not connected"), (3, "not connected")]
        assert [event.message for event in it.of("sent")] == [2]


async def test_what_is_emitted_before_the_break_is_noticed_is_lost_without_a_word() -> None:
    async with stack() as it:
        client = await it.connected()
        it.link.cut()
        fate = await client.emit(CHAT, "into the gap")
        assert fate == Fate("unknown", reason="no acknowledgement was asked for")
        await until(lambda: not client.connected)
        it.link.restore()
        await it.works(client)
        assert "into the gap" not in it.at_server
        assert it.of("refused") == []


async def test_messages_arrive_in_the_order_of_emit_and_their_fates_are_on_record() -> None:
    async with stack() as it:
        client = await it.connected(ack_timeout=5.0)
        deliveries = [client.emit(CHAT, number) for number in range(200)]
        assert not client.idle
        assert {(await delivery).outcome for delivery in deliveries} == {"acked"}
        assert client.idle
        assert it.at_server == list(range(200))
        assert [(event.message, event.reason) for event in it.of("settled")] == [(number, "acked") for number in range(1, 201)]


@both_transports
async def test_what_was_emitted_before_close_still_goes_out(transports: tuple[str, ...]) -> None:
    async with stack() as it:
        client = await it.connected(transports=transports)
        it.link.bandwidth = 10_000_000
        count = 12 if transports == ("polling",) else 300  # more than 16 at once are too many for python-engineio's polling
        for number in range(count):
            client.emit(CHAT, [number, "x" * 5000])
        await client.close()
        await until(lambda: not it.server.sids)
        assert [number for number, _ in it.at_server] == list(range(count))
        assert [event.reason for event in it.of("disconnected", "server")] == ["client disconnect"]


async def test_an_acknowledged_event_carries_the_handlers_result() -> None:
    async with stack() as it:
        it.server.on("double")(lambda sid, data: data * 2)
        it.server.on("nothing")(lambda sid, data: None)
        client = await it.connected(ack_timeout=5.0)
        assert await client.emit("double", 21) == Fate("acked", 42)
        assert await client.emit("double", b"ab") == Fate("acked", b"abab")
        assert await client.emit("nothing", 1) == Fate("acked")


async def test_an_event_that_the_server_cannot_handle_is_rejected_with_the_reason() -> None:
    errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context))
    async with stack() as it:

        @it.server.on("broken")
        async def broken(sid: str, data: Any) -> None:
            raise Unwilling("no")

        it.server.on("strange")(lambda sid, data: object())
        client = await it.connected(ack_timeout=5.0)
        assert await client.emit("broken", 1) == Fate("rejected", reason="Unwilling: no")
        assert [type(context["exception"]) for context in errors] == [Unwilling]
        assert await client.emit("other", 1) == Fate("rejected", reason="nobody handles 'other'")
        fate = await client.emit("strange", 1)
        assert fate.outcome == "rejected"
        assert "NotSerialisable" in fate.reason
        assert [event.reason.split(":")[0] for event in it.of("failed")] == ["Unwilling", "NotSerialisable"]


async def test_without_an_answer_in_time_the_fate_is_unknown_and_a_late_answer_changes_nothing() -> None:
    async with stack() as it:
        go_on = asyncio.Event()

        @it.server.on("slow")
        async def slow(sid: str, data: Any) -> str:
            await go_on.wait()
            return "late"

        client = await it.connected(ack_timeout=0.1)
        began = time.monotonic()
        delivery = client.emit("slow", 1)
        fate = await delivery
        assert 0.1 <= time.monotonic() - began < 2
        assert (fate.outcome, fate.reason) == ("unknown", "no acknowledgement in 0.1 s")
        go_on.set()
        await until(lambda: any(event.type == "ACK" for event in it.of("wire")))
        await it.works(client)
        assert delivery.fate == fate
        assert len(it.of("settled", message=1)) == 1


async def test_a_disconnect_makes_a_pending_fate_unknown_at_once() -> None:
    async with stack() as it:
        client = await it.connected(ack_timeout=30.0)
        it.link.stall("downstream")
        deliveries = [client.emit(CHAT, number) for number in range(3)]
        await until(lambda: len(it.at_server) == 3)
        it.link.cut()
        fates = await asyncio.wait_for(asyncio.gather(*deliveries), 5)
        assert {fate.reason for fate in fates} == {"the connection ended before an acknowledgement came"}
        assert client.idle


async def test_close_makes_a_pending_fate_unknown_and_is_on_record() -> None:
    async with stack() as it:
        client = await it.connected(ack_timeout=30.0)
        gone: list[str] = []
        client.on("disconnect")(gone.append)
        it.link.stall()
        delivery = client.emit(CHAT, 1)
        await asyncio.wait_for(client.close(), 5)
        assert (await asyncio.wait_for(delivery, 1)).outcome == "unknown"
        assert [event.reason for event in it.of("disconnected", "alice")] == ["client disconnect"]
        await until(lambda: gone == ["client disconnect"])
        assert client.state == "closed"


@pytest.mark.parametrize("data", [b"", b"\0\xff", {"a": [b"1", {"b": b"2"}], "n": None}, [1.5, "ä\U0001f600\ud800", True, None], ""])
@both_transports
async def test_what_json_and_bytes_can_carry_arrives_equal(data: Any, transports: tuple[str, ...]) -> None:
    async with stack() as it:
        client = await it.connected(transports=transports)
        client.emit(CHAT, data)
        await it.server.emit(CHAT, data)
        await until(lambda: it.at_server and it.at_client)
        assert it.at_server == it.at_client == [data]


@pytest.mark.parametrize("data", [object, {1, 2}, {"a": {b"k": 1}}, float("nan"), [float("inf")], {"deep": (b"1",)}], ids=str)
async def test_data_that_cannot_travel_is_refused_before_it_can_harm_what_follows(data: Any) -> None:
    async with stack() as it:
        client = await it.connected()
        with pytest.raises(NotSerialisable, match="Send numbers, text"):
            client.emit(CHAT, data)
        with pytest.raises(NotSerialisable):
            await it.server.emit(CHAT, data)
        assert it.of("emitted") == []
        await it.works(client)


async def test_endless_data_is_refused() -> None:
    async with stack() as it:
        client = await it.connected()
        circle: list[Any] = []
        circle.append(circle)
        deep: Any = 0
        for _ in range(100_000):
            deep = [deep]
        for data in (circle, deep):
            with pytest.raises(NotSerialisable):
                client.emit(CHAT, data)
        await it.works(client)


@pytest.mark.parametrize("name", ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"])
async def test_a_reserved_name_cannot_be_emitted_from_either_side(name: str) -> None:
    async with stack() as it:
        client = await it.connected()
        with pytest.raises(ReservedName, match="Choose another"):
            client.emit(name, 1)
        with pytest.raises(ReservedName):
            await it.server.emit(name, 1)
        with pytest.raises(TypeError, match="string"):
            client.emit(3, 1)  # type: ignore[arg-type]


async def test_a_reserved_name_from_the_server_runs_no_handler_of_the_client() -> None:
    async with stack() as it:
        told: list[Any] = []
        client = await it.connected()
        client.on("disconnect")(told.append)
        client.on("connect")(lambda: told.append("connect"))
        eio_sid = it.server.sio.manager.eio_sid_from_sid(client.sid, "/")
        errors: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context))
        for raw in ('2["disconnect","x"]', '2["connect"]', '2["connect_error",1]', "2[]", '2{"a":1}', "2[1]", "2", "9", "x"):
            await it.server.sio.eio.send(eio_sid, raw)
        await it.works(client)
        gc.collect()
        assert told == []
        assert len(it.of("disconnected")) == 0
        assert [event.event for event in it.of("received", "alice")] == [CHAT]


async def test_after_close_a_client_refuses_everything() -> None:
    async with stack() as it:
        client = await it.connected()
        await client.close()
        await client.close()
        assert client.state == "closed"
        with pytest.raises(AlreadyClosed, match="Make a new one"):
            client.emit(CHAT, 1)
        with pytest.raises(AlreadyClosed):
            await client.connect()


@pytest.mark.parametrize(
    "options",
    [
        {"transports": "websocket"},
        {"transports": []},
        {"transports": ["carrier pigeon"]},
        {"ack_timeout": -1},
        {"ack_timeout": float("nan")},
        {"connect_timeout": True},
        {"reconnection_delay": float("inf")},
        {"reconnection_delay_max": "5"},
    ],
    ids=str,
)
def test_an_option_outside_its_range_is_an_error(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting):
        Client("http://127.0.0.1:1", **options)


# -- leaving nothing behind --------------------------------------------------------------------------------------------------------------


def open_files() -> int:
    own = Path("/proc/self/fd")
    return len(list(own.iterdir())) if own.exists() else 0


async def leaves_at_once(it: Stack, transports: tuple[str, ...]) -> None:
    client = await it.connected(transports=transports)
    await client.close()


async def leaves_in_the_handshake(it: Stack, transports: tuple[str, ...]) -> None:
    client = it.client(transports=transports)
    connecting = asyncio.create_task(client.connect())
    await rounds(len(it.journal) % 40)
    await client.close()
    await asyncio.wait({connecting})
    connecting.exception()


async def leaves_after_a_cut(it: Stack, transports: tuple[str, ...]) -> None:
    client = await it.connected(transports=transports, ack_timeout=5.0)
    client.emit(CHAT, 1)
    it.link.cut()
    await rounds(len(it.journal) % 7)
    await client.close()
    it.link.restore()


@pytest.mark.parametrize("transports", every_fourth([*TRANSPORTS, ("polling", "websocket")]), ids="+".join)
@pytest.mark.parametrize("way", [leaves_at_once, leaves_in_the_handshake, leaves_after_a_cut])
async def test_thirty_connections_leave_no_task_socket_or_thread(
    way: Callable[[Stack, tuple[str, ...]], Awaitable[None]], transports: tuple[str, ...]
) -> None:
    tasks, files, threads = len(asyncio.all_tasks()), open_files(), threading.active_count()
    before = set(connected_clients)
    async with stack(ping_interval=1, ping_timeout=1) as it:
        for _ in range(30):
            await way(it, transports)
        await until(lambda: it.link.connections == 0)
    try:
        await until(lambda: len(asyncio.all_tasks()) == tasks)
    except AssertionError:
        pytest.fail("\n".join(map(str, asyncio.all_tasks())))
    gc.collect()
    await until(lambda: open_files() <= files)
    assert threading.active_count() <= threads + 1  # the loop's own thread for getaddrinfo
    assert set(connected_clients) == before
