"""Follows the two byte streams of one TCP connection and says where each Socket.IO packet begins and ends. Moves no bytes itself.

HTTP/1.1 (long-polling, and the handshake of a WebSocket) is parsed by h11, WebSocket frames (RFC 6455) by wsproto, Engine.IO payloads and
Socket.IO packets by python-socketio's codec. The streams come out in `Unit`s: the raw bytes exactly as they came, cut at boundaries, with
the packets that they hold. A unit is what the receiver can act on: a WebSocket message, or a whole HTTP message, because a server throws a
half-received polling body away. HTTP that is not Engine.IO's comes out as it comes in.

What cannot be parsed is passed on untouched ("opaque"): a link must never break what it only watches.
"""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import h11
from engineio.packet import Packet as EnginePacket
from wsproto.frame_protocol import FrameDecoder, Opcode

from realtime_lab.net.session import Packet, Session, Transport, session_of
from realtime_lab.rules.faults import DIRECTIONS, Direction, opposite

MAX_HELD = 16 * 1024 * 1024
"""A single message larger than this many bytes is passed on unparsed, so that watching costs bounded memory."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece of one stream that is passed on as a whole."""

    raw: bytes
    packets: tuple[Packet, ...] = ()


Piece = tuple[Direction, Unit]


class Wire:
    """Both directions of one TCP connection. `feed` bytes as they come; it returns the units that are complete."""

    def __init__(self, sessions: dict[str, Session]) -> None:
        self._sessions = sessions
        self._session = Session()
        self._http: _Http | None = _Http()
        self._frames: dict[Direction, _Frames] = {}
        self._raw: dict[Direction, bytearray] = {direction: bytearray() for direction in DIRECTIONS}

    def feed(self, direction: Direction, data: bytes) -> list[Piece]:
        """The next bytes of one direction. Never raises on what a peer sends, and never changes or drops a byte of it."""
        self._raw[direction] += data
        if self._opaque or len(self._raw[direction]) > MAX_HELD:
            return self._give_up()
        pieces: list[Piece] = []
        try:
            for which, unit in self._parse(direction, data):
                if unit.raw:  # one by one, because what was read before an error counts
                    pieces.append((which, unit))
        except Exception:  # noqa: BLE001  # whatever a parser says about a peer's bytes: stop watching, keep forwarding
            pieces += self._give_up()
        return pieces

    def rest(self, direction: Direction) -> bytes:
        """Takes out the bytes that make no whole unit, because the stream ended in the middle of one."""
        return self._take(direction, 0)

    @property
    def _opaque(self) -> bool:
        return self._http is None and not self._frames

    def _give_up(self) -> list[Piece]:
        self._http, self._frames = None, {}
        return [(direction, Unit(raw)) for direction in DIRECTIONS if (raw := self._take(direction, 0))]

    def _parse(self, direction: Direction, data: bytes) -> Iterator[Piece]:
        if self._http is None:
            yield from self._websocket(direction, data)
            return
        for message in self._http.feed(direction, data):
            yield message.direction, self._http_unit(message)
        if self._http.switched:
            self._http = None
            self._frames = {which: _Frames(which) for which in DIRECTIONS}
            for which in DIRECTIONS:
                if self._raw[which]:
                    yield from self._websocket(which, bytes(self._raw[which]))

    def _take(self, direction: Direction, left: int) -> bytes:
        """Everything of a stream but the last `left` bytes, which are not parsed yet."""
        raw = self._raw[direction]
        taken = bytes(raw[: len(raw) - left])
        del raw[: len(raw) - left]
        return taken

    def _http_unit(self, message: "_Message") -> Unit:
        if message.session_id:
            self._session = session_of(self._sessions, message.session_id)
        packets = [self._read(body, message.direction, "polling") for body in message.payload]
        return Unit(self._take(message.direction, message.left), tuple(found for found in packets if found))

    def _websocket(self, direction: Direction, data: bytes) -> Iterator[Piece]:
        for message, left in self._frames[direction].feed(data):
            found = None if message is None else self._read(message, direction, "websocket")
            if direction not in self._session.partial:  # else the attachments that follow belong to the same unit
                yield direction, Unit(self._take(direction, left), (found,) if found else ())

    def _read(self, message: str | bytes, direction: Direction, transport: Transport) -> Packet | None:
        if isinstance(message, str) and message.startswith("0{"):  # Engine.IO's handshake: this id names the session from here on
            self._session = session_of(self._sessions, json.loads(message[1:])["sid"])
        return self._session.read(message, direction, transport)


