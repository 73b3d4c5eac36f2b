"""Stored events at a client: one at a time, in order, and the offset moves only when the handler has returned."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from realtime_lab.errors import RealtimeLabError, StoreFailed, StoreInUse, UnknownFault
from realtime_lab.net.client import Client
from realtime_lab.net.incoming import OnError
from tests.net.harness import CHAT, RETRIES, Stack, rounds, until
from tests.net.replaying import caught_up, missed, publish, replaying, reported

pytestmark = pytest.mark.usefixtures("both_ways")

QUICK: dict[str, Any] = {"replay": True, "retry_delay": 0.0}


class Gate:
    """A handler that waits at each event until the test lets it pass, and notes what it sees."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.began: list[Any] = []
        self.ended: list[Any] = []
        self.offsets: list[int | None] = []
        self._open = asyncio.Semaphore(0)
        client.on(CHAT)(self.handle)

    async def handle(self, data: Any) -> None:
        self.began.append(data)
        self.offsets.append(self.client.offset)
        await self._open.acquire()
        self.offsets.append(self.client.offset)
        self.ended.append(data)

    def let(self, count: int = 1) -> None:
        for _ in range(count):
            self._open.release()


class Fragile:
    """A handler that raises for some events."""

    def __init__(self, client: Client, *bad: Any) -> None:
        self.bad = set(bad)
        self.calls: list[Any] = []
        client.on(CHAT)(self.handle)

    def handle(self, data: Any) -> None:
        self.calls.append(data)
        if data in self.bad:
            raise ValueError(f"no {data}")


async def ready(it: Stack, **options: Any) -> Client:
    return await it.connected(**{**QUICK, **options})


# -- one at a time ----------------------------------------------------------------------------------------------------------------------


