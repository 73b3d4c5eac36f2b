"""What the lessons say about the official JavaScript client, socket.io-client 4.8.4: each sentence is a test that runs it.

Times given to the client are milliseconds, as everywhere in JavaScript.
"""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.net.harness import CHAT, Stack, stack, until
from tests.net.javascript import JavaScript, javascript, needs_node

pytestmark = needs_node

DISCONNECTED = "socket has been disconnected"
TIMED_OUT = "operation has timed out"
LONG = 60_000
"""Milliseconds that no test waits for."""


@asynccontextmanager
async def talking(it: Stack, **options: Any) -> AsyncIterator[JavaScript]:
    """The client, connected."""
    async with javascript(it, "websocket", **options) as js:
        await js.connected()
        yield js


@asynccontextmanager
async def offline(it: Stack, **options: Any) -> AsyncIterator[JavaScript]:
    """The client after its connection was cut."""
    async with talking(it, **options) as js:
        it.link.cut()
        await js.disconnected()
        yield js


async def reach(it: Stack, *expected: Any) -> None:
    """Exactly this arrives at the server, in this order. What comes last shows that nothing before it is still under way."""
    await until(lambda: len(it.at_server) >= len(expected))
    assert it.at_server == list(expected)


def silent_until(it: Stack, gate: asyncio.Event, *, about: Any = None) -> None:
    """The server keeps what comes, and acknowledges it (or only this one) no earlier than the gate opens."""

    @it.server.on(CHAT)
    async def keep(sid: str, data: Any) -> None:
        it.at_server.append(data)
        if about in (None, data):
            await gate.wait()


# -- the send buffer ------------------------------------------------------------------------------------------------------------------


async def test_what_is_emitted_offline_is_kept_and_sent_in_order_before_what_the_connect_handler_emits() -> None:
    async with stack() as it, offline(it) as js:
        await js.did("sayInConnect", data="in connect")
        for number in (1, 2, 3):
            await js.did("say", data=number, ack="promise")
        it.link.restore()
        await reach(it, 1, 2, 3, "in connect")
        await until(lambda: js.said("acked") == [[number, None, {"ok": True}] for number in (1, 2, 3)])


async def test_the_send_buffer_has_no_limit_that_ten_thousand_events_would_meet() -> None:
    async with stack() as it, offline(it) as js:
        await js.did("emit", **{"from": 0, "to": 10_000})
        it.link.restore()
        await until(lambda: len(it.at_server) == 10_000)
        assert it.at_server == list(range(10_000))


async def test_a_volatile_event_is_dropped_from_the_first_attempt_to_reconnect_on() -> None:
    async with stack() as it, offline(it) as js:
        await until(lambda: js.said("attempt"))
        await js.did("say", data="volatile", volatile=True, ack="callback")
        await js.did("say", data="kept", ack="callback")
        it.link.restore()
        await reach(it, "kept")
        await until(lambda: js.said("acked") == [["kept", {"ok": True}]])  # the callback of the other is never called


async def test_a_volatile_event_is_kept_between_the_disconnect_and_the_first_attempt_to_reconnect() -> None:
    """The closed transport still says that it is writable; by default this lasts 0.5 to 1.5 seconds."""
    async with stack() as it, offline(it, reconnectionDelay=500, reconnectionDelayMax=500, randomizationFactor=0) as js:
        await js.did("say", data="volatile", volatile=True)
        assert js.said("attempt") == []
        it.link.restore()
        await reach(it, "volatile")


async def test_a_volatile_event_is_kept_when_the_transport_is_open_and_only_the_connect_packet_is_unanswered() -> None:
    async with stack() as it, offline(it) as js:
        await js.did("sayVolatileBeforeConnect", data="volatile")
        it.link.latency = 0.1
        it.link.restore()
        await reach(it, "volatile")
        assert js.said("connected") == [False]


async def test_a_disconnect_fails_promises_and_timeouts_at_once_and_a_plain_callback_is_never_called() -> None:
    gate = asyncio.Event()
    async with stack() as it, talking(it) as js:
        silent_until(it, gate)
        await js.did("say", data="plain", ack="callback")
        await js.did("say", data="promise", ack="promise")
        await js.did("say", data="timeout", ack="callback", timeout=LONG)
        await until(lambda: len(it.at_server) == 3)
        it.link.cut()
        failed = [["timeout", DISCONNECTED], ["promise", DISCONNECTED]]  # a promise tells one step later
        await until(lambda: js.said("acked") == failed)
        gate.set()
        it.link.restore()
        await js.connected(2)
        await js.did("say", data="later", ack="callback")
        await until(lambda: js.said("acked") == [*failed, ["later", {"ok": True}]])
        assert it.at_server == ["plain", "promise", "timeout", "later"], "all three had arrived: the error means that nobody knows"


