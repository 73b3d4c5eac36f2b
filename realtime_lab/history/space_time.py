"""The space-time picture of a history as plain numbers and words (plan.py). `svg.py` draws it, `twin.py` says it.

Lanes are horizontal, the server in the middle and its log, if it has one, right below it. Time runs to the right in the steps of
`steps.py`, so the same history always gives the same picture. Messages that did not arrive are drawn too: the arrow stops on the way, and
the reason is part of it.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from realtime_lab.history.arrows import acks_of, arrows_of
from realtime_lab.history.chapter import Chapter
from realtime_lab.history.copies import SERVER, Copy
from realtime_lab.history.journal import Event
from realtime_lab.history.lanes import LOG, Spot
from realtime_lab.history.leg import ids
from realtime_lab.history.plan import Arrow, Barrier, Lane, Layout, Mark
from realtime_lab.history.steps import Steps
from realtime_lab.history.verdict import Judge, Verdict

__all__ = ["Arrow", "Barrier", "Lane", "Layout", "Mark", "layout", "plan_of", "summary"]

DEPTH = 0.75
"""Rows from the server down to its log."""


def layout(events: Iterable[Event], *, last: int | None = None) -> Layout:
    """Where everything of a history stands; with `last`, only its last steps."""
    events = tuple(events)
    judge = Judge(events)
    judged = judge.verdict()
    joined = {event.node: event.reason for event in events if event.kind == "joined"}
    chapter = Chapter(judge.journeys, judge.hops, joined, events)
    whole = plan_of(chapter, Steps(chapter))
    whole = replace(whole, summary=summary(judged, whole.rows))
    return whole if last is None else whole.last(last)


def plan_of(chapter: Chapter, steps: Steps, *, without: Collection[Copy] = ()) -> Layout:
    """Where everything of a chapter stands. `without`: what has not arrived, or was not answered, and is shown elsewhere."""
    rows = _rows(chapter)
    for copy in steps.log.shown:  # where a chapter ended although nothing was at rest, what it tells may belong to no event of the next one
        steps.tails.setdefault(id(copy), steps.edge)
    spots = [*steps.tails.values(), *steps.heads.values(), *(note.spot for note in steps.notes)]
    spots += [*steps.acks.tails.values(), *steps.acks.heads.values()]
    rank = {step: index for index, step in enumerate(sorted({spot.step for spot in spots}))}

    trying = [name for name in rows if steps.tracks[name].trying]
    end = len(rank) + bool(trying)

    def at(spot: Spot | None) -> int:
        return end if spot is None else rank.get(spot.step, 0)

    marks = [Mark(n.lane, n.style, at(n.spot), n.word, n.sentence, n.reason, n.on_link, n.label, n.messages) for n in steps.notes]
    marks += [Mark(name, "connecting", len(rank), "connecting", "trying to connect") for name in trying]
    shown = [copy for copy in steps.log.shown if copy.fate == "arrived" or copy not in without]
    answered = [copy for copy in (*chapter.unanswered, *chapter.copies) if copy not in without]
    arrows = [*arrows_of(shown, steps, rows, at), *acks_of(answered, steps, rows, at)]
    return Layout(
        _lanes(chapter, steps, rows, at),
        tuple(sorted(arrows, key=lambda arrow: (arrow.start, rows[arrow.sender], rows[arrow.receiver], arrow.end))),
        tuple(sorted(marks, key=lambda mark: (mark.step, rows[mark.lane], mark.on_link, mark.word))),
        tuple(Barrier(name, style, at(a), at(b)) for name in rows for style, a, b in steps.tracks[name].barriers),
        end,
    )


def _rows(chapter: Chapter) -> dict[str, float]:
    """The server in the middle, the first client above it, then by turns below and above, so that arrows cross few lanes."""
    others = {name for tally in chapter.hops.tallies() for name in (tally.sender, tally.receiver)} - {SERVER}
    names = list(dict.fromkeys([*chapter.joined, *sorted(others)]))
    above, below = [*names[3::2][::-1], *names[:1]], names[1:2] + names[2::2]
    rows: dict[str, float] = {name: row for row, name in enumerate([*above, SERVER])}
    if chapter.journeys.log.sends:
        rows[LOG] = rows[SERVER] + DEPTH
    deepest = max(rows.values())
    return rows | {name: deepest + row for row, name in enumerate(below, 1)}


def _lanes(chapter: Chapter, steps: Steps, rows: dict[str, float], at: Callable[[Spot | None], int]) -> tuple[Lane, ...]:
    online = {name: tuple((at(start) if start else 0, at(end)) for start, end in steps.tracks[name].online) for name in rows}
    return tuple(Lane(name, row, chapter.joined.get(name, ""), online[name]) for name, row in rows.items())


def summary(judged: Verdict, rows: dict[str, float], most: int | None = None) -> str:
    """What was sent, and what became of it, hop by hop. `most`: so many messages of a kind are named; of more only the number is said."""
    parts = []
    hops = [leg for leg in judged.legs if not leg.end_to_end]
    for leg in sorted(hops, key=lambda leg: (leg.sender == SERVER, rows[leg.sender], rows[leg.receiver])):
        lists = {"lost": [label for label, _ in leg.lost], "on the way": leg.in_flight, "refused": leg.refused}
        words = [f"{len(leg.sent)} sent by {leg.sender}"] + [f"{leg.arrived} arrived at {leg.receiver}"] * bool(leg.sent)
        parts.append(", ".join(words + [f"{word} {ids(labels, most)}" for word, labels in lists.items() if labels]))
    return "; ".join(parts) or "nothing was sent"
