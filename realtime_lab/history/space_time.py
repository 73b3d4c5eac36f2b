"""The space-time picture of a history as plain numbers and words, and its text twin. `svg.py` draws it.

Lanes are horizontal, the server in the middle. Time runs to the right in the steps of `steps.py`, so the same history always gives the
same picture. Messages that did not arrive are drawn too: the arrow stops on the way, and the reason is part of it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from realtime_lab.history.journal import Event
from realtime_lab.history.journeys import SERVER, Copy, Journeys
from realtime_lab.history.labels import Labels, full_name
from realtime_lab.history.steps import Spot, Steps
from realtime_lab.history.verdict import verdict


@dataclass(frozen=True)
class Lane:
    """A participant's horizontal line."""

    name: str
    row: int
    """From the top, from 0."""
    note: str = ""
    """"wire": a foreign client, seen on its link only."""
    online: tuple[tuple[float, float], ...] = ()
    """From step to step: while it was connected."""


@dataclass(frozen=True)
class Arrow:
    """One copy of a message, from the sender's lane towards the receiver's."""

    sender: str
    receiver: str
    style: str
    """arrived, lost, held, in flight or refused."""
    label: str
    start: float
    end: float
    reach: float
    """How much of the way between the lanes it got: 1 arrived, 0 did not leave."""
    reason: str
    """Why it was lost or refused."""
    sentence: str


@dataclass(frozen=True)
class Mark:
    """Something else that happened at one place."""

    lane: str
    style: str
    """connected, disconnected, connecting, done, failed, hung up, or the word of a fault."""
    step: float
    word: str
    sentence: str
    reason: str = ""
    """Why, or the line of code that did it."""
    on_link: bool = False
    """On the link between this lane and the server, instead of on the lane."""


@dataclass(frozen=True)
class Barrier:
    """From step to step nothing passes this client's link."""

    lane: str
    style: str
    """cut, close or stall."""
    start: float
    end: float


@dataclass(frozen=True)
class Layout:
    """All that a renderer needs to know."""

    lanes: tuple[Lane, ...] = ()
    arrows: tuple[Arrow, ...] = ()
    marks: tuple[Mark, ...] = ()
    barriers: tuple[Barrier, ...] = ()
    steps: int = 0
    left_out: int = 0
    """How many earlier steps are not shown."""
    summary: str = ""

    @property
    def rows(self) -> dict[str, int]:
        """Lane name -> row."""
        return {lane.name: lane.row for lane in self.lanes}


def layout(events: Iterable[Event], *, last: int | None = None) -> Layout:
    """Where everything of a history stands; with `last`, only its last steps."""
    events = tuple(events)
    joined = {event.node: event.reason for event in events if event.kind == "joined"}
    journeys = Journeys(events)
    steps = Steps(journeys, {name for name, note in joined.items() if note == "wire"}, events)
    for event in events:
        steps.feed(event)
    steps.tighten()
    whole = _assemble(journeys, steps, _rows(joined, journeys), joined)
    return whole if last is None or whole.steps <= last else _window(whole, whole.steps - last)


def _rows(joined: Iterable[str], journeys: Journeys) -> dict[str, int]:
    """The server in the middle, the first client above it, then by turns below and above, so that arrows cross few lanes."""
    others = {name for copy in journeys.copies for name in (copy.sender, copy.receiver)} - {SERVER}
    names = list(dict.fromkeys([*joined, *sorted(others)]))
    above, below = [*names[3::2][::-1], *names[:1]], names[1:2] + names[2::2]
    return {name: row for row, name in enumerate([*above, SERVER, *below])}


def _assemble(journeys: Journeys, steps: Steps, rows: dict[str, int], notes: dict[str, str]) -> Layout:
    spots = [*steps.tails.values(), *steps.heads.values(), *(note.spot for note in steps.notes)]
    rank = {step: index for index, step in enumerate(sorted({spot.step for spot in spots}))}

    trying = [name for name in rows if steps.tracks[name].trying]
    end = len(rank) + bool(trying)

    def at(spot: Spot | None) -> int:
        return end if spot is None else rank[spot.step]

    lanes = [
        Lane(name, row, notes.get(name, ""), tuple((at(start), at(end)) for start, end in steps.tracks[name].online))
        for name, row in rows.items()
    ]
    marks = [Mark(n.lane, n.style, at(n.spot), n.word, n.sentence, n.reason, n.on_link) for n in steps.notes]
    marks += [Mark(name, "connecting", len(rank), "connecting", "trying to connect") for name in trying]
    return Layout(
        tuple(lanes),
        tuple(
            sorted(_arrows(journeys, steps, rows, at), key=lambda arrow: (arrow.start, rows[arrow.sender], rows[arrow.receiver], arrow.end))
        ),
        tuple(sorted(marks, key=lambda mark: (mark.step, rows[mark.lane], mark.on_link, mark.word))),
        tuple(Barrier(name, style, at(a), at(b)) for name in rows for style, a, b in steps.tracks[name].barriers),
        end,
        summary=_summary(journeys, rows),
    )


