"""The picture: steps of cause and effect, one arrow for each copy, the same for every record of the same run, and the same in words."""

import random
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_lab.history.chapter import Chapter
from realtime_lab.history.journeys import Journeys
from realtime_lab.history.leg import ids
from realtime_lab.history.looks import ARROWS, PALE
from realtime_lab.history.space_time import Arrow, Lane, Layout, Mark, layout, plan_of, summary
from realtime_lab.history.steps import Steps
from realtime_lab.history.svg import FULL, NOTE, Drawing, svg
from realtime_lab.history.twin import text
from realtime_lab.history.verdict import Judge, verdict
from realtime_lab.history.words import Box, Place, Words, box_of, width
from tests.examples import every_fourth, examples
from tests.history.stories import (
    STORIES,
    Story,
    alone,
    bob_misses,
    burst,
    crossing,
    cut_before_six,
    four,
    interleaved,
    slow_handlers,
    stalled,
    two_cooks,
)
from tests.history.stories_of_replay import Replays
from tests.history.stories_of_retries import Retries
from tests.history.test_verdict import play, steps

SVG = "{http://www.w3.org/2000/svg}"
scripts = st.lists(steps, max_size=50)
every_story = pytest.mark.parametrize("name", STORIES)


def picture(name: str) -> Layout:
    return layout(STORIES[name]().events)


def arrows(story: Story, sender: str, receiver: str) -> list[Arrow]:
    return [arrow for arrow in layout(story.events).arrows if (arrow.sender, arrow.receiver) == (sender, receiver)]


# -- in words -------------------------------------------------------------------------------------------------------------------------


def test_a_cut_in_words() -> None:
    assert text(layout(cut_before_six().events)).splitlines() == [
        "10 sent by alice, 5 arrived at server, lost #6 #7 #8 #9 #10; 5 sent by server, 5 arrived at bob",
        "-- alice, bob: connected --",
        " alice -> server  #1 #2 #3 #4 #5  arrived",
        "server -> bob     #1 #2 #3 #4 #5  arrived",
        "-- alice: the link was cut --",
        " alice -> server  #6 #7 #8 #9 #10  lost: the link was cut",
        "-- alice: disconnected --",
        "-- alice: the link was restored --",
        "-- alice: connected again --",
    ]


def test_an_absent_receiver_in_words() -> None:
    assert text(layout(bob_misses().events)).splitlines() == [
        "6 sent by server, 6 arrived at alice; 6 sent by server, 2 arrived at bob, lost #3 #4 #5 #6",
        "-- alice, bob: connected --",
        "server -> alice   #1 #2 #3 #4 #5 #6  arrived",
        "server -> bob     #1 #2  arrived",
        "-- bob: the link was cut --",
        "server -> bob     #3  lost: the link was cut",
        "-- bob: disconnected --",
        "server -> bob     #4 #5 #6  lost: the link was cut",
    ]


def test_refused_emits_and_a_client_that_tries_to_come_back_in_words() -> None:
    assert text(layout(alone().events)).splitlines()[2:] == [
        " alice -> server  #1 #2 #3  arrived",
        "-- alice: the link was closed --",
        "-- alice: disconnected --",
        " alice -> server  #4 #5  refused: not connected",
        "-- alice: trying to connect --",
    ]


def test_another_fate_begins_another_line() -> None:
    story = Story("alice", relay=False)
    story.emit("alice", 3)
    story.carry("alice", "upstream", 2)
    assert text(layout(story.events)).splitlines()[2:] == [" alice -> server  #1 #2  arrived", " alice -> server  #3  in flight"]


def test_messages_before_and_after_a_break_are_not_one_line() -> None:
    story = Story("alice", relay=False)
    story.emit("alice")
    story.settle()
    story.both_notice("alice")
    story.connect("alice")
    story.emit("alice")
    story.settle()
    assert text(layout(story.events)).splitlines()[2:] == [
        " alice -> server  #1  arrived",
        "-- alice: disconnected --",
        "-- alice: connected again --",
        " alice -> server  #2  arrived",
    ]


def test_handlers_that_finish_in_another_order_in_words() -> None:
    assert text(layout(slow_handlers().events)).splitlines()[-1] == "-- server: handlers finished in the order #2 #3 #1 --"


def test_what_is_finished_has_its_author_where_the_number_alone_means_two() -> None:
    drawn = layout(two_cooks().events)
    assert [mark.word for mark in drawn.marks if mark.style == "done"] == ["bob #1 done", "alice #1 done", "#2 done", "#3 done"]
    assert text(drawn).splitlines()[-1] == "-- server: handlers finished in the order bob #1 alice #1 #2 #3 --"
    story = two_cooks()
    story.failed("server", 3)
    assert "-- server: the handler of bob #1 failed --" in text(layout(story.events))


