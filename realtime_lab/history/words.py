"""Words: finds a free place for every word of a picture. No word stands on another one; if there is no room, its tooltip must do.

A word keeps away from symbols and lines too where it has the choice, and is never cut off by the edge of the picture.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

ABOVE, BELOW, AIR = 10, 3, 2
"""Pixels: how far a word reaches above and below its baseline, and how much is left free beside it."""
COLUMN = 64

Box = tuple[float, float, float, float]
"""Left, top, right, bottom. A line too: its first end, which is the left one, and its second."""


@dataclass(frozen=True)
class Place:
    """Where a word may stand: on this baseline, and where it begins, has its middle or ends."""

    x: float
    y: float
    anchor: str = "middle"


class Words:
    """What is taken in the picture so far."""

    def __init__(self, edges: Box) -> None:
        self._edges = edges
        self._words: dict[int, list[Box]] = defaultdict(list)
        self._symbols: dict[int, list[Box]] = defaultdict(list)
        self._lines: dict[int, list[Box]] = defaultdict(list)

    def symbol(self, x: float, y: float, radius: float) -> None:
        """Something stands here."""
        _add(self._symbols, (x - radius, y - radius, x + radius, y + radius))

    def line(self, x1: float, y1: float, x2: float, y2: float) -> None:
        """A line goes from here to there."""
        _add(self._lines, (x1, y1, x2, y2))

    def put(self, words: str, places: Iterable[Place], *, bold: bool = False, lines: bool = False) -> Place | None:
        """The best of these places, the first one being the dearest, or None. With `lines` it keeps away from them if it can."""
        room = [inside for place in places if (inside := self._inside(place, width(words, bold=bold)))]
        free = [(place, box) for place, box in room if not any(_overlap(box, other) for other in _near(self._words, box))]
        if not free:
            return None
        place, taken = min(free, key=lambda spot: self._cost(spot[1], lines=lines))  # of equals the first
        _add(self._words, (taken[0] - AIR, taken[1], taken[2] + AIR, taken[3]))
        return place

    def _cost(self, box: Box, *, lines: bool) -> int:
        covered = sum(_overlap(box, other) for other in _near(self._symbols, box))
        return 3 * covered + lines * sum(_crosses(other, box) for other in _near(self._lines, box))

    def _inside(self, place: Place, wide: float) -> tuple[Place, Box] | None:
        """The place itself, or moved away from the edge if need be, but not so far that it stands beside something else."""
        left, top, right, bottom = box_of(place, wide)
        move = max(self._edges[0] - left, 0) or min(self._edges[2] - right, 0)
        if abs(move) > wide / 2 + 4 or top < self._edges[1] or bottom > self._edges[3]:
            return None
        return replace(place, x=place.x + move), (left + move, top, right + move, bottom)


def width(words: str, *, bold: bool = False) -> float:
    """About how wide these words are, in pixels."""
    return (7.6 if bold else 6.9) * len(words)


def box_of(place: Place, wide: float) -> Box:
    """What a word of this width covers."""
    left = place.x - wide * {"start": 0, "middle": 0.5, "end": 1}[place.anchor]
    return left, place.y - ABOVE, left + wide, place.y + BELOW


def _add(taken: dict[int, list[Box]], box: Box) -> None:
    for column in _columns(box):
        taken[column].append(box)


def _near(taken: dict[int, list[Box]], box: Box) -> Iterator[Box]:
    """What stands in the same columns: a long picture costs no more per word than a short one."""
    return iter({other for column in _columns(box) for other in taken.get(column, ())})


def _columns(box: Sequence[float]) -> range:
    return range(int(box[0] // COLUMN), int(box[2] // COLUMN) + 1)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _crosses(line: Box, box: Box) -> bool:
    x1, y1, x2, y2 = line
    start, end = max(x1, box[0]), min(x2, box[2])
    if start > end:
        return False
    ends = (y1, y2)
    if x1 < x2:
        slope = (y2 - y1) / (x2 - x1)
        ends = (y1 + slope * (start - x1), y1 + slope * (end - x1))
    return min(ends) < box[3] and box[1] < max(ends)
