"""Arrivals: what the handlers of one leg were given, in that order, and what of it came again or too late."""

from collections import Counter
from dataclasses import dataclass

from realtime_lab.history.copies import Copy, Message


@dataclass(frozen=True, slots=True)
class Arrival:
    """One reception that counts."""

    at: int
    """When it came, and when its handler returned (journal positions; -1: it has not)."""
    done: int
    seq: int
    """Which message this was, as far as the leg is concerned."""
    line: tuple[str, bool]
    place: tuple[int, int]
    """Whose messages have an order, and where in it this one stands."""


def arrival_of(copy: Copy, message: Message) -> Arrival:
    """The reception of a copy, counted as one of this message."""
    return Arrival(copy.arrived, copy.handled, message.seq, (message.origin, message.offset >= 0), message.place)


class Arrivals:
    """What comes last is cheap to add. For what came before it, what is behind is taken back and added again."""

    def __init__(self) -> None:
        self.received: list[str] = []
        """The label of each, in the order of coming."""
        self.twice: list[str] = []
        """Of those that had come before."""
        self.late: list[str] = []
        """Of those that came first after one that was sent later, or has a higher offset."""
        self._came: list[tuple[Arrival, str]] = []
        self._before: list[tuple[int, int, tuple[int, int] | None]] = []
        """How many came twice or late before each, and what was the latest in its line."""
        self._times: Counter[int] = Counter()
        self._latest: dict[tuple[str, bool], tuple[int, int]] = {}

    def add(self, arrival: Arrival, label: str) -> None:
        """It came, and has this label."""
        behind = self._take_back(arrival.at)
        self._push(arrival, label)
        for each in behind:
            self._push(*each)

    def remove(self, arrival: Arrival) -> None:
        """It does not count any more."""
        for each in self._take_back(arrival.at)[1:]:
            self._push(*each)

    def _push(self, arrival: Arrival, label: str) -> None:
        latest = self._latest.get(arrival.line)
        self._came.append((arrival, label))
        self._before.append((len(self.twice), len(self.late), latest))
        self.received.append(label)
        if self._times[arrival.seq]:
            self.twice.append(label)
        else:
            self.late += [label] * (latest is not None and arrival.place < latest)
            self._latest[arrival.line] = max(arrival.place, latest or arrival.place)
        self._times[arrival.seq] += 1

    def _take_back(self, at: int) -> list[tuple[Arrival, str]]:
        """Everything that came at this time or later, in the order of coming."""
        behind: list[tuple[Arrival, str]] = []
        while self._came and self._came[-1][0].at >= at:
            arrival, label = self._came.pop()
            twice, late, latest = self._before.pop()
            self.received.pop()
            del self.twice[twice:], self.late[late:]
            self._times[arrival.seq] -= 1
            if latest is None:
                self._latest.pop(arrival.line, None)
            else:
                self._latest[arrival.line] = latest
            behind.append((arrival, label))
        return behind[::-1]
