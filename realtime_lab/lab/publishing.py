"""What the lab's server does by itself, on the lab's thread: it publishes, forgets, and is given a new database."""

import asyncio
import contextlib
from typing import Any

from realtime_lab.errors import AlreadyClosed, UnknownFault
from realtime_lab.history.copies import SERVER
from realtime_lab.history.journal import Journal
from realtime_lab.net.event_log import EventLog
from realtime_lab.net.event_reader import Stored
from realtime_lab.net.log import Log
from realtime_lab.net.reporting import failure, report
from realtime_lab.net.server import Server
from realtime_lab.rules.faults import seconds

CHAT = "chat message"
"""The event that the lab's server passes on to everybody else."""


class Publishing:
    """`stores`: what is published is stored and replayed; else it is emitted and forgotten."""

    def __init__(self, server: Server, log: Log | None, journal: Journal, *, stores: bool) -> None:
        self._server, self._log, self._journal = server, log, journal
        self.stores = stores
        self._every: asyncio.Task[None] | None = None
        self._count = 0
        server.on(CHAT)(self._store if stores else self._pass_on)

    async def publish(self, event: str, data: Any) -> int | None:
        """The offset, if it is stored."""
        if self.stores:
            return await self._server.publish(event, data)
        await self._server.emit(event, data)
        return None

    def every(self, interval: float | None) -> None:
        """Publish a chat message again and again, `interval` seconds apart; None ends it."""
        if self._every is not None:
            self._every.cancel()
        pause = None if interval is None else seconds("interval", interval)
        self._every = None if pause is None else asyncio.ensure_future(self._again_and_again(pause))
        if self._every is not None:
            self._every.add_done_callback(_complain)

    async def trim(self, before: int) -> int:
        """Forget every stored event below this offset. Returns how many there were."""
        log = self._the_log("trim")
        removed = await log.trim(before)
        self._journal.record(SERVER, "fault", event="trim", offset=before - 1, reason=f"await lab.trim({before})")
        return removed

    async def new_database(self) -> None:
        """The server ends, its database is thrown away, and it starts again with an empty one: another epoch."""
        log = self._the_log("new_database")
        self._server.crash()
        await log.abandon()
        await log.erase()
        self._journal.record(SERVER, "fault", event="new database", reason="await lab.new_database()")
        await self._server.restart()

    async def events(self) -> list[Stored]:
        """What is kept."""
        return await self._the_log("events").events()

    async def _again_and_again(self, pause: float) -> None:
        while True:
            with contextlib.suppress(AlreadyClosed):  # the server has crashed meanwhile, and the record says so
                if self._server.state == "listening":
                    await self.publish(CHAT, f"tick {self._count + 1}")
                    self._count += 1
            await asyncio.sleep(pause)

    async def _pass_on(self, sid: str, data: Any = None) -> None:
        await self._server.emit(CHAT, data, skip_sid=sid)

    async def _store(self, sid: str, data: Any = None, *, tx: Any) -> None:
        await tx.append(CHAT, data)

    def _the_log(self, what: str) -> EventLog:
        if not isinstance(self._log, EventLog):
            raise UnknownFault(f"lab.{what}() is about stored events, and this lab stores none. Start it with Lab.start(log=True).")
        return self._log


def _complain(task: asyncio.Task[None]) -> None:
    if error := failure(task):
        report(f"publishing every few seconds has ended: {error}", error)
