"""The link between a real client and a real server: what it forwards, what it breaks, and what its record says about it."""

import asyncio
import contextlib
import gc
import hashlib
import socket
import time
from functools import partial
from typing import Any

import pytest
import socketio
from aiohttp import ClientSession, web

from realtime_lab.errors import AlreadyClosed, InvalidSetting, UnknownFault
from realtime_lab.history.journal import Journal
from realtime_lab.net.client import Client
from realtime_lab.net.crossings import MOST, Armed, Crossings
from realtime_lab.net.link import Link
from realtime_lab.net.pair import HIGH_WATER
from realtime_lab.net.session import Packet
from realtime_lab.net.sockets import reset
from realtime_lab.rules.cut_point import Carried, Crossing, CutPoint
from realtime_lab.rules.faults import Direction
from tests.examples import every_fourth
from tests.net.harness import CHAT, TRANSPORTS, Stack, rounds, stack, until

both_transports = pytest.mark.parametrize("transports", TRANSPORTS, ids=lambda names: names[0])
both_directions = pytest.mark.parametrize("direction", ["upstream", "downstream"])


async def say(it: Stack, direction: str, data: Any) -> None:
    """One chat message in this direction, without waiting for it."""
    if direction == "upstream":
        it.clients[0].emit(CHAT, data)
    else:
        await it.server.emit(CHAT, data)


def heard(it: Stack, direction: str) -> list[Any]:
    return it.at_server if direction == "upstream" else it.at_client


async def broken(it: Stack, client: Client) -> None:
    """Both ends have noticed. Over long-polling the server only does so by its heartbeat, and nobody waits for that here."""
    websocket = any(event.transport == "websocket" for event in it.of("wire"))
    await until(lambda: not client.connected and it.link.connections == 0 and not (websocket and it.server.sids))


async def one_by_one(it: Stack, direction: str, *numbers: int) -> None:
    """Messages, each of which arrives before the next is sent."""
    for number in numbers:
        await say(it, direction, number)
        await until(lambda: heard(it, direction)[-1:] == [number])  # noqa: B023  # awaited in the same round


# -- breaking ----------------------------------------------------------------------------------------------------------------------------


@both_transports
@pytest.mark.parametrize("how", ["cut", "close"])
async def test_after_a_cut_or_a_close_nobody_gets_in_until_restore(how: str, transports: tuple[str, ...]) -> None:
    async with stack() as it:
        attempts: list[None] = []
        client = await it.connected(transports=transports, auth=lambda: attempts.append(None))
        first = client.sid
        getattr(it.link, how)()
        assert it.link.state == "down"
        await broken(it, client)
        await until(lambda: len(attempts) > 4)
        assert not it.of("connected", "alice")[1:]
        it.link.restore()
        assert it.link.state == "open"
        await it.works(client)
        assert client.sid != first


@both_transports
@both_directions
async def test_what_was_forwarded_before_a_cut_is_delivered(direction: str, transports: tuple[str, ...]) -> None:
    async with stack() as it:
        client = await it.connected(transports=transports)
        for number in range(10):
            await say(it, direction, f"{number} " + "x" * 20_000)
        await until(lambda: len(it.chats("wire", direction)) == 10)
        it.link.cut()
        await broken(it, client)
        await until(lambda: len(heard(it, direction)) == 10)
        assert [text.split()[0] for text in heard(it, direction)] == [str(number) for number in range(10)]


@both_transports
@both_directions
@pytest.mark.parametrize(("side", "crossing"), [("before", 3), ("after", 4)])
async def test_an_exact_cut_divides_the_messages_at_the_named_one(
    side: str, crossing: int, direction: str, transports: tuple[str, ...]
) -> None:
    async with stack() as it:
        client = await it.connected(transports=transports)
        it.link.cut(**{side: f"{CHAT} #4"}, direction=direction)
        assert [str(armed) for armed in it.link.armed] == [f'cut({side}="{CHAT} #4", direction="{direction}")']
        await one_by_one(it, direction, 1, 2, 3)
        await say(it, direction, 4)
        await broken(it, client)
        assert heard(it, direction) == list(range(1, crossing + 1))
        assert it.chats("wire", direction) == [str(number) for number in range(1, crossing + 1)]
        assert it.chats("dropped", direction) == [str(number) for number in range(crossing + 1, 5)]
        assert all(event.reason == "the link was cut" for event in it.of("dropped"))
        assert it.link.armed == ()
        it.link.restore()
        await it.works(client)


