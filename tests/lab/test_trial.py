"""One run of a scenario with one design and one fault."""

import asyncio
import math
from typing import Any

import pytest

from realtime_lab import InvalidSetting, Lab
from realtime_lab.lab.points import Break, Crash, Point
from realtime_lab.lab.trial import Design, Outcome, Trial, try_once

CHAT = "chat message"
BARE = Design("bare")
RETRY = Design("retry", client={"retries": math.inf, "ack_timeout": 1.0})


async def one(trial: Trial) -> None:
    alice = await trial.join("alice")
    await trial.join("bob")
    alice.emit(CHAT, 1)


async def attempt(point: Point | None, design: Design = BARE) -> Outcome:
    return await try_once(one, design, point, name="trial")


@pytest.mark.parametrize(
    ("point", "fate"),
    [
        (None, "kept"),
        (Break("alice", "upstream", 1, "before", False, "CONNECT"), "kept"),  # in the handshake: it connects again, and loses nothing
        (Break("alice", "downstream", 1, "after", False, "CONNECT"), "kept"),
        (Break("alice", "upstream", 2, "before", False, "#1"), "lost"),
        (Break("alice", "upstream", 2, "after", False, "#1"), "kept"),
        (Break("bob", "downstream", 2, "before", False, "#1"), "lost"),
        (Break("bob", "downstream", 2, "before", True, "#1"), "lost"),
        (Crash("before_apply", 1), "lost"),
    ],
)
async def test_a_bare_client_loses_what_was_under_way_and_nothing_else(point: Point | None, fate: str) -> None:
    outcome = await attempt(point)
    assert (outcome.fate, outcome.reached) == (fate, point is not None)
    assert outcome.verdict.leg("alice", "server").sent == ("#1",)
    assert "alice" in str(outcome.figure)


async def test_after_a_crash_everybody_comes_back_in_the_order_of_joining() -> None:
    """Alice sends again before bob is back, so he misses it. The other order would be a matter of luck."""
    for _ in range(3):
        outcome = await attempt(Crash("before_apply", 1), RETRY)
        back = [event.node for event in outcome.events if event.kind == "connected" and event.node != "server"]
        assert back == ["alice", "bob", "alice", "bob"]
        assert outcome.verdict.leg("alice", "server").lost == () and outcome.fate == "lost"


async def test_a_fault_that_never_comes_is_told_apart() -> None:
    assert not (await attempt(Break("alice", "upstream", 9, "before", False, "#8"))).reached
    assert not (await attempt(Crash("before_ack", 2))).reached


async def test_what_a_scenario_has_broken_itself_is_not_repaired_for_it() -> None:
    async def tunnel(trial: Trial) -> None:
        await trial.join("alice")
        bob = await trial.join("bob")
        await trial.publish("news", 1)
        await trial.rest()
        bob.link.cut()
        await trial.rest()
        assert not bob.connected
        bob.link.restore()
        await trial.rest()
        assert bob.connected

    assert (await try_once(tunnel, BARE, None, name="trial")).fate == "kept"
    assert (await try_once(tunnel, BARE, Break("alice", "downstream", 2, "before", False, "news #1"), name="trial")).fate == "lost"


async def test_a_server_that_has_crashed_publishes_nothing_and_the_scenario_goes_on() -> None:
    async def news(trial: Trial) -> None:
        alice = await trial.join("alice")
        alice.emit(CHAT, 1)
        while trial.lab.server.state != "crashed":  # noqa: ASYNC110 - the lab is on another thread
            await asyncio.sleep(0.005)
        await trial.publish("news", 1)
        await trial.rest()
        await trial.publish("news", 2)

    stored = Design("stored", server={"log": True}, client={"replay": True})
    outcome = await try_once(news, stored, Crash("before_ack", 1), name="trial")
    assert [event.text for event in outcome.events if event.kind == "received" and event.event == "news"] == ["2"]


async def test_rows_are_counted_and_packets_too() -> None:
    bare = await attempt(None)
    strong = await attempt(None, Design("all", server={"log": True, "dedupe": True}, client={**RETRY.client, "replay": True}))
    assert bare.rows == 0 < strong.rows
    assert bare.packets == 6 < strong.packets  # CONNECT and its answer twice, the message to the server and to bob


async def test_an_error_of_the_scenario_or_of_a_handler_comes_out_and_the_lab_is_closed() -> None:
    seen: list[Lab] = []

    def wrong(lab: Lab) -> None:
        seen.append(lab)

        @lab.server.on(CHAT)
        async def handler(sid: str, data: Any = None) -> None:
            raise ZeroDivisionError("in the handler")

    async def broken(trial: Trial) -> None:
        seen.append(trial.lab)
        raise KeyError("in the scenario")

    with pytest.raises(KeyError, match="in the scenario"):
        await try_once(broken, BARE, None, name="trial")
    with pytest.raises(ZeroDivisionError, match="in the handler"):
        await try_once(one, Design("wrong", prepare=wrong), None, name="trial")
    assert len(seen) == 2 and all(lab.closed for lab in seen)


@pytest.mark.parametrize("option", ["name", "port"])
def test_a_design_leaves_the_name_and_the_port_to_the_sweep(option: str) -> None:
    with pytest.raises(InvalidSetting, match=option):
        Design("mine", server={option: 1})
