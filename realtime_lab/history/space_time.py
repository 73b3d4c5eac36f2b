"""The space-time picture of a history as plain numbers and words. `svg.py` draws it, `twin.py` says it.

Lanes are horizontal, the server in the middle. Time runs to the right in the steps of `steps.py`, so the same history always gives the
same picture. Messages that did not arrive are drawn too: the arrow stops on the way, and the reason is part of it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from realtime_lab.history.copies import SERVER, Copy
from realtime_lab.history.hops import TURNED_AWAY
from realtime_lab.history.journal import Event
from realtime_lab.history.journeys import Journeys
from realtime_lab.history.labels import Labels, full_name
from realtime_lab.history.lanes import Spot
from realtime_lab.history.steps import Steps
from realtime_lab.history.verdict import verdict

FATES = {
    "refused": "refused by emit",
    "held": "held by the link",
    "in flight": "still on the way",
    "again": "arrived",
    "twice": "arrived and handled again",
    "repeat": "arrived, not handled",
    "skip": "its sender has given it up",
    "ack": "acknowledged",
    "lost ack": "lost",
}
"""Style of an arrow -> in words, where the style is not the word itself."""


@dataclass(frozen=True)
class Lane:
    """A participant's horizontal line."""

    name: str
    row: int
    """From the top, from 0."""
    note: str = ""
    """"wire": a foreign client, seen on its link only."""
    online: tuple[tuple[float, float], ...] = ()
    """From step to step: while it was connected. The server's: while it ran; empty if it never crashed."""


@dataclass(frozen=True)
class Arrow:
    """One copy of a message, from the sender's lane towards the receiver's."""

    sender: str
    receiver: str
    style: str
    """arrived, again (sent again), twice (and handled again), repeat (and not handled), skip (a tombstone), lost, held, in flight, refused;
    ack or lost ack."""
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
    """connected, disconnected, connecting, done, failed, hung up, buffered, timeout, unknown, rejected, discarded, forgotten, restored,
    undone, or the word of a fault."""
    step: float
    word: str
    sentence: str
    reason: str = ""
    """Why, or the line of code that did it."""
    on_link: bool = False
    """On the link between this lane and the server, instead of on the lane."""
    labels: str = ""
    """The messages that it is about, if it is about messages."""


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
    spots += [*steps.acks.tails.values(), *steps.acks.heads.values()]
    rank = {step: index for index, step in enumerate(sorted({spot.step for spot in spots}))}

    trying = [name for name in rows if steps.tracks[name].trying]
    end = len(rank) + bool(trying)

    def at(spot: Spot | None) -> int:
        return end if spot is None else rank[spot.step]

    lanes = [
        Lane(name, row, notes.get(name, ""), tuple((at(start) if start else 0, at(end)) for start, end in steps.tracks[name].online))
        for name, row in rows.items()
    ]
    marks = [Mark(n.lane, n.style, at(n.spot), n.word, n.sentence, n.reason, n.on_link, n.label) for n in steps.notes]
    marks += [Mark(name, "connecting", len(rank), "connecting", "trying to connect") for name in trying]
    arrows = [*_arrows(journeys, steps, rows, at), *_acks(journeys, steps, rows, at)]
    return Layout(
        tuple(lanes),
        tuple(sorted(arrows, key=lambda arrow: (arrow.start, rows[arrow.sender], rows[arrow.receiver], arrow.end))),
        tuple(sorted(marks, key=lambda mark: (mark.step, rows[mark.lane], mark.on_link, mark.word))),
        tuple(Barrier(name, style, at(a), at(b)) for name in rows for style, a, b in steps.tracks[name].barriers),
        end,
        summary=_summary(journeys, rows),
    )


def _arrows(journeys: Journeys, steps: Steps, rows: dict[str, int], at: Callable[[Spot | None], int]) -> Iterator[Arrow]:
    labels = Labels(journeys)
    crowded: Counter[tuple[int, str, str]] = Counter()
    delivered: set[tuple[int, str]] = set()
    for copy in journeys.copies:
        style = _style(copy, again=(copy.message.seq, copy.receiver) in delivered)
        if copy.delivered:
            delivered.add((copy.message.seq, copy.receiver))
        start, reach = at(steps.tails[id(copy)]), _reach(copy, abs(rows[copy.sender] - rows[copy.receiver]))
        if copy.fate == "arrived":
            end: float = at(steps.heads[id(copy)])
        else:
            end = start + reach + 0.3 * crowded[start, copy.sender, copy.receiver]
            crowded[start, copy.sender, copy.receiver] += reach > 0
        reason = TURNED_AWAY.get(copy.turned_away, copy.turned_away) if style == "repeat" else copy.reason
        sentence = f"{full_name(copy)}: {_fate(style, reason)}"
        yield Arrow(copy.sender, copy.receiver, style, labels.on_arrow(copy), start, end, reach, reason, sentence)


def _style(copy: Copy, *, again: bool) -> str:
    """`again`: a handler was given it before."""
    if copy.fate != "arrived":
        return "held" if copy.fate == "in flight" and copy.held >= 0 > copy.wire else str(copy.fate)
    if copy.tombstone:
        return "skip"
    if copy.turned_away:
        return "repeat"
    if copy.sender != SERVER and again and copy.delivered:
        return "twice"
    return "again" if copy.attempt > 1 else "arrived"


def _acks(journeys: Journeys, steps: Steps, rows: dict[str, int], at: Callable[[Spot | None], int]) -> Iterator[Arrow]:
    """The way back. What is still on it shows only where the link holds it."""
    labels = Labels(journeys)
    for copy in journeys.copies:
        tail, ack = steps.acks.tails.get(id(copy)), copy.ack
        if tail is None or ack is None or (ack.fate == "in flight" and ack.held < 0):
            continue
        style = {"arrived": "ack", "lost": "lost ack"}.get(ack.fate, "held")
        head = steps.acks.heads.get(id(copy)) if style == "ack" else None
        start, far = at(tail), abs(rows[copy.sender] - rows[SERVER])
        reach = 1.0 if head else (far - 0.5) / far
        label = f"ack {labels.on_arrow(copy)}"
        sentence = f"acknowledgement of {full_name(copy)}: {_fate(style, ack.reason)}"
        yield Arrow(SERVER, copy.sender, style, label, start, at(head) if head else start + reach, reach, ack.reason, sentence)


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
    return ", ".join(filter(None, [FATES.get(style, style), reason]))


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