@both_directions
async def test_a_burst_is_divided_at_the_named_message_too_and_every_loss_is_recorded_once(direction: str) -> None:
    async with stack() as it:
        client = await it.connected()
        it.link.cut(before=f"{CHAT} #6")
        for number in range(1, 11):
            await say(it, direction, number)
        await broken(it, client)
        assert heard(it, direction) == [1, 2, 3, 4, 5]
        dropped = it.chats("dropped", direction)
        assert dropped[:1] == ["6"]
        assert dropped == [str(number) for number in range(6, 6 + len(dropped))]  # what came later stayed in a socket's buffer


@both_directions
async def test_a_cut_may_name_a_packet_of_one_direction(direction: str) -> None:
    async with stack() as it:
        client = await it.connected()
        it.link.cut(packet=3, direction=direction)  # 1 is CONNECT
        await one_by_one(it, direction, 1)
        await say(it, "upstream" if direction == "downstream" else "downstream", "the other direction does not count")
        await say(it, direction, 2)
        await broken(it, client)
        assert heard(it, direction) == [1]
        assert [event.packet for event in it.of("wire", direction=direction) if event.type != "engine"] == [1, 2]
        assert [event.packet for event in it.of("dropped", direction=direction)] == [3]
        assert len([fault for fault in it.of("fault") if fault.event == "cut"]) == 1


@pytest.mark.parametrize("place", [{"before": 2}, {"packet": 2}, {"after": 1}])
async def test_a_position_may_be_given_as_before_after_or_packet(place: dict[str, Any]) -> None:
    async with stack() as it:
        client = it.client()
        it.link.cut(**place, direction="downstream")
        waiting = asyncio.create_task(client.connect())
        await until(lambda: it.server.sids)
        await it.server.emit(CHAT, 1)
        await until(lambda: it.link.state == "down" and not client.connected)
        await asyncio.wait({waiting})
        assert it.at_client == []
        assert [event.packet for event in it.of("wire", direction="downstream") if event.packet] == [1]


class Counting:
    """A witness who knows that a client sends its messages again from the first one after each reconnection."""

    def carried(self, sid: str, direction: Direction, index: int) -> list[tuple[str, int]]:
        return [(CHAT, index + 1)]

    def received(self, sid: str, direction: Direction, index: int) -> bool:
        return True


async def test_attempt_waits_for_the_second_time_that_a_message_crosses() -> None:
    async with stack() as it:
        await it.link.stop()
        it.link = Link("127.0.0.1", it.server.port, name="alice", observer=partial(it.journal.record, "alice"), witness=Counting())
        await it.link.start()
        client = await it.connected()
        it.link.cut(before=f"{CHAT} #2", attempt=2)
        await one_by_one(it, "upstream", 1, 2, 3)
        it.link.cut()
        await broken(it, client)
        it.link.restore()
        await until(lambda: client.connected)
        await one_by_one(it, "upstream", 1)
        client.emit(CHAT, "the second try of #2")
        await until(lambda: not client.connected)
        assert it.at_server == [1, 2, 3, 1]
        assert it.chats("dropped", "upstream") == ["the second try of #2"]


def test_a_link_remembers_how_often_the_last_messages_have_crossed() -> None:
    crossings = Crossings("alice", Counting())

    def crosses(index: int) -> Crossing:
        return crossings.next("upstream", Packet("EVENT", "websocket", "", "sid", CHAT, index))

    for index in range(3 * MOST):
        crosses(index)
        assert crosses(0).messages == (Carried(CHAT, 1, index + 2),)
    assert crosses(3 * MOST - 1).messages == (Carried(CHAT, 3 * MOST, 2),)
    assert crosses(1).messages == (Carried(CHAT, 2, 1),)  # it is forgotten
    with pytest.raises(UnknownFault, match=f"the latest is {CHAT} #{3 * MOST}"):
        crossings.arm(Armed(CutPoint("before", event=CHAT, number=1)), ())


