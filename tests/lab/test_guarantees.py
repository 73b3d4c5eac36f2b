"""The guarantees as a cell uses them: buffer, retries, store, numbers applied once, crashes. A real lab each."""

import asyncio
import math
import sqlite3
import time

import pytest

from realtime_lab import BufferFull, EventLog, FaultPending, InvalidSetting, Lab, NotConnected, Rejected, TryAgain, UnknownFault
from realtime_lab.lab.starting import CALM
from realtime_lab.net.crash import CRASHES
from tests.net.harness import until

RETRIES = {"retries": math.inf, "ack_timeout": 1.0}
CHAT = "chat message"


def account(lab):
    """A server that keeps every deposit in its database."""

    @lab.server.on("deposit")
    async def deposit(sid, amount, tx):
        await tx.execute("CREATE TABLE IF NOT EXISTS account (amount INTEGER)")
        await tx.execute("INSERT INTO account VALUES (?)", (amount,))
        return amount

    async def rows():
        return [row[0] for row in await lab.query("SELECT amount FROM account")]

    return rows


async def test_what_is_emitted_offline_is_kept_and_arrives_in_order_before_what_comes_later():
    async with Lab.start() as lab:
        alice = await lab.join("alice", send_buffer=True)
        alice.link.cut()
        await lab.settle()
        for n in range(1, 6):
            alice.emit(CHAT, n)
        dropped = await alice.volatile.emit(CHAT, "now or never")
        assert (dropped.outcome, dropped.reason) == ("rejected", "volatile, and not connected")
        alice.link.restore()
        alice.emit(CHAT, 7)
        await lab.settle()
        leg = lab.verdict().leg("alice", "server")
        assert leg.received == ("#1", "#2", "#3", "#4", "#5", "#7")
        assert [label for label, _ in leg.lost] == ["#6"]


async def test_a_bare_client_beside_it_still_refuses():
    async with Lab.start() as lab:
        bob = await lab.join("bob")
        bob.link.cut()
        await lab.settle()
        with pytest.raises(NotConnected):
            bob.emit(CHAT, 1)
        assert (await bob.volatile.emit(CHAT, 2)).outcome == "rejected"


async def test_a_full_buffer_refuses_and_what_it_holds_arrives():
    async with Lab.start() as lab:
        alice = await lab.join("alice", send_buffer=True, buffer_limit=2)
        alice.link.cut()
        await lab.settle()
        alice.emit(CHAT, 1)
        alice.emit(CHAT, 2)
        with pytest.raises(BufferFull, match="2 events"):
            alice.emit(CHAT, 3)
        alice.link.restore()
        await lab.settle()
        assert lab.verdict().leg("alice", "server").received == ("#1", "#2")
        assert lab.verdict().leg("alice", "server").refused == ("#3",)


@pytest.mark.parametrize(("dedupe", "received"), [(False, ("#1", "#2", "#2", "#3")), (True, ("#1", "#2", "#3"))])
async def test_a_lost_acknowledgement_repeats_the_message_and_only_a_server_that_dedupes_applies_it_once(dedupe, received):
    async with Lab.start(dedupe=dedupe) as lab:
        alice = await lab.join("alice", **RETRIES)
        alice.link.cut(after=f"{CHAT} #2")
        sent = [alice.emit(CHAT, n) for n in (1, 2, 3)]
        await lab.settle()
        alice.link.restore()
        await lab.settle()
        assert [(await each).outcome for each in sent] == ["acked"] * 3
        leg = lab.verdict().leg("alice", "server")
        assert leg.received == received
        assert leg.duplicated == (() if dedupe else ("#2",))
        assert not leg.lost
        assert not leg.acked_unhandled


@pytest.mark.parametrize("point", CRASHES)
async def test_a_crash_at_any_point_leaves_one_effect_and_a_told_sender(point):
    async with Lab.start(dedupe=True) as lab:
        rows = account(lab)
        alice = await lab.join("alice", **RETRIES)
        lab.server.crash(at=point)
        sent = alice.emit("deposit", 10)
        await lab.settle()
        assert lab.server.state == "crashed"
        await lab.server.restart()
        await lab.settle()
        fate = await sent
        assert (fate.outcome, fate.result) == ("acked", 10)
        assert await rows() == [10]
        leg = lab.verdict().leg("alice", "server")
        assert (len(leg.received) - len(leg.duplicated), leg.lost, leg.duplicated, leg.acked_unhandled) == (1, (), (), ())
        assert not lab.errors


