"""Incoming: performs on a client what rules/inbox.py decides: stored events are handled one at a time, and then the offset is kept."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Literal

from realtime_lab.errors import AlreadyClosed, InvalidSetting, RealtimeLabError, UnknownFault
from realtime_lab.net.arrived import Arrived, Heard
from realtime_lab.net.arriving import Arriving
from realtime_lab.net.calls import Calls
from realtime_lab.net.client_store import ClientStore, Effects
from realtime_lab.net.envelope import SESSION, seal_session
from realtime_lab.net.handlers import Begun, Handlers, outcome, raising
from realtime_lab.net.kept import Kept
from realtime_lab.net.packets import Observer, brief, ignore
from realtime_lab.net.reporting import failure, report
from realtime_lab.rules.inbox import Handle, Inbox, Moved, Repeat
from realtime_lab.rules.replay import Position, Session

OnError = Literal["halt", "skip"]

BREATH = 0.002
"""Seconds of handlers that return at once, until the loop has a turn for everybody else."""


class Incoming(Arriving):
    """For one client. `number` gives the next running number of what it receives.

    on_error    "halt": go no further when a handler has raised every time. "skip": report it and go on without that event
    """

    def __init__(
        self, handlers: Handlers, store: ClientStore | None, number: Callable[[], int], *,
        on_error: OnError, delay: float, delay_max: float, observe: Observer,
    ) -> None:  # fmt: skip
        if on_error not in ("halt", "skip"):
            raise InvalidSetting(f'on_error={on_error!r}: give "halt" or "skip".')
        self._handlers, self._kept, self._number = handlers, Kept(store), number
        self._on_error, self._observe = on_error, observe
        super().__init__(Inbox(delay=delay, delay_max=delay_max))
        self._current: Arrived | None = None
        """The event that was given to its handler and is not finished."""
        self._reception = 0
        """The running number of its reception, for the record."""
        self._batch_goes_on = False
        """The last event that was finished has others behind it in its packet."""
        self._breath = 0.0
        """When the loop is to have its next turn."""
        self._calls = Calls()
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
        return self._inbox.idle and self._calls.idle and self._kept.position == self._inbox.position

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
        self._check_open()
        if self._worker is None:
            await self._kept.open()
        self._check_open()  # it may have been closed meanwhile
        if self._worker is None:
            self._inbox.position = self._kept.position
            self._worker = asyncio.create_task(self._work())
            self._worker.add_done_callback(_report_failure)

    def stop(self) -> None:
        """Begin nothing new; `close` and `free` follow. Raises InvalidSetting inside a transaction, which would wait for itself."""
        call = self._calls.own
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
        if self._worker is not None and self._calls.own is None:
            self._worker.cancel("the client ended")
            await asyncio.wait({self._worker})
        if self._current is not None:
            self._current.packet.finish()

    async def free(self) -> None:
        """Close the store, when nobody writes to it any more. Twice is harmless."""
        await self._kept.close()

    # -- what happens ---------------------------------------------------------------------------------------------------------------

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

    def transaction(self) -> AbstractAsyncContextManager[Effects]:
        """See Client.transaction."""
        return self._kept.transaction(self._calls.own, self._inbox.position)

    def _check_open(self) -> None:
        if self._closed:
            raise AlreadyClosed("this client was closed. Make a new one.")

    # -- one after the other ----------------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        while await self._goes_on():
            if self._observe is ignore and self._inbox.ready and await self._got_on():
                continue
            match self._inbox.next(_now()):
                case Handle(item):
                    await self._handle(item)
                case Repeat(item):
                    place = {"sid": item.packet.sid, "index": item.packet.index, "inside": item.inside}
                    self._observe("discarded", event=item.event, offset=item.offset, reason="repeat", **place)
                    self._finish(item)
                case Moved(session):
                    await self._moved(session, self.told_once)
                case None:
                    await self._wait()

    async def _goes_on(self) -> bool:
        self._news.clear()
        if time.monotonic() > self._breath:
            await asyncio.sleep(0)
            self._breath = time.monotonic() + BREATH
        if self._worker is not None and self._worker.cancelling():
            return False  # a handler did not end when it was told to: its event comes again
        if self._kept.due(self._inbox.position, batch_goes_on=self._batch_goes_on and self._inbox.ready):
            await self._kept.keep(self._inbox.position)
        return not self._closed

    async def _got_on(self) -> bool:
        """Handle what can be handled quickly, if there is something."""
        before = self._inbox.position
        if begun := self._stretch():
            await self._handle(*begun)
        return self._inbox.position != before

    def _stretch(self) -> tuple[Arrived, Begun] | None:
        """Call handlers that return at once, one after the other. Returns the first that did not return, or raised, and how it goes on.

        This is how a long replay runs, so an event costs about a microsecond here. Whatever is not that simple is done by `_handle`.
        """
        functions, calls, now = self._handlers.functions, self._calls, time.monotonic
        for item in self._inbox.stretch():
            _, event, data, packet, _, last = item
            handler = functions.get(event)
            calls.begin_first(item)
            try:
                result = None if handler is None else handler() if data is None else handler(data)
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # as in `Handlers.call`
                return item, raising(error)
            if result is not None and (rest := outcome(result)):
                return item, rest
            self._batch_goes_on = not last
            if last:
                packet.finish()
            if self._closed or now() > self._breath:
                self._inbox.handled()
                break
        calls.end()
        return None

    async def _wait(self) -> None:
        due = self._inbox.next_deadline()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(due):
                await self._news.wait()
        self._breath = time.monotonic() + BREATH

    async def _moved(self, session: Session, told: asyncio.Event) -> None:
        if session.reason in ("", "new"):  # else only when the application knows: a process that ends in between would never say it
            await self._kept.keep(self._inbox.position)
        self.session = Session(session.epoch, session.offset, session.reason)
        if isinstance(session, Heard):
            self._observe("recovered", sid=session.sid, index=session.index, offset=session.offset, reason=session.reason)
        told.set()
        self._calls.begin(None)
        try:  # in its place: before the next event, which may need what this handler does
            await self._handlers.tell(SESSION, seal_session(session))
        finally:
            self._calls.end()

    async def _handle(self, item: Arrived, begun: Begun | None = None) -> None:
        if item is not self._current:  # the record has it once, however often it is tried
            self._current, self._reception = item, self._number()
            if self._observe is not ignore:
                place = {"sid": item.packet.sid, "index": item.packet.index, "inside": item.inside, "offset": item.offset}
                self._observe("received", message=self._reception, event=item.event, text=brief(item.data), **place)
        if begun is None:
            self._calls.begin(item)
        try:
            arguments = () if item.data is None else (item.data,)
            answer = await self._handlers.call(item.event, arguments, self._said, answers=False, begun=begun)
        finally:
            self._calls.end()
        if answer["ok"] or self._calls.kept or not self._handlers.has(item.event):
            self._inbox.handled()
            self._finish(item)
        elif self._inbox.failed(_now(), random.random(), counts=not answer["retryable"]):
            self._give_up(item, answer["error"])

    def _said(self, kind: Literal["handled", "failed"], why: str) -> None:
        self._observe(kind, message=self._reception, reason=why)

    def _give_up(self, item: Arrived, error: str) -> None:
        """Its handler has raised every time."""
        if self._on_error == "skip":
            self._skip(item, error)
            return
        self._observe("halted", message=self._reception, offset=item.offset, reason=error)
        hint = f"client.resume() tries again, client.skip({item.offset}) goes on without it."
        message = f"the client has halted at {item.event!r}, offset {item.offset} ({error}): {hint}"
        report(message, RealtimeLabError(message))

    def _skip(self, item: Arrived, reason: str) -> None:
        self._observe("skipped", message=self._reception, offset=item.offset, reason=reason)
        self._inbox.skip()
        self._finish(item)
        self._batch_goes_on = False  # such a decision is kept at once
        self._news.set()

    def _finish(self, item: Arrived) -> None:
        """It is handled, or needs not be."""
        self._current = None
        self._batch_goes_on = not item.last
        if item.last:
            item.packet.finish()


def _report_failure(worker: asyncio.Task[None]) -> None:
    if error := failure(worker):
        report(str(error), error)


def _now() -> float:
    return asyncio.get_running_loop().time()
