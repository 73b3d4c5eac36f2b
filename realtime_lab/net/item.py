"""An event on its way out of a client, and how one send of it is made and recorded."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from realtime_lab.history.journal import Kind
from realtime_lab.net.connection import Connection, Ticket
from realtime_lab.net.delivery import Delivery, Fate
from realtime_lab.net.envelope import Reply, reply
from realtime_lab.net.packets import NOTHING, Content, Observer, ignore


@dataclass(slots=True, eq=False)
class Item:
    """An event that is not finished."""

    key: int
    """The running number of the emission, for the record."""
    event: str
    content: Content
    delivery: Delivery
    observe: Observer
    n: int = 0
    """The number that it travels under; 0: none, or none yet."""
    earlier: bool = False
    """An earlier run accepted it, and may have sent it."""
    gone: bool = False
    """Only its tombstone is left."""
    fate: Fate | None = None
    """What its sender will be told as soon as it is written down."""
    inside: int = -1
    """Its place in the batch that it left in at last; -1: it left alone."""
    tickets: tuple[Ticket, ...] = ()
    """Its sends on the latest connection: an acknowledgement of any of them counts."""

    def record(self, kind: Kind, **details: Any) -> None:
        """Something happened to it."""
        if self.observe is not ignore:
            self.observe(kind, message=self.key, **details)

    def tell(self, fate: Fate) -> None:
        """Its sender learns the fate; the first one counts."""
        if self.delivery.settle(fate):
            self.record("settled", reason=fate.outcome, text=fate.reason)

    def bury(self, fate: Fate | None = None) -> None:
        """It will not be sent any more. `fate`: what its sender is still to be told."""
        self.gone, self.content, self.fate = True, NOTHING, fate

    def ask(self, connection: Connection, data: Any, attempt: int, then: Callable[[Reply], object]) -> None:
        """Send it and ask for an acknowledgement; `then` is given what comes."""

        def answered(*answer: Any) -> None:
            said = reply(answer)
            self.record_answer(ticket, said)
            then(said)

        ticket = connection.send(self.event, data, answered=answered)
        self.leaves(ticket, attempt)

    def leaves(self, ticket: Ticket, attempt: int, inside: int = -1) -> None:
        """It is sent. `inside`: its place in a batch."""
        self.inside = inside
        self.record_sent(ticket.connection, attempt, inside)
        earlier = [each for each in self.tickets if each.connection is ticket.connection]
        self.tickets = (*earlier, ticket)

    def record_answer(self, ticket: Ticket, said: Reply, inside: int = -1) -> None:
        """An acknowledgement came."""
        reason = "ok" if said.ok else said.error
        self.record("acked", sid=ticket.connection.sid, index=ticket.index, inside=inside, reason=reason)

    def forget_tickets(self) -> None:
        """No acknowledgement is waited for any more."""
        for ticket in self.tickets:
            ticket.connection.forget(ticket)

    def record_sent(self, connection: Connection, attempt: int, inside: int = -1) -> None:
        """It was handed to this connection."""
        reason = "given up" if self.gone else ""
        self.record("sent", event=self.event, sid=connection.sid, inside=inside, attempt=attempt, reason=reason)

    def record_timeout(self, connection: Connection, attempt: int, reason: str) -> None:
        """No acknowledgement came in time for its latest send."""
        place = {"index": self.tickets[-1].index if self.tickets else -1, "inside": self.inside}
        self.record("timed_out", event=self.event, sid=connection.sid, attempt=attempt, reason=reason, **place)
