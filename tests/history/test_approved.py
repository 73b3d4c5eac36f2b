"""Every story looks as it did when somebody approved it."""

import pytest

from tests.history.approved import approved, seen
from tests.history.test_judge import RUNS

APPROVED = approved()


@pytest.mark.parametrize("name", RUNS)
def test_a_story_looks_as_it_was_approved(name: str) -> None:
    assert seen(name) == APPROVED[name], "if this is meant: python -m tests.history.approved"


def test_nothing_is_approved_that_is_not_told_any_more() -> None:
    assert APPROVED.keys() == RUNS.keys()
