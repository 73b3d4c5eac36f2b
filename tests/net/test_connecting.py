"""connect() of a client with replay: it waits for the session, and ends at once and with the true reason when that cannot come."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import socketio
from engineio.packet import MESSAGE, Packet

from realtime_lab.errors import AlreadyClosed, ConnectionRejected, ConnectTimeout, Rejected
from realtime_lab.net.client import Client
from realtime_lab.net.connection import Connection
from realtime_lab.rules.replay import Session
from tests.net.harness import CHAT, FAST, rounds, stack, until
from tests.net.replaying import CLIENT_TASKS, publish, replaying, reported, running
from tests.net.test_client import plain_server, stop
from tests.net.test_ends import QUICK

NOBODY = "http://127.0.0.1:9"


class Silent:
    """A server that accepts everybody, and tells nobody where they stand before it is asked to."""

    def __init__(self, sio: socketio.AsyncServer, url: str) -> None:
        self.sio, self.url = sio, url

    async def tell(self, client: Client, offset: int) -> None:
        await self.sio.emit("session", {"epoch": "e", "offset": offset, "recovered": True, "reason": ""}, to=client.sid)


@asynccontextmanager
async def silent() -> AsyncIterator[Silent]:
    runner, sio, url = await plain_server()
    try:
        yield Silent(sio, url)
    finally:
        await stop(runner, sio)


async def is_free(store: Path) -> None:
    """Nothing of a client runs any more, and another one may have its store."""
    await until(lambda: not running(*CLIENT_TASKS))
    other = Client(NOBODY, **QUICK, store=store)
    await other.start()
    await other.close()


@pytest.mark.parametrize("end", ["close", "abort"])
@pytest.mark.parametrize("stage", ["no server", "no session"])
async def test_who_closes_a_client_that_connects_ends_that_at_once_and_for_ever(tmp_path: Path, stage: str, end: str) -> None:
    async with silent() as it:
        client = Client(NOBODY if stage == "no server" else it.url, **QUICK, **FAST, store=tmp_path / "alice.db")
        connecting = asyncio.ensure_future(client.connect(timeout=60))
        await until(lambda: client._supervisor.failure if stage == "no server" else client.connected)
        ending = asyncio.ensure_future(getattr(client, end)())
        with pytest.raises(AlreadyClosed):
            await asyncio.wait_for(connecting, 5)
        assert client.state == "closed"
        assert stage == "no server" or client._supervisor.running, "it waited for the goodbye"
        await ending
        for again in (client.start, client.connect):
            with pytest.raises(AlreadyClosed):
                await again()
        assert client.state == "closed"
        await is_free(tmp_path / "alice.db")


@pytest.mark.parametrize("end", ["close", "abort"])
@pytest.mark.parametrize("where", ["connect", "session"])
async def test_a_handler_that_is_called_while_it_connects_may_end_the_client(tmp_path: Path, where: str, end: str) -> None:
    async with replaying(tmp_path) as it:
        client = it.client(**QUICK, store=tmp_path / "alice.db")
        ended = asyncio.Event()

        @client.on(where)
        async def bye(*told: Any) -> None:
            await getattr(client, end)()
            ended.set()

        with pytest.raises(AlreadyClosed):
            await client.connect(timeout=60)
        await ended.wait()
        assert client.state == "closed"
        await is_free(tmp_path / "alice.db")


async def test_a_client_that_does_not_enter_its_block_leaves_nothing_behind(tmp_path: Path) -> None:
    store = tmp_path / "alice.db"
    async with stack() as other:
        with pytest.raises(ConnectionRejected, match="no client with replay"):
            async with Client(other.server.url, **QUICK, **FAST, store=store):
                raise AssertionError("it was refused")
    assert not running(*CLIENT_TASKS)
    await is_free(store)


async def test_who_connects_again_waits_for_the_new_session() -> None:
    async with silent() as it:
        client = Client(it.url, **QUICK, **FAST)
        for offset in (3, 5):
            connecting = asyncio.ensure_future(client.connect())
            await until(lambda: client.connected)
            await rounds(20)
            assert not connecting.done()
            await it.tell(client, offset)
            await connecting
            assert client.session == Session("e", offset)
            await it.sio.disconnect(client.sid)
            await until(lambda: client.state == "disconnected")
        await client.close()


@pytest.mark.parametrize("time", ["first", "second"])
async def test_a_goodbye_of_the_server_before_the_session_is_told_at_once(time: str) -> None:
    async with silent() as it:
        client = Client(it.url, **QUICK, **FAST)
        for told in (True, False) if time == "second" else (False,):
            connecting = asyncio.ensure_future(client.connect(timeout=60))
            await until(lambda: client.connected)
            if told:
                await it.tell(client, 1)
                await connecting
            await it.sio.disconnect(client.sid)
            await until(lambda: client.state == "disconnected")
        with pytest.raises(ConnectionRejected, match="ended for good at once: server disconnect"):
            await asyncio.wait_for(connecting, 5)
        assert client.state == "disconnected"
        await client.close()


async def test_who_was_sent_away_may_connect_again_at_once(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        client = await it.connected(**QUICK)
        again: list[Any] = []

        @client.on("disconnect")
        async def come_back(reason: str) -> None:
            if client.state == "closed":
                return
            again.append(client._supervisor.running)
            await client.connect()
            again.append(client.state)

        await it.server.disconnect(client.sid)
        await until(lambda: len(again) == 2)
        assert again == [True, "connected"]


async def test_a_refusal_is_told_at_once_also_to_who_was_here_before(tmp_path: Path) -> None:
    shut = False

    def authenticate(auth: Any) -> str:
        if shut:
            raise Rejected("not you")
        return "alice"

    async with replaying(tmp_path, authenticate=authenticate) as it:
        client = await it.connected(**QUICK)
        await it.server.disconnect(client.sid)
        await until(lambda: client.state == "disconnected")
        shut = True
        with pytest.raises(ConnectionRejected, match="not you"):
            await asyncio.wait_for(client.connect(timeout=60), 5)
        assert client.state == "disconnected"
        shut = False
        await client.connect()


@pytest.mark.parametrize("state", ["halted", "running"])
async def test_a_session_that_waits_for_a_handler_is_not_blamed_on_the_server(tmp_path: Path, state: str) -> None:
    async with replaying(tmp_path) as it:
        reported()
        client = await it.connected(**QUICK)
        began = asyncio.Event()

        @client.on(CHAT)
        async def handle(data: Any) -> None:
            began.set()
            await asyncio.sleep(0 if state == "halted" else 60)
            raise ValueError

        await publish(it, 1)
        await until(lambda: client.halted if state == "halted" else began.is_set())
        await it.server.disconnect(client.sid)
        await until(lambda: client.state == "disconnected")
        why = "halted at offset 1" if state == "halted" else "handler of an earlier event has not returned"
        with pytest.raises(ConnectTimeout, match=why):
            await client.connect(timeout=0.3)


async def test_a_connection_that_ends_in_the_moment_of_a_send_is_noticed_although_more_is_sent() -> None:
    """The reader of python-engineio gives up (None) right behind a packet; a sender that goes on must not keep its writer alive."""
    async with stack() as it:
        client = await it.connected()
        it.link.stall("downstream")
        eio = client._connection._sio.eio
        eio.queue.put_nowait(Packet(MESSAGE, data='2["last"]'))
        eio.queue.put_nowait(None)
        for n in range(20):
            if client.connected:
                client.emit(CHAT, n)
            await asyncio.sleep(0.01)
        assert not client.connected


async def test_a_connection_that_is_accepted_after_it_was_given_up_is_none() -> None:
    """It once said that it was connected, and then that it was disconnected for good."""
    async with stack() as it:
        client = it.client(transports=["polling"], **{**FAST, "connect_timeout": 0.3})
        heard: list[str] = []
        client.on("connect")(lambda: heard.append("connect"))
        client.on("disconnect")(heard.append)
        it.link.stall("downstream", before=1)
        await client.start()
        await until(lambda: client._supervisor.failure)
        it.link.resume()
        await until(lambda: client.connected and client.sid in it.server.sids and heard)
        assert heard == ["connect"]
        assert [event.kind for event in it.journal if event.node == "alice" and event.kind.endswith("connected")] == ["connected"]


async def test_a_connection_is_over_as_soon_as_its_attempt_is_given_up() -> None:
    """Else the acceptance could still come before it is closed, in the next round of the loop."""
    async with stack() as it:
        opened: list[Connection] = []

        async def receive(*arguments: Any) -> None:
            """Nothing comes."""

        connection = Connection(opened.append, lambda it: None, lambda it, reason: None, receive)
        it.link.stall("downstream", before=1)
        with pytest.raises(TimeoutError):
            await connection.open(it.link.url, ["polling"], None, 0.1)
        assert await connection.gone == "transport error"
        connection._on_connect()
        assert opened == []
        await connection.close()
