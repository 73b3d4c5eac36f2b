"""How events are sent again, on the real stack: order, budgets, refusals, and what stays behind."""

import asyncio
import itertools
import math
import time
from pathlib import Path
from typing import Any

import pytest
import socketio

from realtime_lab.errors import Rejected, TryAgain
from realtime_lab.net.sending import Again
from realtime_lab.rules.retry import Effect, Retry
from tests.net.harness import CHAT, RETRIES, deduping, offline, stack, until


def again(client: Any) -> Again:
    sender = client._outbox._again
    assert isinstance(sender, Again)
    return sender


# -- what waits -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"send_buffer": True}, RETRIES], ids=["once", "again"])
async def test_what_the_connect_handler_emits_comes_after_what_waited_and_before_what_is_emitted_later(options: dict[str, Any]) -> None:
    async with stack() as it:
        client = await it.connected(**options)
        await offline(it, client)

        @client.on("connect")
        def connect() -> None:
            client.emit(CHAT, "welcome")

        for n in range(30):  # several portions
            client.emit(CHAT, n)
        it.link.restore()
        await until(lambda: client.connected)
        await until(lambda: "welcome" in it.at_server)
        client.emit(CHAT, "later")
        await until(lambda: "later" in it.at_server)
        assert it.at_server == [*range(30), "welcome", "later"]


