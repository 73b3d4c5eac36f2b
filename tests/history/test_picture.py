"""A picture that goes on: chapter by chapter it shows what a picture of the whole history shows, and looks only at what is new."""

import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_lab.history.journal import Event
from realtime_lab.history.picture import LONG, NAMED, Picture
from realtime_lab.history.plan import Layout
from realtime_lab.history.space_time import layout
from realtime_lab.history.steps import Steps
from realtime_lab.history.svg import svg
from realtime_lab.history.twin import text
from tests.examples import every_fourth, examples
from tests.history.shuffling import calm, shuffled
from tests.history.stories import Story
from tests.history.stories_of_replay import Replays
from tests.history.stories_of_retries import Retries, retimed
from tests.history.test_judge import RUNS, long_chat, long_log, long_patience, scripts

EVERYTHING = 10**6
NEVER = 10**6
ARRIVED = ("arrived", "repeat", "twice", "replayed", "again", "skip")
HINDSIGHT = {"no offset yet"}
"""Of what was lost when its chapter ended is known later that it was lost otherwise."""


def picture(events: Iterable[Event], last: int = EVERYTHING, **chapters: int) -> Picture:
    made = Picture(last, **chapters)
    for event in events:
        made.feed(event)
    return made


def drawn(plan: Layout) -> Counter[tuple[str, ...]]:
    """What is drawn, wherever it stands. With whom a message is named depends on what else there is."""
    found: Counter[tuple[str, ...]] = Counter()
    for arrow in plan.arrows:
        label = " ".join(re.findall(r"#\d+|try \d+", arrow.label))
        found[arrow.sender, arrow.receiver, arrow.style, label] += 1
    for mark in plan.marks:
        if mark.style not in ("done", "failed", "trim", "new database"):  # they are one mark for many, or stand where there is no log yet
            for label in re.findall(r"#\d+", mark.labels) or [""]:
                found[mark.lane, mark.style, mark.word, label] += 1
    return found


@pytest.mark.parametrize("name", RUNS)
def test_a_short_history_is_one_chapter_and_looks_as_it_always_does(name: str) -> None:
    events = RUNS[name]().events[:LONG]
    going_on = Picture(18)
    for event in events:
        going_on.feed(event)
        if event.seq % 40 == 7 or event is events[-1]:
            assert svg(going_on.layout()) == svg(layout(events[: event.seq + 1], last=18))


@pytest.mark.parametrize("name", sorted(RUNS.keys() - HINDSIGHT))
def test_chapters_show_what_a_picture_of_the_whole_shows(name: str) -> None:
    events = RUNS[name]().events
    assert drawn(picture(events, long=1, too_long=NEVER).layout()) == drawn(layout(events))


@settings(max_examples=examples(20), deadline=None)
@given(scripts, st.randoms(use_true_random=False))
def test_so_they_do_for_any_script(script: list[tuple[str, str]], choose: random.Random) -> None:
    events = shuffled(calm(script, choose).events, choose)
    assert drawn(picture(events, long=1, too_long=NEVER).layout()) == drawn(layout(events))


@pytest.mark.parametrize("name", every_fourth(RUNS))
@settings(max_examples=examples(2), deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 12))
def test_where_it_never_comes_to_rest_a_picture_can_be_drawn_and_said_at_any_time(name: str, choose: random.Random, too_long: int) -> None:
    """And what arrives is drawn once, with the chapter in which it comes."""
    events = retimed(RUNS[name]().events, choose)
    going_on = Picture(18, long=1, too_long=too_long)
    for event in events:
        going_on.feed(event)
        if choose.random() < 0.05:
            now = going_on.layout()
            assert svg(now)
            assert text(now)
    came = Counter(
        mark for mark in drawn(layout(events)).elements() if mark[2] in ("arrived", "repeat", "twice", "replayed", "again", "skip")
    )
    shown = drawn(picture(events, long=1, too_long=too_long).layout())
    assert came == Counter({mark: shown[mark] for mark in came})


@pytest.mark.parametrize("name", RUNS)
def test_when_it_was_looked_at_makes_no_difference(name: str) -> None:
    events = retimed(RUNS[name]().events, random.Random(name))
    watched = Picture(18, long=5, too_long=20)
    for event in events:
        watched.feed(event)
        if event.seq % 9 == 0:
            watched.layout()
    now = watched.layout()
    assert svg(now) == svg(picture(events, 18, long=5, too_long=20).layout())


