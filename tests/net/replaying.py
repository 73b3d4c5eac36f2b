"""A server with a log and clients with replay, for the tests of this folder."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from realtime_lab.net.client import Client
from realtime_lab.net.event_log import EventLog
from realtime_lab.net.feed import STRIDE, WINDOW
from tests.net.harness import CHAT, FAST, REPLAY, Stack, offline, stack, until

AT_MOST = STRIDE * (WINDOW + 1) - 1
"""So many events may be on their way to a client with replay that handles none."""

alone = pytest.mark.parametrize("both_ways", [False], ids=["alone"], indirect=True)
"""For a test that counts packets, in a module that runs its tests both ways."""

# -- slow consumers ---------------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def replaying(folder: Path, **options: Any) -> AsyncIterator[Stack]:
    """As `stack`, with a log."""
    async with stack(log=EventLog(folder / "log.db", synchronous="OFF"), **options) as it:
        yield it


def log_of(it: Stack) -> EventLog:
    log = it.server._log
    assert isinstance(log, EventLog)
    return log


async def publish(it: Stack, *data: Any) -> list[int]:
    """Publish chat messages, and give their offsets."""
    return await asyncio.gather(*(it.server.publish(CHAT, each) for each in data))


async def caught_up(it: Stack, *clients: Client) -> None:
    """Wait until these clients have handled everything that is in the log."""
    await until(lambda: all(client.connected and client.offset == log_of(it).head and client.idle for client in clients), timeout=25)


async def missed(it: Stack, client: Client, *data: Any) -> list[int]:
    """Publish while the client is offline; it can come back then."""
    await offline(it, client)
    offsets = await publish(it, *data)
    it.link.restore()
    return offsets


async def another(it: Stack, **options: Any) -> tuple[Client, list[Any]]:
    """A client with replay that goes directly to the server, connected, and the chat messages that it is given."""
    given: list[Any] = []
    client = Client(it.server.url, **{**FAST, **REPLAY, "replay": True, **options})
    client.on(CHAT)(given.append)
    it.clients.append(client)
    await client.connect()
    return client, given


async def crashed(it: Stack) -> None:
    """The server crashes, and nothing of it runs any more."""
    it.server.crash()
    assert it.server._dying is not None
    await it.server._dying


def rows(file: Path, sql: str) -> list[Any]:
    """What somebody else reads in a database: only what is committed."""
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(sql).fetchall()


def kept_offset(file: Path) -> int:
    """The offset in a client's store."""
    ((offset,),) = rows(file, "SELECT CAST(value AS INTEGER) FROM store_meta WHERE name = 'offset'")
    return int(offset)


CLIENT_TASKS = ("Incoming._work", "Supervisor._run", "AsyncClient._handle_eio_message")
"""The last one is an event that waits for its turn."""


def running(*names: str) -> int:
    """How many tasks there are that began with one of these functions."""
    return sum(getattr(task.get_coro(), "__qualname__", "") in names for task in asyncio.all_tasks())


def reported() -> list[BaseException]:
    """From here on what goes wrong in the background comes into this list, and does not fail the test."""
    errors: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context["exception"]))
    return errors


class Blocked:
    """A handler that waits at its first event until `go` is set."""

    def __init__(self, client: Client) -> None:
        self.given: list[Any] = []
        self.go = asyncio.Event()
        client.on(CHAT)(self.handle)

    async def handle(self, data: Any) -> None:
        self.given.append(data)
        await self.go.wait()


def sent_to(it: Stack, sid: str) -> list[int]:
    """The offsets that the server has handed over to this connection."""
    return [event.offset for event in it.of("sent", "server", sid=sid)]
