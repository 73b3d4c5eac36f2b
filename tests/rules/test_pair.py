"""Client and server together: what the rules promise over a link that breaks, and what nobody promises without them."""

import math

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.examples import examples
from tests.rules.pair import Mood, Options
from tests.rules.pair_machine import FORGETFUL, AtLeastOnceMachine, OnceMachine, OrderedMachine, PairMachine, Reordered, Twice, World

TestPair = PairMachine.TestCase
TestPair.settings = settings(max_examples=examples(400), stateful_step_count=30, deadline=None)

TestAtLeastOnce = AtLeastOnceMachine.TestCase
TestAtLeastOnce.settings = settings(max_examples=examples(100), stateful_step_count=30, deadline=None)

FOUND = settings(
    max_examples=500,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


def world(*, retries: float = math.inf, window: int = 1, max_age: float | None = None, numbered: bool = True) -> World:
    made = World(FORGETFUL, Options(retries, window, max_age), numbered=numbered)
    made.connect()
    return made


def test_hypothesis_finds_the_schedule_in_which_a_server_without_a_ledger_applies_twice() -> None:
    with pytest.raises(Twice):
        run_state_machine_as_test(OnceMachine, settings=FOUND)


def test_hypothesis_finds_the_schedule_in_which_a_window_without_numbers_reorders() -> None:
    with pytest.raises(Reordered):
        run_state_machine_as_test(OrderedMachine, settings=FOUND)


@pytest.mark.parametrize(("numbered", "effects"), [(False, [1, 1]), (True, [1])])
def test_a_lost_acknowledgement_happens_twice_without_a_ledger_and_once_with_it(numbered: bool, effects: list[int]) -> None:
    w = world(numbered=numbered)
    w.emit()
    w.lose_acks()
    w.heal()
    assert w.server.effects == effects
    assert w.client.told == {1: "acked"}


def test_a_refusal_that_the_server_has_forgotten_is_not_told_to_be_a_success() -> None:
    """The process ends before it has noted that the first one is finished, and so much was decided since that its answer is gone."""
    w = world(window=5)
    w.emit(3)
    w.arrive_up(1, "never")
    w.arrive_up(2)
    w.server.commit()
    w.arrive_down(3)
    assert w.client.told == {1: "rejected", 2: "acked", 3: "acked"}
    w.emit(5)
    w.arrive_up(5)
    w.server.commit()
    w.client.restart(w.now, lost=3)
    w.heal()
    assert w.server.effects == [2, 3, 4, 5, 6, 7, 8]
    assert w.client.told == {1: "unknown"} | dict.fromkeys(range(3, 9), "acked") | {2: "unknown", 3: "unknown"}


@pytest.mark.parametrize(("numbered", "effects"), [(False, [2, 1]), (True, [1, 2])])
def test_a_refusal_for_now_reorders_a_window_without_numbers_and_not_with_them(numbered: bool, effects: list[int]) -> None:
    w = world(numbered=numbered, window=2)
    w.emit(2)
    w.arrive_up(1, "later")
    w.heal()
    assert w.server.effects == effects


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize(("mood", "told"), [("apply", "acked"), ("never", "rejected")])
def test_the_answer_to_the_first_is_not_forgotten_while_those_behind_it_go_on(mood: Mood, told: str, restarted: bool) -> None:
    """It has to come again because of the disk, and those behind it, whose answers were lost as well, have not."""
    w = world(window=5)
    w.emit(10)
    w.arrive_up(1, mood)
    w.lose_acks()
    w.connect()
    w.arrive_up(1, "later")
    w.arrive_up(4)
    w.arrive_down(5)
    if restarted:
        w.client.restart(w.now, lost=0)
        w.connect()
    w.lose_acks()
    w.heal()
    assert w.client.told == {1: told} | dict.fromkeys(range(2, 11), "acked")
    assert w.server.effects == [n for n in range(1, 11) if n > 1 or told == "acked"]


def test_finite_retries_are_not_at_least_once() -> None:
    w = world(retries=1)
    w.emit()
    for _ in range(2):
        w.cut()
        w.notice()
        w.connect()
    w.heal()
    assert w.server.effects == []
    assert w.client.told == {1: "unknown"}


def test_a_crash_before_the_commit_undoes_everything_and_nothing_was_acknowledged() -> None:
    w = world(window=3)
    w.emit(3)
    w.arrive_up(3)
    w.server.crash()
    assert (w.server.effects, w.client.told) == ([], {})
    w.heal()
    assert w.server.effects == [1, 2, 3]


def test_a_crash_between_the_commit_and_the_acknowledgement_leaves_one_effect() -> None:
    w = world(window=3)
    w.emit(3)
    w.arrive_up(3)
    w.cut()
    w.server.commit()
    w.server.crash()
    w.heal()
    assert w.server.effects == [1, 2, 3]
    assert w.client.told == dict.fromkeys([1, 2, 3], "acked")


def test_a_restart_goes_on_with_the_same_numbers_also_when_its_last_notes_were_lost() -> None:
    w = world(window=2)
    w.emit(3)
    w.arrive_up(2)
    w.server.commit()
    w.arrive_down(2)
    w.client.restart(w.now, lost=1)
    assert w.client.first == 2, "that 2 is finished was not written"
    w.emit()
    w.heal()
    assert w.server.effects == [1, 2, 3, 4]


def test_the_tombstone_closes_the_number_of_what_was_given_up_so_that_the_next_is_applied() -> None:
    w = world(retries=0, window=2)
    w.emit(2)
    w.arrive_up(1, "later")
    w.heal()
    assert w.server.effects == [2]
    assert w.client.told == {1: "unknown", 2: "acked"}


def test_what_grew_too_old_in_the_buffer_is_rejected_and_takes_its_number() -> None:
    w = world(max_age=3.0)
    w.cut()
    w.notice()
    w.emit()
    w.wait(3.0)
    w.emit()
    w.heal()
    assert w.server.effects == [2]
    assert w.client.told == {1: "rejected", 2: "acked"}


def test_what_grew_too_old_after_a_restart_is_unknown_because_the_earlier_run_may_have_sent_it() -> None:
    w = world(max_age=3.0)
    w.emit()
    w.lose_acks()
    w.client.restart(w.now, lost=0)
    w.wait(3.0)
    w.heal()
    assert w.server.effects == [1]
    assert w.client.told == {1: "unknown"}