async def test_a_timeout_takes_an_offline_event_out_of_the_buffer_and_it_is_never_sent() -> None:
    async with stack() as it, offline(it) as js:
        await js.did("say", data="timed", ack="callback", timeout=50)
        await js.did("say", data="kept")
        await until(lambda: js.said("acked") == [["timed", TIMED_OUT]])
        it.link.restore()
        await reach(it, "kept")


@pytest.mark.parametrize("options", [{}, {"retries": 10, "ackTimeout": LONG}], ids=["send buffer", "retry queue"])
async def test_what_waits_is_lost_when_the_page_is_refreshed(options: dict[str, Any]) -> None:
    async with stack() as it:
        async with offline(it, **options) as js:
            await js.did("emit", **{"from": 1, "to": 4})
        it.link.restore()
        async with talking(it, **options) as js:
            await js.did("say", data="after the refresh")
            await reach(it, "after the refresh")


# -- "at least once" as the page writes it --------------------------------------------------------------------------------------------


async def test_the_pages_at_least_once_reorders_what_was_emitted_offline() -> None:
    async with stack() as it, offline(it) as js:
        await js.did("sayAtLeastOnce", data="A", timeout=300)
        await js.did("sayAtLeastOnce", data="B", timeout=LONG)
        await until(lambda: js.said("again") == ["A"])
        it.link.restore()
        await until(lambda: len(it.at_server) >= 2)
        assert it.at_server[:2] == ["B", "A"]


async def test_the_pages_at_least_once_applies_a_slowly_acknowledged_event_again_after_a_later_one() -> None:
    gate = asyncio.Event()
    async with stack() as it, talking(it) as js:
        silent_until(it, gate, about="A")
        js.do("sayAtLeastOnce", data="A", timeout=200)
        js.do("sayAtLeastOnce", data="B", timeout=LONG)
        await until(lambda: len(it.at_server) >= 3)
        gate.set()
        assert it.at_server[:3] == ["A", "B", "A"]


# -- retries --------------------------------------------------------------------------------------------------------------------------


async def test_with_retries_one_event_is_in_flight_at_a_time() -> None:
    gate = asyncio.Event()
    async with stack() as it, talking(it, retries=3, ackTimeout=LONG) as js:
        silent_until(it, gate, about=1)
        await js.did("emit", **{"from": 1, "to": 4})
        await js.did("say", data="volatile", volatile=True)  # passes the queue, and so proves that 2 and 3 were not sent
        await reach(it, 1, "volatile")
        gate.set()
        await reach(it, 1, "volatile", 2, 3)


async def test_with_retries_a_late_acknowledgement_makes_duplicates_and_keeps_the_order() -> None:
    async with stack() as it, talking(it, retries=50, ackTimeout=100) as js:
        again = {number: asyncio.Event() for number in (1, 2, 3)}

        @it.server.on(CHAT)
        async def late(sid: str, data: int) -> None:
            if data in it.at_server:
                again[data].set()
            it.at_server.append(data)
            await again[data].wait()

        for number in again:
            await js.did("say", data=number, ack="callback")
        await until(lambda: js.said("acked") == [[number, None, {"ok": True}] for number in (1, 2, 3)])
        assert it.at_server == sorted(it.at_server)
        assert min(Counter(it.at_server).values()) >= 2


async def test_with_retries_an_event_that_the_server_has_handled_is_given_up_with_an_error() -> None:
    gate = asyncio.Event()
    async with stack() as it, talking(it, retries=2, ackTimeout=100) as js:
        silent_until(it, gate, about="slow")
        await js.did("say", data="slow", ack="callback")
        await js.did("say", data="next")
        await reach(it, "slow", "slow", "slow", "next")
        gate.set()
        await until(lambda: js.said("acked") == [["slow", TIMED_OUT]])


async def test_with_retries_every_connection_burns_a_try_and_an_event_that_never_arrived_is_given_up() -> None:
    async with stack() as it, talking(it, retries=2, ackTimeout=LONG) as js:
        for attempt in (1, 2, 3):
            it.link.cut(before=f"{CHAT} #{attempt}", direction="upstream")
            if attempt == 1:
                await js.did("say", data="given up", ack="callback")
            it.link.restore()
            await js.disconnected(attempt)
        await until(lambda: js.said("acked") == [["given up", DISCONNECTED]])
        told = [word for report in js.reports for word in report]
        assert told[: told.index("acked")].count("disconnect") == 3
        it.link.restore()
        await js.connected(4)
        await js.did("say", data="next", volatile=True)
        await reach(it, "next")


async def test_with_retries_an_offline_event_waits_and_burns_no_try_by_its_timeout() -> None:
    async with stack() as it, offline(it, retries=1, ackTimeout=30) as js:
        await js.did("say", data="queued", ack="callback")
        await js.did("say", data="clock", volatile=True, ack="callback", timeout=200)
        await until(lambda: js.said("acked") == [["clock", TIMED_OUT]])  # six ack timeouts have passed
        it.link.restore()
        await until(lambda: len(js.said("acked")) == 2)
        assert js.said("acked")[1] == ["queued", None, {"ok": True}]


