"""Lesson 06: the exercise judges the solution, the stub and typical mistakes as it should."""

import pytest

from realtime_lab import check
from tests.examples import every_fourth
from tests.lab.exercises.answers_once import WRONG, solution, stub


def test_the_solution_is_kept_in_every_case():
    report = check.once(solution)
    assert (report.outcome, report.of) == ("kept", 19)


def test_the_stub_is_told_that_it_is_not_written_yet():
    report = check.once(stub)
    assert report.outcome == "not written yet" and 'return "apply", "repeat" or "gap"' in str(report)
    assert check.once(lambda last, n: None).outcome == "not written yet"


@pytest.mark.parametrize("answer", every_fourth(WRONG), ids=lambda answer: answer.__name__)
def test_a_wrong_answer_is_broken_by_its_shortest_case(answer):
    report = check.once(answer)
    case, words = WRONG[answer]
    assert (report.outcome, report.case) == ("broken", case)
    assert words in report.words


def test_another_word_is_said_to_be_none_of_the_three():
    report = check.once(lambda last, n: "applied")
    assert report.outcome == "broken" and "'applied'" in report.words
