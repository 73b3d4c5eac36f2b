"""The parser of the two streams: it finds every packet, and whatever it is fed comes out again, byte by byte."""

import asyncio
import base64
import gzip
from functools import cache
from itertools import count, pairwise

import pytest
import socketio
from engineio.payload import Payload
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol

from realtime_lab.net import wire as wire_module
from realtime_lab.net.session import MOST, Packet, Session, session_of
from realtime_lab.net.wire import Wire
from realtime_lab.rules.faults import DIRECTIONS, Direction
from tests.examples import examples
from tests.net.harness import CHAT, stack, until

Talk = list[tuple[Direction, bytes]]
"""What each side said on one TCP connection, in the order in which it was said."""

Conversation = list[tuple[int, Direction, bytes]]
"""The same for several connections, which are numbered."""

UP: Direction = "upstream"
DOWN: Direction = "downstream"


def watch(talk: Talk, sessions: dict[str, Session] | None = None) -> tuple[dict[Direction, bytes], list[tuple[Direction, Packet]]]:
    """What comes out of a Wire, and the packets that it saw."""
    wire = Wire({} if sessions is None else sessions)
    out: dict[Direction, bytes] = {UP: b"", DOWN: b""}
    packets: list[tuple[Direction, Packet]] = []
    for direction, data in talk:
        for which, unit in wire.feed(direction, data):
            assert unit.raw
            out[which] += unit.raw
            packets += [(which, packet) for packet in unit.packets]
    for direction in DIRECTIONS:
        out[direction] += wire.rest(direction)
        assert wire.rest(direction) == b""
    return out, packets


def unchanged(talk: Talk) -> dict[Direction, bytes]:
    return {which: b"".join(data for direction, data in talk if direction == which) for which in DIRECTIONS}


def events(packets: list[tuple[Direction, Packet]]) -> list[tuple[Direction, int, str]]:
    return [(direction, packet.index, packet.payload) for direction, packet in packets if packet.index >= 0]


def per_direction(packets: list[tuple[Direction, Packet]]) -> dict[Direction, list[Packet]]:
    return {which: [packet for direction, packet in packets if direction == which] for which in DIRECTIONS}


@st.composite
def chunked(draw: st.DrawFn, talk: Talk) -> Talk:
    """The same talk in other chunks; who spoke after whom is kept."""
    pieces: Talk = []
    for direction, data in talk:
        cuts = draw(st.lists(st.integers(0, len(data)), max_size=8))
        pieces += [(direction, data[start:end]) for start, end in pairwise(sorted({0, *cuts, len(data)}))]
    return pieces


# -- real conversations, recorded between a real server and a real client -----------------------------------------------------------------


async def record(transports: list[str]) -> Conversation:
    """What a client and a server said while they exchanged 8 and 18 events."""
    said: Conversation = []
    connections = count()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = next(connections)
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", it.server.port)
        await asyncio.gather(pipe(reader, up_writer, UP, number), pipe(up_reader, writer, DOWN, number))

    async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter, direction: Direction, number: int) -> None:
        while data := await source.read(65536):
            said.append((number, direction, data))
            sink.write(data)
        sink.close()

    async with stack(ping_interval=1, ping_timeout=1) as it:
        front = await asyncio.start_server(relay, "127.0.0.1", 0)
        client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        got: list[object] = []
        client.on(CHAT, got.append)
        await client.connect(f"http://127.0.0.1:{front.sockets[0].getsockname()[1]}", transports=transports, auth={"token": "s3cret"})
        for number in range(5):
            await client.call(CHAT, number, timeout=5)
            await it.server.emit(CHAT, number)
        for data in ({"blob": [b"\0\1", b"\2" * 300]}, "ä" * 40_000, None):
            await client.call(CHAT, data, timeout=5)
            await it.server.emit(CHAT, data or 0)
        for number in range(10):
            await it.server.emit(CHAT, number)
        await until(lambda: len(got) == 18)
        await client.eio.disconnect()
        front.close()
        await it.server.close()
    return said