async def test_a_refresh_loses_what_only_memory_held_and_a_store_keeps_it():
    async with Lab.start(dedupe=True) as lab:
        alice = await lab.join("alice", send_buffer=True)
        bob = await lab.join("bob", store="bob.db", **RETRIES)
        for each in (alice, bob):
            each.link.cut()
        await lab.settle()
        for n in (1, 2, 3):
            alice.emit(CHAT, n)
            bob.emit(CHAT, n)
        for each in (alice, bob):
            await each.refresh()
            each.link.restore()
        await lab.settle()
        verdict = lab.verdict()
        assert [label for label, _ in verdict.leg("alice", "server").lost] == ["#1", "#2", "#3"]
        assert verdict.leg("bob", "server").received == ("#1", "#2", "#3")
        assert (lab.folder / "bob.db").exists()
    assert not lab.folder.exists()


async def test_a_refreshed_client_has_its_handlers_again_and_its_numbers_go_on():
    async with Lab.start(dedupe=True) as lab:
        alice = await lab.join("alice", store="alice.db", **RETRIES)
        got = []
        alice.on("news")(got.append)
        alice.emit(CHAT, 1)
        await lab.settle()
        await alice.refresh()
        await lab.settle()
        await lab.publish("news", "welcome back")
        alice.emit(CHAT, 2)
        await lab.settle()
        assert got == ["welcome back"]
        assert lab.verdict().leg("alice", "server").received == ("#1", "#2")


async def test_a_refresh_cuts_off_the_handlers_that_run_and_they_are_not_mistaken_for_later_ones():
    async with Lab.start() as lab:
        alice, gate = await lab.join("alice"), asyncio.Event()

        @alice.on("news")
        async def read(n):
            if n == 1:
                await gate.wait()

        await lab.publish("news", 1)
        await until(lambda: [event for event in lab.journal if event.kind == "received"])
        await alice.refresh()
        await until(lambda: alice.connected)
        await lab.publish("news", 2)
        await lab.settle()
        lab.thread.call(gate.set)
        await lab.settle()
        assert [event.reason for event in lab.journal if event.kind == "failed"] == ["CancelledError: the client ended"]
        assert lab.verdict().leg("server", "alice").finished == ("#2",)


async def test_a_finite_budget_is_burnt_by_reconnects_and_then_the_fate_is_unknown():
    async with Lab.start(dedupe=True) as lab:
        alice = await lab.join("alice", retries=2, ack_timeout=1.0)
        sent = None
        for attempt in (1, 2, 3):
            alice.link.cut(before=f"{CHAT} #1", attempt=attempt)
            sent = sent or alice.emit(CHAT, 1)
            await lab.settle()
            alice.link.restore()
        await lab.settle()
        alice.emit(CHAT, 2)
        await lab.settle()
        fate = await sent
        assert fate.outcome == "unknown"
        assert "given up after 3 tries" in fate.reason
        leg = lab.verdict().leg("alice", "server")
        assert leg.received == ("#2",)
        assert [label for label, _ in leg.lost] == ["#1"]


async def test_a_handler_can_ask_for_another_try_or_refuse_for_good():
    async with Lab.start(dedupe=True) as lab:
        asked = []

        @lab.server.on("order")
        def order(sid, what):
            asked.append(what)
            if what == "later" and len(asked) < 3:
                raise TryAgain("the shop is closed")
            if what == "never":
                raise Rejected("out of print")
            return "ok"

        alice = await lab.join("alice", **RETRIES)
        fates = [alice.emit("order", what) for what in ("later", "never", "now")]
        await lab.settle()
        assert [str(await each) for each in fates] == ["acked", "rejected (out of print)", "acked"]
        assert asked == ["later", "later", "later", "never", "now"]
        assert not lab.errors


async def test_a_log_of_ones_own_outlives_the_lab(tmp_path):
    log = tmp_path / "bank.db"
    for total in (1, 2):
        async with Lab.start(log=EventLog(log), dedupe=True) as lab:
            rows = account(lab)
            alice = await lab.join("alice", **RETRIES)
            alice.emit("deposit", 5)
            await lab.settle()
            assert await rows() == [5] * total


