"""Histories of a log, drawn and said: where things stand, what shows and what is chance."""

import random
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_lab.history.journal import Event
from realtime_lab.history.looks import ARROWS, BLUE, MARKS, SKY
from realtime_lab.history.space_time import Arrow, Layout, Mark, layout
from realtime_lab.history.svg import svg
from realtime_lab.history.twin import text
from realtime_lab.history.verdict import verdict
from tests.examples import examples
from tests.history.shuffling import NAMES, calm, shuffled
from tests.history.stories import CHAT, STORIES
from tests.history.stories_of_replay import (
    ON_LINK,
    REPLAYS,
    Replays,
    crashed_after_commit,
    cut_at_three,
    cut_in_replay,
    halted,
    missed,
    naive_overtaking,
    naive_replay,
    new_database,
    no_offset_yet,
    repeated,
    trimmed_while_sending,
    truncated,
    two_come_back,
    without_replay,
)
from tests.history.stories_of_retries import Retries
from tests.history.test_replay_in_history import play, steps
from tests.history.test_space_time import SVG, assert_words_are_legible

every_story = pytest.mark.parametrize("name", REPLAYS)


def arrows(story: Replays, receiver: str = "bob", *, style: str = "") -> list[Arrow]:
    return [arrow for arrow in layout(story.events).arrows if arrow.receiver == receiver and style in ("", arrow.style)]


def marks(story: Replays, lane: str, style: str = "") -> list[Mark]:
    return [mark for mark in layout(story.events).marks if mark.lane == lane and style in ("", mark.style)]


def said(story: Replays) -> list[str]:
    return text(layout(story.events)).splitlines()[1:]


# -- in words ---------------------------------------------------------------------------------------------------------------------------


def test_what_was_missed_and_replayed_in_words() -> None:
    assert said(missed(more=2)) == [
        "-- alice, bob: connected --",
        " alice -> server  #1 #2 #3 #4 #5 #6  arrived",
        "server -> log     #1 #2 #3 #4 #5 #6  stored as 1 2 3 4 5 6",
        "   log -> alice   #1 #2 #3 #4 #5 #6  arrived",
        "   log -> bob     #1 #2  arrived",
        "-- bob: the link was cut --",
        "-- bob: disconnected --",
        "-- bob: the link was restored --",
        "-- bob: connected again --",
        "-- bob: recovered --",
        "   log -> bob     #3 #4  replayed",
        "   log -> bob     #5 #6  arrived",
    ]


def test_an_exact_cut_in_words() -> None:
    assert said(cut_at_three())[4:] == [
        "-- bob: the link was cut --",
        "   log -> bob     #3  lost: the link was cut",
        "-- bob: disconnected --",
        "-- bob: the link was restored --",
        "-- bob: connected again --",
        "-- bob: recovered --",
        "   log -> bob     #3 #4  replayed",
    ]


def test_a_truncated_history_in_words() -> None:
    assert said(truncated())[4:] == [
        "-- bob: the link was cut --",
        "-- bob: disconnected --",
        "-- log: the history was trimmed --",
        "   log -> bob     #2 #3  lost: its history was truncated",
        "-- bob: the link was restored --",
        "-- bob: connected again --",
        "-- bob: recovered: false, truncated --",
        "   log -> bob     #4 #5  replayed",
    ]


def test_a_new_database_in_words() -> None:
    assert said(new_database())[6:] == [
        "-- server: the server crashed --",
        "-- alice: disconnected --",
        "-- log: a new database took the place of the old one --",
        "   log -> bob     #2 #3  lost: a new database took its place",
        "-- server: the server was started again --",
        "-- alice: connected again --",
        "-- alice: recovered: false, epoch-changed --",
        "server -> log     #4  stored as 1",
        "   log -> alice   #4  arrived",
        "-- bob: the link was restored --",
        "-- bob: connected again --",
        "-- bob: recovered: false, epoch-changed --",
        "   log -> bob     #4  replayed",
    ]


