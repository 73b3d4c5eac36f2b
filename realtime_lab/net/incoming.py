"""Incoming: performs on a client what rules/inbox.py decides: stored events are handled one at a time, and then the offset is kept."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Literal

from realtime_lab.errors import AlreadyClosed, InvalidSetting, RealtimeLabError, StoreFailed, StoreInUse, UnknownFault
from realtime_lab.net.arrived import Arrived, Call, Heard
from realtime_lab.net.client_store import ClientStore, Effects
from realtime_lab.net.envelope import SESSION, seal_session
from realtime_lab.net.handlers import Handlers
from realtime_lab.net.packets import Observer, brief
from realtime_lab.net.reporting import failure, report
from realtime_lab.rules.inbox import Handle, Inbox, Moved, Repeat
from realtime_lab.rules.replay import Position, Session, handled

OnError = Literal["halt", "skip"]


_handling: ContextVar[Call | None] = ContextVar("realtime_lab_handling", default=None)
"""The call inside which this runs; the tasks that a handler starts inherit it."""


class Incoming:
    """For one client. `number` gives the next running number of what it receives.

    on_error    "halt": go no further when a handler has raised every time. "skip": report it and go on without that event
    """

    def __init__(
        self, handlers: Handlers, store: ClientStore | None, number: Callable[[], int], *,
        on_error: OnError, delay: float, delay_max: float, observe: Observer,
    ) -> None:  # fmt: skip
        if on_error not in ("halt", "skip"):
            raise InvalidSetting(f'on_error={on_error!r}: give "halt" or "skip".')
        self._handlers, self._store, self._number = handlers, store, number
        self._on_error, self._observe = on_error, observe
        self._inbox: Inbox[Arrived] = Inbox(delay=delay, delay_max=delay_max)
        self._kept: Position | None = None
        """What the store has, or would have if there were one."""
        self._current: Arrived | None = None
        """The event that was given to its handler and is not finished."""
        self._call: Call | None = None
        """The handler that is running."""
        self._news = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._closed = False
        self.session: Session | None = None
        """The latest one."""
        self.told_once = asyncio.Event()
        """It has been told where it stands, and has kept that. A new event for each start of the client."""

    @property
    def position(self) -> Position | None:
        """Everything up to here is handled; None: it was never told where it stands."""
        return self._inbox.position

    @property
    def halted(self) -> int | None:
        """The offset of the event that it halted at, or None."""
        return self._inbox.halted

    @property
    def idle(self) -> bool:
        """Is everything that came handled and kept, and has every handler returned? What is halted waits."""
        return self._inbox.idle and self._call is None and self._kept == self._inbox.position

    @property
    def obstacle(self) -> str:
        """What a session that has come would wait for; empty if nothing."""
        if self.halted is not None:
            return f"the client has halted at offset {self.halted}"
        return "" if self.idle else "the handler of an earlier event has not returned"

    async def open(self) -> None:
        """Begin, where an earlier run of the same store ended; nothing happens if it has begun.

        Raises StoreInUse, StoreFailed, AlreadyClosed.
        """
        if self._store is not None and self._worker is None:
            self._check_open()
            await self._store.open()
        self._check_open()  # it may have been closed meanwhile
        if self._worker is None:
            if self._store is not None:
                self._inbox.position = self._kept = self._store.position
            self._worker = asyncio.create_task(self._work())
            self._worker.add_done_callback(_report_failure)

    def stop(self) -> None:
        """Begin nothing new; `close` and `free` follow. Raises InvalidSetting inside a transaction, which would wait for itself."""
        call = self._own_call
        if call is not None and call.transacting:
            raise InvalidSetting("close() and abort() wait for the transaction inside which they were called: call them after its block.")
        if call is not None:
            call.closing = True
        self._closed = True
        self._news.set()

    async def close(self) -> None:
        """End at once: a handler that runs is cancelled, and its event will come again. Afterwards `free` the store.

        A handler that closes its own client, itself or in a task that it has started, runs on to its end; what it did outside of a
        transaction() will come again too.
        """
        self.stop()
        if self._worker is not None and self._own_call is None:
            self._worker.cancel("the client ended")
            await asyncio.wait({self._worker})
        if self._current is not None:
            self._current.finish()

    async def free(self) -> None:
        """Close the store, when nobody writes to it any more. Twice is harmless."""
        if self._store is not None:
            await self._store.close()

    # -- what happens ---------------------------------------------------------------------------------------------------------------

    def told(self, session: Heard) -> None:
        """A session came."""
        self._inbox.told(session)
        self._news.set()

    async def arrived(self, item: Arrived) -> None:
        """A stored event came. Returns when it is handled, or its connection is over."""
        self._inbox.arrived(item.offset, item)
        self._news.set()
        await item.done

    def disconnected(self) -> None:
        """What was not begun comes again on the next connection."""
        for item in self._inbox.disconnected():
            item.finish()

    def resume(self) -> None:
        """Try again what it halted at; nothing happens if it is not halted."""
        if self._inbox.resume():
            self._observe("resumed")
            self._news.set()

    def skip(self, offset: int) -> None:
        """Go on without the event that it halted at. Raises UnknownFault if that is another one."""
        if self.halted is None or self.halted != offset or self._current is None:
            state = "it is not halted" if self.halted is None else f"it halted at {self.halted}"
            raise UnknownFault(f"skip({offset!r}): {state}. Only the event at which the client halted can be skipped.")
        self._skip(self._current, "client.skip()")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Effects]:
        """See Client.transaction."""
        if self._store is None:
            raise InvalidSetting("transaction() works in the client's store, and this client has none. Make it with store=...")
        call = self._own_call
        if call is None or call.item is None or call.item.kept or call.transacting:
            raise InvalidSetting("transaction() keeps the offset of the event that is being handled: use it inside its handler, once.")
        if call.closing:
            raise AlreadyClosed("this handler has closed its own client, and the store with it.")
        position = handled(self._inbox.position, call.item.offset)
        call.transacting = True
        try:
            async with self._store.transaction(position) as effects:
                yield effects
        finally:
            call.transacting = False
            if self._store.position == position:  # also if the handler was cancelled while this was being committed
                call.item.kept, self._kept = True, position

    def _check_open(self) -> None:
        if self._closed:
            raise AlreadyClosed("this client was closed. Make a new one.")

    @property
    def _own_call(self) -> Call | None:
        """The running handler, for what runs inside it: itself, and every task that it has started."""
        call = _handling.get()
        return call if call is self._call else None

    # -- one after the other ----------------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        while await self._goes_on():
            match self._inbox.next(_now()):
                case Handle(item):
                    await self._handle(item)
                case Repeat(item):
                    self._observe("discarded", sid=item.sid, index=item.index, event=item.event, offset=item.offset, reason="repeat")
                    item.finish()
                case Moved(session):
                    await self._moved(session, self.told_once)
                case None:
                    await self._wait()

    async def _goes_on(self) -> bool:
        self._news.clear()
        if self._worker is not None and self._worker.cancelling():
            return False  # a handler did not end when it was told to: its event comes again
        if self._inbox.position != self._kept:
            await self._keep()
        return not self._closed

    async def _wait(self) -> None:
        due = self._inbox.next_deadline()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(due):
                await self._news.wait()

    async def _moved(self, session: Session, told: asyncio.Event) -> None:
        await self._keep()
        self.session = Session(session.epoch, session.offset, session.reason)
        if isinstance(session, Heard):
            self._observe("recovered", sid=session.sid, index=session.index, offset=session.offset, reason=session.reason)
        told.set()
        with self._calling(None):  # in its place: before the next event, which may need what this handler does
            await self._handlers.tell(SESSION, seal_session(session))

    async def _handle(self, item: Arrived) -> None:
        self._current = item
        if not item.number:  # the record has it once, however often it is tried
            item.number = self._number()
            place = {"sid": item.sid, "index": item.index, "offset": item.offset}
            self._observe("received", message=item.number, event=item.event, text=brief(item.data), **place)
        arguments = () if item.data is None else (item.data,)
        with self._calling(item):
            answer = await self._handlers.call(
                item.event, arguments, lambda kind, why: self._observe(kind, message=item.number, reason=why), answers=False
            )
        if answer["ok"] or item.kept or not self._handlers.has(item.event):
            self._inbox.handled()
            self._finish(item)
        elif self._inbox.failed(_now(), random.random()):
            self._give_up(item, answer["error"])

    @contextmanager
    def _calling(self, item: Arrived | None) -> Iterator[None]:
        call = self._call = Call(item)
        _handling.set(call)
        try:
            yield
        finally:
            self._call = None

    def _give_up(self, item: Arrived, error: str) -> None:
        """Its handler has raised every time."""
        if self._on_error == "skip":
            self._skip(item, error)
            return
        self._observe("halted", message=item.number, offset=item.offset, reason=error)
        hint = f"client.resume() tries again, client.skip({item.offset}) goes on without it."
        message = f"the client has halted at {item.event!r}, offset {item.offset} ({error}): {hint}"
        report(message, RealtimeLabError(message))

    def _skip(self, item: Arrived, reason: str) -> None:
        self._observe("skipped", message=item.number, offset=item.offset, reason=reason)
        self._inbox.skip()
        self._finish(item)
        self._news.set()

    def _finish(self, item: Arrived) -> None:
        self._current = None
        item.finish()

    async def _keep(self) -> None:
        """If the store fails, the client goes on; what it handles meanwhile may be handled again after a restart."""
        position = self._inbox.position
        if self._store is not None and position is not None:
            try:
                await self._store.move(position)
            except (StoreFailed, StoreInUse) as error:
                report(str(error), error)
            except AlreadyClosed:
                return  # a handler has closed its own client, so the store is somebody else's now, and its event comes again
        self._kept = position


def _report_failure(worker: asyncio.Task[None]) -> None:
    if error := failure(worker):
        report(str(error), error)


def _now() -> float:
    return asyncio.get_running_loop().time()
