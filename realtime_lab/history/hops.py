"""Hops: what one sender meant for one receiver, and how far each message got, over all of its copies.

Only what a handler was given counts as arrived, and only if nothing of it was rolled back. A message is lost when no copy of it arrived,
none is under way, and neither its client nor the log keeps it any more for this receiver.
"""

from collections.abc import Iterator
from typing import Literal

from realtime_lab.history.copies import SERVER, Copy, Message
from realtime_lab.history.journeys import Journeys
from realtime_lab.history.stored import Loss, Standing

Stage = Literal["arrived", "in flight", "lost"]

TURNED_AWAY = {
    "duplicate": "the server took it for a duplicate",
    "gap": "an earlier one was missing",
    "conflict": "its id was taken by another one",
    "replaced": "its connection had been replaced",
    "given up": "its client gave it up",
    "repeat": "it had been handled before",
}
"""Why what came is not given to a handler -> in words."""


class Hop:
    """One way from a sender to a receiver, with everything that was meant for it."""

    def __init__(self, sender: str, receiver: str, standing: Standing | None = None) -> None:
        """`standing`: the receiver's, to the log of the server that sends."""
        self.sender, self.receiver, self._standing = sender, receiver, standing
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
        return [copy for message, _ in self._of.values() for copy in self.given_of(message)]

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
        if self.given_of(message):
            return "arrived", ""
        if message.kept or any(copy.fate == "in flight" for copy in copies):
            return "in flight", ""
        if not message.logged or self._standing is None:
            return "lost", self._why_lost(message)
        loss = self._standing.loss(message)
        return ("lost", loss.reason or self._why_lost(message)) if loss else ("in flight", "")

    def loss(self, message: Message) -> Loss | None:
        """When and why a stored message was lost, if it was."""
        stage, reason = self.stage(message)
        loss = self._standing.loss(message) if stage == "lost" and message.logged and self._standing else None
        return loss and Loss(loss.seq, reason)

    def given_of(self, message: Message) -> list[Copy]:
        """The copies of this message that handlers were given, for good.

        A handler that refused a message for good was given it, although nothing remains of that.
        """
        _, copies = self._of[message.seq]
        given = [copy for copy in copies if copy.delivered]
        return given or [copy for copy in copies if copy.failed >= 0 and message.settled == "rejected"][-1:]

    def _why_lost(self, message: Message) -> str:
        """What happened last is the reason."""
        _, copies = self._of[message.seq]
        if message.gone:
            return message.gone
        if message.given_up:
            return f"given up after {len(copies)} {'try' if len(copies) == 1 else 'tries'}"
        if not copies and self.sender != SERVER:
            return "its client never sent it"
        if not copies:
            return message.meant_for.get(self.receiver) or f"{self.receiver} was not connected"
        return copies[-1].undone or TURNED_AWAY.get(copies[-1].turned_away, copies[-1].turned_away) or copies[-1].reason


def hops_of(journeys: Journeys) -> dict[tuple[str, str], Hop]:
    """(sender, receiver) -> the hop, in the order in which they were first needed."""
    hops: dict[tuple[str, str], Hop] = {}
    for _, ends, thing in sorted(_meant(journeys), key=lambda meant: meant[0]):
        if ends not in hops:
            hops[ends] = Hop(*ends, journeys.log.standing(ends[1]) if ends[0] == SERVER else None)
        if isinstance(thing, Copy):
            hops[ends].add_copy(thing)
        else:
            hops[ends].add(thing)
    return hops


def _meant(journeys: Journeys) -> Iterator[tuple[int, tuple[str, str], Copy | Message]]:
    """When what was meant for whom: each copy, and each message besides that may have none."""
    for copy in journeys.copies:
        if not copy.tombstone:
            yield copy.seq, (copy.sender, copy.receiver), copy
    for message in journeys.messages:
        if not message.tries and (message.was_kept or message.gone):
            yield message.seq, (message.origin, SERVER), message
        for name in message.meant_for:
            yield message.seq, (SERVER, name), message
