"""Feed: performs for one connection what rules/cursor.py decides. It reads the log, hands over, and waits when there is no room.

However far behind a client is, only one page of the log, of limited size, is in memory for it. A client with replay says from time to
time that it has handled everything so far (the acknowledgement of one event in STRIDE, and of each batch); for any other peer the only
measure is what the transport has taken.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Literal, TypeVar

from realtime_lab.errors import StoreFailed, StoreInUse
from realtime_lab.net.batch import Batch
from realtime_lab.net.envelope import SESSION, Peer, reply, seal_session, seal_stored
from realtime_lab.net.event_log import Log
from realtime_lab.net.event_reader import Stored
from realtime_lab.net.packets import Observer, brief, ignore
from realtime_lab.net.reporting import report
from realtime_lab.net.sockets import engine_socket, send_encoded
from realtime_lab.net.tail import Section, Tail
from realtime_lab.rules.cursor import Cursor, Send, Tell
from realtime_lab.rules.replay import Position

T = TypeVar("T")

PAGE = 100
"""Events that are read at once."""
PORTION = 10
"""Events that are handed to the transport at once. python-engineio decodes 16 packets of one long-polling payload (measured)."""
BYTES = 256 * 1024
"""Of stored text in one page, and handed to the transport at once, at most; a larger event goes alone."""
STRIDE, WINDOW = 64, 2
"""So many events make a stride, and so many strides and batches may be on their way without having been handled."""
PAUSE, PAUSE_MAX = 0.5, 5.0
"""Seconds until a database that has failed is asked again."""


class Feed:
    """Runs from the acceptance of a connection until `stop`. `rooms`: what this connection may see; `tail`: the log's, for batches."""

    def __init__(self, sio: Any, sid: str, peer: Peer, log: Log, tail: Tail, *, rooms: Collection[str], observe: Observer) -> None:
        self._sio, self._sid, self._peer, self._log, self._tail = sio, sid, peer, log, tail
        self._rooms, self._observe = rooms, observe
        self._accepted_at = log.head
        """Who is new begins here, however long the rest takes: what its first event brings about is for it, too."""
        self._cursor: Cursor[Stored | Batch]
        self._batches = peer.batch and peer.replays
        self._back: int | None = None
        """A batch after this offset was refused."""
        self._news = asyncio.Event()
        self._credit = asyncio.Semaphore(WINDOW)
        self._sent = 0
        self._untaken = 0
        """Bytes that were handed over since the transport had taken everything."""
        self._waits_for: Literal["", "news", "client", "transport"] = ""
        self.task: asyncio.Task[None] = asyncio.ensure_future(self._run())

    @property
    def idle(self) -> bool:
        """Will nothing more be sent by itself, until there is news or the client has handled what it was given?"""
        return self.task.done() or self._waits_for == "client" or (self._waits_for == "news" and not self._news.is_set())

    @property
    def has_told(self) -> bool:
        """Is everything that is known here handed over, or as much of it as the transport and the client take?"""
        return self.idle or self._waits_for == "transport"

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
        known = self._peer.known
        while True:
            page = await self._surely(lambda: self._log.read(0, 0))
            self._cursor = Cursor(known)
            head = page.head if known is not None else max(self._accepted_at, page.trimmed)
            await self._perform(self._cursor.begin(epoch=self._log.epoch, trimmed=page.trimmed, head=head))
            known = Position(self._log.epoch, await self._follow())

    async def _follow(self) -> int:
        """Send what there is and what comes. Returns when a batch was refused: from where to begin again, without batches."""
        self._back = None
        while self._back is None:
            self._news.clear()
            page = await self._surely(self._read)
            await self._send(page)
            if page.last and self._back is None:
                await self._wait_for("news", self._news.wait())
        self._batches = False
        return self._back

    async def _read(self) -> Section:
        if self._batches:
            return await self._tail.read(self._cursor.after, self._rooms)
        page = await self._log.read(self._cursor.after, PAGE, rooms=self._rooms, max_bytes=BYTES)
        return Section([*page.events], page.head, page.trimmed, last=page.complete and len(page.events) < PAGE)

    async def _send(self, page: Section) -> None:
        before = self._cursor.after
        events = ((each.offset, each) for each in page.pieces)
        for effect in self._cursor.read(events, trimmed=page.trimmed, head=page.head, last=page.last):
            if self._back is None:
                await self._perform(effect, before)
            before = effect.offset if isinstance(effect, Send) else before

    async def _perform(self, effect: Tell | Send[Stored | Batch], before: int = 0) -> None:
        match effect:
            case Tell(session):
                self._observe("session", sid=self._sid, offset=session.offset, reason=session.reason)
                await self._sio.emit(SESSION, seal_session(session, batch=self._peer.batch), to=self._sid)
            case Send(_, Batch() as batch):
                await self._perform_batch(batch, before)
            case Send(offset, Stored() as stored):
                data = await self._surely(lambda: _data(stored))
                asks = await self._room(stored.size)
                if self._observe is not ignore:
                    self._observe("sent", sid=self._sid, offset=offset, event=stored.event, text=brief(data))
                await self._sio.emit(stored.event, seal_stored(offset, data), to=self._sid, callback=self._handled if asks else None)

    async def _perform_batch(self, batch: Batch, before: int) -> None:
        """`before`: the offset behind which it begins."""
        await self._wait_for("client", self._credit.acquire())
        if self._back is not None:
            return
        if self._observe is not ignore:
            for inside, (offset, event, data) in enumerate(batch.rows):
                self._observe("sent", sid=self._sid, offset=offset, event=event, text=brief(data), inside=inside)
        await send_encoded(self._sio, self._sid, batch.arguments, lambda *answer: self._answered(before, *answer))

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
            await self._wait_for("transport", socket.queue.join())

    def _handled(self, *answer: Any) -> None:
        """The client has handled everything up to one stride."""
        self._credit.release()

    def _answered(self, before: int, *answer: Any) -> None:
        """The client has handled a whole batch, or cannot read it; then it cannot read what it was sent behind it either."""
        if self._batches and self._back is None and not reply(answer).ok:
            self._back = before
            self._news.set()
        self._credit.release()

    async def _wait_for(self, whom: Literal["news", "client", "transport"], what: Awaitable[object]) -> None:
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
