"""The lab as a script uses it: a real server, real clients, real links."""

import asyncio
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import socketio

from realtime_lab import (
    AlreadyClosed,
    FaultPending,
    InvalidSetting,
    Lab,
    LabBusy,
    LabTrouble,
    NameTaken,
    NotConnected,
    NotSerialisable,
    NotSettled,
    PortInUse,
    ReservedName,
    UnknownFault,
)
from realtime_lab.lab.publishing import CHAT
from tests.lab.script import script


def test_the_readme_s_script_runs_as_it_stands():
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    [code] = [block.split("```")[0] for block in readme.split("```python\n")[1:] if "cut(before" in block]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "alice to server: 10 sent, 5 arrived, 5 lost (#6 #7 #8 #9 #10)" in done.stdout


def test_the_readme_s_guarantees_run_as_they_stand_and_survive_a_restart(tmp_path):
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    [code] = [block.split("```")[0] for block in readme.split("```python\n")[1:] if "bank.db" in block]
    for total in (10, 20):
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr, done.stdout) == (0, "", f"acked {total}\n")


def test_the_readme_s_news_are_read_once_by_the_run_that_comes_later(tmp_path):
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    [code] = [block.split("```")[0] for block in readme.split("```python\n")[1:] if "news.db" in block]
    for expected in ({"recovered: False new", "seen at once"}, {"recovered: True ", "seen by the next run", "seen at once"}):
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        lines = done.stdout.splitlines()
        assert (done.returncode, done.stderr, set(lines), lines[-1]) == (0, "", expected, "seen at once")


def test_the_script_of_the_readme_names_exactly_the_lost_messages():
    verdict = asyncio.run(script())
    assert verdict.leg("alice", "server").lost == tuple((f"#{n}", "the link was cut") for n in range(6, 11))
    assert verdict.leg("alice", "server").received == ("#1", "#2", "#3", "#4", "#5")
    assert verdict.leg("server", "bob").lost == ()
    assert verdict.leg("alice", "bob").end_to_end
    assert [label for label, _ in verdict.leg("alice", "bob").lost] == ["#6", "#7", "#8", "#9", "#10"]
    assert verdict.refuted == ("at least once", "exactly once")


@pytest.mark.parametrize(
    ("cut", "lost"),
    [
        ({"before": "chat message #1"}, [1, 2, 3, 4]),
        ({"after": "chat message #1"}, [2, 3, 4]),
        ({"before": "chat message #4"}, [4]),
        ({"after": "chat message #4"}, []),
        ({"packet": 3, "direction": "upstream"}, [2, 3, 4]),  # packet 1 is CONNECT
        ({"after": 3, "direction": "upstream"}, [3, 4]),
    ],
)
def test_a_cut_loses_exactly_what_comes_behind_it(cut, lost):
    async def main():
        async with Lab.start() as lab:
            alice = await lab.join("alice")
            alice.link.cut(**cut)
            for n in range(1, 5):
                alice.emit(CHAT, n)
            await lab.settle()
            return lab.verdict()

    assert asyncio.run(main()).lost == tuple(f"#{n}" for n in lost)


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_cut_on_the_way_to_a_client_loses_what_the_server_sends_meanwhile(place):
    async def main():
        async with Lab.start() as lab:
            bob = await lab.join("bob")
            carol = await lab.join("carol")
            bob.link.cut(**{place: "news #3"})
            for n in range(1, 7):
                await lab.publish("news", n)
            await lab.settle()
            bob.link.restore()
            await lab.settle()
            assert bob.connected
            await lab.publish("news", 7)
            await lab.settle()
            assert carol.connected
            return lab.verdict(), str(lab.figure())

    verdict, text = asyncio.run(main())
    kept = {"before": ("#1", "#2", "#7"), "after": ("#1", "#2", "#3", "#7")}[place]
    assert verdict.leg("server", "bob").received == kept
    assert verdict.leg("server", "carol").lost == ()
    for label, _ in verdict.leg("server", "bob").lost:
        assert f"{label}  lost" in text or label in text