@cache
def recorded(*transports: str) -> Conversation:
    return asyncio.run(record(list(transports)))


def talks(conversation: Conversation) -> list[Talk]:
    """Each connection for itself."""
    numbers = sorted({number for number, _, _ in conversation})
    return [[(direction, data) for number, direction, data in conversation if number == each] for each in numbers]


@st.composite
def chunked_conversation(draw: st.DrawFn, conversation: Conversation) -> Conversation:
    return [(number, *piece) for number, *part in conversation for piece in draw(chunked([tuple(part)]))]  # type: ignore[misc,list-item]


def watch_all(conversation: Conversation) -> tuple[dict[tuple[int, Direction], bytes], list[tuple[Direction, Packet]]]:
    """As `watch`, for several connections of one link."""
    sessions: dict[str, Session] = {}
    wires: dict[int, Wire] = {}
    out: dict[tuple[int, Direction], bytes] = {}
    packets: list[tuple[Direction, Packet]] = []
    for number, direction, data in conversation:
        for which, unit in wires.setdefault(number, Wire(sessions)).feed(direction, data):
            out[number, which] = out.get((number, which), b"") + unit.raw
            packets += [(which, packet) for packet in unit.packets]
    assert not any(wire.rest(direction) for wire in wires.values() for direction in DIRECTIONS)
    return out, packets


@pytest.mark.parametrize("transports", [("websocket",), ("polling",), ("polling", "websocket")], ids="+".join)
@settings(max_examples=examples(60), deadline=None)
@given(data=st.data())
def test_any_chunking_of_a_real_conversation_gives_the_same_bytes_and_the_same_packets(
    transports: tuple[str, ...], data: st.DataObject
) -> None:
    conversation = recorded(*transports)
    out, seen = watch_all(data.draw(chunked_conversation(conversation)))
    assert out == {
        (number, which): b"".join(part for each, direction, part in conversation if (each, direction) == (number, which))
        for number, which, _ in conversation
    }
    assert per_direction(seen) == per_direction(watch_all(conversation)[1])
    for direction in DIRECTIONS:
        found = [(index, payload) for which, index, payload in events(seen) if which == direction]
        assert [index for index, _ in found] == list(range(18 if direction == DOWN else 8))
        assert [payload for _, payload in found[:5]] == ["0", "1", "2", "3", "4"]
        assert found[5][1] == '{"blob": ["<bytes>", "<bytes>"]}'
    assert {packet.type for _, packet in seen} >= {"engine", "CONNECT", "EVENT", "BINARY_EVENT", "ACK"}
    assert not any(packet.type == "malformed" for _, packet in seen)
    assert not any("s3cret" in str(packet) for _, packet in seen)
    assert len({packet.sid for _, packet in seen if packet.index >= 0}) == 1


@pytest.mark.parametrize("transports", [("websocket",), ("polling",), ("polling", "websocket")], ids="+".join)
def test_a_real_conversation_byte_by_byte(transports: tuple[str, ...]) -> None:
    for talk in talks(recorded(*transports)):
        small = [(direction, data) for direction, data in talk if len(data) < 20_000]
        assert watch([(direction, data[at : at + 1]) for direction, data in small for at in range(len(data))])[0] == unchanged(small)


# -- garbage -----------------------------------------------------------------------------------------------------------------------------

chunks = st.lists(st.tuples(st.sampled_from(DIRECTIONS), st.binary(max_size=80)), max_size=12)


@given(talk=chunks)
def test_garbage_passes_unchanged(talk: Talk) -> None:
    assert watch(talk)[0] == unchanged(talk)