def test_what_is_finished_is_called_as_on_its_arrow_when_it_has_another_event() -> None:
    story = Story("alice", relay=False)
    story.emit("alice", 2)
    story.emit("alice", event="typing")
    story.carry("alice", "upstream", handled=False)
    for number in (2, 0, 1):
        story.handled("server", number)
    assert [mark.word for mark in layout(story.events).marks if mark.style == "done"] == ["typing #1 done", "#1 done", "#2 done"]


def test_a_change_of_order_on_the_way_in_words() -> None:
    """Both are handed to bob's connections; the first connection is slow to give up its message."""
    story = Story("bob", relay=False)
    story.publish("a")
    story.publish("a")
    first, second = (event for event in story.events if event.kind == "emitted")
    assert first.sids == second.sids
    record = story.journal.record
    record("server", "received", sid="sid1", message=0, event="a")
    record("server", "received", sid="sid1", message=1, event="a")
    record("server", "emitted", message=2, event="a", cause=1, sids=("sid1",))
    record("server", "emitted", message=3, event="a", cause=0, sids=("sid1",))
    story.carry("bob", "downstream")
    for number in (2, 3):
        record("bob", "received", sid="sid1", message=number, event="a")
    assert "server -> bob     #1 #2 bob #1 bob #2  arrived in the order #1 #2 bob #2 bob #1" in text(layout(story.events))


@given(scripts)
def test_the_words_name_every_lost_message_with_its_reason(script: list[tuple[str, str]]) -> None:
    drawn = layout(play(script, relay=True).events)
    said = text(drawn).splitlines()
    for arrow in drawn.arrows:
        if arrow.style == "lost":
            assert arrow.reason
            line = rf" *{arrow.sender} -> {arrow.receiver} +(.* )?{re.escape(arrow.label)}( .*)?  lost: {re.escape(arrow.reason)}"
            assert any(re.fullmatch(line, each) for each in said)


# -- steps ----------------------------------------------------------------------------------------------------------------------------


def test_a_burst_leaves_step_by_step_and_each_relay_bounces_where_it_arrived() -> None:
    first, second = arrows(burst(5), "alice", "server"), arrows(burst(5), "server", "bob")
    assert [(arrow.start, arrow.end) for arrow in first] == [(step, step + 1) for step in range(1, 6)]
    assert [(arrow.start, arrow.end) for arrow in second] == [(step + 1, step + 2) for step in range(1, 6)]


def test_a_cut_stands_between_the_last_that_passed_and_the_first_that_did_not() -> None:
    drawn = layout(cut_before_six().events)
    (cut,) = (mark for mark in drawn.marks if mark.style == "cut")
    middle = {arrow.label: (arrow.start + arrow.end) / 2 for arrow in drawn.arrows if arrow.style == "arrived" and arrow.sender == "alice"}
    crosses = {arrow.label: arrow.end for arrow in drawn.arrows if arrow.style == "lost"}
    assert middle["#5"] < cut.step < crosses["#6"]
    assert cut.on_link
    assert cut.reason == 'alice.link.cut(before="chat message #6")'


def test_nothing_passes_a_cut_link_until_it_is_restored() -> None:
    drawn = layout(cut_before_six().events)
    marks = {mark.style: mark.step for mark in drawn.marks}
    assert [(bar.lane, bar.style, bar.start, bar.end) for bar in drawn.barriers] == [("alice", "cut", marks["cut"], marks["restore"])]
    assert marks["cut"] < marks["disconnected"] < marks["restore"] < marks["connected"]


def test_a_link_that_nobody_repaired_is_barred_until_its_client_is_connected_again() -> None:
    story = Story("alice")
    story.cut("alice")
    story.both_notice("alice")
    story.connect("alice")
    (barrier,) = layout(story.events).barriers
    assert barrier.end == max(mark.step for mark in layout(story.events).marks if mark.style == "connected")


def test_an_unrepaired_link_is_barred_to_the_end_of_the_picture() -> None:
    (barrier,) = layout(bob_misses().events).barriers
    assert barrier.end == layout(bob_misses().events).steps


def test_an_armed_cut_does_not_show_before_it_happens() -> None:
    story = Story("alice")
    before = svg(layout(story.events))
    story.fault("alice", "armed", "cut(before='a #1')")
    story.fault("alice", "disarm")
    assert svg(layout(story.events)) == before


def test_what_a_stall_held_arrives_after_the_link_has_resumed() -> None:
    story = Story("alice", relay=False)
    story.stall("alice")
    story.emit("alice", 2)
    assert [arrow.style for arrow in arrows(story, "alice", "server")] == ["held", "held"]
    story.resume("alice")
    story.settle()
    (resumed,) = (mark for mark in layout(story.events).marks if mark.style == "resume")
    assert all(arrow.start < resumed.step < arrow.end for arrow in arrows(story, "alice", "server"))


