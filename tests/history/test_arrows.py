"""Arrows: how far what does not arrive gets, however far away its receiver's lane is."""

import pytest

from realtime_lab.history.space_time import layout
from tests.history.stories import Story


def reach(story: Story) -> float:
    """Of the last copy to carol, whose lane is two rows below the server's."""
    return [arrow.reach for arrow in layout(story.events).arrows if arrow.receiver == "carol"][-1]


def test_to_who_is_not_there_a_message_gets_as_far_from_a_lane_as_to_a_neighbour() -> None:
    story = Story("alice", "bob", "carol", relay=False)
    story.both_notice("carol")
    story.publish()
    assert reach(story) == pytest.approx((2 - 0.68) / 2)


def test_what_crosses_its_link_and_finds_nobody_ends_just_before_a_far_client_too() -> None:
    story = Story("alice", "bob", "carol", relay=False)
    story.publish()
    story.notice("carol")
    story.carry("carol", "downstream")
    assert reach(story) == pytest.approx((2 - 0.15) / 2)
