"""Judges a storm by the rows in the databases, and by what the applications handed in, were told and were given. And what is promised.

A design promises that some things never happen. What it does not promise has to be seen, or the storm was none.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.soak.down_judge import Life, judge
from tests.soak.down_schedule import Role

LOST, TWICE, REORDERED, GONE, UNKNOWN, FALSE = "lost", "twice", "reordered", "gone with its process", "unknown", "falsely told"
Found = dict[str, list[Any]]


@dataclass(frozen=True)
class Design:
    """What never happens; and what happens, which shows that the storm was one."""

    never: tuple[str, ...]
    seen: str = ""


DESIGNS = {
    "up: at most once": Design((TWICE, REORDERED, FALSE), LOST),
    "up: at least once": Design((LOST, FALSE), TWICE),
    "up: effects once": Design((LOST, TWICE, REORDERED, FALSE), GONE),
    "up: effects once, with a store": Design((LOST, TWICE, REORDERED, FALSE)),
    "down: at most once": Design((TWICE, REORDERED), LOST),
    "down: replay": Design((LOST, TWICE, REORDERED), GONE),
    "down: replay, with a store": Design((LOST, REORDERED), TWICE),
    "down: replay, effects once": Design((LOST, TWICE, REORDERED)),
}


def design_up(role: Role, *, dedupe: bool) -> str:
    if not role.numbered:
        return "up: at most once"
    if not dedupe:
        return "up: at least once"
    return "up: effects once, with a store" if role.store else "up: effects once"


def design_down(role: Role) -> str:
    return "down: replay, effects once" if role.transaction else "down: replay, with a store" if role.store else "down: replay"


@dataclass
class Voice:
    """What one application handed in, in the order of the numbers 1, 2, ..., and what it was told about each."""

    role: Role
    emitted: int = 0
    told: dict[str, set[int]] = field(default_factory=dict)
    """"acked", "rejected", "unknown", "refused" (not taken at all) -> numbers."""
    excused: set[int] = field(default_factory=set)
    """Its process ended, and had not been told that they were safe."""
    births: list[int] = field(default_factory=list)
    """The last number before each start of a process without a store: to the next one nothing of it is known."""

    def of(self, word: str) -> set[int]:
        return self.told.get(word, set())


def judge_up(voice: Voice, effects: Sequence[int]) -> Found:
    """`effects`: the numbers that were applied, in the order of their commits."""
    applied, counts = set(effects), Counter(effects)
    handed_in = set(range(1, voice.emitted + 1)) - voice.of("refused")
    missing = handed_in - applied
    first = list(dict.fromkeys(effects))
    borders = [0, *voice.births, voice.emitted]
    lives = [[n for n in first if low < n <= high] for low, high in pairwise(borders)]
    return {
        LOST: sorted(missing - voice.excused - voice.of("rejected")),
        TWICE: sorted(n for n, count in counts.items() if count > 1),
        REORDERED: [n for life in lives for before, n in pairwise(life) if n < before],
        GONE: sorted(missing & voice.excused),
        UNKNOWN: sorted(voice.of("unknown") | voice.excused),
        FALSE: sorted((voice.of("acked") - applied) | ((voice.of("rejected") | voice.of("refused")) & applied) | (applied - handed_in)),
    }


def judge_down(lives: Sequence[Life], rows: Mapping[int, tuple[str, str]]) -> tuple[Found, int, list[str]]:
    """Of all lives of one client. Also how many events were applied, and what was given to it or said, and is not so."""
    found: Found = {LOST: [], TWICE: [], REORDERED: [], GONE: []}
    applied, untrue, reached = 0, list[str](), 0
    for life in lives:
        one = judge(life, rows)
        if reached and life.first >= 0:
            found[GONE] += [at for at, (_, to) in rows.items() if reached < at <= life.first and (not to or life.red)]
        found[LOST] += one.lost
        found[TWICE] += [*one.repeated, *["cut off"] * one.cut_off]
        found[REORDERED] += one.reordered
        applied += one.applied
        untrue += [*life.untrue, *(f"invented: {name}" for name in one.invented)]
        reached = max(reached, one.reached, life.first)
    return found, applied, untrue


def judge_flashes(sent: Iterable[int], given: Sequence[int]) -> Found:
    """What nobody promises to deliver. More may have been given than the server's last process lived to say that it had sent."""
    counts = Counter(given)
    return {
        LOST: sorted(set(sent) - set(given)),
        TWICE: sorted(n for n, count in counts.items() if count > 1),
        REORDERED: [n for before, n in pairwise(given) if n < before],
    }