def test_each_message_stands_on_its_own_side_of_what_somebody_did_to_the_link() -> None:
    story = Story("alice", relay=False)
    story.stall("alice")
    story.emit("alice", 3)
    story.resume("alice")
    story.settle()
    story.stall("alice")
    story.emit("alice", 3)
    story.both_notice("alice")
    story.emit("alice")
    story.restore("alice")
    assert text(layout(story.events)).splitlines()[1:] == [
        "-- alice: connected --",
        "-- alice: the link stalled --",
        " alice -> server  #1 #2 #3  arrived",
        "-- alice: the link resumed --",
        "-- alice: the link stalled --",
        " alice -> server  #4 #5 #6  lost: the link was stalled",
        "-- alice: disconnected --",
        " alice -> server  #7  refused: not connected",
        "-- alice: the link was restored --",
    ]


@pytest.mark.parametrize("relay", [True, False])
@pytest.mark.parametrize("break_it", [Story.stall, Story.cut])
def test_what_the_server_sends_into_a_broken_link_stands_behind_the_fault(relay: bool, break_it: Callable[[Story, str], None]) -> None:
    story = Story("alice", "bob", relay=relay)
    story.emit("bob", 3)
    story.settle()
    break_it(story, "bob")
    story.emit("alice", 2)
    story.settle()
    if not relay:
        story.publish()
    (fault,) = (mark for mark in layout(story.events).marks if mark.on_link)
    stopped = [arrow for arrow in arrows(story, "server", "bob") if arrow.style != "arrived"]
    assert stopped
    assert all(fault.step < arrow.start for arrow in stopped)
    assert all(arrow.start < fault.step for arrow in arrows(story, "bob", "server"))
    assert {arrow.start for arrow in stopped} <= {arrow.end for arrow in arrows(story, "alice", "server")} or not relay


def test_what_is_passed_on_into_a_broken_link_still_bounces_where_it_came() -> None:
    story = Story("alice", "bob")
    story.emit("bob", 3)
    story.stall("bob")
    story.emit("alice")
    story.settle()
    (fault,), (relay,) = layout(story.events).barriers, arrows(story, "server", "bob")
    assert fault.start < relay.start == arrows(story, "alice", "server")[0].end


@pytest.mark.parametrize("emitted", range(4))
def test_what_a_slow_handler_passes_on_after_a_fault_leaves_behind_it(emitted: int) -> None:
    story = Story("alice", "bob", relay=False)
    story.emit("alice")
    story.carry("alice", "upstream", handled=False)
    story.emit("bob", emitted)
    story.stall("bob")
    story.publish(cause=0, skip="sid1")
    (fault,), (relay,) = layout(story.events).barriers, arrows(story, "server", "bob")
    assert arrows(story, "alice", "server")[0].end <= relay.start > fault.start


def test_what_is_done_to_one_link_does_not_move_what_crosses_others() -> None:
    def picture(*, broken: bool) -> list[Arrow]:
        story = Story("alice", "bob", "carol", relay=False)
        story.emit("carol", 4)
        story.settle()
        if broken:
            story.stall("carol")
        story.emit("alice")
        story.settle()
        return arrows(story, "alice", "server")

    assert picture(broken=True) == picture(broken=False)


@pytest.mark.parametrize("emitted_before", range(6, 11))
def test_where_an_exact_cut_stands_does_not_depend_on_how_much_had_been_emitted(emitted_before: int) -> None:
    story = Story("alice", "bob")
    story.fault("alice", "armed", 'cut(before="chat message #6")')
    story.emit("alice", emitted_before)
    for _ in range(5):
        story.carry("alice", "upstream", 1)
        story.carry("bob", "downstream")
    story.cut("alice", 'cut(before="chat message #6")')
    story.emit("alice", 10 - emitted_before)
    story.both_notice("alice")
    story.restore("alice")
    story.connect("alice")
    assert svg(layout(story.events)) == svg(layout(cut_before_six().events))


@given(scripts, st.booleans())
def test_no_message_stands_on_the_wrong_side_of_a_fault(script: list[tuple[str, str]], relay: bool) -> None:
    events = play(script, relay=relay).events
    judge = Judge(events)
    journeys, spots = judge.journeys, Steps(Chapter(judge.journeys, judge.hops, {}, events))
    faults = [event for event in events if event.kind == "fault"]
    for fault, note in zip(faults, [note for note in spots.notes if note.on_link and note.style != "hung up"], strict=True):
        for copy in journeys.copies:
            if fault.node in (copy.sender, copy.receiver):
                spot = spots.tails[id(copy)]
                assert (spot.step > note.spot.step) if copy.seq > fault.seq else (spot.step < note.spot.step)


def test_a_message_stops_where_it_was_lost() -> None:
    reach = {arrow.label: arrow.reach for arrow in arrows(bob_misses(), "server", "bob")}
    assert reach["#1"] == 1
    assert reach["#3"] == 0.5, "at the link"
    assert reach["#4"] == 0.5, "at the link, whether or not the server had noticed the cut"
    assert {arrow.reach for arrow in layout(alone().events).arrows if arrow.style == "refused"} == {0}


