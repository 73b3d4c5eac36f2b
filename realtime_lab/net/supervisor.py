"""The supervisor of a client: a fresh connection for every attempt, again after every break, with a growing wait in between."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

from realtime_lab.errors import AlreadyClosed, ConnectionRejected
from realtime_lab.net.connection import Connection
from realtime_lab.rules import backoff

FINAL = ("server disconnect", "client disconnect")
"""A side said goodbye on purpose: Socket.IO clients do not come back by themselves then."""


class Supervisor:
    """`make` makes a connection, `attempt` opens it, `failed` is told when that did not work. Seconds as in rules/backoff.py."""

    def __init__(
        self,
        make: Callable[[], Connection],
        attempt: Callable[[Connection], Awaitable[None]],
        failed: Callable[[Connection], None],
        *,
        initial: float,
        maximum: float,
    ) -> None:
        self._make, self._attempt, self._failed = make, attempt, failed
        self._initial, self._maximum = initial, maximum
        self._polite = True
        self._task: asyncio.Task[None] | None = None
        self.up = asyncio.Event()
        """Since it was started there has been a connection."""
        self._over: asyncio.Future[None]
        """Fails with the reason when there will be no connection any more."""
        self.failure = ""
        """Why the latest attempt failed."""

    @property
    def running(self) -> bool:
        """Is there a connection, or somebody who tries to make one?"""
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        """Begin, or begin again."""
        self.up, self.failure = asyncio.Event(), ""
        over = self._over = asyncio.get_running_loop().create_future()
        over.add_done_callback(asyncio.Future.exception)  # perhaps nobody waits for it
        self._task = asyncio.create_task(self._run(self.up, over))
        self._task.add_done_callback(lambda task: _end(over))

    async def reach(self, event: asyncio.Event) -> None:
        """Wait for this event, or raise at once why it cannot come any more: ConnectionRejected, AlreadyClosed."""
        reached: asyncio.Future[Any] = asyncio.ensure_future(event.wait())
        over: asyncio.Future[Any] = self._over
        try:
            await asyncio.wait({reached, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            reached.cancel()
        if not event.is_set():
            over.result()

    async def stop(self, *, polite: bool = True) -> None:
        """End the connection, with or without a goodbye, and try no more."""
        self._polite = polite
        if self._task is not None:
            _end(self._over)
            self._task.cancel()
            await asyncio.wait({self._task})

    async def ended(self) -> None:
        """Wait until the last connection is cleared away. Only if it has ended for good: nobody is told to stop here."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _run(self, up: asyncio.Event, over: "asyncio.Future[None]") -> None:
        failures = 0
        while True:
            connection = self._make()
            try:
                await self._attempt(connection)
                failures = 0
                up.set()
                reason = await asyncio.shield(connection.gone)
            except ConnectionRejected as error:
                self._failed(connection)
                _end(over, error)
                return
            except OSError as error:  # TimeoutError too
                failures += 1
                self.failure = reason = str(error)
                self._failed(connection)
            finally:
                await connection.close(goodbye=self._polite)
            if reason in FINAL:
                _end(over, ConnectionRejected(f"the connection was accepted, and ended for good at once: {reason}"))
                return
            wait = backoff.delay(max(failures, 1), random.random(), initial=self._initial, maximum=self._maximum)
            await asyncio.sleep(wait)


def _end(over: "asyncio.Future[None]", why: Exception | None = None) -> None:
    if not over.done():
        over.set_exception(why or AlreadyClosed("this client was closed before it was connected. Make a new one."))