async def test_a_cut_waits_until_the_witness_says_that_what_crossed_was_handled() -> None:
    class Patient(Counting):
        asked = 0

        def received(self, sid: str, direction: Direction, index: int) -> bool:
            self.asked += direction == "upstream"
            return self.asked > 20

    async with stack() as it:
        await it.link.stop()
        witness = Patient()
        it.link = Link("127.0.0.1", it.server.port, name="alice", observer=partial(it.journal.record, "alice"), witness=witness)
        await it.link.start()
        await it.connected()
        await one_by_one(it, "upstream", 1)
        it.link.cut()
        assert it.link.busy
        await until(lambda: it.link.connections == 0)
        assert witness.asked > 20
        assert not it.link.busy


@both_transports
@both_directions
@pytest.mark.parametrize(("side", "crossing"), [("before", 3), ("after", 4)])
async def test_an_exact_stall_holds_everything_from_the_named_message_on_and_loses_nothing(
    side: str, crossing: int, direction: str, transports: tuple[str, ...]
) -> None:
    async with stack() as it:
        client = await it.connected(transports=transports)
        it.link.stall(direction, **{side: f"{CHAT} #4"})
        assert [str(armed) for armed in it.link.armed] == [f'stall("{direction}", {side}="{CHAT} #4", direction="{direction}")']
        assert it.link.state == "open"
        await one_by_one(it, direction, 1, 2, 3)
        await say(it, direction, 4)
        await until(lambda: it.link.state == "stalled")
        await say(it, direction, 5)
        await until(lambda: it.chats("held", direction)[:1] == [str(crossing + 1)])
        assert it.link.armed == ()
        await until(lambda: len(heard(it, direction)) == crossing)
        it.link.resume(direction)
        await until(lambda: heard(it, direction) == [1, 2, 3, 4, 5])
        await it.works(client)


async def test_an_exact_stall_of_one_direction_leaves_the_other_alone() -> None:
    async with stack() as it:
        client = await it.connected()
        it.link.stall("downstream", packet=2)  # packet 1 accepted the connection
        await it.server.emit(CHAT, "held")
        await until(lambda: it.chats("held", "downstream") == ["held"])
        client.emit(CHAT, "passes")
        await until(lambda: it.at_server == ["passes"])
        assert it.at_client == []


async def test_disarm_takes_back_an_exact_cut() -> None:
    async with stack() as it:
        client = await it.connected()
        it.link.cut(before=f"{CHAT} #1")
        it.link.disarm()
        await it.works(client)
        assert it.link.armed == ()


async def test_two_exact_cuts_fire_one_after_the_other() -> None:
    async with stack() as it:
        client = await it.connected()
        it.link.cut(before=f"{CHAT} #2")
        it.link.cut(after=f"{CHAT} #3")
        await one_by_one(it, "upstream", 1)
        client.emit(CHAT, 2)
        await until(lambda: not client.connected and len(it.link.armed) == 1)
        it.link.restore()
        await until(lambda: client.connected)
        client.emit(CHAT, 3)
        await until(lambda: not client.connected)
        assert it.at_server == [1, 3]


async def test_refuse_keeps_what_is_open_and_lets_nobody_new_in() -> None:
    async with stack() as it:
        client = await it.connected()
        it.link.refuse()
        client.emit(CHAT, "still here")
        await until(lambda: it.at_server == ["still here"])
        attempts: list[None] = []
        other = it.client(auth=lambda: attempts.append(None))
        waiting = asyncio.create_task(other.connect())
        await until(lambda: len(attempts) > 2)
        assert not other.connected
        it.link.accept()
        await waiting
        assert other.connected
        assert client.connected


async def test_a_server_that_is_down_resets_the_client_and_a_later_one_on_the_same_port_serves_it() -> None:
    async with stack() as it:
        link = Link("127.0.0.1", it.server.port, name="alice", observer=partial(it.journal.record, "alice"))
        port = it.server.port
        await link.start()
        await it.server.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", int(link.url.rsplit(":", 1)[1]))
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 5)
        writer.close()
        await until(lambda: link.connections == 0)
        later = Stack(port=port)
        async with later.server:
            later.link = link
            client = await later.connected()
            await later.works(client)
            await client.close()
        await link.stop()


# -- holding -----------------------------------------------------------------------------------------------------------------------------


