"""Lesson 09: the exercise judges the solution, the stub and typical mistakes as it should."""

import pytest

from realtime_lab import check
from realtime_lab.lab.exercises.page import PAGE, Storage
from tests.examples import every_fourth
from tests.lab.exercises.answers_page import WRONG, Numbers, Solution, Stub


@pytest.mark.parametrize("answer", [Solution, Numbers])
def test_a_right_answer_is_kept_over_every_break_and_every_refresh(answer):
    report = check.page(answer)
    assert (report.outcome, report.of) == ("kept", 16), report


def test_the_stub_is_told_that_it_is_not_written_yet():
    report = check.page(Stub)
    assert report.outcome == "not written yet"
    assert "keep the text" in str(report)


@pytest.mark.parametrize("answer", every_fourth(WRONG), ids=lambda answer: answer.__name__)
def test_a_wrong_answer_is_broken_by_its_shortest_case(answer):
    number, words = WRONG[answer]
    report = check.page(answer)
    assert (report.outcome, report.case) == ("broken", PAGE.cases[number].words), report
    assert words in report.words
    assert "carol: connected" in str(report.figure)


def test_what_is_kept_in_the_class_would_not_survive_in_a_browser():
    everywhere = {}

    class Shared(Solution):
        def __init__(self, storage):
            super().__init__(everywhere)

    report = check.page(Shared)
    assert report.outcome == "broken"
    assert "a page whose storage is empty knows the message of another page" in report.words


@pytest.mark.parametrize("said", [None, "key", [1], [("key",)], [("key", 1)], [("", "text")], [("key", "of somebody else")]])
def test_what_is_no_list_of_messages_is_said_to_be_none(said):
    class Odd(Solution):
        def waiting(self):
            return said if self.storage else []

    report = check.page(Odd)
    assert report.outcome == "broken"
    assert "waiting() returned" in report.words


def test_what_cannot_be_stored_as_json_is_refused():
    storage = Storage()
    storage["kept"] = [("a", 1)]
    assert (storage["kept"], storage.get("other", 7), list(storage)) == ([["a", 1]], 7, ["kept"])
    storage["kept"].append("more")
    assert storage["kept"] == [["a", 1]]
    with pytest.raises(TypeError):
        storage["set"] = {1}