def test_a_client_that_was_never_told_where_it_stands_in_words() -> None:
    assert [line for line in said(no_offset_yet()) if "bob" in line][-4:] == [
        "-- bob: connected again --",
        "-- bob: recovered: false, new --",
        "   log -> bob     #1 #2  lost: it had no offset yet",
        "   log -> bob     #3  arrived",
    ]


def test_a_repeat_in_words() -> None:
    assert said(repeated())[-2:] == [
        "   log -> bob     #2  arrived, not handled: it had been handled before",
        "   log -> bob     #3  replayed",
    ]


def test_a_handler_that_raises_every_time_in_words() -> None:
    assert [line for line in said(halted()) if line.startswith("-- bob:")] == [
        "-- bob: the handler of #2 failed 4 times --",
        "-- bob: halted at #2: ValueError: no --",
        "-- bob: tries #2 again --",
        "-- bob: the handler of #2 failed 4 times --",
        "-- bob: halted at #2: ValueError: no --",
        "-- bob: goes on without #2: client.skip() --",
    ]


def test_what_the_log_stored_before_and_after_something_happened_to_it_is_not_one_line() -> None:
    lines = [line for line in said(new_database()) if "stored as" in line]
    assert lines == ["server -> log     #1 #2 #3  stored as 1 2 3", "server -> log     #4  stored as 1"]
    lines = [line for line in said(crashed_after_commit()) if "stored as" in line]
    assert lines == ["server -> log     #1 #2  stored as 1 2"]


# -- the lane of the log ------------------------------------------------------------------------------------------------------------------


def test_the_log_is_right_below_the_server_and_the_other_clients_below_it() -> None:
    rows = layout(two_come_back().events).rows
    assert sorted(rows, key=rows.__getitem__) == ["alice", "server", "log", "bob", "carol"]
    assert 0 < rows["log"] - rows["server"] < rows["bob"] - rows["log"] == 1


@pytest.mark.parametrize("story", [naive_replay, naive_overtaking, STORIES["four"]])
def test_without_a_log_there_is_no_lane_for_it(story: Callable[[], Replays]) -> None:
    assert "log" not in layout(story().events).rows


def test_an_event_is_stored_in_the_step_in_which_it_came_and_leaves_in_that_step_for_everybody() -> None:
    story = two_come_back()
    came = {arrow.end for arrow in layout(story.events).arrows if arrow.receiver == "server"}
    boxes = {mark.labels: mark for mark in marks(story, "log", "stored")}
    assert [mark.word for mark in boxes.values()] == ["1", "2", "3", "4", "5"]
    assert {mark.step for mark in boxes.values()} == came
    for arrow in layout(story.events).arrows:
        if arrow.sender == "log" and arrow.style == "arrived":
            assert arrow.start == boxes[arrow.label].step


def test_what_is_stored_for_somebody_behind_a_broken_link_is_stored_where_it_came() -> None:
    story = Replays("alice", "bob")
    story.emit("bob", 3)
    story.stall("bob")
    story.emit("alice")
    story.carry("alice", "upstream")
    (bar,), (stored,), (came,) = layout(story.events).barriers, marks(story, "log", "stored"), arrows(story, "server", style="arrived")
    assert bar.start < stored.step == came.end


def test_what_is_stored_for_somebody_who_connected_meanwhile_is_stored_behind_that() -> None:
    story = Replays("alice", "bob", relay=False)
    story.emit("alice")
    story.carry("alice", "upstream", handled=False)
    for _ in range(4):
        story.both_notice("bob")
        story.connect("bob")
    story.publish(cause=0)
    (stored,), (came,) = marks(story, "log", "stored"), arrows(story, "server")
    assert came.end < stored.step


def test_what_an_application_publishes_stands_in_a_step_of_its_own() -> None:
    story = Replays("alice", relay=False)
    for _ in range(3):
        story.publish()
    story.settle()
    assert [mark.step for mark in marks(story, "log")] == [1, 2, 3]
    assert [(arrow.start, arrow.end) for arrow in arrows(story, "alice")] == [(1, 2), (2, 3), (3, 4)]


