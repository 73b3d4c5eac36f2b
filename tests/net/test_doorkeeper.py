"""`authenticate` decides who may connect. Whatever it does, nobody is half-way in, nobody is left behind, and nobody else feels it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import socketio

from realtime_lab.errors import ConnectionRejected, Rejected, TryAgain, UnknownFault
from realtime_lab.net import doorkeeper
from realtime_lab.net.client import Client
from realtime_lab.net.event_log import EventLog
from realtime_lab.net.server import Server
from tests.net.harness import CHAT, FAST, RETRIES, Stack, offline, stack, until


def reported() -> list[BaseException]:
    """What goes to the loop's exception handler from now on."""
    errors: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context["exception"]))
    return errors


def nobody_is_there(server: Server) -> bool:
    """Neither we nor python-socketio believe in anybody."""
    manager = server.sio.manager
    return server.sids == () and not manager.rooms.get("/") and not manager.pending_connect and not manager.callbacks


class Gate:
    """An `authenticate` that waits until it is told what to answer."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def __call__(self, auth: Any) -> Any:
        self.asked += 1
        return await self.answer if isinstance(auth, dict) and auth.get("who") == "waits" else "let in at once"


@contextlib.asynccontextmanager
async def polling_peer(url: str, auth: str) -> AsyncIterator[Any]:
    """A peer that has asked to connect over long-polling; gives a function that posts one more Engine.IO packet."""
    async with aiohttp.ClientSession() as http:
        address = f"{url}/socket.io/?EIO=4&transport=polling"
        async with http.get(address) as answer:
            sid = (await answer.text()).split('"sid":"')[1].split('"')[0]

        async def post(text: str) -> None:
            async with http.post(f"{address}&sid={sid}", data=text) as answer:
                await answer.read()

        asking = asyncio.create_task(post("40" + auth))
        try:
            yield post
        finally:
            await asking


@pytest.mark.parametrize("is_async", [False, True])
async def test_it_gets_the_applications_own_keys_and_what_it_says_is_known_afterwards(tmp_path: Path, is_async: bool) -> None:
    asked: list[Any] = []

    def authenticate(auth: Any) -> str | None:
        asked.append(auth)
        return auth["user"] if auth else None

    async def authenticate_later(auth: Any) -> str | None:
        await asyncio.sleep(0)
        return authenticate(auth)

    asks = authenticate_later if is_async else authenticate
    async with stack(log=EventLog(tmp_path / "log.db"), dedupe=True, authenticate=asks) as it:
        ann = await it.connected(auth={"user": "ann", "offset": None}, replay=True, **RETRIES)
        bare = await it.connected(auth=lambda: {"user": "bob"})
        foreign = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        await foreign.connect(it.server.url, transports=["websocket"])
        guest = foreign.get_sid("/")
        assert asked == [{"user": "ann", "offset": None}, {"user": "bob"}, None]
        assert [it.server.identity(sid) for sid in (ann.sid, bare.sid, guest)] == ["ann", "bob", None]
        assert [it.server.auth(sid) for sid in (ann.sid, bare.sid, guest)] == asked
        await foreign.disconnect()
        await until(lambda: guest not in it.server.sids)
        with pytest.raises(UnknownFault, match=r"no connection.*server\.sids"):
            it.server.identity(guest)
        with pytest.raises(UnknownFault):
            it.server.auth(guest)
        await it.works(ann)


async def test_a_name_that_cannot_be_stored_is_refused_and_spoils_nobody_elses_commit(tmp_path: Path) -> None:
    async with stack(log=EventLog(tmp_path / "log.db"), dedupe=True, authenticate=lambda auth: auth["name"]) as it:
        errors = reported()
        eve = it.client(auth={"name": "\ud800"}, **RETRIES)
        with pytest.raises(ConnectionRejected, match="surrogate"):
            await eve.connect()
        ann = await it.connected(auth={"name": "\U0001f600"}, **RETRIES)
        await it.works(ann)
        assert errors == []


async def test_who_is_rejected_learns_why_and_does_not_try_again() -> None:
    asked: list[Any] = []

    def authenticate(auth: Any) -> str:
        asked.append(auth)
        if len(asked) in (1, 3):
            raise Rejected(f"no entry for {auth['user']}")
        return "ann"

    async with stack(authenticate=authenticate) as it:
        eve = it.client(auth={"user": "eve"})
        with pytest.raises(ConnectionRejected, match="no entry for eve"):
            await eve.connect()
        assert (eve.state, it.server.sids, len(asked)) == ("disconnected", (), 1)
        ann = await it.connected(auth={"user": "ann"})
        await offline(it, ann)
        it.link.restore()
        await until(lambda: ann.state == "disconnected")  # her right was withdrawn meanwhile
        assert len(asked) == 3
        await until(lambda: nobody_is_there(it.server))


class Trouble:
    """An `authenticate` that goes wrong the first time."""

    def __init__(self, kind: str) -> None:
        self.kind, self.asked = kind, 0

    async def __call__(self, auth: Any) -> Any:
        self.asked += 1
        return await getattr(self, self.kind)() if self.asked == 1 else "ann"

    async def try_again(self) -> None:
        raise TryAgain("the directory is being replaced")

    async def too_slow(self) -> None:
        await asyncio.sleep(3600)

    async def a_bug(self) -> None:
        raise ZeroDivisionError("a bug")

    async def a_timeout_of_its_own(self) -> None:
        raise TimeoutError("the directory does not answer")

    async def cancelled(self) -> None:
        task = asyncio.create_task(asyncio.sleep(3600))
        asyncio.get_running_loop().call_soon(task.cancel)
        await task

    async def ended_from_outside(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    async def a_number(self) -> int:
        return 7

    async def an_empty_text(self) -> str:
        return ""

    async def yes(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("kind", "report"),
    [
        ("try_again", None),
        ("too_slow", None),
        ("a_bug", ZeroDivisionError),
        ("a_timeout_of_its_own", TimeoutError),
        ("cancelled", RuntimeError),
        ("ended_from_outside", None),
        ("a_number", TypeError),
        ("an_empty_text", TypeError),
        ("yes", TypeError),
    ],
)
async def test_what_says_nothing_about_the_client_lets_it_try_again(
    monkeypatch: pytest.MonkeyPatch, kind: str, report: type[Exception] | None
) -> None:
    monkeypatch.setattr(doorkeeper, "LIMIT", 0.05)
    errors = reported()
    authenticate = Trouble(kind)
    async with stack(authenticate=authenticate) as it:
        told: list[str] = []
        it.server.on("connect")(told.append)
        client = await it.connected()
        assert authenticate.asked == 2
        assert [type(error) for error in errors] == ([report] if report else [])
        refusals = [event.text for event in it.of("wire", type="CONNECT_ERROR")]
        assert len(refusals) == 1
        assert "ry again" in refusals[0] or "being replaced" in refusals[0]
        assert it.server.identity(client.sid) == "ann"
        assert told == [client.sid] == [sid for sid, _ in it.server.sio.manager.get_participants("/", None)]
        await it.works(client)


async def test_while_one_waits_the_others_work_and_who_waits_gets_nothing_before_it_is_accepted(tmp_path: Path) -> None:
    gate = Gate()
    async with stack(log=EventLog(tmp_path / "log.db"), authenticate=gate) as it:
        there = Client(it.server.url, replay=True, ack_timeout=5.0, **FAST)
        heard: list[Any] = []
        there.on(CHAT)(heard.append)
        await there.connect()
        waiting = it.client(auth={"who": "waits"}, replay=True)
        connecting = asyncio.create_task(waiting.connect())
        await until(lambda: gate.asked == 2)
        await it.server.emit(CHAT, "secret")
        await it.server.emit(CHAT, "secret, to a room", to="nobody's")
        await it.server.publish(CHAT, "for who was there")
        await until(lambda: heard == ["secret", "for who was there"])
        assert (await there.emit(CHAT, "up")).outcome == "acked"
        assert it.of("emitted", "server", text="secret")[0].sids == (there.sid,)
        assert it.server.sids == (there.sid,)
        gate.answer.set_result("ann")
        await connecting
        await it.server.emit(CHAT, "open")
        await until(lambda: it.at_client == ["open"])
        assert it.chats("wire", "downstream") == ["open"]
        await there.close()


async def test_who_is_refused_after_a_while_has_heard_nothing(tmp_path: Path) -> None:
    gate = Gate()
    async with stack(log=EventLog(tmp_path / "log.db"), authenticate=gate) as it:
        waiting = it.client(auth={"who": "waits"})
        connecting = asyncio.create_task(waiting.connect())
        await until(lambda: gate.asked)
        await it.server.emit(CHAT, "secret")
        await it.server.publish(CHAT, "stored")
        gate.answer.set_exception(Rejected("not you"))
        with pytest.raises(ConnectionRejected, match="not you"):
            await connecting
        assert [event.type for event in it.of("wire", direction="downstream")] == ["engine", "CONNECT_ERROR"]
        await until(lambda: nobody_is_there(it.server))


async def ended_by_the_peer(it: Stack, post: Any) -> None:
    await post("1")


async def ended_by_its_heartbeat(it: Stack, post: Any) -> None:
    (socket,) = it.server.sio.eio.sockets.values()
    socket.last_ping = time.time() - 3600  # as if it had not answered a ping for an hour, and nobody had looked yet


@pytest.mark.parametrize("end", [ended_by_the_peer, ended_by_its_heartbeat])
@pytest.mark.parametrize("answer", ["ann", Rejected("not you")], ids=["accepted", "rejected"])
async def test_a_connection_that_ends_meanwhile_leaves_no_ghost(end: Any, answer: Any) -> None:
    gate = Gate()
    async with stack(authenticate=gate) as it:
        told: list[str] = []
        it.server.on("connect")(told.append)
        async with polling_peer(it.server.url, '{"who":"waits"}') as post:
            await until(lambda: gate.asked)
            await end(it, post)
            gate.answer.set_exception(answer) if isinstance(answer, Exception) else gate.answer.set_result(answer)
        await until(lambda: nobody_is_there(it.server))
        assert told == []


@pytest.mark.parametrize("end", ["cut", "close"])
async def test_a_websocket_that_breaks_meanwhile_leaves_no_ghost(end: str) -> None:
    gate = Gate()
    async with stack(authenticate=gate) as it:
        presence: list[Any] = []
        it.server.on("connect")(lambda sid: presence.append(("came", sid)))
        it.server.on("disconnect")(lambda sid, why: presence.append(("left", sid)))
        waiting = it.client(auth={"who": "waits"})
        await waiting.start()
        await until(lambda: gate.asked)
        getattr(it.link, end)()
        gate.answer.set_result("ann")
        await until(lambda: nobody_is_there(it.server))
        await until(lambda: [what for what, _ in presence] in ([], ["came", "left"]))  # it may see the break only after the acceptance


async def test_a_connection_that_is_admitted_late_does_not_replace_one_that_its_client_made_after_it() -> None:
    gate = Gate()
    ours = {"realtime_lab": {"client_id": "hand", "nack": True}}
    async with stack(authenticate=gate) as it:
        old, new = (socketio.AsyncClient(reconnection=False, handle_sigint=False) for _ in range(2))
        why: list[Any] = []
        old.on("connect_error")(why.append)
        came = asyncio.create_task(old.connect(it.server.url, auth=ours | {"who": "waits"}, transports=["websocket"]))
        await until(lambda: gate.asked)
        await new.connect(it.server.url, auth=ours, transports=["websocket"])
        gate.answer.set_result("let in at once")
        with pytest.raises(socketio.exceptions.ConnectionError):
            await came
        assert "newer" in why[0]["message"]
        assert why[0]["data"] == {"retryable": True}
        assert it.server.sids == (new.get_sid("/"),)
        assert await new.call("nothing", {"id": "hand:1", "data": 0}, timeout=3)
        await new.disconnect()
        await until(lambda: nobody_is_there(it.server))


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_server_that_is_closed_meanwhile_waits_for_nobody(transport: str) -> None:
    gate = Gate()
    before = asyncio.all_tasks()
    async with stack(authenticate=gate) as it:
        waiting = it.client(auth={"who": "waits"}, transports=(transport,))
        await waiting.start()
        await until(lambda: gate.asked)
        await it.server.close()
        assert nobody_is_there(it.server)
        assert it.server.idle
    await until(lambda: asyncio.all_tasks() == before)
