"""How long a soak waits for what was promised: as long as anything moves, though not for ever. How fast the machine is hardly counts."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

AT_MOST = 300.0
"""Seconds, after which what still moves is said to get nowhere."""


async def given_up(holds: Callable[[], bool], moved: Callable[[], Any], go_on: Callable[[], Awaitable[None]], limit: float) -> str:
    """Wait until it holds, and say "", or why nobody waits any longer: `moved` says the same for long. Meanwhile `go_on` is repeated."""
    clock = asyncio.get_running_loop().time
    before, since, end = moved(), clock(), clock() + AT_MOST
    while not holds():
        await go_on()
        now = moved()
        if now != before:
            before, since = now, clock()
        if clock() > since + limit:
            return f"nothing has moved for {limit:g} s"
        if clock() > end:
            return f"it still moves, but is not at its end after {AT_MOST:g} s"
    return ""