def test_what_was_stored_before_the_history_is_replayed_from_nowhere() -> None:
    story = Replays("bob")
    story.journal.record("server", "sent", sid="sid1", event=CHAT, offset=7)
    story.journal.record("bob", "received", message=0, sid="sid1", index=1, event=CHAT, offset=7)
    (arrow,) = arrows(story)
    assert (arrow.sender, arrow.style, arrow.label) == ("log", "replayed", "offset 7")
    assert arrow.sentence == f"{CHAT} offset 7 from the log to bob: replayed"
    assert marks(story, "log") == []


def test_a_cursor_that_was_faster_than_the_record_changes_nothing() -> None:
    pictures = []
    for early in (True, False):
        story = Replays("alice", "bob", relay=False)
        story.emit("alice")
        story.carry("alice", "upstream")
        said_by = [("stored", {"message": 1, "cause": 0}), ("sent", {"sid": "sid2"})]
        for kind, details in reversed(said_by) if early else said_by:
            story.journal.record("server", kind, event=CHAT, offset=1, **details)  # type: ignore[arg-type]
        story.journal.record("bob", "received", message=0, sid="sid2", index=1, event=CHAT, offset=1)
        pictures.append(svg(layout(story.events)))
    assert pictures[0] == pictures[1]


# -- replayed ---------------------------------------------------------------------------------------------------------------------------


def test_what_is_replayed_begins_on_the_log_behind_the_connection_and_keeps_its_order() -> None:
    story = missed()
    _, again = marks(story, "bob", "connected")
    third, fourth = arrows(story, style="replayed")
    assert (third.sender, third.label, fourth.label) == ("log", "#3", "#4")
    assert again.step < third.start < fourth.start
    assert third.end < fourth.end
    assert [arrow.end - arrow.start for arrow in (third, fourth)] == [1, 1]


def test_live_is_replay_that_has_caught_up_so_what_is_stored_later_leaves_behind_the_replay() -> None:
    story = missed(more=1)
    *_, replayed = arrows(story, style="replayed")
    fifth = arrows(story)[-1]
    assert (fifth.style, fifth.label) == ("arrived", "#5")
    assert replayed.start < fifth.start
    assert fifth.start == marks(story, "log")[-1].step == arrows(story, "alice")[-1].start


def test_what_is_stored_while_a_replay_goes_on_does_not_depend_on_how_far_it_was() -> None:
    pictures = []
    for sent in range(4):
        story = missed()
        story.break_and_notice("bob")
        story.emit("alice", 2)
        story.settle()
        story.restore("bob")
        sid = story.connect("bob", replay=False)
        for row in story.rows[4 : 4 + sent]:
            story.send_stored(sid, row)
        story.emit("alice", 1)
        story.settle()
        story.pump()
        story.settle()
        pictures.append(svg(layout(story.events)))
    assert len(set(pictures)) == 1


def test_what_leaves_late_does_not_leave_behind_what_is_stored_later_however_late_it_comes() -> None:
    """A slow handler stores #1 after bob is back, when his replay has left; he is busy, and #2 is stored."""
    story = Replays("alice", "bob", relay=False)
    story.settle()
    story.break_and_notice("bob")
    for _ in range(2):
        story.publish("news")
    story.emit("alice")
    story.carry("alice", "upstream", handled=False)
    story.come_back("bob")
    story.store(cause=0, source=("alice", CHAT, 1, 0))
    story.pump()
    story.emit("bob", 6)
    story.publish()
    story.settle()
    drawn = layout(story.events)
    check(drawn)
    assert [arrow.style for arrow in drawn.arrows if arrow.receiver == "bob"] == ["replayed", "replayed", "arrived", "arrived"]


def test_the_other_styles_are_as_ever() -> None:
    assert [(arrow.label, arrow.style) for arrow in arrows(repeated())] == [
        ("#1", "arrived"),
        ("#2", "arrived"),
        ("#2", "repeat"),
        ("#3", "replayed"),
    ]
    story = Replays("bob")
    story.stall("bob")
    story.publish()
    assert [(arrow.label, arrow.style, arrow.sender) for arrow in arrows(story)] == [("#1", "held", "log")]
    story = Replays("bob")
    story.publish()
    assert [(arrow.label, arrow.style, arrow.sender) for arrow in arrows(story)] == [("#1", "in flight", "log")]


