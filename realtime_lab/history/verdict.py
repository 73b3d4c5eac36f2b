"""The verdict: what was lost, duplicated or reordered between whom, and which guarantees this history refutes.

It is judged from outside: only what applications handed in and what handlers were given counts, never what a client or the server
believes. One run can refute a guarantee; it can never prove one, and the wording says so. What senders were told is set beside it: a
message that was acknowledged and never handled is the one fault that nothing excuses.

The words follow Socket.IO, "Delivery guarantees": ordered, at most once, at least once, exactly once.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from realtime_lab.history.counting import Hops
from realtime_lab.history.journal import Event
from realtime_lab.history.journeys import Journeys
from realtime_lab.history.leg import GUARANTEES, Leg, ids, once
from realtime_lab.history.outboxes import Outboxes
from realtime_lab.history.ways import FORGOTTEN, Ways

__all__ = ["FORGOTTEN", "GUARANTEES", "Judge", "Leg", "Verdict", "verdict"]


@dataclass(frozen=True)
class Verdict:
    """All legs of a history. `print(verdict)` says it in words."""

    legs: tuple[Leg, ...]

    def leg(self, sender: str, receiver: str) -> Leg:
        """The leg from `sender` to `receiver`. Raises KeyError, naming the legs there are."""
        for leg in self.legs:
            if (leg.sender, leg.receiver) == (sender, receiver):
                return leg
        raise KeyError(f"nothing was sent from {sender} to {receiver}; there is: {', '.join(leg.name for leg in self.legs) or 'nothing'}")

    @property
    def lost(self) -> tuple[str, ...]:
        """Ids lost on any leg, each once."""
        return once(label for leg in self.legs for label, _ in leg.lost)

    @property
    def duplicated(self) -> tuple[str, ...]:
        """Ids received more than once on any leg."""
        return once(label for leg in self.legs for label in leg.duplicated)

    @property
    def reordered(self) -> tuple[str, ...]:
        """Ids that came after a message that was sent later, on any leg."""
        return once(label for leg in self.legs for label in leg.reordered)

    @property
    def acked_unhandled(self) -> tuple[str, ...]:
        """Ids that were acknowledged but never handled, on any leg."""
        return once(label for leg in self.legs for label in leg.acked_unhandled)

    @property
    def in_flight(self) -> tuple[str, ...]:
        """Ids whose fate is not decided yet."""
        return once(label for leg in self.legs for label in leg.in_flight)

    @property
    def refuted(self) -> tuple[str, ...]:
        """The guarantees that this history refutes on some leg, in the order of GUARANTEES."""
        return tuple(name for name in GUARANTEES if any(name in leg.refuted for leg in self.legs))

    @property
    def sentences(self) -> tuple[str, ...]:
        """What was acknowledged but never handled; one sentence for each refuted guarantee; then what the run leaves open."""
        return self.said()

    def said(self, most: int | None = None) -> tuple[str, ...]:
        """The sentences. `most`: so many messages of a kind are named; of more only the number is said."""
        lines = [
            f"acknowledged but never handled: {ids(leg.acked_unhandled, most)} between {leg.sender} and {leg.receiver}"
            for leg in self.legs
            if leg.acked_unhandled
        ]
        lines += [self._because(name, most) for name in self.refuted]
        standing = [name for name in GUARANTEES if name not in self.refuted]
        if not any(leg.sent or leg.refused for leg in self.legs):
            return ("Nothing was sent, so this run says nothing.",)
        if standing:
            lines.append(f"Not refuted by this run: {', '.join(standing)}. One run can refute a guarantee, never prove it.")
        return tuple(lines)

    def _because(self, guarantee: str, most: int | None) -> str:
        """Named by hop; the way end to end only where no single hop shows it."""
        hops = [leg for leg in self.legs if guarantee in leg.refuted and not leg.end_to_end]
        where = []
        for leg in hops or [leg for leg in self.legs if guarantee in leg.refuted]:
            lost, twice = [label for label, _ in leg.lost], leg.duplicated
            words = {
                "ordered": [f"reordered {ids(leg.reordered, most)}"],
                "at most once": [f"duplicated {ids(twice, most)}"] if twice else [],
                "at least once": [f"lost {len(lost)} ({ids(lost, most)})"] if lost else [],
            }
            words["exactly once"] = words["at most once"] + words["at least once"]
            where.append(f"{' and '.join(words[guarantee])} between {leg.sender} and {leg.receiver}")
        return f"{guarantee}: refuted, {'; '.join(where)}"

    def __str__(self) -> str:
        return "\n".join([*(str(leg) for leg in self.legs), *self.sentences])

    __repr__ = __str__


class Judge:
    """Judges a history while it goes on. Each event is looked at once: a verdict costs no more at the end of a long history."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.journeys = Journeys()
        self.hops = Hops(self.journeys)
        self.outboxes = Outboxes()
        """Up to date when a verdict was asked for."""
        self._ways = Ways(self.journeys, self.hops)
        for event in events:
            self.feed(event)

    def feed(self, event: Event) -> None:
        """Take in the next journal event."""
        self.journeys.feed(event)
        self.hops.notice()

    def verdict(self) -> Verdict:
        """By now."""
        changed = self.hops.update()
        self._ways.update(changed)
        self.outboxes.update(changed)
        return Verdict((*self.hops.legs(), *self._ways.legs()))


def verdict(events: Iterable[Event]) -> Verdict:
    """Judge a history: the events of a journal."""
    return Judge(events).verdict()
