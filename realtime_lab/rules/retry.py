"""Rule: an event is sent again, in order, until it is acknowledged or its tries are used up; then its fate is unknown.

Source: Socket.IO, "Client options" (`retries`, `ackTimeout`) and "Delivery guarantees" (at least once). A try is a send, as in JavaScript:
a finite number of retries is not "at least once", only `math.inf` is. Where it differs from the JavaScript client, on purpose:

- Up to `window` events are under way at once (JavaScript: one). They leave in the order of their numbers on every connection, and the
  server refuses a number before its turn, so their order holds. With a server that does not number, only a window of 1 keeps the order.
- The window is a range of numbers: nothing leaves that is `window` or more ahead of the first one that is not finished, however many
  between them are. Else the server could forget how it answered the first one before that answer has arrived (rules/dedup.py).
- When an event came too early nothing leaves until everything under way is heard of: the answer to the one that is missing may be late,
  and what left meanwhile would be refused, again and again. Then a part of the window leaves, and each event that is finished lets one
  more be under way (as TCP does: RFC 5681, "slow start").
- A late acknowledgement of an earlier try counts. (JavaScript forgets a try with its timeout, so a server that is always slower than the
  timeout is asked again and again, and never believed.)
- A lost connection ends a try at once; a try that ran into its timeout is repeated after a random, growing wait.
- An event that was given up is never sent again. Its tombstone is, until it is acknowledged: the server waits for its number.
- A refusal that names itself final rejects the event, and the next one goes on. (JavaScript takes every acknowledgement for success.)

Never reads a clock and never draws a random number: `now` and `draw` (from 0 up to 1) are arguments. An event leaves the window only
acknowledged, refused for good, or as an acknowledged tombstone.
"""

import math
from bisect import insort
from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import Literal, Protocol

from realtime_lab.errors import InvalidSetting
from realtime_lab.rules import backoff

MAX_WINDOW = 512
"""The server keeps as many answers of a client (rules/dedup.py)."""

AFTER_GAP = 128
"""So much of the window leaves first after an event came too early."""


# Not frozen: some of these are made for each event, and that would take six times as long (measured).


@dataclass(slots=True)
class Send:
    """Hand this event, or only its tombstone, to the connection."""

    n: int
    attempt: int
    tombstone: bool = False


@dataclass(slots=True)
class TimedOut:
    """A try got no acknowledgement in time."""

    n: int
    attempt: int


@dataclass(slots=True)
class Settle:
    """The application learns the fate. Of "unknown" only a tombstone stays."""

    n: int
    outcome: Literal["acked", "rejected", "unknown"]
    reason: str = ""


@dataclass(slots=True)
class Done:
    """Number n is finished: nothing more will be sent for it."""

    n: int


Effect = Send | TimedOut | Settle | Done


class RetryRule(Protocol):
    """What a client asks of its retry rule: of `Retry`, or of one of your own. (What is not said here is said at `Retry`.)"""

    @property
    def room(self) -> int:
        """How many more events it takes."""

    @property
    def first(self) -> int | None:
        """The lowest number that is not finished."""

    @property
    def tries(self) -> dict[int, int]:
        """Number -> how often it was sent."""

    def add(self, n: int, now: float, *, tombstone: bool = False) -> list[Effect]:
        """The next event."""

    def connected(self, now: float) -> list[Effect]:
        """A new connection."""

    def disconnected(self) -> list[Effect]:
        """The connection is gone."""

    def acknowledged(self, n: int, now: float) -> list[Effect]:
        """The server has it."""

    def refused(self, n: int, now: float, reason: str, *, draw: float, retryable: bool, gap: bool = False) -> list[Effect]:
        """The server said no."""

    def tick(self, now: float, draw: float) -> list[Effect]:
        """Time has passed."""

    def next_deadline(self) -> float | None:
        """When `tick` is to be called."""


@dataclass(slots=True, eq=False)
class _Flight:
    n: int
    gone: bool
    tries: int = 0
    deadline: float | None = None
    """Under way: when this try is over."""
    rest: float | None = None
    """Waits before its next try."""


