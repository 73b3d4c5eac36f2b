"""Rule: an exact cut happens once, just before or just after one packet, which is named by the message it carries or by its position.

`"chat message #6"` is the sixth application message of that event; `attempt=2` waits for the second time that this message crosses the
link, alone or in a batch; a number is the position among the Socket.IO packets of one direction (heartbeats do not count, so 7 means the
same in every run).

Never looks at bytes: it is told what crosses the link.
"""

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from realtime_lab.errors import UnknownFault
from realtime_lab.rules.faults import Direction, directions

Side = Literal["before", "after"]

HINT = 'Write for example cut(before="chat message #6"), cut(after="chat message #6") or cut(packet=7, direction="upstream").'


class Carried(NamedTuple):
    """A message in a packet."""

    event: str
    number: int
    """The n of #n."""
    attempt: int = 1
    """The how-many-th time this message crosses."""


@dataclass(frozen=True)
class Crossing:
    """One packet that is about to cross the link."""

    direction: Direction
    packet: int
    """Position among the Socket.IO packets of its direction, from 1; 0 for Engine.IO's own packets."""
    messages: tuple[Carried, ...] = ()
    """One in an event, all of them in a batch, none in anything else."""


@dataclass(frozen=True)
class CutPoint:
    """Where to cut. `str()` gives the arguments as they are written in code."""

    side: Side
    direction: Direction | None = None
    event: str = ""
    number: int = 0
    packet: int = 0
    attempt: int = 1

    def matches(self, crossing: Crossing) -> bool:
        """Is this the packet?"""
        if self.direction not in (None, crossing.direction):
            return False
        if self.packet:
            return crossing.packet == self.packet
        return Carried(self.event, self.number, self.attempt) in crossing.messages

    def __str__(self) -> str:
        place = str(self.packet) if self.packet else f'"{self.event} #{self.number}"'
        words = [f"{self.side}={place}"]
        words += [f'direction="{self.direction}"'] if self.direction else []
        words += [f"attempt={self.attempt}"] if self.attempt > 1 else []
        return ", ".join(words)


def cut_point(
    before: str | int | None = None,
    after: str | int | None = None,
    packet: int | None = None,
    direction: str | None = None,
    attempt: int = 1,
) -> CutPoint | None:
    """The cut point that these arguments name, or None when they name none (cut now). Raises UnknownFault."""
    places: tuple[tuple[Side, str | int | None], ...] = (("before", before), ("after", after), ("before", packet))
    named = [(side, value) for side, value in places if value is not None]
    if not named:
        if direction is not None or attempt != 1:
            raise UnknownFault(f"direction= and attempt= say which packet, but no packet is named. {HINT}")
        return None
    if len(named) > 1:
        raise UnknownFault(f"a cut has one place: give before=, after= or packet=, not several. {HINT}")
    side, value = named[0]
    where = _one_direction(direction)
    if not _count(attempt):
        raise UnknownFault(f"attempt={attempt!r} is not a count. 1 is the first time that the message crosses the link. {HINT}")
    if isinstance(value, str):
        event, number = _message(value)
        return CutPoint(side, where, event=event, number=number, attempt=attempt)
    return CutPoint(side, where, packet=_position(value, where, attempt))


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _position(value: int, where: Direction | None, attempt: int) -> int:
    if not _count(value):
        raise UnknownFault(f"packet {value!r} does not exist: packets count from 1. {HINT}")
    if attempt != 1:
        raise UnknownFault(f"attempt= counts the sends of one message; packet {value} crosses once. Leave attempt= out. {HINT}")
    if where is None:
        raise UnknownFault(f'packet {value} of which direction? Add direction="upstream" (client to server) or "downstream". {HINT}')
    return value


def _one_direction(direction: str | None) -> Direction | None:
    if direction is None:
        return None
    found = directions(direction)
    return found[0] if len(found) == 1 else None


def _message(text: str) -> tuple[str, int]:
    match = re.fullmatch(r"(.+?) ?#(\d+)", text.strip())
    if match is None or int(match[2]) < 1:
        raise UnknownFault(f"{text!r} names no message. A message is its event's name and its number, counted from 1. {HINT}")
    return match[1], int(match[2])
