"""Makes a failing schedule shorter, so that somebody can read it."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol, Self, TypeVar


class Shortable(Protocol):
    """A schedule of any kind."""

    @property
    def steps(self) -> Sequence[Any]: ...

    def without(self, start: int, count: int) -> Self: ...


S = TypeVar("S", bound=Shortable)


async def shortest(schedule: S, fails: Callable[[S], Awaitable[bool]], seconds: float = math.inf) -> S | None:
    """The shortest schedule found in this time that still fails: steps are left out as long as it does. None: it does not fail again."""
    end = time.monotonic() + seconds

    async def fails_in_time(candidate: S) -> bool:
        """What is not known in time does not count."""
        with suppress(TimeoutError):
            async with asyncio.timeout(end - time.monotonic()):
                return await fails(candidate)
        return False

    if not await fails_in_time(schedule):
        return None
    count = max(len(schedule.steps) // 2, 1)
    while count:
        start = 0
        while start < len(schedule.steps) and time.monotonic() < end:
            shorter = schedule.without(start, count)
            if await fails_in_time(shorter):
                schedule = shorter
            else:
                start += count
        count //= 2
    return schedule
