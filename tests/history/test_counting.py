"""Counting looks again at what may have changed, and at nothing else."""

from realtime_lab.history.verdict import Judge
from tests.history.stories import Story
from tests.history.stories_of_replay import Replays


class Watch:
    """A judge of a story that goes on."""

    def __init__(self, story: Story) -> None:
        self.story, self.judge = story, Judge()

    def looked_at(self) -> list[str]:
        """What has to be looked at again after what has happened since the last call."""
        self.catch_up()
        return [message.label for message in self.judge.hops.update()]

    def catch_up(self) -> None:
        for event in self.story.events[self.judge.journeys.seen :]:
            self.judge.feed(event)


def test_what_ended_before_somebody_asked_counts_too() -> None:
    watch = Watch(story := Story("alice", "bob", relay=False))
    story.emit("alice")
    assert watch.looked_at() == ["#1"]
    story.both_notice("alice")
    story.both_notice("bob")
    watch.catch_up()
    assert watch.judge.verdict().lost == ("#1",)


def test_what_has_arrived_is_not_looked_at_again_when_its_connection_ends() -> None:
    watch = Watch(story := Story("alice", relay=False))
    story.emit("alice", 2)
    assert watch.looked_at() == ["#1", "#2"]
    story.carry("alice", "upstream", 1)
    assert watch.looked_at() == ["#1"]
    story.both_notice("alice")
    assert watch.looked_at() == ["#2"]


def test_a_hop_for_which_nothing_was_meant_after_all_is_none() -> None:
    watch = Watch(story := Story())
    record = story.journal.record
    record("bob", "joined")
    record("server", "connected", sid="s1")
    record("server", "emitted", message=0, event="news", sids=("s1",))
    watch.catch_up()
    assert {(leg.sender, leg.receiver) for leg in watch.judge.verdict().legs} == {("server", ""), ("server", "bob")}
    record("bob", "wire", sid="s1", direction="downstream", type="CONNECT")
    watch.catch_up()
    assert [(leg.sender, leg.receiver, leg.in_flight) for leg in watch.judge.verdict().legs] == [("server", "bob", ("#1",))]


def test_another_standing_to_the_log_concerns_what_is_in_the_log_and_has_not_come() -> None:
    watch = Watch(story := Replays("alice", "bob", relay=False))
    story.publish()
    assert watch.looked_at() == ["#1"]
    story.settle()
    story.stall("bob")
    story.publish()
    story.carry("alice", "downstream")
    story.journal.record("server", "emitted", message=9, event="not stored", sids=("sid2",))
    assert watch.looked_at() == ["#1", "#2", "#1"]
    assert watch.looked_at() == [], "nothing has changed"
    story.new_database()
    assert watch.looked_at() == ["#2"]


def test_what_nobody_sent_is_lost_for_a_client_without_an_offset_when_its_connection_ends_also_after_a_trim() -> None:
    watch = Watch(story := Replays("bob", bare=["bob"], relay=False))
    story.publish()
    story.settle()
    story.trim(2)
    story.store()
    watch.catch_up()
    assert watch.judge.verdict().lost == ()
    story.both_notice("bob")
    watch.catch_up()
    assert watch.judge.verdict().leg("server", "bob").lost == (("#2", "bob was not connected"),)
