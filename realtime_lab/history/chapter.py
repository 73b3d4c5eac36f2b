"""A chapter: a part of a history that is laid out at once, and what was so when it began. The first one may be all there is."""

from collections.abc import Sequence
from dataclasses import dataclass

from realtime_lab.history.copies import Copy
from realtime_lab.history.counting import Hops
from realtime_lab.history.hops import Passage
from realtime_lab.history.journal import Event
from realtime_lab.history.journeys import Journeys
from realtime_lab.history.labels import Labels


@dataclass(frozen=True, eq=False)
class Chapter:
    """It shows what was sent in it, and what was under way when it began: that comes from its left edge."""

    journeys: Journeys
    hops: Hops
    joined: dict[str, str]
    """Who has joined by now -> "", "tab" or "wire"."""
    events: Sequence[Event]
    live: frozenset[str] = frozenset()
    """The connections that there were when it began."""
    under_way: tuple[Copy, ...] = ()
    """What had not arrived when it began."""
    unanswered: tuple[Copy, ...] = ()
    """What had arrived by then, and its sender waits for the answer."""

    @property
    def begin(self) -> int:
        """The journal position of its first event."""
        return self.events[0].seq if self.events else 0

    @property
    def copies(self) -> list[Copy]:
        """What had not arrived, and what was sent in it."""
        return [*self.under_way, *self.journeys.sent_since(self.begin)]

    @property
    def losses(self) -> list[Passage]:
        """What became lost in it although it is in the log; or before it, while a copy was under way that has not arrived either."""
        late = [self.hops.of(copy.message).get((copy.sender, copy.receiver)) for copy in self.under_way]
        earlier = [passage for passage in late if passage and passage.loss and passage.loss.seq < self.begin]
        return [*earlier, *self.hops.losses(self.begin)]

    @property
    def labels(self) -> Labels:
        """Short names for its messages."""
        return Labels(self.hops.names, self.copies)

    def some_open(self) -> Copy | None:
        """Something that has not arrived, or waits for its answer: the newest, which stays so for longest."""
        return next((copy for copy in reversed((*self.unanswered, *self.copies)) if is_open(copy)), None)

    def still_under_way(self) -> tuple[Copy, ...]:
        """What has not arrived by now, and may."""
        return tuple(copy for copy in self.copies if copy.fate == "in flight")

    def still_unanswered(self) -> tuple[Copy, ...]:
        """What has arrived, and its sender waits for the answer."""
        return tuple(copy for copy in (*self.unanswered, *self.copies) if _waits_for_its_answer(copy))


def is_open(copy: Copy) -> bool:
    """Has it not arrived, and may; or does its sender wait for the answer?"""
    return copy.fate == "in flight" or _waits_for_its_answer(copy)


def _waits_for_its_answer(copy: Copy) -> bool:
    if copy.fate != "arrived" or copy.connection is None or copy.connection.over("downstream"):
        return False
    return copy.message.kept if copy.ack is None else copy.ack.fate == "in flight"
