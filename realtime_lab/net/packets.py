"""Socket.IO packets: python-socketio's own codec, made as strict as the JavaScript parser.

python-socketio lets a peer send an event named "disconnect" or "connect" and then runs the application's lifecycle handlers with the
peer's arguments (measured, 5.18.1). The JavaScript parser refuses such packets; so do we, on both sides.

`Observer` is how the network floor tells the lab what happens. In production it is None and nothing is recorded.
"""

import json
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from engineio import json as engineio_json
from engineio.payload import Payload
from socketio import packet

from realtime_lab.errors import NotSerialisable, ReservedName
from realtime_lab.history.journal import Kind
from realtime_lab.net.body import check_depth, check_placeholders, encode, no_number

RESERVED = frozenset({"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"})
"""Socket.IO documentation, "Emit cheatsheet": reserved event names."""

EVENTS = frozenset({packet.EVENT, packet.BINARY_EVENT})
ACKS = frozenset({packet.ACK, packet.BINARY_ACK})
BINARY = frozenset({packet.BINARY_EVENT, packet.BINARY_ACK})
"""The types that bring attachments; on any other type python-socketio reads past their number."""


MAX_PACKETS = 100_000
"""Packets in one long-polling payload at most. Engine.IO itself limits a payload by its bytes only."""

MAX_ATTACHED = 16 * 1024 * 1024
"""Bytes of all attachments of one packet at most: they are kept until the last one has come, and it is the peer who says how many come."""


def allow_long_payloads() -> None:
    """Let python-engineio decode payloads of more than 16 packets.

    By default its server answers "OK" to a longer one and throws every packet away, and its client disconnects (measured). The limit is an
    attribute of its class, so this holds for the whole process.
    """
    Payload.max_decode_packets = max(Payload.max_decode_packets, MAX_PACKETS)


class Observer(Protocol):
    """Called at everything that happens, on the loop's thread; must not block or raise."""

    def __call__(self, kind: Kind, /, **details: Any) -> object:
        """Something of this kind happened; the details are fields of `history.journal.Event`."""


def ignore(kind: Kind, /, **details: Any) -> None:
    """The observer of production use: records nothing and grows nothing."""


class _StrictJson:
    """As the JavaScript parser reads and writes; and no whole number of more than 100 digits is read, as python-engineio has it."""

    dumps, loads = staticmethod(json.dumps), staticmethod(partial(engineio_json.loads, parse_constant=no_number))


class StrictPacket(packet.Packet):  # type: ignore[misc]  # python-socketio is untyped
    """Refuses packets that are malformed or carry a reserved name, with ValueError, as socket.io-parser does."""

    json = _StrictJson

    def decode(self, encoded_packet: str) -> int | None:
        """As python-socketio's, but strict."""
        if encoded_packet.startswith("0"):
            self.json = packet.Packet.json  # CONNECT: what is wrong in it is refused with an answer (envelope.py)
        try:
            attachments: int | None = super().decode(encoded_packet)
        except RecursionError:
            raise ValueError("its data is nested too deeply") from None
        if self.packet_type in EVENTS:
            if not (isinstance(self.data, list) and self.data and isinstance(self.data[0], str)):
                raise ValueError("an event packet holds an array that begins with the event's name")
            if self.data[0] in RESERVED:
                raise ValueError(f"{self.data[0]!r} is reserved; a peer may not send it as an event")
        if self.packet_type in ACKS and not self.id:  # there python-socketio keeps its counter, and would remove it (measured)
            raise ValueError("an acknowledgement has the number that it was asked for with, 1 or more")
        announced = attachments or 0
        if (announced > 0) != (self.packet_type in BINARY) or (announced and announced > encoded_packet.count('"_placeholder"')):
            raise ValueError("a binary packet, and no other, announces attachments: not more than it has places for")
        self._attached = 0
        return attachments

    def add_attachment(self, attachment: bytes) -> bool:
        """As python-socketio's, but strict. True: it was the last one."""
        if not isinstance(attachment, (bytes, bytearray)):
            raise ValueError("a text came where the packet before it had announced bytes")
        self._attached += len(attachment)
        if self._attached > MAX_ATTACHED:
            raise ValueError(f"the attachments of one packet have more than {MAX_ATTACHED:,} bytes")
        try:
            return bool(super().add_attachment(attachment))
        except (TypeError, LookupError, RecursionError) as error:
            raise ValueError(f"the attachments of this packet have no place in it ({error})") from None


def check_event(event: str) -> str:
    """The event name, or ReservedName / NotSerialisable / TypeError when it cannot be emitted."""
    if not isinstance(event, str):
        raise TypeError(f"an event's name is a string, not {type(event).__name__}: {event!r}")
    if event in RESERVED:
        raise ReservedName(f"{event!r} is reserved by Socket.IO. Choose another event name (reserved: {', '.join(sorted(RESERVED))}).")
    try:
        event.encode()
    except UnicodeEncodeError:
        raise NotSerialisable(f"the event name {event!r} holds half of a surrogate pair. Give well-formed text.") from None
    return event


@dataclass(slots=True)  # not frozen, nor a named tuple: they take three to six times as long to make (measured)
class Content:
    """An event's data as it will travel, whatever becomes of what the application gave."""

    text: str
    """JSON, with a place where bytes belong."""
    attachments: tuple[bytes, ...]
    many: bool
    """Was it a tuple, and so several arguments?"""

    @property
    def data(self) -> Any:
        """The data again."""
        data = json.loads(self.text)
        if self.attachments:
            data = packet.Packet.reconstruct_binary(data, list(self.attachments))
        return tuple(data) if self.many else data

    @property
    def size(self) -> int:
        """Bytes on the wire."""
        return len(self.text) + (sum(map(len, self.attachments)) if self.attachments else 0)


NOTHING = Content("null", (), many=False)


def check_data(data: Any) -> Any:
    """A copy of the data. Raises NotSerialisable."""
    return content_of(data).data


def content_of(data: Any) -> Content:
    """The data as it will travel. Raises NotSerialisable if Socket.IO cannot carry it (JSON, with bytes allowed inside lists and dicts)."""
    try:
        text, attachments = encode(data), ()
    except (TypeError, ValueError, RecursionError):  # bytes, or it cannot travel
        return _checked(data)
    try:
        check_depth(text, data)
    except ValueError as error:
        raise _unfit(error) from None
    return Content(text, attachments, isinstance(data, tuple))


def _checked(data: Any) -> Content:
    try:
        arguments: Any = list(data) if isinstance(data, tuple) else data
        arguments, attachments = packet.Packet.deconstruct_binary(arguments)
        text = encode(arguments)  # a JavaScript peer hangs up on NaN
        check_depth(text, data)
    except (TypeError, ValueError, RecursionError) as error:
        raise _unfit(error) from None
    check_placeholders(text, attachments)
    return Content(text, tuple(map(bytes, attachments)), isinstance(data, tuple))


def _unfit(error: Exception) -> NotSerialisable:
    return NotSerialisable(f"this data cannot travel as JSON: {error}. Send numbers, text, lists, dicts, booleans, None or bytes.")


_IN_WORDS = json.JSONEncoder(default=lambda value: f"<{type(value).__name__}>", ensure_ascii=False)


def brief(data: Any, limit: int = 80) -> str:
    """The payload as short text for the record. Never raises."""
    if isinstance(data, (bytes, bytearray)):
        return f"<{len(data)} bytes>"
    try:
        text = data if isinstance(data, str) else _IN_WORDS.encode(data)
    except RecursionError:
        return "<nested too deeply>"
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
