"""The lab with a log: what is published is stored and replayed, and cells can trim it, replace it and look at it."""

import asyncio
import math

import pytest

from realtime_lab import InvalidSetting, Lab, LabTrouble, UnknownFault
from realtime_lab.lab.publishing import CHAT
from realtime_lab.lab.starting import CALM

DOWN = ("server", "bob")


def played(work, **options):
    """Run `work(lab, bob)` in a lab with a log and a client with replay."""

    async def main():
        async with asyncio.timeout(25), Lab.start(log=True, **options) as lab:
            await work(lab, await lab.join("bob", replay=True))

    asyncio.run(main())


async def away(lab, bob, *published):
    """Publish these while bob's link is cut, and let him come back."""
    bob.link.cut()
    await lab.settle()
    for data in published:
        await lab.publish(CHAT, data)
    bob.link.restore()
    await lab.settle()


def test_what_was_published_while_a_client_was_away_comes_in_order_and_once():
    async def work(lab, bob):
        got = []
        bob.on(CHAT)(got.append)
        assert [await lab.publish(CHAT, n) for n in (1, 2, 3)] == [1, 2, 3]
        await lab.settle()
        await away(lab, bob, 4, 5, 6)
        assert got == [1, 2, 3, 4, 5, 6]
        assert (bob.offset, bob.recovered, bob.session.reason) == (6, True, "")
        leg = lab.verdict().leg(*DOWN)
        assert (leg.arrived, leg.lost, leg.duplicated, leg.reordered) == (6, (), (), ())

    played(work)


def test_a_batch_is_judged_and_drawn_event_by_event():
    def run(batch):
        found = []

        async def main():
            async with asyncio.timeout(25), Lab.start(log=True, **CALM) as lab:
                bob = await lab.join("bob", replay=True, batch=batch)
                got = []
                bob.on(CHAT)(got.append)
                await lab.publish(CHAT, 1)
                await lab.settle()
                await away(lab, bob, *range(2, 8))
                bob.link.cut()
                await lab.settle()
                for n in range(8, 13):
                    await lab.publish(CHAT, n)
                bob.link.restore()
                await lab.settle()
                await lab.publish(CHAT, 13)
                await lab.settle()
                assert got == list(range(1, 14))
                inside = {event.inside for event in lab.journal if event.kind == "received" and event.node == "bob"}
                assert (max(inside) >= 4) == batch
                legs = [(leg.name, leg.received, leg.lost, leg.in_flight, leg.duplicated) for leg in lab.verdict().legs]
                found.extend([legs, str(lab.figure())])

        asyncio.run(main())
        return found

    assert run(False) == run(True)


def test_a_batch_that_is_cut_off_comes_again_and_nothing_is_lost():
    async def main():
        async with asyncio.timeout(25), Lab.start(log=True, **CALM) as lab:
            bob = await lab.join("bob", replay=True, batch=True)
            got = []
            bob.on(CHAT)(got.append)
            bob.link.cut()
            await lab.settle()
            for n in range(1, 6):
                await lab.publish(CHAT, n)
            bob.link.cut(before=f"{CHAT} #3", direction="downstream")
            bob.link.restore()
            await lab.settle()
            assert [each.event for each in lab.wire("bob", "downstream") if each.event] == ["session", "session"]
            assert [each.event for each in lab.journal if each.kind == "dropped" and each.node == "bob"] == ["batch"]
            bob.link.restore()
            await lab.settle()
            assert got == [1, 2, 3, 4, 5]
            leg = lab.verdict().leg(*DOWN)
            assert (len(leg.sent), leg.arrived, leg.lost, leg.duplicated, leg.in_flight) == (5, 5, (), (), ())

    asyncio.run(main())


def test_a_cut_names_a_message_inside_a_batch_of_a_client():
    async def main():
        async with asyncio.timeout(25), Lab.start(log=True, dedupe=True, **CALM) as lab:
            got = []

            @lab.server.on("work")
            async def work(sid, data):
                await asyncio.sleep(0.01)  # not waiting for something: it is work
                got.append(data)

            alice = await lab.join("alice", retries=math.inf, ack_timeout=1.0, batch=True)
            alice.link.cut()
            await lab.settle()
            for n in range(1, 6):
                alice.emit("work", n)
            alice.link.cut(after="work #4")
            alice.link.restore()
            await lab.settle()
            assert got == [1, 2, 3, 4, 5] and alice.state != "connected"
            received = [each.seq for each in lab.journal if each.kind == "received" and each.event == "work"]
            broken = [each.seq for each in lab.journal if each.kind == "disconnected" and each.node == "alice"]
            assert len(received) == 5 and max(received) < max(broken)  # it waits until all of the packet was given to handlers
            with pytest.raises(UnknownFault, match="has already come"):
                alice.link.cut(before="work #2")
            alice.link.cut(before="work #5", attempt=2)
            alice.link.restore()
            await lab.settle()
            alice.link.restore()
            await lab.settle()
            leg = lab.verdict().leg("alice", "server")
            assert got == [1, 2, 3, 4, 5]
            assert (len(leg.sent), leg.arrived, leg.lost, leg.duplicated, leg.unknown) == (5, 5, (), (), ())
            tries = [each.attempt for each in lab.journal if each.kind == "sent" and each.node == "alice" and each.message == 4]
            assert tries == [1, 2, 3]

    asyncio.run(main())