@settings(max_examples=examples(150), deadline=None)
@given(data=st.data(), which=st.sampled_from([("websocket",), ("polling",)]))
def test_a_conversation_that_turns_into_garbage_anywhere_passes_unchanged(data: st.DataObject, which: tuple[str, ...]) -> None:
    talk = [(direction, bytes(part[:3000])) for direction, part in data.draw(st.sampled_from(talks(recorded(*which))))]
    at = data.draw(st.integers(0, len(talk) - 1))
    direction, part = talk[at]
    cut = data.draw(st.integers(0, len(part)))
    talk[at] = (direction, part[:cut] + data.draw(st.binary(min_size=1, max_size=40)) + part[cut + 1 :])
    pieces = data.draw(chunked(talk))
    assert watch(pieces)[0] == unchanged(talk)


@settings(max_examples=examples(200), deadline=None)
@given(
    messages=st.lists(st.one_of(st.text(max_size=30).map("4".__add__), st.text(max_size=20), st.binary(max_size=20)), max_size=12),
    data=st.data(),
)
def test_any_websocket_messages_pass_unchanged_and_none_is_held_back_for_ever(messages: list[str | bytes], data: st.DataObject) -> None:
    talk = [*HANDSHAKE, (UP, b"".join(frame(UP, each) for each in messages))]
    assert watch(data.draw(chunked(talk)))[0] == unchanged(talk)


# -- by hand: WebSocket ------------------------------------------------------------------------------------------------------------------

