"""A client id keeps its owner: nobody else may connect with it, and its owner may, also when the old connection is not known to be dead."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import socketio

from realtime_lab.errors import ConnectionRejected
from realtime_lab.net.client import Client
from realtime_lab.net.event_log import EventLog
from realtime_lab.net.server import Server
from tests.net.harness import CHAT, FAST, RETRIES, Stack, stack, until

TAKEN = "this client_id belongs to somebody else. Each client makes its own, and keeps it for itself."


class Peer:
    """A plain python-socketio client that says who it is, and announces a client id."""

    def __init__(self, url: str, user: str | None, client_id: str = "the-id") -> None:
        self._url, self._client_id = url, client_id
        self._auth = {"user": user, "realtime_lab": {"client_id": client_id, "nack": True}}
        self.refusals: list[Any] = []
        self.got: list[Any] = []
        self.gone: list[str] = []
        self._sio = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        self._sio.on("connect_error", self.refusals.append)
        self._sio.on("disconnect", self.gone.append)
        self._sio.on(CHAT, self.got.append)

    async def connect(self) -> str:
        """The reason why not, or ""."""
        try:
            await self._sio.connect(self._url, auth=self._auth, transports=["websocket"], wait_timeout=5)
        except socketio.exceptions.ConnectionError:
            (refusal,) = self.refusals
            return str(refusal["message"])
        return ""

    @property
    def sid(self) -> str:
        return str(self._sio.get_sid("/"))

    async def say(self, n: int, data: Any) -> Any:
        return await self._sio.call(CHAT, {"id": f"{self._client_id}:{n}", "data": data}, timeout=5)

    async def send(self, n: int, data: Any) -> None:
        await self._sio.emit(CHAT, {"id": f"{self._client_id}:{n}", "data": data}, callback=lambda *answer: None)

    async def close(self) -> None:
        await self._sio.shutdown()


@contextlib.asynccontextmanager
async def peers(it: Stack, *users: str | None, url: str = "") -> AsyncIterator[list[Peer]]:
    """A peer for each user, all with one client id; not connected yet."""
    them = [Peer(url or it.server.url, user) for user in users]
    try:
        yield them
    finally:
        for each in them:
            await each.close()


@contextlib.asynccontextmanager
async def owning(log: EventLog, authenticate: Any = lambda auth: auth["user"]) -> AsyncIterator[Stack]:
    async with stack(log=log, dedupe=True, authenticate=authenticate) as it:
        yield it


def presence(server: Server) -> list[Any]:
    """What the application's connect and disconnect handlers are told."""
    told: list[Any] = []
    server.on("connect")(lambda sid: told.append(("came", sid)))
    server.on("disconnect")(lambda sid, why: told.append(("left", sid)))
    return told


async def test_an_id_that_is_on_record_is_refused_to_another_and_its_owner_is_not_disturbed(tmp_path: Path) -> None:
    async with owning(EventLog(tmp_path / "log.db")) as it, peers(it, "ann", "eve", "ann") as (ann, eve, ann_again):
        told = presence(it.server)
        assert await ann.connect() == ""
        assert await ann.say(1, "one") == {"ok": True}
        assert await eve.connect() == TAKEN
        assert (await ann.say(2, "two"), it.at_server, ann.gone) == ({"ok": True}, ["one", "two"], [])
        assert told == [("came", ann.sid)]
        await ann.close()
        await until(lambda: it.server.sids == ())
        eve.refusals.clear()
        assert await eve.connect() == TAKEN  # also while she is away
        assert await ann_again.connect() == ""
        assert await ann_again.say(2, "two") == {"ok": True, "duplicate": True}


async def test_our_client_says_so_at_connect(tmp_path: Path) -> None:
    """A store that was copied to somebody else, with the id in it."""
    options: dict[str, Any] = {"store": tmp_path / "store.db", **RETRIES, **FAST}
    async with owning(EventLog(tmp_path / "log.db")) as it:
        async with Client(it.server.url, auth={"user": "ann"}, **options) as ann:
            assert (await ann.emit(CHAT, "hers")).outcome == "acked"
        eve = Client(it.server.url, auth={"user": "eve"}, **options)
        with pytest.raises(ConnectionRejected, match="belongs to somebody else"):
            await eve.connect()
        await eve.close()


async def test_an_id_that_is_in_use_is_refused_to_another_before_anything_is_on_record(tmp_path: Path) -> None:
    async with owning(EventLog(tmp_path / "log.db")) as it, peers(it, "ann", "eve", None) as (ann, eve, guest):
        told = presence(it.server)
        assert await ann.connect() == ""
        assert await eve.connect() == TAKEN
        assert await guest.connect() == TAKEN
        assert await ann.say(1, "still here") == {"ok": True}
        assert (ann.gone, it.server.sids, told) == ([], (ann.sid,), [("came", ann.sid)])


async def test_without_a_log_an_id_that_is_in_use_is_refused_too() -> None:
    async with stack(authenticate=lambda auth: auth["user"]) as it, peers(it, "ann", "eve") as (ann, eve):
        assert await ann.connect() == ""
        assert await eve.connect() == TAKEN
        assert it.server.sids == (ann.sid,)
        await ann.close()
        await until(lambda: it.server.sids == ())
        eve.refusals.clear()
        assert await eve.connect() == ""  # nobody has it now


