"""An event's data as text for a database: JSON as Socket.IO writes it, bytes apart from it.

Socket.IO puts {"_placeholder": true, "num": 0} where bytes were and sends the bytes after the text. Stored events have the same shape, so
that a stored text can travel as it is.
"""

import base64
import hashlib
import json
from typing import Any

from socketio.packet import Packet

from realtime_lab.errors import NotSerialisable

COMPACT = (",", ":")
DEPTH = 100
"""Lists and dicts inside each other that data may have at most. Python's own limit depends on who calls, and a peer could reach it."""
FINGERPRINT = 32
"""Hexadecimal digits of a fingerprint (128 bits)."""


_ENCODER = json.JSONEncoder(separators=COMPACT, allow_nan=False, check_circular=False)
_MAKE: Any = getattr(json.encoder, "c_make_encoder", None)
_CHUNKS = _MAKE and _MAKE(None, _ENCODER.default, json.encoder.encode_basestring_ascii, None, ":", ",", False, False, False)
"""What `encode` would make anew for each value, which takes longer than to use it (measured); None: this Python has no such thing."""


def encode(value: Any) -> str:
    """Compact JSON text. Raises TypeError, ValueError, RecursionError."""
    return "".join(_CHUNKS(value, 0)) if _CHUNKS is not None else _ENCODER.encode(value)


def too_deep(value: Any, levels: int = DEPTH) -> bool:
    """Are more lists and dicts than this inside each other?"""
    inside = [value]
    for _ in range(levels + 1):
        inside = [each for each in inside if isinstance(each, (list, dict, tuple))]
        if not inside:
            return False
        inside = [part for each in inside for part in (each.values() if isinstance(each, dict) else each)]
    return True


def check_depth(text: str, value: Any) -> None:
    """Raise ValueError if what has become this JSON is nested too deeply. The text says quickly that most data cannot be."""
    if text.count("[") + text.count("{") > DEPTH and too_deep(value):
        raise ValueError(f"more than {DEPTH} lists and dicts are inside each other")


def no_number(text: str) -> None:
    """Raise ValueError: NaN and Infinity are none in JSON, but Python reads them."""
    raise ValueError(f"{text} is not JSON")


decode = json.JSONDecoder(parse_constant=no_number).decode
"""What a peer's JSON text says; Python's own would take NaN and Infinity for numbers. Raises ValueError, RecursionError."""


def dump(value: Any) -> tuple[str, str | None]:
    """(JSON text, attachments): the attachments are a JSON array of base64 strings, or None when there are no bytes.

    The text is plain ASCII, so that any string can be stored. Raises NotSerialisable.
    """
    try:
        return encode(value), None
    except (TypeError, ValueError, RecursionError):
        return _dump_with_bytes(value)  # or it cannot be stored at all


def dump_data(data: Any) -> tuple[str, str | None]:
    """As `dump`, for what an application gives: it goes on into an envelope or an answer, so it must not be nested too deeply."""
    text, attachments = dump(data)
    try:
        check_depth(text, data)
    except ValueError as error:
        raise _not_storable(error) from None
    return text, attachments


def _dump_with_bytes(value: Any) -> tuple[str, str | None]:
    try:
        content, attachments = Packet.deconstruct_binary(value)
        text = encode(content)
    except (TypeError, ValueError, RecursionError) as error:
        raise _not_storable(error) from None
    if not attachments:
        return text, None
    check_placeholders(text, attachments)
    return text, json.dumps([base64.b64encode(each).decode("ascii") for each in attachments], separators=COMPACT)


def _not_storable(error: Exception) -> NotSerialisable:
    return NotSerialisable(f"this data cannot be stored as JSON: {error}. Use numbers, text, lists, dicts, booleans, None or bytes.")


def check_placeholders(text: str, attachments: list[bytes]) -> None:
    """Raise NotSerialisable if the application's own data looks like the place of an attachment."""
    if attachments and text.count('"_placeholder":') != len(attachments):
        raise NotSerialisable("a dict with the key '_placeholder' cannot travel together with bytes: Socket.IO uses that key. Rename it.")


def load(text: str, attachments: str | None = None) -> Any:
    """What `dump` was given, as JSON gives it back: a tuple becomes a list, a dict's keys become strings."""
    content = json.loads(text)
    if attachments is None:
        return content
    return Packet.reconstruct_binary(content, [base64.b64decode(each) for each in json.loads(attachments)])


def fingerprint(n: int, event: str, data: Any) -> str:
    """A short hash of an event's number, name and content: what is sent again has the same one. Raises NotSerialisable."""
    attachments: list[str] = []

    def placeholder(value: Any) -> dict[str, int]:
        if not isinstance(value, (bytes, bytearray)):
            raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
        attachments.append(fingerprint_of(bytes(value)))
        return {"_placeholder": len(attachments)}

    try:
        text = json.dumps([n, event, data], separators=COMPACT, default=placeholder)
    except (TypeError, ValueError, RecursionError) as error:
        raise NotSerialisable(f"this data has no fingerprint: {error}. Use JSON data (a dict's keys are strings) and bytes.") from None
    return fingerprint_of("".join([text, *attachments]).encode())


def fingerprint_of(text: bytes) -> str:
    """The same, of [n, event, data] as compact JSON."""
    return hashlib.blake2b(text, digest_size=FINGERPRINT // 2).hexdigest()
