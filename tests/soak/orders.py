"""For a program in a process of its own: it takes its orders as lines, says what it has seen as lines, and can run out of disk space."""

import asyncio
import logging
import math
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from realtime_lab.errors import StoreFailed

try:
    import resource
except ImportError:  # Windows has no limit for the size of files
    resource = None  # type: ignore[assignment]


GRACE = 5.0
"""Seconds after there is room again in which a store may still be said to have failed. A write that failed for want of room is reported
by whoever waited for it, which takes a busy process a while, and those who wait together do so one after the other."""


def say(*words: object) -> None:
    """One line. Whoever started this program has all lines, also when it is killed."""
    print(*words, flush=True)


async def obey(order: Callable[..., Awaitable[None] | None]) -> None:
    """Call `order` with the words of each line, one after the other, until there are no more."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        done = order(*line.split())
        if done is not None:
            await done


class Disk:
    """What this process may write."""

    def __init__(self) -> None:
        self._full_until = -math.inf

    def full(self, size: int) -> None:
        """No file may be written beyond this size. Python ignores the signal, so writing fails: with a long journal at once."""
        if resource is not None:
            self._full_until = math.inf
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def room(self) -> None:
        """There is space again; if there always was, nothing happens."""
        if resource is not None and self._full_until == math.inf:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            self._full_until = time.monotonic() + GRACE

    def explains(self, error: BaseException | None) -> bool:
        """Is this a store that failed because it was ordered so?"""
        return isinstance(error, StoreFailed) and time.monotonic() < self._full_until


def run(main: Callable[[], Awaitable[None]], disk: Disk) -> None:
    """Run the program. What goes wrong in its background is said, unless this disk explains it."""

    async def reporting() -> None:
        def report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            error = context.get("exception")
            if disk.explains(error):
                return
            where = "".join(traceback.format_exception(error)) if error else ""
            say("reported", " | ".join(f"{context['message']} {where}".splitlines()))

        asyncio.get_running_loop().set_exception_handler(report)
        await main()

    logging.disable(logging.CRITICAL)
    asyncio.run(reporting())
