"""A number is applied once, in its turn, and answered always."""

from typing import Any

import pytest
from hypothesis import settings

from realtime_lab.rules.dedup import ANSWERS, FORGOTTEN, GIVEN_UP, TOMBSTONE, Apply, Conflict, Gap, Ledger, Repeat
from realtime_lab.rules.retry import MAX_WINDOW
from tests.examples import examples
from tests.rules.dedup_machine import DedupMachine

TestDedup = DedupMachine.TestCase
TestDedup.settings = settings(max_examples=examples(100), stateful_step_count=30, deadline=None)

OK: dict[str, Any] = {"ok": True}


def after(*contents: str, last: int = 0) -> Ledger:
    ledger = Ledger(last)
    for n, content in enumerate(contents, last + 1):
        ledger.decided(n, content, {"ok": True, "offset": 10 * n})
    return ledger


def test_the_next_number_is_applied_and_asking_changes_nothing() -> None:
    ledger = after("a")
    assert [ledger.receive(2, "b"), ledger.receive(2, "b")] == [Apply(), Apply()]
    assert ledger.last == 1


def test_a_repeat_gets_the_answer_of_the_first_time() -> None:
    assert after("a", "b").receive(1, "a") == Repeat({"ok": True, "offset": 10, "duplicate": True})


def test_a_repeat_of_a_refused_event_is_refused_again() -> None:
    ledger = Ledger()
    refusal = {"ok": False, "error": "no money", "retryable": False}
    ledger.decided(1, "a", refusal)
    assert ledger.receive(1, "a") == Repeat({**refusal, "duplicate": True})
    assert "duplicate" not in refusal, "what is kept is not changed"


def test_a_number_before_its_turn_is_refused_with_what_is_expected() -> None:
    ledger = after("a")
    assert ledger.receive(3, "c") == Gap(2)
    ledger.decided(2, "b", OK)
    assert ledger.receive(3, "c") == Apply()


def test_the_same_number_with_other_content_is_a_conflict() -> None:
    assert after("a").receive(1, "b") == Conflict()


def test_a_tombstone_takes_its_number_and_what_it_stands_for_is_not_applied_later() -> None:
    ledger = Ledger()
    assert ledger.receive(1, TOMBSTONE) == Apply()
    ledger.decided(1, TOMBSTONE, GIVEN_UP)
    assert ledger.receive(1, "a") == Repeat({**GIVEN_UP, "duplicate": True})


def test_the_tombstone_of_an_event_that_was_applied_after_all_is_a_repeat() -> None:
    assert after("a").receive(1, TOMBSTONE) == Repeat({"ok": True, "offset": 10, "duplicate": True})


def test_answers_are_kept_for_as_many_events_as_can_be_under_way() -> None:
    ledger = after(*["a"] * (ANSWERS + 1))
    assert ledger.receive(2, "a") == Repeat({"ok": True, "offset": 20, "duplicate": True})
    assert ledger.receive(2, "b") == Conflict()
    assert ledger.receive(1, "b") == Repeat({**FORGOTTEN, "duplicate": True}), "applied or refused, nobody knows"
    assert ANSWERS >= MAX_WINDOW == 512


def test_a_decision_out_of_turn_is_an_error_and_changes_nothing() -> None:
    ledger = after("a")
    for n in (0, 1, 3):
        with pytest.raises(ValueError, match=f"the next number is 2, not {n}"):
            ledger.decided(n, "x", OK)
    assert ledger.receive(1, "a") == Repeat({"ok": True, "offset": 10, "duplicate": True})


def test_a_server_that_lost_its_memory_learns_from_the_client_where_it_goes_on() -> None:
    ledger = Ledger()
    ledger.greet(5)
    assert ledger.receive(5, "e") == Apply()
    assert ledger.receive(4, "d") == Repeat({**FORGOTTEN, "duplicate": True})
    assert ledger.receive(6, "f") == Gap(5)


def test_a_greeting_never_takes_anything_back() -> None:
    ledger = after("a", "b")
    for first in (1, 2, 3):
        ledger.greet(first)
        assert ledger.receive(3, "c") == Apply()
    assert ledger.receive(2, "b") == Repeat({"ok": True, "offset": 20, "duplicate": True})


def test_greetings_do_not_make_the_memory_grow() -> None:
    ledger = after("a")
    ledger.greet(ANSWERS + 1)
    assert ledger.receive(1, "a") == Repeat({"ok": True, "offset": 10, "duplicate": True})
    ledger.greet(ANSWERS + 2)
    assert ledger.receive(1, "a") == Repeat({**FORGOTTEN, "duplicate": True})


def test_a_ledger_goes_on_from_what_was_stored() -> None:
    ledger = Ledger(7, {7: ("g", {"ok": True, "offset": 70})})
    assert ledger.receive(7, "g") == Repeat({"ok": True, "offset": 70, "duplicate": True})
    assert ledger.receive(8, "h") == Apply()
