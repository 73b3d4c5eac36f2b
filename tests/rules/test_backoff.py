"""When to try again: chance only ever shortens the wait, and the wait has a limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.rules.backoff import delay


def test_the_limit_doubles_from_the_initial_delay_up_to_the_maximum() -> None:
    assert [delay(attempt, 1.0) for attempt in range(1, 6)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    assert [delay(attempt, 1.0, initial=0.1, maximum=0.5) for attempt in range(1, 5)] == pytest.approx([0.1, 0.2, 0.4, 0.5])


def test_the_draw_chooses_between_nothing_and_the_limit() -> None:
    assert delay(2, 0.0) == 0.0
    assert delay(2, 0.25) == 0.5
    assert delay(2, 0.5) == 1.0


@pytest.mark.parametrize("attempt", [0, -1])
def test_attempts_count_from_one(attempt: int) -> None:
    with pytest.raises(ValueError, match=f"not {attempt}"):
        delay(attempt, 0.5)


def test_ten_thousand_failures_in_a_row_do_not_overflow() -> None:
    assert delay(10_000, 1.0, maximum=30.0) == 30.0


@given(st.integers(1, 5000), st.floats(0, 1, exclude_max=True), st.floats(0.001, 10), st.floats(0.001, 100))
def test_no_wait_is_negative_or_longer_than_the_maximum(attempt: int, draw: float, initial: float, maximum: float) -> None:
    assert 0 <= delay(attempt, draw, initial=initial, maximum=maximum) <= maximum


@given(st.integers(1, 200), st.floats(0, 1, exclude_max=True))
def test_a_later_attempt_never_waits_less_for_the_same_draw(attempt: int, draw: float) -> None:
    assert delay(attempt, draw) <= delay(attempt + 1, draw)