def test_a_stall_is_noticed_by_the_heartbeat_and_loses_what_was_held():
    async def main():
        async with Lab.start() as lab:
            alice = await lab.join("alice")
            alice.emit(CHAT, 1)
            await lab.settle()
            alice.link.stall()
            alice.emit(CHAT, 2)
            began = time.monotonic()
            await lab.settle()
            gap = time.monotonic() - began
            alice.link.restore()
            await lab.settle()
            alice.emit(CHAT, 3)
            await lab.settle()
            return gap, lab.verdict()

    gap, verdict = asyncio.run(main())
    assert gap > 0.9
    assert verdict.leg("alice", "server").lost == (("#2", "the link was stalled"),)
    assert verdict.leg("alice", "server").received == ("#1", "#3")


def test_a_stall_that_ends_in_time_loses_nothing():
    async def main():
        async with Lab.start() as lab:
            alice = await lab.join("alice")
            alice.link.stall("upstream")
            for n in range(1, 4):
                alice.emit(CHAT, n)
            alice.link.resume()
            await lab.settle()
            return lab.verdict()

    verdict = asyncio.run(main())
    assert verdict.lost == ()
    assert verdict.leg("alice", "server").received == ("#1", "#2", "#3")


def test_emit_while_disconnected_is_refused_and_not_counted_as_lost():
    async def main():
        async with Lab.start() as lab:
            alice = await lab.join("alice")
            alice.link.cut()
            await lab.settle()
            assert not alice.connected
            with pytest.raises(NotConnected, match="not connected"):
                alice.emit(CHAT, 1)
            return lab.verdict()

    leg = asyncio.run(main()).leg("alice", "server")
    assert (leg.refused, leg.lost, leg.sent) == (("#1",), (), ())


def test_a_delivery_without_acknowledgement_stays_unknown_and_with_one_it_is_acked():
    async def main():
        async with Lab.start() as lab:
            bare, asking = await lab.join("bare"), await lab.join("asking", ack_timeout=2.0)
            return str(await bare.emit(CHAT, 1)), (await asking.emit(CHAT, 2)).outcome, (await asking.emit("nobody listens", 2)).outcome

    assert asyncio.run(main()) == ("unknown (no acknowledgement was asked for)", "acked", "rejected")


def test_a_foreign_client_on_a_link_of_its_own_is_judged_on_the_wire():
    async def main():
        async with Lab.start() as lab:
            bob = await lab.join("bob")
            link = await lab.open_link("dave")
            link.cut(before="chat message #3")
            dave = socketio.AsyncClient(reconnection=False, handle_sigint=False)
            await dave.connect(link.url, transports=["websocket"])
            await lab.publish("news", "hello")
            for n in range(1, 5):
                await dave.emit(CHAT, n)
            await lab.settle()
            await dave.shutdown()
            assert bob.connected
            return lab.verdict()

    verdict = asyncio.run(main())
    up, down = verdict.leg("dave", "server"), verdict.leg("server", "dave")
    assert up.wire_only
    assert up.received == ("#1", "#2")
    assert "#3" in [label for label, _ in up.lost]
    assert down.received == ("#1",)
    assert verdict.leg("dave", "bob").received == ("#1", "#2")
    assert "seen on the wire only" in str(up)


def test_handlers_that_finish_in_another_order_are_seen():
    async def main():
        async with Lab.start() as lab:
            alice = await lab.join("alice")
            gates = [asyncio.Event() for _ in range(3)]

            @lab.server.on("slow")
            async def slow(sid, n):
                await gates[n].wait()

            for n in range(3):
                alice.emit("slow", n)
            for n in (2, 1, 0):
                await until(lambda: len([e for e in lab.journal if e.kind == "received"]) == 3)
                lab.thread.call(gates[n].set)
                await until(lambda n=n: len([e for e in lab.journal if e.kind == "handled"]) == 3 - n)
            await lab.settle()
            return lab.verdict().leg("alice", "server")

    leg = asyncio.run(main())
    assert leg.received == ("#1", "#2", "#3")
    assert leg.finished == ("#3", "#2", "#1")
    assert leg.finished_out_of_order


async def until(condition, timeout=5.0):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        await asyncio.sleep(0.005)


def test_a_handler_that_raises_reaches_the_learner():
    async def main():
        async with Lab.start() as lab:
            alice = await lab.join("alice")

            @lab.server.on("break")
            def broken(sid, data):
                return 1 / data

            alice.emit("break", 0)
            await lab.settle()
            with pytest.raises(LabTrouble, match=r"broken\(\).*ZeroDivisionError"):
                lab.check()

    asyncio.run(main())


