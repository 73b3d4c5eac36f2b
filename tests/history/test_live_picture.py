"""The live picture as text: whose everything is, and that it draws what the lasting picture draws."""

import re
from xml.etree import ElementTree

import pytest

from realtime_lab.history.journeys import Journeys
from realtime_lab.history.live_picture import LivePicture, shown
from realtime_lab.history.plan import Layout
from realtime_lab.history.space_time import layout
from realtime_lab.history.svg import svg
from realtime_lab.history.whole_fate import whole_fates
from tests.history.stories_of_replay import truncated, two_come_back
from tests.history.stories_of_retries import everything, lost_ack, offline

NAMESPACE = "{http://www.w3.org/2000/svg}"
STORIES = (everything, lost_ack, offline, truncated, two_come_back)


def drawn(story, last=None):
    events = story().events
    picture = LivePicture(layout(events, last=last), whole_fates(Journeys(events)))
    return picture, ElementTree.fromstring(picture.svg)


def groups(root, word):
    return [group for group in root.iter(f"{NAMESPACE}g") if word in group.get("class", "").split()]


@pytest.mark.parametrize("story", STORIES)
def test_each_message_is_one_group_that_takes_the_focus_and_says_its_fate_from_left_to_right(story):
    picture, root = drawn(story)
    focusable = [element for element in root.iter() if element.get("tabindex") == "0"]
    assert [group.get("aria-label") for group in focusable] == [picture.fates[message] for message in shown(picture.layout)]
    assert set(picture.fates) >= set(shown(picture.layout))
    assert all(group.get("role") == "img" for group in focusable)
    starts = [min(arrow.start for arrow in picture.layout.arrows if arrow.message == message) for message in shown(picture.layout)
              if any(arrow.message == message for arrow in picture.layout.arrows)
              and not any(message in mark.messages for mark in picture.layout.marks)]  # fmt: skip
    assert starts == sorted(starts)


def test_the_tries_the_acks_and_the_words_of_a_message_have_its_class_and_no_other_message_has():
    picture, root = drawn(lost_ack)
    assert len(picture.messages) == 1
    mine = groups(root, "rl-0")
    titles = [title.text for group in mine for title in group.iter(f"{NAMESPACE}title")]
    assert [re.sub(r"^acknowledgement of ", "ack ", title) for title in titles] == [
        "chat message #1 from alice to server: arrived",
        "ack chat message #1 from alice to server: lost, the link was cut",
        "chat message #1 from alice to server, try 2: arrived, not handled, the server took it for a duplicate",
        "ack chat message #1 from alice to server, try 2: acknowledged",
    ]
    assert [text.text for group in mine for text in group.iter(f"{NAMESPACE}text")] == ["#1", "ack #1", "#1 try 2"]


def test_what_is_about_several_messages_has_all_their_classes_and_is_no_target_of_its_own():
    _, root = drawn(offline)
    shared = [group for group in groups(root, "rl-thing") if {"rl-0", "rl-1", "rl-2"} <= set(group.get("class").split())]
    assert len(shared) == 2  # the mark, and its word
    assert not any("rl-one" in group.get("class").split() for group in shared)
    assert "#1 #2 #3 kept" in [text.text for group in shared for text in group.iter(f"{NAMESPACE}text")]


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("last", [None, 4])
def test_it_draws_everything_that_the_lasting_picture_draws(story, last):
    picture, root = drawn(story, last)
    lasting = ElementTree.fromstring(svg(layout(story().events, last=last)))
    legend = [re.sub(r"<[^>]*>", "", key).strip() for key in picture.keys]

    def said(root):
        return sorted(title.text for title in root.iter(f"{NAMESPACE}title"))

    def words(root):
        return sorted(text.text for text in root.iter(f"{NAMESPACE}text"))

    lasting.remove(lasting.find(f"{NAMESPACE}title"))  # the live one has its summary as a label only
    assert said(root) == said(lasting)
    assert sorted(words(root) + [key for key in legend if key != "steps, not seconds →"]) == [
        word for word in words(lasting) if word != "steps, not seconds →"
    ]
    assert picture.height < float(lasting.get("height"))


def test_before_anything_has_happened_the_legend_says_so():
    picture = LivePicture(Layout(), {})
    assert len(picture.keys) == 1
    assert "nothing has happened yet" in picture.keys[0]


def test_a_message_of_which_nothing_is_known_any_more_has_no_sentence():
    picture = LivePicture(layout(lost_ack().events), {})
    assert [element.get("aria-label") for element in groups(ElementTree.fromstring(picture.svg), "rl-message")] == [""]
