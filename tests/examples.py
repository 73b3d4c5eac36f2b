"""How much of what there is to try is tried: `make test` takes a quarter, `make full` everything."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import settings

ALL = 100


def examples(number: int) -> int:
    """Examples of a property: so many, or the same part of them that the profile takes (--hypothesis-profile=thorough: all)."""
    return max(2, number * settings.default.max_examples // ALL)


def every_fourth(cases: Iterable[Any], *, several: bool = False) -> list[Any]:
    """The others are for `make full`. several: each case is a tuple of several arguments."""
    return [
        case if place % 4 == 0 else pytest.param(*(case if several else [case]), marks=pytest.mark.full) for place, case in enumerate(cases)
    ]
