"""The fate matrix: designs by break points, one word in each cell, and what each design costs when nothing breaks.

What it shows is equal whenever the same sweep is run again, so a stored notebook can be compared. Times are not: they are in `prices`.
"""

import base64
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from html import escape
from statistics import median
from typing import Any

from realtime_lab.history.fates import FATES, Fate
from realtime_lab.history.journal import Event
from realtime_lab.history.matrix_svg import matrix_svg, summary
from realtime_lab.lab.points import FAULTS, Break, Crash, Point
from realtime_lab.lab.trial import Outcome

LEFT, RIGHT = 'style="text-align:left;padding:2px 24px 2px 0"', 'style="text-align:right;padding:2px 0 2px 24px"'


class FateMatrix:
    """`print(matrix)` is its text twin. In a notebook it shows as an image and two tables.

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
    def places(self) -> Mapping[str, tuple[str, ...]]:
        """The groups of break points, and the names of the break points of each, in order."""
        points = {name: _point(run) for (_, name), run in self._cells.items()}
        names = _merged([name for of, name in self._cells if of == design] for design in self.designs)
        places = _merged(list(dict.fromkeys(points[name].place for of, name in self._cells if of == design)) for design in self.designs)
        faults = {point.place: [*FAULTS, point.fault].index(point.fault) for point in points.values()}
        return {place: tuple(name for name in names if points[name].place == place) for place in sorted(places, key=faults.__getitem__)}

    @cached_property
    def points(self) -> tuple[str, ...]:
        """The names of all break points, those of one place together."""
        return tuple(name for names in self.places.values() for name in names)

    def runs(self, design: str | None = None, *, place: str | None = None, fate: Fate | None = None) -> list[Outcome]:
        """The runs of a design, of a place, or of a fate, in the order of the break points."""
        found = self._runs if design is None else self._of_design.get(design, [])
        return [run for run in found if place in (None, _point(run).place) and fate in (None, run.fate)]

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

    def examples(self, design: str, fate: Fate) -> list[Outcome]:
        """The runs of this fate, the shortest schedule first: a cut before a stall before a crash, and the earlier packet first.

        It is not the number of events that counts: that differs a little from run to run.
        """
        return sorted(self.runs(design, fate=fate), key=_length)

    def shortest(self, design: str, fate: Fate) -> Outcome | None:
        """The first of the examples: the easiest to read. None if there is none."""
        return min(self.runs(design, fate=fate), key=_length, default=None)

    def packets_per_message(self, design: str) -> float:
        """Socket.IO packets on the links for each message that arrived, when nothing breaks."""
        outcome = self.plain[design]
        return outcome.packets / max(1, _arrived(outcome))

    def latency(self, design: str) -> float:
        """Seconds from emit() to the start of the last handler, when nothing breaks; the median of the messages. It is not compared."""
        return median(_latencies(self.plain[design].events) or [0.0])

    @cached_property
    def prices(self) -> "Prices":
        """What each design costs when nothing breaks, with its latency: a table that differs from run to run."""
        return Prices(self)

    @property
    def svg(self) -> str:
        """The picture, as one SVG document."""
        return matrix_svg(self.designs, self.places, self.fates)

    @cached_property
    def _cells(self) -> dict[tuple[str, str], Outcome]:
        """Packets of one name in one run are told apart by a number."""
        cells: dict[tuple[str, str], Outcome] = {}
        seen: Counter[tuple[str, str]] = Counter()
        for run in self._runs:
            key = run.design, _point(run).name
            seen[key] += 1
            cells[key if seen[key] == 1 else (run.design, f"{key[1]} ({seen[key]})")] = run
        return cells

    @cached_property
    def _of_design(self) -> dict[str, list[Outcome]]:
        runs: dict[str, list[Outcome]] = {design: [] for design in self.plain}
        for run in self._runs:
            runs[run.design].append(run)
        return runs

    @cached_property
    def _said(self) -> tuple[str, list[list[str]], list[list[str]]]:
        """A caption, the rows of the fates, and the rows of the prices, their heads first."""
        totals = {design: self.total(design) for design in self.designs}
        shown = [fate for fate in FATES if any(total[fate] for total in totals.values())]
        fates = [["design", "runs", *shown]]
        fates += [[design, str(total.total()), *(str(total[fate] or "-") for fate in shown)] for design, total in totals.items()]
        prices = [["design", "packets per message", "rows in the database"]]
        prices += [[design, f"{self.packets_per_message(design):.1f}", str(self.plain[design].rows)] for design in self.designs]
        return f"{len(self._runs)} runs on the real stack, each with one fault; what became of the messages", fates, prices

    def _notes(self) -> list[str]:
        worst = [(design, fate, run) for design in self.designs for fate in FATES[:-1] if (run := self.shortest(design, fate))]
        never = f"{len(self.unreached)} more never came to their break point, and are not counted."
        return [*(f"{design}: {fate}, for example {run.point}" for design, fate, run in worst), *([never] if self.unreached else [])]

    def __str__(self) -> str:
        caption, fates, prices = self._said
        return "\n\n".join([caption, _lines(fates), "\n".join(self._notes()), f"{PRICES}\n\n{_lines(prices)}"])

    __repr__ = __str__

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """An inline <svg> is stripped from a notebook that is not trusted yet (measured), so it is an image."""
        caption, fates, prices = self._said
        encoded = base64.b64encode(self.svg.encode()).decode()
        alt = escape(summary(self.designs, self.fates), quote=True)
        image = f'<img src="data:image/svg+xml;base64,{encoded}" alt="{alt}" style="max-width:100%">'
        notes = "".join(f"<div>{escape(note)}</div>" for note in self._notes())
        return {"text/html": f"<div>{image}{_table(caption, fates)}{notes}{_table(PRICES, prices)}</div>", "text/plain": str(self)}


PRICES = "what each design costs when nothing breaks"


class Prices:
    """Packets, rows and latency of each design. Its latency differs from run to run, so its cell is not compared with a stored one."""

    def __init__(self, matrix: FateMatrix) -> None:
        *_, rows = matrix._said
        latency = ["latency", *(f"{matrix.latency(design) * 1000:.1f} ms" for design in matrix.designs)]
        self._rows = [[*row, more] for row, more in zip(rows, latency, strict=True)]

    def __str__(self) -> str:
        return f"{PRICES}\n\n{_lines(self._rows)}"

    __repr__ = __str__

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": _table(PRICES, self._rows), "text/plain": str(self)}


def _point(run: Outcome) -> Point:
    assert run.point is not None  # only `plain` has none
    return run.point


def _length(run: Outcome) -> tuple[int, int, bool, str]:
    """Of a schedule: how simple its fault is, and how much happens before it. Points of somebody's own come last."""
    match point := _point(run):
        case Break():
            return FAULTS.index(point.fault), point.packet, point.side == "after", point.name
        case Crash():
            return FAULTS.index(point.fault), point.nth, False, point.name
    return len(FAULTS), 0, False, point.name


