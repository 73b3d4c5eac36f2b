"""Steps: what moves something in a picture, and what does not."""

import pytest

from realtime_lab.history.journal import Journal
from realtime_lab.history.plan import Arrow, Layout
from realtime_lab.history.space_time import layout
from tests.history.stories import CHAT, Story
from tests.history.stories_of_replay import Replays
from tests.history.stories_of_retries import Retries


def arrows(drawn: Layout, sender: str, receiver: str) -> list[Arrow]:
    return [arrow for arrow in drawn.arrows if (arrow.sender, arrow.receiver) == (sender, receiver)]


def step(drawn: Layout, lane: str, style: str, place: int = 0) -> int:
    return [mark.step for mark in drawn.marks if (mark.lane, mark.style) == (lane, style)][place]


def test_what_is_passed_on_bounces_behind_what_somebody_did_to_a_link_before() -> None:
    story = Story("alice", "bob")
    for _ in range(3):
        story.stall("bob")
        story.resume("bob")
    story.emit("alice")
    story.settle()
    drawn = layout(story.events)
    (up,), (down,) = arrows(drawn, "alice", "server"), arrows(drawn, "server", "bob")
    assert step(drawn, "bob", "resume", -1) < up.end == down.start


@pytest.mark.parametrize("faults", range(1, 6))
def test_what_is_passed_on_later_leaves_behind_what_somebody_did_to_a_link_meanwhile(faults: int) -> None:
    story = Story("alice", "bob", relay=False)
    story.emit("alice", 2)
    story.carry("alice", "upstream", handled=False)
    for _ in range(faults):
        story.fault("bob", "latency")
    story.publish(cause=1, skip="sid1")
    drawn = layout(story.events)
    (down,) = arrows(drawn, "server", "bob")
    assert step(drawn, "bob", "latency", -1) < down.start


def test_beside_a_log_nobody_can_tell_whether_who_connects_did_so_before_what_the_server_only_handled() -> None:
    pictures = []
    for late in (False, True):
        story = Replays("alice", relay=False)
        story.publish()
        story.join("bob")
        story.emit("alice", 3)
        if late:
            story.settle()
        story.connect("bob")
        story.settle()
        pictures.append(layout(story.events))
    assert pictures[0] == pictures[1]


def test_beside_a_log_who_connects_does_so_behind_what_the_server_emitted_without_storing_it() -> None:
    story = Replays("alice", relay=False)
    story.publish()
    story.settle()
    story.join("bob")
    for number in range(5):
        story.journal.record("server", "emitted", message=10 + number, event=CHAT, sids=("sid1",))
    story.connect("bob")
    drawn = layout(story.events)
    assert step(drawn, "bob", "connected") > arrows(drawn, "server", "alice")[-1].start


def test_what_waits_leaves_behind_the_acknowledgement_that_came_last() -> None:
    """That of #2 came first, of which the server was given #2 later."""
    story = Retries("alice")
    first, second = story.keep("alice"), story.keep("alice")
    for number in (first, second):
        story.hand_over("alice", number)
        story.arrive("alice")
    story.ack("alice", second)
    story.ack("alice", first)
    story.hand_over("alice", story.keep("alice", "waits for its turn"))
    drawn = layout(story.events)
    acked = {arrow.label: arrow.end for arrow in drawn.arrows if arrow.style == "ack"}
    assert arrows(drawn, "alice", "server")[-1].start == acked["ack #1"] + 1 <= acked["ack #2"]


@pytest.mark.parametrize("crossed", [True, False])
def test_an_answer_that_crossed_the_link_and_found_nobody_moves_nothing(crossed: bool) -> None:
    story = Retries("alice")
    story.hand_over("alice", story.keep("alice"))
    story.arrive("alice")
    if crossed:
        story.journal.record("alice", "wire", sid="sid1", direction="downstream", type="ACK", answers=0)
    story.both_notice("alice")
    drawn = layout(story.events)
    (up,), (down,) = arrows(drawn, "alice", "server"), arrows(drawn, "server", "alice")
    assert (down.style, step(drawn, "alice", "disconnected")) == ("lost ack", up.start + 1)


def test_an_answer_to_what_timed_out_in_a_batch_is_late() -> None:
    ticks = iter(range(100))
    journal = Journal(lambda: next(ticks))
    record = journal.record
    record("alice", "joined")
    record("server", "connected", sid="s1")
    record("alice", "wire", sid="s1", direction="downstream", packet=1, type="CONNECT")
    record("alice", "connected", sid="s1")
    for number in range(2):
        record("alice", "emitted", message=number, event=CHAT)
        record("alice", "buffered", message=number, event=CHAT, id=f"alice:{number}")
        record("alice", "sent", message=number, event=CHAT, sid="s1", attempt=1, inside=number)
    for number in range(2):
        record("server", "received", message=number, event=CHAT, sid="s1", index=0, inside=number)
    record("alice", "timed_out", message=1, sid="s1", index=0, inside=1, reason="no acknowledgement in 2 s")
    record("server", "answered", sid="s1", index=0, reason="ok")
    for number in range(2):
        record("alice", "acked", message=number, sid="s1", index=0, inside=number, reason="ok")
    drawn = layout(journal.events)
    timeout, acks = step(drawn, "alice", "timeout"), arrows(drawn, "server", "alice")
    assert {ack.label: ack.end > timeout for ack in acks} == {"ack #1": False, "ack #2": True}