@both_transports
@pytest.mark.parametrize("direction", ["upstream", "downstream", "both"])
async def test_a_short_stall_holds_messages_and_loses_none(direction: str, transports: tuple[str, ...]) -> None:
    async with stack() as it:
        client = await it.connected(transports=transports)
        it.link.stall(direction)
        assert it.link.state == "stalled"
        held: list[Direction] = ["upstream", "downstream"] if direction == "both" else [direction]  # type: ignore[list-item]
        for number in range(5):
            for each in held:
                await say(it, each, number)
        await until(lambda: all(it.chats("held", each)[:1] == ["0"] for each in held))
        await rounds(50)
        assert [len(heard(it, each)) for each in held] == [0] * len(held)
        assert it.of("wire", event=CHAT) == []
        it.link.resume(direction)
        for each in held:
            await until(lambda: heard(it, each) == [0, 1, 2, 3, 4])  # noqa: B023  # awaited in the same round
            assert it.chats("wire", each) == ["0", "1", "2", "3", "4"]
        assert it.of("dropped") == []
        assert len(it.of("connected")) == 2
        await it.works(client)


async def test_a_stall_of_one_direction_leaves_the_other_alone() -> None:
    async with stack() as it:
        client = await it.connected()
        it.link.stall("upstream")
        client.emit(CHAT, "held")
        await one_by_one(it, "downstream", 1, 2, 3)
        assert it.at_server == []
        it.link.resume()
        await until(lambda: it.at_server == ["held"])


@both_transports
@pytest.mark.parametrize("direction", every_fourth(["both", "upstream", "downstream"]))
async def test_a_stall_that_outlives_the_heartbeat_loses_what_it_holds_and_resets_the_other_end(
    direction: str, transports: tuple[str, ...]
) -> None:
    async with stack(ping_interval=1, ping_timeout=1) as it:
        client = await it.connected(transports=transports)
        it.link.stall(direction)
        for each in ("upstream", "downstream") if direction == "both" else (direction,):
            await say(it, each, "held")
        await until(lambda: it.of("held", event=CHAT))
        await until(lambda: it.of("disconnected"), 10)
        it.link.resume()
        await until(lambda: len(it.of("disconnected")) >= 2, 10)
        await it.works(client)
        for each in ("upstream", "downstream"):
            came = it.chats("held", each).count("held")
            passed, lost = it.chats("wire", each).count("held"), it.chats("dropped", each).count("held")
            assert passed + lost == came  # one or the other, and only once
            assert heard(it, each).count("held") <= passed
        await until(lambda: len(it.server.sids) == 1)


@pytest.mark.parametrize("stalled", [True, False], ids=["stalled", "slow receiver"])
async def test_a_link_that_cannot_pass_on_stops_reading_so_that_the_sender_feels_it(stalled: bool) -> None:
    received = 0
    go_on = asyncio.Event()

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        await go_on.wait()
        while chunk := await reader.read(65536):
            received += len(chunk)
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    link = Link("127.0.0.1", server.sockets[0].getsockname()[1])
    await link.start()
    _reader, writer = await asyncio.open_connection("127.0.0.1", int(link.url.rsplit(":", 1)[1]))
    if stalled:
        link.stall("upstream")
        go_on.set()
    total = 64 * HIGH_WATER
    writer.write(b"\0" * total)  # not HTTP: passed on unread
    sizes = [writer.transport.get_write_buffer_size()]
    while len(sizes) < 2 or sizes[-1] != sizes[-20:][0] or len(sizes) < 20:
        await asyncio.sleep(0.005)
        sizes.append(writer.transport.get_write_buffer_size())
    assert sizes[-1] > total - 16 * HIGH_WATER  # the rest is in the link, and in the sockets' own buffers
    (pair,) = link._pairs
    assert pair._waiting["upstream"] < HIGH_WATER + 512 * 1024
    assert pair._ends["downstream"].transport.get_write_buffer_size() < 2 * HIGH_WATER
    assert received == 0
    link.resume()
    go_on.set()
    await until(lambda: received == total, 20)
    writer.close()
    await until(lambda: link.connections == 0)
    await link.stop()
    server.close()


