"""Pause and step: which part of a history is shown, and what is said about each step."""

import itertools

import pytest

from realtime_lab.history.space_time import layout
from realtime_lab.history.stepping import Stepping
from realtime_lab.history.svg import svg
from tests.history.stories import Story
from tests.history.stories_of_replay import truncated
from tests.history.stories_of_retries import everything, lost_ack


def cut_in_between():
    story = Story("alice", "bob", relay=True)
    story.emit("alice")
    story.settle()
    story.cut("bob")
    story.emit("alice")
    story.settle()
    return story


def walk(stepping, events, step):
    """Every stop from here to the end of the way."""
    stops = [stepping.at]
    while not stops[1:] or stops[-1] != stops[-2]:
        step(events)
        stops.append(stepping.at)
    return stops[:-1]


def test_live_it_shows_everything_and_paused_what_was_there():
    events, stepping = cut_in_between().events, Stepping()
    assert stepping.part(events) == events
    assert stepping.caption(events) == ""
    stepping.pause(5)
    assert stepping.part(events) == events[:5]
    stepping.go_on()
    assert stepping.part(events) == events


@pytest.mark.parametrize("story", [cut_in_between, everything, lost_ack, truncated])
def test_each_step_changes_what_the_picture_says_and_the_way_back_has_as_many(story):
    events, stepping = story().events, Stepping()
    stepping.pause(0)
    there = walk(stepping, events, stepping.forward)
    pictures = [svg(layout(events[:at])) for at in there[:-1]]  # what comes last may change nothing
    assert all(one != other for one, other in itertools.pairwise(pictures))
    assert there == sorted(set(there))
    assert there[0] == 0
    assert there[-1] == len(events)
    back = walk(stepping, events, stepping.back)
    assert back == sorted(set(back), reverse=True)
    assert back[-1] == 0
    assert abs(len(back) - len(there)) <= 1


def test_a_step_says_where_it_is_and_what_is_new_there():
    events, stepping = cut_in_between().events, Stepping()
    stepping.pause(0)
    captions = []
    for at in walk(stepping, events, stepping.forward):
        stepping.at = at
        captions.append(stepping.caption(events))
    first, *_ = captions
    assert first == f"Paused at event 0 of {len(events)}"
    news = [caption.split(": ", 1)[1] for caption in captions[1:] if ": " in caption]
    assert "chat message #1 from alice to server: still on the way" in news
    assert "chat message #1 from alice to server: arrived" in news
    assert "bob: the link was cut (bob.link.cut())" in news
    assert news.index("chat message #1 from alice to server: arrived") < news.index("bob: the link was cut (bob.link.cut())")


def test_back_from_the_present_pauses_before_the_latest_thing_that_shows():
    events, stepping = cut_in_between().events, Stepping()
    stepping.back(events)
    assert svg(layout(events[: stepping.at])) != svg(layout(events))
    assert svg(layout(events[: stepping.at + 1])) == svg(layout(events))


def test_while_it_is_paused_the_history_goes_on():
    story, stepping = cut_in_between(), Stepping()
    before = story.events
    stepping.pause(len(before))
    story.emit("alice")
    assert stepping.part(story.events) == before
    stepping.forward(story.events)
    assert stepping.caption(story.events).startswith(f"Paused at event {stepping.at} of {len(story.events)}: chat message #3 from alice")


@pytest.mark.parametrize("at", [3, 6, 20])
def test_what_is_new_is_said_whatever_was_looked_at_before(at):
    events, walked, jumped = cut_in_between().events, Stepping(), Stepping()
    walked.pause(0)
    while walked.at < at:
        walked.forward(events)
    jumped.pause(at)
    assert walked.at == at
    assert jumped.caption(events) == walked.caption(events) != f"Paused at event {at} of {len(events)}"


def test_a_step_forward_of_what_is_live_stops_at_its_end():
    events, stepping = cut_in_between().events, Stepping()
    stepping.forward(events)
    assert stepping.at == len(events)


@pytest.mark.parametrize(("names", "said", "more"), [("abc", "bc", ""), ("abcd", "db", "; …")])
def test_of_more_news_than_two_there_is_only_a_sign(names, said, more):
    """What is new is said from the uppermost lane down."""
    story, stepping = Story(*names), Stepping()
    story.emit("a")
    story.carry("a", "upstream")
    first = next(place for place, event in enumerate(story.events, 1) if event.kind == "emitted" and event.node == "server")
    stepping.pause(first)
    sentences = [f"chat message #1 of a from server to {name}: still on the way" for name in said]
    assert stepping.caption(story.events) == f"Paused at event {first} of {len(story.events)}: {'; '.join(sentences)}{more}"


def test_on_the_way_back_every_change_is_a_stop_also_the_first_one():
    events, stepping = Story("alice").events, Stepping()
    stepping.pause(1)
    assert stepping.caption(events) == f"Paused at event 1 of {len(events)}"
    stepping.forward(events)
    assert stepping.caption(events) == f"Paused at event 2 of {len(events)}: alice: trying to connect"
    stepping.back(events)
    assert stepping.at == 1
