"""`rooms` decides what may be seen: live, in a replay, and anew at every connection. Nobody is accepted until it has answered."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from realtime_lab.errors import ConnectionRejected, InvalidSetting, Rejected, TryAgain
from realtime_lab.net import doorkeeper
from realtime_lab.net.client import Client
from realtime_lab.net.event_log import EventLog
from tests.net.harness import CHAT, FAST, Stack, offline, stack, until

PUBLIC, RED, BLUE = None, "red", "blue"


class Rights:
    """Who may see what; it can change."""

    def __init__(self, **rights: list[str]) -> None:
        self.rights: dict[str | None, Any] = {**rights}
        self.asked: list[str | None] = []

    def __call__(self, identity: str | None) -> Any:
        self.asked.append(identity)
        answer = self.rights.get(identity, [])
        return answer() if callable(answer) else answer


def seeing(folder: Path, rights: Callable[[str | None], Any]) -> Any:
    return stack(log=EventLog(folder / "log.db"), authenticate=lambda auth: auth.get("user"), rooms=rights)


async def another(it: Stack, user: str | None) -> tuple[Client, list[Any]]:
    """A client beside the link, and what it is given."""
    client, got = Client(it.server.url, replay=True, auth={"user": user}, **FAST), list[Any]()
    client.on(CHAT)(got.append)
    it.clients.append(client)
    await client.connect()
    return client, got


@pytest.mark.parametrize("is_async", [False, True])
async def test_each_sees_what_it_may_live_and_in_a_replay(tmp_path: Path, is_async: bool) -> None:
    rights = Rights(ann=[RED, BLUE], bob=[BLUE])

    async def later(identity: str | None) -> Any:
        await asyncio.sleep(0)
        return rights(identity)

    async with seeing(tmp_path, later if is_async else rights) as it:

        @it.server.on("to red")
        async def to_red(sid: str, data: Any, tx: Any) -> None:
            await tx.append(CHAT, data, to=RED)

        ann = await it.connected(replay=True, auth={"user": "ann"}, ack_timeout=5.0)
        _, bobs = await another(it, "bob")
        _, guests = await another(it, None)
        assert rights.asked == ["ann", "bob", None]
        for number, room in enumerate((PUBLIC, RED, BLUE)):
            await it.server.publish(CHAT, f"live {number}", to=room)
        assert (await ann.emit("to red", "live, from a handler")).outcome == "acked"
        await offline(it, ann)
        for number, room in enumerate((RED, PUBLIC, "green", BLUE, RED)):
            await it.server.publish(CHAT, f"missed {number}", to=room)
        it.link.restore()
        await until(lambda: it.at_client[-1:] == ["missed 4"])
        assert it.at_client == ["live 0", "live 1", "live 2", "live, from a handler", "missed 0", "missed 1", "missed 3", "missed 4"]
        await until(lambda: it.server.idle)
        assert bobs == ["live 0", "live 2", "missed 1", "missed 3"]
        assert guests == ["live 0", "missed 1"]
        assert rights.asked == ["ann", "bob", None, "ann"]
        assert not [event for event in it.of("wire", direction="downstream") if "missed 2" in event.text]


async def test_a_right_that_was_withdrawn_meanwhile_is_gone_for_what_was_missed_too(tmp_path: Path) -> None:
    rights = Rights(ann=[RED])
    async with seeing(tmp_path, rights) as it:
        ann = await it.connected(replay=True, auth={"user": "ann"})
        await it.server.publish(CHAT, "seen", to=RED)
        await until(lambda: it.at_client == ["seen"])
        await offline(it, ann)
        await it.server.publish(CHAT, "missed, when she still had the right", to=RED)
        rights.rights["ann"] = [BLUE]
        await it.server.publish(CHAT, "missed, red", to=RED)
        await it.server.publish(CHAT, "missed, blue", to=BLUE)
        it.link.restore()
        await until(lambda: len(it.at_client) == 2)
        await it.server.publish(CHAT, "live, red", to=RED)
        await it.server.emit(CHAT, "not stored, red", to=RED)
        await it.server.publish(CHAT, "end")
        await until(lambda: it.at_client[-1:] == ["end"])
        assert it.at_client == ["seen", "missed, blue", "end"]
        assert not [event for event in it.of("wire", direction="downstream", event=CHAT) if "red" in event.text]


async def test_what_is_merely_emitted_to_a_room_reaches_it_too(tmp_path: Path) -> None:
    async with seeing(tmp_path, Rights(ann=[RED], bob=[BLUE])) as it:
        ann = await it.connected(replay=True, auth={"user": "ann"})
        bob, bobs = await another(it, "bob")
        await it.server.emit(CHAT, "red", to=RED)
        await it.server.emit(CHAT, "blue", to=BLUE)
        await it.server.emit(CHAT, "red, not for ann", to=RED, skip_sid=ann.sid)
        await it.server.emit(CHAT, "end")
        await until(lambda: it.at_client == ["red", "end"] and bobs == ["blue", "end"])
        assert [event.sids for event in it.of("emitted", "server")] == [(ann.sid,), (bob.sid,), (), (ann.sid, bob.sid)]


def raises(error: BaseException) -> Callable[[], Any]:
    def answer() -> Any:
        raise error

    return answer


async def hangs() -> Any:
    await asyncio.sleep(3600)


async def is_cancelled() -> Any:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("answer", "report"),
    [
        (raises(ZeroDivisionError("a bug")), ZeroDivisionError),
        (raises(TryAgain("the directory is away. Try again.")), None),
        (hangs, None),
        (is_cancelled, RuntimeError),
        (lambda: None, InvalidSetting),
        (lambda: RED, InvalidSetting),
        (lambda: [RED, 1], InvalidSetting),
        (lambda: [RED, ""], InvalidSetting),
        (lambda: ["x" * 201], InvalidSetting),
        (lambda: (room for room in [RED]), InvalidSetting),
    ],
    ids=["raises", "try again", "hangs", "is cancelled", "None", "a text", "a number", "an empty name", "too long", "a generator"],
)
async def test_whoever_has_no_answer_is_not_accepted_yet_and_misses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Callable[[], Any], report: type[Exception] | None
) -> None:
    monkeypatch.setattr(doorkeeper, "LIMIT", 0.02)
    errors: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context["exception"]))
    rights = Rights(ann=[RED])
    async with seeing(tmp_path, rights) as it:
        ann = await it.connected(replay=True, auth={"user": "ann"})
        await it.server.publish(CHAT, 1, to=RED)
        await until(lambda: it.at_client == [1])
        await offline(it, ann)
        await it.server.publish(CHAT, 2, to=RED)
        rights.rights["ann"] = answer
        it.link.restore()
        await until(lambda: rights.asked.count("ann") >= 3)
        assert {type(error) for error in errors} == ({report} if report else set())
        assert it.of("wire", type="CONNECT_ERROR")
        await it.server.publish(CHAT, 3)
        _, others = await another(it, None)
        await it.server.publish(CHAT, 4)
        await until(lambda: others == [4])  # nobody else waits for ann's rooms
        assert (it.server.sids, it.at_client) == ((it.clients[-1].sid,), [1])
        rights.rights["ann"] = [RED]
        await until(lambda: it.at_client == [1, 2, 3, 4])


async def test_rooms_can_refuse_somebody(tmp_path: Path) -> None:
    async with seeing(tmp_path, Rights(eve=raises(Rejected("no room for eve")))) as it:
        eve = it.client(replay=True, auth={"user": "eve"})
        with pytest.raises(ConnectionRejected, match="no room for eve"):
            await eve.connect()
        assert (it.server.sids, it.of("connected")) == ((), [])


async def test_a_server_without_a_log_has_rooms_too_from_the_first_moment() -> None:
    rights = Rights(ann=[RED], bob=[BLUE])
    async with stack(authenticate=lambda auth: auth["user"], rooms=rights) as it:

        @it.server.on("connect")
        async def welcome(sid: str) -> None:
            await it.server.emit(CHAT, "to red, at once", to=RED)

        await it.connected(auth={"user": "ann"})
        await until(lambda: it.at_client == ["to red, at once"])
        bob = it.client(auth={"user": "bob"})
        await bob.connect()
        await it.server.emit(CHAT, "to blue", to=BLUE)
        await until(lambda: len(it.at_client) == 3)
        assert it.at_client == ["to red, at once", "to red, at once", "to blue"]
        assert rights.asked == ["ann", "bob"]


async def test_what_nobody_could_ever_see_is_not_published(tmp_path: Path) -> None:
    async with stack(log=EventLog(tmp_path / "log.db")) as it:
        client = await it.connected(replay=True)
        with pytest.raises(InvalidSetting, match=r"no rooms="):
            await it.server.publish(CHAT, 1, to=client.sid)
        assert await it.server.publish(CHAT, 2) == 1
