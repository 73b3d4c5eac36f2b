"""What a figure is, and how it is measured: ours and its anchors by turns, in random order within each round.

A ratio is taken within a round, where both had the same neighbours, and the median of these ratios is the figure.
"""

import random
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.processes import NEEDS, Stage

Measure = Callable[[int], Awaitable[float]]
"""Measures once, with so many events, and gives what it cost: seconds of one event, or what the figure is about."""

LEAST = 5
"""Events that a contender is given at least."""


@dataclass(frozen=True)
class Contender:
    """Something that is measured."""

    name: str
    begin: Callable[[Stage, int], Awaitable[Measure]]
    """Sets it up, for measurements of so many events at most. What it starts ends with the stage."""
    share: float = 1.0
    """Of the events of a figure: a slow one is given fewer, because the cost is that of one event."""
    needs: Sequence[str] = ()
    """Names of processes.NEEDS."""


@dataclass(frozen=True)
class Target:
    """What is to be reached, of one of these kinds.

    faster      the anchor's cost by ours, at least
    cost        ours by the anchor's, at most
    limit       ours, at most
    """

    kind: str
    value: float | None
    """None: it is worth knowing, and no more."""

    def met(self, ratio: float) -> bool | None:
        """Is it reached? None: there is nothing to reach."""
        if self.value is None:
            return None
        return ratio >= self.value if self.kind == "faster" else ratio <= self.value


def faster(times: float | None = None) -> Target:
    """At least so many times as fast as the anchor."""
    return Target("faster", times)


def cost(times: float | None = None) -> Target:
    """At most so many times what the anchor costs."""
    return Target("cost", times)


def limit(value: float | None = None) -> Target:
    """At most this, in the unit of a measurement (seconds, bytes). Of ours alone."""
    return Target("limit", value)


@dataclass(frozen=True)
class Row:
    """One comparison, and one row of the table."""

    ours: Contender
    anchor: Contender | None
    target: Target


@dataclass(frozen=True)
class Figure:
    """Rows that are measured in the same rounds."""

    name: str
    what: str
    """A sentence about what is measured."""
    unit: str
    """How costs are shown, see table.py."""
    rows: Sequence[Row]
    events: int = 1
    rounds: int = 5
    warm: bool = True
    """Whether a round comes first that does not count. False, if each measurement begins anew."""
    limits: str = ""
    """For the page: what a profile says about where the time goes, and why no more can be had."""

    @property
    def contenders(self) -> dict[str, Contender]:
        """Each once, by name."""
        every = (contender for row in self.rows for contender in (row.ours, row.anchor) if contender is not None)
        return {contender.name: contender for contender in every}


@dataclass
class Outcome:
    """What was measured. `costs`: by the contender's name, one for each round. `missing`: by name, what would bring it here."""

    figure: Figure
    rounds: int
    events: int
    costs: dict[str, list[float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def ratios(self, row: Row) -> list[float]:
        """Of each round, as the row's target has them."""
        ours = self.costs.get(row.ours.name, [])
        if row.anchor is None:
            return ours
        pairs = list(zip(ours, self.costs.get(row.anchor.name, []), strict=False))
        if row.target.kind == "cost":
            return [mine / theirs for mine, theirs in pairs]
        return [theirs / mine for mine, theirs in pairs]


def missing(contender: Contender, without: Sequence[str]) -> str:
    """How to get what it lacks; empty if it lacks nothing. without: what is to be taken for absent."""
    lacks = [NEEDS[name] for name in contender.needs if name in without or not NEEDS[name][0]()]
    return " && ".join(how for _, how in lacks)


async def measure(figure: Figure, *, rounds: int, events: int, without: Sequence[str] = (), inline: bool = False) -> Outcome:
    """Measure a figure, and say on stderr how far it is."""
    outcome = Outcome(figure, rounds, events)
    _say(f"{figure.name}: {figure.what}\n")
    async with Stage(inline=inline) as stage:
        ready: dict[str, tuple[Measure, int]] = {}
        for name, contender in figure.contenders.items():
            if lack := missing(contender, without):
                outcome.missing[name] = lack
                _say(f"  {name} is left out. For it: {lack}\n")
                continue
            count = max(round(events * contender.share), min(LEAST, events))
            ready[name] = await contender.begin(stage, count), count
            if figure.warm:
                await ready[name][0](count)
        for number in range(1, rounds + 1):
            _say(f"  round {number} of {rounds}")
            for name in random.sample(list(ready), len(ready)):
                once, count = ready[name]
                _say(f", {name}")
                outcome.costs.setdefault(name, []).append(await once(count))
            _say("\n")
    return outcome


def _say(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)