def test_a_client_that_never_received_an_event_still_loses_nothing():
    async def work(lab, bob):
        assert (bob.offset, bob.recovered, bob.session.reason) == (0, False, "new")
        await away(lab, bob, 1, 2)
        assert (bob.offset, bob.recovered) == (2, True)
        assert lab.verdict().leg(*DOWN).lost == ()

    played(work)


def test_chat_messages_go_through_the_log_to_everybody_with_their_author_s_number():
    async def work(lab, bob):
        alice = await lab.join("alice", replay=True, retries=math.inf, ack_timeout=1.0)
        alice.emit(CHAT, "one")
        await lab.settle()
        bob.link.cut()
        await lab.settle()
        alice.emit(CHAT, "two")
        await lab.settle()
        bob.link.restore()
        await lab.settle()
        assert [each.data for each in await lab.events()] == ["one", "two"]
        leg = lab.verdict().leg("alice", "bob")
        assert leg.sent == leg.received == ("#1", "#2")

    played(work, dedupe=True)


@pytest.mark.parametrize("point", ["before_apply", "before_commit", "after_commit", "before_ack"])
def test_a_crash_between_storing_and_sending_loses_nothing(point):
    async def work(lab, bob):
        alice = await lab.join("alice", replay=True, retries=math.inf, ack_timeout=1.0)
        lab.server.crash(at=point)
        told = alice.emit(CHAT, "hello")
        await lab.settle()
        await lab.server.restart()
        await lab.settle()
        assert (await told).outcome == "acked"
        assert [each.data for each in await lab.events()] == ["hello"]
        assert lab.verdict().lost == lab.verdict().duplicated == ()

    played(work, dedupe=True)


def test_a_trimmed_history_is_said_and_judged():
    async def work(lab, bob):
        await lab.publish(CHAT, 1)
        await lab.settle()
        bob.link.cut()
        await lab.settle()
        for n in range(2, 8):
            await lab.publish(CHAT, n)
        assert await lab.trim(5) == 4
        assert [each.offset for each in await lab.events()] == [5, 6, 7]
        bob.link.restore()
        await lab.settle()
        assert (bob.recovered, bob.session.reason, bob.session.offset, bob.offset) == (False, "truncated", 4, 7)
        assert [label for label, _ in lab.verdict().leg(*DOWN).lost] == ["#2", "#3", "#4"]
        with pytest.raises(InvalidSetting, match="the log goes up to 7"):
            await lab.trim(9)

    played(work)


def test_a_new_database_is_another_epoch():
    async def work(lab, bob):
        got = []
        bob.on(CHAT)(got.append)
        for n in (1, 2, 3):
            await lab.publish(CHAT, n)
        await lab.settle()
        bob.link.cut()
        await lab.settle()
        before = bob.session.epoch
        await lab.new_database()
        assert [await lab.publish(CHAT, n) for n in (4, 5)] == [1, 2]
        bob.link.restore()
        await lab.settle()
        assert (bob.recovered, bob.session.reason) == (False, "epoch-changed") and bob.session.epoch != before
        assert got == [1, 2, 3, 4, 5] and bob.offset == 2
        assert lab.verdict().leg(*DOWN).lost == ()

    played(work)


def test_a_refresh_starts_anew_and_a_store_goes_on():
    async def main():
        async with Lab.start(log=True) as lab:
            bob = await lab.join("bob", replay=True, store="bob.db")
            carol = await lab.join("carol", replay=True)
            got = {"bob": [], "carol": []}
            for each in (bob, carol):
                each.on(CHAT)(got[each.name].append)
            await lab.publish(CHAT, 1)
            await lab.settle()
            for each in (bob, carol):
                each.link.cut()
            await lab.settle()
            await lab.publish(CHAT, 2)
            for each in (bob, carol):
                await each.refresh()
                each.link.restore()
            await lab.settle()
            assert got == {"bob": [1, 2], "carol": [1]}
            assert bob.recovered and (carol.recovered, carol.session.reason) == (False, "new")
            assert [label for label, _ in lab.verdict().leg("server", "carol").lost] == ["#2"]
            assert lab.verdict().leg(*DOWN).lost == ()

    asyncio.run(main())


