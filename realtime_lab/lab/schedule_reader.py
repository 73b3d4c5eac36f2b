"""Reads a schedule out of a journal, while it goes on or at its end.

What is promised: exact faults, and what is done by hand while the lab is at rest, come out with equal fates. Times are coarse: a step that
came while something was under way follows after a `wait` of tenths of a second. Races by hand inside a few milliseconds are not repeated.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from realtime_lab.history.copies import SERVER
from realtime_lab.history.journal import Event
from realtime_lab.lab.schedule import Step, in_one_line
from realtime_lab.lab.scheduling import Deeds
from realtime_lab.lab.verbs import LONGEST, MOST, START

OPEN = 3
"""So many of the last steps may still turn out to be others: a client may be connected, a new database begins with a crash."""


class ScheduleReader:
    """Fed event by event. What was done before the last few steps is read once."""

    def __init__(self, server: Mapping[str, Any]) -> None:
        """`server`: options of `server.start`."""
        self.seen = 0
        """How many events it was fed."""
        self._deeds = Deeds()
        self._latest: Event | None = None
        self._start = [Step("start", SERVER, options=tuple(server.items()))] if server else []
        self._again()

    def _again(self) -> None:
        self._done = _Done(list(self._start), [str(step) for step in self._start])
        self._taken = 0

    def feed(self, event: Event) -> None:
        """Take in the next journal event."""
        if self._deeds.feed(event):
            self._again()
        self.seen, self._latest = event.seq + 1, event

    def text(self, rests: Sequence[int], notes: Iterable[str] = ()) -> str:
        """The schedule so far, as one line. `rests`: how long the journal was whenever the lab was at rest."""
        return self._so_far(rests).text((*notes, *self._deeds.notes))

    def _so_far(self, rests: Sequence[int]) -> "_Done":
        certain = max(len(self._deeds.steps) - OPEN, self._taken)
        for event, step in self._deeds.with_joins(self._taken, certain):
            self._done.add(event, step, rests)
        self._taken = certain
        done = self._done.copy()
        for event, step in self._deeds.with_joins(certain, len(self._deeds.steps)):
            done.add(event, step, rests)
        if self._latest is not None:
            done.end(self._latest, rests)
        return done


@dataclass
class _Done:
    """The steps of a schedule so far, with their texts."""

    steps: list[Step]
    texts: list[str]
    before: Event | None = None
    """The event that tells of the latest one."""
    begun: bool = False
    """Has anything happened besides joining?"""

    def copy(self) -> "_Done":
        return _Done(self.steps[:], self.texts[:], self.before, self.begun)

    def add(self, event: Event, step: Step, rests: Sequence[int]) -> None:
        self.begun |= not _joins(step)
        pause = _pause(self.before, event, rests) if self.before is not None and self.begun else []
        self._put(pause)
        self.before = event
        merged = None if pause or not self.steps else _merged(self.steps[-1], step)
        if merged is not None:
            del self.steps[-1], self.texts[-1]
        self._put([merged or step])

    def end(self, event: Event, rests: Sequence[int]) -> None:
        self._put(_pause(self.before, event, rests, last=True) if self.before is not None else [])

    def _put(self, steps: list[Step]) -> None:
        self.steps += steps
        self.texts += map(str, steps)

    def text(self, notes: Iterable[str]) -> str:
        return in_one_line(self.texts, dict.fromkeys(notes))


def _joins(step: Step) -> bool:
    """How long that took is of no interest, as long as all have only joined so far."""
    return step.verb in ("join", "prepare") or (step.who, step.verb) == START


def _pause(before: Event, event: Event, rests: Sequence[int], *, last: bool = False) -> list[Step]:
    """What to wait for between two steps."""
    found = bisect_right(rests, before.seq)
    end = event.seq + 1 if last else event.seq
    if found < len(rests) and rests[found] <= end:
        return [Step("settle")]
    gap = event.time - before.time
    return [Step("wait", values=(min(max(0.1, round(gap, 1)), LONGEST),))] if gap >= 0.05 else []


def _merged(one: Step, two: Step) -> Step | None:
    """Two sends as one, if the second one sends the next number."""
    if (one.verb, one.who, one.values[:1], len(one.values), len(two.values)) != (two.verb, two.who, two.values[:1], 2, 2):
        return None
    first, latest, number = one.values[1], one.values[1] if one.last is None else one.last, two.values[1]
    if type(latest) is not int or type(number) is not int or number != latest + 1 or number - first >= MOST:
        return None
    return Step(one.verb, one.who, one.values, last=number)
