"""Lesson 11: both exercises judge the solutions, the stubs and typical mistakes as they should."""

import pytest

from realtime_lab import InvalidSetting, check
from tests.examples import every_fourth
from tests.lab.exercises.answers_choose import DESIGNS, SOLUTION, STUB, WRONG, forgotten, found, nothing, one_crash, one_cut


@pytest.mark.full
def test_claims_that_ask_for_enough_and_promise_no_more_than_they_keep_are_kept():
    report = check.claims(SOLUTION, DESIGNS)
    assert (report.outcome, report.of) == ("kept", 4)


def test_who_promises_nothing_has_not_written_anything_yet():
    assert check.claims(STUB, DESIGNS).outcome == "not written yet"


@pytest.mark.parametrize("mistake", every_fourth(WRONG))
def test_an_over_claim_is_refuted_and_too_little_is_not_enough(mistake):
    claims, words = WRONG[mistake]
    report = check.claims(claims, DESIGNS)
    assert report.outcome == "broken" and words in report.words
    assert (report.figure is not None) == ("refutes" in report.words)


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        (None, "There is no claim"),
        (("strong", {"ordered"}), "none of the designs"),
        (("bare", {"fast"}), "promises are a set of"),
        ("bare", "not a pair"),
    ],
)
def test_what_is_no_claim_is_said_to_be_none(claim, words):
    report = check.claims({**SOLUTION, "chat": claim}, DESIGNS)
    assert report.outcome == "broken" and words in report.words


def test_the_hunt_ends_with_a_schedule_that_tells_the_guilty_from_the_others():
    assert check.bug_hunt("B", found).outcome == "kept"


@pytest.mark.parametrize(
    ("accused", "schedule", "words"),
    [
        ("A", found, "A booked every deposit exactly once in spite of"),
        ("C", found, "C booked every deposit exactly once in spite of"),
        ("B", one_cut, "B booked every deposit exactly once in spite of"),
        ("B", one_crash, "B booked every deposit exactly once in spite of"),
        ("B", forgotten, "A lost #1 too"),
        ("B", nothing, "Your schedule emits nothing"),
    ],
)
def test_a_schedule_that_proves_nothing_or_accuses_the_wrong_one_is_told_so(accused, schedule, words):
    report = check.bug_hunt(accused, schedule)
    assert report.outcome == "broken" and words in report.words


def test_unknown_suspects_and_designs_are_errors():
    with pytest.raises(InvalidSetting, match="none of the suspects 'A', 'B', 'C'"):
        check.bug_hunt("D", found)
    with pytest.raises(InvalidSetting, match="no list of designs"):
        check.claims(SOLUTION, ["bare"])