async def test_slips_are_named():
    async with Lab.start() as lab:
        with pytest.raises(UnknownFault, match="no database"):
            await lab.query("SELECT 1")
        with pytest.raises(UnknownFault, match="no place to crash at"):
            lab.server.crash(at="lunch")
        with pytest.raises(UnknownFault, match="has no log"):
            lab.server.crash(at="before_commit")
        with pytest.raises(UnknownFault, match="has not crashed"):
            await lab.server.restart()
        with pytest.raises(InvalidSetting, match="retries= needs ack_timeout"):
            await lab.join("alice", retries=3)
        with pytest.raises(InvalidSetting, match="has no log"):

            @lab.server.on("deposit")
            async def deposit(sid, amount, tx): ...

        lab.server.crash(at="before_ack")
        with pytest.raises(FaultPending, match="before_ack"):
            await lab.settle()
        lab.server.disarm()
        await lab.settle()
    async with Lab.start(dedupe=True) as lab:
        with pytest.raises(sqlite3.OperationalError, match="nonsense"):
            await lab.query("SELECT * FROM nonsense")


async def test_the_patience_for_an_acknowledgement_begins_when_the_event_is_sent():
    async with Lab.start() as lab:
        alice = await lab.join("alice", send_buffer=True, ack_timeout=0.3)
        alice.link.cut()
        await lab.settle()
        sent = alice.emit(CHAT, 1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.6):
                await sent
        alice.link.restore()
        assert (await sent).outcome == "acked"
        assert lab.verdict().leg("alice", "server").received == ("#1",)


async def test_a_window_is_faster_and_keeps_the_order():
    took = {}
    for window in (1, 8):
        async with Lab.start(dedupe=True) as lab:
            alice = await lab.join("alice", window=window, **RETRIES)
            alice.link.latency = 0.03
            began = time.monotonic()
            for n in range(8):
                alice.emit(CHAT, n)
            await lab.settle()
            took[window] = time.monotonic() - began
            leg = lab.verdict().leg("alice", "server")
            assert leg.received == tuple(f"#{n}" for n in range(1, 9))
            assert not leg.reordered
    assert took[8] < took[1] / 2


async def test_a_late_acknowledgement_of_an_earlier_try_counts():
    """A handler that is always slower than the timeout."""
    async with Lab.start(dedupe=True) as lab:
        handled = []

        @lab.server.on("slow")
        async def slow(sid, n):
            handled.append(n)
            await asyncio.sleep(0.3)
            return n

        alice = await lab.join("alice", retries=math.inf, ack_timeout=0.1)
        assert [(await alice.emit("slow", n)).result for n in (1, 2)] == [1, 2]
        assert handled == [1, 2]
        await lab.settle()
        assert [event for event in lab.journal if event.kind == "timed_out"]


@pytest.mark.parametrize("options", [{"ack_timeout": 0.1}, {"ack_timeout": 0.1, "retries": math.inf}])
async def test_an_acknowledgement_that_came_too_late_is_not_called_lost_when_the_connection_ends(options):
    async with Lab.start() as lab:

        @lab.server.on("slow")
        async def slow(sid, n):
            await asyncio.sleep(0.3)

        alice = await lab.join("alice", **options)
        alice.emit("slow", 1)
        await lab.settle()
        acks = [event for event in lab.wire("alice", "downstream") if event.type == "ACK"]
        assert acks
        alice.link.cut()
        await lab.settle()
        assert "ack #1" not in str(lab.figure())


def test_a_batch_of_a_client_is_judged_and_drawn_event_by_event():
    def run(batch):
        found = []

        async def main():
            async with asyncio.timeout(25), Lab.start(dedupe=True, **CALM) as lab:
                alice = await lab.join("alice", retries=math.inf, ack_timeout=5, window=20, batch=batch)
                await alice.emit(CHAT, "first")
                alice.link.cut()
                await lab.settle()
                for n in range(2, 8):
                    alice.emit(CHAT, n)
                alice.link.cut(packet=3, direction="upstream")  # the first packet with an event behind the handshake
                alice.link.restore()
                await lab.settle()
                alice.link.restore()
                await lab.settle()
                inside = {event.inside for event in lab.journal if event.kind == "received" and event.node == "server"}
                assert (max(inside) >= 4) == batch
                leg = lab.verdict().leg("alice", "server")
                found.append((leg.received, leg.lost, leg.duplicated, leg.in_flight, leg.unknown, leg.acked_unhandled))
                assert {event.reason for event in lab.journal if event.kind == "settled"} == {"acked"}
                assert "alice -> server  #2 #3 #4 #5 #6 #7  arrived" in str(lab.figure())

        asyncio.run(main())
        return found

    alone, together = run(False), run(True)
    assert alone == together == [(("#1", "#2", "#3", "#4", "#5", "#6", "#7"), (), (), (), (), ())]
