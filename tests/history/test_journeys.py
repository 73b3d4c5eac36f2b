"""From single events to messages and their copies: who sent what to whom, and what became of it."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.history.copies import Copy, Message
from realtime_lab.history.journeys import Journeys
from realtime_lab.history.stored import Loss, Standing
from realtime_lab.history.verdict import Judge
from tests.examples import every_fourth
from tests.history.stories import STORIES, Story, cut_before_six, interleaved
from tests.history.stories_of_replay import Replays


def told(story: Story) -> list[tuple[str, str, str, str, str]]:
    """Every copy in words: sender, receiver, label, fate, reason."""
    return [words(copy) for copy in Journeys(story.events).copies]


def words(copy: Copy) -> tuple[str, str, str, str, str]:
    return copy.sender, copy.receiver, copy.message.label, copy.fate, copy.reason


def test_what_a_client_hands_over_and_the_server_receives_has_arrived() -> None:
    story = Story("alice", relay=False)
    story.emit("alice", 2)
    story.settle()
    assert told(story) == [("alice", "server", "#1", "arrived", ""), ("alice", "server", "#2", "arrived", "")]


def test_what_is_not_received_on_a_live_connection_is_in_flight() -> None:
    story = Story("alice", relay=False)
    story.emit("alice", 2)
    story.carry("alice", "upstream", 1)
    assert [copy[3] for copy in told(story)] == ["arrived", "in flight"]
    journeys = Journeys(story.events)
    assert journeys.outstanding("sid1", "upstream") == 1
    assert journeys.outstanding("sid1", "downstream") == 0


def test_what_the_link_dropped_is_lost_even_before_anybody_notices() -> None:
    story = Story("alice", relay=False)
    story.emit("alice")
    story.cut("alice")
    assert told(story) == [("alice", "server", "#1", "lost", "the link was cut")]


def test_what_is_sent_into_a_broken_link_is_in_flight_until_the_receiver_gives_up() -> None:
    story = Story("alice", relay=False)
    story.cut("alice")
    story.emit("alice")
    assert told(story)[0][3] == "in flight"
    story.notice("alice")
    assert told(story)[0][3] == "in flight"
    story.server_notices("alice")
    assert told(story) == [("alice", "server", "#1", "lost", "the link was cut")]


def test_downstream_the_client_decides_when_nothing_more_can_arrive() -> None:
    story = Story("bob", relay=False)
    story.cut("bob")
    story.publish()
    story.server_notices("bob")
    assert told(story)[0][3] == "in flight"
    story.notice("bob")
    assert told(story) == [("server", "bob", "#1", "lost", "the link was cut")]


def test_without_a_fault_the_reason_is_how_the_connection_ended() -> None:
    story = Story("alice", relay=False)
    story.emit("alice")
    story.both_notice("alice", "ping timeout")
    assert told(story)[0][4] == "the connection had ended (ping timeout)"


def test_a_stall_is_the_reason_only_as_long_as_it_lasts() -> None:
    for lifted, reason in ((False, "the link was stalled"), (True, "the connection had ended (ping timeout)")):
        story = Story("alice", relay=False)
        story.stall("alice")
        story.emit("alice")
        if lifted:
            story.resume("alice")
        story.both_notice("alice", "ping timeout")
        assert told(story)[0][4] == reason


def test_a_refused_emit_is_a_copy_of_its_own_kind_and_counts_as_a_number() -> None:
    story = Story("alice", relay=False)
    story.emit("alice")
    story.settle()
    story.both_notice("alice")
    story.emit("alice")
    story.connect("alice")
    story.emit("alice")
    story.settle()
    assert [copy[2:] for copy in told(story)] == [("#1", "arrived", ""), ("#2", "refused", "not connected"), ("#3", "arrived", "")]


def test_an_absent_participant_misses_what_the_server_emits_to_everybody() -> None:
    story = Story("alice", "bob", relay=False)
    story.both_notice("bob")
    story.publish()
    story.settle()
    assert told(story) == [("server", "alice", "#1", "arrived", ""), ("server", "bob", "#1", "lost", "bob was not connected")]


def test_a_room_and_a_foreign_client_never_make_somebody_absent() -> None:
    story = Story("alice", "bob", relay=False)
    story.join("tab", "wire")
    story.both_notice("bob")
    story.publish(room="sid1")
    assert [copy[1] for copy in told(story)] == ["alice"]
    story.publish()
    assert [copy[1] for copy in told(story)] == ["alice", "alice", "bob"]


def test_the_author_who_is_left_out_on_purpose_misses_nothing() -> None:
    story = Story("alice", "bob")
    story.emit("alice")
    story.settle()
    assert [copy[:2] for copy in told(story)] == [("alice", "server"), ("server", "bob")]


def test_a_relay_keeps_the_number_and_the_author_of_its_source() -> None:
    story = Story("alice", "bob")
    story.publish()
    story.emit("alice", 2)
    story.settle()
    story.publish()
    *_, relayed, published = Journeys(story.events).messages
    assert (relayed.origin, relayed.number, relayed.label, relayed.source.origin) == ("server", 2, "#2", "alice")
    assert (published.origin, published.label) == ("server", "#2"), "the server's own messages are counted by themselves"


def test_an_answer_with_another_event_is_a_message_of_the_server() -> None:
    story = Story("alice", relay=False)
    story.emit("alice")
    story.carry("alice", "upstream")
    story.publish("welcome", cause=0)
    answer = Journeys(story.events).messages[-1]
    assert (answer.root, answer.source.origin) == (None, "server")


def test_numbers_count_by_author_and_event() -> None:
    story = Story("alice", "bob", relay=False)
    story.emit("alice", event="a")
    story.emit("alice", event="b")
    story.emit("bob", event="a")
    story.emit("alice", event="a")
    assert [(m.origin, m.event, m.number) for m in Journeys(story.events).messages] == [
        ("alice", "a", 1),
        ("alice", "b", 1),
        ("bob", "a", 1),
        ("alice", "a", 2),
    ]


def test_a_new_connection_starts_a_new_count_of_positions() -> None:
    """#2 is lost on the first connection; #3 is the first event of the second one."""
    story = Story("alice", relay=False)
    story.emit("alice")
    story.settle()
    story.emit("alice")
    story.cut("alice")
    story.both_notice("alice")
    story.restore("alice")
    story.connect("alice")
    story.emit("alice")
    story.settle()
    assert [copy[2:4] for copy in told(story)] == [("#1", "arrived"), ("#2", "lost"), ("#3", "arrived")]