HANDSHAKE: Talk = [
    (
        UP,
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    ),
    (DOWN, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
]


def frame(direction: Direction, message: str | bytes, fin: bool = True) -> bytes:
    return bytes(FrameProtocol(client=direction == UP, extensions=[]).send_data(message, fin))


def says(direction: Direction, *messages: str | bytes) -> Talk:
    return [(direction, frame(direction, message)) for message in messages]


def test_events_are_counted_for_each_direction_and_heartbeats_are_not() -> None:
    talk = HANDSHAKE + says(DOWN, '0{"sid":"e1"}', '40{"sid":"s1"}', "2") + says(UP, "3", '42["a",1]', '421["b",2,3]', '42["c"]')
    _, packets = watch(talk + says(DOWN, "2", '42["d",{"x":1}]', '431[{"ok":true}]'))
    assert [(packet.type, packet.event, packet.index, packet.payload, packet.text) for _, packet in packets] == [
        ("engine", "", -1, "", "open"),
        ("CONNECT", "", -1, "", "0"),
        ("EVENT", "a", 0, "1", '2["a",1]'),
        ("EVENT", "b", 1, "[2, 3]", '21["b",2,3]'),
        ("EVENT", "c", 2, "[]", '2["c"]'),
        ("EVENT", "d", 0, '{"x": 1}', '2["d",{"x":1}]'),
        ("ACK", "", -1, "", '31[{"ok":true}]'),
    ]
    assert {packet.sid for _, packet in packets[1:]} == {"s1"}
    assert {packet.transport for _, packet in packets} == {"websocket"}


def test_a_binary_event_is_one_unit_with_all_its_attachments() -> None:
    wire = Wire({})
    for direction, data in HANDSHAKE:
        wire.feed(direction, data)
    header, one, two = (frame(UP, part) for part in ('452-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', b"x", b"yy"))
    ping = bytes(FrameProtocol(client=True, extensions=[]).ping(b""))
    assert wire.feed(UP, header) == []
    assert wire.feed(UP, one + ping) == []
    ((direction, unit),) = wire.feed(UP, two)
    assert (direction, unit.raw) == (UP, header + one + ping + two)
    assert [(packet.type, packet.event, packet.payload) for packet in unit.packets] == [("BINARY_EVENT", "a", '["<bytes>", "<bytes>"]')]


@pytest.mark.parametrize(
    "opening",
    [
        '452-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]',  # whose second attachment never comes
        '421-["a"]',  # no such packet should have attachments; python-socketio takes it for an event
        '450-["a"]',
    ],
)
def test_a_packet_whose_attachments_do_not_come_holds_nothing_back_once_another_comes(opening: str) -> None:
    wire = Wire({})
    for direction, data in HANDSHAKE:
        wire.feed(direction, data)
    raw = frame(UP, opening) + frame(UP, b"one") + frame(UP, '42["b"]') + frame(UP, '42["c"]')
    units = [unit for _, unit in wire.feed(UP, raw)]
    assert b"".join(unit.raw for unit in units) == raw
    assert [packet.event for unit in units for packet in unit.packets if packet.event][-2:] == ["b", "c"]
    assert wire.rest(UP) == b""


def test_attachments_that_are_wrongly_numbered_pass_unchanged() -> None:
    for number in ('"x"', "7", "-1", "null"):
        talk = HANDSHAKE + says(UP, f'451-["a",{{"_placeholder":true,"num":{number}}}]', b"x", '42["b"]')
        assert watch(talk)[0] == unchanged(talk)


@given(data=st.data())
def test_a_fragmented_message_with_pings_between_is_one_message(data: st.DataObject) -> None:
    peer = FrameProtocol(client=True, extensions=[])
    raw = bytes(
        peer.send_data('42["a","', fin=False)
        + peer.ping(b"hi")
        + peer.send_data("ä", fin=False)
        + peer.ping()
        + peer.send_data('"]', fin=True)
    )
    talk = [*HANDSHAKE, (UP, raw), *says(UP, '42["b"]')]
    out, packets = watch(data.draw(chunked(talk)))
    assert out == unchanged(talk)
    assert events(packets) == [(UP, 0, "ä"), (UP, 1, "[]")]


def test_nothing_of_a_fragmented_message_goes_ahead_of_its_end() -> None:
    peer = FrameProtocol(client=True, extensions=[])
    parts = [bytes(part) for part in (peer.send_data('42["a"', fin=False), peer.ping(), peer.send_data("]", fin=True))]
    wire = Wire({})
    for direction, data in HANDSHAKE:
        wire.feed(direction, data)
    assert [wire.feed(UP, part) for part in parts[:2]] == [[], []]
    ((_, unit),) = wire.feed(UP, parts[2])
    assert unit.raw == b"".join(parts)


def test_a_character_may_be_divided_between_fragments() -> None:
    peer = FrameProtocol(client=False, extensions=[])
    whole = bytes(peer.send_data('42["a","ä"]'))
    payload = '42["a","ä"]'.encode()
    at = payload.index(b"\xc3") + 1
    raw = bytes([0x01, at]) + payload[:at] + bytes([0x80, len(payload) - at]) + payload[at:]
    assert len(raw) == len(whole) + 2
    assert events(watch([*HANDSHAKE, (DOWN, raw)])[1]) == [(DOWN, 0, "ä")]


@pytest.mark.parametrize("size", [125, 126, 65_535, 65_536, 300_000])
def test_frames_of_every_length_format_are_read(size: int) -> None:
    talk = [*HANDSHAKE, (UP, frame(UP, f'42["a","{"x" * size}"]')), *says(UP, '42["b"]')]
    pieces = [(direction, data[at : at + 1000]) for direction, data in talk for at in range(0, len(data), 1000)]
    out, packets = watch(pieces)
    assert out == unchanged(talk)
    assert [(packet.event, packet.index, len(packet.text) <= 80) for _, packet in packets] == [("a", 0, True), ("b", 1, True)]


def test_a_message_larger_than_the_limit_is_passed_on_unread_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_module, "MAX_HELD", 10_000)
    wire = Wire({})
    for direction, data in HANDSHAKE:
        wire.feed(direction, data)
    raw = frame(UP, '42["a","' + "x" * 50_000 + '"]')
    out, held = b"", 0
    for at in range(0, len(raw), 1000):
        out += b"".join(unit.raw for _, unit in wire.feed(UP, raw[at : at + 1000]))
        held = max(held, at + 1000 - len(out))
    assert held <= 11_000
    assert out == raw


