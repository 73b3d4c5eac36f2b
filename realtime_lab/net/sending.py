"""How events leave a client: once, as Socket.IO does by itself, or again and again until they are acknowledged."""

import asyncio
import math
import random
from collections.abc import Sequence
from typing import Protocol

from realtime_lab.history.journal import NOT_ASKED
from realtime_lab.net.connection import Connection
from realtime_lab.net.delivery import Fate
from realtime_lab.net.envelope import Peer, Reply, seal
from realtime_lab.net.item import Item
from realtime_lab.net.together import Together
from realtime_lab.rules.retry import Done, Effect, RetryRule, Send, Settle, TimedOut

ACKED = Fate("acked")
"""Of most events."""


class Owner(Protocol):
    """The outbox, as its senders see it."""

    @property
    def peer(self) -> Peer:
        """What the client announced about itself."""

    def buried(self, item: Item) -> None:
        """Only the number of this event is still needed."""

    def finished(self, item: Item) -> None:
        """Nothing more is to be done for it."""

    def changed(self) -> None:
        """There may be room again, or another deadline."""


class Sender(Protocol):
    """What the outbox asks of either way."""

    @property
    def room(self) -> float:
        """How many events may be handed over now."""

    def send(self, item: Item) -> None:
        """The next event leaves the buffer. Only while there is room."""

    def connected(self, connection: Connection) -> None:
        """There is a new connection."""

    def disconnected(self) -> None:
        """It is gone."""

    def tick(self, now: float) -> None:
        """Time has passed."""

    def next_deadline(self) -> float | None:
        """When `tick` is to be called."""


class Once:
    """Each event is handed to the connection once. What the connection loses is lost.

    paced: not more at a time than the transport takes; the rest stays in the buffer, where a break cannot lose it.
    """

    def __init__(self, owner: Owner, ack_timeout: float | None, *, paced: bool) -> None:
        self._owner, self._ack_timeout, self._paced = owner, ack_timeout, paced
        self._connection: Connection | None = None
        self._under_way: dict[Item, float] = {}
        """What was handed over, and when its acknowledgement is overdue."""

    @property
    def room(self) -> float:
        """A bare client hands over everything at once."""
        if self._connection is None:
            return 0
        return self._connection.room if self._paced else math.inf

    def send(self, item: Item) -> None:
        """Hand it over."""
        connection, peer = self._connection, self._owner.peer
        assert connection is not None
        data = seal(peer, 0, item.content.data) if peer.client_id else item.content.data
        if self._ack_timeout is None:
            self._under_way[item] = math.inf
            fate = Fate("unknown", reason=NOT_ASKED)
            item.record_sent(connection, 1)
            ticket = connection.send(item.event, data, handed_over=lambda: self._end(item, fate))
            item.tickets = (ticket,)
        else:
            self._under_way[item] = _now() + self._ack_timeout
            item.ask(connection, data, 1, lambda said: self._end(item, _fate(said)))

    def connected(self, connection: Connection) -> None:
        """Nothing is sent again."""
        self._connection = connection

    def disconnected(self) -> None:
        """Nobody will ever know."""
        self._connection = None
        asked = self._ack_timeout is not None
        for item in list(self._under_way):
            self._end(item, Fate("unknown", reason="the connection ended before an acknowledgement came" if asked else NOT_ASKED))

    def tick(self, now: float) -> None:
        """Overdue is unknown."""
        reason = f"no acknowledgement in {self._ack_timeout or 0:g} s"
        for item in [item for item, due in self._under_way.items() if due <= now]:
            assert self._connection is not None
            item.record_timeout(self._connection, 1, reason)
            self._end(item, Fate("unknown", reason=reason))

    def next_deadline(self) -> float | None:
        """All have the same patience, so the oldest is the first."""
        due = next(iter(self._under_way.values()), math.inf)
        return due if due < math.inf else None

    def _end(self, item: Item, fate: Fate) -> None:
        if self._under_way.pop(item, None) is not None:
            item.tell(fate)
            item.forget_tickets()
            self._owner.finished(item)