class Retry:
    """The window of one client. Every method returns what is to be done, in order.

    retries                 how often an event is sent again; math.inf for ever
    ack_timeout             seconds that a try may take
    window                  how many events may be under way
    delay, delay_max        seconds: the limits of the wait before a try is repeated (rules/backoff.py); 0 repeats at once
    """

    def __init__(self, *, retries: float, ack_timeout: float, window: int = 1, delay: float = 0.0, delay_max: float = 5.0) -> None:
        if isinstance(retries, bool) or not (retries == math.inf or (isinstance(retries, int) and retries >= 0)):
            raise InvalidSetting(f"retries={retries!r}: give a whole number, 0 or more, or math.inf to try for ever.")
        if isinstance(window, bool) or not isinstance(window, int) or not 1 <= window <= MAX_WINDOW:
            raise InvalidSetting(f"window={window!r}: give a whole number from 1 to {MAX_WINDOW}.")
        self._tries, self._ack_timeout, self._window = retries + 1, ack_timeout, window
        self._open = window
        """So much of the window may be under way now."""
        self._too_early = False
        """Did an event come too early, and is something else still under way?"""
        self._delays = {"initial": delay, "maximum": delay_max}
        self._flights: dict[int, _Flight] = {}
        """The window, in the order of the numbers."""
        self._under_way: dict[int, _Flight] = {}
        """Those of them that were sent and not heard of, in the order in which they were sent, and so of their deadlines."""
        self._waiting: deque[_Flight] = deque()
        """The others, in the order of the numbers."""
        self._connected = False

    @property
    def room(self) -> int:
        """How many more events the window takes."""
        return self._window - len(self._flights)

    @property
    def first(self) -> int | None:
        """The lowest number that is not finished; everything below it is."""
        return next(iter(self._flights), None)

    @property
    def tries(self) -> dict[int, int]:
        """Number -> how often it was sent, for what is in the window."""
        return {flight.n: flight.tries for flight in self._flights.values()}

    # -- what happens ---------------------------------------------------------------------------------------------------------------

    def add(self, n: int, now: float, *, tombstone: bool = False) -> list[Effect]:
        """The next event; its number is higher than those before. Only while there is `room`."""
        flight = self._flights[n] = _Flight(n, tombstone)
        self._waiting.append(flight)
        return self._send(now)

    def connected(self, now: float) -> list[Effect]:
        """A new connection: everything in the window is sent again, from the lowest number."""
        self._connected = True
        return self._send(now)

    def disconnected(self) -> list[Effect]:
        """The connection is gone, and with it every acknowledgement that was to come."""
        self._connected = False
        self._open, self._too_early = self._window, False
        effects: list[Effect] = []
        for flight in self._flights.values():
            flight.deadline = flight.rest = None
            effects += self._give_up(flight, "the connection ended before an acknowledgement came")
        self._under_way.clear()
        self._waiting = deque(self._flights.values())
        return effects

    def acknowledged(self, n: int, now: float) -> list[Effect]:
        """The server has it. An acknowledgement of an earlier try counts too."""
        return self._finish(n, now, "acked", "")

    def refused(self, n: int, now: float, reason: str, *, draw: float, retryable: bool, gap: bool = False) -> list[Effect]:
        """The server said no: for good, or for now. `gap`: only because an earlier number is missing."""
        flight = self._flights.get(n)
        if flight is None:
            return []
        if not retryable:
            return self._finish(n, now, "rejected", reason)
        if flight.deadline is None:
            return []  # the refusal of an earlier try: the next one waits already
        self._wait(flight)
        if gap and n != self.first:
            flight.tries -= 1  # nobody looked at it; it follows the one that is missing
            self._too_early = True
            return self._send(now)
        effects = self._give_up(flight, reason)
        if not effects:
            flight.rest = now + backoff.delay(flight.tries, draw, **self._delays)
        return effects + self._send(now)

    def tick(self, now: float, draw: float) -> list[Effect]:
        """Time has passed."""
        effects: list[Effect] = []
        late = [flight for flight in self._under_way.values() if flight.deadline is not None and flight.deadline <= now]
        for flight in sorted(late, key=_number):
            self._wait(flight)
            effects.append(TimedOut(flight.n, flight.tries))
            given_up = self._give_up(flight, f"no acknowledgement in {self._ack_timeout:g} s")
            if not given_up:
                flight.rest = now + backoff.delay(flight.tries, draw, **self._delays)
            effects += given_up
        return effects + self._send(now)

    def next_deadline(self) -> float | None:
        """When `tick` is to be called; None: nothing changes by time alone."""
        if not self._connected:
            return None
        times = [flight.deadline for flight in islice(self._under_way.values(), 1)]
        if not self._too_early:
            first = islice(self._waiting, 1)  # it holds back the others, however soon their own wait is over
            times += [flight.rest for flight in first if flight.n < self._end]
        return min((time for time in times if time is not None), default=None)

    # -- how it decides -------------------------------------------------------------------------------------------------------------

    def _send(self, now: float) -> list[Effect]:
        """Everything that may leave, in order: what rests holds back what has to follow it."""
        effects: list[Effect] = []
        if not self._waiting:  # mostly, when an acknowledgement comes
            return effects
        if self._too_early:
            if self._under_way:
                return effects
            self._open, self._too_early = min(AFTER_GAP, self._window), False
        end = self._end
        while self._waiting and self._connected:
            flight = self._waiting[0]
            if flight.n >= end or (flight.rest is not None and flight.rest > now):
                break
            self._waiting.popleft()
            self._under_way[flight.n] = flight
            flight.rest, flight.deadline = None, now + self._ack_timeout
            flight.tries += 1
            effects.append(Send(flight.n, flight.tries, flight.gone))
        return effects

    @property
    def _end(self) -> int:
        """From this number on nothing may leave."""
        return (self.first or 0) + self._open

    def _wait(self, flight: _Flight) -> None:
        """It is under way no more, and waits in its place."""
        flight.deadline = None
        del self._under_way[flight.n]
        insort(self._waiting, flight, key=_number)

    def _give_up(self, flight: _Flight, reason: str) -> list[Effect]:
        if flight.gone or flight.tries < self._tries:
            return []
        tries = "1 try" if flight.tries == 1 else f"{flight.tries} tries"
        flight.gone, flight.tries = True, 0
        return [Settle(flight.n, "unknown", f"given up after {tries}: {reason}")]

    def _finish(self, n: int, now: float, outcome: Literal["acked", "rejected"], reason: str) -> list[Effect]:
        flight = self._flights.pop(n, None)
        if flight is None:
            return []
        if self._under_way.pop(n, None) is None:
            self._waiting.remove(flight)
        if self._open < self._window:
            self._open += 1
        known = [] if flight.gone else [Settle(n, outcome, reason)]
        return [*known, Done(n), *self._send(now)]


def _number(flight: _Flight) -> int:
    return flight.n
