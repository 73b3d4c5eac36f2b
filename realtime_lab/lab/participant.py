"""A participant: a real client and its own link, as a cell uses them."""

import asyncio
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

from realtime_lab.history.journal import Event, Journal, Kind
from realtime_lab.lab.loop_thread import LoopThread
from realtime_lab.net.client import Client
from realtime_lab.net.client_store import Effects
from realtime_lab.net.delivery import Delivery, Fate
from realtime_lab.net.handlers import H, Register
from realtime_lab.net.link import Link
from realtime_lab.net.packets import check_data, check_event
from realtime_lab.rules.replay import Session

AT_LATEST = 0.5
"""Seconds after which what a cell has emitted is sent even if the cell goes on without awaiting anything."""


LINK = (
    "url", "state", "stalled", "connections", "armed", "cut", "close", "stall", "resume", "refuse", "accept", "restore", "disarm",
    "latency", "jitter", "bandwidth",
)  # fmt: skip
"""What a cell may use of a link; starting and stopping it is the lab's business."""


class Outgoing:
    """What a cell emits in one go, handed to the clients in one go.

    A loop in a cell runs beside the lab's thread, so whether a break is noticed between its third and its fourth emit would be left to
    chance, and the lesson would show something else each time. So the emits of one uninterrupted stretch of code are collected and handed
    over together, in order, when the code awaits, ends, or asks the lab anything.
    """

    def __init__(self, thread: LoopThread) -> None:
        self._thread = thread
        self._lock = threading.Lock()
        self._waiting: list[Callable[[], None]] = []

    def add(self, emit: Callable[[], None]) -> None:
        """Hand over `emit` soon. Without a running loop in the caller's thread: now."""
        with self._lock:
            first = not self._waiting
            self._waiting.append(emit)
        try:
            callers = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        if first:
            callers.call_soon(self._thread.loop.call_soon_threadsafe, self._hand_over)
            self._thread.loop.call_soon_threadsafe(self._thread.loop.call_later, AT_LATEST, self._hand_over)

    def flush(self) -> None:
        """Hand over everything now, before what comes next."""
        if self._waiting:
            self._thread.call(self._hand_over)

    def _hand_over(self) -> None:
        with self._lock:
            ready, self._waiting = self._waiting, []
        for emit in ready:
            emit()


class Sent:
    """Returned by `alice.emit(...)`. `await` it for the fate: acked, rejected or unknown."""

    def __init__(self, thread: LoopThread, outgoing: Outgoing, *, volatile: bool) -> None:
        self._thread, self._outgoing, self._volatile = thread, outgoing, volatile
        self._delivery: Delivery | None = None
        self._error: Exception | None = None

    def hand_over(self, client: Client, event: str, data: Any) -> None:
        """Runs on the lab's thread."""
        try:
            self._delivery = (client.volatile if self._volatile else client).emit(event, data)
        except Exception as error:  # noqa: BLE001  # kept for whoever awaits; the journal says "refused" in any case
            self._error = error

    @property
    def fate(self) -> Fate | None:
        """The fate, or None while it is open. Raises NotConnected if the client had found out meanwhile that it is disconnected."""
        self._outgoing.flush()
        if self._error is not None:
            raise self._error
        return self._delivery.fate if self._delivery else None

    def __await__(self) -> Generator[Any, None, Fate]:
        return self._settled().__await__()

    async def _settled(self) -> Fate:
        self._outgoing.flush()
        if self._error is not None:
            raise self._error
        assert self._delivery is not None
        return await self._thread.run(_fate_of(self._delivery))

    def __repr__(self) -> str:
        return f"<Sent: {self._error or (self._delivery and self._delivery.fate) or 'not settled yet'}>"


async def _fate_of(delivery: Delivery) -> Fate:
    return await delivery