def test_a_client_that_the_server_reaches_before_its_connection_has_a_name_is_not_absent_as_well() -> None:
    """The server emits to a connection as soon as it has accepted it, before anything crossed the link that tells whose it is."""
    story = Story("alice", relay=False)
    story.join("bob")
    record = story.journal.record
    record("server", "connected", sid="new")
    record("server", "emitted", message=0, event="news", sids=("sid1", "new"))
    record("bob", "wire", sid="new", direction="downstream", packet=1, type="CONNECT")
    record("bob", "connected", sid="new")
    record("bob", "received", sid="new", message=0, event="news")
    journeys = Journeys(story.events)
    assert [words(copy)[1:4] for copy in journeys.copies] == [("alice", "#1", "in flight"), ("bob", "#1", "arrived")]
    assert journeys.messages[0].copies == journeys.copies


def test_a_foreign_client_is_known_from_its_link_alone() -> None:
    story = Story("alice")
    story.join("tab", "wire")
    sid = story.connect("tab")
    story.foreign_emit("tab", sid)
    story.settle()
    story.emit("alice")
    story.settle()
    assert told(story) == [
        ("tab", "server", "#1", "arrived", ""),
        ("server", "alice", "#1", "arrived", ""),
        ("alice", "server", "#1", "arrived", ""),
        ("server", "tab", "#1", "arrived", ""),
    ]
    assert [copy.wire_only for copy in Journeys(story.events).copies] == [True, False, False, True]
    assert Journeys(story.events).outstanding(sid, "downstream") == 0


def test_what_a_foreign_client_did_not_get_before_its_connection_ended_is_lost() -> None:
    story = Story(relay=False)
    story.join("tab", "wire")
    story.connect("tab")
    story.publish()
    story.server_notices("tab", "transport close")
    assert told(story) == [("server", "tab", "#1", "lost", "the connection had ended (transport close)")]


def test_a_message_of_somebody_who_records_nothing_still_arrives() -> None:
    story = Story()
    story.journal.record("server", "connected", sid="x")
    story.journal.record("server", "received", message=0, sid="x", event="chat message")
    (copy,) = Journeys(story.events).copies
    assert (copy.message.origin, copy.receiver, copy.fate) == ("somebody", "server", "arrived")


def test_a_handler_runs_until_it_returns_or_fails() -> None:
    story = Story("alice", relay=False)
    story.emit("alice", 3)
    story.carry("alice", "upstream", handled=False)
    story.handled("server", 1)
    story.failed("server", 0)
    journeys = Journeys(story.events)
    assert journeys.running == {("server", 2)}
    first, second, third = (journeys.receptions["server", number] for number in range(3))
    assert (first.failed >= 0, second.handled >= 0, third.handled, third.failed) == (True, True, -1, -1)


def test_held_and_forwarded_are_noted_by_position() -> None:
    story = Story("alice", relay=False)
    story.stall("alice")
    story.emit("alice", 2)
    story.resume("alice")
    story.carry("alice", "upstream", 1)
    journeys = Journeys(story.events)
    first, second = journeys.copies
    assert first.held < first.wire < first.received
    assert (second.held >= 0, second.wire) == (True, -1)
    assert journeys.copy_at("sid1", "upstream", 1) is second
    assert journeys.copy_at("sid1", "upstream", 2) is None
    assert journeys.copy_at("sid1", "upstream", -1) is None


def test_copies_and_messages_that_point_at_each_other_can_be_compared_and_printed() -> None:
    first, second = (Journeys(cut_before_six().events).copies[0] for _ in range(2))
    assert first != second
    assert first in [second, first]
    assert "chat message" in repr(first)