async def test_what_a_stalled_link_holds_of_a_sender_who_broke_off_never_arrives() -> None:
    got: list[bytes] = []
    ends: list[Exception] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(100):
                got.append(data)
        except ConnectionError as error:
            ends.append(error)
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    link = Link("127.0.0.1", server.sockets[0].getsockname()[1])
    await link.start()
    _reader, writer = await asyncio.open_connection("127.0.0.1", int(link.url.rsplit(":", 1)[1]))
    writer.write(b"before\r\n\r\n")  # not HTTP: passed on unread
    await until(lambda: got == [b"before\r\n\r\n"])
    link.stall()
    writer.write(b"held")
    (pair,) = link._pairs
    await until(lambda: pair._waiting["upstream"] == 4)
    reset(writer.transport)
    await until(lambda: pair._gone == {"upstream"})
    assert link.connections == 1  # the server does not know yet
    assert ends == []
    link.resume()
    await until(lambda: ends and not link.connections)
    assert [type(error) for error in ends] == [ConnectionResetError]
    assert got == [b"before\r\n\r\n"]
    await link.stop()
    server.close()


# -- delaying ----------------------------------------------------------------------------------------------------------------------------


@both_transports
async def test_latency_is_added_in_each_direction(transports: tuple[str, ...]) -> None:
    async with stack() as it:
        client = await it.connected(transports=transports, ack_timeout=10.0)
        it.link.latency = 0.1
        began = time.monotonic()
        fate = await client.emit(CHAT, 1)
        assert fate.outcome == "acked"
        assert time.monotonic() - began >= 0.2
        it.link.latency = 0
        assert it.link.latency == 0


async def test_jitter_delays_and_keeps_the_order() -> None:
    async with stack() as it:
        await it.connected()
        it.link.jitter = 0.05
        for number in range(100):
            await say(it, "upstream", number)
            await say(it, "downstream", number)
            await asyncio.sleep(0.0005)
        await until(lambda: len(it.at_server) == len(it.at_client) == 100)
        assert it.at_server == it.at_client == list(range(100))


async def test_bandwidth_is_a_rate_for_each_direction() -> None:
    async with stack() as it:
        client = await it.connected()
        it.link.bandwidth = 100_000
        began = time.monotonic()
        for _ in range(3):
            client.emit(CHAT, "x" * 10_000)
        await until(lambda: len(it.at_server) == 3)
        assert time.monotonic() - began >= 0.29
        it.link.bandwidth = None
        await it.works(client)


async def test_a_cut_loses_what_latency_still_holds() -> None:
    async with stack() as it:
        client = await it.connected()
        it.link.latency = 30
        client.emit(CHAT, 1)
        await until(lambda: it.link.busy)
        it.link.cut()
        await until(lambda: not client.connected)
        assert it.chats("dropped", "upstream") == ["1"]
        assert it.at_server == []


# -- what it lets through ----------------------------------------------------------------------------------------------------------------


