"""Stepping: which part of a history a view shows: all of it as it grows, or, while it is paused, its first events.

A step goes to the next moment at which the picture says something else. Most events of a journal change nothing that shows, and a button
that seems to do nothing teaches nothing.
"""

from collections import Counter
from collections.abc import Sequence

from realtime_lab.history.journal import Event
from realtime_lab.history.plan import Layout
from realtime_lab.history.space_time import layout
from realtime_lab.history.svg import sentence_of

Said = Counter[str]
"""What a picture says: each of its sentences, and how often."""
MOST = 2
"""Sentences of one step that are said; of more there is only a sign."""


class Stepping:
    """Made for one history, which only grows; `events` is always all of it so far."""

    def __init__(self) -> None:
        self.at: int | None = None
        """Only so many events are shown; None: all, live."""
        self._said: dict[int, Said] = {}

    def pause(self, shown: int) -> None:
        """Stop at what is shown."""
        self.at = shown

    def go_on(self) -> None:
        """Show everything again."""
        self.at = None
        self._said.clear()

    def part(self, events: Sequence[Event]) -> Sequence[Event]:
        """What is to be shown."""
        return events[: self.at]

    def forward(self, events: Sequence[Event]) -> None:
        """To the next moment at which the picture says something else, or to the end."""
        at = len(events) if self.at is None else self.at
        self.at = next((end for end in range(at + 1, len(events)) if self._says(events, end) != self._says(events, at)), len(events))

    def back(self, events: Sequence[Event]) -> None:
        """To the last moment at which the picture said something else, or to the beginning."""
        self.at = self._before(events, len(events) if self.at is None else self.at)

    def caption(self, events: Sequence[Event]) -> str:
        """Where this is, and what the picture says here that it did not say one step before; empty while nothing is paused."""
        if self.at is None:
            return ""
        news = list(self._says(events, self.at) - self._says(events, self._before(events, self.at)))
        more = [*news[:MOST], *["…"] * (len(news) > MOST)]
        return f"Paused at event {self.at} of {len(events)}" + (f": {'; '.join(more)}" if more else "")

    def _before(self, events: Sequence[Event], at: int) -> int:
        return next((end for end in range(at - 1, 0, -1) if self._says(events, end) != self._says(events, at)), 0)

    def _says(self, events: Sequence[Event], end: int) -> Said:
        if end not in self._said:
            self._said[end] = _sentences(layout(events[:end]))
        return self._said[end]


def _sentences(picture: Layout) -> Said:
    return Counter([*(sentence_of(mark) for mark in picture.marks), *(arrow.sentence for arrow in picture.arrows)])
