"""Tally: counts one leg, message by message. What is known of a message is put in again whenever it changes; nothing else is looked at."""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from realtime_lab.history.arrivals import Arrival, Arrivals
from realtime_lab.history.copies import Message
from realtime_lab.history.leg import Leg, once
from realtime_lab.history.shelf import Shelf

List = Literal["sent", "lost", "in flight", "refused", "acked, unhandled", "unknown"]


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of one message on one leg."""

    source: Message
    """As the application handed it in."""
    label: str
    since: tuple[int, int] | None
    """When it was meant for this leg; None: it only might have been."""
    on: tuple[List, ...]
    """The lists on which it stands."""
    given: tuple[Arrival, ...]
    reason: str = ""
    """Why it is lost."""
    wire_only: bool = False


class Tally:
    """`leg` is the sum of the latest entries."""

    def __init__(self, sender: str, receiver: str, *, end_to_end: bool = False) -> None:
        self.sender, self.receiver = sender, receiver
        self._end_to_end = end_to_end
        self._entries: dict[int, Entry] = {}
        self._since: Shelf[None] = Shelf()
        self._clear()

    def _clear(self) -> None:
        self._shelves: dict[List, Shelf[str]] = {}
        self._reasons: Shelf[tuple[str, str]] = Shelf()
        self._arrivals = Arrivals()
        self._begun: Shelf[str] = Shelf()
        self._finished: Shelf[str] = Shelf()
        self._events: Counter[str] = Counter()
        self._origins: Counter[str] = Counter()
        self._wire_only = 0
        self._leg: Leg | None = None
        self._words = (False, False)

    @property
    def first(self) -> tuple[int, int] | None:
        """When something was meant for this leg first; None: nothing was."""
        return self._since.keys[0] if len(self._since) else None

    def put(self, seq: int, entry: Entry | None) -> None:
        """What is known by now of the message that was handed in at `seq`; None: it was not meant for this leg after all."""
        old = self._entries.get(seq)
        if entry == old:
            return
        if old is not None:
            self._take(seq, self._entries.pop(seq))
        if entry is not None:
            self._entries[seq] = entry
            self._count(entry, 1)
        if self._words != self._needed():
            self._again()
        elif entry is not None:
            self._write(seq, entry)
        for each, change in ((old, self._since.drop), (entry, lambda key: self._since.put(key, None))):
            if each is not None and each.since is not None:
                change((*each.since, seq))
        self._leg = None

    def _count(self, entry: Entry, by: int) -> None:
        if "sent" in entry.on or "refused" in entry.on:
            self._events[entry.source.event] += by
            self._origins[entry.source.origin] += by
        self._wire_only += by * entry.wire_only

    def _needed(self) -> tuple[bool, bool]:
        """Would "#4" alone mean two messages, of several authors, of several events?"""
        return sum(map(bool, self._origins.values())) > 1, sum(map(bool, self._events.values())) > 1

    def _again(self) -> None:
        """Everything has another label."""
        self._clear()
        for entry in self._entries.values():
            self._count(entry, 1)
        self._words = self._needed()
        for seq, entry in sorted(self._entries.items()):
            self._write(seq, entry)

    def _write(self, seq: int, entry: Entry) -> None:
        author, event = self._words
        label = " ".join([entry.source.origin] * author + [entry.source.event] * event + [entry.label])
        for name in entry.on:
            self._shelves.setdefault(name, Shelf()).put(seq, label)
        if "lost" in entry.on:
            self._reasons.put(seq, (label, entry.reason))
        for arrival in entry.given:
            self._arrivals.add(arrival, label)
            if arrival.done >= 0:
                self._begun.put(arrival.at, label)
                self._finished.put(arrival.done, label)

    def _take(self, seq: int, entry: Entry) -> None:
        self._count(entry, -1)
        for name in entry.on:
            self._shelves[name].drop(seq)
        self._reasons.drop(seq)
        for arrival in entry.given:
            self._arrivals.remove(arrival)
            if arrival.done >= 0:
                self._begun.drop(arrival.at)
                self._finished.drop(arrival.done)

    def _list(self, name: List) -> tuple[str, ...]:
        return tuple(self._shelves[name].items) if name in self._shelves else ()

    @property
    def leg(self) -> Leg:
        """The leg in labels."""
        self._leg = self._leg or Leg(
            self.sender,
            self.receiver,
            sent=self._list("sent"),
            received=tuple(self._arrivals.received),
            lost=tuple(self._reasons.items),
            duplicated=once(self._arrivals.twice),
            reordered=once(self._arrivals.late),
            in_flight=self._list("in flight"),
            refused=self._list("refused"),
            finished=tuple(self._finished.items),
            begun=tuple(self._begun.items),
            end_to_end=self._end_to_end,
            wire_only=self._wire_only > 0,
            acked_unhandled=self._list("acked, unhandled"),
            unknown=self._list("unknown"),
        )
        return self._leg
