"""What keeps a chapter of a picture open: what may still arrive, and what waits for its answer."""

from realtime_lab.history.chapter import Chapter, is_open
from realtime_lab.history.space_time import layout
from realtime_lab.history.twin import text
from realtime_lab.history.verdict import Judge
from tests.history.stories import Story
from tests.history.stories_of_replay import Replays
from tests.history.stories_of_retries import Retries
from tests.history.test_picture import drawn, in_two, picture


def chapter(story: Story) -> Chapter:
    judge = Judge(story.events)
    return Chapter(judge.journeys, judge.hops, {}, story.events)


def still_open(story: Story) -> list[bool]:
    return [is_open(copy) for copy in chapter(story).copies]


def test_what_a_client_keeps_is_open_until_it_has_its_answer() -> None:
    story = Retries("alice")
    number = story.keep("alice")
    story.hand_over("alice", number)
    assert still_open(story) == [True], "on its way"
    assert len(chapter(story).still_under_way()) == 1
    assert chapter(story).still_unanswered() == ()
    story.arrive("alice", answer=False)
    assert still_open(story) == [True], "not answered"
    story.journal.record("server", "answered", sid="sid1", index=0, reason="ok")
    assert still_open(story) == [True], "its answer is on its way"
    assert len(chapter(story).still_unanswered()) == 1
    assert chapter(story).still_under_way() == ()
    story.ack("alice", number)
    assert still_open(story) == [False]
    assert chapter(story).some_open() is None
    assert chapter(story).still_unanswered() == ()


def test_on_a_connection_that_is_over_nothing_waits_for_an_answer() -> None:
    story = Retries("alice")
    story.hand_over("alice", story.keep("alice"))
    story.arrive("alice", answer=False)
    story.server_notices("alice")
    assert still_open(story) == [True], "its client still believes that an answer may come"
    story.notice("alice")
    assert still_open(story) == [False]


def test_what_nobody_keeps_waits_for_no_answer() -> None:
    story = Story("alice", "bob")
    story.emit("alice")
    assert still_open(story) == [True]
    story.settle()
    assert still_open(story) == [False, False]


def test_of_what_is_open_the_newest_is_named() -> None:
    story = Story("alice", relay=False)
    story.emit("alice", 3)
    now = chapter(story)
    assert now.some_open() is now.copies[-1]
    story.carry("alice", "upstream")
    assert chapter(story).some_open() is None


def test_what_was_lost_in_one_chapter_while_its_copy_was_under_way_comes_from_the_left_edge_of_the_next() -> None:
    story = Replays("alice", "bob", relay=False)
    story.publish()
    story.settle()
    story.publish()
    story.new_database()
    for _ in range(2):
        story.publish()
        story.carry("alice", "downstream")
    story.cut("bob")
    story.both_notice("bob")
    story.come_back("bob")
    story.settle()
    whole = layout(story.events)
    assert "#2  lost: a new database took its place" in text(whole)
    for long in (1, 3):
        parts = picture(story.events, long=long, too_long=long).layout()
        assert drawn(parts) == drawn(whole)
        (lost,) = (arrow for arrow in parts.arrows if arrow.style == "lost")
        assert lost.start < lost.end
    thrown_away = next(event for event in story.events if event.event == "new database")
    assert drawn(in_two(story.events, thrown_away)) == drawn(whole), "in the next one, while its copy comes from before"
