"""What a server does for those who are slow, late, or gone: one page each, no skipped event, and nothing left behind."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from realtime_lab.net.feed import PAGE, PORTION
from realtime_lab.rules.replay import Session
from tests.net.harness import CHAT, Stack, rounds, until
from tests.net.replaying import AT_MOST, Blocked, alone, another, caught_up, log_of, publish, replaying, sent_to

pytestmark = pytest.mark.usefixtures("both_ways")


@alone
async def test_a_client_whose_handler_blocks_is_given_three_strides_at_most_and_the_others_get_theirs(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        client = await it.connected(replay=True)
        blocked = Blocked(client)
        other, given = await another(it)
        await publish(it, *range(1, 1001))
        await caught_up(it, other)
        await until(lambda: it.server.idle)
        assert sent_to(it, client.sid) == list(range(1, AT_MOST + 1))
        await publish(it, 1001)
        await caught_up(it, other)
        await rounds(20)
        assert (len(sent_to(it, client.sid)), blocked.given) == (AT_MOST, [1])
        blocked.go.set()
        await caught_up(it, client)
        assert blocked.given == given == list(range(1, 1002))


@alone
async def test_a_stalled_link_holds_up_nobody_else_and_loses_nothing(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        client = await it.connected(replay=True)
        other, given = await another(it)
        it.link.stall("downstream")
        await publish(it, *range(1, 501))
        await caught_up(it, other)
        await until(lambda: it.server.idle)
        assert (len(sent_to(it, client.sid)), it.at_client) == (AT_MOST, [])
        it.link.resume()
        await caught_up(it, client)
        assert it.at_client == given == list(range(1, 501))


@asynccontextmanager
async def raw(it: Stack, transport: str) -> AsyncIterator[tuple[str, Callable[[], Any]]]:
    """A foreign client, accepted, that has said offset 0 and reads nothing more by itself. Gives its sid, and how to read on."""
    url = f"{it.server.url}/socket.io/?EIO=4&transport={transport}"
    connect = "40" + json.dumps({"offset": 0})
    async with aiohttp.ClientSession() as http:
        if transport == "websocket":
            async with http.ws_connect(url) as ws:
                assert (await ws.receive_str()).startswith("0")
                await ws.send_str(connect)
                accepted = await ws.receive_str()
                yield json.loads(accepted[2:])["sid"], ws.receive_str
            return
        url += "&sid=" + json.loads((await (await http.get(url)).text())[1:])["sid"]
        await http.post(url, data=connect)
        accepted = (await (await http.get(url)).text()).split("\x1e")[0]

        async def poll() -> str:
            return await (await http.get(url)).text()

        yield json.loads(accepted[2:])["sid"], poll


async def test_a_foreign_client_that_does_not_poll_is_given_one_portion(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        await publish(it, *range(1, 101))
        async with raw(it, "polling") as (sid, poll):
            for n in (1, 2, 3):
                await until(lambda: len(sent_to(it, sid)) >= n * PORTION - 1)  # noqa: B023  # awaited in the same round
                await rounds(20)
                assert len(sent_to(it, sid)) <= (n + 1) * PORTION - 1
                assert (await poll()).count(f'"{CHAT}"') <= PORTION


async def test_a_foreign_client_that_reads_nothing_is_given_what_the_sockets_hold(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        await publish(it, *(["x" * 100_000] * 300))
        async with raw(it, "websocket") as (sid, read):
            handed_over = -1
            while handed_over < len(sent_to(it, sid)):
                handed_over = len(sent_to(it, sid))
                other, given = await another(it)
                await publish(it, "live")
                await caught_up(it, other)
                assert given == ["live"]
            assert PORTION <= handed_over < 200
            ids = [json.loads(text[2:])[1]["id"] async for text in chats(read, 302)]
            assert ids == list(range(1, 303))


async def chats(read: Callable[[], Any], count: int) -> AsyncIterator[str]:
    while count:
        text = await read()
        if CHAT in text:
            count -= 1
            yield text


@alone
async def test_a_live_client_gets_its_events_at_once_while_another_gets_two_thousand(tmp_path: Path) -> None:
    """In the time of this process, because a wall clock would also measure what else the machine does."""
    async with replaying(tmp_path) as it:
        away, replayed = await another(it)
        await it.server.disconnect(away.sid)
        await until(lambda: away.state == "disconnected")
        await publish(it, *range(2000))
        live, _ = await another(it)
        latencies: list[float] = []
        live.on(CHAT)(lambda began: latencies.append(time.process_time() - began))
        await away.connect()
        while len(replayed) < 2000:
            await publish(it, time.process_time())
            await asyncio.sleep(0.01)
        await caught_up(it, away, live)
        assert replayed[:2000] == list(range(2000))
        assert len(replayed) == 2000 + len(latencies)
        assert len(latencies) >= 10
        assert sorted(latencies)[int(0.99 * len(latencies))] < 0.1


# -- what is not there ------------------------------------------------------------------------------------------------------------------


@alone
async def test_who_is_overtaken_by_a_trim_is_told_in_the_middle_of_the_connection(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        client = await it.connected(replay=True)
        blocked = Blocked(client)
        await publish(it, *range(1, 1001))
        await until(lambda: len(sent_to(it, client.sid)) == AT_MOST)
        await log_of(it).trim(601)
        blocked.go.set()
        await caught_up(it, client)
        read = (AT_MOST // PAGE + 1) * PAGE
        assert blocked.given == [*range(1, read + 1), *range(601, 1001)]
        assert client.session == Session(log_of(it).epoch, 600, "truncated")
        assert [event.reason for event in it.of("session", sid=client.sid)] == ["new", "truncated"]


async def test_what_was_trimmed_and_was_not_for_a_client_is_no_reason_to_tell_it_anything(tmp_path: Path) -> None:
    async with replaying(tmp_path, rooms=lambda identity: ["mine"]) as it:
        client = await it.connected(replay=True)
        await it.server.publish(CHAT, "mine", to="mine")
        for n in range(5):
            await it.server.publish(CHAT, n, to="theirs")
        await until(lambda: it.at_client == ["mine"] and it.server.idle)
        await log_of(it).trim(7)
        await publish(it, "all")
        await caught_up(it, client)
        assert it.at_client == ["mine", "all"]
        assert [event.reason for event in it.of("session")] == ["new"]


async def test_no_news_is_missed_while_a_page_is_read(tmp_path: Path) -> None:
    """Something is committed when SQLite has begun to read and so does not see it any more."""
    async with replaying(tmp_path) as it:
        client = await it.connected(replay=True)
        await until(lambda: it.server.idle)
        reading, go, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()

        def wait() -> None:
            loop.call_soon_threadsafe(reading.set)
            go.wait(10)

        reader = log_of(it)._second
        assert reader is not None
        await reader._connection.set_progress_handler(wait, 50)  # instructions: the first one comes when the snapshot is taken
        try:
            await publish(it, "first")
            await reading.wait()
            await publish(it, "second")
        finally:
            go.set()
        await caught_up(it, client)
        assert it.at_client == ["first", "second"]
