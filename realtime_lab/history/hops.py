"""Hops: what one sender meant for one receiver, and how far each message got, over all of its copies.

Only what a handler was given counts as arrived, and only if nothing of it was rolled back. A message is lost when no copy of it arrived,
none is under way, and neither its client nor the log keeps it any more for this receiver.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from realtime_lab.history.copies import SERVER, Copy, Message
from realtime_lab.history.stored import Loss, Stored

Stage = Literal["arrived", "in flight", "lost"]
Ends = tuple[str, str]
"""(sender, receiver)."""

TURNED_AWAY = {
    "duplicate": "the server took it for a duplicate",
    "gap": "an earlier one was missing",
    "conflict": "its id was taken by another one",
    "replaced": "its connection had been replaced",
    "given up": "its client gave it up",
    "repeat": "it had been handled before",
}
"""Why what came is not given to a handler -> in words."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One message on one hop, as far as it is known by now."""

    message: Message
    ends: Ends
    since: tuple[int, int]
    """When it was meant for this receiver (journal position), and which of those for whom it was meant then this is."""
    copies: tuple[Copy, ...]
    given: tuple[Copy, ...]
    """The copies that handlers were given, for good."""
    stage: Stage
    reason: str = ""
    """Why it is lost."""
    loss: Loss | None = None
    """When and why it was lost, if it was, although it is in the log."""

    @property
    def refused(self) -> bool:
        """Did emit() refuse it, so that nothing was promised?"""
        return any(copy.refused for copy in self.copies)

    @property
    def moving(self) -> bool:
        """Can a copy of it still arrive?"""
        return self.stage == "in flight" or any(copy.fate == "in flight" for copy in self.copies)


def passages_of(message: Message, log: Stored) -> dict[Ends, Passage]:
    """Where this message was meant to go, whether or not it was ever sent, and how far it got."""
    copies: dict[Ends, list[Copy]] = {}
    since: dict[Ends, tuple[int, int]] = {}
    for place, (seq, ends, copy) in enumerate(_meant(message)):
        copies.setdefault(ends, []).extend([copy] if copy else [])
        since[ends] = min(since.get(ends, (seq, place)), (seq, place))
    return {ends: _passage(message, ends, since[ends], tuple(copies[ends]), log) for ends in copies}


def _meant(message: Message) -> Iterator[tuple[int, Ends, Copy | None]]:
    for copy in message.copies:
        if not copy.tombstone:
            yield copy.seq, (copy.sender, copy.receiver), copy
    if not message.tries and (message.was_kept or message.gone):
        yield message.seq, (message.origin, SERVER), None
    for name in message.meant_for:
        yield message.seq, (SERVER, name), None


def _passage(message: Message, ends: Ends, since: tuple[int, int], copies: tuple[Copy, ...], log: Stored) -> Passage:
    if given := _given(message, copies):
        return Passage(message, ends, since, copies, given, "arrived")
    if message.kept or any(copy.fate == "in flight" for copy in copies):
        return Passage(message, ends, since, copies, (), "in flight")
    if not message.logged or ends[0] != SERVER:
        return Passage(message, ends, since, copies, (), "lost", _why_lost(message, ends, copies))
    loss = log.standing(ends[1]).loss(message)
    if loss is None:
        return Passage(message, ends, since, copies, (), "in flight")
    reason = loss.reason or _why_lost(message, ends, copies)
    return Passage(message, ends, since, copies, (), "lost", reason, Loss(loss.seq, reason))


def _given(message: Message, copies: tuple[Copy, ...]) -> tuple[Copy, ...]:
    """A handler that refused a message for good was given it, although nothing remains of that."""
    given = tuple(copy for copy in copies if copy.delivered)
    return given or tuple(copy for copy in copies if copy.failed >= 0 and message.settled == "rejected")[-1:]


def _why_lost(message: Message, ends: Ends, copies: tuple[Copy, ...]) -> str:
    """What happened last is the reason."""
    if message.gone:
        return message.gone
    if message.given_up:
        return f"given up after {len(copies)} {'try' if len(copies) == 1 else 'tries'}"
    if not copies and ends[0] != SERVER:
        return "its client never sent it"
    if not copies:
        return message.meant_for.get(ends[1]) or f"{ends[1]} was not connected"
    return copies[-1].undone or TURNED_AWAY.get(copies[-1].turned_away, copies[-1].turned_away) or copies[-1].reason
