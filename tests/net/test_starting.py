"""A server is started once, and has its log for itself: whoever comes second is told so, and the first one goes on undisturbed."""

import asyncio
from pathlib import Path

import pytest
import socketio

from realtime_lab.errors import InvalidSetting, PortInUse, StoreFailed
from realtime_lab.net.event_log import EventLog
from realtime_lab.net.server import Server
from tests.net.harness import until
from tests.net.replaying import caught_up, crashed, log_of, publish, replaying


def nobody_listens(log: EventLog) -> bool:
    return (log.before_commit, log.on_append, log.on_commit) == (None, None, None)


async def test_who_starts_a_server_twice_is_told_so_and_it_goes_on(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        client = await it.connected(replay=True)
        url = it.server.url
        with pytest.raises(InvalidSetting, match="started already"):
            await it.server.start()
        await publish(it, 1)
        await caught_up(it, client)
        assert (it.server.url, it.at_client, it.server.sids) == (url, [1], (client.sid,))
        await crashed(it)
        with pytest.raises(InvalidSetting, match=r"server\.restart"):
            await it.server.start()
        await it.server.restart()
        await publish(it, 2)
        await caught_up(it, client)
        assert it.at_client == [1, 2]


async def test_two_starts_at_the_same_time_are_one(tmp_path: Path) -> None:
    server = Server(log=EventLog(tmp_path / "log.db"))
    results = await asyncio.gather(server.start(), server.start(), return_exceptions=True)
    assert [type(result) for result in results] == [type(None), InvalidSetting]
    assert await server.publish("news", 1) == 1
    await server.close()


@pytest.mark.parametrize("attached", [False, True])
async def test_a_log_has_one_server_at_a_time(tmp_path: Path, attached: bool) -> None:
    async with replaying(tmp_path) as it:
        log = log_of(it)
        second = Server.attach(socketio.AsyncServer(async_mode="asgi"), log=log) if attached else Server(log=log)
        client = await it.connected(replay=True)
        with pytest.raises(InvalidSetting, match="another server"):
            await second.start()
        await publish(it, 1)
        await caught_up(it, client)
        await second.close()  # it must not close what is not its own
        await publish(it, 2)
        await caught_up(it, client)
        assert it.at_client == [1, 2]
    assert nobody_listens(log)
    async with Server(log=log) as third:
        assert await third.publish("news", 3) == 3
    assert nobody_listens(log)


async def test_a_start_that_fails_gives_the_log_back(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "log.db")
    async with Server() as other:
        server = Server(port=other.port, log=log)
        with pytest.raises(PortInUse):
            await server.start()
        assert nobody_listens(log)
        assert not log.is_open
    await server.start()
    assert await server.publish("news", 1) == 1
    await server.close()
    nowhere = Server(log=(missing := EventLog(tmp_path / "no such folder" / "log.db")))
    with pytest.raises(StoreFailed):
        await nowhere.start()
    assert nobody_listens(missing)


async def test_a_crash_gives_the_log_back(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        await crashed(it)
        assert nobody_listens(log_of(it))
        async with log_of(it):
            await log_of(it).append("news", 1)
        await it.server.restart()
        await until(lambda: log_of(it).head == 1)
