"""Every story, and every fate matrix, looks as it did when somebody approved it."""

import pytest

from tests.history.approved import NAMES, approved, seen

APPROVED = approved()


@pytest.mark.parametrize("name", NAMES)
def test_it_looks_as_it_was_approved(name: str) -> None:
    assert seen(name) == APPROVED[name], "if this is meant: python -m tests.history.approved"


def test_nothing_is_approved_that_is_not_told_any_more() -> None:
    assert APPROVED.keys() == {*NAMES}