def test_feeding_piece_by_piece_gives_the_same_as_all_at_once() -> None:
    events = cut_before_six().events
    live = Journeys(events[:30])
    assert live.seen == 30
    for event in events[30:]:
        live.feed(event)
    assert [words(copy) for copy in live.copies] == [words(copy) for copy in Journeys(events).copies]


@pytest.mark.parametrize("name", every_fourth(STORIES))
@given(st.randoms(use_true_random=False))
def test_fates_and_reasons_do_not_depend_on_how_independent_places_interleave(name: str, choose: random.Random) -> None:
    events = STORIES[name]().events
    assert sorted(map(words, Journeys(interleaved(events, choose)).copies)) == sorted(map(words, Journeys(events).copies))


def test_for_who_has_left_nothing_is_meant_any_more() -> None:
    story = Replays("alice", "bob", relay=False)
    story.publish()
    story.journal.record("bob", "left")
    story.publish()
    first, second = (list(message.meant_for) for message in Journeys(story.events).log.messages.values())
    assert (first, second) == (["alice", "bob"], ["alice"])


def test_a_timeout_of_a_send_that_nobody_saw_is_the_message_s() -> None:
    story = Story("alice", relay=False)
    story.emit("alice")
    story.journal.record("alice", "timed_out", message=0)
    (message,) = Journeys(story.events).messages
    assert message.timed_out
    assert [copy.timed_out for copy in message.copies] == [-1]


def test_what_a_client_has_handed_in_is_known_by_its_name() -> None:
    story = Story("alice", "bob", relay=False)
    story.emit("alice", 2)
    judge = Judge(story.events)
    judge.verdict()
    assert len(judge.outboxes.of("alice").handed_in) == 2
    assert not judge.outboxes.of("bob").handed_in


def test_whose_connection_it_was_may_be_known_when_more_was_lost_already() -> None:
    """Bob is told twice where he stands: which connection the first one was is known later."""
    standing = Standing("bob", {}, [])
    for offset, seq in ((5, 50), (3, 30), (4, 40), (2, 60)):
        standing.leave_behind(0, offset, Loss(seq, f"at {seq}"))
    standing.follows = True
    lost = [standing.loss(Message("server", "chat", 1, "", 0, offset=offset)) for offset in range(1, 7)]
    assert [loss and loss.seq for loss in lost] == [30, 30, 30, 40, 50, None]


def test_who_joins_after_a_trim_was_not_there_for_what_is_trimmed() -> None:
    story = Replays("alice", relay=False)
    story.publish()
    story.publish()
    story.trim(2)
    journeys = Journeys(story.events)
    first, second = journeys.log.messages.values()
    standing = journeys.log.standing("carol")
    standing.follows = True
    assert standing.loss(first) == Loss(journeys.log._trims[0].seq, "its history was truncated")
    assert standing.loss(second) is None


def test_of_what_made_a_stored_message_be_lost_the_first_counts() -> None:
    message = Message("server", "news", 1, "", 0, offset=3, born=1)
    for erased, lost in (50, Loss(10, "its history was truncated")), (5, Loss(5, "a new database took its place")):
        standing = Standing("bob", {}, [erased])
        standing.follows = True
        standing.leave_behind(0, 3, Loss(10, "its history was truncated"))
        standing.leave_behind(0, 8, Loss(20, "its history was truncated"))
        assert standing.loss(message) == lost


def test_a_server_of_the_learner_s_own_may_count_from_zero() -> None:
    story = Replays("bob", log=False)
    story.emit_with_id(0)
    story.emit_with_id(0, to="sid1")
    first, second = Journeys(story.events).copies
    assert first.message is second.message
    assert (first.message.offset, first.message.born) == (0, first.seq)


def test_who_comes_for_the_first_time_after_a_trim_has_lost_what_the_log_forgot_then_and_the_rest_when_it_came() -> None:
    story = Replays("alice", relay=False)
    story.join("carol")
    story.publish()
    story.publish()
    story.settle()
    assert Judge(story.events).verdict().leg("server", "carol").lost == (
        ("#1", "carol was not connected"),
        ("#2", "carol was not connected"),
    )
    story.trim(2)
    trimmed = len(story.events) - 1
    story.connect("carol")
    story.settle()
    journeys = Journeys(story.events)
    forgotten, missed = (journeys.log.standing("carol").loss(message) for message in journeys.messages)
    assert forgotten == Loss(trimmed, "its history was truncated")
    assert missed is not None
    assert (missed.reason, missed.seq > trimmed) == ("it had no offset yet", True)
    assert all(journeys.log.standing("alice").loss(message) is None for message in journeys.messages)


def test_who_has_followed_the_log_follows_it_also_as_somebody_new() -> None:
    story = Replays("bob")
    story.settle()
    story.positions.clear()
    story.come_back("bob")
    assert [event.reason for event in story.events if event.kind == "session"] == ["new", "new"]
    assert Journeys(story.events).log.standing("bob").follows
