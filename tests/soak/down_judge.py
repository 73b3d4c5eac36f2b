"""Judges what the applications of the clients were given, by the rows of the log and nothing else."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Rows = Mapping[int, tuple[str, str]]
"""All that was ever committed: offset -> (name, room)."""


@dataclass
class Life:
    """What the application of one client was given, as long as its memory lasts: without a store it ends with the process."""

    name: str
    red: bool = False
    first: int = -1
    """Where it was told to begin; -1: nobody has told it yet."""
    truncated: list[int] = field(default_factory=list)
    """The offsets of sessions that said so."""
    runs: list[list[str]] = field(default_factory=list)
    """What was applied, for each process of it."""
    over: bool = False
    """It ended before the schedule did, so nobody knows how far it would have come."""
    untrue: list[str] = field(default_factory=list)
    """What a session said and was not so."""

    def told(self, offset: int, reason: str, *, least: int, head: int, trims: Sequence[int]) -> None:
        """A session came. `least`: the log's head when this life began. `trims`: what was ordered so far."""
        known = self.first >= 0
        killed = len(self.runs) > 1  # its store may know what the application of an earlier process was not told any more
        old = known or killed
        true = {"": old, "new": not known and least <= offset <= head, "truncated": old and offset in trims}
        if not true.get(reason):
            self.untrue.append(f"{reason or 'recovered'} at {offset}, with {least=} {head=} {trims=}")
        if reason == "truncated":
            self.truncated.append(offset)
        if not known:
            self.first = offset


@dataclass
class Found:
    """What is wrong about one life; and how many events came again because a restart cut off what follows their handler."""

    lost: list[int] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    reordered: list[str] = field(default_factory=list)
    invented: list[str] = field(default_factory=list)
    cut_off: int = 0
    excused: int = 0
    applied: int = 0
    reached: int = field(default=-1, compare=False)
    """The offset of the last event that was applied."""


def judge(life: Life, rows: Rows) -> Found:
    """What the rows of the log say about it."""
    found = Found()
    applied = _one_after_the_other(life.runs, found)
    visible = sorted(offset for offset, (_, room) in rows.items() if offset > life.first and (not room or life.red))
    offsets = {rows[offset][0]: offset for offset in visible}
    at, seen = life.first, set[str]()
    for name in applied:
        offset = offsets.get(name, 0)
        if not offset:
            found.invented.append(name)
        elif name in seen:
            found.repeated.append(name)
        elif offset < at:
            found.reordered.append(name)
        else:
            _pass_over(found, visible[bisect_right(visible, at) : bisect_left(visible, offset)], life.truncated, offset)
            at = offset
        seen.add(name)
    if life.first >= 0 and not life.over:
        _pass_over(found, visible[bisect_right(visible, at) :], life.truncated, max(visible, default=0) + 1)
    found.applied, found.reached = len(seen), at
    return found


def _one_after_the_other(runs: Sequence[Sequence[str]], found: Found) -> list[str]:
    applied: list[str] = []
    for run in runs:
        again = bool(applied and run and run[0] == applied[-1])
        found.cut_off += again
        applied += run[1:] if again else run
    return applied


def _pass_over(found: Found, missing: Sequence[int], truncated: Sequence[int], upto: int) -> None:
    """A missing event is excused by a session that said so, and after which nothing older was given any more."""
    for offset in missing:
        if any(offset <= told < upto for told in truncated):
            found.excused += 1
        else:
            found.lost.append(offset)


def twice(rows: Rows) -> list[str]:
    """What is in the log more than once."""
    return sorted(name for name, count in Counter(name for name, _ in rows.values()).items() if count > 1)
