"""The space-time picture of a history as plain numbers and words (plan.py). `svg.py` draws it, `twin.py` says it.

Lanes are horizontal, the server in the middle and its log, if it has one, right below it. Time runs to the right in the steps of
`steps.py`, so the same history always gives the same picture. Messages that did not arrive are drawn too: the arrow stops on the way, and
the reason is part of it.
"""

from collections.abc import Iterable
from dataclasses import replace

from realtime_lab.history.arrows import acks_of, arrows_of
from realtime_lab.history.copies import SERVER
from realtime_lab.history.journal import Event
from realtime_lab.history.journeys import Journeys
from realtime_lab.history.lanes import LOG, Spot
from realtime_lab.history.plan import Arrow, Barrier, Lane, Layout, Mark
from realtime_lab.history.steps import Steps
from realtime_lab.history.verdict import verdict

__all__ = ["Arrow", "Barrier", "Lane", "Layout", "Mark", "layout"]

DEPTH = 0.75
"""Rows from the server down to its log."""


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


def _rows(joined: Iterable[str], journeys: Journeys) -> dict[str, float]:
    """The server in the middle, the first client above it, then by turns below and above, so that arrows cross few lanes."""
    others = {name for copy in journeys.copies for name in (copy.sender, copy.receiver)} - {SERVER}
    names = list(dict.fromkeys([*joined, *sorted(others)]))
    above, below = [*names[3::2][::-1], *names[:1]], names[1:2] + names[2::2]
    rows: dict[str, float] = {name: row for row, name in enumerate([*above, SERVER])}
    if journeys.log.sends:
        rows[LOG] = rows[SERVER] + DEPTH
    deepest = max(rows.values())
    return rows | {name: deepest + row for row, name in enumerate(below, 1)}


def _assemble(journeys: Journeys, steps: Steps, rows: dict[str, float], notes: dict[str, str]) -> Layout:
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
    arrows = [*arrows_of(journeys, steps, rows, at), *acks_of(journeys, steps, rows, at)]
    return Layout(
        tuple(lanes),
        tuple(sorted(arrows, key=lambda arrow: (arrow.start, rows[arrow.sender], rows[arrow.receiver], arrow.end))),
        tuple(sorted(marks, key=lambda mark: (mark.step, rows[mark.lane], mark.on_link, mark.word))),
        tuple(Barrier(name, style, at(a), at(b)) for name in rows for style, a, b in steps.tracks[name].barriers),
        end,
        summary=_summary(journeys, rows),
    )


def _summary(journeys: Journeys, rows: dict[str, float]) -> str:
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
