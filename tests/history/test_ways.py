"""Ways: what is said of both hops as one is the same whether somebody asked all the time or asks only now."""

from realtime_lab.history.verdict import Judge, Verdict, verdict
from realtime_lab.history.ways import FORGOTTEN
from tests.history.stories import CHAT, Story
from tests.history.stories_of_retries import Retries


class Asked:
    """A judge of a story that goes on, who is asked all the time."""

    def __init__(self, story: Story) -> None:
        self.story, self.judge = story, Judge()

    def verdict(self) -> Verdict:
        """It is that of whoever asks only now."""
        for event in self.story.events[self.judge.journeys.seen :]:
            self.judge.feed(event)
        assert self.judge.verdict() == verdict(self.story.events)
        return self.judge.verdict()

    def lost(self, receiver: str = "bob") -> tuple[tuple[str, str], ...]:
        """What alice's way to this receiver has lost."""
        return self.verdict().leg("alice", receiver).lost


def test_who_joins_once_more_has_lost_nothing_of_what_was_sent_before() -> None:
    story = Story("alice", "bob")
    asked = Asked(story)
    story.emit("alice", 2)
    story.carry("alice", "upstream")
    story.carry("bob", "downstream", 1)
    story.cut("bob")
    story.both_notice("bob")
    assert asked.lost() == (("#2", "the link was cut"),)
    story.join("bob")
    assert asked.lost() == ()
    assert asked.verdict().leg("alice", "bob").sent == ("#1",)


def test_what_was_handled_is_not_forgotten_once_its_handlers_turn_out_to_work_in_transactions() -> None:
    story = Retries("alice", "bob")
    asked = Asked(story)
    for number in range(3):
        story.emit("alice")
        story.carry("alice", "upstream", handled=False)
        if number == 0:
            story.publish(cause=0, source=("alice", CHAT, 1, 0))
        if number < 2:
            story.handled("server", number)
        asked.verdict()
    assert asked.lost() == (("#2", FORGOTTEN),)
    story.journal.record("server", "committed", message=2)
    assert asked.lost() == (("#3", FORGOTTEN),)


def test_once_something_of_an_event_is_passed_on_the_rest_of_it_was_meant_to_be_too() -> None:
    story = Story("alice", "bob", relay=False)
    asked = Asked(story)
    story.emit("alice")
    story.carry("alice", "upstream")
    story.publish(cause=0, source=("alice", CHAT, 1, 0))
    story.emit("alice", 2, event="typing")
    story.carry("alice", "upstream", 1)
    assert asked.verdict().leg("alice", "bob").sent == ("#1",)
    story.carry("alice", "upstream", handled=False)
    story.publish("typing", cause=2, source=("alice", "typing", 2, 0))
    assert asked.verdict().leg("alice", "bob").sent == (f"{CHAT} #1", "typing #1", "typing #2")
    assert asked.lost() == (("typing #1", FORGOTTEN),)


def test_what_emit_refused_was_not_sent_end_to_end_either() -> None:
    story = Story("alice", "bob")
    asked = Asked(story)
    story.emit("alice")
    story.settle()
    story.both_notice("alice")
    story.emit("alice")
    leg = asked.verdict().leg("alice", "bob")
    assert (leg.sent, leg.lost, leg.refused) == (("#1",), (), ())


def test_to_whom_something_is_passed_on_may_turn_out_later() -> None:
    story = Story("alice")
    asked = Asked(story)
    record = story.journal.record
    record("bob", "joined")
    record("server", "connected", sid="s1")
    story.emit("alice")
    story.carry("alice", "upstream", handled=False)
    record("server", "emitted", message=9, event=CHAT, cause=0, sids=("s1",))
    assert asked.verdict().leg("alice", "").in_flight == ("#1",)
    record("bob", "wire", sid="s1", direction="downstream", type="CONNECT")
    assert asked.verdict().leg("alice", "bob").in_flight == ("#1",)
    assert "alice to " not in [leg.name for leg in asked.verdict().legs]


def test_what_has_come_once_is_neither_on_its_way_nor_lost_whatever_becomes_of_the_second_time() -> None:
    story = Story("alice", "bob")
    asked = Asked(story)
    story.emit("alice")
    story.send("alice", 0, ("alice", CHAT, 1, 0))
    story.carry("alice", "upstream")
    story.carry("bob", "downstream", 1)
    assert asked.verdict().leg("alice", "bob").in_flight == ()
    story.cut("bob")
    story.both_notice("bob")
    assert asked.verdict().leg("server", "bob").lost == (("#1", "the link was cut"),)
    assert asked.lost() == ()
