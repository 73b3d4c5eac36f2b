"""The fate of a run is the worst that its verdict shows."""

import pytest

from realtime_lab.history.fates import FATES, Fate, fate_of
from realtime_lab.history.leg import Leg
from realtime_lab.history.verdict import Verdict

NOTHING = Leg("alice", "bob", ("#1",), ("#1",), (), (), (), (), (), (), ())
WORST = {
    "lost": {"lost": (("#1", "the link was cut"),)},
    "duplicated": {"duplicated": ("#1",)},
    "reordered": {"reordered": ("#1",)},
    "unknown": {"unknown": ("#1",)},
    "refused": {"refused": ("#2",)},
    "kept": {},
}


def legs(*words: str) -> Verdict:
    """One leg for each word."""
    return Verdict(tuple(Leg(**{**vars(NOTHING), **WORST[word]}) for word in words))


@pytest.mark.parametrize("fate", FATES)
def test_every_fate_has_its_sign(fate: Fate) -> None:
    assert fate_of(legs(fate)) == fate
    assert fate_of(legs("kept", fate)) == fate


@pytest.mark.parametrize("worse", range(len(FATES)))
def test_the_worst_of_several_is_the_fate_of_the_run(worse: int) -> None:
    assert fate_of(legs(*reversed(FATES[worse:]))) == FATES[worse]


def test_what_is_under_way_leaves_the_fate_unknown() -> None:
    assert fate_of(Verdict((Leg(**{**vars(NOTHING), "in_flight": ("#1",)}),))) == "unknown"
