"""A batch of a client: many numbered events in one packet, for a server that has said that it understands it.

The event "batch" has one argument, a text. It is a JSON array of [n, event, data], each on a line of its own; [n] is a tombstone:

    [[7,"chat message","hi"],
    [8],
    [9,"chat message",{"n":2}]]

Their numbers follow each other. The answer comes after the commit and is one for all of them: {"ok": true, "answers": {"8": {...}}} has
the answers that are not just {"ok": true}, and {"ok": false, ...} is about the batch as a whole. What has attachments (bytes), or is large,
goes alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from realtime_lab.net.body import DEPTH, decode, encode, too_deep
from realtime_lab.net.envelope import MAX_NUMBER, OURS, Reply, reply
from realtime_lab.net.packets import RESERVED

ROWS = 256
"""Events in one batch at most."""
BYTES = 128 * 1024
"""Bytes of one batch at most; a larger event goes alone."""

LEAST = 2 * BYTES + 256
"""Bytes that a packet must be allowed to have: a quotation mark in a text takes two."""

OK = {"ok": True}
ACKED = Reply(True)


@dataclass(slots=True)  # as packets.Content, made for each event
class Row:
    """One event of a batch that arrived."""

    n: int
    event: str
    """Empty: a tombstone."""
    data: tuple[Any, ...]
    text: str
    """As it stood there."""


def row(n: int, event: str, text: str) -> str:
    """An event as it stands in a batch; `text` is its data as JSON."""
    return f"[{n},{_name(event)},{text}]"


def tombstone(n: int) -> str:
    """The place of an event that was given up."""
    return f"[{n}]"


def batch(rows: Iterable[str]) -> str:
    """The argument of the event "batch"."""
    return "[" + ",\n".join(rows) + "]"


def open_batch(arguments: Sequence[Any]) -> list[Row]:
    """What arrived. Raises ValueError, naming what was expected."""
    try:
        (text,) = arguments
        found = decode(text)
        if len(found) > ROWS or too_deep(found, DEPTH + 2):
            raise ValueError(f"it has {ROWS} events at most, and data at most {DEPTH} lists and dicts inside each other")
        lines = text[1:-1].split(",\n")
        if len(lines) != len(found):  # it was written in another way
            lines = [encode(each) for each in found]
        rows = [_row(each, line) for each, line in zip(found, lines, strict=True)]
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"a batch is one text, a JSON array of [n, event, data] or [n] ({error})") from None
    if not rows or rows[0].n < 1 or rows[-1].n > MAX_NUMBER or any(row.n != rows[0].n + place for place, row in enumerate(rows)):
        raise ValueError("the numbers in a batch are whole numbers from 1 to 2**53, and follow each other")
    return rows


def answer(answers: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """One answer for all of them; `answers` are those that are not just {"ok": true}."""
    return {"ok": True, "answers": {str(n): each for n, each in answers.items()}} if answers else dict(OK)


def replies(numbers: Sequence[int], arguments: tuple[Any, ...]) -> list[Reply]:
    """What was said to each of these numbers, which were in one batch."""
    said = reply(arguments)
    if not said.ok:  # nobody looked at it, so those behind the first are not to blame
        behind = Reply(False, error=said.error, retryable=said.retryable, gap=said.retryable)
        return [said, *[behind] * (len(numbers) - 1)]
    content = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], dict) else {}
    special = content.get("answers")
    if not isinstance(special, dict) or not special:
        return [ACKED] * len(numbers)
    return [reply((special[str(n)],)) if str(n) in special else ACKED for n in numbers]


@lru_cache(1000)
def _name(event: str) -> str:
    return encode(event)


def _row(found: Any, text: str) -> Row:
    if type(found) is list and found and type(found[0]) is int:
        n, *rest = found
        if not rest:
            return Row(n, "", (), text)
        if len(rest) == 2 and type(event := rest[0]) is str and event and event not in RESERVED and event not in OURS:
            return Row(n, event, () if rest[1] is None else (rest[1],), text)
    raise ValueError(f"{found!r:.80}")
