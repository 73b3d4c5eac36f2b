"""The outbox of a client: every event goes through it, one way for all guarantees: emit, keep, send, forget.

What waits is the send buffer's to decide (rules/send_buffer.py), what is sent again the retry rule's (rules/retry.py, in sending.py),
what survives the process the keeper's. The options of the client choose which of each.
"""

import asyncio

from realtime_lab.errors import BufferFull, NotConnected, NotSettled
from realtime_lab.history.journal import GIVEN_UP
from realtime_lab.net.connection import Connection
from realtime_lab.net.delivery import Delivery, Fate
from realtime_lab.net.envelope import Peer
from realtime_lab.net.item import Item
from realtime_lab.net.keeper import Keeper
from realtime_lab.net.packets import Content, Observer, brief, content_of, ignore
from realtime_lab.net.sending import Again, Once, Sender
from realtime_lab.rules.retry import RetryRule
from realtime_lab.rules.send_buffer import Drop, Keep, Refuse, SendBuffer


class Outbox:
    """All methods are called on the client's loop.

    retry                   None: each event is sent once, and has no number
    paced                   is the buffer on? (see Once)
    batch                   may what has a number travel together? (see Together)
    """

    def __init__(
        self,
        buffer: SendBuffer,
        retry: RetryRule | None,
        keeper: Keeper,
        *,
        paced: bool,
        ack_timeout: float | None,
        batch: bool,
        observe: Observer,
    ) -> None:
        self._buffer, self._keeper, self._observe = buffer, keeper, observe
        self._once = Once(self, ack_timeout, paced=paced)
        self._again = None if retry is None or ack_timeout is None else Again(self, retry, ack_timeout, batch=batch)
        self._sender: Sender = self._again or self._once
        self._senders: tuple[Sender, ...] = (self._once,) if self._again is None else (self._once, self._again)
        self._connected = False
        self._emitted = 0
        self._items: dict[int, Item] = {}
        """Key -> what is not finished."""
        self._numbers: dict[int, None] = {}
        """The numbers that are not finished, in order."""
        self._ready = 0
        """How many of the waiting ones may leave, because they are safely kept. They are the first ones."""
        self._timer: asyncio.TimerHandle | None = None
        self._emitting = False
        """Is an event being handed in, after which everything is looked at anyhow?"""

    @property
    def idle(self) -> bool:
        """Will nothing more happen by itself? What waits for a connection waits."""
        return not self._connected or len(self._items) == (self._again.stuck if self._again else 0)

    @property
    def settled(self) -> bool:
        """Is nothing left to be sent or waited for?"""
        return not self._items

    @property
    def waiting(self) -> tuple[int, ...]:
        """The emissions that wait in the send buffer."""
        return self._buffer.keys

    @property
    def under_way(self) -> dict[int, int]:
        """Emission -> how often it was sent, for the events in the retry window."""
        return {item.key: tries for item, tries in self._again.tries.items()} if self._again else {}

    @property
    def peer(self) -> Peer:
        """What the client announces about itself."""
        return Peer(self._keeper.client_id, next(iter(self._numbers), self._keeper.highest + 1), nack=True)

    async def open(self) -> None:
        """Open the memory, and take over what an earlier run left. Raises StoreInUse, StoreFailed."""
        pending = await self._keeper.open()
        restored: dict[int, None] = {}
        for left in pending:
            item = self._new(left.event, content_of(left.data))
            item.n, item.gone, item.earlier = left.n, left.gone, True
            restored[left.n] = None
            if left.gone:
                item.record("restored", id=self._id(item), reason=GIVEN_UP)
                item.delivery.settle(Fate("unknown", reason="an earlier run gave it up"))
            else:
                item.record("restored", id=self._id(item), event=left.event, text=brief(left.data))
        self._numbers = {**restored, **self._numbers}
        for item in reversed([item for item in self._items.values() if item.n in restored]):
            self._buffer.restore(item.key, item.content.size, _now(), gone=item.gone)
        self._ready += len(pending)
        self._arm()

    # -- what happens ---------------------------------------------------------------------------------------------------------------

    def emit(self, event: str, content: Content, *, volatile: bool) -> Delivery:
        """Raises NotConnected, BufferFull."""
        item = self._new(event, content)
        if self._observe is not ignore:
            data = content.data
            item.record("emitted", event=event, text=brief(data), data=data, reason="volatile" if volatile else "")
        match self._buffer.emit(item.key, content.size, _now(), connected=self._connected, volatile=volatile):
            case Refuse(reason, full):
                self._refuse(item, reason, full=full)
            case Drop(reason):
                self._discard(item, reason, Fate("rejected", reason=reason))
                self.finished(item)
            case Keep():
                self._emitting = True
                self._keeper.keep(event, content, lambda n: self._kept(item, n), lambda error: self._not_kept(item, error))
            case _:
                self._once.send(item)
        self._emitting = False
        if len(self._buffer) <= 1 or self._sender.room:  # else it waits behind others, and the first of them has set the timer
            self._pump()
        return item.delivery

    def opened(self, connection: Connection) -> None:
        """There is a connection."""
        self._connected = True
        for sender in self._senders:
            sender.connected(connection)
        self._pump()

    def greeted(self) -> None:
        """The server has said what it understands."""
        if self._again is not None:
            self._again.greeted()

    def ended(self) -> None:
        """The connection is gone."""
        self._connected = False
        for sender in self._senders:
            sender.disconnected()
        self._arm()

    async def flush(self, timeout: float) -> None:
        """Wait until everything that was emitted so far is settled. Raises NotSettled."""
        open_now = [asyncio.ensure_future(_fate_of(item.delivery)) for item in self._items.values() if item.delivery.fate is None]
        if open_now:
            _, left = await asyncio.wait(open_now, timeout=timeout)
            for each in left:
                each.cancel()
            if left:
                hint = "They stay where they are; wait longer, or see why nothing is acknowledged."
                raise NotSettled(f"{len(left)} of {len(open_now)} events are not settled after {timeout:g} s. {hint}")

    async def close(self, *, abandoned: bool = False) -> None:
        """Settle what is open and close the memory. `abandoned`: the client starts anew, and what only it remembered is lost."""
        await self._keeper.close()
        for item in list(self._items.values()):
            if item.n and self._keeper.durable:
                item.delivery.settle(Fate("unknown", reason="it is kept in the store; the next start goes on with it"))
            elif abandoned and item.delivery.fate is None:
                item.record("forgotten", reason="the client started anew")
                item.delivery.settle(Fate("unknown", reason="the client started anew"))
            elif not item.tickets:
                item.tell(Fate("rejected", reason="the client was closed before it was sent"))
            else:
                item.tell(Fate("unknown", reason="the client was closed before an acknowledgement came"))
        self._items.clear()
        self._buffer.withdraw(self._buffer.keys)
        self._arm()

    # -- what the senders say -------------------------------------------------------------------------------------------------------

    def buried(self, item: Item) -> None:
        """Only the number of this event is still needed."""
        if item.n:
            self._keeper.give_up(item.n, lambda written: None)

    def finished(self, item: Item) -> None:
        """Nothing more is to be done for it."""
        self._items.pop(item.key, None)
        if item.n:
            self._numbers.pop(item.n, None)
            self._keeper.forget(item.n)

    def changed(self) -> None:
        """There may be room again, or another deadline."""
        self._pump()

    # -- its steps ------------------------------------------------------------------------------------------------------------------

    def _new(self, event: str, content: Content) -> Item:
        self._emitted += 1
        item = self._items[self._emitted] = Item(self._emitted, event, content, Delivery(asyncio.get_running_loop()), self._observe)
        return item

    def _id(self, item: Item) -> str:
        return f"{self._keeper.client_id}:{item.n}" if item.n else ""

    def _refuse(self, item: Item, reason: str, *, full: bool) -> None:
        item.record("refused", event=item.event, reason=reason)
        self.finished(item)
        if full:
            raise BufferFull(f"{item.event!r} was not accepted: {reason}. Emit less until it is connected, or give it a larger buffer.")
        raise NotConnected(f"{item.event!r} was not sent: the client is not connected, and a bare client keeps nothing for later.")

    def _kept(self, item: Item, n: int) -> None:
        """It is safe; with a number the retry rule keeps it until it is settled."""
        item.n = n
        item.delivery.keep()
        self._ready += 1
        if n:
            self._numbers[n] = None
        if n or not self._connected:
            reason = "waits for its turn" if self._connected else "not connected"
            item.record("buffered", event=item.event, id=self._id(item), reason=reason)
        if item.gone:
            self._write_down(item)
        if not self._emitting:
            self._pump()

    def _not_kept(self, item: Item, error: OSError) -> None:
        self._buffer.withdraw([item.key])
        self._discard(item, "the store failed", Fate("rejected", reason=str(error)))
        self.finished(item)

    def _pump(self) -> None:
        """Let go what may leave, then wait for what comes next."""
        for key in self._buffer.expire(_now()):
            self._too_old(self._items[key])
        keys = self._buffer.take(min(self._sender.room, self._ready))
        self._ready -= len(keys)
        for key in keys:
            self._sender.send(self._items[key])
        self._arm()

    def _discard(self, item: Item, reason: str, fate: Fate) -> None:
        item.record("discarded", event=item.event, reason=reason)
        item.tell(fate)

    # -- one timer ------------------------------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        times = [self._buffer.next_deadline(), *[sender.next_deadline() for sender in self._senders]]
        due = min([time for time in times if time is not None], default=None)
        if self._timer is not None:
            if due is not None and self._timer.when() <= due:
                return  # it rings too early, and is set again then: cheaper than to set it again each time
            self._timer.cancel()
        self._timer = None if due is None else asyncio.get_running_loop().call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        for sender in self._senders:
            sender.tick(_now())
        self._pump()

    def _too_old(self, item: Item) -> None:
        reason = "too old: it waited longer than its maximum age"
        item.record("discarded", event=item.event, reason=reason)
        fate = Fate("unknown" if item.earlier else "rejected", reason=reason)
        if self._again is None:
            self._ready -= 1
            item.tell(fate)
            self.finished(item)
        else:
            item.bury(fate)
            self._write_down(item)

    def _write_down(self, item: Item) -> None:
        """That it is too old. It is told when it is written: a process that ends before that is followed by one that sends it."""
        fate = item.fate
        if item.n and fate is not None:
            may_be_sent = Fate("unknown", reason=f"{fate.reason}; the store failed, so another start of this client may send it")
            self._keeper.give_up(item.n, lambda written: item.tell(fate if written else may_be_sent))


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _fate_of(delivery: Delivery) -> Fate:
    return await delivery
