"""Rule: stored events are handled one at a time, in order, and the offset moves only after the handler has returned.

Source: Socket.IO, "Delivery guarantees" ("store the offset of the last received event"); that text moves it when the event arrives, so an
event whose handler fails, or is still running when the process ends, is never handled.

- A handler that raises is tried again, with a growing wait. Meanwhile its event stays first, and the others wait behind it.
- When it has raised every time the inbox is halted: nothing more is handled until the application says `resume` or `skip`.
- What says nothing about the event, as a full disk does, is no reason to halt or to skip: that is tried again for as long as it lasts.
- What had come on a connection that is over, and was not begun, comes again on the next one, so it is forgotten here.

Never reads a clock and never draws a random number. Where it stands in the log is rules/replay.py.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from realtime_lab.rules import backoff
from realtime_lab.rules.replay import Position, Session, handled, is_repeat, moved

E = TypeVar("E")

TRIES = 4
"""How often a handler is called for one event before the inbox halts: once, and three times more."""


@dataclass(frozen=True)
class Handle(Generic[E]):
    """Call the handler, then say `handled` or `failed`."""

    event: E
    attempt: int


@dataclass(frozen=True)
class Repeat(Generic[E]):
    """It was handled before: drop it."""

    event: E


@dataclass(frozen=True)
class Moved:
    """A session has said where the client stands."""

    session: Session


Step = Handle[E] | Repeat[E] | Moved


class Inbox(Generic[E]):
    """Feed it what arrives, and ask it for the `next` step, one after the other.

    delay, delay_max    seconds: the limits of the wait before a handler is tried again (rules/backoff.py)
    """

    def __init__(self, position: Position | None = None, *, delay: float = 0.0, delay_max: float = 5.0) -> None:
        self.position = position
        self._delays = {"initial": delay, "maximum": delay_max}
        self._waiting: deque[tuple[int, E] | Session] = deque()
        """(offset, event)."""
        self._first: tuple[int, E] | None = None
        """What was begun and is not finished."""
        self._tries = 0
        self._excused = 0
        """How many of these tries do not count."""
        self._state: Literal["free", "handling", "resting", "halted"] = "free"
        self._rest: float = 0.0

    @property
    def position(self) -> Position | None:
        """Everything up to here is handled; None: it was never told where it stands."""
        return None if self._offset < 0 else Position(self._epoch, self._offset)

    @position.setter
    def position(self, position: Position | None) -> None:
        self._epoch, self._offset = position or ("", -1)

    @property
    def halted(self) -> int | None:
        """The offset of the event that it halted at, or None."""
        return self._first[0] if self._first is not None and self._state == "halted" else None

    @property
    def idle(self) -> bool:
        """Will nothing more happen by itself?"""
        return self._state == "halted" or (self._state == "free" and not self._waiting)

    @property
    def ready(self) -> bool:
        """Is there something to do at once?"""
        return self._state == "free" and bool(self._waiting)

    # -- what happens ---------------------------------------------------------------------------------------------------------------

    def arrived(self, offset: int, event: E) -> None:
        """A stored event came."""
        self._waiting.append((offset, event))

    def arrived_together(self, events: Iterable[tuple[int, E]]) -> None:
        """Many came at once, in order: (offset, event)."""
        self._waiting.extend(events)

    def told(self, session: Session) -> None:
        """A session came. It counts when everything that came before it is handled."""
        self._waiting.append(session)

    def disconnected(self) -> list[E]:
        """What was not begun comes again. Returns what is forgotten here."""
        forgotten = [waiting[1] for waiting in self._waiting if not isinstance(waiting, Session)]
        self._waiting.clear()
        return forgotten

    def next(self, now: float) -> Step[E] | None:
        """What is to be done now; None: nothing, until something arrives or `next_deadline` has come."""
        if self._state == "resting" and self._rest <= now and self._first is not None:
            return self._begin(self._first)
        if self._state != "free" or not self._waiting:
            return None
        waiting = self._waiting.popleft()
        if isinstance(waiting, Session):
            self.position = moved(self.position, waiting)
            return Moved(waiting)
        if is_repeat(self.position, waiting[0]):
            return Repeat(waiting[1])
        self._tries = 0
        return self._begin(waiting)

    def stretch(self) -> Iterator[E]:
        """The same as `next` for handlers that return at once: the events whose turn it is. To ask for another one is to say `handled`.

        Whoever leaves in the middle says what became of the last one. It ends where `next` has anything else to say.
        """
        if self._state != "free":
            return
        waiting = self._waiting
        while waiting:
            first = waiting[0]
            if isinstance(first, Session) or first[0] <= self._offset:
                break
            waiting.popleft()
            self._state, self._first, self._tries = "handling", first, 1
            yield first[1]
            self._offset = first[0]  # as `handled`, for a part of its price
        self._state, self._first = "free", None

    def handled(self) -> None:
        """The handler returned: the offset moves."""
        self._finish()

    def failed(self, now: float, draw: float, *, counts: bool = True) -> bool:
        """The handler raised. `counts`: because of the event. True: it halts here."""
        self._excused += not counts
        self._state = "halted" if self._tries - self._excused >= TRIES else "resting"
        self._rest = now + backoff.delay(self._tries, draw, **self._delays)
        return self._state == "halted"

    def resume(self) -> bool:
        """Try again what it halted at. False: it was not halted."""
        if self._state != "halted":
            return False
        self._state, self._rest, self._tries, self._excused = "resting", -math.inf, 0, 0
        return True

    def skip(self) -> None:
        """Go on without the event that has failed."""
        self._finish()

    def next_deadline(self) -> float | None:
        """When a handler is to be tried again."""
        return self._rest if self._state == "resting" else None

    # -- its steps ------------------------------------------------------------------------------------------------------------------

    def _begin(self, waiting: tuple[int, E]) -> Handle[E]:
        self._state, self._first = "handling", waiting
        self._tries += 1
        return Handle(waiting[1], self._tries)

    def _finish(self) -> None:
        assert self._first is not None
        self.position = handled(self.position, self._first[0])
        self._state, self._first, self._excused = "free", None, 0
