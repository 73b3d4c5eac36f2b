"""What a server does for its connections when its database fails, and what is left of it when they end."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
import socketio

from realtime_lab.errors import AlreadyClosed, StoreFailed
from realtime_lab.net.client import Client
from realtime_lab.net.event_log import EventLog
from tests.examples import every_fourth
from tests.net.harness import CHAT, Stack, offline, until
from tests.net.replaying import (
    AT_MOST,
    CLIENT_TASKS,
    Blocked,
    caught_up,
    crashed,
    log_of,
    missed,
    publish,
    replaying,
    reported,
    running,
    sent_to,
)

pytestmark = pytest.mark.usefixtures("both_ways")

FEED = "Feed._run"


@asynccontextmanager
async def foreign(it: Stack) -> AsyncIterator[sqlite3.Connection]:
    """Somebody else's connection to the log's database."""
    with closing(sqlite3.connect(log_of(it).path, isolation_level=None)) as connection:
        yield connection


# -- a database that fails --------------------------------------------------------------------------------------------------------------


async def test_a_log_that_cannot_be_read_for_a_while_is_reported_and_then_nothing_is_missing(tmp_path: Path) -> None:
    """Somebody drops an index that reading needs and writing does not: once while a client is live, once while it comes back."""
    async with replaying(tmp_path) as it, foreign(it) as database:
        errors = reported()
        client = await it.connected(replay=True)
        ((index,),) = database.execute("SELECT sql FROM sqlite_master WHERE name = 'log_events_room'")
        for n in (1, 2):
            if n == 2:
                await offline(it, client)
            database.execute("DROP INDEX log_events_room")
            await publish(it, 2 * n - 1, 2 * n)
            it.link.restore()
            await until(lambda: len(errors) >= n)  # noqa: B023  # awaited in the same round
            assert (client.offset, it.at_client) == (2 * n - 2, list(range(1, 2 * n - 1)))
            database.execute(index)
            await caught_up(it, client)
        assert it.at_client == [1, 2, 3, 4]
        assert {type(error) for error in errors} == {StoreFailed}
        assert all("cannot be read: no such index" in str(error) for error in errors)


async def test_a_damaged_event_is_reported_and_nothing_is_skipped_over_it(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it, foreign(it) as database:
        errors = reported()
        client = await it.connected(replay=True)
        await offline(it, client)
        await publish(it, 1, 2, 3)
        database.execute("UPDATE log_events SET body = '{' WHERE offset = 2")
        it.link.restore()
        await until(lambda: it.at_client == [1] and errors)
        await until(lambda: any("the stored event 2 is damaged" in str(error) for error in errors))
        assert (client.connected, client.offset, running(FEED)) == (True, 1, 1)
        database.execute("UPDATE log_events SET body = '2' WHERE offset = 2")
        await missed(it, client, 4)
        await caught_up(it, client)
        assert it.at_client == [1, 2, 3, 4]


# -- its end ----------------------------------------------------------------------------------------------------------------------------


ENDS: dict[str, Callable[[Stack, Client], Any]] = {
    "the client closes": lambda it, client: client.close(),
    "the client is gone": lambda it, client: client.abort(),
    "the server disconnects it": lambda it, client: it.server.disconnect(client.sid),
    "a cut": offline,
    "a crash": lambda it, client: crashed(it),
    "the server closes": lambda it, client: it.server.close(),
}
STATES = ("live", "waits for the client", "replaying", "cannot read")
CASES = [(state, end, "websocket") for state in STATES for end in ENDS] + [("replaying", "a cut", "polling")]


@pytest.mark.parametrize(("state", "end", "transport"), every_fourth(CASES, several=True))
async def test_a_feed_ends_with_its_connection(tmp_path: Path, state: str, end: str, transport: str, both_ways: bool) -> None:
    async with replaying(tmp_path, ping_interval=1, ping_timeout=1) as it, foreign(it) as database:
        errors = reported()
        client = await it.connected(replay=True, transports=[transport])
        blocked = Blocked(client) if state == "waits for the client" else None
        if state == "cannot read":
            database.execute("DROP INDEX log_events_room")
        if state != "live":
            await publish(it, *range(500))
        reached: dict[str, Callable[[], object]] = {
            "live": lambda: it.server.idle,
            "waits for the client": lambda: len(sent_to(it, client.sid)) == (500 if both_ways else AT_MOST),
            "replaying": lambda: len(it.at_client) > 20,
            "cannot read": lambda: errors,
        }
        await until(reached[state])
        assert (running(FEED), it.server.sids) == (1, (client.sid,))
        await ENDS[end](it, client)
        await until(lambda: not running(FEED))
        if blocked:
            blocked.go.set()
        await client.close()
        await until(lambda: not running(*CLIENT_TASKS))
        assert {type(error) for error in errors} == ({StoreFailed} if state == "cannot read" else set())


# -- a feed that fails ------------------------------------------------------------------------------------------------------------------


async def closed_with_news(log: EventLog) -> None:
    """The last commit wakes everybody, and then there is nothing to read from."""
    log.submit(lambda tx: tx.append(CHAT, 2))
    await log.close()


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_client_whose_feed_has_failed_comes_back_and_misses_nothing(tmp_path: Path, transport: str) -> None:
    async with replaying(tmp_path) as it:
        errors = reported()
        client = await it.connected(replay=True, transports=[transport])
        sid, emit = client.sid, it.server.sio.emit

        async def broken(*arguments: Any, **options: Any) -> None:
            raise RuntimeError("a bug")

        it.server.sio.emit = broken
        await publish(it, 1)
        await until(lambda: errors)
        it.server.sio.emit = emit
        await publish(it, 2)
        await caught_up(it, client)
        assert (it.at_client, [str(error) for error in errors]) == ([1, 2], ["a bug"])
        assert client.sid != sid
        assert it.server.sids == (client.sid,)


async def test_a_foreign_client_whose_feed_has_failed_comes_back_too(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        reported()
        peer = socketio.AsyncClient(reconnection_delay=0.01, randomization_factor=0, handle_sigint=False)
        await peer.connect(it.server.url, transports=["websocket"])
        await until(lambda: it.server.idle and it.server.sids)
        (sid,) = it.server.sids
        await closed_with_news(log_of(it))
        await until(lambda: not it.server.sids)
        await log_of(it).open()
        await until(lambda: it.server.sids and it.server.sids != (sid,))
        await peer.shutdown()


async def test_a_log_that_is_closed_under_a_server_leaves_no_deaf_client(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        errors = reported()
        client = await it.connected(replay=True)
        await publish(it, 1)
        await caught_up(it, client)
        await closed_with_news(log_of(it))
        await until(lambda: not client.connected)
        await log_of(it).open()
        await publish(it, 3)
        await caught_up(it, client)
        assert it.at_client == [1, 2, 3]
        assert {type(error) for error in errors} == {AlreadyClosed}
