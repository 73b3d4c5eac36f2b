"""A learner's sender in place of `rules/retry.py`: the client performs what it decides, on the real stack."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from realtime_lab.rules.retry import Done, Effect, Send, Settle, TimedOut

Call = Callable[..., Any]
"""Calls a function of the learner's, guarded."""


class Sender(Protocol):
    """What a learner writes. Each method is told what has happened, and returns the numbers of the messages to send now, in order.

    A message may be sent again as often as you like, until it is acknowledged. Nothing can be sent while there is no connection.
    """

    def __init__(self) -> None:
        """There is a connection, and nothing was emitted yet."""

    def emitted(self, n: int) -> Iterable[int]:
        """The application has emitted message n. There is a connection, or there will be one: see `connected`."""

    def acknowledged(self, n: int) -> Iterable[int]:
        """The server has it."""

    def timed_out(self, n: int) -> Iterable[int]:
        """It was sent, and no answer has come in time."""

    def disconnected(self) -> Iterable[int]:
        """The connection is gone. The answers to what was sent will never come, and nothing can be sent now."""

    def connected(self) -> Iterable[int]:
        """There is a connection again."""


class WrongDecision(Exception):
    """The learner's code asks for what nobody can do."""


@dataclass
class LearnersRetry:
    """A `RetryRule` that asks a `Sender` for every decision. It keeps the clock and counts the tries; it decides nothing.

    An error of the learner's code is not the client's: it goes to `failed`, and nothing is sent any more.
    """

    sender: Any
    call: Call
    failed: Callable[[Exception], None]
    ack_timeout: float
    over: bool = False
    room: int = 256
    tries: dict[int, int] = field(default_factory=dict)
    deadlines: dict[int, float] = field(default_factory=dict)
    online: bool = False
    began: bool = False

    @property
    def first(self) -> int | None:
        """The lowest number that is not finished."""
        return min(self.tries, default=None)

    def add(self, n: int, now: float, *, tombstone: bool = False) -> list[Effect]:
        """The application has emitted it."""
        self.tries[n] = 0
        return self._sends("emitted", (n,), now)

    def connected(self, now: float) -> list[Effect]:
        """The first connection is where it begins; the learner is told of the others."""
        first, self.began, self.online = not self.began, True, True
        return [] if first else self._sends("connected", (), now)

    def disconnected(self) -> list[Effect]:
        """Nothing that was asked will be answered."""
        self.online = False
        self.deadlines.clear()
        return self._sends("disconnected", (), 0.0)

    def acknowledged(self, n: int, now: float) -> list[Effect]:
        """The server has it."""
        if n not in self.tries:
            return []
        del self.tries[n]
        self.deadlines.pop(n, None)
        return [Settle(n, "acked"), Done(n), *self._sends("acknowledged", (n,), now)]

    def refused(self, n: int, now: float, reason: str, *, draw: float, retryable: bool, gap: bool = False) -> list[Effect]:
        """To the learner a refusal is an answer that never came."""
        return self._late(n, now) if n in self.deadlines else []

    def tick(self, now: float, draw: float) -> list[Effect]:
        """Who has waited too long?"""
        return [effect for n in [n for n, due in self.deadlines.items() if due <= now] for effect in self._late(n, now)]

    def next_deadline(self) -> float | None:
        """The first that will have waited too long."""
        return min(self.deadlines.values(), default=None)

    def _late(self, n: int, now: float) -> list[Effect]:
        del self.deadlines[n]
        return [TimedOut(n, self.tries[n]), *self._sends("timed_out", (n,), now)]

    def _sends(self, happened: str, arguments: tuple[int, ...], now: float) -> list[Effect]:
        if self.over:
            return []
        asked = f"{happened}({', '.join(map(str, arguments))})"
        try:
            numbers = _numbers(asked, self.call(getattr(self.sender, happened), *arguments))
            return [self._send(asked, n, now) for n in numbers]
        except Exception as error:  # noqa: BLE001  # whatever it is, it is the learner's, and is shown to them
            self.over = True
            self.failed(error)
            return []

    def _send(self, asked: str, n: int, now: float) -> Effect:
        if n not in self.tries:
            raise WrongDecision(f"{asked} returned {n}, but there is no message {n} that waits for an acknowledgement")
        if not self.online:
            raise WrongDecision(f"{asked} returned {n}, but there is no connection: nothing can be sent now. Return [] there")
        self.tries[n] += 1
        self.deadlines[n] = now + self.ack_timeout
        return Send(n, self.tries[n])


def _numbers(asked: str, answer: Any) -> list[int]:
    if isinstance(answer, (list, tuple)) and all(isinstance(n, int) and not isinstance(n, bool) for n in answer):
        return list(answer)
    raise WrongDecision(f"{asked} returned {answer!r}. Return a list of numbers, for example [1, 2], or [] to send nothing")