async def test_five_megabytes_of_other_http_pass_unchanged_in_both_directions() -> None:
    blob = bytes(range(256)) * (5 * 4096)

    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    app = web.Application(client_max_size=2**30)
    app.router.add_post("/echo", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    link = Link("127.0.0.1", runner.addresses[0][1])
    await link.start()
    async with ClientSession() as http:
        for _ in range(2):  # the second time on the same connection
            async with http.post(f"{link.url}/echo", data=blob) as answer:
                assert hashlib.sha256(await answer.read()).digest() == hashlib.sha256(blob).digest()
        async with http.post(f"{link.url}/echo", data=blob, expect100=True) as answer:
            assert len(await asyncio.wait_for(answer.read(), 5)) == len(blob)
    await link.stop()
    await runner.cleanup()


async def test_an_answer_that_never_ends_is_passed_on_as_it_comes() -> None:
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        await asyncio.sleep(3600)
        return response

    app = web.Application()
    app.router.add_get("/events", stream)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    link = Link("127.0.0.1", runner.addresses[0][1])
    await link.start()
    async with ClientSession() as http, http.get(f"{link.url}/events") as answer:
        assert await asyncio.wait_for(answer.content.readline(), 5) == b"data: 1\n"
    await link.stop()
    await runner.cleanup()


@both_transports
async def test_events_of_half_a_megabyte_pass_unchanged(transports: tuple[str, ...]) -> None:
    async with stack() as it:
        await it.connected(transports=transports)
        text, data = "ä" * 80_000, bytes(range(256)) * 2000
        for direction in ("upstream", "downstream"):
            for payload in (text, data, {"a": [data, 1, "b"]}):
                await say(it, direction, payload)
                await until(lambda: heard(it, direction))  # noqa: B023  # awaited in the same round
                assert heard(it, direction).pop() == payload
        kinds = [event.type for event in it.of("wire", event=CHAT)]
        assert kinds == ["EVENT", "BINARY_EVENT", "BINARY_EVENT"] * 2
        assert all(len(event.text) <= 80 for event in it.journal)


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]], ids="+".join)
async def test_a_plain_python_client_works_through_a_link_and_is_seen_packet_by_packet(transports: list[str]) -> None:
    async with stack() as it:
        foreign = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        got: list[int] = []
        foreign.on(CHAT, got.append)
        await foreign.connect(it.link.url, transports=transports)
        answer = await foreign.call(CHAT, "hi", timeout=5)
        assert answer == {"ok": True}
        for number in range(5):
            await it.server.emit(CHAT, number)
        await until(lambda: got == list(range(5)))
        assert it.chats("wire", "upstream") == ["hi"]
        assert it.chats("wire", "downstream") == ["0", "1", "2", "3", "4"]
        assert [event.type for event in it.of("wire", direction="downstream") if event.type != "engine"] == ["CONNECT", "ACK"] + 5 * [
            "EVENT"
        ]
        assert {event.sid for event in it.of("wire", event=CHAT)} == {foreign.get_sid()}
        assert {event.transport for event in it.of("wire", event=CHAT)} == {transports[-1]}
        await asyncio.wait_for(it.server.disconnect(foreign.get_sid()), 5)
        await foreign.shutdown()
        await until(lambda: not it.server.sids)


@both_transports
async def test_a_client_that_leaves_leaves_no_connection_in_the_link(transports: tuple[str, ...]) -> None:
    async with stack() as it:
        for _ in range(5):
            client = await it.connected(transports=transports)
            await client.close()
        await until(lambda: it.link.connections == 0)


async def test_stop_leaves_no_open_socket_even_when_a_cut_still_delivers() -> None:
    async with stack() as it:
        client = await it.connected()
        it.link.stall()
        for _ in range(50):
            client.emit(CHAT, "x" * 10_000)
        await until(lambda: it.of("held"))
        await it.link.stop()
        assert it.link.connections == 0
        await it.link.stop()
        with pytest.raises(OSError, match=r"."):
            await asyncio.open_connection("127.0.0.1", int(it.link.url.rsplit(":", 1)[1]))


# -- bad input ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "hint"),
    [
        ({"before": "chat message"}, "names no message"),
        ({"before": "#3"}, "names no message"),
        ({"after": "chat message #0"}, "names no message"),
        ({"after": "chat message #-1"}, "names no message"),
        ({"before": ""}, "names no message"),
        ({"packet": 7}, "which direction"),
        ({"before": 7}, "which direction"),
        ({"packet": 7, "direction": "both"}, "which direction"),
        ({"packet": 7, "direction": "sideways"}, "is not known"),
        ({"before": "a #1", "direction": 3}, "is not known"),
        ({"packet": 0, "direction": "upstream"}, "count from 1"),
        ({"packet": True, "direction": "upstream"}, "count from 1"),
        ({"packet": 1.5, "direction": "upstream"}, "count from 1"),
        ({"before": "a #1", "attempt": 0}, "not a count"),
        ({"before": "a #1", "attempt": True}, "not a count"),
        ({"before": "a #1", "attempt": 1.5}, "not a count"),
        ({"packet": 5, "direction": "upstream", "attempt": 2}, "attempt"),
        ({"before": "a #1", "after": "a #2"}, "one place"),
        ({"direction": "upstream"}, "no packet is named"),
        ({"attempt": 2}, "no packet is named"),
    ],
)
async def test_a_cut_that_names_no_possible_place_is_an_error_that_shows_how_to_write_it(place: dict[str, Any], hint: str) -> None:
    async with stack() as it:
        with pytest.raises(UnknownFault, match=hint) as caught:
            it.link.cut(**place)
        assert "Use '" in str(caught.value) or 'cut(before="chat message #6")' in str(caught.value)
        assert it.link.state == "open"
        assert it.link.armed == ()


