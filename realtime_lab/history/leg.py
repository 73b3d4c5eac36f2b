"""Legs: what one way from a sender to a receiver lost, repeated and reordered, in labels such as "#4"."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from realtime_lab.history.copies import Copy, Message

GUARANTEES = ("ordered", "at most once", "at least once", "exactly once")


@dataclass(frozen=True)
class Leg:
    """One way from a sender to a receiver: one hop, or end to end. The ids are labels such as "#4"."""

    sender: str
    receiver: str
    sent: tuple[str, ...]
    received: tuple[str, ...]
    """In the order in which the handler was given them, repeats included. What was rolled back does not count."""
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
    begun: tuple[str, ...]
    """The same in the order in which they were given them."""
    end_to_end: bool = False
    wire_only: bool = False
    """A foreign client: judged only for what crossed its link."""
    acked_unhandled: tuple[str, ...] = ()
    """The sender was told "acked", but no handler was given it, or what its handler did was rolled back."""
    unknown: tuple[str, ...] = ()
    """The sender waited for an acknowledgement in vain: it knows neither that it arrived nor that it was lost."""

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
        return self.finished != self.begun

    def __str__(self) -> str:
        parts = [f"{len(self.sent)} sent", f"{self.arrived} arrived"]
        parts += [f"{len(self.lost)} lost ({ids([label for label, _ in self.lost])})"] if self.lost else []
        for word, labels in (("duplicated", self.duplicated), ("reordered", self.reordered), ("still on the way", self.in_flight)):
            parts += [f"{len(labels)} {word} ({ids(labels)})"] if labels else []
        parts += [f"{len(self.refused)} refused by emit ({ids(self.refused)})"] if self.refused else []
        parts += [f"{len(self.unknown)} of unknown fate to its sender ({ids(self.unknown)})"] if self.unknown else []
        parts += (
            [f"{len(self.acked_unhandled)} acknowledged but never handled ({ids(self.acked_unhandled)})"] if self.acked_unhandled else []
        )
        parts += ["handlers finished in another order"] if self.finished_out_of_order else []
        notes = [" (end to end)"] if self.end_to_end else [" (seen on the wire only)"] if self.wire_only else []
        return f"{self.name}{''.join(notes)}: {', '.join(parts)}"


def leg_of(
    sender: str,
    receiver: str,
    *,
    sent: list[Message],
    came: list[Copy],
    lost: list[tuple[Message, str]],
    in_flight: list[Message],
    refused: Sequence[Message] = (),
    acked_unhandled: Sequence[Message] = (),
    unknown: Sequence[Message] = (),
    wire_only: bool = False,
    end_to_end: bool = False,
) -> Leg:
    """The leg in labels. `came` is what handlers were given, for good, in any order."""
    came = sorted(came, key=lambda copy: copy.arrived)
    done = sorted((copy for copy in came if copy.handled >= 0), key=lambda copy: copy.handled)
    label = _labels([*sent, *refused])
    received = [copy.message.source if end_to_end else copy.message for copy in came]
    return Leg(
        sender,
        receiver,
        sent=tuple(label(message) for message in sent),
        received=tuple(label(message) for message in received),
        lost=tuple((label(message), reason) for message, reason in lost),
        duplicated=once(label(message) for message in _repeats(received)),
        reordered=once(label(message) for message in _late(received)),
        in_flight=tuple(label(message) for message in in_flight),
        refused=tuple(label(message) for message in refused),
        finished=tuple(label(copy.message) for copy in done),
        begun=tuple(label(copy.message) for copy in came if copy.handled >= 0),
        end_to_end=end_to_end,
        wire_only=wire_only,
        acked_unhandled=tuple(label(message) for message in acked_unhandled),
        unknown=tuple(label(message) for message in unknown),
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
    """First receptions that came after a message which the same author sent later, or which has a higher offset."""
    latest: dict[tuple[str, bool], tuple[int, int]] = {}
    late = []
    for message in {message.seq: message for message in received}.values():
        line = message.origin, message.offset >= 0
        if message.place < latest.get(line, message.place):
            late.append(message)
        latest[line] = max(message.place, latest.get(line, message.place))
    return late


def _repeats(received: Sequence[Message]) -> list[Message]:
    seen: set[int] = set()
    return [message for message in received if message.seq in seen or seen.add(message.seq)]  # type: ignore[func-returns-value]


def once(labels: Iterable[str]) -> tuple[str, ...]:
    """Each label once, in the order of its first time."""
    return tuple(dict.fromkeys(labels))


def ids(labels: Iterable[str]) -> str:
    """Labels side by side."""
    return " ".join(labels)