def test_a_handler_that_blocks_is_named_with_its_line_and_nobody_is_disconnected_by_a_blocking_cell():
    async def main():
        async with Lab.start() as lab:
            alice = await lab.join("alice")
            time.sleep(2.5)  # noqa: ASYNC251  # a blocking cell: longer than the heartbeat allows
            await lab.settle()
            assert [event.kind for event in lab.journal].count("disconnected") == 0
            release = threading.Event()

            @lab.server.on("block")
            def blocking(sid, data):
                release.wait(4)

            alice.emit("block", 1)
            await until(lambda: lab.errors)
            release.set()
            assert "blocking()" in lab.errors[0].text
            assert "release.wait(4)" in lab.errors[0].text

    asyncio.run(main())


def test_a_record_that_is_full_ends_and_says_so(monkeypatch):
    monkeypatch.setattr("realtime_lab.lab.recorded.MOST", 200)

    async def main():
        async with Lab.start() as lab:
            alice = await lab.join("alice")
            with pytest.raises(LabTrouble, match="Begin a new lab"):
                for n in range(100):
                    alice.emit("chat message", n)
                    await lab.settle()
            assert 10 < n < 99
            await lab.join("bob")  # it goes on, only nobody writes it down
            assert (await alice.emit("chat message", "hello")).outcome == "unknown"
            assert len(lab.journal) == 200
            assert [trouble.text[:18] for trouble in lab.errors] == ["the record is full"]
            assert lab.verdict().leg("alice", "server").received
            with pytest.raises(LabTrouble, match="the record is full"):
                lab.check()

    asyncio.run(main())


def test_a_blocked_lab_answers_with_a_clear_error(monkeypatch):
    monkeypatch.setattr("realtime_lab.lab.loop_thread.CALL_LIMIT", 1.5)

    async def main():
        async with Lab.start() as lab:
            alice = await lab.join("alice")
            release = threading.Event()
            lab.server.on("block")(lambda sid, data: release.wait(4))
            alice.emit("block", 1)
            await alice_is_heard(lab)
            with pytest.raises(LabBusy, match="blocked the lab"):
                alice.link.cut()
            release.set()

    async def alice_is_heard(lab):
        await until(lambda: any(event.kind == "received" for event in lab.journal))

    asyncio.run(main())


def test_who_blocks_a_lab_is_told_so_and_a_busy_computer_is_nobodys_trouble(monkeypatch):
    monkeypatch.setattr("realtime_lab.lab.loop_thread.BLOCKED", 0.2)

    async def main():
        async with Lab.start() as lab:
            alice = await lab.join("alice")
            told = threading.Event()
            lab.thread.loop.call_soon_threadsafe(time.sleep, 1.0)  # none of its lines is the learner's
            lab.server.on("block")(lambda sid, data: told.wait(4))
            alice.emit("block", 1)
            await until(lambda: lab.errors)
            told.set()
            assert ["Your code has blocked the lab" in trouble.text for trouble in lab.errors] == [True]

    asyncio.run(main())


def test_starting_again_closes_the_lab_of_the_same_name():
    async def main():
        first = await Lab.start()
        second = await Lab.start()
        assert first.closed
        assert not second.closed
        other = await Lab.start(name="other")
        assert not second.closed
        await second.close()
        await other.close()

    asyncio.run(main())


def test_settle_says_what_it_waits_for():
    async def main():
        async with Lab.start() as lab:
            alice = await lab.join("alice")
            forever = asyncio.Event

            @lab.server.on("never")
            async def never(sid, data):
                await forever().wait()

            alice.emit("never", 1)
            with pytest.raises(NotSettled, match="a handler of the server is still running"):
                await lab.settle(timeout=0.3)

    asyncio.run(main())