class _Frames:
    """WebSocket frames of one direction, as whole messages."""

    def __init__(self, direction: Direction) -> None:
        self._decoder = FrameDecoder(client=direction == "downstream")
        self._parts: list[bytes] = []
        self._text = True

    def feed(self, data: bytes) -> Iterator[tuple[str | bytes | None, int]]:
        """(message, or None for a control frame; bytes that are left unparsed) for each message that is now complete."""
        self._decoder.receive_bytes(data)
        while (frame := self._decoder.process_buffer()) is not None:
            left = len(self._decoder.buffer)
            if frame.opcode in (Opcode.PING, Opcode.PONG, Opcode.CLOSE):
                if not self._parts:
                    yield None, left
                continue
            if frame.opcode is not Opcode.CONTINUATION:
                self._text = frame.opcode is Opcode.TEXT
            self._parts.append(bytes(frame.payload))  # type: ignore[arg-type]  # only a decoded close frame holds a tuple
            if frame.frame_finished and frame.message_finished:
                whole = b"".join(self._parts)
                self._parts.clear()
                yield whole.decode() if self._text else whole, left


@dataclass(slots=True)
class _Message:
    """One HTTP message, complete; or a part of one that need not wait for the rest."""

    direction: Direction
    session_id: str
    payload: list[str | bytes]
    left: int


class _Http:
    """The HTTP/1.1 exchange of one connection. Each side's parser is told what the other side said, so both stay in step."""

    def __init__(self) -> None:
        self._parsers: dict[Direction, h11.Connection] = {
            "upstream": h11.Connection(h11.SERVER, max_incomplete_event_size=256 * 1024),
            "downstream": h11.Connection(h11.CLIENT, max_incomplete_event_size=256 * 1024),
        }
        self._head: dict[Direction, Any] = {}
        self._body: dict[Direction, bytearray] = {direction: bytearray() for direction in DIRECTIONS}
        self._query: dict[str, list[str]] = {}
        self.switched = False

    def feed(self, direction: Direction, data: bytes) -> Iterator[_Message]:
        """The HTTP messages that are now complete."""
        self._parsers[direction].receive_data(data)
        yield from self._pull(direction)
        if not self.switched:  # the end of an answer lets the parser of the requests go on
            yield from self._pull(opposite(direction))

    def _pull(self, direction: Direction) -> Iterator[_Message]:
        parser, mirror = self._parsers[direction], self._parsers[opposite(direction)]
        while not self.switched:
            event = parser.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                break
            mirror.send(event)  # type: ignore[arg-type]  # the two sentinels are handled above
            yield from self._take_in(direction, event, len(parser.trailing_data[0]))
            if parser.our_state is h11.DONE and parser.their_state is h11.DONE:
                for each in self._parsers.values():
                    each.start_next_cycle()
                yield from self._pull(opposite(direction))  # requests may have come ahead of their answers

    def _take_in(self, direction: Direction, event: Any, left: int) -> list[_Message]:
        if isinstance(event, h11.Request):
            self._query = parse_qs(urlsplit(event.target.decode("ascii", "replace")).query)
        if isinstance(event, (h11.Request, h11.Response)):
            self._head[direction] = event
            self._body[direction].clear()
        elif isinstance(event, h11.EndOfMessage):
            return [_Message(direction, self._query.get("sid", [""])[0], self._payload(direction), left)]
        elif isinstance(event, h11.InformationalResponse):
            self.switched = event.status_code == 101
            if self.switched and any(name == b"sec-websocket-extensions" for name, _ in event.headers):
                raise ValueError("the WebSocket is compressed, so its frames cannot be read")
            return [_Message(direction, "", [], left)]
        elif self._polling:
            self._body[direction] += event.data
        waits = self._polling and not self._parsers[direction].they_are_waiting_for_100_continue
        return [] if waits else [_Message(direction, "", [], left)]

    @property
    def _polling(self) -> bool:
        """Does Engine.IO's long-polling speak?"""
        return "EIO" in self._query and self._query.get("transport") == ["polling"]

    def _payload(self, direction: Direction) -> list[str | bytes]:
        """Engine.IO's long-polling payload: messages separated by the record separator (protocol v4)."""
        head, body = self._head[direction], bytes(self._body[direction])
        if not body or getattr(head, "status_code", 200) != 200 or (direction == "downstream" and body == b"OK"):
            return []
        if any(name == b"content-encoding" for name, _ in head.headers):
            body = zlib.decompress(body, wbits=47)  # gzip or zlib, whichever the header says
        messages = body.decode().split("\x1e")
        return [EnginePacket(encoded_packet=text).data if text.startswith("b") else text for text in messages]
