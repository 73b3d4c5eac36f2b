"""For a program in a process of its own: it takes its orders as lines, says what it has seen as lines, and can run out of disk space."""

import asyncio
import logging
import sys
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from realtime_lab.net.receptions import STORE_ERRORS

try:
    import resource
except ImportError:  # Windows has no limit for the size of files
    resource = None  # type: ignore[assignment]


LIMITED: list[int] = []
"""The sizes beyond which nothing could be written, one after the other."""


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


def limit(size: int) -> None:
    """No file may be written beyond this size. Python ignores the signal, so writing fails: with a long journal at once."""
    if resource is not None:
        LIMITED.append(size)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def room() -> None:
    """There is space again."""
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run the program. What goes wrong in its background is said."""

    async def reporting() -> None:
        def report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            error = context.get("exception")
            if isinstance(error, STORE_ERRORS) and LIMITED:
                return  # as it was ordered
            where = "".join(traceback.format_exception(error)) if error else ""
            say("reported", " | ".join(f"{context['message']} {where}".splitlines()))

        asyncio.get_running_loop().set_exception_handler(report)
        await main()

    logging.disable(logging.CRITICAL)
    asyncio.run(reporting())
