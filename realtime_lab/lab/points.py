"""Where a run can be broken: before and after each packet of each link, in both directions, and at each crash point of the server.

The points of a design are read from a run of it in which nothing breaks. Packets are named by their position, so a point means the same
place in every run: until the fault happens, the run is the one that was read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from realtime_lab.errors import InvalidSetting
from realtime_lab.history.copies import SERVER
from realtime_lab.history.journal import Event
from realtime_lab.history.journeys import Journeys
from realtime_lab.lab.lab import Lab
from realtime_lab.net.crash import CRASHES, IN_THE_LOG
from realtime_lab.rules.cut_point import Side
from realtime_lab.rules.faults import Direction, opposite

Fault = Literal["cut", "stall", "crash"]
FAULTS: tuple[Fault, ...] = ("cut", "stall", "crash")


@dataclass(frozen=True)
class Break:
    """One packet of one link, and what happens to the link there. `str()` is the line of code."""

    link: str
    direction: Direction
    packet: int
    side: Side
    stall: bool
    what: str
    """The packet in words: "chat message #3", "the answer to #3"."""

    @property
    def fault(self) -> Fault:
        """What kind of break it is."""
        return "stall" if self.stall else "cut"

    @property
    def place(self) -> str:
        """Which links and ways are compared with each other: the group of this point in a table."""
        arrow = "to the server" if self.direction == "upstream" else "from the server"
        return f"{self.fault}: {self.link} {arrow}"

    @property
    def name(self) -> str:
        """The same for every design that has such a packet."""
        return f"{self.place}, {self.side} {self.what}"

    def arm(self, lab: Lab) -> int:
        """Order it. The participant must have been prepared."""
        link = lab.participants[self.link].link
        place = {self.side: self.packet}
        if self.stall:
            link.stall(self.direction, **place)
        else:
            link.cut(direction=self.direction, **place)
        return 1

    def __str__(self) -> str:
        place = f"{self.side}={self.packet}"
        call = f'stall("{self.direction}", {place})' if self.stall else f'cut({place}, direction="{self.direction}")'
        return f"{self.link}.link.{call}"


@dataclass(frozen=True)
class Crash:
    """A crash of the server between two steps of one event (net/crash.py). `str()` is the line of code."""

    at: str
    nth: int

    fault: Fault = "crash"

    @property
    def link(self) -> str:
        """Nobody's."""
        return ""

    @property
    def place(self) -> str:
        """The group of this point in a table."""
        return f"crash: {self.at}"

    @property
    def name(self) -> str:
        """The same for every design that has such a point."""
        return f"{self.place}, event {self.nth}"

    def arm(self, lab: Lab) -> int:
        """Order it."""
        lab.server.crash(at=self.at, nth=self.nth)
        return 1

    def __str__(self) -> str:
        return f'lab.server.crash(at="{self.at}"{f", nth={self.nth}" if self.nth > 1 else ""})'


class Point(Protocol):
    """A place where a run can be broken: a Break, a Crash, or one of your own."""

    @property
    def fault(self) -> str:
        """What kind of break it is."""

    @property
    def link(self) -> str:
        """Whose link is broken; empty: nobody's."""

    @property
    def place(self) -> str:
        """The group of this point in a table."""

    @property
    def name(self) -> str:
        """The same for every design that has such a point."""

    def arm(self, lab: Lab) -> int:
        """Order it. The participant has been prepared. Returns how often it will break."""


def check_faults(faults: Sequence[str]) -> tuple[str, ...]:
    """The kinds of faults. Raises InvalidSetting."""
    if isinstance(faults, str) or not faults or any(fault not in FAULTS for fault in faults):
        raise InvalidSetting(f"faults={faults!r}: give a list of {', '.join(map(repr, FAULTS))}.")
    return tuple(faults)


def points_of(
    events: Sequence[Event], faults: Sequence[str] = FAULTS, *, commits: bool = True, stalls: int | None = None
) -> list[Point]:  # fmt: skip
    """Every point of a run in which nothing was broken, in the order of its packets.

    A stall is placed before each packet only: held after one is held before the next. `stalls`: at most so many of these, evenly spread.
    `commits`: does its server have a database?
    """
    found: list[Point] = []
    packets = sorted(_packets(events))  # in one order, however the directions took turns
    if "cut" in faults:
        found += [
            Break(link, direction, n, side, False, what) for link, direction, n, what in packets for side in _sides("before", "after")
        ]
    if "stall" in faults:
        held = [Break(link, direction, n, "before", True, what) for link, direction, n, what in packets]
        found += held if stalls is None else held[:: -(-len(held) // max(stalls, 1))]
    if "crash" in faults:
        found += _crashes(events, commits=commits)
    return found


def _sides(*sides: Side) -> tuple[Side, ...]:
    return sides


def _packets(events: Sequence[Event]) -> Iterator[tuple[str, Direction, int, str]]:
    journeys = Journeys(events)
    for event in events:
        if event.kind == "wire" and event.packet and event.direction:
            yield event.node, event.direction, event.packet, _words(event, journeys, event.direction)


def _words(event: Event, journeys: Journeys, direction: Direction) -> str:
    if event.type == "EVENT":
        return _message(event.event, event.sid, direction, event.index, journeys)
    if event.answers >= 0:
        return f"the answer to {_message('event', event.sid, opposite(direction), event.answers, journeys)}"
    return event.type


def _message(event: str, sid: str, direction: Direction, index: int, journeys: Journeys) -> str:
    copy = journeys.copy_at(sid, direction, index)
    return f"{copy.message.event} {copy.message.label}" if copy else event


def _crashes(events: Sequence[Event], *, commits: bool) -> Iterator[Crash]:
    """The server of a run came to each point as often as it was given an event."""
    given = sum(event.kind == "received" and event.node == SERVER for event in events)
    for at in CRASHES:
        if commits or at not in IN_THE_LOG:
            for nth in _answers(events) if at == "after_ack" else range(1, given + 1):
                yield Crash(at, nth)


def _answers(events: Sequence[Event]) -> Iterator[int]:
    """The answers for which their sender waited before it sent more. Behind the others it is chance what the server had begun already."""
    sent = nth = 0
    for event in events:
        sent += event.kind == "sent" and event.node != SERVER
        nth += event.kind == "answered"
        if event.kind == "answered" and sent == nth:
            yield nth
