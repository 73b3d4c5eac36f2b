"""The envelope of the wire: who a client is, the id and the data of its events, and the answer to each.

    CONNECT auth       {..., "realtime_lab": {"nack": true, "client_id": "c", "first": 1}}; the application's own keys stay beside it
    client to server   {"id": "c:7", "data": ...}; {"data": ...} without a number; {"id": "c:7", "gone": true} is a tombstone
    the answer         {"ok": true, "result", "offset"} or {"ok": false, "error", "retryable"}; "expected": a gap, "duplicate": a repeat

Only a client that announced a `client_id` speaks in envelopes, so data that merely looks like one is never mistaken. `nack`: it knows that
{"ok": false} is no success; a peer that does not say so gets no answer where it should try again (the official client takes any answer
for success).
"""

import re
from dataclasses import dataclass
from typing import Any

from realtime_lab.errors import InvalidSetting

OUR_KEY = "realtime_lab"
CLIENT_ID = re.compile(r"[\w.-]{1,64}")
MAX_NUMBER = 2**53
"""Beyond this a JavaScript peer cannot count."""


@dataclass(frozen=True)
class Peer:
    """What a client announced about itself when it connected."""

    client_id: str = ""
    """Empty: its events have no numbers."""
    first: int = 1
    """Everything below this number is finished for the client."""
    nack: bool = False


@dataclass(frozen=True)
class Envelope:
    """An event as it arrived, opened."""

    data: tuple[Any, ...]
    n: int = 0
    """Its number; 0 if it has none."""
    gone: bool = False
    """A tombstone: the sender has given this number up."""


@dataclass(frozen=True)
class Reply:
    """An answer as it arrived."""

    ok: bool
    result: Any = None
    error: str = ""
    retryable: bool = False
    gap: bool = False


def announce(auth: Any, peer: Peer) -> dict[str, Any]:
    """The application's `auth` with our key beside its own. Raises InvalidSetting if it is not a dict (Socket.IO sends an object)."""
    if auth is not None and not isinstance(auth, dict):
        raise InvalidSetting(f"auth={auth!r}: give a dict, or a function that returns one.")
    ours: dict[str, Any] = {"nack": peer.nack}
    if peer.client_id:
        ours |= {"client_id": peer.client_id, "first": peer.first}
    return {**(auth or {}), OUR_KEY: ours}


def peer_of(auth: Any) -> Peer:
    """What a client announced. Raises ValueError, naming what is wrong, for an announcement that nobody can work with."""
    ours = auth.get(OUR_KEY) if isinstance(auth, dict) else None
    if ours is None:
        return Peer()
    if not isinstance(ours, dict):
        raise ValueError(f"auth.{OUR_KEY} is an object")
    client_id, first = ours.get("client_id", ""), ours.get("first", 1)
    if client_id and not (isinstance(client_id, str) and CLIENT_ID.fullmatch(client_id)):
        raise ValueError(f"auth.{OUR_KEY}.client_id has 1 to 64 letters, digits, '_', '.' or '-'")
    if not _number(first):
        raise ValueError(f"auth.{OUR_KEY}.first is a whole number, 1 or more")
    return Peer(client_id, first, nack=ours.get("nack") is True)


def seal(peer: Peer, n: int, data: Any, *, gone: bool = False) -> dict[str, Any]:
    """The argument that travels; n = 0: without a number."""
    content = {"gone": True} if gone else {"data": data}
    return {"id": f"{peer.client_id}:{n}", **content} if n else content


def unseal(peer: Peer, arguments: tuple[Any, ...]) -> Envelope:
    """Open what arrived. Raises ValueError, naming what was expected."""
    if not peer.client_id:
        return Envelope(arguments)
    content = arguments[0] if len(arguments) == 1 else None
    if not isinstance(content, dict) or not ("data" in content or content.get("gone") is True):
        raise ValueError('a client that announced a client_id sends one argument: {"id": "<client_id>:<n>", "data": ...}')
    data = () if content.get("data") is None else (content["data"],)
    if "id" not in content and "data" in content:
        return Envelope(data)
    owner, _, number = str(content.get("id")).rpartition(":")
    if owner != peer.client_id or not number.isascii() or not number.isdigit() or not _number(int(number[:17])):
        raise ValueError(f'this connection announced the client_id "{peer.client_id}", so its ids are "{peer.client_id}:<n>"')
    return Envelope(data, int(number[:17]), gone=content.get("gone") is True)


def reply(answer: tuple[Any, ...]) -> Reply:
    """Read an answer: our own envelope, or anything that another server's handler returned."""
    value = answer[0] if len(answer) == 1 else (answer or None)
    if isinstance(value, dict) and isinstance(value.get("ok"), bool):
        if value["ok"]:
            return Reply(True, value.get("result"))
        error = str(value.get("error", "the server refused it"))
        return Reply(False, error=error, retryable=value.get("retryable") is True, gap="expected" in value)
    return Reply(True, value)


def _number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_NUMBER
