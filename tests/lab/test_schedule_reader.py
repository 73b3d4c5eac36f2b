"""A schedule that is read while it goes on is at any time the schedule of what has happened."""

import random

import pytest

from realtime_lab import Lab
from realtime_lab.history.journal import Event, Kind
from realtime_lab.history.outboxes import Outboxes
from realtime_lab.history.verdict import Judge
from realtime_lab.lab.schedule_reader import ScheduleReader
from tests.history.test_judge import RUNS


class Record:
    """A journal as a lab would write it, and when it was at rest."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.rests: list[int] = []

    def add(self, node: str, kind: Kind, pause: float = 0.01, **details) -> None:
        time = self.events[-1].time + pause if self.events else 0.0
        self.events.append(Event(len(self.events), time, node, kind, **details))


def anything(choose: random.Random) -> Record:
    """Joins that are waited for or not, sends, faults, a new database, somebody who could not join."""
    record = Record()
    for name in ("alice", "bob", "carol"):
        record.add(name, "joined", text="send_buffer" if name == "bob" else "")
        if choose.random() < 0.8:
            record.add(name, "connecting")
            if choose.random() < 0.7:
                record.add(name, "connected", sid=name)
    for number in range(60):
        name, pause = choose.choice(["alice", "bob", "carol"]), choose.choice([0.01, 0.01, 0.3])
        match choose.randrange(9):
            case 0:
                record.add(name, "fault", pause, event="cut", reason=f"{name}.link.cut()")
            case 1:
                record.add(name, "connecting", pause)
            case 2:
                record.add(name, "connected", pause, sid=f"{name}{number}")
            case 3:
                record.add("server", "fault", pause, event="crash", reason="lab.server.crash()")
                record.add("server", "fault", event="new database", reason="await lab.new_database()")
                record.add("server", "fault", event="restart", reason="lab.server.restart()")
            case 4:
                record.rests.append(len(record.events))
            case 5 if number % 10 == 5:
                record.add(name, "left", pause)
            case _:
                record.add(name, "emitted", pause, message=number, event="chat message", data=number)
    return record


@pytest.mark.parametrize("seed", range(30))
def test_what_is_read_bit_by_bit_is_what_is_read_at_once(seed: int) -> None:
    choose = random.Random(seed)
    record = anything(choose)
    going_on = ScheduleReader({"log": True})
    for n, event in enumerate(record.events, 1):
        going_on.feed(event)
        rests = [each for each in record.rests if each <= n]
        if choose.random() < 0.6:
            whole = ScheduleReader({"log": True})
            for each in record.events[:n]:
                whole.feed(each)
            assert going_on.text(rests) == whole.text(rests)


@pytest.mark.parametrize("name", RUNS)
def test_outboxes_at_any_time_are_those_of_what_has_happened(name: str) -> None:
    events = RUNS[name]().events
    judge = Judge()
    for event in events:
        judge.feed(event)
        if event.seq % 3 == 0:
            judge.verdict()
    judge.verdict()
    whole = Outboxes()
    whole.update(judge.journeys.messages)
    own = [message for message in judge.journeys.messages if message.root is None]
    for client in {message.origin for message in own}:
        mine, outbox = [message for message in own if message.origin == client], judge.outboxes.of(client)
        piles = {pile: shelf.items for pile, shelf in outbox.piles.items() if len(shelf)}
        assert piles == {pile: shelf.items for pile, shelf in whole.of(client).piles.items() if len(shelf)}
        assert len(piles.get("waiting", ())) == sum(message.kept and not message.tries for message in mine)
        assert len(piles.get("acked", ())) == sum(message.settled == "acked" and not message.kept for message in mine)
        assert len(outbox.handed_in) == sum(bool(message.number or message.copies or message.was_kept) for message in mine)


async def several_looks() -> tuple[str, str]:
    async with Lab.start() as lab:
        await lab.join("alice")
        for number in range(1, 4):
            lab.participants["alice"].emit("chat message", number)
            lab.schedule  # noqa: B018  # who looks changes nothing
            await lab.settle()
        again = ScheduleReader({})
        for event in lab.journal:
            again.feed(event)
        return lab.schedule, again.text(lab._rests.marks)


def test_who_looks_at_the_schedule_changes_nothing() -> None:
    import asyncio

    looked, read = asyncio.run(several_looks())
    assert looked == read
    assert "alice.emit" in looked
