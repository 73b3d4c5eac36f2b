"""Outboxes: what each client has handed in, still keeps, and was told. Only messages that have changed are looked at again."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from realtime_lab.history.copies import Message
from realtime_lab.history.shelf import Shelf

Pile = Literal["waiting", "under way", "acked", "rejected", "unknown"]


@dataclass(eq=False)
class Outbox:
    """What one client has handed in."""

    handed_in: set[int] = field(default_factory=set)
    """Journal positions."""
    piles: dict[Pile, Shelf[str]] = field(default_factory=lambda: defaultdict(Shelf))
    """Kept and not sent yet, kept and sent, and what was told: the messages, in the order of handing in."""


class Outboxes:
    """Call `update()` with the messages that have changed."""

    def __init__(self) -> None:
        self._of: dict[str, Outbox] = defaultdict(Outbox)
        self._lies: dict[int, Pile] = {}
        """Message -> the pile on which it lies."""

    def of(self, name: str) -> Outbox:
        """What this client, or the server, has handed in."""
        return self._of[name]

    def update(self, changed: Iterable[Message]) -> None:
        """Look again at these."""
        for message in changed:
            if message.root is None:
                self._weigh(message)

    def _weigh(self, message: Message) -> None:
        outbox = self._of[message.origin]
        if message.number or message.copies or message.was_kept:
            outbox.handed_in.add(message.seq)
        else:  # it turned out to be another one
            outbox.handed_in.discard(message.seq)
        before, now = self._lies.pop(message.seq, None), _pile(message)
        if before is not None:
            outbox.piles[before].drop(message.seq)
        if now is not None:
            self._lies[message.seq] = now
            again = f" (try {message.tries})" if now == "under way" and message.tries > 1 else ""
            outbox.piles[now].put(message.seq, message.label + again)


def _pile(message: Message) -> Pile | None:
    if message.kept:
        return "under way" if message.tries else "waiting"
    told: dict[str, Pile] = {"acked": "acked", "rejected": "rejected", "unknown": "unknown"}
    return told.get(message.settled)
