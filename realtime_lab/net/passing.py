"""A piece on its way through a link, and what the connections of a link ask it before they let a piece pass."""

from dataclasses import dataclass
from typing import Any, Protocol

from realtime_lab.net.packets import Observer
from realtime_lab.net.session import Packet, Session
from realtime_lab.net.wire import Unit
from realtime_lab.rules.cut_point import Crossing
from realtime_lab.rules.faults import Direction, Lane


@dataclass(slots=True)
class Passing:
    """A unit on its way through the link."""

    unit: Unit
    leave: float
    packets: list[tuple[Packet, Crossing]]
    held: bool = False


class Owner(Protocol):
    """The link, as one of its connections sees it."""

    lanes: dict[Direction, Lane]
    sessions: dict[str, Session]
    observe: Observer

    def admit(self, pair: Any, /) -> bool:
        """A client connects. False: reset it."""

    def forget(self, pair: Any, /) -> None:
        """Both ends of this connection are gone."""

    def passing(self, direction: Direction, unit: Unit, now: float, /) -> Passing:
        """Give the packets of a unit their positions, and say when it may leave."""

    def due(self, side: str, passing: Passing, /) -> Any:
        """The armed fault that names a packet of this unit, on this side of it, if there is one."""

    def fire(self, armed: Any, /) -> None:
        """An exact fault has come to its packet."""

    def delivered(self, sid: str, direction: Direction, index: int, /) -> bool:
        """Has the receiving application been given this event?"""
