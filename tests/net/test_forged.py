"""What is merely emitted must not look like a stored event: whoever relays what a peer sent would let it move the offsets of others."""

import json
from pathlib import Path
from typing import Any

import pytest

from realtime_lab.errors import InvalidSetting, ReservedName
from tests.net.harness import CHAT, RETRIES, stack, until
from tests.net.raw_peer import raw_peer
from tests.net.replaying import another, caught_up, log_of, publish, replaying, reported, rows

FORGED: list[Any] = [{"id": 2**53, "data": "x"}, {"id": 7, "data": None}, {"data": 1, "id": 2**60}, {"id": 1.5, "data": 1}]
HARMLESS: list[Any] = [{"id": "7", "data": 1}, {"id": 7, "data": 1, "at": 2}, {"id": 7}, [{"id": 7, "data": 1}], ({"id": 7, "data": 1}, 2)]


async def test_what_an_attacker_sends_through_a_handler_that_relays_it_disturbs_nobody(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        errors = reported()

        @it.server.on("typing")
        async def relay(sid: str, data: Any) -> None:
            await it.server.emit("typing", data, skip_sid=sid)

        client = await it.connected(replay=True)
        heard: list[Any] = []
        client.on("typing")(heard.append)
        evil, _ = await another(it, ack_timeout=5.0)
        await publish(it, "a")
        for forged in FORGED:
            assert (await evil.emit("typing", forged)).outcome == "rejected"
        for harmless in HARMLESS[:3]:
            assert (await evil.emit("typing", harmless)).outcome == "acked"
        await publish(it, "b", "c")
        await caught_up(it, client)
        assert it.at_client == ["a", "b", "c"]
        assert client.offset == 3
        await until(lambda: heard == HARMLESS[:3])
        assert {type(error) for error in errors} == {InvalidSetting}


@pytest.mark.parametrize("forged", [*FORGED, ({"id": 7, "data": 1},)])
async def test_a_server_with_a_log_refuses_it_and_one_without_does_not(tmp_path: Path, forged: Any) -> None:
    async with replaying(tmp_path) as it:
        for to in (None, "a room"):
            with pytest.raises(InvalidSetting, match=r"another shape.*publish"):
                await it.server.emit("typing", forged, to=to)
        assert it.of("emitted") == []
        for harmless in HARMLESS:
            await it.server.emit("typing", harmless)
    async with stack() as it:
        await it.server.emit("typing", forged)
        assert len(it.of("emitted", "server")) == 1


@pytest.mark.parametrize("batch", [True, False])
async def test_who_sends_the_reserved_names_or_acknowledges_them_moves_nobody_and_is_heard_by_nobody(batch: bool, tmp_path: Path) -> None:
    """Sent as they are, and through a handler that relays whatever name a peer gives; and acknowledgements of what was never sent."""
    async with replaying(tmp_path, dedupe=True) as it:
        errors = reported()

        @it.server.on("relay")
        async def relay(sid: str, name: str) -> None:
            await it.server.emit(name, forged[name], skip_sid=sid)

        def state() -> Any:
            numbers = rows(tmp_path / "log.db", "SELECT client_id, last FROM log_clients WHERE client_id != 'h'")
            asked = [*it.server.sio.manager.callbacks[json.loads(bystander.heard[1][2:])["sid"]]]
            return {*it.server.sids}, log_of(it).head, numbers, asked, [(client.sid, client.session, client.offset) for client in clients]

        other, given = await another(it, **RETRIES)
        clients = [await it.connected(replay=True, batch=True, **RETRIES), other]
        await publish(it, "first", "next")
        for client in clients:
            assert (await client.emit(CHAT, "before")).outcome == "acked"
        await caught_up(it, *clients)
        forged = {
            "session": {"epoch": log_of(it).epoch, "offset": 900, "recovered": True, "reason": "resumed", "batch": True},
            "batch": json.dumps([[900, CHAT, "forged"]]),
        }
        ours = {"replay": True, "epoch": log_of(it).epoch, "offset": 0, "batch": True}
        quiet, loud = (
            f"40{json.dumps({'realtime_lab': {**ours, **more}})}" for more in ({}, {"client_id": "h", "nack": True, "batch": batch})
        )
        async with raw_peer(it.server, quiet) as bystander, raw_peer(it.server, loud) as evil:
            await until(lambda: bystander.heard and bystander.heard[-1].startswith('421["batch",'))  # it acknowledges nothing
            await until(lambda: evil.heard and "next" in evil.heard[-1])
            before, heard = state(), [*bystander.heard]
            for ack, (name, data) in enumerate(forged.items()):
                event = json.dumps([name, data])
                await evil.say(f"42{event}", f"421{ack}{event}", f'422{ack}["relay",{{"id":"h:{ack + 1}","data":"{name}"}}]')
                answers = (event, f"[{json.dumps(data)}]", '[{"ok":false}]')
                await evil.say(*(f"43{number}{answer}" for number in range(12) for answer in answers))
            await until(lambda: evil.answers.keys() == {10, 11, 20, 21})
            said = [row for (answer,) in evil.answers.values() for row in answer.get("answers", {"": answer}).values()]
            assert [row["ok"] for row in said] == [False] * 4
            assert state() == before
            await publish(it, "more", "last")
            await caught_up(it, *clients)
            await until(lambda: all("last" in peer.heard[-1] for peer in (bystander, evil)))  # it has disturbed not even itself
            assert bystander.heard[: len(heard)] == heard
            assert not [text for text in bystander.heard if '"offset":900' in text or "forged" in text]
            for client in clients:
                assert (await client.emit(CHAT, "after")).outcome == "acked"
        assert it.at_server == ["before", "before", "after", "after"]
        assert it.at_client == given == ["first", "next", "more", "last"]
        assert [type(error) for error in errors] == [ReservedName] * 2
