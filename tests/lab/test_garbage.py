"""How often garbage of all ages is collected while labs run."""

import gc

from realtime_lab import Lab
from realtime_lab.lab.garbage import SELDOM, FullCollections


async def test_garbage_of_all_ages_is_collected_seldom_until_the_last_lab_is_closed():
    before = gc.get_threshold()
    async with Lab.start(name="first"):
        assert gc.get_threshold() == (*before[:2], SELDOM)
        async with Lab.start(name="second"):
            assert gc.get_threshold() == (*before[:2], SELDOM)
        assert gc.get_threshold() == (*before[:2], SELDOM)
    assert gc.get_threshold() == before


def test_who_has_asked_for_it_more_seldom_keeps_that():
    before = gc.get_threshold()
    try:
        gc.set_threshold(1000, 20, 2 * SELDOM)
        with FullCollections():
            assert gc.get_threshold() == (1000, 20, 2 * SELDOM)
        assert gc.get_threshold() == (1000, 20, 2 * SELDOM)
    finally:
        gc.set_threshold(*before)
