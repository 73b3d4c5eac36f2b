"""Lesson 00: the exercise judges the solution, the stub and typical mistakes as it should."""

import pytest

from realtime_lab import check
from tests.lab.exercises.answers_reading import WRONG, solution, stub


def test_the_solution_is_kept_for_all_four():
    report = check.reading(solution)
    assert (report.outcome, report.of) == ("kept", 4), report


def test_the_stub_is_told_that_it_is_not_written_yet():
    report = check.reading(stub)
    assert report.outcome == "not written yet"
    assert "A is empty. Write what bob gets" in str(report)


@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_answer_is_refuted_by_its_experiment(mistake):
    answers, letter = WRONG[mistake]
    report = check.reading(answers)
    assert (report.outcome, report.case[:2]) == ("broken", f"{letter}:"), report
    assert "the link was cut" in str(report.figure)


@pytest.mark.parametrize("said", [2, "#1 #2", [1, 2], None])
def test_what_is_no_list_of_messages_is_said_to_be_none(said):
    report = check.reading({**solution, "B": said})
    assert "is no list of messages" in report.words
    assert report.case.startswith("B:")


def test_another_shape_is_refused_before_anything_is_run():
    report = check.reading(["#1"])
    assert (report.outcome, report.tried) == ("unknown", 0)
    assert "expects a dict with the keys A, B, C, D" in report.words
