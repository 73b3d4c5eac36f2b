"""Lesson 07: the exercise judges the solution, the stub and typical mistakes as it should."""

from dataclasses import replace

import pytest

from realtime_lab import check
from realtime_lab.lab.exercise import check as judge
from realtime_lab.lab.exercises.offset import OFFSET
from tests.examples import every_fourth
from tests.lab.exercises.answers_offset import LOST, WRONG, just_below_the_first_open, solution, stub

SHORT = replace(OFFSET, cases=OFFSET.cases[:23])
"""Up to three messages."""


def test_the_solution_is_kept_in_every_order_and_after_every_step():
    report = check.offset(solution)
    assert (report.outcome, report.of) == ("kept", 2 + 5 + 16 + 65)
    assert report.not_checked in str(report)


def test_what_comes_to_the_same_is_as_good():
    assert judge(SHORT, just_below_the_first_open).outcome == "kept"


def test_the_stub_is_told_that_it_is_not_written_yet():
    report = check.offset(stub)
    assert report.outcome == "not written yet"
    assert "which offset may be stored" in str(report)


@pytest.mark.parametrize("answer", every_fourth(WRONG), ids=lambda answer: answer.__name__)
def test_a_wrong_answer_is_broken_by_its_shortest_case(answer):
    report = check.offset(answer)
    assert (report.outcome, report.case) == ("broken", WRONG[answer])
    assert f"{answer.__name__}([2" in report.words
    assert ("Nobody will ever send it" if answer in LOST else "sent again") in report.words
    assert "bob: connected again" in str(report.figure)


@pytest.mark.parametrize("said", [None, "4", 4.0, True, -1, [4]])
def test_what_is_no_offset_is_said_to_be_none(said):
    report = check.offset(lambda arrived, finished: said)
    assert report.outcome == "broken"
    assert "Return an id, or 0" in report.words


def test_what_the_answer_is_given_is_its_own():
    """Whoever changes the arguments changes nothing of the check."""

    def greedy(arrived, finished):
        stored = solution(arrived, finished)
        arrived.clear()
        finished.clear()
        return stored

    assert judge(SHORT, greedy).outcome == "kept"