@pytest.mark.parametrize("carried", [0, 1])
def test_a_chapter_does_not_end_while_something_is_under_way(carried: int) -> None:
    """Else a message would begin at its left edge, and not where it was handed in. `carried`: of the two that were sent first."""
    story = Story("alice", relay=False)
    story.emit("alice", 2)
    story.carry("alice", "upstream", carried)
    story.emit("alice")
    story.settle()
    whole, chapters = layout(story.events), picture(story.events, long=1, too_long=NEVER).layout()
    starts = [[arrow.start - plan.arrows[0].start for arrow in plan.arrows] for plan in (whole, chapters)]
    assert starts[0] == starts[1] == sorted({*starts[0]})
    at_rest = len(story.events)
    story.emit("alice")
    assert picture(story.events, long=1, too_long=NEVER)._chapter.begin == at_rest


# -- what begins in one chapter and ends in another ---------------------------------------------------------------------------------------


def in_two(events: Sequence[Event], second: Event) -> Layout:
    """The second chapter begins with this event."""
    first = events.index(second)
    going_on = Picture(EVERYTHING, long=NEVER)
    for event in events[:first]:
        going_on.feed(event)
    going_on._end()
    for event in events[first:]:
        going_on.feed(event)
    return going_on.layout()


def while_bob_was_away() -> Replays:
    """Three events were stored, and he has not come back."""
    story = Replays("alice", "bob")
    story.store()
    story.pump()
    story.settle()
    story.break_and_notice("bob")
    for _ in range(3):
        story.store()
    story.settle()
    return story


def test_what_a_client_is_told_behind_the_start_of_a_chapter_was_lost_there() -> None:
    """The log accepts it before, and tells it after."""
    story = while_bob_was_away()
    story.trim(4)
    sid = story.come_back("bob")
    story.pump()
    story.settle()
    told = next(event for event in story.events if event.kind == "session" and event.sid == sid)
    whole, two = layout(story.events), in_two(story.events, told)
    lost = [arrow for arrow in whole.arrows if arrow.receiver == "bob" and arrow.style == "lost"]
    assert lost
    assert drawn(two) == drawn(whole)


@pytest.mark.parametrize("kind", ["recovered", "sent", "received", "handled"])
def test_a_chapter_may_begin_in_the_middle_of_a_replay(kind: str) -> None:
    story = while_bob_was_away()
    story.come_back("bob")
    story.pump()
    story.settle()
    second = [event for event in story.events if event.kind == kind and "bob" in (event.node, story.accepted.get(event.sid, ""))][-1]
    assert drawn(in_two(story.events, second)) == drawn(layout(story.events))


def test_what_is_under_way_when_a_chapter_ends_comes_from_the_left_edge_of_the_next_one() -> None:
    story = Retries("alice", "bob", relay=True)
    story.emit("alice", 2)
    story.carry("alice", "upstream")
    story.emit("alice")
    story.settle()
    sent = [event for event in story.events if event.kind == "sent"][-1]
    two = in_two(story.events, sent)
    assert drawn(two) == drawn(layout(story.events))
    assert {arrow.style for arrow in two.arrows} == {"arrived"}


def test_an_answer_that_is_lost_comes_from_the_left_edge_if_it_was_given_before() -> None:
    story = Retries("alice")
    story.hand_over("alice", story.keep("alice"))
    story.arrive("alice")
    later = story.keep("alice", "waits for its turn")
    story.both_notice("alice")
    two = in_two(story.events, next(event for event in story.events if event.kind == "emitted" and event.message == later))
    assert [arrow.style for arrow in two.arrows] == ["arrived", "lost ack"]
    assert drawn(two) == drawn(layout(story.events))


def test_a_chapter_may_begin_between_a_crash_and_what_it_ends() -> None:
    story = Retries("alice", "bob")
    story.crash()
    second = next(event for event in story.events if event.kind == "disconnected")
    assert drawn(in_two(story.events, second)) == drawn(layout(story.events))


def test_who_is_cut_off_stays_cut_off_and_a_server_that_is_down_stays_down() -> None:
    story = Retries("alice", "bob")
    story.cut("bob")
    story.both_notice("bob")
    story.crash("crash()")
    story.notice("alice")
    emitted = story.keep("alice", "not connected")
    events = story.events
    two, whole = in_two(events, next(event for event in events if event.kind == "emitted" and event.message == emitted)), layout(events)
    bars, lanes = {(bar.lane, bar.style) for bar in two.barriers}, {lane.name: lane.online for lane in two.lanes}
    assert bars == {(bar.lane, bar.style) for bar in whole.barriers} == {("bob", "cut")}
    assert len(two.barriers) == 1
    assert two.barriers[0].end == two.steps
    assert max(end for _, end in lanes["server"]) < two.steps
    assert [end < two.steps for _, end in lanes["bob"]] == [True]
    story.restart()
    story.restore("bob")
    story.connect("bob")
    after = in_two(story.events, next(event for event in story.events if event.kind == "emitted" and event.message == emitted))
    lanes = {lane.name: lane.online for lane in after.lanes}
    assert len(lanes["server"]) == 2
    assert [end == after.steps for _, end in lanes["bob"]] == [False, True]
    assert [bar.end < after.steps for bar in after.barriers] == [True]
    assert "connected again" in text(after)


