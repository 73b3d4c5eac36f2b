"""The options of our side, in one place, and what every contender sends."""

import math
from typing import Any

from realtime_lab import Client
from realtime_lab.rules.replay import Position

EVENT = "chat message"

BATCH: dict[str, Any] = {"batch": True}
"""What lets events travel together."""

UP: dict[str, Any] = {"retries": math.inf, "ack_timeout": 10.0, "buffer_limit": 1_000_000, **BATCH}
"""At least once from client to server. The buffer takes all that one measurement emits at once."""

DOWN: dict[str, Any] = {"replay": True, **BATCH}
"""At least once from server to client."""


def body(n: int) -> dict[str, Any]:
    """A chat message of about 110 bytes of JSON."""
    return {"id": f"{n:032x}", "n": n, "text": "a message of the usual length, some words."}


def returning(url: str, offset: int) -> Client:
    """A client that was here before and has handled everything up to `offset`."""
    client = Client(url, **DOWN)
    assert client._incoming is not None
    client._incoming._kept.position = Position("", offset)  # an earlier run would have left it there; a store would cost time
    return client