def test_frames_that_come_together_with_the_handshake_are_read() -> None:
    early = frame(UP, '42["a"]')
    talk: Talk = [(UP, HANDSHAKE[0][1] + early), (DOWN, HANDSHAKE[1][1] + frame(DOWN, '42["b"]'))]
    out, packets = watch(talk)
    assert out == unchanged(talk)
    assert sorted(events(packets)) == [(DOWN, 0, "[]"), (UP, 0, "[]")]


def test_garbage_together_with_the_handshake_loses_nothing() -> None:
    talk: Talk = [HANDSHAKE[0], (DOWN, HANDSHAKE[1][1] + frame(DOWN, '42["b"]') + b"\xff\xff\xff garbage")]
    out, packets = watch(talk)
    assert out == unchanged(talk)
    assert events(packets) == [(DOWN, 0, "[]")]  # what was read before the error counts


def test_an_unreadable_handshake_packet_between_good_ones_loses_nothing() -> None:
    talk = [*HANDSHAKE, (DOWN, frame(DOWN, '42["a"]') + frame(DOWN, "0{not json") + frame(DOWN, '42["b"]'))]
    out, packets = watch(talk)
    assert out == unchanged(talk)
    assert events(packets) == [(DOWN, 0, "[]")]


def test_a_compressed_websocket_is_passed_on_unread() -> None:
    answer = HANDSHAKE[1][1].replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
    talk: Talk = [HANDSHAKE[0], (DOWN, answer), *says(UP, '42["a"]'), *says(DOWN, '42["b"]')]
    out, packets = watch(talk)
    assert out == unchanged(talk)
    assert packets == []


def test_an_opaque_connection_passes_every_chunk_on_at_once() -> None:
    wire = Wire({})
    wire.feed(UP, b"\x16\x03\x01\x02\x00 a TLS hello\r\n\r\n")
    for chunk in (b"1", b"22", b"333"):
        for direction in DIRECTIONS:
            assert [unit.raw for _, unit in wire.feed(direction, chunk)] == [chunk]


# -- what a record may show --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "connect",
    ['40{"token":"s3cret"}', '40/admin,{"token":"s3cret"}', "40/admin?token=s3cret,{}", '40{"token":"s3cret"', '40"s3cret"', "40s3cret"],
)
def test_the_credentials_of_connect_are_never_shown(connect: str) -> None:
    _, packets = watch(HANDSHAKE + says(UP, connect))
    assert len(packets) == 1
    assert "s3cret" not in repr(packets)
    assert packets[0][1].text in ("0", "0/admin")


def test_a_packet_of_another_namespace_is_seen_and_not_counted() -> None:
    _, packets = watch(HANDSHAKE + says(UP, '42/admin,["a",1]', '42["b"]', "41/admin,"))
    assert [(packet.type, packet.index, packet.text) for _, packet in packets] == [
        ("EVENT", -1, '2/admin,["a",1]'),
        ("EVENT", 0, '2["b"]'),
        ("DISCONNECT", -1, "1/admin,"),
    ]


@pytest.mark.parametrize(
    "body",
    ['2["disconnect","x"]', '2["connect"]', "2[]", "2{}", "2[1]", "2[null]", "2", "", "x", "9[]", '2["a"', "2" + "[" * 100_000, "²[]"],
)
def test_a_malformed_or_reserved_packet_is_shown_as_such_and_not_counted(body: str) -> None:
    out, packets = watch(talk := HANDSHAKE + says(UP, "4" + body, '42["a"]'))
    assert out == unchanged(talk)
    assert [(packet.type, packet.index) for _, packet in packets] == [("malformed", -1), ("EVENT", 0)]


def test_an_attachment_that_nobody_announced_is_malformed() -> None:
    _, packets = watch(HANDSHAKE + says(UP, b"\0\1\2"))
    assert [(packet.type, packet.text) for _, packet in packets] == [("malformed", "<3 bytes>")]