async def test_retries_without_an_ack_timeout_send_every_acknowledged_event_retries_plus_one_times() -> None:
    async with stack() as it, talking(it, retries=2) as js:
        await js.did("say", data="thrice", ack="callback")
        await until(lambda: js.said("acked"))
        assert it.at_server == ["thrice"] * 3
        assert js.said("acked") == [["thrice", {"ok": True}]], "the answer stands where the error belongs"


async def test_the_retry_queue_takes_a_refusal_for_success() -> None:
    async with stack() as it, talking(it, retries=3, ackTimeout=LONG) as js:
        refusal = {"ok": False, "error": "try again later", "retryable": True}

        @it.server.sio.on("order")
        async def refuse(sid: str, data: Any) -> dict[str, Any]:
            it.at_server.append(data)
            return refusal

        await js.did("say", event="order", data="refused", ack="callback")
        await js.did("say", data="next")
        await reach(it, "refused", "next")
        await until(lambda: js.said("acked") == [["refused", None, refusal]])


async def test_the_send_buffer_overtakes_the_retry_queue() -> None:
    """With `retries` only a volatile event can be in the send buffer: one that was emitted before the connect packet was answered."""
    async with stack() as it, offline(it, retries=3, ackTimeout=LONG) as js:
        await js.did("say", data="queued first")
        await js.did("sayVolatileBeforeConnect", data="volatile")
        it.link.latency = 0.1
        it.link.restore()
        await reach(it, "volatile", "queued first")
        assert js.said("connected") == [False]


# -- the official tutorial, step 8 ----------------------------------------------------------------------------------------------------


def follow_the_tutorial(it: Stack) -> sqlite3.Connection:
    """Its server: a UNIQUE client_offset; on the constraint's error it acknowledges and does nothing more."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, client_offset TEXT UNIQUE, content TEXT)")

    @it.server.sio.on(CHAT)
    async def insert(sid: str, content: str, client_offset: str) -> None:
        try:
            with database:
                database.execute("INSERT INTO messages (content, client_offset) VALUES (?, ?)", (content, client_offset))
        except sqlite3.IntegrityError:
            return  # "the message was already inserted, so we notify the client"
        await it.server.sio.emit(CHAT, content)

    return database


@pytest.mark.parametrize(
    ("ids", "keys", "stored"),
    [
        ({}, ["undefined-0", "undefined-0"], 1),
        ({"alice": "3f0c", "bob": "9d27"}, ["3f0c-0", "9d27-0"], 2),
    ],
    ids=["one is lost and acknowledged", "an id of the client repairs it"],
)
async def test_two_offline_clients_make_the_same_key_in_the_tutorial(ids: dict[str, str], keys: list[str], stored: int) -> None:
    options: dict[str, Any] = {"retries": 3, "ackTimeout": 10_000}
    async with stack() as it:
        database = follow_the_tutorial(it)
        it.link.refuse()
        async with javascript(it, **options) as alice, javascript(it, **options) as bob:
            for name, js in (("alice", alice), ("bob", bob)):
                await js.did("sayWithKey", data=f"from {name}", **({"id": ids[name]} if ids else {}))
            it.link.accept()
            await until(lambda: alice.said("acked") and bob.said("acked"))
            assert [alice.said("acked"), bob.said("acked")] == [[["from alice", None]], [["from bob", None]]]
            assert alice.said("key") + bob.said("key") == keys
        rows = database.execute("SELECT content FROM messages").fetchall()
        database.close()
        assert len(rows) == stored


async def test_a_client_that_has_lost_its_connection_makes_the_same_key_as_one_that_never_had_one() -> None:
    async with stack() as it, offline(it) as js:
        await js.did("sayWithKey", data="offline")
        assert js.said("key") == ["undefined-0"]


# -- reserved names -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"])
async def test_it_refuses_to_emit_a_reserved_name(name: str) -> None:
    async with stack() as it, talking(it) as js:
        await js.did("sayReserved", event=name)
        assert js.said("threw") == [f'"{name}" is a reserved event name']
        await js.did("say", data="next")
        await reach(it, "next")


async def test_a_packet_made_by_hand_with_a_reserved_name_runs_no_handler(caplog: pytest.LogCaptureFixture) -> None:
    async with stack() as it:
        reasons: list[str] = []
        it.server.on("disconnect")(lambda sid, reason: reasons.append(reason))
        async with talking(it) as js:
            await js.did("write", packet='2["disconnect","by hand"]')
            await js.did("say", data="next")
            await reach(it, "next")
            assert reasons == js.said("disconnect") == [], "the packet is dropped, the connection stays"
            assert "'disconnect' is reserved" in caplog.text
        await until(lambda: reasons == ["client disconnect"])
