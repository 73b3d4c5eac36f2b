"""The batch: many stored events in one packet, for a client that has said that it understands it (`Client(batch=True)`).

The event "batch" has one argument, a text. It is a JSON array of [offset, event, data], each on a line of its own:

    [[7,"chat message","hi"],
    [8,"chat message",{"n":2}]]

The data is spliced in as the log has it, so the server never reads it. What has attachments (bytes), or is large, goes alone, the ordinary
way. The client acknowledges a batch when it has handled everything in it; it refuses one that it cannot read as a whole.
"""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from operator import lt
from typing import Any, NamedTuple

from realtime_lab.net.body import decode, encode
from realtime_lab.net.envelope import BATCH, MAX_NUMBER, OURS
from realtime_lab.net.event_reader import Stored
from realtime_lab.net.packets import RESERVED

ROWS = 1000
"""Events in one batch at most."""
BYTES = 128 * 1024
"""Bytes of data in one batch at most; a larger event goes alone."""


class Batch(NamedTuple):
    """Events of the log that travel together."""

    offset: int
    """That of the last one."""
    arguments: str
    """As JSON: the packet behind its type and its acknowledgement id."""

    @property
    def rows(self) -> list[tuple[int, str, Any]]:
        """(offset, event, data) of each, for the record; nothing if somebody has damaged what is stored."""
        with suppress(ValueError):
            return [*zip(*open_batch(json.loads(self.arguments)[1:]), strict=True)]
        return []


def pieces(events: Iterable[Stored]) -> list[Stored | Batch]:
    """What is sent for these events, in order: those that can travel together do."""
    sent: list[Stored | Batch] = []
    together: list[Stored] = []
    for event in events:
        if event.attachments is None and event.size <= BYTES:
            together.append(event)
        else:
            sent += [*_batched(together), event]
            together = []
    return sent + _batched(together)


def _batched(events: list[Stored]) -> list[Stored | Batch]:
    """One event alone needs no batch; and names that are longer than the data are not worth one."""
    if len(events) < 2:
        return [*events]
    names = {event: encode(event) for event in {each.event for each in events}}
    text = ",\n".join([f"[{offset},{names[event]},{body}]" for offset, event, body, *_ in events])
    if len(text) > 2 * BYTES:
        return [*events]
    return [Batch(events[-1].offset, encode([BATCH, f"[{text}]"]))]


def open_batch(arguments: Sequence[Any]) -> tuple[Sequence[int], Sequence[str], Sequence[Any]]:
    """The offsets, the names and the data of the events in a batch that arrived. Raises ValueError, naming what was expected.

    It looks at all of them at once, so that Python need not go through them one by one.
    """
    try:
        (text,) = arguments
        offsets, names, data = zip(*decode(text), strict=True)
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"a batch is one text, a JSON array of [offset, event, data] ({error})") from None
    if {*map(type, offsets)} != {int} or not 0 < offsets[0] <= offsets[-1] <= MAX_NUMBER or not all(map(lt, offsets, offsets[1:])):
        raise ValueError("the offsets in a batch are whole numbers from 1 to 2**53, and grow")
    if {*map(type, names)} != {str} or not (RESERVED | OURS.keys()).isdisjoint(names):
        raise ValueError("the events in a batch have names, and none that Socket.IO or this library keeps for itself")
    return offsets, names, data