def test_a_second_copy_that_a_handler_was_given_is_seen_to_be_one_too_many() -> None:
    story = Replays("bob", bare=["bob"], relay=False, log=False)
    story.emit_with_id(1)
    story.emit_with_id(1, to="sid1")
    story.settle()
    assert [(arrow.sender, arrow.style) for arrow in arrows(story)] == [("server", "arrived"), ("server", "twice")]
    first, second = arrows(story)
    assert first.start < second.start


def test_so_it_is_where_a_server_counts_from_zero() -> None:
    story = Replays("bob", log=False)
    for sid in ("", "sid1"):
        story.emit_with_id(0, to=sid)
        story.settle()
    assert [arrow.style for arrow in arrows(story)] == ["arrived", "twice"]


def test_a_replay_of_the_learner_s_own_leaves_the_server_behind_the_connection() -> None:
    _, again = marks(naive_replay(), "bob", "connected")
    replayed = arrows(naive_replay(), style="replayed")
    assert [(arrow.sender, arrow.label) for arrow in replayed] == [("server", "#3"), ("server", "#4")]
    assert all(again.step <= arrow.start for arrow in replayed)
    assert [arrow.label for arrow in arrows(naive_replay(), style="lost")] == ["#3", "#4"]


def test_a_replay_does_not_leave_where_its_message_came_for_the_first_time() -> None:
    story = Replays("alice", "bob", bare=["alice", "bob"], relay=False, log=False)
    story.emit("alice", 2)
    story.carry("alice", "upstream")
    story.emit_with_id(1, cause=0)
    story.emit_with_id(1, to="sid2", cause=1)
    story.settle()
    came = [arrow.end for arrow in layout(story.events).arrows if arrow.receiver == "server"]
    first, second = arrows(story)
    assert first.start == came[0]
    assert second.start > came[1]


# -- lost -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("handed", [2, 3, 4])
def test_of_what_was_handed_to_a_connection_only_the_packet_at_which_it_was_cut_shows(handed: int) -> None:
    assert [(arrow.label, arrow.style) for arrow in arrows(cut_at_three(handed=max(handed, 3)))] == [
        ("#1", "arrived"),
        ("#2", "arrived"),
        ("#3", "lost"),
        ("#3", "replayed"),
        ("#4", "replayed"),
    ]
    assert svg(layout(cut_at_three(handed=3).events)) == svg(layout(cut_at_three(handed=4).events))
    story = cut_in_replay(handed=handed)
    assert [(arrow.label, arrow.style) for arrow in arrows(story)][1:4] == [("#2", "replayed"), ("#3", "lost"), ("#3", "replayed")]
    assert svg(layout(story.events)) == svg(layout(cut_in_replay().events))


@pytest.mark.parametrize("point", ['before=3, direction="downstream"', 'before="chat message #2", direction="downstream"'])
def test_the_packet_may_be_named_by_its_place_or_its_direction_too(point: str) -> None:
    story = Replays("bob", relay=False)
    story.settle()
    for _ in range(2):
        story.publish()
    story.carry("bob", "downstream", 1)
    story.fault("bob", "cut", f"cut({point})")
    story.journal.record("bob", "dropped", sid="sid1", index=0, packet=3, direction="upstream", type="EVENT", event=CHAT)
    for index, packet in ((2, 3), (3, 4)):
        details = {"sid": "sid1", "index": index, "packet": packet, "direction": "downstream", "type": "EVENT"}
        story.journal.record("bob", "dropped", event=CHAT, reason="the link was cut", **details)
    story.both_notice("bob")
    assert [(arrow.label, arrow.style) for arrow in arrows(story)] == [("#1", "arrived"), ("#2", "lost")]