def test_bad_input_gets_an_error_that_says_what_to_do():
    async def main():
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            with pytest.raises(PortInUse, match="port=0"):
                await Lab.start(port=taken.getsockname()[1])
        with pytest.raises(InvalidSetting, match="whole seconds"):
            await Lab.start(ping_interval=0.5)
        lab = await Lab.start()
        alice = await lab.join("alice")
        for name in ("alice", "server", "log"):
            with pytest.raises(NameTaken, match="taken: server, log, alice"):
                await lab.join(name)
        with pytest.raises(InvalidSetting, match="needs a name"):
            await lab.join("")
        with pytest.raises(InvalidSetting, match="websocket"):
            await lab.join("zoe", transports=["pigeon"])
        assert "zoe" not in lab.links
        with pytest.raises(UnknownFault, match=r"alice\.link has no 'explode'.*cut"):
            alice.link.explode()
        with pytest.raises(UnknownFault, match="latency"):
            alice.link.latancy = 1
        with pytest.raises(InvalidSetting, match="seconds"):
            alice.link.latency = -1
        with pytest.raises(UnknownFault, match="upstream"):
            alice.link.stall("sideways")
        with pytest.raises(UnknownFault, match="names no message"):
            alice.link.cut(before="chat message 6")
        with pytest.raises(ReservedName, match="disconnect"):
            alice.emit("disconnect")
        with pytest.raises(NotSerialisable, match="JSON"):
            alice.emit(CHAT, object())
        alice.emit(CHAT, 1)
        await lab.settle()
        with pytest.raises(UnknownFault, match="already come to"):
            alice.link.cut(before="chat message #1")
        alice.link.cut(before="chat message #99")
        with pytest.raises(FaultPending, match=r"disarm\(\)"):
            await lab.settle()
        alice.link.disarm()
        await lab.settle()
        await lab.close()
        await lab.close()
        for use in (lambda: lab.join("bob"), lab.settle, lambda: lab.publish(CHAT)):
            with pytest.raises(AlreadyClosed, match=r"Lab\.start"):
                await use()
        with pytest.raises(AlreadyClosed, match=r"Lab\.start"):
            alice.link.cut()
        with pytest.raises(AlreadyClosed):
            alice.emit(CHAT, 1)
        assert lab.verdict().leg("alice", "server").received == ("#1",)  # what happened can still be looked at

    asyncio.run(main())


def test_cancelling_an_await_takes_effect_within_a_second():
    async def main():
        async with Lab.start() as lab:
            await lab.join("alice")
            lab.server.on("never")(lambda sid, data: asyncio.get_running_loop().create_future())
            lab.participants["alice"].emit("never", 1)
            task = asyncio.ensure_future(lab.settle(timeout=60))
            await asyncio.sleep(0.1)
            began = time.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert time.monotonic() - began < 1

    asyncio.run(main())


def test_plain_code_without_a_loop_can_use_a_lab():
    async def begin():
        return await Lab.start()

    lab = asyncio.run(begin())
    alice = lab.run(lab.join("alice"))
    alice.emit(CHAT, 1)
    lab.run(lab.settle())
    assert lab.verdict().leg("alice", "server").received == ("#1",)
    asyncio.run(lab.close())


def test_a_burst_over_long_polling_arrives_whole():
    async def main():
        async with Lab.start() as lab:
            alice = await lab.join("alice", transports=["polling"])
            for n in range(1, 41):
                alice.emit(CHAT, n)  # python-engineio throws a payload of more than 16 packets away, and answers "OK"
            await lab.settle()
            return lab.verdict().leg("alice", "server")

    leg = asyncio.run(main())
    assert (leg.arrived, leg.lost) == (40, ())


def test_what_is_changed_after_emit_does_not_travel():
    async def main():
        async with Lab.start() as lab:
            alice, bob = await lab.join("alice"), await lab.join("bob")
            got = []
            bob.on(CHAT)(got.append)
            data = {}
            for n in range(3):
                data["n"] = n
                alice.emit(CHAT, data)
            data["bad"] = object()
            await lab.settle()
            return got

    assert asyncio.run(main()) == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_a_foreign_client_that_gave_up_in_a_stall_is_not_said_to_have_got_what_was_held():
    async def main():
        async with Lab.start() as lab:
            link = await lab.open_link("dave")
            dave = socketio.AsyncClient(reconnection=False, handle_sigint=False)
            got = []
            dave.on("news", got.append)
            await dave.connect(link.url, transports=["websocket"])
            await lab.settle()
            link.stall()
            await lab.publish("news", 1)
            await lab.settle()
            link.resume()
            await lab.settle()
            await dave.shutdown()
            return got, lab.verdict().leg("server", "dave")

    got, leg = asyncio.run(main())
    assert (got, leg.received, [label for label, _ in leg.lost]) == ([], (), ["#1"])


