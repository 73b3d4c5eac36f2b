"""Lesson 01: the exercise judges the solutions, the stub and typical mistakes as it should."""

from dataclasses import replace

import pytest

from realtime_lab import check
from realtime_lab.lab import exercise
from realtime_lab.lab.exercises.kitchen import KITCHEN
from tests.examples import every_fourth
from tests.lab.exercises.answers_kitchen import WRONG, another_solution, does_not_wait, nothing, one_lock, solution, stub


def test_the_solution_is_kept_in_every_dinner():
    report = check.kitchen(solution())
    assert (report.outcome, report.of) == ("kept", 13), report


def test_another_solution_is_kept_in_the_longest_dinners():
    assert exercise.check(replace(KITCHEN, cases=KITCHEN.cases[-4:]), another_solution()).outcome == "kept"


def test_the_stub_is_told_that_it_is_not_written_yet():
    report = check.kitchen(stub())
    assert report.outcome == "not written yet"
    assert "call await make(dish)" in str(report)


@pytest.mark.parametrize("answer", every_fourth(WRONG), ids=lambda answer: answer.__name__)
def test_a_wrong_answer_is_broken_by_its_shortest_case(answer):
    report = check.kitchen(answer())
    assert (report.outcome, report.case) == ("broken", WRONG[answer]), report


def test_the_report_says_who_waited_for_whom_and_shows_it():
    report = check.kitchen(one_lock())
    assert report.words == "alice's pizza was in the oven, and bob's coffee waited for it."
    assert "bob -> server  #1" in str(report.figure)


def test_the_report_says_in_which_order_the_dishes_were_finished():
    assert check.kitchen(nothing()).words == "alice has ordered pizza, soup. They were finished in this order: soup, pizza."
    assert check.kitchen(does_not_wait()).words == "alice has ordered pizza, and the handler has returned before it was made."


def test_a_lock_of_an_earlier_check_is_named_without_its_address():
    answer = one_lock()
    check.kitchen(answer)
    report = check.kitchen(answer)
    assert "an asyncio object of an earlier run" in report.words
    assert "0x" not in str(report)


def test_a_dish_that_nobody_ordered_is_not_made():
    async def my_cook(sid, dish, make):
        await make("ice cream")

    assert "make('ice cream') was called for alice" in check.kitchen(my_cook).words


def test_a_dish_is_made_once():
    async def my_cook(sid, dish, make):
        await make(dish)
        await make(dish)

    assert "or has it already" in check.kitchen(my_cook).words
