"""Random faults on the real stack, small. `make soak` runs more of it."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from realtime_lab.net.delivery import Delivery, Fate
from tests.soak.pieces import several
from tests.soak.run import Design, Result, run
from tests.soak.schedule import Schedule, Step
from tests.soak.shortest import shortest

PROMISED = Design()


def test_nothing_is_lost_applied_twice_reordered_or_acknowledged_in_vain() -> None:
    done = asyncio.run(several("up", range(1, 9)))
    assert {result.schedule.seed: result.wrong for result in done if result.wrong} == {}
    assert sum(result.crashes for result in done) >= 1  # how many of those at an exact point come to it depends on the machine
    assert sum(len(result.rows) + len(result.withdrawn) for result in done) == 8 * 50


def small(*steps: Step) -> Schedule:
    return Schedule(0, 5, 1, False, steps)


LOST_ACK = small(
    *(Step("emit", "1"), Step("until", "settled"), Step("stall", "downstream")),
    *(Step("emit", "1"), Step("until", "handled", nth=2), Step("cut"), Step("restore")),
)
REFRESH = small(Step("cut"), Step("emit", "3"), Step("until", "offline"), Step("refresh"), Step("restore"))
UNDONE = small(Step("crash", "before_commit"), Step("emit", "1"), Step("until", "crashed"), Step("restart"))
FLAP = (Step("cut at", "upstream", nth=2), Step("emit", "1"), Step("until", "offline"), Step("restore"), Step("until", "online"))
FLAPS = small(*FLAP, *FLAP, *FLAP, *FLAP)


def test_each_weaker_design_is_seen_to_break_as_the_theory_says() -> None:
    """Else the test above could not see anything."""

    def broken(schedule: Schedule, **changes: Any) -> Result:
        return asyncio.run(run(schedule, replace(PROMISED, **changes)))

    assert 2 in broken(LOST_ACK, dedupe=False).twice
    assert broken(UNDONE, tx=False).twice == [1]
    assert broken(REFRESH, store=False).lost == [1, 2, 3]
    assert 1 in broken(FLAPS, retries=0).lost
    for schedule in (LOST_ACK, UNDONE, REFRESH, FLAPS):
        assert broken(schedule).wrong == {}


def test_an_application_that_is_told_nothing_or_what_belongs_to_another_event_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    settle = Delivery.settle
    monkeypatch.setattr(Delivery, "settle", lambda delivery, fate: settle(delivery, replace(fate, result=1)))
    assert asyncio.run(run(small())).wrong == {"acknowledged with the answer to another one": [2, 3, 4, 5]}
    monkeypatch.setattr(Delivery, "settle", lambda delivery, fate: settle(delivery, Fate("rejected")))
    assert asyncio.run(run(small())).wrong == {"rejected but applied": [1, 2, 3, 4, 5]}
    monkeypatch.setattr(Delivery, "settle", lambda delivery, fate: True)
    assert asyncio.run(run(small())).wrong == {"never told": [1, 2, 3, 4, 5]}


def test_only_the_cut_of_a_living_connection_counts() -> None:
    twice = Step("cut"), Step("emit", "1"), Step("until", "offline"), Step("cut"), Step("restore")
    assert asyncio.run(run(small(*twice))).cuts == 1
    assert asyncio.run(run(small(*FLAP))).cuts == 1  # at a packet


def test_a_failing_schedule_is_shortened_to_what_matters() -> None:
    async def fails(schedule: Schedule) -> bool:
        return bool((await run(schedule, Design(tx=False))).wrong)

    noise = (Step("latency", "1"), Step("emit", "1"), Step("until", "settled"), Step("latency", "0"))
    found = asyncio.run(shortest(small(*noise, *UNDONE.steps, *noise), fails))
    assert [step.what for step in found.steps] == ["crash", "emit", "until"]
    assert "crash before_commit" in str(found)
