"""The verdict: what was lost, duplicated or reordered between whom, and which guarantees this history refutes.

It is judged from outside: only what applications handed in and what handlers were given counts, never what a client or the server
believes. One run can refute a guarantee; it can never prove one, and the wording says so.

The words follow Socket.IO, "Delivery guarantees": ordered, at most once, at least once, exactly once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from realtime_lab.history.journal import Event
from realtime_lab.history.journeys import SERVER, Copy, Journeys, Message

GUARANTEES = ("ordered", "at most once", "at least once", "exactly once")


@dataclass(frozen=True)
class Leg:
    """One way from a sender to a receiver: one hop, or end to end. The ids are labels such as "#4"."""

    sender: str
    receiver: str
    sent: tuple[str, ...]
    received: tuple[str, ...]
    """In the order in which the handler was given them, repeats included."""
    lost: tuple[tuple[str, str], ...]
    """(id, reason)"""
    duplicated: tuple[str, ...]
    reordered: tuple[str, ...]
    """Came after a message that was sent later."""
    in_flight: tuple[str, ...]
    """Not decided yet: neither received nor lost."""
    refused: tuple[str, ...]
    """emit() raised an error, so nothing was promised. Not counted as sent."""
    finished: tuple[str, ...]
    """In the order in which the handlers returned."""
    end_to_end: bool = False
    wire_only: bool = False
    """A foreign client: judged only for what crossed its link."""

    @property
    def name(self) -> str:
        """Who to whom, in words."""
        return f"{self.sender} to {self.receiver}"

    @property
    def arrived(self) -> int:
        """How many of the messages arrived at least once. (What the server passed on twice is two messages of one id.)"""
        return len(set(self.received)) if self.end_to_end else len(self.sent) - len(self.lost) - len(self.in_flight)

    @property
    def refuted(self) -> tuple[str, ...]:
        """The guarantees that this leg refutes, in the order of GUARANTEES."""
        broken = {
            "ordered": bool(self.reordered),
            "at most once": bool(self.duplicated),
            "at least once": bool(self.lost),
            "exactly once": bool(self.duplicated or self.lost),
        }
        return tuple(name for name in GUARANTEES if broken[name])

    @property
    def finished_out_of_order(self) -> bool:
        """Did handlers return in another order than they were given their messages? Socket.IO promises nothing about it."""
        done = set(self.finished)
        return self.finished != tuple(label for label in self.received if label in done)

    def __str__(self) -> str:
        parts = [f"{len(self.sent)} sent", f"{self.arrived} arrived"]
        parts += [f"{len(self.lost)} lost ({_ids([label for label, _ in self.lost])})"] if self.lost else []
        for word, labels in (("duplicated", self.duplicated), ("reordered", self.reordered), ("still on the way", self.in_flight)):
            parts += [f"{len(labels)} {word} ({_ids(labels)})"] if labels else []
        parts += [f"{len(self.refused)} refused by emit ({_ids(self.refused)})"] if self.refused else []
        parts += ["handlers finished in another order"] if self.finished_out_of_order else []
        notes = [" (end to end)"] if self.end_to_end else [" (seen on the wire only)"] if self.wire_only else []
        return f"{self.name}{''.join(notes)}: {', '.join(parts)}"


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
        return _once(label for leg in self.legs for label, _ in leg.lost)

    @property
    def duplicated(self) -> tuple[str, ...]:
        """Ids received more than once on any leg."""
        return _once(label for leg in self.legs for label in leg.duplicated)

    @property
    def reordered(self) -> tuple[str, ...]:
        """Ids that came after a message that was sent later, on any leg."""
        return _once(label for leg in self.legs for label in leg.reordered)

    @property
    def in_flight(self) -> tuple[str, ...]:
        """Ids whose fate is not decided yet."""
        return _once(label for leg in self.legs for label in leg.in_flight)

    @property
    def refuted(self) -> tuple[str, ...]:
        """The guarantees that this history refutes on some leg, in the order of GUARANTEES."""
        return tuple(name for name in GUARANTEES if any(name in leg.refuted for leg in self.legs))

    @property
    def sentences(self) -> tuple[str, ...]:
        """One sentence for each refuted guarantee, with the ids and where it happened; then what the run leaves open."""
        lines = [self._because(name) for name in self.refuted]
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
                "ordered": [f"reordered {_ids(leg.reordered)}"] if leg.reordered else [],
                "at most once": [f"duplicated {_ids(twice)}"] if twice else [],
                "at least once": [f"lost {len(lost)} ({_ids(lost)})"] if lost else [],
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
    hops: dict[tuple[str, str], list[Copy]] = {}
    for copy in journeys.copies:
        hops.setdefault((copy.sender, copy.receiver), []).append(copy)
    legs = [_hop(*ends, copies) for ends, copies in hops.items()]
    return Verdict((*legs, *_end_to_end(journeys, hops)))


def _hop(sender: str, receiver: str, copies: list[Copy]) -> Leg:
    fates = {fate: [copy for copy in copies if copy.fate == fate] for fate in ("lost", "in flight", "refused")}
    reached = {copy.message.seq for copy in copies if copy.fate == "arrived"}
    lost = [copy for copy in fates["lost"] if copy.message.seq not in reached]
    pending = [copy for copy in fates["in flight"] if copy.message.seq not in reached]
    gone = {copy.message.seq for copy in pending}
    return _leg(
        sender,
        receiver,
        sent=_messages(copy.message for copy in copies if copy.fate != "refused"),
        copies=copies,
        lost=list({copy.message.seq: (copy.message, copy.reason) for copy in lost if copy.message.seq not in gone}.values()),
        in_flight=_messages(copy.message for copy in pending),
        refused=[copy.message for copy in fates["refused"]],
        wire_only=any(copy.wire_only for copy in copies),
    )


def _end_to_end(journeys: Journeys, hops: dict[tuple[str, str], list[Copy]]) -> list[Leg]:
    """From each author to each participant to whom the server passed on at least one of the author's messages."""
    passed_on: dict[tuple[str, str], list[Copy]] = {}
    for (sender, receiver), copies in hops.items():
        if sender == SERVER:
            for copy in copies:
                if copy.message.root is not None:
                    passed_on.setdefault((copy.message.source.origin, receiver), []).append(copy)
    return [
        _through(author, receiver, hops.get((author, SERVER), []), copies, journeys.joined.get(receiver, -1))
        for (author, receiver), copies in passed_on.items()
    ]


