"""Feed: performs for one connection what rules/cursor.py decides. It reads the log, hands over, and waits when there is no room.

However far behind a client is, only one page of the log, of limited size, is in memory for it. A client with replay says from time to
time that it has handled everything so far (the acknowledgement of one event in STRIDE); for any other peer the only measure is what the
transport has taken.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Literal, TypeVar

from realtime_lab.errors import StoreFailed, StoreInUse
from realtime_lab.net.envelope import SESSION, Peer, seal_session, seal_stored
from realtime_lab.net.event_log import Log
from realtime_lab.net.event_reader import Page, Stored
from realtime_lab.net.packets import Observer, brief
from realtime_lab.net.reporting import report
from realtime_lab.net.sockets import engine_socket
from realtime_lab.rules.cursor import Cursor, Send, Tell

T = TypeVar("T")

PAGE = 100
"""Events that are read at once."""
PORTION = 10
"""Events that are handed to the transport at once. python-engineio decodes 16 packets of one long-polling payload (measured)."""
BYTES = 256 * 1024
"""Of stored text in one page, and handed to the transport at once, at most; a larger event goes alone."""
STRIDE, WINDOW = 64, 2
"""So many events make a stride, and so many strides may be on their way without having been handled."""
PAUSE, PAUSE_MAX = 0.5, 5.0
"""Seconds until a database that has failed is asked again."""


class Feed:
    """Runs from the acceptance of a connection until `stop`. `rooms`: what this connection may see."""

    def __init__(self, sio: Any, sid: str, peer: Peer, log: Log, *, rooms: Collection[str], observe: Observer) -> None:
        self._sio, self._sid, self._peer, self._log = sio, sid, peer, log
        self._rooms, self._observe = rooms, observe
        self._cursor: Cursor[Stored] = Cursor(peer.known)
        self._news = asyncio.Event()
        self._credit = asyncio.Semaphore(WINDOW)
        self._sent = 0
        self._untaken = 0
        """Bytes that were handed over since the transport had taken everything."""
        self._waits_for: Literal["", "news", "client"] = ""
        self.task: asyncio.Task[None] = asyncio.ensure_future(self._run())

    @property
    def idle(self) -> bool:
        """Will nothing more be sent by itself, until there is news or the client has handled what it was given?"""
        return self.task.done() or self._waits_for == "client" or (self._waits_for == "news" and not self._news.is_set())

    def wake(self) -> None:
        """There is something new in the log."""
        self._news.set()

    def stop(self) -> None:
        """The connection is over."""
        self.task.cancel()

    async def _run(self) -> None:
        """Until it is stopped. Raises AlreadyClosed when somebody closes the log under it."""
        while self._sio.manager.is_pre_connected(self._sid, "/"):  # noqa: ASYNC110  # its acceptance is being written
            await asyncio.sleep(0)
        page = await self._surely(lambda: self._log.read(0, 0))
        await self._perform(self._cursor.begin(epoch=self._log.epoch, trimmed=page.trimmed, head=page.head))
        while True:
            self._news.clear()
            page = await self._surely(lambda: self._log.read(self._cursor.after, PAGE, rooms=self._rooms, max_bytes=BYTES))
            last = page.complete and len(page.events) < PAGE
            await self._send(page, last)
            if last:
                await self._wait_for("news", self._news.wait())

    async def _send(self, page: Page, last: bool) -> None:
        events = ((each.offset, each) for each in page.events)
        for effect in self._cursor.read(events, trimmed=page.trimmed, head=page.head, last=last):
            await self._perform(effect)

    async def _perform(self, effect: Tell | Send[Stored]) -> None:
        match effect:
            case Tell(session):
                self._observe("session", sid=self._sid, offset=session.offset, reason=session.reason)
                await self._sio.emit(SESSION, seal_session(session), to=self._sid)
            case Send(offset, stored):
                data = await self._surely(lambda: _data(stored))
                asks = await self._room(stored.size)
                self._observe("sent", sid=self._sid, offset=offset, event=stored.event, text=brief(data))
                await self._sio.emit(stored.event, seal_stored(offset, data), to=self._sid, callback=self._handled if asks else None)

    async def _room(self, size: int) -> bool:
        """Wait until another event may be handed over. Is its acknowledgement to be asked for?"""
        self._sent += 1
        if self._sent % PORTION == 0 or self._untaken + size > BYTES:
            await self._taken()
            self._untaken = 0
        self._untaken += size
        if not self._peer.replays or self._sent % STRIDE:
            return False
        await self._wait_for("client", self._credit.acquire())
        return True

    async def _taken(self) -> None:
        """The transport has taken everything so far."""
        socket = engine_socket(self._sio, self._sid)
        if socket is not None:
            await socket.queue.join()

    def _handled(self, *answer: Any) -> None:
        """The client has handled everything up to one stride."""
        self._credit.release()

    async def _wait_for(self, whom: Literal["news", "client"], what: Awaitable[object]) -> None:
        self._waits_for = whom
        try:
            await what
        finally:
            self._waits_for = ""

    async def _surely(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until there is an answer. What fails is reported; the connection stays, and nothing is skipped."""
        pause = PAUSE
        while True:
            try:
                return await ask()
            except (StoreFailed, StoreInUse) as error:
                message = f"the events for {self._sid} have to wait: {type(error).__name__}: {error}"
                report(message, error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, PAUSE_MAX)


async def _data(stored: Stored) -> Any:
    """What was appended, or StoreFailed."""
    return stored.data
