"""The envelope of the wire: who a client is, the id and the data of its events, and the answer to each.

    CONNECT auth       {..., "realtime_lab": {"nack": true, "client_id": "c", "first": 1, "replay": true, "epoch": "e", "offset": 9}};
                       the application's own keys stay beside it. A peer without our key may give {"offset": 9}, as the page has it.
                       "batch": true: it understands the event "batch", which carries many (batch.py)
    client to server   {"id": "c:7", "data": ...}; {"data": ...} without a number; {"id": "c:7", "gone": true} is a tombstone
    the answer         {"ok": true, "result", "offset"} or {"ok": false, "error", "retryable"}; "expected": a gap, "duplicate": a repeat,
                       "forgotten": a repeat of which nobody knows any more whether it was applied
    server to client   {"id": 9, "data": ...}, a stored event at offset 9; and once, first of all, the event "session":
                       {"epoch": "e", "offset": 9, "recovered": true, "reason": ""}

Only a client that announced a `client_id` speaks in envelopes, so data that merely looks like one is never mistaken. `nack`: it knows that
{"ok": false} is no success; a peer that does not say so gets no answer where it should try again (the official client takes any answer
for success).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from realtime_lab.errors import InvalidSetting, ReservedName
from realtime_lab.net.body import DEPTH, too_deep
from realtime_lab.rules.replay import REASONS, Position, Session

SESSION = "session"
"""The event that tells a client where it stands in the log."""
BATCH = "batch"
"""The event that carries many (batch.py), between a client and a server that both said that they understand it."""
OURS = {SESSION: "tells clients where they stand in the log", BATCH: "carries many events at once"}
"""The names that a server with a log keeps for itself."""
OUR_KEY = "realtime_lab"
CLIENT_ID = re.compile(r"[\w.-]{1,64}")
NUMBER = re.compile(r"[1-9][0-9]{0,15}")
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
    replays: bool = False
    """It opens the envelopes of stored events and says when it has handled them."""
    known: Position | None = None
    """Where it stands in the log."""
    batch: bool = False
    """It understands batches."""


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
    forgotten: bool = False


def announce(auth: Any, peer: Peer) -> dict[str, Any]:
    """The application's `auth` with our key beside its own. Raises InvalidSetting if it is not a dict (Socket.IO sends an object)."""
    if auth is not None and not isinstance(auth, dict):
        raise InvalidSetting(f"auth={auth!r}: give a dict, or a function that returns one.")
    ours: dict[str, Any] = {"nack": peer.nack}
    if peer.client_id:
        ours |= {"client_id": peer.client_id, "first": peer.first}
    if peer.replays:
        ours["replay"] = True
    if peer.batch:
        ours["batch"] = True
    if peer.known is not None:
        ours |= {"epoch": peer.known.epoch, "offset": peer.known.offset}
    return {**(auth or {}), OUR_KEY: ours}


def peer_of(auth: Any, *, log: bool) -> Peer:
    """What a client announced. Raises ValueError, naming what is wrong, for an announcement that nobody can work with.

    log: has the server one? If not, an `offset` beside our key is the application's own affair.
    """
    _check_depth(auth)
    ours = auth.get(OUR_KEY) if isinstance(auth, dict) else None
    if ours is None:
        return Peer(known=_position(auth, "auth") if log else None)
    if not isinstance(ours, dict):
        raise ValueError(f"auth.{OUR_KEY} is an object")
    client_id, first, replays = ours.get("client_id", ""), ours.get("first", 1), ours.get("replay") is True
    if client_id != "" and not (isinstance(client_id, str) and CLIENT_ID.fullmatch(client_id)):
        raise ValueError(f"auth.{OUR_KEY}.client_id has 1 to 64 letters, digits, '_', '.' or '-'")
    if not _number(first):
        raise ValueError(f"auth.{OUR_KEY}.first is a whole number, 1 or more")
    if replays and not log:
        raise ValueError("no client with replay, because it has no log to replay from")
    known = _position(ours, f"auth.{OUR_KEY}") if replays else _position(auth, "auth") if log else None
    return Peer(client_id, first, nack=ours.get("nack") is True, replays=replays, known=known, batch=log and ours.get("batch") is True)


def check_ours(event: str) -> str:
    """The event's name, or ReservedName if it is one of ours."""
    if event in OURS:
        raise ReservedName(f"{event!r} {OURS[event]}. Choose another event name.")
    return event


def own_auth(auth: Any) -> Any:
    """What the application itself gave: without our key."""
    return {key: value for key, value in auth.items() if key != OUR_KEY} if isinstance(auth, dict) else auth


