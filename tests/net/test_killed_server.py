"""`kill -9` of the server's process at random moments, while five clients publish and listen: what was promised is in the log, and came."""

import asyncio
import math
import random
import sqlite3
import time
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from realtime_lab.net.client import Client
from realtime_lab.net.delivery import Delivery
from tests.net.harness import FAST, until
from tests.net.process import line_of, process
from tests.ports import quiet_port

SERVER = """
from realtime_lab.net.server import Server

server = Server(port={port}, log=EventLog(path), dedupe=True, ping_interval=1, ping_timeout=1)

@server.on("deposit")
async def deposit(sid, name, tx):
    await tx.append("news", name)

await server.start()
say("listening")
for n in range({publishes}):
    name = f"server {life} {{n}}"
    say(await server.publish("news", name), name)
    await asyncio.sleep(0.005)
await asyncio.Event().wait()
"""
LIVES_OF_ALL, THE_LAST = 100_000, 0
"""How many events a server publishes by itself, until it is killed."""
KINDS: tuple[dict[str, Any], ...] = (
    {},
    {"window": 16},
    {"transports": ["polling"]},
    {"store": "dave.db", "window": 4},
    {"store": "erin.db", "transports": ["polling", "websocket"]},
)
UNSETTLED = 20
"""Events that a client has under way at most before it emits more."""
END = "the end"


class Talker:
    """A client that emits all the time, and writes down what it is given."""

    def __init__(self, name: str, port: int, folder: Path, **kind: Any) -> None:
        self.name = name
        self.given: list[str] = []
        self.sessions: list[tuple[int, str]] = []
        self.sent: dict[str, Delivery] = {}
        options = {**FAST, **kind, **({"store": folder / kind["store"]} if "store" in kind else {})}
        self.client = Client(
            f"http://127.0.0.1:{port}", replay=True, retries=math.inf, ack_timeout=1.0, retry_delay=0.02, retry_delay_max=0.1, **options
        )
        self.client.on("news")(self.given.append)
        self.client.on("session")(lambda said: self.sessions.append((said["offset"], said["reason"])))

    async def talk(self) -> None:
        while True:
            if sum(delivery.fate is None for delivery in list(self.sent.values())[-UNSETTLED:]) < UNSETTLED:
                self.say(f"{self.name} {len(self.sent)}")
            await asyncio.sleep(0.005)

    def say(self, name: str) -> None:
        self.sent[name] = self.client.emit("deposit", name)


async def kill_often(times: int, folder: Path, seed: int) -> str:
    """Returns what it came to, in words."""
    draw, port, file = random.Random(seed), quiet_port(11_000 + seed), folder / "log.db"
    talkers = [Talker(name, port, folder, **kind) for name, kind in zip(("alice", "bob", "carol", "dave", "erin"), KINDS, strict=True)]
    published: list[tuple[int, str]] = []
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        for talker in talkers:
            await talker.client.start()
            stack.push_async_callback(talker.client.close)
        talking = [asyncio.create_task(talker.talk()) for talker in talkers]
        for life in range(times):
            code = SERVER.format(port=port, life=life, publishes=LIVES_OF_ALL)
            published += await one_life(code, file, None if life and draw.random() < 0.2 else draw.uniform(0, 0.5), draw)
        for task in talking:
            task.cancel()
        async with process(SERVER.format(port=port, life=times, publishes=THE_LAST), file) as server:
            assert await line_of(server) == "listening"
            for talker in talkers:
                await talker.client.flush(timeout=60)
            talkers[0].say(END)
            await until(lambda: all(END in talker.given and talker.client.idle for talker in talkers), timeout=60)
    rows = rows_of(file)
    judge(rows, talkers, published)
    acked, given = sum(len(talker.sent) for talker in talkers), sum(len(talker.given) for talker in talkers)
    return (
        f"{times} times kill -9: {len(rows)} events stored, {acked} of them acknowledged, {len(published)} published by the server itself, "
        f"given {given} times to a handler; lost 0, repeated 0, reordered 0; {time.monotonic() - began:.0f} s"
    )


async def one_life(code: str, file: Path, after: float | None, draw: random.Random) -> list[tuple[int, str]]:
    """Start the server, and kill it so many seconds after it listens; None: at some moment before that, or just after it.

    Returns what it said that it had published.
    """
    async with process(code, file) as server:
        if after is None:
            await asyncio.sleep(draw.uniform(0.2, 1.2))
        else:
            assert await line_of(server) == "listening"
            await asyncio.sleep(after)
        assert server.returncode is None, (await server.communicate())[1].decode()
        server.kill()
        out, _ = await server.communicate()
    lines = [line.split(" ", 1) for line in out.decode().splitlines(keepends=True) if line.endswith("\n")]
    return [(int(words[0]), words[1].rstrip()) for words in lines if len(words) == 2]


def rows_of(file: Path) -> dict[int, str]:
    """offset -> name. The database is whole."""
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {offset: body.strip('"') for offset, body in database.execute("SELECT offset, body FROM log_events ORDER BY offset")}


def judge(rows: dict[int, str], talkers: list[Talker], published: list[tuple[int, str]]) -> None:
    names = list(rows.values())
    assert len(set(names)) == len(names)
    assert [(offset, name) for offset, name in published if rows.get(offset) != name] == []
    for talker in talkers:
        assert {
            name: delivery.fate for name, delivery in talker.sent.items() if not delivery.fate or delivery.fate.outcome != "acked"
        } == {}
        assert [name for name in talker.sent if name not in set(names)] == []
        first, *later = talker.sessions
        assert first[1] == "new"
        assert {reason for _, reason in later} <= {""}
        assert talker.given == [name for offset, name in rows.items() if offset > first[0]]


def figure(times: int, folder: Path, seed: int) -> str:
    """Nothing may go wrong in the background either."""
    background: list[str] = []

    async def run() -> str:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: background.append(str(context)))
        return await kill_often(times, folder, seed)

    words = asyncio.run(run())
    assert background == []
    return words


def test_a_server_that_is_killed_twice_has_kept_what_it_promised(tmp_path: Path) -> None:
    figure(2, tmp_path, 2)


@pytest.mark.full
def test_a_server_that_is_killed_a_hundred_times_has_kept_what_it_promised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = figure(100, tmp_path, 100)
    with capsys.disabled():
        print(f"\nfigure: {words}")
