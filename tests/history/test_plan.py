"""A plan cut to its last steps keeps what reaches into them."""

from realtime_lab.history.leg import ids
from realtime_lab.history.plan import Barrier, Layout
from realtime_lab.history.space_time import layout, summary
from realtime_lab.history.verdict import verdict
from tests.history.stories import Story


def test_a_barrier_that_ends_where_the_last_steps_begin_is_left_out() -> None:
    whole = Layout(barriers=(Barrier("alice", "cut", 0, 4), Barrier("bob", "cut", 0, 5)), steps=8)
    assert whole.last(4).barriers == (Barrier("bob", "cut", -4, 1),)


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
