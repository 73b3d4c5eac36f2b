"""The supervisor of a client: a fresh connection for every attempt, again after every break, with a growing wait in between."""

import asyncio
import random
from collections.abc import Awaitable, Callable

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
        self.first: asyncio.Future[None]
        """Resolves when the first connection is up; fails with ConnectionRejected, or AlreadyClosed if it is stopped before."""
        self.failure = ""
        """Why the latest attempt failed."""

    @property
    def running(self) -> bool:
        """Is there a connection, or somebody who tries to make one?"""
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        """Begin."""
        first = self.first = asyncio.get_running_loop().create_future()
        first.add_done_callback(lambda done: done.cancelled() or done.exception())  # perhaps nobody waits for it
        self._task = asyncio.create_task(self._run(first))
        self._task.add_done_callback(lambda task: _never(first))

    async def stop(self, *, polite: bool = True) -> None:
        """End the connection, with or without a goodbye, and try no more."""
        self._polite = polite
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def _run(self, first: "asyncio.Future[None]") -> None:
        failures = 0
        while True:
            connection = self._make()
            try:
                await self._attempt(connection)
                failures = 0
                if not first.done():
                    first.set_result(None)
                reason = await asyncio.shield(connection.gone)
            except ConnectionRejected as error:
                self._failed(connection)
                if not first.done():
                    first.set_exception(error)
                return
            except OSError as error:  # TimeoutError too
                failures += 1
                self.failure = reason = str(error)
                self._failed(connection)
            finally:
                await connection.close(goodbye=self._polite)
            if reason in FINAL:
                return
            wait = backoff.delay(max(failures, 1), random.random(), initial=self._initial, maximum=self._maximum)
            await asyncio.sleep(wait)


def _never(first: "asyncio.Future[None]") -> None:
    if not first.done():
        first.set_exception(AlreadyClosed("this client was closed before it was connected. Make a new one."))