def test_a_far_client_s_link_ends_beside_it_and_not_in_the_lane_between() -> None:
    story = Story("alice", "bob", "carol")
    story.cut("carol")
    story.emit("alice")
    story.emit("carol")
    story.settle()
    assert [arrow.reach for arrow in arrows(story, "carol", "server") + arrows(story, "server", "carol")] == [0.25, 0.75]


def test_lost_copies_from_one_step_to_one_receiver_do_not_cover_each_other() -> None:
    story = Story("alice", "bob")
    story.both_notice("bob")
    story.emit("alice")
    story.carry("alice", "upstream")
    story.publish("notice", cause=0)
    ends = [arrow.end for arrow in arrows(story, "server", "bob")]
    assert len(ends) == len(set(ends)) == 2


def test_what_is_on_its_way_from_two_lanes_at_once_ends_at_the_same_distance() -> None:
    story = Story("alice", "bob", relay=False)
    story.emit("alice")
    story.emit("bob")
    assert {arrow.end - arrow.start for arrow in layout(story.events).arrows} == {0.5}


def test_a_relay_to_somebody_who_connected_later_leaves_later() -> None:
    story = Story("alice", relay=False)
    story.join("bob")
    story.emit("alice")
    story.carry("alice", "upstream")
    story.connect("bob")
    story.publish(cause=0, skip="sid1")
    story.settle()
    (relay,), (connected,) = arrows(story, "server", "bob"), (m for m in layout(story.events).marks if m.lane == "bob")
    assert arrows(story, "alice", "server")[0].end < relay.start
    assert connected.step < relay.end


def test_a_send_stands_close_to_its_arrival_when_nothing_keeps_it_back() -> None:
    """Bob's one message arrives at the server after three of alice's; a long flat arrow would look like a slow one."""
    story = Story("alice", "bob", relay=False)
    story.emit("alice", 3)
    story.settle()
    story.emit("bob")
    story.settle()
    (arrow,) = arrows(story, "bob", "server")
    assert arrow.end - arrow.start == 1


def test_a_send_does_not_move_past_a_fault_that_came_after_it() -> None:
    story = Story("alice", "bob", relay=False)
    story.emit("alice", 3)
    story.emit("bob")
    story.carry("alice", "upstream")
    story.carry("bob", "upstream")
    story.cut("bob")
    (cut,) = (mark for mark in layout(story.events).marks if mark.style == "cut")
    assert arrows(story, "bob", "server")[0].start < cut.step


def test_the_server_that_alone_gives_up_is_shown_on_the_link() -> None:
    story = Story("alice", relay=False)
    story.stall("alice")
    story.server_notices("alice", "ping timeout")
    (_, mark) = (mark for mark in layout(story.events).marks if mark.on_link)
    assert (mark.lane, mark.style, mark.word, mark.reason) == ("alice", "hung up", "server hung up", "ping timeout")
    assert text(layout(story.events)).splitlines()[-1] == "-- alice: the server hung up --"
    story.notice("alice")
    assert [mark.word for mark in layout(story.events).marks if mark.on_link] == ["stalled"]


def test_a_server_that_hangs_up_at_once_does_so_behind_the_connection() -> None:
    story = Story("alice")
    story.server_notices("alice")
    assert [(mark.style, mark.step) for mark in layout(story.events).marks] == [("connected", 0), ("hung up", 1)]


def test_what_alice_is_told_after_the_server_hung_up_stands_behind_that() -> None:
    story = Story("alice", "bob", relay=False)
    story.emit("bob")
    story.settle()
    story.stall("alice")
    story.emit("bob")
    story.settle()
    story.server_notices("alice", "ping timeout")
    story.restore("alice")
    marks = {mark.style: mark.step for mark in layout(story.events).marks}
    assert arrows(story, "bob", "server")[-1].end < marks["hung up"] < marks["restore"]


def test_a_failed_handler_is_marked_where_the_message_arrived() -> None:
    story = Story("alice", relay=False)
    story.emit("alice")
    story.carry("alice", "upstream", handled=False)
    story.failed("server", 0, "ValueError: no")
    (mark,) = (mark for mark in layout(story.events).marks if mark.style == "failed")
    assert (mark.lane, mark.step, mark.reason) == ("server", arrows(story, "alice", "server")[0].end, "ValueError: no")
    assert mark.word == "failed"
    assert "-- server: the handler of #1 failed --" in text(layout(story.events))
    story.failed("server", 0, "ValueError: no")
    assert [mark.word for mark in layout(story.events).marks if mark.style == "failed"] == ["failed 2x"]
    assert "-- server: the handler of #1 failed 2 times --" in text(layout(story.events))


def test_handlers_that_finish_in_order_are_not_marked() -> None:
    assert not [mark for mark in layout(burst().events).marks if mark.style == "done"]
    assert [mark.word for mark in layout(slow_handlers().events).marks if mark.style == "done"] == ["#2 done", "#3 done", "#1 done"]