def _position(said: Any, where: str) -> Position | None:
    """What a client says about where it stands. Without an offset it is here for the first time; 0 is an offset."""
    if not isinstance(said, dict) or said.get("offset") is None:
        return None
    epoch, offset = "" if said.get("epoch") is None else said["epoch"], said["offset"]
    if not isinstance(epoch, str):
        raise ValueError(f"{where}.epoch is the text that came with the session; it was {epoch!r:.80}")
    if not _number(offset, least=0):
        raise ValueError(
            f"{where}.offset is the id of the last event that was handled, a whole number from 0 to 2**53, or is left out on a first "
            f"connection; it was {offset!r:.80}"
        )
    return Position(epoch, offset)


def seal(peer: Peer, n: int, data: Any, *, gone: bool = False) -> dict[str, Any]:
    """The argument that travels; n = 0: without a number."""
    content = {"gone": True} if gone else {"data": data}
    return {"id": f"{peer.client_id}:{n}", **content} if n else content


def unseal(peer: Peer, arguments: tuple[Any, ...]) -> Envelope:
    """Open what arrived. Raises ValueError, naming what was expected."""
    _check_depth(arguments)
    if not peer.client_id:
        return Envelope(arguments)
    content = arguments[0] if len(arguments) == 1 else None
    if not isinstance(content, dict) or not ("data" in content or content.get("gone") is True):
        raise ValueError('a client that announced a client_id sends one argument: {"id": "<client_id>:<n>", "data": ...}')
    data = () if content.get("data") is None else (content["data"],)
    if "id" not in content and "data" in content:
        return Envelope(data)
    name = content.get("id")
    owner, _, number = name.rpartition(":") if isinstance(name, str) else ("", "", "")
    if owner != peer.client_id or not NUMBER.fullmatch(number) or not _number(int(number)):
        raise ValueError(f'this connection announced the client_id "{peer.client_id}", so its ids are "{peer.client_id}:<n>"')
    return Envelope(data, int(number), gone=content.get("gone") is True)


def reply(answer: tuple[Any, ...]) -> Reply:
    """Read an answer: our own envelope, or anything that another server's handler returned."""
    value = answer[0] if len(answer) == 1 else (answer or None)
    if isinstance(value, dict) and isinstance(value.get("ok"), bool):
        if value["ok"]:
            return Reply(True, value.get("result"), forgotten=value.get("forgotten") is True)
        error = str(value.get("error", "the server refused it"))
        return Reply(False, error=error, retryable=value.get("retryable") is True, gap="expected" in value)
    return Reply(True, value)


def seal_stored(offset: int, data: Any) -> dict[str, Any]:
    """How a stored event travels."""
    return {"id": offset, "data": data}


def offset_of(arguments: Sequence[Any]) -> int | None:
    """The offset of a stored event as it arrived; None: these arguments have not the shape of one."""
    content = arguments[0] if len(arguments) == 1 else None
    return content["id"] if isinstance(content, dict) and content.keys() == {"id", "data"} and _number(content["id"]) else None


def check_emitted(data: Any) -> Any:
    """The data, unless a client would take it for a stored event. Raises InvalidSetting.

    A JavaScript peer that does as Socket.IO's documentation says keeps any number as its offset, so 1.5 and 2**60 are refused as well.
    """
    content = data[0] if isinstance(data, tuple) and len(data) == 1 else data
    if isinstance(content, dict) and content.keys() == {"id", "data"} and isinstance(content["id"], (int, float)):
        raise InvalidSetting(
            'data like {"id": 7, "data": ...} is how stored events travel: a client would take the number for its place in the log, and '
            "then miss events. Give it another shape (whatever a peer sent: put it into a field of its own), or publish() it."
        )
    return data


def seal_session(session: Session, *, batch: bool = False) -> dict[str, Any]:
    """How a session travels. batch: the server says to a client that understands batches that it does so too."""
    where = {"epoch": session.epoch, "offset": session.offset, "recovered": session.recovered, "reason": session.reason}
    return {**where, "batch": True} if batch else where


def says_batch(arguments: Sequence[Any]) -> bool:
    """Does this session, as it arrived, say that the server understands batches too?"""
    return arguments[0].get("batch") is True


def unseal_session(arguments: Sequence[Any]) -> Session | None:
    """A session as it arrived; None: a foreign server uses this name for something else."""
    said = arguments[0] if len(arguments) == 1 else None
    if not isinstance(said, dict) or said.get("reason") not in REASONS or not isinstance(said.get("epoch"), str):
        return None
    return Session(said["epoch"], said["offset"], said["reason"]) if _number(said.get("offset"), least=0) else None


def _check_depth(value: Any) -> None:
    """The data of an event may have DEPTH levels, and is in an envelope, in a list."""
    if too_deep(value, DEPTH + 2):
        raise ValueError(f"data with at most {DEPTH} lists and dicts inside each other")


def _number(value: Any, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= MAX_NUMBER
