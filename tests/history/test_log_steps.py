"""Where it stands what leaves the log, what is lost in it, and what a client is told: in its rare cases."""

import pytest

from realtime_lab.history.picture import Picture
from realtime_lab.history.plan import Arrow, Layout
from realtime_lab.history.space_time import layout
from tests.history.stories import CHAT, Story
from tests.history.stories_of_replay import Replays


def to(drawn: Layout, receiver: str = "bob") -> list[Arrow]:
    """What left the log for this client."""
    return [arrow for arrow in drawn.arrows if (arrow.sender, arrow.receiver) == ("log", receiver)]


def steps(drawn: Layout, lane: str, style: str) -> list[int]:
    return [mark.step for mark in drawn.marks if (mark.lane, mark.style) == (lane, style)]


def test_what_a_bare_client_lost_shows_once_and_says_why() -> None:
    story = Replays("alice", "bob", bare=["bob"], relay=False)
    story.publish()
    story.cut("bob")
    story.both_notice("bob")
    story.publish()
    assert [(arrow.label, arrow.style, arrow.reason) for arrow in to(layout(story.events))] == [
        ("#1", "lost", "the link was cut"),
        ("#2", "lost", "the link was cut"),
    ]


def test_what_a_bare_client_lost_because_it_was_not_there_stops_where_everything_does_for_who_is_not_there() -> None:
    reaches = []
    for stored in (True, False):
        story = Replays("alice", "bob", bare=["bob"], relay=False)
        story.both_notice("bob")
        (Replays if stored else Story).publish(story)
        reaches += [arrow.reach for arrow in layout(story.events).arrows if arrow.style == "lost"]
    assert reaches == [pytest.approx(1 - 0.68), pytest.approx(1 - 0.68)]


def test_what_was_stored_before_somebody_ever_connected_is_lost_right_behind_its_acceptance() -> None:
    story = Replays("alice", relay=False)
    story.join("bob")
    story.publish()
    story.connect("bob")
    story.settle()
    drawn = layout(story.events)
    (lost,) = to(drawn)
    assert (lost.style, lost.reason) == ("lost", "it had no offset yet")
    assert steps(drawn, "bob", "connected") == [lost.start]


def test_what_a_trim_takes_from_two_who_are_away_is_lost_for_both_at_once() -> None:
    story = Replays("alice", "bob", "carol", relay=False)
    story.publish()
    story.settle()
    for name in ("bob", "carol"):
        story.break_and_notice(name)
    story.publish()
    story.publish()
    story.trim(3)
    for name in ("bob", "carol"):
        story.come_back(name)
    drawn = layout(story.events)
    (trim,) = steps(drawn, "log", "trim")
    for name in ("bob", "carol"):
        assert [(arrow.label, arrow.start) for arrow in to(drawn, name) if arrow.style == "lost"] == [("#2", trim + 1)]


def test_a_client_hears_of_each_hole_behind_where_it_was_told_of_that_one() -> None:
    story = Replays("alice", "bob", relay=False)
    story.publish()
    story.settle()
    for _ in range(2):
        for _ in range(3):
            story.store()
        story.trim(story.head)
        story.pump()
    story.settle()
    drawn = layout(story.events)
    lost = [arrow.start for arrow in to(drawn) if arrow.style == "lost"]
    first, second = steps(drawn, "bob", "not recovered")
    assert lost[1] < first <= lost[2]
    assert lost[3] < second


def slowly_stored() -> Replays:
    """A handler stores #1 only when bob is back and his replay has left."""
    story = Replays("alice", "bob", relay=False)
    story.settle()
    story.break_and_notice("bob")
    story.publish("news")
    story.publish("news")
    story.emit("alice")
    story.carry("alice", "upstream", handled=False)
    story.come_back("bob")
    story.store(cause=0, source=("alice", CHAT, 1, 0))
    return story


def test_what_is_sent_behind_a_replay_leaves_right_before_it_comes_however_busy_its_client_is() -> None:
    story = slowly_stored()
    story.pump()
    story.emit("bob", 6)
    story.settle()
    *_, late = to(layout(story.events))
    assert (late.style, late.end - late.start) == ("arrived", 1)


def test_what_is_sent_behind_a_replay_leaves_behind_what_somebody_did_to_its_link_meanwhile() -> None:
    story = slowly_stored()
    story.carry("bob", "downstream")
    for _ in range(3):
        story.fault("bob", "latency")
    story.pump()
    story.settle()
    drawn = layout(story.events)
    assert steps(drawn, "bob", "latency")[-1] < to(drawn)[-1].start


@pytest.mark.parametrize("faults", range(1, 8))
def test_what_a_slow_handler_stores_is_stored_behind_whoever_was_accepted_meanwhile(faults: int) -> None:
    story = Replays("alice", relay=False)
    story.join("bob")
    story.emit("alice", 3)
    story.carry("alice", "upstream", handled=False)
    for _ in range(faults):
        story.fault("bob", "latency")
    story.connect("bob")
    story.publish(cause=2)
    story.settle()
    drawn = layout(story.events)
    (stored,), (connected,), (came,) = steps(drawn, "log", "stored"), steps(drawn, "bob", "connected"), to(drawn)
    assert connected - 1 < stored == came.start


def test_wherever_a_chapter_ends_what_is_sent_on_a_connection_leaves_in_the_order_of_the_log() -> None:
    story = Replays("alice", "bob", "carol", relay=False)
    story.settle()
    for name in ("bob", "carol"):
        story.break_and_notice(name)
    for _ in range(3):
        story.publish()
    sids = []
    for name in ("bob", "carol"):
        story.restore(name)
        sids.append(story.connect(name, replay=False))
    begin = len(story.events)
    for row in story.rows:
        for sid in sids:
            story.send_stored(sid, row)
    story.publish()
    end = len(story.events)
    story.settle()
    for ends in range(begin, end):
        picture = Picture(1000, story.events[:ends])
        picture._end()
        for event in story.events[ends:]:
            picture.feed(event)
        for name in ("bob", "carol"):
            assert [arrow.label for arrow in to(picture.layout(), name)] == ["#1", "#2", "#3", "#4"]
