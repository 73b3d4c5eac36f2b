"""Rule: a client's events are applied in the order of their numbers, each once; a number that was applied before is answered as before.

Source: Socket.IO, "Delivery guarantees" ("assign a unique ID to each event"); the shape is a high-water mark for each client, because
a client's numbers have no holes. So the memory of what was applied is one number and the latest answers, however many events there were.

    n = last + 1     apply it
    n <= last        a repeat: the answer of the first time, as far back as answers are kept; further back, that it is forgotten
    n >  last + 1    a gap: refused for now, because an earlier number may still come. To apply it would be to acknowledge
                     that earlier one later as a repeat, although it was never applied: the one fault that nobody would notice

The same number with other content is a conflict: two clients use one id, and to answer it as a repeat would lose it in silence.
A tombstone (the sender gave the event up) takes its number and applies nothing. Never looks at a connection or its `sid`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ANSWERS = 512
"""Answers kept for each client; as many events can be under way (rules/retry.py). A client that lost its notes may ask for older ones."""

Answer = Mapping[str, Any]

TOMBSTONE = ""
"""The fingerprint of an event whose sender gave it up."""

GIVEN_UP: Answer = {"ok": False, "error": "its sender had given it up", "retryable": False}

FORGOTTEN: Answer = {"ok": True, "forgotten": True}
"""It was decided, and nobody knows any more whether it was applied or refused for good."""


@dataclass(frozen=True)
class Apply:
    """It is new, and its turn."""


@dataclass(frozen=True)
class Repeat:
    """It was applied, refused for good or given up before: give this answer again."""

    answer: Answer


@dataclass(frozen=True)
class Gap:
    """It is too early."""

    expected: int


@dataclass(frozen=True)
class Conflict:
    """The number was used before for something else."""


Decision = Apply | Repeat | Gap | Conflict


class Ledger:
    """What is known of one client: the highest number that was decided, and the answers to the latest ones.

    `answers`: number -> (fingerprint of the content, answer).
    """

    def __init__(self, last: int = 0, answers: Mapping[int, tuple[str, Answer]] | None = None) -> None:
        self.last = last
        self._answers = dict(answers or {})

    def greet(self, first: int) -> None:
        """The client says that everything below `first` is finished for it, and will never be sent again."""
        if first - 1 > self.last:
            self.last = first - 1
            self._answers = {n: entry for n, entry in self._answers.items() if n > self.last - ANSWERS}

    def receive(self, n: int, fingerprint: str) -> Decision:
        """An event with number `n` (from 1) arrived."""
        if n == self.last + 1:
            return Apply()
        if n > self.last:
            return Gap(self.last + 1)
        known, answer = self._answers.get(n, (fingerprint, FORGOTTEN))
        if TOMBSTONE not in (known, fingerprint) and known != fingerprint:
            return Conflict()
        return Repeat({**answer, "duplicate": True})

    def decided(self, n: int, fingerprint: str, answer: Answer) -> None:
        """The event whose turn it was has been applied, refused for good, or given up."""
        if n != self.last + 1:
            raise ValueError(f"the next number is {self.last + 1}, not {n}")
        self.last = n
        self._answers[n] = (fingerprint, answer)
        self._answers.pop(n - ANSWERS, None)
