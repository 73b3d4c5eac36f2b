"""Lesson 05: the exercise judges solutions, the stub and typical mistakes as it should."""

import pytest

from realtime_lab import check
from tests.examples import every_fourth
from tests.lab.exercises.answers_retry import RIGHT, WRONG, StopAndWait, Stub


@pytest.mark.parametrize("answer", every_fourth(RIGHT))
def test_a_sender_that_keeps_everything_and_sends_it_again_in_order_is_kept(answer):
    report = check.retry(answer)
    assert (report.outcome, report.of) == ("kept", 24)


def test_the_stub_is_told_that_it_is_not_written_yet():
    report = check.retry(Stub)
    assert report.outcome == "not written yet" and "which numbers are to be sent now?" in str(report)


@pytest.mark.parametrize("answer", every_fourth(WRONG))
def test_a_wrong_answer_is_broken_by_its_shortest_case(answer):
    report = check.retry(answer)
    case, words = WRONG[answer]
    assert (report.outcome, report.case) == ("broken", case)
    assert words in report.words


@pytest.mark.parametrize("said", [None, 1, "1", [True], ["1"]])
def test_what_is_no_list_of_numbers_is_said_to_be_none(said):
    class Odd(StopAndWait):
        def emitted(self, n):
            return said

    report = check.retry(Odd)
    assert report.outcome == "broken" and "Return a list of numbers" in report.words


def test_an_error_of_the_learner_names_the_line_and_the_call():
    class Faulty(StopAndWait):
        def acknowledged(self, n):
            self.waitng.remove(n)

    report = check.retry(Faulty)
    assert report.outcome == "broken"
    assert "acknowledged(1) raised AttributeError" in report.words and "self.waitng.remove(n)" in report.words