@given(scripts)
def test_arrows_go_right_and_stay_in_the_order_of_both_lanes(script: list[tuple[str, str]]) -> None:
    story = play(script, relay=True)
    drawn = layout(story.events)
    assert len(drawn.arrows) == len(Journeys(story.events).copies)
    for arrow in drawn.arrows:
        assert 0 <= arrow.start <= drawn.steps
        if arrow.style == "arrived":
            assert arrow.end >= arrow.start + 1
    arrivals = Counter((arrow.receiver, arrow.end) for arrow in drawn.arrows if arrow.style == "arrived")
    assert all(count == 1 for count in arrivals.values()), "two arrivals at one lane have two steps"
    for name in ("alice", "bob", "carol"):
        sends = [arrow.start for arrow in drawn.arrows if arrow.sender == name and arrow.style != "refused"]
        assert len(sends) == len(set(sends))
        for one, other in pairwise([arrow for arrow in drawn.arrows if arrow.sender == name and arrow.style == "arrived"]):
            assert one.end < other.end


@given(scripts)
def test_every_relay_leaves_in_a_step_in_which_the_server_received(script: list[tuple[str, str]]) -> None:
    drawn = layout(play([step for step in script if step[0] != "publish"], relay=True).events)
    received = {arrow.end for arrow in drawn.arrows if arrow.receiver == "server" and arrow.reach == 1}
    assert {arrow.start for arrow in drawn.arrows if arrow.sender == "server"} <= received


@given(scripts)
def test_no_step_is_empty(script: list[tuple[str, str]]) -> None:
    drawn = layout(play(script, relay=True).events)
    used = {arrow.start for arrow in drawn.arrows} | {arrow.end for arrow in drawn.arrows if arrow.reach == 1}
    assert used | {mark.step for mark in drawn.marks} == set(range(drawn.steps))


# -- the same run, the same picture -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", every_fourth(STORIES))
@given(st.randoms(use_true_random=False))
def test_another_interleaving_of_independent_places_gives_the_same_picture_and_words(name: str, choose: random.Random) -> None:
    events = STORIES[name]().events
    other = layout(interleaved(events, choose))
    assert svg(other) == svg(layout(events))
    assert text(other) == text(layout(events))


@given(scripts, st.randoms(use_true_random=False))
def test_any_run_gives_the_same_picture_in_another_interleaving(script: list[tuple[str, str]], choose: random.Random) -> None:
    events = play(script, relay=True).events
    assert svg(layout(interleaved(events, choose))) == svg(layout(events))


def test_attempts_connection_ids_and_heartbeats_do_not_show() -> None:
    other = cut_before_six(failures=17, sids="zz")
    other.journal.record("alice", "wire", sid="zz3", direction="upstream", type="engine", text="3")
    assert svg(layout(other.events)) == svg(layout(cut_before_six().events))


def test_a_reconnect_loop_is_one_mark() -> None:
    story = alone()
    before = svg(layout(story.events))
    for _ in range(5):
        story.journal.record("alice", "connecting")
    assert svg(layout(story.events)) == before
    assert [mark.word for mark in layout(story.events).marks].count("connecting") == 1


# -- lanes, labels, the last steps ------------------------------------------------------------------------------------------------------


def test_the_server_is_in_the_middle_and_the_first_client_above_it() -> None:
    def names(*clients: str) -> list[str]:
        return sorted(layout(Story(*clients).events).rows, key=layout(Story(*clients).events).rows.__getitem__)

    assert names() == ["server"]
    assert names("alice") == ["alice", "server"]
    assert names("alice", "bob") == ["alice", "server", "bob"]
    assert names("alice", "bob", "carol") == ["alice", "server", "bob", "carol"]
    assert names("alice", "bob", "carol", "dave") == ["dave", "alice", "server", "bob", "carol"]


def test_a_lane_is_online_from_connected_to_disconnected() -> None:
    drawn = layout(cut_before_six().events)
    alice = next(lane for lane in drawn.lanes if lane.name == "alice")
    marks = [mark.step for mark in drawn.marks if mark.lane == "alice" and not mark.on_link]
    assert alice.online == ((marks[0], marks[1]), (marks[2], drawn.steps))


def test_a_label_names_the_author_only_on_a_relay_and_only_where_there_are_several() -> None:
    assert {arrow.label for arrow in layout(burst(3).events).arrows} == {"#1", "#2", "#3"}
    assert [arrow.label for arrow in arrows(crossing(), "bob", "server")] == ["#1", "#2", "#3"]
    assert [arrow.label for arrow in arrows(crossing(), "server", "bob")] == ["alice #1", "alice #2", "alice #3"]


def test_a_label_names_the_event_only_if_it_is_not_the_usual_one() -> None:
    story = Story("alice", relay=False)
    story.emit("alice", 2)
    story.emit("alice", event="typing")
    story.settle()
    assert [arrow.label for arrow in arrows(story, "alice", "server")] == ["#1", "#2", "typing #1"]