# -- what is looked at: counted, so that no clock is needed ---------------------------------------------------------------------------


@pytest.mark.parametrize("story", [long_chat, long_log, long_patience])
def test_what_is_drawn_anew_does_not_grow_with_the_history(story, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    real = Steps.feed

    def feed(steps: Steps, event: Event) -> None:
        looked[-1] += 1
        real(steps, event)

    monkeypatch.setattr(Steps, "feed", feed)
    going_on = Picture(18, long=60, too_long=240)
    for event in story(40).events:
        looked.append(0)
        going_on.feed(event)
        if event.seq % 7 == 0:
            going_on.layout()
    assert max(looked) < 2 * 240
    assert len(looked) > 4 * 240
    now = going_on.layout()
    assert len(now.arrows) + len(now.marks) < 200


def test_a_picture_may_begin_with_what_has_happened_and_heartbeats_show_nowhere() -> None:
    story = RUNS["missed"]()
    before = svg(Picture(18, story.events).layout())
    assert before == svg(picture(story.events, 18).layout())
    going_on = Picture(18, story.events)
    going_on.feed(story.journal.record("bob", "wire", sid="sid2", direction="upstream", type="engine", text="3"))
    assert svg(going_on.layout()) == before


def test_its_summary_names_no_more_than_twenty_five_messages_of_a_kind() -> None:
    story = Story("alice")
    story.stall("alice")
    story.emit("alice", times=NAMED)
    assert picture(story.events).layout().summary.endswith("#24 #25")
    story.emit("alice")
    assert picture(story.events).layout().summary.endswith("#24 #25 … (26)")


def test_the_steps_that_are_left_out_are_counted_through_all_chapters() -> None:
    story = Story("alice")
    for _ in range(30):
        story.emit("alice")
        story.settle()
    shown, whole = (picture(story.events, last, long=5).layout() for last in (6, EVERYTHING))
    assert (shown.steps, shown.left_out) == (6, whole.steps - 6)


def test_who_tries_to_connect_does_so_at_the_end_of_the_last_chapter_only() -> None:
    shown = []
    for tries in (False, True):
        story = Story("alice")
        story.join("bob")
        if tries:
            story.journal.record("bob", "connecting")
        for _ in range(5):
            story.emit("alice")
            story.settle()
        shown.append(picture(story.events, long=5).layout())
    idle, trying = shown
    assert [(mark.lane, mark.step) for mark in trying.marks if mark.style == "connecting"] == [("bob", idle.steps)]
    assert trying.steps == idle.steps + 1
    assert trying.arrows == idle.arrows


def test_heartbeats_do_not_end_a_chapter() -> None:
    shown = []
    for beats in (0, 20):
        story = Story("alice")
        for _ in range(4):
            story.emit("alice")
            story.settle()
            for _ in range(beats):
                story.journal.record("alice", "wire", sid=story.believes["alice"], direction="upstream", type="engine")
        shown.append(picture(story.events, long=30).layout())
    assert shown[0] == shown[1]


def test_what_is_under_way_stays_in_the_picture_also_when_all_that_happens_is_that_events_are_stored() -> None:
    story = Replays("alice", relay=False)
    story.stall("alice")
    story.emit("alice")
    for _ in range(40):
        story.store()
    (held,) = (arrow for arrow in picture(story.events, 12, too_long=10, long=10).layout().arrows if arrow.sender == "alice")
    assert held.style == "held"


def test_what_a_handler_passes_on_when_it_has_returned_is_shown_with_its_cause() -> None:
    story = Story("alice", "bob", relay=False)
    story.emit("alice")
    story.settle()
    story.publish(cause=0, skip="sid1")
    story.settle()
    assert picture(story.events, long=1).layout() == layout(story.events)


def test_a_server_that_went_down_long_ago_is_down_to_the_end() -> None:
    story = Retries("alice")
    story.crash("crash()")
    story.notice("alice")
    for _ in range(6):
        story.fault("alice", "latency")
    shown = picture(story.events, 2, long=1).layout()
    ((start, end),) = next(lane.online for lane in shown.lanes if lane.name == "server")
    assert end <= max(start, 0), "nothing of its lane is shown as running"


def test_a_server_that_goes_down_before_anything_else_is_down() -> None:
    story = Retries()
    story.crash("crash()")
    assert picture(story.events).layout().lanes == layout(story.events).lanes
    assert layout(story.events).lanes[0].online == ((0, 0),)
