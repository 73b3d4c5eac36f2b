"""The verdict: what was lost, duplicated or reordered between whom, and which guarantees this history refutes.

It is judged from outside: only what applications handed in and what handlers were given counts, never what a client or the server
believes. One run can refute a guarantee; it can never prove one, and the wording says so. What senders were told is set beside it: a
message that was acknowledged and never handled is the one fault that nothing excuses.

The words follow Socket.IO, "Delivery guarantees": ordered, at most once, at least once, exactly once.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from realtime_lab.history.copies import SERVER, Copy, Message
from realtime_lab.history.hops import Hop, hops_of
from realtime_lab.history.journal import Event
from realtime_lab.history.journeys import Journeys
from realtime_lab.history.leg import GUARANTEES, Leg, ids, leg_of, once

__all__ = ["GUARANTEES", "Leg", "Verdict", "verdict"]

FORGOTTEN = "the server never passed it on"


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
        lines = [
            f"acknowledged but never handled: {ids(leg.acked_unhandled)} between {leg.sender} and {leg.receiver}"
            for leg in self.legs
            if leg.acked_unhandled
        ]
        lines += [self._because(name) for name in self.refuted]
        standing = [name for name in GUARANTEES if name not in self.refuted]
        if not any(leg.sent or leg.refused for leg in self.legs):
            return ("Nothing was sent, so this run says nothing.",)
        if standing:
            lines.append(f"Not refuted by this run: {', '.join(standing)}. One run can refute a guarantee, never prove it.")
        return tuple(lines)

    def _because(self, guarantee: str) -> str:
        """Named by hop; the way end to end only where no single hop shows it."""
        hops = [leg for leg in self.legs if guarantee in leg.refuted and not leg.end_to_end]
        where = []
        for leg in hops or [leg for leg in self.legs if guarantee in leg.refuted]:
            lost, twice = [label for label, _ in leg.lost], leg.duplicated
            words = {
                "ordered": [f"reordered {ids(leg.reordered)}"] if leg.reordered else [],
                "at most once": [f"duplicated {ids(twice)}"] if twice else [],
                "at least once": [f"lost {len(lost)} ({ids(lost)})"] if lost else [],
            }
            words["exactly once"] = words["at most once"] + words["at least once"]
            where.append(f"{' and '.join(words[guarantee])} between {leg.sender} and {leg.receiver}")
        return f"{guarantee}: refuted, {'; '.join(where)}"

    def __str__(self) -> str:
        return "\n".join([*(str(leg) for leg in self.legs), *self.sentences])

    __repr__ = __str__


def verdict(history: Iterable[Event] | Journeys) -> Verdict:
    """Judge a history: the events of a journal, or the journeys already made from them."""
    journeys = history if isinstance(history, Journeys) else Journeys(history)
    hops = hops_of(journeys)
    return Verdict((*(_direct(hop) for hop in hops.values()), *_end_to_end(journeys, hops)))


def _direct(hop: Hop) -> Leg:
    sent = [message for message in hop.messages if not hop.refused(message)]
    stages = [(message, *hop.stage(message)) for message in sent]
    return leg_of(
        hop.sender,
        hop.receiver,
        sent=sent,
        came=hop.given,
        lost=[(message, reason) for message, stage, reason in stages if stage == "lost"],
        in_flight=[message for message, stage, _ in stages if stage == "in flight"],
        refused=[message for message in hop.messages if hop.refused(message)],
        wire_only=any(copy.wire_only for copy in hop.copies),
        acked_unhandled=[message for message, stage, _ in stages if stage != "arrived" and message.settled == "acked"],
        unknown=[message for message in sent if message.unsure],
    )


def _end_to_end(journeys: Journeys, hops: dict[tuple[str, str], Hop]) -> list[Leg]:
    """From each author to each participant to whom the server passed on at least one of the author's messages."""
    ways: dict[tuple[str, str], list[Message]] = {}
    for hop in hops.values():
        for message in hop.messages:
            if hop.sender == SERVER and message.root is not None:
                ways.setdefault((message.source.origin, hop.receiver), []).append(message)
    return [
        _through(journeys, hops.get((author, SERVER), Hop(author, SERVER)), hops[SERVER, receiver], passed_on)
        for (author, receiver), passed_on in ways.items()
    ]


def _through(journeys: Journeys, first: Hop, second: Hop, passed_on: list[Message]) -> Leg:
    """Both hops as one: a message is lost if the first hop lost it, the second lost every copy of it, or the server forgot it in between.

    What was sent before the receiver joined was not meant for it.
    """
    names, joined = {message.source.event for message in passed_on}, journeys.joined.get(second.receiver, -1)
    own = [message for message in first.messages if message.event in names and not first.refused(message)]
    came = [copy for message in passed_on for copy in second.given_of(message)]
    reached = {copy.message.source.seq for copy in came}
    moving = {message.seq for message in own if first.moving(message)}
    moving |= {message.source.seq for message in passed_on if second.moving(message)}
    reasons = {message.source.seq: reason for message in passed_on for stage, reason in [second.stage(message)] if stage == "lost"}
    reasons |= {message.seq: FORGOTTEN for message in _forgotten(journeys, first, own)}
    reasons |= {message.seq: reason for message in own for stage, reason in [first.stage(message)] if stage == "lost"}
    sent = [message for message in own if message.seq > joined or message.seq in reached]
    return leg_of(
        first.sender,
        second.receiver,
        sent=sent,
        came=came,
        lost=[(message, reasons[message.seq]) for message in sent if message.seq in reasons.keys() - reached - moving],
        in_flight=[message for message in sent if message.seq in moving - reached],
        end_to_end=True,
    )


def _forgotten(journeys: Journeys, first: Hop, own: list[Message]) -> list[Message]:
    """What the server's handler was given, and neither stored nor passed on to anybody."""
    passed_on = {message.source.seq for message in journeys.messages if message.origin == SERVER and message.root is not None}
    left = [message for message in own if message.seq not in passed_on and message.settled != "rejected" and not message.kept]
    return [message for message in left if (given := first.given_of(message)) and all(_over(journeys, copy) for copy in given)]


def _over(journeys: Journeys, copy: Copy) -> bool:
    """Does its handler do nothing more, and is what it did committed?"""
    return copy.failed >= 0 or (copy.committed if copy.message.event in journeys.transactional else copy.handled) >= 0