def test_a_sentence_says_who_what_to_whom_and_why_not() -> None:
    sentences = {arrow.sentence for arrow in layout(cut_before_six().events).arrows}
    assert "chat message #6 from alice to server: lost, the link was cut" in sentences
    assert "chat message #1 of alice from server to bob: arrived" in sentences
    assert "chat message #4 from alice to server: refused by emit, not connected" in {a.sentence for a in layout(alone().events).arrows}
    assert "chat message #3 from alice to server: held by the link" in {a.sentence for a in layout(stalled(False).events).arrows}


@every_story
@pytest.mark.parametrize("last", [1, 3, 7])
def test_the_last_steps_are_the_right_end_of_the_whole_picture(name: str, last: int) -> None:
    whole, part = picture(name), layout(STORIES[name]().events, last=last)
    assert part.steps == min(last, whole.steps)
    assert part.left_out == whole.steps - part.steps
    assert part.summary == whole.summary
    shifted = {(arrow.label, arrow.sender, arrow.receiver, arrow.start + part.left_out, arrow.end + part.left_out) for arrow in part.arrows}
    everything = {(arrow.label, arrow.sender, arrow.receiver, arrow.start, arrow.end) for arrow in whole.arrows}
    assert shifted == {arrow for arrow in everything if arrow[4] >= part.left_out}
    note = f"… {part.left_out} earlier steps"
    assert (note in svg(part)) == (note in text(part)) == (part.left_out > 0)


# -- the drawing ------------------------------------------------------------------------------------------------------------------------


@every_story
def test_every_arrow_and_mark_has_its_sentence_as_a_tooltip(name: str) -> None:
    drawn = picture(name)
    root = ET.fromstring(svg(drawn))
    titles = Counter(title.text for title in root.iter(f"{SVG}title"))
    sentences = [arrow.sentence for arrow in drawn.arrows]
    sentences += [f"{mark.lane}: {mark.sentence}" + (f" ({mark.reason})" if mark.reason else "") for mark in drawn.marks]
    assert titles == Counter([drawn.summary, *sentences])
    assert (root.get("role"), root.get("aria-label")) == ("img", drawn.summary)


@every_story
def test_the_legend_lists_the_styles_that_are_there_and_no_others(name: str) -> None:
    drawn = picture(name)
    words = {
        "arrived": "arrived",
        "lost": "lost",
        "held": "held by the link",
        "refused": "refused by emit",
        "in flight": "still on the way",
    }
    shown = {node.text for node in ET.fromstring(svg(drawn)).iter(f"{SVG}text")} & set(words.values())
    assert shown == {words[arrow.style] for arrow in drawn.arrows}


def boxes(drawing: str) -> tuple[list[Box], float]:
    """What each word in the plot covers, and the width of the plot."""
    (plot,) = ET.fromstring(drawing).findall(f"{SVG}svg")
    found = []
    for node in plot.iter(f"{SVG}text"):
        place = Place(float(node.get("x", 0)), float(node.get("y", 0)), node.get("text-anchor", ""))
        found.append(box_of(place, width(node.text or "", bold=node.get("font-weight") == "700")))
    return found, float(plot.get("width", 0)) - 12


def assert_words_are_legible(drawing: str) -> None:
    found, right = boxes(drawing)
    for one, other in combinations(found, 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1], (one, other)
    height = float(ET.fromstring(drawing).get("height", 0)) - 26
    assert all(box[0] >= -12 and box[2] <= right and box[1] >= 0 and box[3] <= height for box in found), "cut off at an edge"


@every_story
@pytest.mark.parametrize("last", [None, 3, 7, 18])
def test_words_never_lie_on_words_and_are_never_cut_off(name: str, last: int | None) -> None:
    assert_words_are_legible(svg(layout(STORIES[name]().events, last=last)))


@given(scripts, st.none() | st.integers(1, 18))
def test_words_of_any_run_never_lie_on_words_and_are_never_cut_off(script: list[tuple[str, str]], last: int | None) -> None:
    assert_words_are_legible(svg(layout(play(script, relay=True).events, last=last)))


@every_story
def test_the_words_of_the_legend_do_not_lie_on_each_other(name: str) -> None:
    nodes = [node for node in ET.fromstring(svg(layout(STORIES[name]().events, last=18))).findall(f"{SVG}text") if node.get("style")]
    legend = [node for node in nodes if "paint-order" in node.get("style", "")]
    spans = sorted(box_of(Place(float(node.get("x", 0)), 0, node.get("text-anchor", "")), width(node.text or ""))[::2] for node in legend)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))


def test_every_word_has_a_halo_in_the_colour_of_the_paper() -> None:
    (plot,) = ET.fromstring(svg(layout(stalled().events))).findall(f"{SVG}svg")
    styles = [node.get("style", "") for node in plot.iter(f"{SVG}text")]
    assert styles
    assert all("stroke:var(--jp-layout-color0,#ffffff)" in style and "paint-order:stroke" in style for style in styles)


