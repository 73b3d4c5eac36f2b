"""A judge that is told what happens as it happens: at any time it says what is said of the whole history, and looks only at what is new."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_lab.history import counting
from realtime_lab.history.journal import Event
from realtime_lab.history.verdict import Judge, verdict
from tests.examples import every_fourth, examples
from tests.history.shuffling import NAMES, calm, shuffled
from tests.history.stories import STORIES, Story
from tests.history.stories_of_replay import REPLAYS, Replays
from tests.history.stories_of_retries import RETRIES, Retries, retimed

RUNS = {**STORIES, **REPLAYS, **RETRIES}


def assert_it_can_be_judged_at_any_time(events: Sequence[Event], when: Sequence[int]) -> None:
    judge = Judge()
    for event in events:
        judge.feed(event)
        if event.seq in when:
            assert judge.verdict() == verdict(events[: event.seq + 1]), f"after {event}"


@pytest.mark.parametrize("name", RUNS)
def test_a_verdict_at_any_time_is_the_verdict_of_what_has_happened(name: str) -> None:
    events = RUNS[name]().events
    assert_it_can_be_judged_at_any_time(events, range(len(events)))


@pytest.mark.parametrize("name", every_fourth(RUNS))
@settings(max_examples=examples(8), deadline=None)
@given(st.randoms(use_true_random=False))
def test_so_it_is_for_every_other_record_of_a_run(name: str, choose: random.Random) -> None:
    events = retimed(RUNS[name]().events, choose)
    assert_it_can_be_judged_at_any_time(events, [seq for seq in range(len(events)) if choose.random() < 0.2])


scripts = st.lists(
    st.tuples(st.sampled_from(["emit", "publish", "away", "back", "trim", "new database", "refresh"]), st.sampled_from(NAMES)), max_size=40
)


@settings(max_examples=examples(60), deadline=None)
@given(scripts, st.randoms(use_true_random=False))
def test_so_it_is_for_any_script(script: list[tuple[str, str]], choose: random.Random) -> None:
    events = shuffled(calm(script, choose).events, choose)
    assert_it_can_be_judged_at_any_time(events, [seq for seq in range(len(events)) if choose.random() < 0.4])


# -- what is looked at: counted, so that no clock is needed ---------------------------------------------------------------------------


def long_chat(rounds: int) -> Story:
    """Much is said, some is lost, and everybody comes back."""
    story = Story("alice", "bob", "carol")
    for _ in range(rounds):
        story.emit("alice", 3)
        story.settle()
        story.cut("bob")
        story.emit("alice", 2)
        story.settle()
        story.both_notice("bob")
        story.restore("bob")
        story.connect("bob")
    return story


def long_log(rounds: int) -> Story:
    """The same with a log, and a client that comes back for what it missed, and one that is away and will never ask for it."""
    story = Replays("alice", "bob", "carol", bare=["carol"])
    story.break_and_notice("carol")
    for _ in range(rounds):
        story.break_and_notice("bob")
        for _ in range(3):
            story.publish("news")
        story.settle()
        story.come_back("bob")
        story.settle()
    return story


def long_patience(rounds: int) -> Story:
    """Acknowledgements are lost, and everything is sent again."""
    story = Retries("alice", "bob")
    for _ in range(rounds):
        number = story.keep("alice")
        story.hand_over("alice", number)
        story.arrive("alice")
        story.ack("alice", number, fate="dropped")
        story.time_out("alice", number)
        story.delivered("alice", number, 2, "duplicate")
        story.delivered("alice", story.keep("alice"))
    return story


@pytest.mark.parametrize("story", [long_chat, long_log, long_patience])
def test_what_is_looked_at_does_not_grow_with_the_history(story, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    def look(*arguments):
        looked[-1] += 1
        return real(*arguments)

    real = counting.passages_of
    monkeypatch.setattr(counting, "passages_of", look)
    judge = Judge()
    for event in story(60).events:
        judge.feed(event)
        looked.append(0)
        judge.verdict()
    quarter = len(looked) // 4
    early, late = looked[quarter : 2 * quarter], looked[-quarter:]
    assert sum(late) <= 1.1 * sum(early) + 10
    assert max(late) <= max(early) + 2
