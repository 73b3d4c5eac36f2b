"""Does anything grow? 500 labs, 10,000 connections that are cut, 1,000,000 messages: `python -m tests.leaks [labs|cuts|messages ...]`

Each runs in a process of its own, in which threads, tasks, sockets, files and memory are counted from time to time. The numbers must be
the same at the end, and memory must not have a slope: it is printed, as bytes for each lab, connection or message.
"""

import asyncio
import gc
import itertools
import logging
import math
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realtime_lab import Client, EventLog, Lab, Link, Server
from tests.net.harness import FAST, until

LOOKS = 20
"""Times that everything is counted, at equal distances."""
WARM = 5
"""The first of them do not count: a process takes what it needs, and keeps it for later."""


@dataclass(frozen=True)
class Count:
    """What there is at one moment."""

    done: int
    threads: int
    tasks: int
    sockets: int
    files: int
    memory: int
    """Bytes of it that are in RAM."""


def count(done: int) -> Count:
    """Now, when all that can be freed is."""
    gc.collect()
    targets = [_target(each) for each in Path("/proc/self/fd").iterdir()]
    sockets = sum(target.startswith("socket:") for target in targets)
    status = Path("/proc/self/status").read_text(encoding="ascii")
    memory = int(status.partition("VmRSS:")[2].split()[0]) * 1024
    return Count(done, threading.active_count(), len(asyncio.all_tasks()), sockets, len(targets) - sockets, memory)


def _target(file: Path) -> str:
    try:
        return str(file.readlink())
    except FileNotFoundError:  # the folder that is being listed
        return ""


@dataclass(frozen=True)
class Load:
    """Something that is done very often. `most`: bytes for each time that are no leak, but the noise of an allocator."""

    name: str
    times: int
    most: float
    run: Callable[[int, Callable[[int], Awaitable[None]]], Awaitable[None]]
    """Given how often, and what is to be awaited now and then, with how often it was done: at a moment of rest."""


async def labs(times: int, look: Callable[[int], Awaitable[None]]) -> None:
    """A lab with two clients, messages, a cut; every third with a log and a store."""
    for n in range(1, times + 1):
        stored = n % 3 == 0
        async with Lab.start(name="leaks", log=stored) as lab:
            alice = await lab.join("alice", retries=math.inf, ack_timeout=5, **({"store": "alice.db"} if stored else {}))
            await lab.join("bob", replay=stored)
            alice.emit("chat message", n)
            alice.link.cut()
            await lab.settle()
            alice.link.restore()
            await lab.settle()
            assert not [trouble for trouble in lab.errors if trouble.error], lab.errors  # "blocked" may be the computer's fault
            lab.verdict()
        await look(n)


async def cuts(times: int, look: Callable[[int], Awaitable[None]]) -> None:
    """One client on a link that is cut as soon as the client is connected; it emits each time, and is given what the server stores."""
    with tempfile.TemporaryDirectory() as folder:
        log = EventLog(Path(folder) / "log.db", synchronous="OFF", max_events=100)
        async with Server(log=log, dedupe=True, ping_interval=1, ping_timeout=1) as server:
            handled = itertools.count()
            server.on("work")(lambda sid, data: next(handled))
            link = Link("127.0.0.1", server.port, name="alice")
            await link.start()
            async with Client(link.url, retries=math.inf, ack_timeout=5, replay=True, **FAST) as client:
                got = 0

                @client.on("news")
                def take(n: int) -> None:
                    nonlocal got
                    assert n == got + 1
                    got = n

                for n in range(1, times + 1):
                    client.emit("work", n)
                    await server.publish("news", n)
                    link.cut()
                    link.restore()
                    await until(lambda: client.connected and link.connections == 1)
                    if n % 100 == 0:
                        await client.flush(60)
                        await until(lambda n=n: got == n)
                        await until(lambda: server.idle)
                        await look(n)
                assert next(handled) == times == got
            await link.stop()


async def messages(times: int, look: Callable[[int], Awaitable[None]]) -> None:
    """Half of them up, half down: with unique numbers and a store, with a log that keeps the last 1,000."""
    burst = 5_000
    with tempfile.TemporaryDirectory() as folder:
        log = EventLog(Path(folder) / "log.db", synchronous="OFF", max_events=1_000)
        async with Server(log=log, dedupe=True) as server:
            up, down = itertools.count(), itertools.count()
            server.on("work")(lambda sid, data: next(up))
            options: dict[str, Any] = {"retries": math.inf, "ack_timeout": 30, "buffer_limit": burst, "batch": True, "replay": True}
            async with Client(server.url, store=Path(folder) / "alice.db", **options) as client:
                client.on("news")(lambda data: next(down))
                for n in range(1, times // (2 * burst) + 1):
                    for k in range(burst):
                        client.emit("work", k)
                    for first in range(0, burst, 500):  # fewer than the log keeps: who is connected misses none
                        await asyncio.gather(*(server.publish("news", first + k) for k in range(500)))
                        await until(lambda: client.offset == log.head)
                    await client.flush(60)
                    await until(lambda: client.settled and server.idle)
                    await look(2 * n * burst)
                assert (next(up), next(down)) == (times // 2, times // 2)


LOADS = (Load("labs", 500, 4_000, labs), Load("cuts", 10_000, 200, cuts), Load("messages", 1_000_000, 2, messages))


def slope(counts: Sequence[Count]) -> float:
    """Bytes for each time it was done: the line that fits best."""
    return statistics.linear_regression([each.done for each in counts], [each.memory for each in counts]).slope


def wrong_with(load: Load, counts: Sequence[Count]) -> list[str]:
    """Sentences. A heartbeat comes and goes; what leaks is more at each of the last looks than at any of the first."""
    found = []
    for what in ("threads", "tasks", "sockets", "files"):
        numbers = [int(getattr(each, what)) for each in counts]
        if min(numbers[-WARM:]) > max(numbers[:WARM]):
            found.append(f"{what} grow: {numbers}")
    grew = slope(counts)
    return found + [f"memory grows by {grew:.1f} bytes for each, more than {load.most:g}"] * (grew > load.most)


async def perform(load: Load) -> list[Count]:
    """Do it, and count."""
    counts: list[Count] = []

    async def look(done: int) -> None:
        if done >= (len(counts) + 1) * load.times / LOOKS:
            counts.append(count(done))
            print(counts[-1], flush=True)

    await load.run(load.times, look)
    return counts[WARM:]


def one(load: Load) -> int:
    """In this process."""
    logging.disable(logging.CRITICAL)  # of packets to connections that have just been cut
    counts = asyncio.run(perform(load))
    wrong, last = wrong_with(load, counts), counts[-1]
    print("\n".join(wrong) if wrong else "nothing grows")
    things = f"{last.threads} threads, {last.tasks} tasks, {last.sockets} sockets, {last.files} files"
    print(f"figure: {load.times:,} {load.name}: {things}; {last.memory / 1e6:.0f} MB, slope {slope(counts):+.2f} bytes for each")
    return 1 if wrong else 0


def main(names: Sequence[str]) -> int:
    """Each in a process of its own, if there are several."""
    chosen = [load for load in LOADS if not names or load.name in names]
    if len(chosen) == 1:
        return one(chosen[0])
    return max(subprocess.run([sys.executable, "-m", "tests.leaks", load.name], check=False).returncode for load in chosen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