async def test_a_place_that_has_already_passed_is_an_error_and_a_later_one_is_not() -> None:
    async with stack() as it:
        await it.connected()
        await one_by_one(it, "upstream", 1, 2, 3)
        for place in ({"before": f"{CHAT} #3"}, {"after": f"{CHAT} #1"}, {"packet": 4, "direction": "upstream"}):
            with pytest.raises(UnknownFault, match="already come to"):
                it.link.cut(**place)
        with pytest.raises(UnknownFault, match=f"{CHAT} #3"):
            it.link.cut(before=f"{CHAT} #3")
        it.link.cut(before=f"{CHAT} #1", direction="downstream")
        it.link.cut(before=f"{CHAT} #3", attempt=2)
        it.link.cut(packet=5, direction="upstream")
        assert len(it.link.armed) == 3


async def test_a_message_that_the_link_still_holds_is_ahead() -> None:
    async with stack() as it:
        client = await it.connected()
        it.link.stall("upstream")
        client.emit(CHAT, 1)
        client.emit(CHAT, 2)
        await until(lambda: it.chats("held", "upstream") == ["1", "2"])
        it.link.cut(before=f"{CHAT} #2")
        it.link.resume()
        await until(lambda: not client.connected)
        assert it.at_server == [1]


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), True, "0.1", None])
@pytest.mark.parametrize("name", ["latency", "jitter"])
async def test_a_latency_or_jitter_that_is_no_duration_is_refused(name: str, value: Any) -> None:
    async with stack() as it:
        with pytest.raises(InvalidSetting, match=f"{name}="):
            setattr(it.link, name, value)
        assert getattr(it.link, name) == 0


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), True, "fast"])
async def test_a_bandwidth_that_is_no_rate_is_refused(value: Any) -> None:
    async with stack() as it:
        with pytest.raises(InvalidSetting, match="bandwidth="):
            it.link.bandwidth = value
        assert it.link.bandwidth is None


@pytest.mark.parametrize("method", ["stall", "resume"])
async def test_an_unknown_direction_is_an_error_and_changes_nothing(method: str) -> None:
    async with stack() as it:
        with pytest.raises(UnknownFault, match="'upstream'"):
            getattr(it.link, method)("up")
        assert it.link.state == "open"


@pytest.mark.parametrize("turns", range(6))
async def test_a_connection_that_comes_while_the_link_stops_is_ended_too(turns: int) -> None:
    loop = asyncio.get_running_loop()
    gc.disable()  # which would end it in the end
    try:
        async with stack() as it:
            address = ("127.0.0.1", int(it.link.url.rsplit(":", 1)[1]))
            with socket.create_connection(address) as peer:  # at once: the system answers, before the loop comes round to it
                peer.setblocking(False)
                await rounds(turns)
                await asyncio.wait_for(it.link.stop(), 2)
                with contextlib.suppress(ConnectionError):
                    assert await asyncio.wait_for(loop.sock_recv(peer, 1), 2) == b""
            assert it.link.connections == 0
    finally:
        gc.enable()


async def test_an_exact_cut_on_a_stopped_link_is_an_error() -> None:
    async with stack() as it:
        await it.link.stop()
        with pytest.raises(AlreadyClosed):
            it.link.cut(before=f"{CHAT} #1")


async def test_every_fault_is_recorded_as_the_line_that_does_it() -> None:
    async with stack() as it:
        link = it.link
        link.stall()
        link.stall("upstream")
        link.resume("upstream")
        link.resume()
        link.refuse()
        link.accept()
        link.latency = 0.5
        link.jitter = 0.25
        link.bandwidth = 1000
        link.cut(after=f"{CHAT} #2", attempt=3)
        link.disarm()
        link.cut()
        link.close()
        link.restore()
        lines = [event.reason for event in it.of("fault")]
        assert all(line.startswith("alice.link.") for line in lines)
        again = Link("127.0.0.1", 1, name="alice", observer=partial((journal := Journal(time.monotonic)).record, "alice"))
        await again.start()
        for line in lines:
            exec(line.replace("alice.link", "link"), {"link": again})
        assert [event.reason for event in journal] == lines
        await again.stop()