def test_a_word_takes_the_first_place_that_covers_neither_a_symbol_nor_a_line() -> None:
    first, second, third = places = [Place(50, 54), Place(50, 80), Place(50, 110)]
    assert Words((0, 0, 200, 200)).put("word", places) == first
    taken = Words((0, 0, 200, 200))
    taken.line(0, 40, 200, 60)
    assert taken.put("word", places, lines=True) == second
    assert taken.put("word", places) == first, "a message's number stays at its message"
    assert taken.put("word", places) == third
    assert taken.put("word", places) is None
    taken = Words((0, 0, 200, 200))
    taken.symbol(50, 50, 5)
    taken.line(40, 0, 40, 200)
    assert taken.put("word", places, lines=True) == second, "each is crossed by the line"


def test_a_word_at_the_edge_is_moved_into_the_picture_if_it_does_not_get_away_from_its_place() -> None:
    taken, words = Words((0, 0, 400, 100)), "w" * 20
    half = width(words) / 2
    for beside, inside in ((380, 400 - half), (half - 60, half)):
        assert taken.put(words, [Place(beside, 50)]) == Place(inside, 50)
        assert taken.put(words, [Place(inside, 50)]) is None, "that is taken"
    assert taken.put(words, [Place(-half, 80)]) is None, "too far"
    assert taken.put(words, [Place(200, 5)]) is None, "above"
    assert taken.put(words, [Place(200, 99)]) is None, "below"
    assert taken.put(words, [Place(200, 20)]) == Place(200, 20)


def test_an_arrow_that_comes_into_the_window_keeps_its_number() -> None:
    story = Story("alice", relay=False)
    story.stall("alice")
    story.emit("alice", 3)
    story.resume("alice")
    story.settle()
    drawing = svg(layout(story.events, last=4))
    assert re.findall(r">(#\d)</text>", drawing) == ["#1", "#2", "#3"]


@every_story
def test_no_word_of_the_pictures_that_people_look_at_is_left_to_a_tooltip(name: str) -> None:
    drawn = picture(name)
    (plot,) = ET.fromstring(svg(drawn)).findall(f"{SVG}svg")
    written = Counter(node.text or "" for node in plot.iter(f"{SVG}text"))
    wanted = [mark.word for mark in drawn.marks if mark.step > 0 or mark.style != "connected"]
    assert not Counter([*wanted, *(arrow.label for arrow in drawn.arrows)]) - written


def test_a_crowd_of_long_labels_leaves_some_to_their_tooltips_rather_than_writing_over_each_other() -> None:
    story = Story("alice with a very long name", "bob", "carol")
    story.emit("alice with a very long name", 12)
    story.emit("bob")
    story.settle()
    drawing = svg(layout(story.events))
    assert 0 < len(re.findall(r">alice with a very long name #\d+</text>", drawing)) < 24
    assert len(re.findall("chat message #[0-9]+ of alice with a very long name from server to bob: arrived</title>", drawing)) == 12


def test_two_clients_and_a_server_fit_above_the_controls() -> None:
    root = ET.fromstring(svg(layout(cut_before_six().events)))
    assert 200 <= float(root.get("height", 0)) <= 240
    assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"


def test_the_width_grows_with_the_steps() -> None:
    widths = [float(ET.fromstring(svg(layout(burst(size).events))).get("width", 0)) for size in (20, 40)]
    assert 36 <= (widths[1] - widths[0]) / 20 <= 44


def test_names_and_reasons_cannot_break_out_of_the_drawing() -> None:
    story = Story('a&"b')
    story.emit('a&"b', event="<script>\"'")
    story.cut('a&"b', 'cut(before="<b>")')
    root = ET.fromstring(svg(layout(story.events)))
    assert root.get("aria-label") == layout(story.events).summary
    assert '<script>"\' #1 from a&"b to server: lost, the link was cut' in {title.text for title in root.iter(f"{SVG}title")}
    assert not list(root.iter(f"{SVG}script"))


@every_story
def test_a_picture_has_no_ids_that_could_clash_on_one_page_and_no_scripts(name: str) -> None:
    drawing = svg(picture(name))
    assert not re.search(r"\bid=|url\(|<script|\bon\w+=|href", drawing)


@every_story
def test_colours_follow_the_theme_and_fall_back_without_one(name: str) -> None:
    assert "var(--jp-layout-color0,#ffffff)" in svg(picture(name))
    assert not re.search(r"var\([^,)]*\)", svg(picture(name)))


def test_a_legend_that_is_full_spares_the_note_on_the_steps() -> None:
    lanes = Lane("alice", 0), Lane("server", 1)
    arrows = [Arrow("alice", "server", style, "#1", 1, 2, 1, "", "") for style in ARROWS]
    assert NOTE in svg(Layout(lanes, tuple(arrows[:FULL]), steps=3))
    assert NOTE not in svg(Layout(lanes, tuple(arrows[: FULL + 1]), steps=3))


