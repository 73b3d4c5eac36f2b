"""The server's memory while a client replays, also when that client stalls in the middle: what the process needs more than before.

A server that sends without asking keeps what a slow client has not read. Events of 1 kB make that plain.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.missed import Counter, fill, serve
from benchmarks.ours import EVENT, body, returning
from benchmarks.plain import connected
from benchmarks.processes import Answer, Stage
from benchmarks.replay import loop_server
from benchmarks.rounds import Contender, Figure, Measure, Row, limit

STALL = 30e-6
"""Seconds for each event that is missed: 3 s in the middle of 100,000."""
RESET = Path("/proc/self/clear_refs")
"""Linux: a 5 sets VmHWM, the peak, back (proc(5))."""


def large(n: int) -> dict[str, Any]:
    """A message of about 1 kB."""
    return {**body(n), "more": "x" * 900}


class Slow(Counter):
    """A handler that counts, and blocks its process once, in the middle."""

    def __init__(self, events: int, *, stalls: bool) -> None:
        super().__init__(events)
        self._until_stall = events // 2 if stalls else -1
        self._stall = events * STALL

    def __call__(self, data: Any) -> None:
        """Handle one."""
        self._until_stall -= 1
        if self._until_stall == 0:
            time.sleep(self._stall)  # a stalled process: its sockets stay open, and nobody reads
        super().__call__(data)


def kilobytes(what: str) -> int:
    """A line of Linux' /proc/self/status."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition(f"{what}:")[2].split()[0])


def growth() -> Answer:
    """Asked to "begin", it forgets the peak so far; then it says how many bytes this process has needed more, at its peak."""
    before = 0

    async def answer(request: str) -> int:
        nonlocal before
        if request == "begin":
            RESET.write_text("5", encoding="ascii")  # noqa: ASYNC240  # it is no file
            before = kilobytes("VmRSS")
        return (kilobytes("VmHWM") - before) * 1024

    return answer


@asynccontextmanager
async def our_server(path: str) -> AsyncIterator[tuple[list[Any], Answer]]:
    """As in replay.py; it also knows its memory."""
    async with serve(path) as (ready, _):
        yield ready, growth()


@asynccontextmanager
async def our_client(url: str, head: int, *, stalls: bool) -> AsyncIterator[tuple[None, Answer]]:
    """Asked for n, a client comes that has missed the last n events."""

    async def replay(events: int) -> None:
        client, handled = returning(url, head - events), Slow(events, stalls=stalls)
        client.on(EVENT)(handled)
        async with client:
            await handled.all.wait()

    yield None, replay


@asynccontextmanager
async def plain_server(path: str) -> AsyncIterator[tuple[list[Any], Answer]]:
    """One emit per event."""
    async with loop_server(path) as (url, _):
        yield [url, 0], growth()


@asynccontextmanager
async def plain_client(url: str, head: int, *, stalls: bool) -> AsyncIterator[tuple[None, Answer]]:
    """As `our_client`."""

    async def replay(events: int) -> None:
        async with connected(url) as client:
            client.on(EVENT, handled := Slow(events, stalls=stalls))
            await client.emit("replay", events)
            await handled.all.wait()

    yield None, replay


async def measured(server: Any, client: Any, stage: Stage, events: int, *, stalls: bool) -> Measure:
    """Each time in new processes: what a process has once had, it keeps."""
    path = await fill(str(stage.folder() / "log.db"), events, large)

    async def once(many: int) -> float:
        async with Stage(inline=stage.inline) as fresh:
            sender = await fresh.python(server, path=path)
            url, head = sender.ready
            receiver = await fresh.python(client, url=url, head=head, stalls=stalls)
            await sender.ask("begin")
            await receiver.ask(many)
            return float(await sender.ask("peak"))

    return once


def contender(name: str, server: Any, client: Any, *, stalls: bool) -> Contender:
    """One of them."""
    return Contender(name, partial(measured, server, client, stalls=stalls), needs=("linux",))


FIGURES = (
    Figure(
        "replay_memory",
        "The server's memory, at its peak over what it was before, while a client replays events of 1 kB; or stalls for 3 s in the middle.",
        "MB",
        [
            Row(contender("Client(replay=True)", our_server, our_client, stalls=False), None, limit(20e6)),
            Row(contender("Client(replay=True), stalled", our_server, our_client, stalls=True), None, limit(20e6)),
            Row(contender("python-socketio, one emit per event, stalled", plain_server, plain_client, stalls=True), None, limit()),
        ],
        events=100_000,
        rounds=3,
        warm=False,
    ),
)