def test_a_cut_at_a_packet_of_the_other_direction_shows_nothing_of_what_was_on_its_way_down() -> None:
    for direction in ("", ', direction="upstream"'):
        story = Replays("bob", relay=False)
        story.settle()
        story.emit("bob", 2)
        story.carry("bob", "upstream", 1)
        story.store("news")
        story.pump()
        story.cut("bob", f'cut(before="{CHAT} #2"{direction})')
        story.both_notice("bob")
        assert [(packet.sid, packet.index) for packet in story.events if packet.kind == "dropped"] == [("sid1", 1), ("sid1", 1)]
        assert arrows(story) == []


@pytest.mark.parametrize("noticed", [True, False])
def test_a_bare_client_has_lost_what_was_stored_while_it_was_away_where_it_was_stored(noticed: bool) -> None:
    story = Replays("alice", "bob", bare=["bob"], relay=False)
    story.publish()
    story.settle()
    story.cut("bob")
    if noticed:
        story.both_notice("bob")
    story.publish()
    story.settle()
    if not noticed:
        story.both_notice("bob")
    _, lost = arrows(story)
    assert (lost.style, lost.sender, lost.reason, lost.reach) == ("lost", "log", "the link was cut", 0.5)
    assert lost.start == marks(story, "log")[1].step
    assert [arrow.label for arrow in arrows(without_replay(), style="lost")] == ["#2", "#3"]


def test_what_the_log_forgot_is_lost_where_it_did() -> None:
    (trim,), lost = marks(truncated(), "log", "trim"), arrows(truncated(), style="lost")
    assert [(arrow.label, arrow.sender) for arrow in lost] == [("#2", "log"), ("#3", "log")]
    assert trim.step < lost[0].start < lost[1].start
    (thrown,), lost = marks(new_database(), "log", "new database"), arrows(new_database(), style="lost")
    assert thrown.step < lost[0].start < lost[1].start
    assert all(arrow.reach < 0.5 for arrow in lost), "it never left"


def test_what_a_client_is_told_that_it_will_not_get_is_lost_there() -> None:
    (told,), lost = marks(no_offset_yet(), "bob", "not recovered"), arrows(no_offset_yet(), style="lost")
    assert told.word == "new"
    assert told.step <= lost[0].start < lost[1].start
    retention = truncated()
    events = [each for each in retention.events if each.event != "trim"]
    lost = [arrow for arrow in layout(events).arrows if arrow.style == "lost"]
    (told,) = (mark for mark in layout(events).marks if mark.style == "not recovered")
    assert [arrow.label for arrow in lost] == ["#2", "#3"]
    assert told.step <= lost[0].start


def test_a_client_that_is_overtaken_while_it_is_connected_is_told_so() -> None:
    story = trimmed_while_sending()
    assert [(mark.style, mark.word) for mark in marks(story, "bob")][1:] == [("not recovered", "truncated")]
    assert [(arrow.label, arrow.style) for arrow in arrows(story)] == [("#1", "arrived"), ("#2", "lost"), ("#3", "lost"), ("#4", "arrived")]
    (trim,), told, (_, *lost, last) = marks(story, "log", "trim"), marks(story, "bob")[1], arrows(story)
    assert trim.step < lost[0].start < lost[1].start < told.step < last.end


# -- marks ------------------------------------------------------------------------------------------------------------------------------


def test_that_a_first_connection_is_new_goes_without_saying() -> None:
    assert [mark.style for mark in marks(missed(), "alice")] == ["connected"]
    assert [mark.word for mark in marks(missed(), "bob") if not mark.on_link] == ["connected", "disconnected", "connected", "recovered"]


def test_a_recovery_stands_right_behind_the_connection_whatever_the_client_sends_meanwhile() -> None:
    """Whether it has sent something before it heard is chance."""
    pictures = []
    for early in (True, False):
        story = Replays("bob", relay=False)
        story.settle()
        story.break_and_notice("bob")
        story.come_back("bob")
        if early:
            story.emit("bob")
        story.carry("bob", "downstream")
        if not early:
            story.emit("bob")
        story.settle()
        pictures.append(svg(layout(story.events)))
        *_, connected, recovered = marks(story, "bob")
        assert (recovered.style, recovered.step) == ("recovered", connected.step + 1)
    assert pictures[0] == pictures[1]


