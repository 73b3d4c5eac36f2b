"""What crosses one link: the position of every packet, and the exact faults that wait for one of them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from realtime_lab.errors import UnknownFault
from realtime_lab.net.newest import remember
from realtime_lab.net.passing import Passing
from realtime_lab.net.session import Packet
from realtime_lab.rules.cut_point import Carried, Crossing, CutPoint
from realtime_lab.rules.faults import DIRECTIONS, Direction, directions

MOST = 5_000
"""Messages of which a link knows how often they have crossed it: the last ones. For an older one it begins to count anew."""


class Witness(Protocol):
    """Somebody who sees both ends of the link; it makes exact faults exact for applications and not only for packets."""

    def carried(self, sid: str, direction: Direction, index: int) -> Sequence[tuple[str, int]]:
        """The messages in the `index`-th event of a connection, one or a batch: their event and the n of #n. Empty: nobody knows."""

    def received(self, sid: str, direction: Direction, index: int) -> bool:
        """Was all that is in that event given to handlers (or will nobody ever say so)?"""


@dataclass(frozen=True)
class Armed:
    """An exact fault that still waits for its packet. `str()` is the call that ordered it."""

    point: CutPoint
    stall: str = ""
    """The direction that is to be stalled ("upstream", "downstream" or "both"); empty: the link is to be cut."""

    def __str__(self) -> str:
        return f'stall("{self.stall}", {self.point})' if self.stall else f"cut({self.point})"


class Crossings:
    """Counts what comes to a link. Heartbeats are no packets here, so that "packet 7" means the same in every run."""

    def __init__(self, name: str, witness: Witness | None) -> None:
        self._name = name
        self._witness = witness
        self.armed: list[Armed] = []
        self._packets: dict[Direction, int] = dict.fromkeys(DIRECTIONS, 0)
        self._crossed: dict[tuple[Direction, str, int], int] = {}
        self._named: dict[tuple[Direction, str], int] = defaultdict(int)

    def arm(self, armed: Armed, waiting: Iterable[Crossing]) -> None:
        """Wait for its packet; `waiting` are those that have come and not left. Raises UnknownFault if the place has passed."""
        self._check_ahead(armed, waiting)
        self.armed.append(armed)

    def next(self, direction: Direction, packet: Packet) -> Crossing:
        """A packet has come: its position."""
        if packet.type != "engine":
            self._packets[direction] += 1
        position = self._packets[direction] if packet.type != "engine" else 0
        if packet.index < 0:
            return Crossing(direction, position)
        self._named[direction, packet.event] += 1
        known = self._witness.carried(packet.sid, direction, packet.index) if self._witness else ()
        messages = known or [(packet.event, self._named[direction, packet.event])]
        return Crossing(direction, position, tuple(self._once_more(direction, event, number) for event, number in messages))

    def _once_more(self, direction: Direction, event: str, number: int) -> Carried:
        message = direction, event, number
        return Carried(event, number, remember(self._crossed, message, self._crossed.get(message, 0) + 1, MOST))

    def due(self, side: str, passing: Passing) -> Armed | None:
        """The armed fault that names a packet of this unit, on this side of it."""
        for armed in self.armed:
            if armed.point.side == side and any(armed.point.matches(crossing) for _, crossing in passing.packets):
                return armed
        return None

    def delivered(self, sid: str, direction: Direction, index: int) -> bool:
        """Has the receiving application been given this event? Without a witness: as far as anybody can tell."""
        return self._witness is None or self._witness.received(sid, direction, index)

    def _check_ahead(self, armed: Armed, waiting: Iterable[Crossing]) -> None:
        """An exact fault that can never happen is an error now, not a silence later."""
        point = armed.point
        which = directions(point.direction or "both")
        if any(point.matches(crossing) for crossing in waiting):
            return
        if point.packet and self._packets[which[0]] >= point.packet:
            passed, latest = True, f"packet {self._packets[which[0]]}"
        else:
            passed = any(self._crossed.get((each, point.event, point.number), 0) >= point.attempt for each in which)
            numbers = [number for each, event, number in self._crossed if each in which and event == point.event]
            latest = f"{point.event} #{max(numbers, default=0)}"
        if passed:
            raise UnknownFault(f"{armed}: that has already come to {self._name}'s link (the latest is {latest}). Name a later one.")