def _through(author: str, receiver: str, first: list[Copy], second: list[Copy], joined: int) -> Leg:
    """Both hops as one: a message is lost if the first hop lost it, or the second lost every copy of it.

    What was sent before the receiver joined was not meant for it.
    """
    names = {copy.message.source.event for copy in second}
    reached = {copy.message.source.seq for copy in second if copy.fate == "arrived"}
    first = [copy for copy in first if copy.message.event in names and copy.fate != "refused"]
    sent = _messages(copy.message for copy in first if copy.message.seq > joined or copy.message.seq in reached)
    moving = {copy.message.source.seq for copy in (*first, *second) if copy.fate == "in flight"} - reached
    reasons = {copy.message.source.seq: copy.reason for copy in (*second, *first) if copy.fate == "lost"}
    missing = [message for message in sent if message.seq not in reached and message.seq not in moving]
    lost = [(message, reasons[message.seq]) for message in missing if message.seq in reasons]
    waiting = [message for message in sent if message.seq in moving]
    return _leg(author, receiver, sent=sent, copies=second, lost=lost, in_flight=waiting, refused=[], wire_only=False, end_to_end=True)


def _leg(
    sender: str,
    receiver: str,
    *,
    sent: list[Message],
    copies: list[Copy],
    lost: list[tuple[Message, str]],
    in_flight: list[Message],
    refused: list[Message],
    wire_only: bool,
    end_to_end: bool = False,
) -> Leg:
    came = sorted((copy for copy in copies if copy.fate == "arrived"), key=lambda copy: copy.arrived)
    done = sorted((copy for copy in came if copy.handled >= 0), key=lambda copy: copy.handled)
    label = _labels([*sent, *refused])
    received = [copy.message.source if end_to_end else copy.message for copy in came]
    return Leg(
        sender,
        receiver,
        sent=tuple(label(message) for message in sent),
        received=tuple(label(message) for message in received),
        lost=tuple((label(message), reason) for message, reason in lost),
        duplicated=_once(label(message) for message in _repeats(received)),
        reordered=_once(label(message) for message in _late(received)),
        in_flight=tuple(label(message) for message in in_flight),
        refused=tuple(label(message) for message in refused),
        finished=tuple(label(copy.message) for copy in done),
        end_to_end=end_to_end,
        wire_only=wire_only,
    )


class _labels:
    """Ids for one leg: "#4", and with the event's name or the author's where "#4" alone would mean two messages."""

    def __init__(self, messages: Sequence[Message]) -> None:
        sources = {message.source.seq: message.source for message in messages}.values()
        self._events = len({source.event for source in sources}) > 1
        self._origins = len({source.origin for source in sources}) > 1

    def __call__(self, message: Message) -> str:
        source = message.source
        words = [source.origin] * self._origins + [source.event] * self._events + [source.label]
        return " ".join(words)


def _late(received: Sequence[Message]) -> list[Message]:
    """First receptions that came after a message which the same author sent later."""
    latest: dict[str, int] = {}
    late = []
    for message in {message.seq: message for message in received}.values():
        if message.seq < latest.get(message.origin, -1):
            late.append(message)
        latest[message.origin] = max(message.seq, latest.get(message.origin, -1))
    return late


def _messages(messages: Iterable[Message]) -> list[Message]:
    """Each once, in the order in which they were handed in."""
    return sorted({message.seq: message for message in messages}.values(), key=lambda message: message.seq)


def _repeats(received: Sequence[Message]) -> list[Message]:
    seen: set[int] = set()
    return [message for message in received if message.seq in seen or seen.add(message.seq)]  # type: ignore[func-returns-value]


def _once(labels: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(labels))


def _ids(labels: Sequence[str]) -> str:
    return " ".join(labels)
