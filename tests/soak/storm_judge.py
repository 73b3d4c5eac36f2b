"""Judges a storm by the rows in the databases, and by what the applications handed in, were told and were given. And what is promised.

A design promises that some things never happen. What it does not promise has to be seen, or the storm was none.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.soak.down_judge import Life, Rows, judge, twice
from tests.soak.down_schedule import Role

LOST, TWICE, REORDERED, GONE, UNKNOWN, FALSE = "lost", "twice", "reordered", "gone with its process", "unknown", "falsely told"
UNTOLD, REFUSED, REJECTED = "never told", "refused", "rejected"
Cases = dict[str, list[Any]]
"""What was found -> each case of it."""


@dataclass(frozen=True)
class Design:
    """What never happens; and what happens, which shows that the storm was one."""

    never: tuple[str, ...]
    seen: str = ""


PUBLISHED = "log: what the server published"
DESIGNS = {
    "up: at most once": Design((TWICE, REORDERED, FALSE, UNTOLD), LOST),
    "up: at least once": Design((LOST, FALSE, UNTOLD), TWICE),
    "up: effects once": Design((LOST, TWICE, REORDERED, FALSE, UNTOLD), GONE),
    "up: effects once, with a store": Design((LOST, TWICE, REORDERED, FALSE, UNTOLD)),
    "down: at most once": Design((TWICE, REORDERED), LOST),
    "down: replay": Design((LOST, TWICE, REORDERED), GONE),
    "down: replay, with a store": Design((LOST, REORDERED), TWICE),
    "down: replay, effects once": Design((LOST, TWICE, REORDERED)),
    PUBLISHED: Design((LOST, TWICE, FALSE)),
}


@dataclass
class Tally:
    """totals: what is counted, in words; and "design: word" for each design. broken: what is wrong."""

    totals: Counter[str] = field(default_factory=Counter)
    broken: dict[str, Any] = field(default_factory=dict)
    reported: list[str] = field(default_factory=list)
    """What went wrong in the background."""

    @property
    def wrong(self) -> dict[str, Any]:
        """Everything that a promise was broken by."""
        return self.broken | ({"reported": self.reported} if self.reported else {})

    def add(self, design: str, messages: int, found: Cases, name: str) -> None:
        """Count what was found; what the design promises never to happen is wrong."""
        self.totals[f"{design}: messages"] += messages
        for word, cases in found.items():
            self.totals[f"{design}: {word}"] += len(cases)
            if cases and word in DESIGNS[design].never:
                self.broken[f"{design}: {word}: {name}"] = f"{len(cases)}: {cases[:10]}"


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
    """"acked", "misanswered" (with the answer to another one), "rejected", "unknown", "refused" (not taken at all) -> numbers; "": it was
    told nothing, although its process lives."""
    excused: set[int] = field(default_factory=set)
    """Its process ended, and had not been told that they were safe."""
    full: set[int] = field(default_factory=set)
    """It had no disk space, and had not been told that they were safe."""
    births: list[int] = field(default_factory=list)
    """The last number before each start of a process without a store: to the next one nothing of it is known."""
    because: dict[int, str] = field(default_factory=dict)
    """In which words it was told that something was rejected, or what another answer it was given."""

    def of(self, word: str) -> set[int]:
        return self.told.get(word, set())

    def what_was_said_of(self, n: int) -> str:
        """All that it was told about one of them."""
        words = [word for word, numbers in self.told.items() if word and n in numbers]
        return " ".join([f"{n}:", *words, self.because.get(n, "")]).strip()


def judge_up(voice: Voice, effects: Sequence[int]) -> Cases:
    """`effects`: the numbers that were applied, in the order of their commits.

    What a client did not take is lost, unless it keeps nothing for later, or could not keep it, because its disk was full.
    """
    applied, counts = set(effects), Counter(effects)
    emitted, rejected = set(range(1, voice.emitted + 1)), voice.of("rejected")
    refused = set[int]() if voice.role.numbered else voice.of("refused")
    missing, denied = emitted - applied - refused, rejected | voice.of("refused")
    false = (voice.of("acked") - applied) | (denied & applied) | (applied - emitted) | voice.of("misanswered")
    first = list(dict.fromkeys(effects))
    borders = [0, *voice.births, voice.emitted]
    lives = [[n for n in first if low < n <= high] for low, high in pairwise(borders)]
    return {
        LOST: sorted(missing - voice.excused - (rejected & voice.full)),
        TWICE: sorted(n for n, count in counts.items() if count > 1),
        REORDERED: [n for life in lives for before, n in pairwise(life) if n < before],
        GONE: sorted(missing & voice.excused),
        UNKNOWN: sorted(voice.of("unknown") | voice.excused),
        FALSE: [voice.what_was_said_of(n) for n in sorted(false)],
        UNTOLD: sorted(voice.of("")),
        REFUSED: sorted(voice.of("refused")),
        REJECTED: sorted(rejected),
    }


def judge_down(lives: Sequence[Life], rows: Rows) -> tuple[Cases, int, list[str]]:
    """Of all lives of one client. Also how many events were applied, and what was given to it or said, and is not so."""
    found: Cases = {LOST: [], TWICE: [], REORDERED: [], GONE: []}
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


def judge_flashes(sent: Iterable[int], given: Sequence[int]) -> Cases:
    """What nobody promises to deliver. More may have been given than the server's last process lived to say that it had sent."""
    counts = Counter(given)
    return {
        LOST: sorted(set(sent) - set(given)),
        TWICE: sorted(n for n, count in counts.items() if count > 1),
        REORDERED: [n for before, n in pairwise(given) if n < before],
    }


def judge_log(stored: Collection[tuple[int, str]], refused: Collection[str], rows: Rows) -> Cases:
    """What the server was told about what it published: (offset, name) of what is in the log, names of what is not."""
    names = {name for name, _ in rows.values()}
    return {
        LOST: sorted(name for offset, name in stored if rows.get(offset, ("", ""))[0] != name),
        TWICE: twice(rows),
        FALSE: sorted(name for name in refused if name in names),
    }