def test_a_handler_that_never_returns_cannot_keep_a_lab_open(monkeypatch):
    monkeypatch.setattr("realtime_lab.lab.lab.CLOSE_LIMIT", 1.5)
    monkeypatch.setattr("realtime_lab.lab.loop_thread.CALL_LIMIT", 1.5)
    release = threading.Event()

    async def main():
        lab = await Lab.start()
        alice = await lab.join("alice")
        lab.server.on("block")(lambda sid, data: release.wait(20))
        alice.emit("block", 1)
        await until(lambda: any(event.kind == "received" for event in lab.journal))
        with pytest.raises(NotSettled, match="blocked the lab"):
            await lab.settle(timeout=0.5)
        alice.emit("block", 2)
        began = time.monotonic()
        again = await Lab.start()
        assert time.monotonic() - began < 5
        assert lab.closed
        assert "closed without its thread" in lab.errors[-1].text
        await again.close()
        release.set()
        await until(lambda: not lab.thread._thread.is_alive())

    asyncio.run(main())


def test_closing_while_somebody_waits_and_closing_from_a_handler_say_so():
    async def main():
        lab = await Lab.start()
        alice = await lab.join("alice")
        lab.server.on("never")(lambda sid, data: asyncio.get_running_loop().create_future())

        @lab.server.on("close")
        async def close(sid, data):
            await lab.close()

        alice.emit("close", 1)
        await until(lambda: lab.errors)
        assert "Close the lab from a cell" in lab.errors[0].text
        assert not lab.closed
        alice.emit("never", 1)
        waiting = asyncio.ensure_future(lab.settle(timeout=60))
        await until(lambda: lab.waiting_for)
        await lab.close()
        with pytest.raises(AlreadyClosed, match="while this waited"):
            await waiting

    asyncio.run(main())


def test_starting_twice_at_once_leaves_one_lab():
    async def main():
        before = set(threading.enumerate())
        labs = await asyncio.gather(*(Lab.start() for _ in range(3)), return_exceptions=True)
        left = [lab for lab in labs if isinstance(lab, Lab) and not lab.closed]
        assert len(left) == 1
        await left[0].close()
        await until(lambda: not [thread for thread in threading.enumerate() if "realtime_lab" in thread.name and thread not in before])

    asyncio.run(main())


def test_slips_of_a_beginner_get_an_answer():
    async def main():
        async with Lab.start() as lab:
            alice = await lab.join("alice")
            with pytest.raises(UnknownFault, match=r"called as cut\(\*, before"):
                alice.link.cut("chat message #6")
            with pytest.raises(UnknownFault, match="at"):
                alice.link.cut(at="chat message #6")
            with pytest.raises(UnknownFault, match="has no 'stop'"):
                alice.link.stop()
            with pytest.raises(UnknownFault, match="has no 'start'"):
                lab.server.start()
            with pytest.raises(InvalidSetting, match=r"no option 'retrys'.*ack_timeout"):
                await lab.join("bob", retrys=3)
            assert "bob" not in lab.links
        for port in (-1, 99999, "x"):
            with pytest.raises(InvalidSetting, match="65535"):
                await Lab.start(port=port)

    asyncio.run(main())


async def test_a_prepared_client_begins_offline_and_its_handshake_can_be_cut() -> None:
    async with Lab.start(name="prepared") as lab:
        alice = await lab.prepare("alice", send_buffer=True)
        assert alice.state == "new" and not alice.connected
        alice.link.cut(before=1, direction="downstream")  # the answer to CONNECT
        await alice.start()
        await lab.settle()
        assert not alice.connected and alice.link.state == "down"
        alice.emit("chat message", "kept")
        alice.link.restore()
        await lab.settle()
        assert lab.verdict().leg("alice", "server").received == ("#1",)


async def test_a_prepared_client_connects_when_it_is_told_to() -> None:
    async with Lab.start(name="prepared") as lab:
        alice = await lab.prepare("alice")
        await lab.settle()
        await alice.connect()
        assert alice.connected
        with pytest.raises(NameTaken):
            await lab.prepare("alice")