def test_a_handler_that_is_tried_again_has_one_mark_until_its_client_tries_it_again() -> None:
    found = [mark for mark in marks(halted(), "bob") if mark.style != "connected"]
    assert [mark.word for mark in found] == ["failed 4x", "halted", "resumed", "failed 4x", "halted", "skipped"]
    assert [mark.step for mark in found] == sorted({mark.step for mark in found})
    _, second, third = arrows(halted())
    assert found[0].step == second.end
    assert third.end > found[-1].step, "what waits behind it comes when the client goes on"


def test_what_somebody_does_to_the_log_stands_between_what_was_stored_before_and_after() -> None:
    story = Replays("alice", "bob", relay=False)
    for _ in range(3):
        story.publish()
        story.settle()
    story.trim(2)
    story.cut("bob")
    story.both_notice("bob")
    story.publish()
    story.restore("bob")
    story.settle()
    (trim,), boxes = marks(story, "log", "trim"), marks(story, "log", "stored")
    (cut,), (restored,) = marks(story, "bob", "cut"), marks(story, "bob", "restore")
    assert boxes[2].step < trim.step < cut.step < boxes[3].step < restored.step
    assert (trim.word, trim.reason) == ("trimmed", "await lab.trim(2)")


def test_an_event_is_stored_behind_what_somebody_did_to_any_link_before() -> None:
    story = Replays("alice", "bob")
    for _ in range(3):
        story.stall("bob")
        story.resume("bob")
    story.emit("alice")
    story.settle()
    (*_, resumed), (box,), (came,) = marks(story, "bob", "resume"), marks(story, "log"), arrows(story, "server")
    assert resumed.step < box.step == came.end


def test_what_a_slow_handler_stores_after_a_fault_is_stored_behind_it() -> None:
    story = Replays("alice", "bob", relay=False)
    story.emit("alice")
    story.carry("alice", "upstream", handled=False)
    story.emit("bob", 3)
    story.stall("bob")
    story.store(cause=0, source=("alice", CHAT, 1, 0))
    story.crash('crash(at="after_commit")')
    (stall,), (box,), (crash,) = marks(story, "bob", "stall"), marks(story, "log"), marks(story, "server", "crash")
    assert arrows(story, "server")[0].end < stall.step < box.step < crash.step


def test_a_crash_after_the_commit_stands_behind_what_was_stored() -> None:
    story = crashed_after_commit()
    (crash,), boxes = marks(story, "server", "crash"), marks(story, "log")
    assert [box.word for box in boxes] == ["1", "2"]
    assert boxes[1].step < crash.step
    assert [(arrow.label, arrow.style) for arrow in arrows(story)] == [("#1", "arrived"), ("#2", "replayed")]


def test_whether_what_was_sent_before_a_trim_came_before_it_does_not_show() -> None:
    pictures = []
    for early in (True, False):
        story = Replays("alice", "bob", relay=False)
        story.settle()
        for _ in range(3):
            story.publish()
        if early:
            story.settle()
        story.trim(2)
        story.settle()
        pictures.append(svg(layout(story.events)))
    assert pictures[0] == pictures[1]


def test_who_comes_back_first_after_a_crash_does_not_show() -> None:
    """What alice sends again is known already, so nobody can tell whether it came before bob was back."""
    for bob_at in (1, 0):
        first, last = (layout(crashed_after_commit(bob_first=bob_first, bob_at=bob_at).events) for bob_first in (True, False))
        assert svg(first) == svg(last)


def test_who_connects_again_stands_behind_what_was_stored_or_emitted_meanwhile() -> None:
    for publish in (Replays.publish, Retries.publish):
        story = Replays("alice", "bob", relay=False)
        story.publish()
        story.settle()
        story.both_notice("bob")
        for _ in range(6):
            publish(story)
        story.connect("bob")
        story.settle()
        left = max(arrow.start for arrow in arrows(story, "alice"))
        assert marks(story, "bob", "connected")[1].step > left


