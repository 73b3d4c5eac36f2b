"""Rule: live is replay that has caught up. Each connection has a cursor that reads the log by offset, in order, and sends what it reads.

Source: Socket.IO, "Delivery guarantees" (server to client); there missed events are replayed from the database while new ones are
broadcast beside them, so a new one overtakes, and moves the client's offset over those that are still missing (measured: 6 to 10 lost).

- Nothing is ever sent but what was read from the log after the cursor's offset. A new event only wakes the cursor.
- The cursor begins where rules/replay.py says, and tells the client so before anything else.
- Where retention overtakes a slow client, the client is told "truncated", and goes on with what is left.

Never reads by itself and never waits.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from realtime_lab.rules.replay import Position, Session, welcome

E = TypeVar("E")


@dataclass(frozen=True)
class Tell:
    """Tell the client where it stands."""

    session: Session


@dataclass(frozen=True)
class Send(Generic[E]):
    """Send it this event."""

    offset: int
    event: E


Effect = Tell | Send[E]


class Cursor(Generic[E]):
    """The place of one connection in one log."""

    def __init__(self, known: Position | None) -> None:
        self._known = known
        self._epoch: str  # this and `after` are said by `begin`
        self.after: int
        """Everything up to here was sent, or was not for this client."""

    def begin(self, *, epoch: str, trimmed: int, head: int) -> Tell:
        """The connection was accepted, and the log stands like this."""
        session = welcome(self._known, epoch=epoch, trimmed=trimmed, head=head)
        self._epoch, self.after = epoch, session.offset
        return Tell(session)

    def read(self, events: Iterable[tuple[int, E]], *, trimmed: int, head: int, last: bool) -> list[Effect[E]]:
        """What the log had after `after`, with the state that it had in that moment. `last`: there was no more of it."""
        effects: list[Effect[E]] = []
        if trimmed > self.after:
            effects.append(Tell(Session(self._epoch, trimmed, "truncated")))
            self.after = trimmed
        for offset, event in events:
            effects.append(Send(offset, event))
            self.after = offset
        if last:
            self.after = max(self.after, head)  # what it did not give is not for this client
        return effects
