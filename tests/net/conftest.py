"""Fixtures for the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.net.harness import REPLAY


@pytest.fixture(params=[False, True], ids=["alone", "batch"])
def both_ways(request: pytest.FixtureRequest) -> Iterator[bool]:
    """The test runs twice: its clients with replay are made without batches, and with them."""
    REPLAY["batch"] = request.param
    yield request.param
    REPLAY.clear()