async def test_handlers_run_one_after_the_other_and_the_offset_moves_when_one_has_returned(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        client = await ready(it)
        gate = Gate(client)
        await publish(it, 1, 2, 3)
        for n in (1, 2, 3):
            await until(lambda: len(gate.began) == n)  # noqa: B023  # awaited in the same round
            await it.server.emit("other", n)  # it comes after what is waiting, and is not held up
            await until(lambda: len(it.of("received", event="other")) == n)  # noqa: B023
            assert (gate.began, gate.ended, client.offset, client.idle) == (list(range(1, n + 1)), list(range(1, n)), n - 1, False)
            gate.let()
        await caught_up(it, client)
        assert (client.offset, gate.ended, gate.offsets) == (3, [1, 2, 3], [0, 0, 1, 1, 2, 2])


async def test_a_handler_that_outlives_its_connection_ends_once_and_its_event_is_not_repeated(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        client = await ready(it)
        gate = Gate(client)
        await publish(it, 1, 2)
        await until(lambda: gate.began == [1])
        await missed(it, client, 3)
        await until(lambda: client.connected and len(it.of("sent", "server")) == 5)
        gate.let(3)
        await caught_up(it, client)
        assert gate.began == [1, 2, 3]
        assert [(event.offset, event.reason) for event in it.of("discarded")] == [(1, "repeat")]


async def test_a_handler_emits_and_hears_its_own_echo_after_it_has_returned(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        client = await ready(it, **RETRIES)

        @it.server.on("echo")
        async def echo(sid: str, n: int, tx: Any) -> None:
            await tx.append(CHAT, n)

        @client.on(CHAT)
        async def count(n: int) -> None:
            if n < 5:
                assert (await client.emit("echo", n + 1)).outcome == "acked"
            it.at_client.append(n)

        await publish(it, 1)
        await until(lambda: client.offset == 5)
        await caught_up(it, client)
        assert it.at_client == [1, 2, 3, 4, 5]


async def test_what_nobody_handles_is_passed_over(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        client = await ready(it)
        await it.server.publish("unheard", 1)
        await publish(it, 2)
        await caught_up(it, client)
        assert (client.offset, it.at_client) == (2, [2])


async def test_a_handler_may_return_what_json_cannot_carry_because_nobody_is_sent_it(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        errors = reported()
        client = await ready(it)
        calls: list[int] = []

        @client.on(CHAT)
        def as_a_set(n: int) -> set[int]:
            calls.append(n)
            return {n}

        await publish(it, 1, 2)
        await caught_up(it, client)
        assert (calls, client.halted, errors) == ([1, 2], None, [])


# -- handlers that raise ----------------------------------------------------------------------------------------------------------------


async def test_after_four_failures_the_client_halts_visibly_until_it_is_told_to_go_on(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        errors = reported()
        client = await ready(it)
        handler = Fragile(client, 2)
        await publish(it, 1, 2, 3, 4)
        await until(lambda: client.halted == 2)
        assert (handler.calls, client.offset, client.idle) == ([1, 2, 2, 2, 2], 1, True)
        assert [type(error) for error in errors] == [ValueError] * 4 + [RealtimeLabError]
        assert "halted at 'chat message', offset 2 (ValueError: no 2): client.resume() tries again, client.skip(2)" in str(errors[-1])
        number = it.of("received", offset=2)[0].message
        assert [event.kind for event in it.of("failed")] == ["failed"] * 4 == [event.kind for event in it.of("failed", message=number)]
        assert [event.reason for event in it.of("halted", message=number, offset=2)] == ["ValueError: no 2"]

        client.resume()
        await until(lambda: len(handler.calls) == 9 and client.halted == 2)
        for wrong, hint in ((1, "it halted at 2"), (3, "it halted at 2"), (None, "it halted at 2")):
            with pytest.raises(UnknownFault, match=hint):
                client.skip(wrong)
        assert client.halted == 2
        handler.bad.clear()
        client.resume()
        await caught_up(it, client)
        assert handler.calls == [1, *[2] * 9, 3, 4]
        assert (len(it.of("resumed")), it.of("skipped"), client.halted) == (2, [], None)
        client.resume()  # it is not halted: nothing happens
        with pytest.raises(UnknownFault, match=r"skip\(2\): it is not halted"):
            client.skip(2)


async def test_a_handler_that_succeeds_in_the_end_is_called_no_more(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        errors = reported()
        client = await ready(it)
        calls: list[int] = []

        @client.on(CHAT)
        async def fourth_time_lucky(n: int) -> None:
            calls.append(n)
            if calls.count(n) < 4:
                raise OSError(n)

        await publish(it, 1, 2)
        await caught_up(it, client)
        assert (calls, client.offset, len(errors), it.of("halted")) == ([1] * 4 + [2] * 4, 2, 6, [])


@pytest.mark.parametrize("on_error", ["halt", "skip"])
async def test_a_store_that_failed_is_no_reason_to_halt_or_to_skip(tmp_path: Path, on_error: OnError) -> None:
    async with replaying(tmp_path) as it:
        errors = reported()
        client = await ready(it, on_error=on_error)
        calls: list[int] = []

        @client.on(CHAT)
        async def until_there_is_room(n: int) -> None:
            calls.append(n)
            if len(calls) < 7:
                raise (StoreFailed if len(calls) % 2 else StoreInUse)("the disk is full")

        await publish(it, 1, 2)
        await caught_up(it, client)
        assert (calls, client.offset, client.halted) == ([1] * 7 + [2], 2, None)
        assert [type(error) for error in errors] == [StoreFailed, StoreInUse] * 3
        assert it.of("halted") + it.of("skipped") == []


@pytest.mark.parametrize("how", ["skip", "on_error"])
async def test_the_application_may_go_on_without_an_event(tmp_path: Path, how: str) -> None:
    async with replaying(tmp_path) as it:
        reported()
        client = await ready(it, on_error="halt" if how == "skip" else "skip", store=tmp_path / "alice.db")
        handler = Fragile(client, 2)
        await publish(it, 1, 2, 3)
        if how == "skip":
            await until(lambda: client.halted)
            client.skip(2)
        await caught_up(it, client)
        assert (handler.calls, client.offset, client.halted) == ([1, 2, 2, 2, 2, 3], 3, None)
        reason = "client.skip()" if how == "skip" else "ValueError: no 2"
        assert [(event.offset, event.reason) for event in it.of("skipped")] == [(2, reason)]
        assert len(it.of("halted")) == (how == "skip")
        await client.close()
        again = await ready(it, store=tmp_path / "alice.db")
        await caught_up(it, again)
        assert it.at_client == []


async def test_what_halts_stays_halted_over_breaks_and_nothing_is_lost_behind_it(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        reported()
        client = await ready(it)
        handler = Fragile(client, 1)
        await publish(it, 1, 2)
        await until(lambda: client.halted == 1)
        for n in (3, 4):
            await missed(it, client, n)
            await until(lambda: client.connected)
        await until(lambda: [event.offset for event in it.of("sent", "server", sid=client.sid)] == [1, 2, 3, 4])
        await rounds(20)
        assert (client.halted, client.offset, handler.calls) == (1, 0, [1] * 4)
        handler.bad.clear()
        client.resume()
        await caught_up(it, client)
        assert handler.calls == [*[1] * 5, 2, 3, 4]


async def test_abort_lets_a_handler_finish_as_little_as_the_end_of_a_process_does(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        client = it.client(**QUICK, store=tmp_path / "alice.db")
        begun, finished = asyncio.Event(), list[int]()

        @client.on(CHAT)
        async def slow(number: int) -> None:
            begun.set()
            for _ in range(3):
                await asyncio.sleep(0)
            finished.append(number)

        await client.connect()
        await it.server.publish(CHAT, 1)
        await begun.wait()
        await client.abort()
        assert finished == []