async def test_a_client_shows_what_waits_what_is_under_way_and_when_it_has_come_to_rest(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        gate = asyncio.Event()
        it.server.on("slow")(lambda sid, n: gate.wait())
        client = await it.connected(window=2, **{**RETRIES, "ack_timeout": 30.0})
        assert (client.idle, client.settled, client.waiting, client.under_way) == (True, True, (), {})
        for n in range(4):
            client.emit("slow", n)
        assert (client.idle, client.settled, client.waiting, client.under_way) == (False, False, (3, 4), {1: 1, 2: 1})
        await offline(it, client)
        assert (client.idle, client.settled, client.waiting, client.under_way) == (True, False, (3, 4), {1: 1, 2: 1})
        gate.set()
        it.link.restore()
        await until(lambda: client.settled)
        assert (client.idle, client.waiting, client.under_way) == (True, (), {})
        assert [event.attempt for event in it.of("sent", "alice")] == [1, 1, 2, 2, 1, 1]


# -- order ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transports", [["websocket"], ["polling"]], ids=lambda names: names[0])
@pytest.mark.parametrize("window", [1, 8])
async def test_order_holds_over_breaks_refusals_and_timeouts(tmp_path: Path, window: int, transports: list[str]) -> None:
    async with deduping(tmp_path, ping_interval=1, ping_timeout=1) as it:
        applied: list[int] = []
        calls = itertools.count(1)

        @it.server.on("count")
        def count(sid: str, n: int) -> int:
            if next(calls) % 7 == 0:
                raise TryAgain("every seventh call")
            applied.append(n)
            return n

        client = await it.connected(window=window, transports=transports, **{**RETRIES, "ack_timeout": 0.3})
        it.link.cut(before="count #5")
        sent = [client.emit("count", n) for n in range(1, 31)]
        for cuts in (1, 2, 3):
            await until(lambda: len(it.of("fault", event="cut")) == cuts and not client.connected)  # noqa: B023  # awaited in the same round
            if cuts < 3:
                it.link.cut(before=f"count #{8 * cuts + 4}")
            it.link.restore()
        assert [(await each).result for each in sent] == applied == list(range(1, 31))
        attempts = [event.attempt for event in it.of("sent", "alice")]
        assert max(attempts) > 1


async def test_a_window_of_eight_has_eight_under_way_and_a_window_of_one_has_one(tmp_path: Path) -> None:
    for window in (1, 8):
        async with deduping(tmp_path) as it:
            client = await it.connected(window=window, **{**RETRIES, "ack_timeout": 30.0})
            it.link.stall("downstream")
            for n in range(20):
                client.emit(CHAT, n)
            await until(lambda: len(it.at_server) == window)  # noqa: B023  # awaited in the same round
            assert (len(client.under_way), len(client.waiting)) == (window, 20 - window)
            it.link.cut()
            it.link.restore()
            await client.flush()
            assert it.at_server == list(range(20))
            assert max(event.attempt for event in it.of("sent", "alice")) == 2


# -- budgets ----------------------------------------------------------------------------------------------------------------------------


async def test_a_budget_used_up_by_timeouts_is_unknown_with_the_reason_and_the_next_event_is_applied(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        gate, entered = asyncio.Event(), list[str]()

        @it.server.on("hang")
        async def hang(sid: str, what: str) -> str:
            entered.append(what)
            await gate.wait()
            return what

        client = await it.connected(retries=2, ack_timeout=0.05, retry_delay=0.0)
        sent, following = client.emit("hang", "first"), client.emit(CHAT, "following")
        fate = await sent
        assert (fate.outcome, fate.reason) == ("unknown", "given up after 3 tries: no acknowledgement in 0.05 s")
        assert entered == ["first"]
        gate.set()
        await until(lambda: client.settled)
        assert sent.fate == fate  # although its acknowledgement came in the end
        assert following.fate is not None
        assert [event.reason for event in it.of("settled", "alice")] == ["unknown", following.fate.outcome]
        assert again(client)._fates == {}


async def test_without_a_retry_left_a_break_is_known_at_once_and_not_at_the_timeout(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        client = await it.connected(retries=0, ack_timeout=60.0)
        it.link.cut(before=f"{CHAT} #1")
        began = time.monotonic()
        fate = await client.emit(CHAT, 1)
        assert time.monotonic() - began < 5
        assert (fate.outcome, fate.reason) == ("unknown", "given up after 1 try: the connection ended before an acknowledgement came")
        it.link.restore()
        assert (await client.emit(CHAT, 2)).outcome == "acked"
        assert it.at_server == [2]


async def test_given_up_after_it_was_applied_its_tombstone_undoes_nothing(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        client = await it.connected(retries=0, ack_timeout=60.0)
        it.link.cut(after=f"{CHAT} #1")
        assert (await client.emit(CHAT, "applied")).outcome == "unknown"
        await until(lambda: it.at_server == ["applied"])  # the server still looks up what it knows of this client
        it.link.restore()
        assert (await client.emit(CHAT, "next")).outcome == "acked"
        assert it.at_server == ["applied", "next"]
        assert [event.reason for event in it.of("sent", "alice") if event.reason] == ["given up"]


# -- refusals ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [1, 8])
async def test_a_poisonous_event_is_rejected_for_good_and_blocks_nothing(tmp_path: Path, window: int) -> None:
    async with deduping(tmp_path) as it:
        reported: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context["exception"]))
        calls: list[Any] = []

        @it.server.on("order")
        def order(sid: str, what: Any) -> Any:
            calls.append(what)
            if what == "refused":
                raise Rejected("not here")
            if what == "bug":
                raise KeyError("bug")
            return {1, 2} if what == "no JSON" else what

        client = await it.connected(window=window, **RETRIES)
        wares = ("a", "refused", "bug", "no JSON", "b")
        fates = [await each for each in [client.emit("order", what) for what in wares]]
        nobody = await client.emit("nobody listens", 1)
        assert [fate.outcome for fate in [*fates, nobody]] == ["acked", "rejected", "rejected", "rejected", "acked", "rejected"]
        assert [fate.reason for fate in fates[:3]] == ["", "not here", "KeyError: 'bug'"]
        assert calls == list(wares)  # each once
        assert [type(error).__name__ for error in reported] == ["KeyError", "NotSerialisable"]
        assert client.settled
        assert (await client.emit("order", "c")).result == "c"


async def test_a_handler_that_always_asks_for_another_try_uses_up_a_finite_budget(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        calls: list[int] = []

        @it.server.on("busy")
        def busy(sid: str, n: int) -> None:
            calls.append(n)
            raise TryAgain("full")

        client = await it.connected(retries=2, ack_timeout=5.0, retry_delay=0.0)
        fate = await client.emit("busy", 1)
        assert (fate.outcome, fate.reason) == ("unknown", "given up after 3 tries: full")
        assert calls == [1, 1, 1]
        assert (await client.emit(CHAT, "next")).outcome == "acked"


# -- what stays behind ------------------------------------------------------------------------------------------------------------------


async def test_a_late_acknowledgement_of_what_was_given_up_leaves_nothing_behind() -> None:
    """Of a server that does not number: it may answer the event after its sender has given up, and the tombstone too."""
    async with stack() as it:
        gate = asyncio.Event()

        @it.server.on("slow")
        async def slow(sid: str, n: int) -> str:
            await gate.wait()
            return "a large result"

        client = await it.connected(retries=0, ack_timeout=0.05)
        it.link.stall("downstream")
        assert (await client.emit("slow", 1)).outcome == "unknown"
        gate.set()
        await until(lambda: it.of("handled", "server"))
        it.link.resume()
        await until(lambda: client.settled)
        assert again(client)._fates == again(client)._items == {}


async def test_a_client_speaks_of_itself_beside_the_auth_of_its_application() -> None:
    async with stack() as it:
        seen: list[Any] = []
        welcome = it.server._run.guests._on_connect

        async def look(sid: str, environ: Any, auth: Any = None) -> None:
            seen.append(auth)
            await welcome(sid, environ, auth)

        it.server.sio.on("connect", look)
        await (await it.connected(auth={"token": 1})).close()
        client = await it.connected(auth=lambda: {"token": 2}, **RETRIES)
        await client.emit(CHAT, 1)
        await offline(it, client)
        it.link.restore()
        await until(lambda: len(seen) == 3)
        identity = client._outbox.peer.client_id
        assert seen[0] == {"token": 1, "realtime_lab": {"nack": True}}
        assert seen[1:] == [{"token": 2, "realtime_lab": {"nack": True, "client_id": identity, "first": n}} for n in (1, 2)]


async def test_for_ever_means_that_a_server_that_answers_after_many_tries_is_believed() -> None:
    async with stack() as it:
        calls: list[int] = []

        async def connect_plain() -> None:
            plain = socketio.AsyncClient(reconnection=False, handle_sigint=False)
            await plain.connect(it.server.url, transports=["websocket"])
            assert (await plain.call("late", 1, timeout=5))["ok"] is False  # a plain client gets the same answer, as its answer
            await plain.shutdown()

        @it.server.on("late")
        def late(sid: str, n: int) -> int:
            calls.append(n)
            if len(calls) < 20:
                raise TryAgain("not yet") if len(calls) != 1 else Rejected("for the plain client")
            return n

        await connect_plain()
        client = await it.connected(retries=math.inf, ack_timeout=5.0, retry_delay=0.0)
        assert (await client.emit("late", 2)).result == 2
        assert calls == [1, *[2] * 19]


# -- a rule of one's own ----------------------------------------------------------------------------------------------------------------


async def test_a_client_performs_a_retry_rule_of_ones_own_and_every_start_gets_a_new_one() -> None:
    made: list[Retry] = []

    def rule() -> Retry:
        made.append(Retry(retries=math.inf, ack_timeout=1.0))
        return made[-1]

    async with stack() as it:
        client = await it.connected(retries=rule, ack_timeout=1.0)
        it.link.cut(before=f"{CHAT} #1")
        client.emit(CHAT, 1)
        await until(lambda: not client.connected)
        assert made[0].first == 1
        it.link.restore()
        await until(lambda: it.at_server == [1] and made[0].first is None)
        it.client(retries=rule, ack_timeout=1.0)
        assert len(made) == 2


async def test_a_client_whose_rule_never_sends_is_idle_because_nothing_happens_by_itself() -> None:
    class Silent(Retry):
        def add(self, n: int, now: float, *, tombstone: bool = False) -> list[Effect]:
            return []

    async with stack() as it:
        client = await it.connected(retries=lambda: Silent(retries=math.inf, ack_timeout=1.0), ack_timeout=1.0)
        client.emit(CHAT, 1)
        await until(lambda: client.idle and again(client).stuck == 1)
        assert it.at_server == []