def _merged(orders: Iterable[Sequence[str]]) -> list[str]:
    """One order out of several: what the first ones do not have stands behind what it follows in its own."""
    merged: list[str] = []
    known: set[str] = set()
    for order in orders:
        place = 0
        for each in order:
            if each in known:
                place = merged.index(each) + 1
            else:
                merged.insert(place, each)
                known.add(each)
                place += 1
    return merged


def _lines(rows: Sequence[Sequence[str]]) -> str:
    """A table of text: its first column to the left, the others to the right."""
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = [[cells[0].ljust(wide[0]), *(cell.rjust(room + 2) for cell, room in zip(cells[1:], wide[1:], strict=True))] for cells in rows]
    return "\n".join("".join(cells) for cells in padded)


def _table(caption: str, rows: Sequence[Sequence[str]]) -> str:
    head, *body = [[escape(cell) for cell in row] for row in rows]
    top = f'<th scope="col" {LEFT}>{head[0]}</th>' + "".join(f'<th scope="col" {RIGHT}>{cell}</th>' for cell in head[1:])
    lines = [f'<th scope="row" {LEFT}>{row[0]}</th>' + "".join(f"<td {RIGHT}>{cell}</td>" for cell in row[1:]) for row in body]
    title = f'<caption style="caption-side:top;text-align:left;white-space:nowrap">{escape(caption)}</caption>'
    return f'<table style="margin:8px 0">{title}<tr>{top}</tr>{"".join(f"<tr>{line}</tr>" for line in lines)}</table>'


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