def test_an_event_in_the_log_is_wider_than_its_offset() -> None:
    drawing = Drawing(Layout((Lane("alice", 0), Lane("server", 1), Lane("log", 1.75)), steps=3))
    for offset in ("1", "12345", "123456789"):
        assert 2 * drawing.half(Mark("log", "stored", 1, offset, "")) > width(offset) + 4


def test_who_is_refused_on_either_side_of_the_server_has_a_word_for_it() -> None:
    story = Story("alice", "bob", relay=False)
    for name in ("alice", "bob"):
        story.both_notice(name)
        story.emit(name, 2)
    drawing = svg(layout(story.events))
    assert len(re.findall(r">refused</text>", drawing)) == 2
    assert_words_are_legible(drawing)


def test_of_four_labels_in_a_row_the_first_and_the_last_are_written() -> None:
    story = Retries("alice")
    story.both_notice("alice")
    written = []
    for _ in range(4):
        story.keep("alice", "not connected")
        written += re.findall(r">([^<]*) kept</text>", svg(layout(story.events)))
    assert written == ["#1", "#1 #2", "#1 #2 #3", "#1…#4"]


def test_an_unknown_fault_is_drawn_with_its_own_word() -> None:
    story = Story("alice")
    story.fault("alice", "solar storm")
    story.fault("server", "crash")
    drawing = svg(layout(story.events))
    assert {"solar storm", "crash"} <= {node.text for node in ET.fromstring(drawing).iter(f"{SVG}text")}
    assert f'style="fill:{PALE}"' in drawing, "an attribute cannot follow the theme"


@pytest.mark.parametrize("name", every_fourth(STORIES))
def test_every_beginning_of_a_run_can_be_drawn(name: str) -> None:
    """The live picture is drawn at any moment."""
    events = STORIES[name]().events
    for end in range(len(events) + 1):
        ET.fromstring(svg(layout(events[:end], last=5)))
        assert text(layout(events[:end]))


@settings(max_examples=examples(30))
@given(scripts, st.integers(1, 200))
def test_every_beginning_of_any_run_can_be_drawn(script: list[tuple[str, str]], end: int) -> None:
    ET.fromstring(svg(layout(play(script, relay=True).events[:end], last=8)))


def test_a_message_from_somebody_unknown_has_a_lane() -> None:
    story = Story()
    story.journal.record("server", "connected", sid="x")
    story.journal.record("server", "received", message=0, sid="x", event="chat message")
    assert ">somebody</text>" in svg(layout(story.events))


def test_four_clients_are_drawn_with_room_for_the_words_between_the_lanes() -> None:
    assert float(ET.fromstring(svg(layout(four().events))).get("height", 0)) > 400


def test_what_crosses_its_link_and_finds_nobody_ends_just_before_its_client() -> None:
    story = Story("alice", relay=False)
    story.publish()
    story.notice("alice")
    story.carry("alice", "downstream")
    (arrow,) = layout(story.events).arrows
    assert (arrow.style, arrow.reach) == ("lost", pytest.approx(0.85))


def test_of_more_messages_than_are_named_only_the_number_is_said() -> None:
    story = Story("alice")
    story.stall("alice")
    story.emit("alice", times=3)
    judged, rows = verdict(story.events), layout(story.events).rows
    assert summary(judged, rows, 3) == "3 sent by alice, 0 arrived at server, on the way #1 #2 #3"
    assert summary(judged, rows, 2) == "3 sent by alice, 0 arrived at server, on the way #1 #2 … (3)"
    assert ids(["#1", "#2"], 2) == "#1 #2"


def test_clients_stand_by_turns_below_and_above_and_have_a_note_only_if_they_are_foreign() -> None:
    lanes = layout(Story(*"abcdefgh").events).lanes
    assert [lane.name for lane in sorted(lanes, key=lambda lane: lane.row)] == ["h", "f", "d", "a", "server", "b", "c", "e", "g"]
    assert {lane.note for lane in lanes} == {""}


def test_what_was_lost_before_a_chapter_begins_comes_from_its_left_edge() -> None:
    story = Replays("bob", relay=False)
    story.settle()
    story.publish()
    story.new_database()
    begin = len(story.events)
    story.break_and_notice("bob")
    judge = Judge(story.events)
    judge.verdict()
    (earlier,) = (copy for copy in judge.journeys.sent_since(0) if copy.seq < begin)
    chapter = Chapter(judge.journeys, judge.hops, {"bob": ""}, story.events[begin:], under_way=(earlier,))
    lost = [arrow for arrow in plan_of(chapter, Steps(chapter)).arrows if arrow.style == "lost"]
    assert [(arrow.label, arrow.start, arrow.reason) for arrow in lost] == [("#1", 0, "a new database took its place")]
