"""Somebody who missed 100,000 events gets them, while somebody else is given what is new at once, and the server's memory does not grow."""

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from realtime_lab.net.client import Client
from realtime_lab.net.event_log import EventLog
from tests.folders import folder_in_memory
from tests.net.harness import FAST, until
from tests.net.process import line_of, process

SERVER = """
import time
from realtime_lab.net.server import Server

server = Server(log=EventLog(path))
await server.start()
say(server.port)
while True:
    await server.publish("tick", time.monotonic())
    await asyncio.sleep(0.02)
"""
OURS = """
from realtime_lab.net.client import Client
from realtime_lab.rules.replay import Position

store = ClientStore(path)
await store.open()
await store.move(Position("", 0))
await store.close()
client = Client({url!r}, replay=True, store=path)

@client.on("old")
async def old(data):
    say(data["n"])
    {handle}

await client.connect()
await asyncio.Event().wait()
"""
SLOW = OURS.replace("{handle}", "await asyncio.sleep(0.01)")
FOREIGN = """
import aiohttp, json

async with aiohttp.ClientSession() as http, http.ws_connect({url!r} + "/socket.io/?EIO=4&transport=websocket") as ws:
    await ws.receive_str()
    await ws.send_str('40{{"offset":0}}')
    while True:
        text = await ws.receive_str()
        if text.startswith('42["old",'):
            say(json.loads(text[2:])[1]["data"]["n"])
        elif text == "2":  # Engine.IO's ping
            await ws.send_str("3")
"""
"""It acknowledges nothing, and takes as fast as it can: only the transport holds the server back."""
PROMISED, WHEN_BUSY = (0.99, 0.1), (0.9, 0.25)
"""This part of the live events takes so many seconds at most, from publish() to the handler. WHEN_BUSY: while others compute here."""
GROWTH = 50_000
"""Kilobytes by which the server may grow."""


@dataclass
class Figures:
    """What came out. Times in seconds."""

    given: int
    took: float
    latencies: list[float]
    growth: int | None
    """Kilobytes; None: this system does not tell."""

    def part(self, part: float) -> float:
        """This part of the live events was not slower."""
        return sorted(self.latencies)[int(part * (len(self.latencies) - 1))]

    def __str__(self) -> str:
        live = f"{len(self.latencies)} live events, p50 {1000 * self.part(0.5):.0f} ms, p99 {1000 * self.part(0.99):.0f} ms"
        most = f"at most {1000 * max(self.latencies):.0f} ms"
        growth = "unknown" if self.growth is None else f"{self.growth / 1000:.1f} MB"
        return f"{self.given} events replayed in {self.took:.1f} s beside {live}, {most}; the server grew by {growth}"


async def replay(folder: Path, count: int, late: str, enough: Callable[[int, int], bool]) -> Figures:
    """`late` is the code of somebody who has missed everything, and says what comes. Ends when it is `enough`: (replayed, live events)."""
    file, latencies, given = folder / "log.db", list[float](), list[int]()
    await fill(file, count)
    async with process(SERVER, file) as server:
        url = f"http://127.0.0.1:{await line_of(server)}"
        live = Client(url, replay=True, **FAST)
        live.on("tick")(lambda published: latencies.append(time.monotonic() - published))
        async with live:
            await until(lambda: len(latencies) >= 50)
            before, began = memory(server.pid, "VmRSS"), time.monotonic()
            latencies.clear()
            async with process(late.format(url=url, handle="pass"), folder / "late.db") as it, asyncio.TaskGroup() as group:
                reading = group.create_task(read(it, given))
                await until(lambda: enough(len(given), len(latencies)), timeout=200)
                reading.cancel()
            took, peak = time.monotonic() - began, memory(server.pid, "VmHWM")
    assert given == list(range(1, len(given) + 1))
    return Figures(len(given), took, latencies, None if before is None or peak is None else peak - before)


async def read(it: asyncio.subprocess.Process, given: list[int]) -> None:
    while True:
        given.append(int(await line_of(it)))


async def fill(file: Path, count: int) -> None:
    """Make a log with so many events."""
    async with EventLog(file):
        pass
    rows = (("old", json.dumps({"n": n, "text": "x" * 100}), time.time()) for n in range(1, count + 1))
    with closing(sqlite3.connect(file)) as database, database:
        database.executemany("INSERT INTO log_events (event, body, at) VALUES (?, ?, ?)", rows)


def memory(pid: int, what: str) -> int | None:
    """Kilobytes, as proc(5) has them; None where there is no such file."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return None
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(f"{what}:"))


def check(figures: Figures, promise: tuple[float, float]) -> None:
    part, seconds = promise
    assert figures.part(part) < seconds, figures
    assert figures.growth is None or figures.growth < GROWTH, figures


def measure(count: int, late: str, enough: Callable[[int, int], bool]) -> Figures:
    with folder_in_memory() as folder:  # how long a disk takes is not what is measured
        return asyncio.run(replay(folder, count, late, enough))


def test_who_missed_1500_events_gets_them_while_what_is_new_comes_at_once() -> None:
    check(measure(1500, OURS, lambda replayed, live: replayed == 1500 and live >= 100), WHEN_BUSY)


@pytest.mark.full
def test_somebody_slow_holds_nobody_up() -> None:
    check(measure(5000, SLOW, lambda replayed, live: replayed >= 100 and live >= 100), WHEN_BUSY)


@pytest.mark.full
@pytest.mark.parametrize(("who", "late"), [("ours", OURS), ("slow", SLOW), ("foreign", FOREIGN)], ids=["ours", "slow", "foreign"])
def test_who_missed_100000_events_holds_nobody_up(who: str, late: str, capsys: pytest.CaptureFixture[str]) -> None:
    figures = measure(100_000, late, lambda replayed, live: replayed == 100_000 or (who == "slow" and live >= 1000))
    with capsys.disabled():
        print(f"\nfigure: {who}: {figures}")
    check(figures, PROMISED)
