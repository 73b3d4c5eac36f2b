"""Lesson 04: the exercise judges the solution, the stub and typical mistakes as it should."""

import pytest

from realtime_lab import check
from realtime_lab.lab.exercises import sights
from tests.examples import every_fourth
from tests.lab.exercises.answers_sights import WRONG, solution, stub


def test_the_solution_is_kept_for_all_eight():
    report = check.sights(solution)
    assert (report.outcome, report.of) == ("kept", 8), report


def test_the_stub_is_told_that_it_is_not_written_yet():
    report = check.sights(stub)
    assert report.outcome == "not written yet"
    assert "A has no answer. Write one of these: handled, not handled, cannot tell." in str(report)


@pytest.mark.parametrize("mistake", every_fourth(WRONG))
def test_a_wrong_answer_is_broken_by_a_history_that_looks_the_same(mistake):
    answers, letter = WRONG[mistake]
    report = check.sights(answers)
    assert (report.outcome, report.case[:14]) == ("broken", f"alice sees {letter}: "), report
    assert report.figure is not None


def test_the_history_that_is_shown_contradicts_the_answer():
    report = check.sights(WRONG["no answer means not done"][0])
    assert 'alice.link.cut(after="order #1")' in report.words
    assert "1 book was packed" in report.words
    assert "1 sent by alice, 1 arrived at server" in str(report.figure)


def test_sights_that_do_not_look_the_same_are_our_own_mistake(monkeypatch):
    mixed = (*sights.SIGHTS["A: acked"], *sights.SIGHTS["E: emit() raised NotConnected"])
    monkeypatch.setattr(sights, "SIGHTS", {**sights.SIGHTS, "A: acked": mixed})
    with pytest.raises(AssertionError, match="do not look the same"):
        check.sights(solution)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([], "expects a dict with the keys A, B, C, D, E, F, G, H. You gave []"),
        ({"A": "handled"}, "B is there not at all"),
        ({**solution, "A, again": "handled"}, "A is there twice"),
        ({**solution, "Z": "handled"}, "There is also 'Z'"),
    ],
)
def test_another_shape_is_refused_before_anything_is_run(answers, said):
    report = check.sights(answers)
    assert (report.outcome, report.tried) == ("unknown", 0)
    assert said in report.words


def test_another_word_is_refused():
    assert (
        "C: 'maybe' is not one of these"
        in check.sights({sight: answer.replace("cannot tell", "maybe") for sight, answer in solution.items()}).words
    )