# -- by hand: long-polling ---------------------------------------------------------------------------------------------------------------


def http(start: str, body: bytes = b"", **headers: str) -> bytes:
    lines = [start, "Host: x", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    lines += [] if start.startswith("GET") else [f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


POLL = "/socket.io/?EIO=4&transport=polling&sid=e1"


def poll(payload: str) -> Talk:
    return [(UP, http(f"GET {POLL} HTTP/1.1")), (DOWN, http("HTTP/1.1 200 OK", payload.encode()))]


def post(payload: str) -> Talk:
    return [(UP, http(f"POST {POLL} HTTP/1.1", payload.encode())), (DOWN, http("HTTP/1.1 200 OK", b"OK"))]


def test_forty_packets_in_one_poll_are_forty_packets_in_one_unit() -> None:
    payload = "\x1e".join(f'42["a",{number}]' for number in range(40))
    wire = Wire({})
    wire.feed(UP, poll(payload)[0][1])
    ((_, unit),) = wire.feed(DOWN, poll(payload)[1][1])
    assert [(packet.index, packet.payload) for packet in unit.packets] == [(number, str(number)) for number in range(40)]
    assert {packet.transport for packet in unit.packets} == {"polling"}


@given(data=st.data())
def test_many_requests_on_one_connection_are_read_in_any_chunks(data: st.DataObject) -> None:
    talk = [part for number in range(6) for part in [*post(f'42["a",{number}]\x1e3'), *poll(f'2\x1e42["b",{number}]')]]
    out, packets = watch(data.draw(chunked(talk)))
    assert out == unchanged(talk)
    assert events(packets) == [(which, number, str(number)) for number in range(6) for which in (UP, DOWN)]


def test_pipelined_requests_are_read_in_step_with_their_answers() -> None:
    posts = [post(f'42["a",{number}]') for number in range(5)]
    talk: Talk = [(UP, b"".join(each[0][1] for each in posts)), (DOWN, b"".join(each[1][1] for each in posts))]
    out, packets = watch(talk)
    assert out == unchanged(talk)
    assert events(packets) == [(UP, number, str(number)) for number in range(5)]


def test_attachments_travel_in_base64_and_may_come_in_the_next_request() -> None:
    header, blob = '451-["a",{"_placeholder":true,"num":0}]', "b" + base64.b64encode(b"\0\1").decode()
    together = watch(post(f"{header}\x1e{blob}"))[1]
    assert [(packet.type, packet.payload) for _, packet in together] == [("BINARY_EVENT", "<2 bytes>")]
    apart = watch(post(header) + post(blob))[1]
    assert [(packet.type, packet.index, packet.payload) for _, packet in apart] == [("BINARY_EVENT", 0, "<2 bytes>")]


def test_a_session_continues_on_another_connection_and_another_transport() -> None:
    sessions: dict[str, Session] = {}
    opening: Talk = [(UP, http("GET /socket.io/?EIO=4&transport=polling HTTP/1.1")), (DOWN, http("HTTP/1.1 200 OK", b'0{"sid":"e1"}'))]
    watch(opening + poll('40{"sid":"s1"}\x1e42["a",0]'), sessions)
    watch(post('42["b",0]'), sessions)
    upgrade = [(UP, HANDSHAKE[0][1].replace(b"websocket HTTP", b"websocket&sid=e1 HTTP")), HANDSHAKE[1]]
    _, packets = watch(upgrade + says(UP, "2probe") + says(DOWN, "3probe") + says(UP, "5", '42["b",1]') + says(DOWN, '42["a",1]'), sessions)
    assert [packet.text for _, packet in packets if packet.type == "engine"] == ["2probe", "3probe", "5"]
    assert [(packet.event, packet.index, packet.sid) for _, packet in packets[3:]] == [("b", 1, "s1"), ("a", 1, "s1")]
    assert list(sessions) == ["e1"]


@given(data=st.data())
def test_a_compressed_or_chunked_poll_is_read(data: st.DataObject) -> None:
    body = gzip.compress(b'42["a",0]\x1e42["a",1]')
    talk: Talk = [
        (UP, http(f"GET {POLL} HTTP/1.1")),
        (DOWN, http("HTTP/1.1 200 OK", body, Content_Encoding="gzip")),
        (UP, http(f"GET {POLL} HTTP/1.1")),
        (DOWN, b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n42["\r\n5\r\na",2]\r\n0\r\n\r\n'),
    ]
    out, packets = watch(data.draw(chunked(talk)))
    assert out == unchanged(talk)
    assert events(packets) == [(DOWN, 0, "0"), (DOWN, 1, "1"), (DOWN, 2, "2")]


def test_a_compression_that_cannot_be_read_passes_unchanged() -> None:
    talk: Talk = [(UP, http(f"GET {POLL} HTTP/1.1")), (DOWN, http("HTTP/1.1 200 OK", b"\1\2\3", Content_Encoding="br")), *poll('42["a"]')]
    out, packets = watch(talk)
    assert out == unchanged(talk)
    assert packets == []


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        (f"GET {POLL} HTTP/1.1", http("HTTP/1.1 400 Bad Request", b'42["a"]')),
        ("GET /other HTTP/1.1", http("HTTP/1.1 200 OK", b'42["a"]')),
        ("GET /other?sid=e1 HTTP/1.1", http("HTTP/1.1 200 OK", b'42["a"]')),
    ],
)
def test_what_is_not_long_polling_holds_no_packets(request_line: str, answer: bytes) -> None:
    out, packets = watch(talk := [(UP, http(request_line)), (DOWN, answer), *poll('42["b"]')])
    assert out == unchanged(talk)
    assert events(packets) == [(DOWN, 0, "[]")]


def test_half_a_polling_body_waits_and_half_of_any_other_body_does_not() -> None:
    for path, waits in ((POLL, True), ("/upload", False)):
        wire = Wire({})
        whole = http(f"POST {path} HTTP/1.1", b'42["a"]')
        passed = b"".join(unit.raw for _, unit in wire.feed(UP, whole[:-3]))
        assert passed == (b"" if waits else whole[:-3])
        assert b"".join(unit.raw for _, unit in wire.feed(UP, whole[-3:])) == whole[len(passed) :]


def test_a_head_that_waits_for_the_word_to_continue_is_passed_on() -> None:
    wire = Wire({})
    whole = http(f"POST {POLL} HTTP/1.1", b'42["a"]', Expect="100-continue")
    head, body = whole[:-7], whole[-7:]
    assert [unit.raw for _, unit in wire.feed(UP, head)] == [head]
    assert wire.feed(DOWN, b"HTTP/1.1 100 Continue\r\n\r\n")[0][1].raw == b"HTTP/1.1 100 Continue\r\n\r\n"
    ((_, unit),) = wire.feed(UP, body)
    assert (unit.raw, [packet.event for packet in unit.packets]) == (body, ["a"])


def test_the_parser_of_the_server_agrees_with_ours_on_a_payload() -> None:
    payload = "\x1e".join(['42["a",1]', "2", "b" + base64.b64encode(b"x").decode()])
    assert [packet.packet_type for packet in Payload(encoded_payload=payload).packets] == [4, 2, 4]
    assert [packet.type for _, packet in watch(post(payload))[1]] == ["EVENT", "malformed"]


def test_a_link_remembers_the_sessions_of_which_it_heard_last() -> None:
    sessions: dict[str, Session] = {}
    old = session_of(sessions, "old")
    for n in range(3 * MOST):
        session_of(sessions, f"s{n}")
        assert session_of(sessions, "old") is old
    assert len(sessions) == MOST
    assert f"s{3 * MOST - 1}" in sessions and "s0" not in sessions
