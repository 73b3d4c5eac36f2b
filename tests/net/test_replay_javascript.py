"""The official JavaScript client that does what the page "Delivery guarantees" describes: what it loses here, and what it loses elsewhere.

Against a server of ours it loses nothing from the first event that it handled, within one database. The rest is for the event "session".
"""

import asyncio
import contextlib
import itertools
import random
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from realtime_lab.net.event_log import EventLog
from realtime_lab.net.event_reader import Page
from realtime_lab.net.server import Server
from tests.examples import every_fourth
from tests.net.harness import CHAT, Stack, stack, until
from tests.net.javascript import JavaScript, javascript, needs_node

pytestmark = needs_node

FOLLOWS = ["page", "session"]


@contextlib.asynccontextmanager
async def following(it: Stack, follows: str, transports: str = "websocket") -> AsyncIterator[JavaScript]:
    async with javascript(it, transports, program="follow.mjs", follows=follows) as js:
        yield js


def got(js: JavaScript) -> list[Any]:
    """The data that its handler was given."""
    return [event["data"] for event in js.said("got")]


async def cut_off(it: Stack, js: JavaScript) -> None:
    """Cut, and wait until the client knows."""
    times = len(js.said("disconnect")) + 1
    it.link.cut()
    await js.disconnected(times)


async def back(it: Stack, js: JavaScript) -> None:
    times = len(js.said("connect")) + 1
    it.link.restore()
    await js.connected(times)


# -- through cuts -----------------------------------------------------------------------------------------------------------------------

CUTS = 10


def cut_somewhere(it: Stack, draw: random.Random) -> None:
    """Now, or at one of the next events that cross."""
    crossed = [*it.of("wire", direction="downstream", event=CHAT), *it.of("dropped", direction="downstream", event=CHAT)]
    if draw.random() < 0.2:
        it.link.cut()
    else:
        it.link.cut(**{draw.choice(("before", "after")): f"{CHAT} #{len(crossed) + draw.randint(1, 6)}", "direction": "downstream"})


def is_away(it: Stack, js: JavaScript) -> bool:
    """It knows that it is cut off. (It says "disconnect" also about a connection that was never accepted.)"""
    latest = next(report for report in reversed(js.reports) if report.keys() & {"connect", "disconnect"})
    return it.link.state == "down" and "disconnect" in latest


@pytest.mark.parametrize(
    ("seed", "transports", "follows"),
    every_fourth(
        [(2, "polling,websocket", "page"), (1, "websocket", "page"), (3, "polling", "page"), (4, "websocket", "session")], several=True
    ),
)
async def test_from_its_first_event_on_it_loses_nothing_through_cuts_and_the_order_is_kept(
    tmp_path: Path, seed: int, transports: str, follows: str
) -> None:
    draw, pace, numbers = random.Random(seed), random.Random(seed), itertools.count()
    async with stack(log=EventLog(tmp_path / "log.db", synchronous="OFF")) as it, following(it, follows, transports) as js:

        async def publish() -> None:
            await it.server.publish(CHAT, next(numbers))
            await asyncio.sleep(pace.choice((0, 0, 0.003)))

        await js.connected()
        await until(lambda: it.server.idle)  # now it is told where it stands
        await publish()
        await until(lambda: got(js))
        for _ in range(CUTS):
            cut_somewhere(it, draw)
            for count in itertools.count():
                if is_away(it, js):
                    break
                if count == 30:  # that event was lost in an earlier cut
                    it.link.cut()
                await publish()
            for _ in range(draw.randint(1, 12)):  # these can come only by a replay
                await publish()
            if draw.random() < 0.7:
                await back(it, js)
            else:
                it.link.restore()  # the next cut may come before it is connected
        events = await it.server._log.events()
        await until(lambda: len(got(js)) >= len(events))
        assert js.said("got") == [{"id": event.offset, "data": event.data} for event in events]
        first, *others = [event.reason for event in it.of("session", "server")]
        assert (first, set(others)) == ("new", {""})


async def test_more_than_a_server_sends_unasked_comes_too(tmp_path: Path) -> None:
    """A client that said "replay" is asked now and then whether it has handled everything; the page's client is not."""
    for follows, asked in (("page", 0), ("session", 4)):
        async with stack(log=EventLog(tmp_path / f"{follows}.db", synchronous="OFF")) as it, following(it, follows) as js:
            await js.connected()
            await until(lambda: it.server.idle)
            await it.server.publish(CHAT, 0)
            await until(lambda: got(js))
            await cut_off(it, js)
            await asyncio.gather(*(it.server.publish(CHAT, number) for number in range(1, 300)))
            it.link.restore()
            await until(lambda: len(got(js)) == 300)
            assert got(js) == list(range(300))
            await until(lambda: len(it.of("wire", type="ACK", direction="upstream")) == asked)  # noqa: B023


# -- what only the event "session" can close --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("follows", "missed"), [("page", []), ("session", ["missed 1", "missed 2"])])
async def test_cut_before_its_first_event(tmp_path: Path, follows: str, missed: list[str]) -> None:
    async with stack(log=EventLog(tmp_path / "log.db")) as it, following(it, follows) as js:
        await it.server.publish(CHAT, "before it was told where it stands")
        await js.connected()
        await until(lambda: js.said("session") if follows == "session" else it.of("wire", event="session"))
        await cut_off(it, js)
        await it.server.publish(CHAT, "missed 1")
        await it.server.publish(CHAT, "missed 2")
        await back(it, js)
        await until(lambda: it.server.idle)
        await it.server.publish(CHAT, "live")
        await until(lambda: got(js)[-1:] == ["live"])
        assert got(js) == [*missed, "live"]
        reasons = [event.reason for event in it.of("session", "server")]
        assert reasons == (["new", "new"] if follows == "page" else ["new", ""])