def test_a_handler_that_fails_halts_visibly_which_counts_as_settled():
    async def work(lab, bob):
        got, bad = [], [2]

        @bob.on(CHAT)
        def fragile(data):
            if data in bad:
                raise ValueError("what is this?")
            got.append(data)

        for n in (1, 2, 3):
            await lab.publish(CHAT, n)
        await lab.settle()
        assert (got, bob.halted, bob.offset) == ([1], 2, 1)
        with pytest.raises(LabTrouble, match=r"halted at 'chat message', offset 2 .*what is this.*client\.skip\(2\)"):
            lab.check()
        with pytest.raises(UnknownFault, match="it halted at 2"):
            bob.skip(3)
        await away(lab, bob, 4)
        assert (got, bob.halted) == ([1], 2)
        bad.clear()
        bob.resume()
        await lab.settle()
        assert (got, bob.halted) == ([1, 2, 3, 4], None)

    played(work)


def test_the_server_publishes_again_and_again_until_it_is_told_to_stop():
    async def work(lab, bob):
        got = []
        bob.on(CHAT)(got.append)
        lab.publish_every(0.02)
        while len(got) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        lab.publish_every(None)
        await lab.settle()
        count = len(await lab.events())
        assert got == [f"tick {n}" for n in range(1, count + 1)]
        with pytest.raises(InvalidSetting, match="interval"):
            lab.publish_every(-1)

    played(work)


def test_publishing_again_and_again_goes_on_over_crashes_and_new_databases():
    async def work(lab, bob):
        got = []
        bob.on(CHAT)(got.append)
        lab.publish_every(0.001)
        for crashes in (False, True, False, True):
            if crashes:
                lab.server.crash()
                await lab.server.restart()
            else:
                await lab.new_database()
            before = len(got)
            while len(got) < before + 3:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        lab.publish_every(None)
        await lab.settle()
        lab.check()

    played(work)


def test_a_server_of_the_page_s_own_kind_is_judged_by_the_ids_in_what_it_emits():
    """The lessons' own server: live overtakes replay, and the offset moves over what is missing."""

    async def main():
        async with Lab.start() as lab:
            rows, slow, mine = [], {"database": False}, {"offset": None}

            @lab.server.on("connect")
            async def replay(sid):
                offset = lab.server.auth(sid)["offset"]
                while slow["database"]:  # noqa: ASYNC110  # as the lesson has it
                    await asyncio.sleep(0.001)
                for row in [row for row in rows if offset is not None and row["id"] > offset]:
                    await lab.server.emit(CHAT, row, to=sid)

            async def publish():
                rows.append({"id": len(rows) + 1, "data": "x"})
                await lab.server.emit(CHAT, rows[-1])

            bob = await lab.join("bob", auth=lambda: {"offset": mine["offset"]})
            bob.on(CHAT)(lambda row: mine.update(offset=row["id"]))
            await publish()
            await lab.settle()
            bob.link.cut()
            await lab.settle()
            await publish()
            await publish()
            bob.link.restore()
            await lab.settle()
            assert lab.verdict().leg(*DOWN).received == ("#1", "#2", "#3")
            bob.link.cut()
            await lab.settle()
            await publish()
            slow["database"] = True
            bob.link.restore()
            await lab.settle()
            await publish()
            await lab.settle()
            bob.link.cut()
            await lab.settle()
            slow["database"] = False
            bob.link.restore()
            await lab.settle()
            leg = lab.verdict().leg(*DOWN)
            assert [label for label, _ in leg.lost] == ["#4"] and mine["offset"] == 5
            assert (leg.reordered, leg.duplicated) == ((), ())  # and it looks clean

    asyncio.run(main())


@pytest.mark.parametrize("call", [lambda lab: lab.trim(1), lambda lab: lab.new_database(), lambda lab: lab.events()])
def test_without_a_log_there_is_nothing_to_trim_or_to_look_at(call):
    async def main():
        async with Lab.start() as lab:
            assert not lab.stores
            with pytest.raises(UnknownFault, match=r"Lab\.start\(log=True\)"):
                await call(lab)
            with pytest.raises(InvalidSetting, match="publish"):
                await lab.server.publish(CHAT, 1)

    asyncio.run(main())
