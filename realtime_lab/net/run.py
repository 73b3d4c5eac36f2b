"""One run of a server: everything that its process forgets when it ends, and the points at which a lab may let it end."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from realtime_lab.errors import InvalidSetting
from realtime_lab.net.appended import Appended
from realtime_lab.net.crash import CrashPoint
from realtime_lab.net.doorkeeper import Doorkeeper
from realtime_lab.net.envelope import offset_of
from realtime_lab.net.event_log import Log
from realtime_lab.net.guests import Guests, Receiving
from realtime_lab.net.handlers import Handlers
from realtime_lab.net.hosting import Host
from realtime_lab.net.intake import Intake
from realtime_lab.net.packets import Observer, brief, ignore
from realtime_lab.net.receptions import Answer, Receptions, cause

BEFORE_NEWS = ("after_commit", "before_ack")
"""A crash at one of these comes before anybody is told what was stored."""

LAST_WORDS = 1.0
"""Seconds that a crash waits for what was emitted before it."""


class Run:
    """`sio` is a python-socketio server that has not begun; `number` gives the next running number of what the server emits."""

    def __init__(
        self, sio: Any, handlers: Handlers, log: Log | None, crash: CrashPoint, *,
        dedupe: bool, doorkeeper: Doorkeeper, observe: Observer, number: Callable[[], int],
    ) -> None:  # fmt: skip
        self.sio = sio
        self._log, self._crash, self._observe = log, crash, observe
        watched = (lambda: crash.at is not None) if observe is ignore else (lambda: True)
        receptions = Receptions(handlers, log, observe=observe, point=self._reached, watched=watched)
        self._intake = Intake(receptions, dedupe=dedupe)
        self.guests = Guests(sio, handlers, self._intake, log, doorkeeper=doorkeeper, observe=observe, take=self._take)
        self._number = number
        self._appended = Appended(observe, number)
        self._held = False
        """There is news in the log that nobody may know before a crash that is ordered."""
        self._alone = asyncio.Lock()
        """Held while an event is handled, as long as such a crash is ordered."""
        self._leaving = 0
        """Acknowledgements that a crash waits for."""
        self._host: Host
        """Where it listens."""

    @property
    def idle(self) -> bool:
        """Has every handler returned, is what it did committed, and is everybody given what the log has for them?"""
        return self._intake.idle and self.guests.idle and not self._leaving and not self._alone.locked()

    async def open_log(self) -> None:
        """Open the log, if there is one, and listen to it. Raises InvalidSetting, StoreInUse, StoreFailed."""
        if self._log is None:
            return
        if self._log.on_commit is not None:
            raise InvalidSetting("this log has another server already, or its on_commit is taken. Give each server a log of its own.")
        self._log.on_commit = self._committed
        try:
            await self._log.open()
        except BaseException:
            self._log.on_commit = None
            raise
        self._log.before_commit = self._before_commit
        self._log.on_append = None if self._observe is ignore else self._appended.append

    async def close_log(self, *, abandon: bool = False) -> None:
        """Close the log that `open_log` has opened, and listen no more. Raises what the log raises."""
        if self._log is None or self._log.on_commit != self._committed:
            return
        try:
            await (self._log.abandon() if abandon else self._log.close())
        finally:
            if not self._log.is_open:  # else it was closed from inside its own work, and goes on
                self._log.before_commit = self._log.on_append = self._log.on_commit = None

    async def emit(self, event: str, data: Any, *, to: str | None, skip_sid: str | None) -> None:
        """Send to those who are accepted."""
        skip = [*self.guests.undecided, *([skip_sid] if skip_sid else [])]
        self._observe(
            "emitted",
            message=self._number(),
            event=event,
            text=brief(data),
            data=data,
            cause=cause.get(),
            sids=tuple(sid for sid, _ in self.sio.manager.get_participants("/", to) if sid not in skip),
            skip=skip_sid or "",
            room=to or "",
            offset=offset_of((data,)) or -1,
        )
        await self.sio.emit(event, data, to=to, skip_sid=skip)

    def listens_at(self, host: Host) -> None:
        """It has its transports to itself. So it can tell what has left, before it crashes, and crash after that ("after_ack")."""
        self._host = host

        async def acknowledged(eio_sid: str) -> None:
            socket = self.sio.eio.sockets.get(eio_sid)
            if self._crash.at == "after_ack" and socket is not None:
                self._leaving += 1
                try:
                    with self._crash.leaving():
                        if await _taken(socket):
                            await self._reached("after_ack")
                finally:
                    self._leaving -= 1

        self.sio.acknowledged = acknowledged

    def die(self) -> None:
        """The process is killed: everybody is gone, and what is not committed never will be."""
        self.guests.end("the server crashed")
        if self._log is not None:
            self._appended.commit(self._log.coming_head)
        self._intake.receptions.crashed()

    async def _take(self, receive: Receiving) -> Answer | None:
        """Handle a packet, and give the answer that is to be sent now.

        If a crash is to come before the news of one event, chance must not decide who still hears of the event before it. So they are
        taken one by one then, and everybody is told of each before the next one begins. What comes when the crash was taken back stays
        behind those that still wait for their turn.
        """
        async with self._alone:
            if self._crash.at in BEFORE_NEWS:
                answer = await self._handle(receive)
                while self._crash.at in BEFORE_NEWS and not self.guests.have_been_told:  # noqa: ASYNC110  # about a millisecond
                    await asyncio.sleep(0.001)
                return answer
        return await self._handle(receive)

    async def _handle(self, receive: Receiving) -> Answer | None:
        answer = await receive()
        await self._reached("before_ack")
        return answer

    async def _reached(self, point: str) -> None:
        await self._crash.reached(point, self._emitted_has_left)
        if self._held and point in BEFORE_NEWS:
            self._held = False
            self.guests.wake()

    async def _emitted_has_left(self) -> None:
        """Wait until everything that was emitted is with the other side's system, but not for ever: a stalled one takes nothing."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS):
                await asyncio.gather(*(_taken(socket) for socket in tuple(self.sio.eio.sockets.values())))
                await self._host.sent()

    async def _before_commit(self) -> None:
        if self._intake.receptions.uncommitted:
            await self._reached("before_commit")

    def _committed(self, head: int) -> None:
        self._appended.commit(head)
        self._held = self._crash.at in BEFORE_NEWS and self._intake.receptions.uncommitted > 0
        if not self._held:
            self.guests.wake()


async def _taken(socket: Any) -> bool:
    """Has the transport taken everything that was handed to it? False: the connection ended first, and python-engineio never says so."""
    taken: asyncio.Future[None] = asyncio.ensure_future(socket.queue.join())
    try:
        while not (taken.done() or socket.closed):
            await asyncio.wait({taken}, timeout=0.001)
        return taken.done()
    finally:
        taken.cancel()
