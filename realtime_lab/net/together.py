"""The numbered events of one client on one connection: what waits travels together, once the server has said that it understands that.

Until it has, or has answered an event without having said so, one event goes at a time: so nothing is sent that a foreign server would
not understand. A batch is put together in the moment in which it leaves, so nobody waits for it: an event that has nothing to wait for
goes at once and alone.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from realtime_lab.net import numbered
from realtime_lab.net.connection import Connection, Outgoing, Ticket
from realtime_lab.net.envelope import BATCH, Peer, Reply, reply, seal
from realtime_lab.net.item import Item

FLYING = 4
"""Batches that may be under way at once; what comes meanwhile waits, and makes the next one."""


@dataclass(eq=False, slots=True)
class _Flight:
    """What left in one packet."""

    items: list[Item] = field(default_factory=list)


class Together:
    """`answered` is called with events and what was said to each."""

    def __init__(
        self, connection: Connection, peer: Callable[[], Peer], answered: Callable[[Sequence[Item], Sequence[Reply]], None]
    ) -> None:
        self._connection, self._peer, self._answered = connection, peer, answered
        self._waiting: dict[Item, int] = {}
        """In order; which try it is."""
        self._flying: set[_Flight] = set()
        self._place: Ticket | None = None
        """Of the next packet, if the connection was asked to fetch it."""
        self._foreign = False
        """Has the server answered, and not said that it understands batches?"""

    def add(self, item: Item, attempt: int) -> None:
        """The next event; again, if it is a try that takes the place of one that has not left."""
        self._waiting[item] = attempt
        self.order()

    def forget(self, item: Item) -> None:
        """It need not be sent any more. Unless its place is taken and nobody else wants it: a repeat does no harm."""
        if self._place is None or len(self._waiting) > 1:
            self._waiting.pop(item, None)

    def timed_out(self, item: Item) -> None:
        """No answer to it came in time, so none is waited for before others leave."""
        self._flying = {flight for flight in self._flying if item not in flight.items}

    def order(self) -> None:
        """Let the connection fetch the next packet, if there may be one."""
        limit = math.inf if self._foreign else FLYING if self._connection.batches else 1
        if self._waiting and self._place is None and len(self._flying) < limit:
            self._place = self._connection.fetch(self._leave)

    def _leave(self) -> Outgoing:
        """The next packet."""
        flight, rows = _Flight(), list[str]()
        size = 0
        for item in self._waiting:
            row = _row(item) if self._connection.batches else None
            size += len(row or "")
            full = row is None or size > numbered.BYTES or len(rows) == numbered.ROWS
            if flight.items and (full or item.n != flight.items[-1].n + 1):
                break
            flight.items.append(item)
            if row is None:
                break
            rows.append(row)
        return self._packet(flight, rows)

    def _packet(self, flight: _Flight, rows: Sequence[str]) -> Outgoing:
        ticket, self._place = self._place, None
        assert ticket is not None
        self._flying.add(flight)
        (first, *others) = flight.items
        for place, item in enumerate(flight.items):
            item.leaves(ticket, self._waiting.pop(item), inside=place if others else -1)
        self.order()
        answered = partial(self._came, flight, ticket)
        if others:
            return Outgoing(BATCH, numbered.batch(rows), answered)
        return Outgoing(first.event, seal(self._peer(), first.n, first.content.data, gone=first.gone), answered)

    def _came(self, flight: _Flight, ticket: Ticket, *answer: Any) -> None:
        self._flying.discard(flight)
        self._foreign = not self._connection.batches
        one = len(flight.items) == 1
        said = [reply(answer)] if one else numbered.replies([item.n for item in flight.items], answer)
        for place, (item, each) in enumerate(zip(flight.items, said, strict=True)):
            item.record_answer(ticket, each, inside=-1 if one else place)
        self._answered(flight.items, said)
        self.order()


def _row(item: Item) -> str | None:
    """None: it goes alone."""
    if item.gone:
        return numbered.tombstone(item.n)
    if item.content.attachments or item.content.size > numbered.BYTES:
        return None
    return numbered.row(item.n, item.event, item.content.text)
