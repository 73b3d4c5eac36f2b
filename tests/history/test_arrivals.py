"""Arrivals: what comes before others takes them back and adds them again, as if it had been known from the beginning."""

from itertools import permutations

import pytest

from realtime_lab.history.arrivals import Arrival, Arrivals

ALICE, NEWS = ("alice", True), ("server", False)


def came(at: int, seq: int, line: tuple[str, bool] = ALICE) -> tuple[Arrival, str]:
    return Arrival(at, -1, seq, line, (0, seq)), f"#{seq}"


# In the order of coming: 1 is late after 2, 2 comes twice, 3 is the latest; 9 is of another line.
ALL = (came(10, 2), came(11, 1), came(12, 9, NEWS), came(13, 2), came(14, 3), came(15, 3))


def told(arrivals: Arrivals) -> tuple[list[str], list[str], list[str]]:
    return arrivals.received, arrivals.twice, arrivals.late


@pytest.mark.parametrize("order", list(permutations(range(len(ALL)), 4)))
def test_what_is_counted_does_not_depend_on_when_it_was_known(order: tuple[int, ...]) -> None:
    """Four of them, known in any order; then the first of them counts no more, and comes back."""
    arrivals = Arrivals()
    for place in order:
        arrivals.add(*ALL[place])
    assert told(arrivals) == told(in_order(order))
    arrivals.remove(ALL[order[0]][0])
    assert told(arrivals) == told(in_order(order[1:]))


def in_order(places: tuple[int, ...]) -> Arrivals:
    arrivals = Arrivals()
    for place in sorted(places):
        arrivals.add(*ALL[place])
    return arrivals


def test_what_came_late_and_what_came_twice() -> None:
    assert told(in_order(tuple(range(len(ALL))))) == (["#2", "#1", "#9", "#2", "#3", "#3"], ["#2", "#3"], ["#1"])


def test_of_two_at_one_place_none_is_late() -> None:
    """A server of the learner's own may give one id to messages of two events."""
    arrivals = Arrivals()
    for seq in (1, 2):
        arrivals.add(Arrival(10 + seq, -1, seq, ALICE, (0, 7)), f"#{seq}")
    assert told(arrivals) == (["#1", "#2"], [], [])
