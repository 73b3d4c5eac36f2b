"""Random faults on the real stack, small. `make soak` runs more of it."""

import asyncio
import math

from tests.soak.__main__ import several
from tests.soak.run import Design, Result, shortest
from tests.soak.schedule import Schedule, Step

PROMISED = Design()


def results(count: int, design: Design, first: int = 1) -> list[Result]:
    return asyncio.run(several(range(first, first + count), 50, 6, design))


def test_nothing_is_lost_applied_twice_reordered_or_acknowledged_in_vain() -> None:
    done = results(14, PROMISED)
    assert {result.schedule.seed: result.wrong for result in done if result.wrong} == {}
    assert sum(result.crashes for result in done) >= 5
    assert sum(len(result.rows) for result in done) == 14 * 50


LOST_ACK = Schedule(
    0, 5, 1, False, (Step("emit", "1", pause=30), Step("stall", "downstream"), Step("emit", "1", pause=40), Step("cut"), Step("restore"))
)
REFRESH = Schedule(0, 5, 1, False, (Step("cut", pause=30), Step("emit", "3", pause=10), Step("refresh"), Step("restore")))
UNDONE = Schedule(0, 5, 1, False, (Step("crash", "before_commit"), Step("emit", "1", pause=500), Step("restart")))
FLAPS = Schedule(0, 5, 1, False, 4 * (Step("cut at", "upstream", nth=2), Step("emit", "1", pause=200), Step("restore", pause=200)))


def test_each_weaker_design_is_seen_to_break_as_the_theory_says() -> None:
    """Else the test above could not see anything."""

    async def wrong(schedule: Schedule, **changes: object) -> Result:
        from dataclasses import replace

        from tests.soak.run import run

        return await run(schedule, replace(PROMISED, **changes))

    assert asyncio.run(wrong(LOST_ACK, dedupe=False)).twice in ([2], [1])  # [1]: its acknowledgement was slower than the stall
    assert asyncio.run(wrong(UNDONE, tx=False)).twice == [1]
    assert asyncio.run(wrong(REFRESH, store=False)).lost == [1, 2, 3]
    assert asyncio.run(wrong(FLAPS, retries=0)).lost
    for schedule in (LOST_ACK, UNDONE, REFRESH, FLAPS):
        assert asyncio.run(wrong(schedule, retries=math.inf)).wrong == {}


def test_a_failing_schedule_is_shortened_to_what_matters() -> None:
    noise = (Step("latency", "1"), Step("emit", "1", pause=20), Step("latency", "0"))
    long = Schedule(0, 5, 1, False, (*noise, *UNDONE.steps, *noise))
    found = asyncio.run(shortest(long, Design(tx=False)))
    assert [step.what for step in found.steps] == ["crash", "emit", "restart"] or len(found.steps) < 3
    assert "crash before_commit" in str(found)
