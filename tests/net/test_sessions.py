"""Where a client stands: what it is told after each connection, what it remembers, and who does not play."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from realtime_lab.errors import ConnectionRejected, ConnectTimeout, InvalidSetting, Rejected, ReservedName
from realtime_lab.net.client import Client
from realtime_lab.rules.replay import Session
from tests.net.harness import CHAT, FAST, RETRIES, offline, rounds, stack, until
from tests.net.replaying import CLIENT_TASKS, caught_up, crashed, kept_offset, log_of, missed, publish, replaying, reported, running
from tests.net.test_client import plain_server, stop

# -- what a client is told --------------------------------------------------------------------------------------------------------------


async def test_who_comes_for_the_first_time_begins_at_the_head_and_is_told_so(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        await publish(it, "early", "earlier")
        client = it.client(replay=True)
        told: list[Any] = []
        client.on("session")(told.append)
        assert (client.offset, client.recovered, client.session) == (None, None, None)
        await client.connect()
        await publish(it, "now")
        await caught_up(it, client)
        assert it.at_client == ["now"]
        assert told == [{"epoch": log_of(it).epoch, "offset": 2, "recovered": False, "reason": "new"}]


async def test_who_missed_what_was_trimmed_is_told_and_goes_on_with_what_is_left(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        client = await it.connected(replay=True)
        await offline(it, client)
        await publish(it, *range(1, 6))
        await log_of(it).trim(4)
        it.link.restore()
        await caught_up(it, client)
        assert (client.recovered, client.session) == (False, Session(log_of(it).epoch, 3, "truncated"))
        assert it.at_client == [4, 5]
        await missed(it, client, 6)
        await caught_up(it, client)
        assert (client.recovered, it.at_client) == (True, [4, 5, 6])


@pytest.mark.parametrize("store", [False, True], ids=["memory", "store"])
async def test_a_new_database_begins_anew_for_everybody(tmp_path: Path, store: bool) -> None:
    async with replaying(tmp_path) as it:
        options = {"store": tmp_path / "alice.db"} if store else {}
        client = await it.connected(replay=True, **options)
        await publish(it, "a", "b", "c")
        await caught_up(it, client)
        if store:
            await client.close()
        await crashed(it)
        await log_of(it).erase()
        await it.server.restart()
        await publish(it, "d", "e")
        client = await it.connected(replay=True, **options) if store else client
        await caught_up(it, client)
        assert client.session == Session(log_of(it).epoch, 0, "epoch-changed")
        assert (client.recovered, client.offset, it.at_client) == (False, 2, ["a", "b", "c", "d", "e"])
        await missed(it, client, "f")
        await caught_up(it, client)
        assert (client.recovered, it.at_client[5:]) == (True, ["f"])


async def test_a_backup_that_knows_less_than_the_client_is_told_as_ahead(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        client = await it.connected(replay=True)
        file = Path(log_of(it).path)
        await publish(it, "a")
        await crashed(it)
        shutil.copy(file, tmp_path / "backup.db")
        await it.server.restart()
        await publish(it, "b", "c")
        await caught_up(it, client)
        await crashed(it)
        await log_of(it).erase()
        shutil.copy(tmp_path / "backup.db", file)
        await it.server.restart()
        await until(lambda: client.session == Session(log_of(it).epoch, 1, "ahead"))
        await publish(it, "d")
        await caught_up(it, client)
        assert (client.offset, it.at_client) == (2, ["a", "b", "c", "d"])


@pytest.mark.parametrize("error", [None, ValueError("no state"), Rejected("no state")], ids=repr)
async def test_the_session_handler_has_returned_before_the_next_event_is_handled(tmp_path: Path, error: Exception | None) -> None:
    """It may have to clear what the events before it have built. What it raises is reported, and nothing stops."""
    async with replaying(tmp_path) as it:
        errors = reported()
        client = it.client(replay=True)
        go = asyncio.Event()

        @client.on("session")
        async def clear(told: dict[str, Any]) -> None:
            it.at_client.append("session begins")
            await go.wait()
            it.at_client.append("session ends")
            if error is not None:
                raise error

        await client.connect()  # does not wait for what the application does with it
        await publish(it, 1, 2)
        await until(lambda: len(it.of("sent", "server", event=CHAT)) == 2)
        await it.server.emit("other")
        await until(lambda: it.of("received", event="other"))  # so the other two are here as well
        await rounds(20)
        assert (it.at_client, client.idle) == (["session begins"], False)
        go.set()
        await caught_up(it, client)
        assert it.at_client == ["session begins", "session ends", 1, 2]
        assert errors == ([] if error is None else [error])


# -- restarts of the client -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("retries", [{}, RETRIES], ids=["replay only", "with retries"])
@pytest.mark.parametrize("end", ["close", "abort"])
async def test_a_client_that_starts_anew_goes_on_after_what_its_store_says(tmp_path: Path, end: str, retries: dict[str, Any]) -> None:
    async with replaying(tmp_path) as it:
        for n in range(1, 10, 3):
            client = await it.connected(replay=True, store=tmp_path / "alice.db", **retries)
            await publish(it, n)
            await caught_up(it, client)
            await getattr(client, end)()
            await publish(it, n + 1, n + 2)
        client = await it.connected(replay=True, store=tmp_path / "alice.db", **retries)
        await caught_up(it, client)
        assert it.at_client == list(range(1, 10))
        assert [event.reason for event in it.of("recovered")] == ["new", "", "", ""]


async def test_a_client_that_ends_inside_a_handler_is_given_that_event_again_and_none_before_it(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        entered = asyncio.Event()

        async def slow(data: Any) -> None:
            it.at_client.append(data)
            if data == 3:
                entered.set()
                await asyncio.get_running_loop().create_future()

        client = it.client(replay=True, store=tmp_path / "alice.db")
        client.on(CHAT)(slow)
        await client.connect()
        await publish(it, 1, 2, 3, 4)
        await entered.wait()
        await client.abort()
        again = await it.connected(replay=True, store=tmp_path / "alice.db")
        await caught_up(it, again)
        assert it.at_client == [1, 2, 3, 3, 4]


async def test_where_it_begins_is_kept_before_connect_returns(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        await publish(it, "early")
        client = await it.connected(replay=True, store=tmp_path / "alice.db")
        assert kept_offset(tmp_path / "alice.db") == client.offset == 1


async def test_a_client_connects_again_after_the_server_has_ended_it_and_handles_one_at_a_time(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        client = await it.connected(replay=True, store=tmp_path / "alice.db")
        inside: list[Any] = []

        @client.on(CHAT)
        async def alone(data: Any) -> None:
            inside.append(data)
            await asyncio.sleep(0)
            assert inside == [data]
            it.at_client.append(inside.pop())

        await publish(it, 1)
        await caught_up(it, client)
        await it.server.disconnect(client.sid)
        await until(lambda: client.state == "disconnected")
        await publish(it, *range(2, 31))
        await client.connect()
        await caught_up(it, client)
        assert (client.recovered, it.at_client) == (True, list(range(1, 31)))
        assert running("Incoming._work") == 1


async def test_a_client_that_is_closed_while_its_store_opens_leaves_it_closed(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        for turns in range(12):
            client = it.client(replay=True, store=tmp_path / "alice.db")
            starting = asyncio.ensure_future(client.start())
            for _ in range(turns):
                await asyncio.sleep(0.0005)
            await client.close()
            await asyncio.gather(starting, return_exceptions=True)
        assert not running(*CLIENT_TASKS)
        await it.connected(replay=True, store=tmp_path / "alice.db")


def test_a_client_is_made_before_there_is_a_loop() -> None:
    async def refused(client: Client) -> None:
        with pytest.raises(ConnectTimeout, match="no connection"):
            await client.connect(timeout=0.05)
        await client.close()

    asyncio.run(refused(Client("http://127.0.0.1:9", replay=True)))


# -- refusals ---------------------------------------------------------------------------------------------------------------------------


async def test_a_server_without_a_log_refuses_who_wants_a_replay_and_cannot_publish() -> None:
    async with stack() as it:
        with pytest.raises(ConnectionRejected, match="no client with replay, because it has no log to replay from"):
            await it.client(replay=True).connect()
        with pytest.raises(InvalidSetting, match="this server has no log"):
            await it.server.publish(CHAT, 1)
        await it.server.emit("session", "a word like any other here")


async def test_a_foreign_server_that_sends_no_session_is_no_server_for_replay() -> None:
    runner, sio, url = await plain_server()
    client = Client(url, replay=True, **FAST)
    with pytest.raises(ConnectTimeout, match=r"did not say in 0.2 s where this client stands: it does not replay"):
        await client.connect(timeout=0.2)
    await client.close()
    await stop(runner, sio)


async def test_the_word_session_is_taken(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        for call in (it.server.publish, it.server.emit):
            with pytest.raises(ReservedName, match="tells clients where they stand"):
                await call("session", 1)
        assert log_of(it).head == 0


async def test_what_is_lost_is_told_again_if_the_process_ended_while_it_was_told(tmp_path: Path) -> None:
    """Once its store knew, nobody was ever told of the hole."""
    async with replaying(tmp_path) as it:
        options: dict[str, Any] = {"replay": True, "store": tmp_path / "alice.db"}
        first = await it.connected(**options)
        await publish(it, 1)
        await caught_up(it, first)
        await first.abort()
        await publish(it, 2, 3)
        await log_of(it).trim(4)
        second, begun = it.client(**options), asyncio.Event()

        @second.on("session")
        async def told(session: dict[str, Any]) -> None:
            begun.set()
            await asyncio.Event().wait()

        await second.start()
        await begun.wait()
        await second.abort()
        reasons: list[str] = []
        third = it.client(**options)
        third.on("session")(lambda session: reasons.append(session["reason"]))
        await third.connect()
        await until(lambda: reasons)
        await caught_up(it, third)
        await third.close()
        fourth = it.client(**options)
        fourth.on("session")(lambda session: reasons.append(session["reason"]))
        await fourth.connect()
        await until(lambda: len(reasons) == 2)
        assert reasons == ["truncated", ""]
