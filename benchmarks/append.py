"""Appending to the log with 256 callers that wait, each for its own event; beside Redis, and SQLite alone with as many in a commit."""

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from benchmarks.ours import EVENT, body
from benchmarks.processes import REDIS, Answer, Stage, in_thread, timed
from benchmarks.rounds import Contender, Figure, Measure, Row, faster
from realtime_lab import EventLog

CALLERS = 256


@asynccontextmanager
async def event_log(path: str) -> AsyncIterator[tuple[None, Answer]]:
    """Ours."""
    async with EventLog(path, synchronous="FULL") as log:

        async def caller(numbers: range) -> None:
            for n in numbers:
                await log.append(EVENT, body(n))

        async def all_of(events: int) -> None:
            await asyncio.gather(*(caller(range(each, events, CALLERS)) for each in range(CALLERS)))

        yield None, timed(all_of)


@asynccontextmanager
async def alone(path: str) -> AsyncIterator[tuple[None, Answer]]:
    """SQLite alone: the same columns, 256 rows in each commit, one caller."""
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    database.executescript("""
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        CREATE TABLE log_events (
            offset INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, body TEXT NOT NULL, attachments TEXT,
            room TEXT NOT NULL DEFAULT '', at REAL NOT NULL);
        CREATE INDEX log_events_room ON log_events (room);
    """)

    def all_of(events: int) -> None:
        for first in range(0, events, CALLERS):
            database.execute("BEGIN")
            rows = [(EVENT, json.dumps(body(n)), time.time()) for n in range(first, min(first + CALLERS, events))]
            database.executemany("INSERT INTO log_events (event, body, at) VALUES (?, ?, ?)", rows)
            database.execute("COMMIT")

    yield None, timed(in_thread(all_of))


@asynccontextmanager
async def xadd(port: int) -> AsyncIterator[tuple[None, Answer]]:
    """Redis, one XADD after the other."""
    import redis

    client = redis.Redis(port=port)

    def all_of(events: int) -> None:
        for n in range(events):
            client.xadd("events", {"data": json.dumps(body(n))})

    yield None, timed(in_thread(all_of))


async def ours(stage: Stage, events: int) -> Measure:
    """A log in a file."""
    return (await stage.python(event_log, path=str(stage.folder() / "log.db"))).ask


async def direct(stage: Stage, events: int) -> Measure:
    """SQLite in a file."""
    return (await stage.python(alone, path=str(stage.folder() / "direct.db"))).ask


async def redis_stream(stage: Stage, events: int, *, fsync: str) -> Measure:
    """fsync: "everysec" may lose the last second, "always" waits for the disk as we do."""
    return (await stage.python(xadd, port=await stage.redis(fsync))).ask


OURS = Contender(f"EventLog.append, {CALLERS} callers", ours)
EVERY_SECOND = Contender("XADD one by one, appendfsync everysec", partial(redis_stream, fsync="everysec"), share=0.1, needs=REDIS)
ALWAYS = Contender("XADD one by one, appendfsync always", partial(redis_stream, fsync="always"), share=0.05, needs=REDIS)
DIRECT = Contender(f"sqlite3, {CALLERS} in a commit", direct)

FIGURES = (
    Figure(
        "append",
        "Appending to a file, WAL, synchronous=FULL: on the disk before anybody is told.",
        "events/s",
        [Row(OURS, EVERY_SECOND, faster(10)), Row(OURS, ALWAYS, faster()), Row(OURS, DIRECT, faster(0.6))],
        events=20_000,
        limits="The rows themselves go to SQLite in one piece for each commit. The rest is what each append has of its own: a caller that "
        "is told its offset after the commit. The anchor has neither callers nor offsets to tell.",
    ),
)
