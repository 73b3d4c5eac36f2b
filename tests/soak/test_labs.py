"""Labs that are closed in the middle of things and started again on the same stores, small; and weaker code that is seen to break."""

import asyncio

import pytest

from tests.soak.down_schedule import Deed, Down
from tests.soak.labs import LabsResult, run_labs
from tests.soak.labs_schedule import NAMES, labs_schedule
from tests.soak.test_storm import keeps_nothing

AGAIN = (
    *(Deed("emit", NAMES, 20), Deed("publish", count=5, pause=5), Deed("anew")),
    *(Deed("cut", ("bob",)), Deed("emit", NAMES, 3), Deed("crash"), Deed("restart"), Deed("restore", ("bob",))),
)


def done(*steps: Deed, limit: float) -> LabsResult:
    return asyncio.run(run_labs(Down(0, steps), limit))


def test_a_lab_that_is_started_again_on_its_stores_loses_nothing_and_does_nothing_twice() -> None:
    result = done(*AGAIN, limit=40.0)
    assert result.wrong == {}
    assert [result.totals[word] for word in ("labs", "crashes")] == [2, 1]
    assert result.totals["up: effects once, with a store: messages"] == 2 * 23
    assert result.totals["down: replay, effects once: messages"] >= 2  # at least the end


def test_a_seed_is_a_schedule() -> None:
    assert labs_schedule(7) == labs_schedule(7) != labs_schedule(8)


@pytest.mark.full
def test_a_store_that_keeps_nothing_is_seen_to_lose(monkeypatch: pytest.MonkeyPatch) -> None:
    keeps_nothing(monkeypatch)
    steps = Deed("cut", ("bob",)), Deed("emit", ("bob",), 5, pause=50), Deed("anew")
    assert "up: effects once, with a store: lost: bob" in done(*steps, limit=1.0).wrong
