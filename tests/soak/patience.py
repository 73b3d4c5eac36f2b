"""How long a soak waits for what was promised: as long as anything moves, though not for ever. How fast the machine is hardly counts."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

AT_MOST = 300.0
"""Seconds, after which what still moves is said to get nowhere."""


async def holds_at_last(holds: Callable[[], bool], moved: Callable[[], Any], go_on: Callable[[], Awaitable[None]], limit: float) -> bool:
    """Wait until it holds. False: `moved` has said the same for `limit` seconds, or it took too long. Meanwhile `go_on` is repeated."""
    clock = asyncio.get_running_loop().time
    before, since, end = moved(), clock(), clock() + AT_MOST
    while not holds():
        await go_on()
        now = moved()
        if now != before:
            before, since = now, clock()
        if clock() > min(since + limit, end):
            return False
    return True