def test_a_trim_without_a_log_in_the_history_is_a_mark_on_the_server_s_lane() -> None:
    story = Replays("alice", log=False)
    story.trim(1)
    assert [mark.word for mark in marks(story, "server")] == ["trimmed"]


def test_a_cut_before_its_client_has_said_that_it_is_connected_bars_the_link_all_the_same() -> None:
    pictures = []
    for late in (True, False):
        story = Replays(relay=False)
        story.join("bob")
        record = story.journal.record
        record("server", "connected", sid="x")
        record("bob", "wire", sid="x", direction="downstream", packet=1, type="CONNECT")
        cut = {"event": "cut", "reason": f"bob.link.{ON_LINK.format(1)}"}
        what: list[tuple[str, dict[str, str]]] = [("fault", cut), ("connected", {"sid": "x"})]
        for kind, details in what if late else reversed(what):
            record("bob", kind, **details)  # type: ignore[arg-type]
        record("bob", "disconnected", sid="x", reason="transport close")
        drawn = layout(story.events)
        assert [bar.end == drawn.steps for bar in drawn.barriers] == [True]
        pictures.append(svg(drawn))
    assert pictures[0] == pictures[1]


# -- the same run, the same picture -----------------------------------------------------------------------------------------------------


@every_story
@settings(max_examples=examples(8), deadline=None)
@given(st.randoms(use_true_random=False))
def test_another_record_of_the_same_run_gives_the_same_picture_and_words(name: str, choose: random.Random) -> None:
    events = REPLAYS[name]().events
    other = layout(shuffled(events, choose))
    assert text(other) == text(layout(events))
    assert svg(other) == svg(layout(events))


scenarios = st.lists(
    st.tuples(
        st.sampled_from(["emit", "emit", "publish", "away", "back", "back", "trim", "new database", "refresh"]), st.sampled_from(NAMES)
    ),
    max_size=14,
)


@settings(max_examples=examples(30), deadline=None)
@given(scenarios, st.randoms(use_true_random=False), st.randoms(use_true_random=False))
def test_who_waits_for_calm_always_gets_the_same_picture_and_verdict(
    script: list[tuple[str, str]], one: random.Random, other: random.Random
) -> None:
    """Whenever the server noticed a break, however much it had handed to a dead connection, whichever cursor was first."""
    first, second = calm(script, one).events, shuffled(calm(script, other).events, other)
    assert str(verdict(first)) == str(verdict(second))
    assert text(layout(first)) == text(layout(second))
    assert svg(layout(first)) == svg(layout(second))


# -- any run ----------------------------------------------------------------------------------------------------------------------------


def check(drawn: Layout) -> None:
    """What holds for every picture."""
    used = {mark.step for mark in drawn.marks}
    for arrow in drawn.arrows:
        used |= {arrow.start} | ({arrow.end} if arrow.reach == 1 else set())
        assert 0 <= arrow.start <= drawn.steps
        assert arrow.reach < 1 or arrow.end >= arrow.start + 1
    assert used == set(range(drawn.steps)), "no step is empty"
    came = [arrow for arrow in drawn.arrows if arrow.reach == 1]
    assert max(Counter((arrow.receiver, arrow.end) for arrow in came).values(), default=1) == 1
    for name in NAMES:
        mine = [arrow for arrow in came if (arrow.sender, arrow.receiver) == ("log", name)]
        assert [arrow.start for arrow in mine] == sorted({arrow.start for arrow in mine}), "one after the other"
        assert [arrow.end for arrow in mine] == sorted(arrow.end for arrow in mine), "and in order"


@settings(max_examples=examples(30), deadline=None)
@given(st.lists(steps, max_size=50), st.none() | st.integers(1, 18), st.data())
def test_any_run_can_be_drawn_and_said_at_any_time(script: list[tuple[str, str]], last: int | None, data: st.DataObject) -> None:
    events: tuple[Event, ...] = play(script).events
    events = events[: data.draw(st.integers(0, len(events)))]
    check(layout(events))
    drawn = layout(events, last=last)
    assert_words_are_legible(svg(drawn))
    assert text(drawn)


