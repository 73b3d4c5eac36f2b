"""Where a lab may let its server crash, between two steps of one event.

before_apply     the event has arrived, and nothing was done with it
before_commit    the handler has returned, and nothing is committed: its effects in the log's database are undone
after_commit     committed, and nobody was told
before_ack       the answer is made, and was not sent
after_ack        the answer was sent

What the server has emitted before it comes to such a point has left it. A real process that is killed there may have sent it, or not; but
then chance would decide what the same run shows next time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from realtime_lab.errors import UnknownFault
from realtime_lab.net.packets import Observer

CRASHES = ("before_apply", "before_commit", "after_commit", "before_ack", "after_ack")
IN_THE_LOG = ("before_commit", "after_commit")


class CrashPoint:
    """The one crash that is ordered, if any. In production none ever is, and `reached` returns at once."""

    def __init__(self, observe: Observer, die: Callable[[], None]) -> None:
        self._observe, self._die = observe, die
        self.at: str | None = None
        self._left = 0
        self._out = 0
        """Answers that are on their way out."""
        self._calm = asyncio.Event()
        """Not set: something is on its way out, and the process ends as soon as it has left. Until then nothing more is begun: whether it
        still were would be left to chance."""
        self._calm.set()
        self._queue = asyncio.Lock()
        """For those who wait for that: who comes when it is set has not waited, and is behind them."""

    def order(self, at: str | None, nth: int, *, with_log: bool) -> None:
        """Crash now (at=None), or when the nth event comes to this point. Raises UnknownFault."""
        if at is None:
            self._crash("crash()")
            return
        if at not in CRASHES:
            raise UnknownFault(f"at={at!r} is no place to crash at. Use one of: {', '.join(CRASHES)}.")
        if at in IN_THE_LOG and not with_log:
            raise UnknownFault(f"at={at!r}: this server commits nothing, because it has no log. Start it with log=EventLog(...).")
        if isinstance(nth, bool) or not isinstance(nth, int) or nth < 1:
            raise UnknownFault(f"nth={nth!r} is not a count. 1 is the next event that comes to this point.")
        self.at, self._left = at, nth
        self._observe("fault", event="armed", reason=f'lab.server.crash(at="{at}"{f", nth={nth}" if nth > 1 else ""})')

    def disarm(self) -> None:
        """Not any more."""
        self.at = None
        self._observe("fault", event="disarm", reason="lab.server.disarm()")

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """An answer leaves, and perhaps the crash comes right after it."""
        last = self._left - self._out == 1
        if last:
            self._calm.clear()
        self._out += 1
        try:
            yield
        finally:
            self._out -= 1
            if last:
                self._calm.set()

    async def reached(self, point: str, emitted: Callable[[], Awaitable[None]]) -> None:
        """An event is at this point. If this is where to crash, it never gets any further.

        `emitted` returns when everything that was emitted until now has left.
        """
        if point == "before_apply":
            async with self._queue:
                await self._calm.wait()
        if point != self.at:
            return
        self._left -= 1
        if self._left == 0:
            await self._end_at(point, emitted)

    async def _end_at(self, point: str, emitted: Callable[[], Awaitable[None]]) -> None:
        self._calm.clear()
        try:
            await emitted()
            if self.at == point and self._left <= 0:  # nobody has taken it back meanwhile, or ordered another one
                self._crash(f'crash(at="{point}")')
                await asyncio.get_running_loop().create_future()  # until the crash cancels it
        finally:
            self._calm.set()

    async def survived(self, dying: asyncio.Future[None] | None) -> None:
        """Wait until everything is cleared away. Raises UnknownFault if nothing has crashed."""
        if dying is None:
            raise UnknownFault("the server has not crashed, so there is nothing to restart. First: lab.server.crash().")
        await asyncio.shield(dying)

    def _crash(self, code: str) -> None:
        self.at = None
        self._observe("fault", event="crash", reason=f"lab.server.{code}")
        self._die()