class Again:
    """Performs the retry rule: every event has a number and is sent until it is acknowledged or given up."""

    def __init__(self, owner: Owner, retry: RetryRule, ack_timeout: float, *, batch: bool) -> None:
        self._owner, self._retry, self._ack_timeout, self._batch = owner, retry, ack_timeout, batch
        self._together: Together | None = None
        self._connection: Connection | None = None
        self._items: dict[int, Item] = {}
        self._fates: dict[int, Fate] = {}
        """Of what is acknowledged, where there is more to be told."""

    @property
    def room(self) -> float:
        """What the window takes."""
        return self._retry.room if self._connection is not None else 0

    @property
    def stuck(self) -> int:
        """How many events nothing but the other side can move any more. With the library's own rule that never happens."""
        return len(self._items) if self._retry.next_deadline() is None else 0

    @property
    def tries(self) -> dict[Item, int]:
        """Item -> how often it was sent, for what is in the window."""
        return {self._items[n]: count for n, count in self._retry.tries.items()}

    def send(self, item: Item) -> None:
        """It enters the window."""
        self._items[item.n] = item
        self._perform(self._retry.add(item.n, _now(), tombstone=item.gone))

    def connected(self, connection: Connection) -> None:
        """What is in the window is sent again."""
        self._connection = connection
        self._together = Together(connection, lambda: self._owner.peer, self._answered) if self._batch else None
        self._perform(self._retry.connected(_now()))

    def greeted(self) -> None:
        """The server has said what it understands."""
        if self._together is not None:
            self._together.order()

    def disconnected(self) -> None:
        """A try is over."""
        self._connection = self._together = None
        self._perform(self._retry.disconnected())

    def tick(self, now: float) -> None:
        """Timeouts, and waits that are over."""
        self._perform(self._retry.tick(now, random.random()))

    def next_deadline(self) -> float | None:
        """The rule knows."""
        return self._retry.next_deadline()

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            item = self._items[effect.n]
            match effect:
                case Send(n, attempt, tombstone):
                    self._try(item, n, attempt, tombstone=tombstone)
                case TimedOut(_, attempt):
                    self._timed_out(item, attempt)
                case Settle(n, outcome, reason):
                    item.tell(self._fates.pop(n, ACKED) if outcome == "acked" else Fate(outcome, reason=reason))
                    if outcome == "unknown":
                        item.bury()
                        self._owner.buried(item)
                case Done():
                    self._done(item)

    def _try(self, item: Item, n: int, attempt: int, *, tombstone: bool) -> None:
        assert self._connection is not None
        if self._together is not None:
            self._together.add(item, attempt)
        else:
            data = seal(self._owner.peer, n, item.content.data, gone=tombstone)
            item.ask(self._connection, data, attempt, lambda said: self._answered([item], [said]))

    def _timed_out(self, item: Item, attempt: int) -> None:
        assert self._connection is not None
        item.record_timeout(self._connection, attempt, f"no acknowledgement in {self._ack_timeout:g} s")
        if self._together is not None:
            self._together.timed_out(item)

    def _done(self, item: Item) -> None:
        del self._items[item.n]
        self._fates.pop(item.n, None)  # of an acknowledgement that came after it was given up
        if self._together is None:
            item.forget_tickets()
        else:
            self._together.forget(item)
        self._owner.finished(item)

    def _answered(self, items: Sequence[Item], every: Sequence[Reply]) -> None:
        now = _now()
        for item, said in zip(items, every, strict=True):
            if said.ok:
                if (said.result is not None or said.forgotten) and item.n in self._items:
                    self._fates[item.n] = _fate(said)
                self._perform(self._retry.acknowledged(item.n, now))
            else:
                draw = random.random()
                self._perform(self._retry.refused(item.n, now, said.error, draw=draw, retryable=said.retryable, gap=said.gap))
        self._owner.changed()


def _fate(said: Reply) -> Fate:
    if said.forgotten:
        return Fate("unknown", reason="the server does not know any more what became of it")
    return Fate("acked", said.result) if said.ok else Fate("rejected", reason=said.error)


def _now() -> float:
    return asyncio.get_running_loop().time()
