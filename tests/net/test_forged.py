"""What is merely emitted must not look like a stored event: whoever relays what a peer sent would let it move the offsets of others."""

from pathlib import Path
from typing import Any

import pytest

from realtime_lab.errors import InvalidSetting
from tests.net.harness import stack, until
from tests.net.replaying import another, caught_up, publish, replaying, reported

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
