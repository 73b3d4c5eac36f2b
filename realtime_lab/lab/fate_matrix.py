"""The fate matrix: designs by break points, one word in each cell, and what each design costs when nothing breaks."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from statistics import median

from realtime_lab.history.fates import FATES, Fate
from realtime_lab.history.journal import Event
from realtime_lab.lab.points import Point
from realtime_lab.lab.trial import Outcome


class FateMatrix:
    """`print(matrix)` is its text twin.

    plain   one outcome of each design without any fault
    runs    the outcomes with a fault, one for each design and break point
    """

    def __init__(self, plain: Sequence[Outcome], runs: Sequence[Outcome]) -> None:
        self.plain = {outcome.design: outcome for outcome in plain}
        self._runs = [run for run in runs if run.reached]
        self.unreached = [run for run in runs if not run.reached]
        """Runs that never came to their break point: they say nothing, and are not counted."""

    @property
    def designs(self) -> tuple[str, ...]:
        """Their names, in order."""
        return tuple(self.plain)

    @cached_property
    def places(self) -> tuple[str, ...]:
        """The groups of break points, in order."""
        return tuple(dict.fromkeys(point.place for point in map(_point, self._runs)))

    @cached_property
    def points(self) -> tuple[str, ...]:
        """The names of all break points, those of one place together."""
        names = dict.fromkeys((point.place, point.name) for point in map(_point, self._runs))
        return tuple(name for place in self.places for of, name in names if of == place)

    def runs(self, design: str | None = None, *, place: str | None = None, fate: Fate | None = None) -> list[Outcome]:
        """The runs of a design, of a place, or of a fate, in the order of the break points."""
        return [
            run
            for run in self._runs
            if design in (None, run.design) and place in (None, _point(run).place) and fate in (None, run.fate)
        ]  # fmt: skip

    def run(self, design: str, point: str) -> Outcome | None:
        """The run of a design that broke at the point of this name; None if it has no such packet."""
        return self._cells.get((design, point))

    @cached_property
    def fates(self) -> Mapping[tuple[str, str], Fate]:
        """(design, name of the point) -> fate. Equal on every run of the same sweep; times are not part of it."""
        return {key: run.fate for key, run in self._cells.items()}

    def total(self, design: str) -> Counter[Fate]:
        """Fate -> how many runs ended so."""
        return Counter(run.fate for run in self.runs(design))

    def shortest(self, design: str, fate: Fate) -> Outcome | None:
        """Among the runs of this fate the one with the fewest events: the easiest to read."""
        return min(self.runs(design, fate=fate), key=lambda run: run.length, default=None)

    def packets_per_message(self, design: str) -> float:
        """Socket.IO packets on the links for each message that arrived, when nothing breaks."""
        outcome = self.plain[design]
        return outcome.packets / max(1, _arrived(outcome))

    def latency(self, design: str) -> float:
        """Seconds from emit() to the start of the last handler, when nothing breaks; the median of the messages. It is not compared."""
        return median(_latencies(self.plain[design].events) or [0.0])

    @cached_property
    def _cells(self) -> dict[tuple[str, str], Outcome]:
        return {(run.design, _point(run).name): run for run in self._runs}

    def __str__(self) -> str:
        shown = [fate for fate in reversed(FATES) if any(self.total(design)[fate] for design in self.designs)]
        wide = max(map(len, self.designs))
        lines = [f"{len(self._runs)} runs on the real stack, each with one fault; what became of the messages", ""]
        lines.append(f"{'design':<{wide}} {'runs':>6}" + "".join(f"{fate:>11}" for fate in shown))
        for design in self.designs:
            total = self.total(design)
            lines.append(f"{design:<{wide}} {total.total():>6}" + "".join(f"{total[fate] or '-':>11}" for fate in shown))
        worst = [(design, fate, run) for design in self.designs for fate in FATES[:-1] if (run := self.shortest(design, fate))]
        lines += ["", *(f"{design}: {fate}, for example {run.point}" for design, fate, run in worst)]
        lines += [f"{len(self.unreached)} more never came to their break point, and are not counted."] if self.unreached else []
        return "\n".join(lines)

    __repr__ = __str__


def _point(run: Outcome) -> Point:
    assert run.point is not None  # only `plain` has none
    return run.point


def _arrived(outcome: Outcome) -> int:
    """At somebody else's: with a log, the author gets its own messages too."""
    legs = [leg for leg in outcome.verdict.legs if leg.end_to_end and leg.sender != leg.receiver] or list(outcome.verdict.legs)
    return sum(leg.arrived for leg in legs)


def _latencies(events: Sequence[Event]) -> list[float]:
    """From the emit() of each application to the last handler that was given the message; both by payload and event name."""
    emitted: dict[tuple[str, str], float] = {}
    received: dict[tuple[str, str], float] = {}
    for event in events:
        key = (event.event, event.text)
        if event.kind == "emitted":
            emitted.setdefault(key, event.time)
        elif event.kind == "received" and key in emitted:
            received[key] = event.time
    return [time - emitted[key] for key, time in received.items()]
