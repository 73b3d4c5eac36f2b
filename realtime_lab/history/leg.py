"""Legs: what one way from a sender to a receiver lost, repeated and reordered, in labels such as "#4"."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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


def once(labels: Iterable[str]) -> tuple[str, ...]:
    """Each label once, in the order of its first time."""
    return tuple(dict.fromkeys(labels))


def ids(labels: Sequence[str], most: int | None = None) -> str:
    """Labels side by side; of more than `most` the first ones, and how many there are."""
    if most is None or len(labels) <= most:
        return " ".join(labels)
    return f"{' '.join(labels[:most])} … ({len(labels)})"
