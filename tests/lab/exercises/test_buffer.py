"""Lesson 03: the exercise judges the solution, the stub and typical mistakes as it should."""

from dataclasses import replace

import pytest

from realtime_lab import check
from realtime_lab.lab.exercise import check as judge
from realtime_lab.lab.exercises.buffer import BUFFER
from tests.examples import every_fourth
from tests.lab.exercises.answers_buffer import WRONG, RoomIgnored, Solution, Stub, TakeDoesNotRemove

SHORT = replace(BUFFER, cases=BUFFER.cases[:6])


def test_the_solution_is_kept_in_every_case():
    report = check.buffer(Solution)
    assert (report.outcome, report.of) == ("kept", 79)
    assert report.not_checked in str(report)


def test_the_stub_is_told_that_it_is_not_written_yet():
    report = check.buffer(Stub)
    assert report.outcome == "not written yet"
    assert 'emit(key) returns "keep" or "refuse"' in str(report)


@pytest.mark.parametrize("answer", every_fourth(WRONG), ids=lambda answer: answer.__name__)
def test_a_wrong_answer_is_broken_by_its_shortest_case(answer):
    report = check.buffer(answer)
    case, found = WRONG[answer]
    assert (report.outcome, report.case) == ("broken", case)
    assert found in report.words


def test_the_picture_shows_what_the_application_did():
    """Not what its bare client saw, for which a kept message was emitted only when it left."""
    lines = str(check.buffer(TakeDoesNotRemove).figure).splitlines()
    assert [line.strip() for line in lines[3:]] == [
        "-- alice: disconnected --",
        "-- alice: #1 kept until it is connected --",
        "-- alice: the link was restored --",
        "-- alice: connected again --",
        "alice -> server  #1  arrived",
        "alice -> server  #1 try 2  arrived and handled again",
    ]
    report = check.buffer(RoomIgnored)
    assert "#1 #2  lost: the link was cut" in str(report.figure)
    assert report.line == 'alice.link.cut(before="chat message #1")'


@pytest.mark.parametrize("said", [None, True, "kept", ["keep"]])
def test_what_emit_may_return(said):
    answer = type("Mine", (Solution,), {"emit": lambda self, key: said})
    report = judge(SHORT, answer)
    assert report.outcome == "broken"
    assert 'Return "keep" or "refuse"' in report.words


@pytest.mark.parametrize(
    ("said", "words"),
    [(None, "Return a list of keys"), ("1", "Return a list of keys"), (["1"], "'1' was never kept"), ([2], "2 was never kept")],
)
def test_what_take_may_return(said, words):
    class Mine(Solution):
        def take(self, room):
            return said if self.kept else []

    report = judge(SHORT, Mine)
    assert report.outcome == "broken"
    assert words in report.words


def test_a_tuple_is_as_good_as_a_list():
    class Mine(Solution):
        def take(self, room):
            return tuple(super().take(room))

    assert judge(SHORT, Mine).outcome == "kept"
