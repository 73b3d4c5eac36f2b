"""Rule: bytes leave a link in the order in which they came, later by the latency, and not at all while the link is stalled.

Source: the names and the pipe come from Toxiproxy (latency, jitter, bandwidth); the contract comes from TCP (RFC 9293): inside a live
connection bytes are delayed, held or followed by a reset. They are never removed from the middle and never overtake each other.

Never reads a clock and never draws a random number: `now` and `draw` are arguments.
"""

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

from realtime_lab.errors import InvalidSetting, UnknownFault

Direction = Literal["upstream", "downstream"]
"""Toxiproxy's words: upstream is client to server, downstream is server to client."""

DIRECTIONS: tuple[Direction, ...] = get_args(Direction)


def opposite(direction: Direction) -> Direction:
    """The other direction."""
    return "downstream" if direction == "upstream" else "upstream"


def directions(choice: str) -> tuple[Direction, ...]:
    """The directions that a word names: "upstream", "downstream" or "both"."""
    if choice == "both":
        return DIRECTIONS
    for direction in DIRECTIONS:
        if choice == direction:
            return (direction,)
    raise UnknownFault(f"direction={choice!r} is not known. Use 'upstream' (client to server), 'downstream' (server to client) or 'both'.")


def seconds(name: str, value: float) -> float:
    """`value` as seconds, or InvalidSetting when it cannot be a duration."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise InvalidSetting(f"{name}={value!r} is not a duration. Give seconds, 0 or more, for example {name}=0.2.")
    return float(value)


@dataclass
class Lane:
    """One direction of a link: what is switched on, and when the last piece leaves."""

    latency: float = 0.0
    """Seconds added to every piece."""
    jitter: float = 0.0
    """Up to this many seconds more, at random."""
    bandwidth: float | None = None
    """Bytes per second, or None for no limit."""
    stalled: bool = False
    """While true nothing leaves; nothing is lost either, as long as both ends wait."""
    _last: float = field(default=0.0, repr=False)

    def departure(self, now: float, size: int, draw: float) -> float:
        """When a piece of `size` bytes that came at `now` may leave (seconds on the caller's clock)."""
        leave = now + self.latency + self.jitter * draw
        if self.bandwidth:
            leave = max(leave, self._last) + size / self.bandwidth
        self._last = max(leave, self._last)
        return self._last