class Participant:
    """`alice`: emit(), on(), connected, and her link, with the same words as `realtime_lab.Client` and `realtime_lab.Link`."""

    def __init__(
        self, name: str, link: Link, shown_link: Any, options: dict[str, Any], *, journal: Journal, thread: LoopThread, outgoing: Outgoing
    ) -> None:
        self.name = name
        self._journal = journal
        self._options = options
        self._handlers: dict[str, Callable[..., Any]] = {}
        self.proxy = link
        """The link itself; it belongs to the lab's thread."""
        self.link = shown_link
        """The link, to be used from cells: cut(), close(), stall(), resume(), refuse(), accept(), restore(), latency, jitter, bandwidth."""
        self._thread = thread
        self._outgoing = outgoing
        self.client = self._new_client()
        """The client itself; it belongs to the lab's thread, and refresh() replaces it."""

    @property
    def asks(self) -> bool:
        """Does it ask for acknowledgements?"""
        return self._options.get("ack_timeout") is not None

    @property
    def has_outbox(self) -> bool:
        """Does it keep events, or learn what became of them?"""
        return self.asks or bool(self._options.get("send_buffer"))

    @property
    def connected(self) -> bool:
        """Does the client believe that it is connected?"""
        self._outgoing.flush()
        return self.client.connected

    @property
    def state(self) -> str:
        """The client's state: "connecting", "connected", "disconnected" or "closed"."""
        self._outgoing.flush()
        return self.client.state

    @property
    def replays(self) -> bool:
        """Does it get what it missed?"""
        return bool(self._options.get("replay"))

    @property
    def handles(self) -> tuple[str, ...]:
        """The events for which it was given handlers."""
        return tuple(self._handlers)

    @property
    def session(self) -> Session | None:
        """What the server has said last about where it stands in the log; `session.reason` says why it did not recover."""
        self._outgoing.flush()
        return self.client.session

    @property
    def recovered(self) -> bool | None:
        """Does it get everything that it missed?"""
        return self.session.recovered if self.session else None

    @property
    def offset(self) -> int | None:
        """The offset of the last stored event that it has handled."""
        self._outgoing.flush()
        return self.client.offset

    @property
    def halted(self) -> int | None:
        """The offset of the event whose handler has raised every time, so that it goes no further."""
        return self.client.halted

    def resume(self) -> None:
        """Try again what it halted at."""
        self._thread.call(self.client.resume)

    def skip(self, offset: int) -> None:
        """Go on without the event that it halted at. Raises UnknownFault if that is another one."""
        self._thread.call(self.client.skip, offset)

    def transaction(self) -> AbstractAsyncContextManager[Effects]:
        """As Client.transaction: in a handler, its effect and the offset in one transaction of the client's store."""
        return self.client.transaction()

    def on(self, event: str) -> Register:
        """Decorator: call the function with the data of each event of this name. It runs on the lab's thread, so it must not block."""
        register = self.client.on(event)

        def decorator(handler: H) -> H:
            self._handlers[event] = register(handler)
            return handler

        return decorator

    def emit(self, event: str, data: Any = None) -> Sent:
        """Send an event. Returns at once; everything that one stretch of code emits is handed over together.

        Raises NotConnected while a bare client knows that it is disconnected, BufferFull, PayloadTooLarge, ReservedName, NotSerialisable.
        """
        return self._emit(event, data, volatile=False)

    @property
    def volatile(self) -> "Volatile":
        """`alice.volatile.emit(...)`: drop the event if it cannot leave at once."""
        return Volatile(self)

    async def connect(self) -> None:
        """Connect, if `lab.prepare()` has made it; from then on it comes back by itself. Raises what Client.connect raises."""
        self._outgoing.flush()
        await self._thread.run(self.client.connect())

    async def start(self) -> None:
        """As connect(), but does not wait for the first connection."""
        self._outgoing.flush()
        await self._thread.run(self.client.start())

    async def refresh(self) -> None:
        """Start anew, as a page that is refreshed or a process that is killed: what only memory held is lost.

        The same program starts again, with the same options and handlers. It connects as soon as the link lets it.
        """
        self._outgoing.flush()
        await self._thread.run(self._refresh())

    async def _refresh(self) -> None:
        self._journal.record(self.name, "refreshed")
        await self.client.abort()
        self.client = self._new_client()
        for event, handler in self._handlers.items():
            self.client.on(event)(handler)
        await self.client.start()

    def _new_client(self) -> Client:
        """Its running numbers begin again, so the record continues where the last client's ended."""
        observer = partial(_record, self._journal, self.name, len(self._journal))
        return Client(self.proxy.url, observer=observer, **self._options)

    def _emit(self, event: str, data: Any, *, volatile: bool) -> Sent:
        check_event(event)
        data = check_data(data)
        sent = Sent(self._thread, self._outgoing, volatile=volatile)
        if self._thread.inside or not self.client.connected:
            self._outgoing.flush()
            self._thread.call(sent.hand_over, self.client, event, data)
            _ = sent.fate  # raises what emit() raised
        else:
            self._outgoing.add(lambda: sent.hand_over(self.client, event, data))
        return sent

    def __repr__(self) -> str:
        return f"<{self.name}: {self.client.state}, link {self.proxy.state}>"


class Volatile:
    """Emits that are dropped rather than kept."""

    def __init__(self, participant: Participant) -> None:
        self._participant = participant

    def emit(self, event: str, data: Any = None) -> Sent:
        """Send the event now or never; a dropped one is settled as "rejected"."""
        return self._participant._emit(event, data, volatile=True)


def _record(journal: Journal, name: str, earlier: int, kind: Kind, /, **details: Any) -> Event:
    """What a client says, under running numbers that no earlier client of this name has used."""
    if details.get("message", -1) >= 0:
        details["message"] += earlier
    return journal.record(name, kind, **details)