def _arrows(journeys: Journeys, steps: Steps, rows: dict[str, int], at: Callable[[Spot | None], int]) -> Iterator[Arrow]:
    labels = Labels(journeys)
    crowded: Counter[tuple[int, str, str]] = Counter()
    for copy in journeys.copies:
        style = "held" if copy.fate == "in flight" and copy.held >= 0 > copy.wire else str(copy.fate)
        start, reach = at(steps.tails[id(copy)]), _reach(copy, abs(rows[copy.sender] - rows[copy.receiver]))
        if style == "arrived":
            end: float = at(steps.heads[id(copy)])
        else:
            end = start + reach + 0.3 * crowded[start, copy.sender, copy.receiver]
            crowded[start, copy.sender, copy.receiver] += reach > 0
        yield Arrow(
            copy.sender,
            copy.receiver,
            style,
            labels.on_arrow(copy),
            start,
            end,
            reach,
            copy.reason,
            f"{full_name(copy)}: {_fate(style, copy.reason)}",
        )


def _reach(copy: Copy, rows: int) -> float:
    """How far between the lanes: a link ends half a row before its client."""
    if copy.fate in ("arrived", "refused"):
        return float(copy.fate == "arrived")
    if copy.connection is None and not copy.why:
        return (rows - 0.68) / rows
    if copy.wire >= 0 and copy.fate == "lost":
        return (rows - 0.15) / rows
    return (0.5 if copy.direction == "upstream" else rows - 0.5) / rows


def _fate(style: str, reason: str) -> str:
    words = {"refused": "refused by emit", "held": "held by the link", "in flight": "still on the way"}
    return ", ".join(filter(None, [words.get(style, style), reason]))


def _summary(journeys: Journeys, rows: dict[str, int]) -> str:
    parts = []
    hops = [leg for leg in verdict(journeys).legs if not leg.end_to_end]
    for leg in sorted(hops, key=lambda leg: (leg.sender == SERVER, rows[leg.sender], rows[leg.receiver])):
        lists = {"lost": [label for label, _ in leg.lost], "on the way": leg.in_flight, "refused": leg.refused}
        words = [f"{len(leg.sent)} sent by {leg.sender}"] + [f"{leg.arrived} arrived at {leg.receiver}"] * bool(leg.sent)
        parts.append(", ".join(words + [f"{word} {' '.join(ids)}" for word, ids in lists.items() if ids]))
    return "; ".join(parts) or "nothing was sent"


def _window(whole: Layout, first: int) -> Layout:
    """Without the steps before `first`. What reaches into the window stays, and starts left of it."""
    return replace(
        whole,
        lanes=tuple(replace(lane, online=tuple((a - first, b - first) for a, b in lane.online)) for lane in whole.lanes),
        arrows=tuple(replace(arrow, start=arrow.start - first, end=arrow.end - first) for arrow in whole.arrows if arrow.end >= first),
        marks=tuple(replace(mark, step=mark.step - first) for mark in whole.marks if mark.step >= first),
        barriers=tuple(replace(bar, start=bar.start - first, end=bar.end - first) for bar in whole.barriers if bar.end > first),
        steps=whole.steps - first,
        left_out=first,
    )


# -- the text twin ------------------------------------------------------------------------------------------------------------------


@dataclass
class _Line:
    """Messages of one hop that met the same fate, one after the other."""

    hop: str
    fate: str
    arrows: list[Arrow]

    def __str__(self) -> str:
        arrived = sorted(self.arrows, key=lambda arrow: arrow.end)
        order = "" if arrived == self.arrows else f" in the order {_labels(arrived)}"
        return f"{self.hop}  {_labels(self.arrows)}  {self.fate}{order}"


def text(layout: Layout) -> str:
    """The picture in words: who sent what to whom, what became of it, and what happened to the connections in between."""
    width = max((len(name) for name in layout.rows), default=0)
    both: list[Mark | Arrow] = [*layout.marks, *layout.arrows]
    lines: list[_Line | Mark] = []
    open_lines: dict[str, dict[str, _Line]] = defaultdict(dict)
    for thing in sorted(both, key=_when):
        if isinstance(thing, Mark):
            open_lines.pop(thing.lane, None)
            lines.append(thing)
            continue
        client = thing.receiver if thing.sender == SERVER else thing.sender
        hop = f"{thing.sender:>{width}} -> {thing.receiver:<{width}}"
        fate = f"{thing.style}: {thing.reason}" if thing.reason else thing.style
        line = open_lines[client].get(hop)
        if line is None or line.fate != fate:
            line = open_lines[client][hop] = _Line(hop, fate, [])
            lines.append(line)
        line.arrows.append(thing)
    left_out = [f"… {layout.left_out} earlier steps"] if layout.left_out else []
    return "\n".join([layout.summary, *left_out, *_folded(lines)])


def _folded(lines: Iterable[_Line | Mark]) -> Iterator[str]:
    """Marks that say the same one after the other make one line."""
    for key, group in groupby(lines, _said):
        marks = [line for line in group if isinstance(line, Mark)]
        if not marks:
            yield str(key)
        elif marks[0].style == "done":
            yield f"-- {marks[0].lane}: handlers finished in the order {' '.join(mark.word.removesuffix(' done') for mark in marks)} --"
        else:
            yield f"-- {', '.join(dict.fromkeys(mark.lane for mark in marks))}: {marks[0].sentence} --"


def _said(line: _Line | Mark) -> object:
    if isinstance(line, _Line):
        return line
    return line.style, line.lane if line.style == "done" else line.sentence


def _when(thing: Mark | Arrow) -> float:
    return thing.step if isinstance(thing, Mark) else thing.start


def _labels(arrows: Iterable[Arrow]) -> str:
    return " ".join(arrow.label for arrow in arrows)
