"""Lesson 08: the exercise judges the solution, the stub and typical mistakes as it should."""

import pytest

from realtime_lab import check
from tests.examples import every_fourth
from tests.lab.exercises.answers_begin import FOUND, WRONG, solution, stub


def test_the_solution_is_kept_for_everybody_who_comes():
    report = check.begin(solution)
    assert (report.outcome, report.of) == ("kept", 68)
    assert report.not_checked in str(report)


@pytest.mark.full
def test_what_comes_to_the_same_is_as_good():
    """Whoever has missed everything that is stored may be led to any offset below it."""

    def another(epoch, offset, log_epoch, trimmed, head):
        at, reason = solution(epoch, offset, log_epoch, trimmed, head)
        return [0 if reason == "epoch-changed" and trimmed < head else at, reason]

    assert check.begin(another).outcome == "kept"


def test_the_stub_is_told_that_it_is_not_written_yet():
    report = check.begin(stub)
    assert report.outcome == "not written yet"
    assert "where does the replay begin" in str(report)


@pytest.mark.parametrize("answer", every_fourth(WRONG), ids=lambda answer: answer.__name__)
def test_a_wrong_answer_is_broken_by_its_shortest_case(answer):
    report = check.begin(answer)
    assert (report.outcome, report.case) == ("broken", WRONG[answer])
    assert f"{answer.__name__}(" in report.words
    assert FOUND[answer] in report.words
    assert "the link was cut" in str(report.figure)
    assert "told " in str(report.figure)


@pytest.mark.parametrize("said", [None, 3, (1, 2, 3), (None, "new"), ("0", "new"), (True, ""), (0, "trimmed"), (0, ["new"])])
def test_what_is_no_offset_and_reason_is_said_to_be_none(said):
    report = check.begin(lambda epoch, offset, log_epoch, trimmed, head: said)
    assert report.outcome == "broken"
    assert "Return an offset and a reason" in report.words
