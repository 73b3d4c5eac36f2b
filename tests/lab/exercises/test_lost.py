"""Lesson 02: the exercise judges the solution, the stub and typical mistakes as it should."""

import pytest

from realtime_lab import check
from tests.lab.exercises.answers_lost import WRONG, solution, stub


def test_the_solution_is_kept_at_every_cut():
    report = check.lost(solution)
    assert (report.outcome, report.of) == ("kept", 44)
    assert report.not_checked in str(report)


def test_the_stub_is_told_that_it_is_not_written_yet():
    report = check.lost(stub)
    assert report.outcome == "not written yet"
    assert "return the labels" in str(report)


@pytest.mark.parametrize("answer", WRONG, ids=lambda answer: answer.__name__)
def test_a_wrong_answer_is_broken_by_its_shortest_case(answer):
    report = check.lost(answer)
    assert (report.outcome, report.case) == ("broken", WRONG[answer])
    assert f"{answer.__name__}(" in report.words
    assert "link was cut" in str(report.figure) or report.case.endswith("after #1")


@pytest.mark.parametrize("said", [None, 3, "#1", [1], {"#1"}])
def test_what_is_no_list_of_labels_is_said_to_be_none(said):
    report = check.lost(lambda total, n, side: said)
    assert report.outcome == "broken"
    assert "Return a list of labels" in report.words
