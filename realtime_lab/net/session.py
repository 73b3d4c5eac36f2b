"""The Socket.IO packets of one Engine.IO session, read by python-socketio's codec and numbered in the order in which they stand there."""

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from realtime_lab.net.newest import remember
from realtime_lab.net.packets import EVENTS, StrictPacket, brief
from realtime_lab.rules.faults import DIRECTIONS, Direction, opposite

Transport = Literal["polling", "websocket"]

TYPES = ("CONNECT", "DISCONNECT", "EVENT", "ACK", "CONNECT_ERROR", "BINARY_EVENT", "BINARY_ACK")
ENGINE = {"0": "open", "1": "close", "5": "upgrade"}
MOST = 1_000
"""Sessions that a link knows: a long poll may come on a new connection, so nobody says when one is over."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One Socket.IO packet as it stands on the wire, or an Engine.IO packet that is worth showing (type "engine")."""

    type: str
    transport: Transport
    text: str
    sid: str = ""
    event: str = ""
    index: int = -1
    """The how-many-th event of its connection and direction, from 0; -1 if it is not an event."""
    payload: str = ""
    answers: int = -1
    """An ACK: the index of the event of the other direction that it acknowledges."""


@dataclass
class Session:
    """One Engine.IO session; it may use several TCP connections (long-polling, then an upgrade)."""

    sid: str = ""
    """Socket.IO's id in the default namespace, once the server has accepted."""
    events: dict[Direction, int] = field(default_factory=lambda: dict.fromkeys(DIRECTIONS, 0))
    asked: dict[tuple[Direction, int], int] = field(default_factory=dict)
    """(direction, acknowledgement id) -> the index of the event that asks for it."""
    partial: dict[Direction, Any] = field(default_factory=dict)
    """A packet that still waits for binary attachments, for each direction: (decoder, text)."""

    def read(self, message: str | bytes, direction: Direction, transport: Transport) -> Packet | None:
        """One Engine.IO message. None for heartbeats, and for a packet that is not complete yet."""
        if isinstance(message, bytes):
            return self._attachment(message, direction, transport)
        kind, body = message[:1], message[1:]
        if kind == "4":
            self.partial.pop(direction, None)  # its attachments will not come any more
            return self._packet(body, direction, transport)
        if kind in ENGINE or body == "probe":
            return Packet("engine", transport, brief(message) if kind != "0" else ENGINE[kind], self.sid)
        return None

    def _packet(self, body: str, direction: Direction, transport: Transport) -> Packet | None:
        try:
            decoded = StrictPacket(encoded_packet=body or "empty")
        except (ValueError, IndexError):
            return Packet("malformed", transport, _shown(body), self.sid)
        if decoded.attachment_count:
            self.partial[direction] = (decoded, body)
            return None
        return self._whole(decoded, body, direction, transport)

    def _attachment(self, data: bytes, direction: Direction, transport: Transport) -> Packet | None:
        if direction not in self.partial:
            return Packet("malformed", transport, brief(data), self.sid)
        decoded, body = self.partial[direction]
        try:
            if not decoded.add_attachment(data):
                return None
        except ValueError:
            del self.partial[direction]
            return Packet("malformed", transport, _shown(body), self.sid)
        del self.partial[direction]
        return self._whole(decoded, body, direction, transport)

    def _whole(self, decoded: StrictPacket, body: str, direction: Direction, transport: Transport) -> Packet:
        name = TYPES[decoded.packet_type] if 0 <= decoded.packet_type < len(TYPES) else "malformed"
        if (decoded.namespace or "/") != "/":
            return Packet(name, transport, _shown(body), self.sid)
        if name == "CONNECT":
            if direction == "downstream" and isinstance(decoded.data, dict):
                self.sid = str(decoded.data.get("sid", ""))
            return Packet(name, transport, _shown(body), self.sid)
        if decoded.packet_type not in EVENTS:
            answers = self.asked.pop((opposite(direction), decoded.id), -1) if name in ("ACK", "BINARY_ACK") else -1
            return Packet(name, transport, brief(body), self.sid, answers=answers)
        index = self.events[direction]
        self.events[direction] += 1
        if decoded.id is not None:
            self.asked[direction, decoded.id] = index
        arguments = decoded.data[1:]
        payload = brief(arguments[0] if len(arguments) == 1 else arguments)
        return Packet(name, transport, brief(body), self.sid, decoded.data[0], index, payload)


def _shown(body: str) -> str:
    """The packet as short text. Of CONNECT only the namespace: neither ids nor the application's credentials belong in a record."""
    return re.match(r"0(/[^,?]*)?", body)[0] if body.startswith("0") else brief(body)  # type: ignore[index]  # it matches "0"


def session_of(sessions: dict[str, Session], sid: str) -> Session:
    """The session of this id, old or new. Of too many, the one is forgotten of which nothing was heard for longest."""
    return remember(sessions, sid, sessions.get(sid) or Session(), MOST)
