"""Hops: what one sender meant for one receiver, and how far each message got, over all of its copies.

Only what a handler was given counts as arrived, and only if nothing of it was rolled back. A message is lost when no copy of it arrived,
none is under way, and its client does not keep it any more.
"""

from typing import Literal

from realtime_lab.history.copies import SERVER, Copy, Message
from realtime_lab.history.journeys import Journeys

Stage = Literal["arrived", "in flight", "lost"]

TURNED_AWAY = {
    "duplicate": "the server took it for a duplicate",
    "gap": "an earlier one was missing",
    "conflict": "its id was taken by another one",
    "replaced": "its connection had been replaced",
    "given up": "its client gave it up",
}
"""Why the server does not give what came to a handler -> in words."""


class Hop:
    """One way from a sender to a receiver, with everything that was meant for it."""

    def __init__(self, sender: str, receiver: str) -> None:
        self.sender, self.receiver = sender, receiver
        self.copies: list[Copy] = []
        self._of: dict[int, tuple[Message, list[Copy]]] = {}

    def add(self, message: Message) -> None:
        """The message was meant for this hop, whether or not it was ever sent."""
        self._of.setdefault(message.seq, (message, []))

    def add_copy(self, copy: Copy) -> None:
        """A copy was sent, or refused."""
        self.add(copy.message)
        self.copies.append(copy)
        self._of[copy.message.seq][1].append(copy)

    @property
    def messages(self) -> list[Message]:
        """Each once, in the order in which they were handed in."""
        return [self._of[seq][0] for seq in sorted(self._of)]

    @property
    def given(self) -> list[Copy]:
        """The copies that handlers were given, for good."""
        return [copy for message, _ in self._of.values() for copy in self._given(message)]

    def refused(self, message: Message) -> bool:
        """Did emit() refuse it, so that nothing was promised?"""
        return any(copy.refused for copy in self._of[message.seq][1])

    def moving(self, message: Message) -> bool:
        """Can a copy of it still arrive?"""
        under_way = any(copy.fate == "in flight" for copy in self._of[message.seq][1])
        return under_way or self.stage(message)[0] == "in flight"

    def stage(self, message: Message) -> tuple[Stage, str]:
        """How far the message got, and if it is lost, why."""
        _, copies = self._of[message.seq]
        if self._given(message):
            return "arrived", ""
        if message.kept or any(copy.fate == "in flight" for copy in copies):
            return "in flight", ""
        return "lost", _why_lost(message, copies)

    def _given(self, message: Message) -> list[Copy]:
        """A handler that refused a message for good was given it, although nothing remains of that."""
        _, copies = self._of[message.seq]
        given = [copy for copy in copies if copy.delivered]
        return given or [copy for copy in copies if copy.failed >= 0 and message.settled == "rejected"][-1:]


def _why_lost(message: Message, copies: list[Copy]) -> str:
    """What happened last is the reason."""
    if message.gone:
        return message.gone
    if message.given_up:
        return f"given up after {len(copies)} {'try' if len(copies) == 1 else 'tries'}"
    if not copies:
        return "its client never sent it"
    return copies[-1].undone or TURNED_AWAY.get(copies[-1].turned_away, copies[-1].turned_away) or copies[-1].reason


def hops_of(journeys: Journeys) -> dict[tuple[str, str], Hop]:
    """(sender, receiver) -> the hop, in the order in which they were first needed."""
    hops: dict[tuple[str, str], Hop] = {}
    unsent = [message for message in journeys.messages if not message.tries and (message.was_kept or message.gone)]
    things: list[Copy | Message] = [*(copy for copy in journeys.copies if not copy.tombstone), *unsent]
    for thing in sorted(things, key=lambda thing: thing.seq):
        ends = (thing.sender, thing.receiver) if isinstance(thing, Copy) else (thing.origin, SERVER)
        hop = hops.setdefault(ends, Hop(*ends))
        if isinstance(thing, Copy):
            hop.add_copy(thing)
        else:
            hop.add(thing)
    return hops
