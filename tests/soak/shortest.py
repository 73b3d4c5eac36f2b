"""Makes a failing schedule shorter, so that somebody can read it."""

import math
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, Self, TypeVar


class Shortable(Protocol):
    """A schedule of any kind."""

    @property
    def steps(self) -> Sequence[Any]: ...

    def without(self, start: int, count: int) -> Self: ...


S = TypeVar("S", bound=Shortable)


async def shortest(schedule: S, fails: Callable[[S], Awaitable[bool]], seconds: float = math.inf) -> S:
    """The shortest schedule found in this time that still fails: steps are left out as long as it does."""
    end = time.monotonic() + seconds
    count = max(len(schedule.steps) // 2, 1)
    while count:
        start = 0
        while start < len(schedule.steps) and time.monotonic() < end:
            shorter = schedule.without(start, count)
            if await fails(shorter):
                schedule = shorter
            else:
                start += count
        count //= 2
    return schedule
