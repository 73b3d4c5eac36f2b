"""The last steps of a history that goes on, chapter by chapter.

A chapter that is long enough ends when somebody does something while nothing is under way. It is not looked at again, so a picture costs
no more at the end of a long history than at its beginning. Where it never comes to rest, a chapter ends all the same, and what is under
way comes from the left edge of the next one.
"""

from collections.abc import Iterable
from dataclasses import replace

from realtime_lab.history.chapter import Chapter, is_open
from realtime_lab.history.copies import SERVER, Copy
from realtime_lab.history.journal import Event
from realtime_lab.history.plan import Barrier, Lane, Layout
from realtime_lab.history.space_time import plan_of, summary
from realtime_lab.history.steps import Steps
from realtime_lab.history.verdict import Judge

LONG, TOO_LONG = 150, 1000
"""Events after which a chapter ends at rest, and at any time."""
DEEDS = ("emitted", "stored", "fault", "joined")
"""What somebody does, unless a handler is the cause."""
NAMED = 25
"""Messages that a summary names."""


class Picture:
    """Fed event by event; so is its judge."""

    def __init__(self, last: int, events: Iterable[Event] = (), *, long: int = LONG, too_long: int = TOO_LONG) -> None:
        """`last`: how many steps it shows."""
        self.judge = Judge()
        self._last, self._long, self._too_long = last, long, too_long
        self._joined: dict[str, str] = {}
        self._past = Layout()
        self._events: list[Event] = []
        self._chapter = self._begin()
        self._before: Steps | None = None
        self._open: Copy | None = None
        """Of what is under way, what was found last."""
        for event in events:
            self.feed(event)

    def feed(self, event: Event) -> None:
        """Take in the next journal event."""
        if event.type == "engine":  # heartbeats never end, and show nowhere
            self.judge.feed(event)
            return
        if len(self._events) >= self._long and (self._at_rest(event) or self._is_too_long(event)):
            self._end()
        self.judge.feed(event)
        self._events.append(event)
        if event.kind == "joined":
            self._joined[event.node] = event.reason

    def layout(self) -> Layout:
        """By now. What reaches into the last steps starts left of them."""
        judged = self.judge.verdict()
        chapter = plan_of(self._chapter, Steps(self._chapter, self._before))
        whole = self._with(chapter)
        return replace(whole, summary=summary(judged, whole.rows, NAMED))

    def _with(self, chapter: Layout) -> Layout:
        """The last steps of everything. What of a chapter will not be in them need not be moved to its place."""
        return _joined(self._past, chapter.since(chapter.steps - self._last)).last(self._last)

    def _begin(self) -> Chapter:
        return Chapter(self.judge.journeys, self.judge.hops, self._joined, self._events)

    def _is_too_long(self, event: Event) -> bool:
        """Then it ends, but not in the middle of what a fault brings about."""
        return len(self._events) >= self._too_long and event.kind in ("emitted", "stored", "sent", "received")

    def _at_rest(self, event: Event) -> bool:
        """Is nothing under way when this happens, and does somebody do it?"""
        if event.kind not in DEEDS or event.cause >= 0:
            return False
        journeys = self.judge.journeys
        both = all(each.client_up == each.server_up for each in journeys.live.values() if self._joined.get(each.client) != "wire")
        if journeys.running or not both:
            return False
        if self._open is None or not is_open(self._open):  # until this one is closed, nobody else is asked: there may be thousands
            self._open = self._chapter.some_open()
        return self._open is None

    def _end(self) -> None:
        self.judge.verdict()
        chapter = self._chapter
        under_way, unanswered = chapter.still_under_way(), chapter.still_unanswered()
        self._before = Steps(chapter, self._before)
        plan = plan_of(chapter, self._before, without={*under_way, *unanswered})
        marks = tuple(mark for mark in plan.marks if mark.style != "connecting")  # it goes on
        plan = replace(plan, marks=marks, steps=plan.steps - (len(marks) < len(plan.marks)))
        self._past = self._with(plan)
        self._events = []
        self._chapter = replace(self._begin(), live=frozenset(self.judge.journeys.live), under_way=under_way, unanswered=unanswered)


def _joined(past: Layout, chapter: Layout) -> Layout:
    """One behind the other. The lanes are those of the chapter: nobody leaves a history."""
    now = chapter.moved(past.steps)
    bars = [*past.barriers]
    for bar in now.barriers:
        earlier = next((each for each in bars if _is_continued(each, bar, past.steps)), None)
        if earlier is not None:
            bars.remove(earlier)
        bars.append(replace(bar, start=earlier.start) if earlier else bar)
    online = {lane.name: lane.online for lane in past.lanes}
    return replace(
        now,
        lanes=tuple(replace(lane, online=_online(lane, online.get(lane.name, ()), past.steps)) for lane in now.lanes),
        arrows=(*past.arrows, *now.arrows),
        marks=(*past.marks, *now.marks),
        barriers=tuple(bars),
        left_out=past.left_out,
    )


def _is_continued(earlier: Barrier, bar: Barrier, end: int) -> bool:
    return (earlier.lane, earlier.style) == (bar.lane, bar.style) and earlier.end >= end == bar.start


def _online(lane: Lane, past: tuple[tuple[float, float], ...], end: int) -> tuple[tuple[float, float], ...]:
    """While it was connected; the server's: while it ran, empty if it never crashed."""
    now = lane.online
    if lane.name == SERVER and bool(past) != bool(now):
        past, now = past or ((0, end),), now or ((end, float("inf")),)
    if past and now and past[-1][1] >= end >= now[0][0]:
        past, now = past[:-1], ((past[-1][0], now[0][1]), *now[1:])
    both = (*past, *now)
    return tuple(each for each in both if each[1] > max(each[0], 0)) or both[-1:]