# -- the drawing ------------------------------------------------------------------------------------------------------------------------


@every_story
def test_every_arrow_and_mark_has_its_sentence_as_a_tooltip(name: str) -> None:
    drawn = layout(REPLAYS[name]().events)
    titles = Counter(title.text for title in ET.fromstring(svg(drawn)).iter(f"{SVG}title"))
    sentences = [arrow.sentence for arrow in drawn.arrows]
    for mark in drawn.marks:
        about = f"{mark.labels} " if mark.labels else ""
        sentences.append(f"{mark.lane}: {about}{mark.sentence}" + (f" ({mark.reason})" if mark.reason else ""))
    assert titles == Counter([drawn.summary, *sentences])


@every_story
@pytest.mark.parametrize("last", [None, 3, 7, 18])
def test_words_never_lie_on_words_and_are_never_cut_off(name: str, last: int | None) -> None:
    assert_words_are_legible(svg(layout(REPLAYS[name]().events, last=last)))


@every_story
def test_no_word_of_the_pictures_that_people_look_at_is_left_to_a_tooltip(name: str) -> None:
    drawn = layout(REPLAYS[name]().events)
    (plot,) = ET.fromstring(svg(drawn)).findall(f"{SVG}svg")
    written = Counter(node.text or "" for node in plot.iter(f"{SVG}text"))
    wanted = [mark.word for mark in drawn.marks if mark.step > 0 or mark.style != "connected"]
    assert not Counter([*wanted, *(arrow.label for arrow in drawn.arrows if arrow.style != "ack")]) - written


def test_the_number_of_what_was_replayed_or_repeated_stands_outside_of_its_client_s_lane() -> None:
    drawing = svg(layout(repeated().events))
    (plot,) = ET.fromstring(drawing).findall(f"{SVG}svg")
    heights: dict[str, list[float]] = {}
    for node in plot.iter(f"{SVG}text"):
        heights.setdefault(node.text or "", []).append(float(node.get("y", 0)))
    lane = 46 + 60 * layout(repeated().events).rows["bob"]
    assert all(y < 46 or y > lane + 10 for label in ("#2", "#3") for y in heights[label])


def test_replayed_has_a_colour_a_dash_and_a_word_of_its_own() -> None:
    others = [style for name, style in ARROWS.items() if name != "replayed"]
    assert {style.colour for style in others}.isdisjoint({SKY})
    assert {style.dash for style in others}.isdisjoint({ARROWS["replayed"].dash})
    assert (ARROWS["replayed"].colour, ARROWS["arrived"].colour) == (SKY, BLUE)
    root = ET.fromstring(svg(layout(missed().events)))
    assert [node.text for node in root.findall(f"{SVG}text") if "paint-order" in node.get("style", "")][:2] == ["arrived", "replayed"]


@every_story
def test_every_mark_has_a_shape_of_its_own_kind(name: str) -> None:
    assert {mark.style for mark in layout(REPLAYS[name]().events).marks} - {"stored"} <= MARKS.keys()


@pytest.mark.parametrize("head", [0, 97, 99_997])
def test_the_offset_stands_in_its_box_which_is_as_wide_as_it_needs_to_be(head: int) -> None:
    story = Replays("alice")
    story.settle()
    story.head = head
    story.emit("alice", 3)
    story.settle()
    drawing = svg(layout(story.events))
    for offset in range(head + 1, head + 4):
        assert re.search(rf">{offset}</text>", drawing) or offset > 99_999
    widths = {float(node.get("width", 0)) for node in ET.fromstring(drawing).iter(f"{SVG}rect") if node.get("rx") == "2"}
    assert min(widths) >= 16
    assert_words_are_legible(drawing)


def test_a_log_makes_a_picture_less_than_a_lane_higher() -> None:
    heights = [float(ET.fromstring(svg(layout(story.events))).get("height", 0)) for story in (naive_replay(), missed())]
    assert 30 < heights[1] - heights[0] < 60
