"""Rule: who comes back with an offset gets everything after it, in order, or is told that this cannot be, and why.

Source: Socket.IO, "Delivery guarantees" (at least once, server to client): "assign a unique ID to each event, persist the events in a
database, store the offset of the last received event on the client side, and send it upon reconnection". What that text leaves open:

- Only an offset of the same epoch means anything: a new database counts from 1 again.
- A first connection has no offset. It is told where the log stands, so that it loses nothing even if it is cut before its first event.
  0 is an offset: everything so far.
- What retention has removed cannot be replayed. Who needed it is told "truncated" and goes on with what is left.
- An offset beyond the log's head ("ahead") means that the log has forgotten: a backup took its place. To wait there would be for ever.
  A backup that grew past the offset before its client came back cannot be told from the log that it replaced; only a new epoch shows it.
- The offset is that of the last event that was *handled*; what comes at or below it is a repeat, and is dropped.

Never guesses from gaps: offsets grow, but not by one.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

Reason = Literal["", "new", "truncated", "epoch-changed", "ahead"]
REASONS: tuple[Reason, ...] = get_args(Reason)


class Position(NamedTuple):
    """Where somebody stands in a log: everything up to `offset` is behind it."""

    epoch: str
    """"": the epoch is not known, as for a client that does only what the page describes; then it is taken for the log's own."""
    offset: int


@dataclass(frozen=True)
class Session:
    """What a client is told when it was accepted: it stands at `offset` of `epoch`, and what follows is coming."""

    epoch: str
    offset: int
    reason: Reason = ""
    """Why it did not get everything since it was last here; "": it does."""

    @property
    def recovered(self) -> bool:
        """Does it get everything that it missed?"""
        return self.reason == ""

    @property
    def position(self) -> Position:
        """Where that is."""
        return Position(self.epoch, self.offset)


def welcome(known: Position | None, *, epoch: str, trimmed: int, head: int) -> Session:
    """The server's side: where the replay for this client begins.

    known       what the client says about itself; None on a first connection
    trimmed     everything up to this offset is gone
    head        the highest offset that was ever given
    """
    if known is None:
        return Session(epoch, head, "new")
    if known.epoch not in ("", epoch):
        return Session(epoch, trimmed, "epoch-changed")
    if known.offset > head:
        return Session(epoch, head, "ahead")
    if known.offset < trimmed:
        return Session(epoch, trimmed, "truncated")
    return Session(epoch, known.offset)


def moved(known: Position | None, session: Session) -> Position:
    """The client's side: where it stands after it was told. "Recovered" leaves it where it was, and it goes back only where the log did.

    A handler that was running when the client said where it stands may have moved it since then.
    """
    if known is None or known.epoch not in ("", session.epoch):
        return session.position
    if session.recovered:
        return Position(session.epoch, known.offset)
    if session.reason == "truncated":
        return Position(session.epoch, max(known.offset, session.offset))
    return session.position


def is_repeat(known: Position | None, offset: int) -> bool:
    """The client's side: was this event handled before?"""
    return known is not None and offset <= known.offset


def handled(known: Position | None, offset: int) -> Position:
    """The client's side: its handler has returned."""
    return Position(known.epoch if known else "", offset)