@pytest.mark.parametrize("published", every_fourth([5, 2]), ids=["longer", "shorter"])
@pytest.mark.parametrize("follows", FOLLOWS)
async def test_a_new_database(tmp_path: Path, follows: str, published: int) -> None:
    async with stack(log=EventLog(tmp_path / "old.db")) as it, following(it, follows) as js:
        await js.connected()
        await until(lambda: it.server.idle)
        for number in (1, 2, 3):
            await it.server.publish(CHAT, f"old {number}")
        await until(lambda: len(got(js)) == 3)
        await cut_off(it, js)
        port = it.server.port
        await it.server.close()
        async with Server(port=port, log=EventLog(tmp_path / "new.db")) as server:
            for number in range(1, published + 1):
                await server.publish(CHAT, f"new {number}")
            await back(it, js)
            await until(lambda: server.sids and server.idle)
            await server.publish(CHAT, "live")
            await until(lambda: got(js)[-1:] == ["live"])
        new = [f"new {number}" for number in range(1, published + 1)]
        comes = {"page": new[3:], "session": new}[follows]  # the page's client asks for what comes after 3, of whatever database
        assert got(js)[3:] == [*comes, "live"]
        if follows == "session":
            assert js.said("session")[-1] == {"offset": 0, "recovered": False, "reason": "epoch-changed"}


# -- a server that does only what the page describes ------------------------------------------------------------------------------------


class Gate:
    """While it is closed, the answers of a database are on their way."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.waiting = 0

    async def passed(self) -> None:
        self.waiting += 1
        await self.open.wait()


class SlowLog(EventLog):
    """Our own log behind such a gate."""

    def __init__(self, path: Path, gate: Gate) -> None:
        super().__init__(path)
        self._gate = gate

    async def read(self, after: int, limit: int = 1000, *, rooms: Collection[str] | None = (), max_bytes: int | None = None) -> Page:
        page = await super().read(after, limit, rooms=rooms, max_bytes=max_bytes)
        if limit:  # else it is only asked where it stands
            await self._gate.passed()
        return page


Publish = Callable[[str], Awaitable[object]]


def as_the_page_says(server: Server, path: Path, gate: Gate) -> Publish:
    """A bare server with the page's own code, in Python: it replays in the connection handler, and broadcasts what is new beside that."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, data)")

    async def fetch_missed_events_from_database(offset: int) -> list[Any]:
        missed = database.execute("SELECT id, data FROM events WHERE id > ? ORDER BY id", (offset,)).fetchall()
        await gate.passed()
        return missed

    @server.on("connect")
    async def connection(sid: str) -> None:
        offset = (server.auth(sid) or {}).get("offset")
        if offset:  # this is a reconnection
            for number, data in await fetch_missed_events_from_database(offset):
                await server.emit(CHAT, {"id": number, "data": data}, to=sid)

    async def publish(data: str) -> None:
        number = database.execute("INSERT INTO events (data) VALUES (?)", (data,)).lastrowid
        await server.emit(CHAT, {"id": number, "data": data})

    return publish


async def live_overtakes_the_replay(it: Stack, js: JavaScript, gate: Gate, publish: Publish, *, overtakes: bool, drops: bool) -> None:
    """1 to 3 are handled, 4 to 6 missed; 7 is published while the database is asked for them; then the connection may drop; at last 8."""
    await js.connected()
    await until(lambda: it.server.idle)
    for data in "123":
        await publish(data)
    await until(lambda: got(js) == ["1", "2", "3"])
    await cut_off(it, js)
    for data in "456":
        await publish(data)
    gate.open.clear()
    waiting = gate.waiting
    await back(it, js)
    await until(lambda: gate.waiting > waiting)
    await publish("7")
    if overtakes:
        await until(lambda: got(js)[-1:] == ["7"])
    if drops:
        await cut_off(it, js)
        gate.open.set()
        await back(it, js)
    gate.open.set()
    await until(lambda: it.server.idle)
    if not drops:
        await until(lambda: {"6", "7"} <= set(got(js)))  # by itself
    await publish("8")
    await until(lambda: got(js)[-1:] == ["8"])


async def test_elsewhere_a_live_event_overtakes_the_replay_and_what_was_missed_is_lost_for_ever(tmp_path: Path) -> None:
    async with stack() as it, following(it, "page") as js:
        gate = Gate()
        publish = as_the_page_says(it.server, tmp_path / "naive.db", gate)
        await live_overtakes_the_replay(it, js, gate, publish, overtakes=True, drops=True)
        assert got(js) == ["1", "2", "3", "7", "8"]


async def test_elsewhere_the_order_is_lost_even_without_another_cut(tmp_path: Path) -> None:
    async with stack() as it, following(it, "page") as js:
        gate = Gate()
        publish = as_the_page_says(it.server, tmp_path / "naive.db", gate)
        await live_overtakes_the_replay(it, js, gate, publish, overtakes=True, drops=False)
        assert got(js) == ["1", "2", "3", "7", "4", "5", "6", "8"]


@pytest.mark.parametrize("follows", FOLLOWS)
@pytest.mark.parametrize("drops", [True, False])
async def test_here_the_same_schedule_loses_nothing(tmp_path: Path, follows: str, drops: bool) -> None:
    gate = Gate()
    async with stack(log=SlowLog(tmp_path / "log.db", gate)) as it, following(it, follows) as js:

        async def publish(data: str) -> None:
            await it.server.publish(CHAT, data)

        await live_overtakes_the_replay(it, js, gate, publish, overtakes=False, drops=drops)
        assert got(js) == ["1", "2", "3", "4", "5", "6", "7", "8"]