async def test_an_id_is_refused_to_another_while_its_owners_event_is_under_way(tmp_path: Path) -> None:
    """She has gone, and the record will say that it is hers: nobody may have the answer to her event."""
    async with owning(EventLog(tmp_path / "log.db")) as it, peers(it, "ann", "eve", "eve") as (ann, eve, eve_later):
        gate = asyncio.Event()
        begun: list[Any] = []

        @it.server.on(CHAT)
        async def slow(sid: str, data: Any) -> str:
            begun.append(data)
            await gate.wait()
            return "for ann only"

        await ann.connect()
        await ann.send(1, "hers")
        await until(lambda: begun)
        await ann.close()
        await until(lambda: it.server.sids == ())
        assert await eve.connect() == TAKEN
        gate.set()
        await until(lambda: it.server.idle)
        assert await eve_later.connect() == TAKEN


class SlowToAnswer(EventLog):
    """Answers who owns an id only when the gate is open; with what it read before that."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def owner_of(self, client_id: str) -> str | None:
        owner = await super().owner_of(client_id)
        self.asked += 1
        await self.gate.wait()
        return owner


async def test_an_owner_who_comes_and_goes_while_another_is_asked_for_is_remembered(tmp_path: Path) -> None:
    log = SlowToAnswer(tmp_path / "log.db")
    async with owning(log) as it, peers(it, "ann", "eve", None) as (ann, eve, guest):
        log.gate.clear()
        connecting = asyncio.create_task(eve.connect())
        await until(lambda: log.asked)
        log.gate, waited = asyncio.Event(), log.gate
        log.gate.set()
        assert await guest.connect() == ""
        await guest.close()
        await until(lambda: it.server.sids == ())
        assert await ann.connect() == ""
        assert await ann.say(1, "hers") == {"ok": True}
        await ann.close()
        await until(lambda: it.server.sids == ())
        waited.set()  # what was read says: nobody's
        assert await connecting == TAKEN


async def test_a_guest_who_logs_in_keeps_the_id_and_a_guest_cannot_have_it_back(tmp_path: Path) -> None:
    async with owning(EventLog(tmp_path / "log.db")) as it, peers(it, None, "ann", None, "eve") as (guest, ann, guest_again, eve):
        assert await guest.connect() == ""
        assert await guest.say(1, "as a guest") == {"ok": True}
        assert await ann.connect() == ""
        assert await ann.say(2, "as ann") == {"ok": True}
        await until(lambda: guest.gone)
        assert await guest_again.connect() == TAKEN
        assert await eve.connect() == TAKEN


async def test_a_client_takes_over_from_its_stale_connection_which_gets_and_says_nothing_more(tmp_path: Path) -> None:
    async with owning(EventLog(tmp_path / "log.db")) as it, peers(it, "ann", url=it.link.url) as (stale,), peers(it, "ann") as (ann,):
        told = presence(it.server)
        assert await stale.connect() == ""
        old = stale.sid
        await it.server.publish(CHAT, "to both")
        await until(lambda: stale.got)
        it.link.stall()
        await stale.send(1, "from the stale connection")
        assert await ann.connect() == ""
        new = ann.sid
        await until(lambda: len(told) == 3)
        assert told == [("came", old), ("came", ann.sid), ("left", old)]
        assert it.server.sids == (ann.sid,)
        await until(lambda: it.of("session", sid=new))  # a newcomer gets what is published from there on
        await it.server.publish(CHAT, "to the new one")
        await it.server.emit(CHAT, "to everybody")
        await until(lambda: len(ann.got) == 2)
        assert [event.text for event in it.of("sent", sid=old)] == ["to both"]
        it.link.resume()
        await until(lambda: stale.gone)
        assert [content["data"] for content in stale.got] == ["to both"]
        assert stale.gone == ["server disconnect"]
        assert await ann.say(1, "from the new one") == {"ok": True}
        assert it.at_server == ["from the new one"]
        assert len(told) == 3
        await ann.close()
        await until(lambda: told[3:] == [("left", new)])


async def test_our_client_takes_over_after_a_refresh_that_the_server_has_not_noticed(tmp_path: Path) -> None:
    options: dict[str, Any] = {"store": tmp_path / "store.db", "auth": {"user": "ann"}, "replay": True, **RETRIES}
    async with owning(EventLog(tmp_path / "log.db")) as it:
        told = presence(it.server)
        before = await it.connected(**options)
        old = before.sid
        await it.server.publish(CHAT, 1)
        await until(lambda: it.at_client == [1] and before.idle)
        it.link.stall()
        before.emit(CHAT, "on its way")
        await it.server.publish(CHAT, 2)
        await before.abort()
        after = Client(it.server.url, **{**options, **FAST})
        after.on(CHAT)(it.at_client.append)
        it.clients.append(after)
        await after.connect()
        await after.flush()
        await it.server.publish(CHAT, 3)
        await until(lambda: it.at_client == [1, 2, 3])
        it.link.resume()
        await until(lambda: it.link.connections == 0)
        assert (it.at_server, it.at_client) == (["on its way"], [1, 2, 3])
        assert told == [("came", old), ("came", after.sid), ("left", old)]
        assert it.server.sids == (after.sid,)
