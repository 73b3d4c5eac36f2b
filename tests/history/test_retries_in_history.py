"""Histories of clients that keep and send again, and of a server that acknowledges, deduplicates and crashes: judged, drawn and said."""

import random
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_lab.history.copies import Copy
from realtime_lab.history.journeys import Journeys
from realtime_lab.history.looks import ARROWS
from realtime_lab.history.space_time import Arrow, Mark, layout
from realtime_lab.history.svg import svg
from realtime_lab.history.twin import text
from realtime_lab.history.verdict import Leg, verdict
from realtime_lab.history.words import Place, box_of, width
from tests.examples import every_fourth, examples
from tests.history.stories import Story
from tests.history.stories_of_retries import (
    BEFORE_COMMIT,
    LATE,
    RETRIES,
    Retries,
    crashed,
    given_up,
    handled_twice,
    held_ack,
    lost_ack,
    offline,
    queue,
    refreshed,
    retimed,
    turned_away,
    undefined_key,
)
from tests.history.test_space_time import SVG, assert_words_are_legible

every_story = pytest.mark.parametrize("name", RETRIES)


def up(story: Retries) -> Leg:
    return verdict(story.events).leg("alice", "server")


def copies(story: Retries) -> list[Copy]:
    return [copy for copy in Journeys(story.events).copies if copy.direction == "upstream"]


def arrows(story: Retries, style: str) -> list[Arrow]:
    return [arrow for arrow in layout(story.events).arrows if arrow.style == style]


def mark(story: Retries, style: str) -> Mark:
    (found,) = (each for each in layout(story.events).marks if each.style == style)
    return found


def said(story: Retries) -> list[str]:
    return text(layout(story.events)).splitlines()[2:]


# -- journeys ---------------------------------------------------------------------------------------------------------------------------


def test_a_try_is_a_copy_of_the_same_message_and_counts() -> None:
    journeys = Journeys(lost_ack().events)
    (message,) = journeys.messages
    assert [(copy.attempt, copy.connection and copy.connection.sid) for copy in message.copies] == [(1, "sid1"), (2, "sid2")]
    assert (message.tries, message.was_kept, message.kept, message.settled) == (2, True, False, "acked")


def test_what_the_server_knows_already_arrives_but_is_not_delivered() -> None:
    first, second = copies(lost_ack())
    assert (first.delivered, first.committed > first.handled > first.received) == (True, True)
    assert (second.fate, second.delivered, second.repeat, second.turned_away) == ("arrived", False, True, "duplicate")


@pytest.mark.parametrize("reason", ["gap", "conflict", "replaced", "given up"])
def test_what_is_turned_away_takes_its_place_and_is_no_repeat(reason: str) -> None:
    story = Retries("alice")
    story.hand_over("alice", story.keep("alice"))
    assert Journeys(story.events).outstanding("sid1", "upstream") == 1
    story.arrive("alice", reason)
    (copy,) = copies(story)
    assert (copy.fate, copy.delivered, copy.repeat) == ("arrived", False, False)
    assert Journeys(story.events).outstanding("sid1", "upstream") == 0


def test_places_are_explicit_so_that_what_came_out_of_turn_is_paired_right() -> None:
    """The server may hand the second event to its handler before the first one."""
    story = Retries("alice")
    for _ in range(2):
        story.hand_over("alice", story.keep("alice"))
    for number, index in ((0, 1), (1, 0)):
        story.journal.record("server", "received", message=number, sid="sid1", index=index, event="chat message")
    assert up(story).received == ("#2", "#1")
    assert up(story).reordered == ("#1",)


def test_an_acknowledgement_has_a_way_of_its_own() -> None:
    lost, came = (copy.ack for copy in copies(lost_ack()))
    assert lost is not None
    assert came is not None
    assert (lost.fate, lost.reason, lost.dropped > lost.answered >= 0) == ("lost", "the link was cut", True)
    assert (came.fate, came.reason, came.result, came.arrived > came.wire > came.answered) == ("arrived", "", "ok", True)
    (copy,) = copies(held_ack())
    assert copy.ack is not None
    assert (copy.ack.fate, copy.ack.held > 0) == ("in flight", True)


def test_an_acknowledgement_that_was_on_its_way_is_lost_when_the_client_gives_the_connection_up() -> None:
    story = held_ack()
    story.server_notices("alice")
    assert copies(story)[0].ack.fate == "in flight"  # type: ignore[union-attr]
    story.notice("alice")
    assert copies(story)[0].ack.fate == "lost"  # type: ignore[union-attr]


def test_a_foreign_client_is_acknowledged_when_the_link_has_let_it_pass() -> None:
    story = Retries()
    story.join("tab", "wire")
    story.foreign_emit("tab", story.connect("tab"))
    story.arrive("tab")
    (copy,) = copies(story)
    assert copy.ack is not None
    assert copy.ack.fate == "in flight"
    story.journal.record("tab", "wire", sid=copy.connection.sid, direction="downstream", type="ACK", answers=0)  # type: ignore[union-attr]
    assert copies(story)[0].ack.fate == "arrived"  # type: ignore[union-attr]
    assert len(arrows(story, "ack")) == 1


def test_an_acknowledgement_of_nothing_that_is_known_is_no_acknowledgement() -> None:
    story = Retries("alice")
    story.journal.record("server", "answered", sid="sid1", index=7, reason="ok")
    story.journal.record("alice", "acked", sid="sid1", index=7, reason="ok")
    story.journal.record("alice", "wire", sid="sid1", direction="downstream", type="ACK", answers=7)
    assert layout(story.events).arrows == ()


def test_an_acknowledgement_of_what_nobody_saw_arrive_is_counted_but_not_drawn() -> None:
    story = Retries("alice")
    number = story.keep("alice")
    story.hand_over("alice", number)
    story.ack("alice", number)
    assert copies(story)[0].ack.fate == "arrived"  # type: ignore[union-attr]
    assert not arrows(story, "ack")


def test_a_client_keeps_a_message_until_it_is_settled_thrown_away_or_forgotten() -> None:
    story = Retries("alice")
    kept = [story.keep("alice", "not connected") for _ in range(4)]

    def keeps() -> list[bool]:
        return [message.kept for message in Journeys(story.events).messages]

    assert keeps() == [True] * 4
    story.settled("alice", kept[0])
    story.journal.record("alice", "discarded", message=kept[1], reason="too old")
    story.journal.record("alice", "forgotten", message=kept[2], reason="the tab was refreshed")
    assert keeps() == [False, False, False, True]


def test_what_is_found_in_the_store_is_the_same_message_under_a_new_number() -> None:
    journeys = Journeys(refreshed(store=True).events)
    assert [message.label for message in journeys.messages] == ["#1", "#2"]
    assert [len(message.copies) for message in journeys.messages] == [1, 1]


def test_what_was_stored_before_the_history_began_is_a_message_too() -> None:
    story = Retries("alice")
    story.journal.record("alice", "restored", message=0, id="old:3", event="chat message", text="hi")
    story.tags["alice", 0] = story._tag("alice", "chat message")
    story.delivered("alice", 0)
    assert (up(story).sent, up(story).received) == (("#1",), ("#1",))


# -- verdict ----------------------------------------------------------------------------------------------------------------------------


def test_a_repeat_that_is_answered_again_is_no_duplicate() -> None:
    assert (up(lost_ack()).received, up(lost_ack()).duplicated, up(lost_ack()).lost) == (("#1",), (), ())
    assert verdict(lost_ack().events).refuted == ()


def test_what_two_tries_brought_to_handlers_is_a_duplicate() -> None:
    assert up(handled_twice()).duplicated == ("#1",)
    assert verdict(handled_twice().events).refuted == ("at most once", "exactly once")


def test_what_was_undone_and_handled_again_counts_once() -> None:
    leg = up(crashed())
    assert (leg.received, leg.duplicated, leg.lost, leg.acked_unhandled) == (("#1", "#2"), (), (), ())


def test_what_was_undone_waits_while_its_client_keeps_it_and_is_lost_when_nobody_does() -> None:
    story = Retries("alice")
    number = story.keep("alice")
    story.hand_over("alice", number)
    reception = story.arrive("alice", "running")
    assert up(story).arrived == 1
    story.crash()
    story.undo(reception)
    assert (up(story).in_flight, up(story).lost) == (("#1",), ())
    story.settled("alice", number, "unknown", "the connection ended")
    assert (up(story).in_flight, up(story).lost, up(story).unknown) == ((), (("#1", BEFORE_COMMIT),), ("#1",))


def test_what_was_acknowledged_before_the_commit_and_undone_is_the_unforgivable_fault() -> None:
    story = Retries("alice")
    number = story.keep("alice")
    story.hand_over("alice", number)
    reception = story.arrive("alice")
    story.ack("alice", number)
    story.settled("alice", number)
    assert up(story).acked_unhandled == ()
    story.crash()
    story.undo(reception)
    assert up(story).acked_unhandled == verdict(story.events).acked_unhandled == ("#1",)
    assert "acknowledged but never handled: #1 between alice and server" in verdict(story.events).sentences


def test_what_is_taken_for_a_duplicate_of_another_message_is_lost_although_acknowledged() -> None:
    leg = up(undefined_key())
    assert leg.lost == (("#2", "the server took it for a duplicate"),)
    assert leg.acked_unhandled == ("#2",)
    assert str(leg) == "alice to server: 2 sent, 1 arrived, 1 lost (#2), 1 acknowledged but never handled (#2)"
    assert verdict(undefined_key().events).sentences[0] == "acknowledged but never handled: #2 between alice and server"


def test_a_message_that_is_kept_is_on_its_way_before_it_was_ever_sent() -> None:
    story = Retries("alice")
    story.both_notice("alice")
    story.keep("alice", "not connected")
    assert (up(story).sent, up(story).in_flight, up(story).lost) == (("#1",), ("#1",), ())


def test_what_nobody_keeps_and_nobody_sent_is_lost_for_the_reason_that_was_recorded() -> None:
    assert up(refreshed(store=False)).lost == (("#1", "the tab was refreshed"), ("#2", "the tab was refreshed"))
    assert up(offline()).lost == (("#4", "volatile, and not connected"),)
    story = Retries("alice")
    story.settled("alice", story.keep("alice", "not connected"), "unknown", "the client was closed")
    assert up(story).lost == (("#1", "its client never sent it"),)


def test_a_lost_message_says_after_how_many_tries_it_was_given_up() -> None:
    leg = up(given_up())
    assert leg.lost == (("#1", "given up after 2 tries"),)
    assert (leg.received, leg.unknown) == (("#2",), ("#1",))
    assert str(leg) == "alice to server: 2 sent, 1 arrived, 1 lost (#1), 1 of unknown fate to its sender (#1)"


def test_a_tombstone_is_neither_an_arrival_nor_a_loss_nor_on_its_way() -> None:
    story = Retries("alice")
    number = story.keep("alice")
    story.hand_over("alice", number)
    story.arrive("alice", answer=False)
    story.time_out("alice", number)
    story.settled("alice", number, "unknown", LATE)
    before = up(story)
    story.hand_over("alice", number, 0, "given up")
    assert up(story) == before
    story.arrive("alice", "given up")
    assert up(story) == before
    assert (before.received, before.unknown) == (("#1",), ("#1",)), "it arrived, but its sender will never know"


def test_a_message_that_the_handler_refused_for_good_was_given_to_a_handler() -> None:
    story = Retries("alice")
    number = story.keep("alice")
    story.hand_over("alice", number)
    reception = story.arrive("alice", "failed")
    story.undo(reception)
    story.ack("alice", number, "ValueError: no")
    assert up(story).in_flight == ("#1",)
    story.settled("alice", number, "rejected")
    assert (up(story).received, up(story).lost, up(story).acked_unhandled) == (("#1",), (), ())


def test_a_handler_that_refused_for_good_and_had_nothing_to_undo_was_given_the_message_once() -> None:
    story = Retries("alice")
    number = story.keep("alice")
    story.hand_over("alice", number)
    story.arrive("alice", "failed")
    story.settled("alice", number, "rejected")
    assert (up(story).received, up(story).duplicated) == (("#1",), ())


def test_what_was_on_its_way_to_a_server_that_crashed_is_lost_for_that_reason() -> None:
    story = Retries("alice")
    story.emit("alice")
    story.crash()
    assert up(story).lost == (("#1", "the server crashed"),)


def test_a_conflict_is_lost_and_says_why() -> None:
    story = Retries("alice")
    number = story.keep("alice")
    story.hand_over("alice", number)
    story.arrive("alice", "conflict")
    story.settled("alice", number, "rejected")
    assert up(story).lost == (("#1", "its id was taken by another one"),)


def test_the_order_is_that_of_the_first_receptions_that_last() -> None:
    """#1 is undone and comes again after #2."""
    story = Retries("alice")
    first, second = story.keep("alice"), story.keep("alice")
    story.hand_over("alice", first)
    reception = story.arrive("alice", "running")
    story.hand_over("alice", second)
    story.arrive("alice")
    assert up(story).reordered == ()
    story.undo(reception)
    story.hand_over("alice", first, 2)
    story.arrive("alice")
    assert (up(story).received, up(story).reordered) == (("#2", "#1"), ("#1",))


def test_end_to_end_what_is_kept_is_on_its_way_and_what_is_forgotten_is_lost() -> None:
    story = Retries("alice", "bob", relay=True)
    story.delivered("alice", story.keep("alice"))
    story.carry("bob", "downstream")
    story.both_notice("alice")
    number = story.keep("alice", "not connected")
    assert verdict(story.events).leg("alice", "bob").in_flight == ("#2",)
    story.journal.record("alice", "forgotten", message=number, reason="the tab was refreshed")
    assert verdict(story.events).leg("alice", "bob").lost == (("#2", "the tab was refreshed"),)


def test_a_sender_that_asked_for_no_acknowledgement_is_not_said_to_miss_it() -> None:
    story = Retries("alice")
    number = story.emitted("alice")
    story.hand_over("alice", number)
    story.settled("alice", number, "unknown")
    assert up(story).unknown == ()


# -- in words ---------------------------------------------------------------------------------------------------------------------------


def test_a_lost_acknowledgement_in_words() -> None:
    assert said(lost_ack()) == [
        " alice -> server  #1  arrived",
        "-- alice: the link was cut --",
        "server -> alice   ack #1  lost: the link was cut",
        "-- alice: disconnected --",
        "-- alice: the link was restored --",
        "-- alice: connected again --",
        " alice -> server  #1 try 2  arrived, not handled: the server took it for a duplicate",
    ]


def test_a_timeout_that_is_shorter_than_the_handler_in_words() -> None:
    assert said(handled_twice()) == [
        " alice -> server  #1  arrived",
        "-- alice: #1 timeout: no acknowledgement in 2 s --",
        " alice -> server  #1 try 2  arrived and handled again",
        "-- server: handlers finished in the order #1 try 2 #1 --",
    ]


def test_an_offline_client_in_words() -> None:
    assert said(offline()) == [
        "-- alice: the link was cut --",
        "-- alice: disconnected --",
        "-- alice: #1 #2 #3 kept until it is connected --",
        "-- alice: #4 thrown away: volatile, and not connected --",
        "-- alice: the link was restored --",
        "-- alice: connected again --",
        " alice -> server  #1 #2 #3  arrived",
        "server -> bob     #1 #2 #3  arrived",
    ]


def test_a_crash_in_words() -> None:
    assert said(crashed()) == [
        " alice -> server  #1 #2  arrived",
        "-- server: the server crashed --",
        "-- alice: disconnected --",
        f"-- server: #2 undone: {BEFORE_COMMIT} --",
        "-- server: the server was started again --",
        "-- alice: connected again --",
        " alice -> server  #2 try 2  arrived",
    ]


def test_a_message_that_is_given_up_in_words() -> None:
    assert [line for line in said(given_up()) if "#" in line] == [
        " alice -> server  #1  lost: the link was stalled",
        "-- alice: #1 timeout: no acknowledgement in 2 s --",
        " alice -> server  #1 try 2  lost: the link was cut",
        "-- alice: #1 given up: its fate is unknown --",
        " alice -> server  #1 skip  its sender has given it up",
        " alice -> server  #2  arrived",
    ]


@pytest.mark.parametrize(
    ("store", "line"), [(True, "#1 #2 read from the store"), (False, "#1 #2 lost with the buffer: the tab was refreshed")]
)
def test_a_refreshed_tab_in_words(store: bool, line: str) -> None:
    assert said(refreshed(store=store))[1:3] == ["-- alice: #1 #2 kept until it is connected --", f"-- alice: {line} --"]


def test_a_gap_and_a_rejection_in_words() -> None:
    assert said(turned_away())[:1] == [" alice -> server  #2  arrived, not handled: an earlier one was missing"]
    story = turned_away()
    number = story.keep("alice")
    story.hand_over("alice", number)
    story.arrive("alice", "conflict")
    story.ack("alice", number, "conflict")
    story.settled("alice", number, "rejected")
    assert said(story)[-2:] == [
        " alice -> server  #3  arrived, not handled: its id was taken by another one",
        "-- alice: #3 rejected by the server --",
    ]


# -- steps ------------------------------------------------------------------------------------------------------------------------------


def test_an_acknowledgement_leaves_where_its_message_came_and_lets_the_next_one_go() -> None:
    """A window of one: sent, handled, acknowledged, and only then the next one."""
    messages, acks = (
        [arrow for arrow in arrows(queue(3), style) if "alice" in (arrow.sender, arrow.receiver)] for style in ("arrived", "ack")
    )
    assert [ack.start for ack in acks] == [message.end for message in messages]
    for ack, following in pairwise([each for pair in zip(acks, messages[1:], strict=False) for each in pair][:2]):
        assert ack.end < following.start


def test_a_client_that_does_not_wait_sends_on_whenever_the_acknowledgement_comes() -> None:
    pictures = []
    for early in (True, False):
        story = Retries("alice")
        first, second = story.keep("alice"), None
        story.hand_over("alice", first)
        story.arrive("alice")
        if early:
            story.ack("alice", first)
        second = story.keep("alice")
        story.hand_over("alice", second)
        if not early:
            story.ack("alice", first)
        story.arrive("alice")
        story.ack("alice", second)
        pictures.append(svg(layout(story.events)))
    assert pictures[0] == pictures[1]


def test_another_try_stands_behind_what_caused_it() -> None:
    (refusal, *_), (again,) = arrows(turned_away(), "ack"), arrows(turned_away(), "again")
    assert refusal.end < again.start
    twice, timeout = arrows(handled_twice(), "twice")[0], mark(handled_twice(), "timeout")
    assert timeout.step < twice.start


def test_a_late_answer_leaves_behind_what_the_server_was_given_meanwhile() -> None:
    (ack,), (twice,) = arrows(handled_twice(), "ack"), arrows(handled_twice(), "twice")
    assert ack.start > twice.end


def test_an_answer_that_waits_for_the_first_try_s_commit_leaves_behind_the_second_try() -> None:
    story = Retries("alice")
    number = story.keep("alice")
    story.hand_over("alice", number)
    reception, place = story.arrive("alice", "running"), story.places["alice", number]
    story.time_out("alice", number)
    story.hand_over("alice", number, 2)
    story.arrive("alice", "duplicate", answer=False)
    story.handled("server", reception)
    story.journal.record("server", "answered", sid=place[0], index=place[1], reason="ok")
    story.ack("alice", number, place=place)
    assert arrows(story, "ack")[0].start >= arrows(story, "repeat")[0].end


def test_a_client_loses_its_connection_behind_the_acknowledgements_that_it_got() -> None:
    story = Retries("alice")
    story.delivered("alice", story.keep("alice"))
    story.both_notice("alice")
    assert arrows(story, "ack")[0].end < mark(story, "disconnected").step


def test_what_is_read_from_an_old_store_waits_for_its_turn_as_well() -> None:
    story = Retries("alice")
    for number in (0, 1):
        story.journal.record("alice", "restored", message=number, id=f"old:{number}", event="chat message")
        story.tags["alice", number] = story._tag("alice", "chat message")
    for number in (0, 1):
        story.delivered("alice", number)
    assert arrows(story, "ack")[0].end < arrows(story, "arrived")[1].start


def test_the_server_s_lane_is_interrupted_between_crash_and_restart_and_the_client_notices_behind_the_crash() -> None:
    lane = next(lane for lane in layout(crashed().events).lanes if lane.name == "server")
    crash, restart = mark(crashed(), "crash"), mark(crashed(), "restart")
    assert lane.online == ((0, crash.step), (restart.step, layout(crashed().events).steps))
    assert crash.step < mark(crashed(), "disconnected").step
    assert crash.step < mark(crashed(), "undone").step < restart.step
    assert [each.step for each in layout(crashed().events).marks if each.style == "connected"][-1] > restart.step
    assert not [each for each in layout(crashed().events).marks if each.style == "hung up"], "the crash says it"


def test_a_crash_by_hand_stands_behind_what_was_sent_before_and_before_what_was_sent_later() -> None:
    story = Retries("alice", "bob")
    for _ in range(3):
        story.hand_over("alice", story.keep("alice"))
    story.crash("crash()")
    story.hand_over("bob", story.keep("bob"))
    crash = mark(story, "crash")
    assert [arrow.start < crash.step for arrow in layout(story.events).arrows] == [True, True, True, False]


@pytest.mark.parametrize("emitted", range(4))
def test_a_crash_at_one_of_its_points_stands_where_the_server_was_however_much_had_been_emitted(emitted: int) -> None:
    story = Retries("alice", "bob")
    story.hand_over("alice", story.keep("alice"))
    story.arrive("alice", "running")
    for _ in range(emitted):
        story.hand_over("bob", story.keep("bob"))
    story.crash()
    assert mark(story, "crash").step == arrows(story, "arrived")[0].end + 1


@pytest.mark.parametrize("times", [2, 3])
def test_a_server_that_crashes_again_and_again_does_not_hang_up_besides_and_its_lane_is_interrupted_each_time(times: int) -> None:
    story = Retries("alice")
    for _ in range(times):
        story.crash("crash()")
        story.restart()
    story.notice("alice")
    crashes, (server,) = (
        [each.step for each in layout(story.events).marks if each.style == "crash"],
        (lane for lane in layout(story.events).lanes if lane.name == "server"),
    )
    assert mark(story, "disconnected").step > crashes[0]
    assert [end for _, end in server.online] == [*crashes, layout(story.events).steps]
    assert [start for start, _ in server.online] == [0, *(each.step for each in layout(story.events).marks if each.style == "restart")]
    assert not [each for each in layout(story.events).marks if each.style == "hung up"]


def test_before_a_client_notices_a_crash_nothing_says_that_the_server_hung_up() -> None:
    story = Retries("alice")
    story.crash()
    assert [each.style for each in layout(story.events).marks] == ["connected", "crash"]


def test_an_answer_leaves_where_its_handler_returned_if_others_returned_before() -> None:
    story = Retries("alice")
    for number in (story.keep("alice"), story.keep("alice")):
        story.hand_over("alice", number)
    first, second = story.arrive("alice", "running"), story.arrive("alice", "running")
    story.journal.record("alice", "wire", sid="sid1", direction="upstream", type="ACK", answers=0)  # what alice answers is none of these
    for reception in (second, first):
        story.handled("server", reception)
        story.journal.record("server", "answered", sid="sid1", index=reception, reason="ok")
        story.ack("alice", reception)
    done = [each.step for each in layout(story.events).marks if each.style == "done"]
    assert [arrow.start for arrow in arrows(story, "ack")] == done


def test_an_answer_that_was_given_before_the_timeout_leaves_where_its_message_came_however_late_it_comes() -> None:
    story = Retries("alice", "bob")
    number = story.keep("alice")
    story.hand_over("alice", number)
    story.arrive("alice")
    story.time_out("alice", number)
    story.delivered("bob", story.keep("bob"))
    story.ack("alice", number)
    assert [arrow.start for arrow in arrows(story, "ack") if arrow.receiver == "alice"] == [arrows(story, "arrived")[0].end]


def test_an_answer_that_is_given_behind_a_fault_leaves_there() -> None:
    story = Retries("alice")
    number = story.keep("alice")
    story.hand_over("alice", number)
    reception = story.arrive("alice", "running")
    story.stall("alice")
    story.handled("server", reception)
    story.journal.record("server", "answered", sid="sid1", index=0, reason="ok")
    story.ack("alice", number, fate="held")
    assert arrows(story, "arrived")[0].end <= mark(story, "stall").step < arrows(story, "held")[0].start


@pytest.mark.parametrize(("seen", "style"), [("held", "held"), ("acked", "ack")])
def test_an_answer_that_the_server_did_not_record_leaves_where_its_message_came(seen: str, style: str) -> None:
    story = Retries("alice")
    number = story.keep("alice")
    story.hand_over("alice", number)
    story.arrive("alice", answer=False)
    if seen == "held":
        story.ack("alice", number, fate="held")
    else:
        story.journal.record("alice", "acked", message=number, sid="sid1", index=0, reason="ok")
    assert [arrow.start for arrow in arrows(story, style)] == [arrows(story, "arrived")[0].end]


def test_a_client_is_disconnected_behind_an_answer_of_which_it_said_nothing() -> None:
    story = Retries("alice", "bob")
    number = story.emitted("alice")
    story.hand_over("alice", number)
    reception = story.arrive("alice", "running")
    story.time_out("alice", number)
    story.settled("alice", number, "unknown", LATE)
    for _ in range(3):
        story.delivered("bob", story.keep("bob"))
    story.handled("server", reception)
    story.crossing_ack("alice", 0)
    story.both_notice("alice")
    (late,) = (arrow for arrow in arrows(story, "ack") if arrow.receiver == "alice")
    assert late.end < mark(story, "disconnected").step


def test_a_server_that_never_crashed_has_no_segments() -> None:
    assert all(lane.online == () for lane in layout(queue().events).lanes if lane.name == "server")


def test_waiting_for_its_turn_does_not_show_and_waiting_for_the_connection_is_one_mark() -> None:
    assert not [each for each in layout(queue().events).marks if each.style == "buffered"]
    assert mark(offline(), "buffered").labels == "#1 #2 #3"


def test_what_is_kept_in_two_absences_is_two_marks() -> None:
    story = Retries("alice")
    for _ in range(2):
        story.both_notice("alice")
        story.keep("alice", "not connected")
        story.connect("alice")
    assert [each.labels for each in layout(story.events).marks if each.style == "buffered"] == ["#1", "#2"]


def test_a_failed_handler_is_not_marked_a_second_time_as_undone() -> None:
    story = Retries("alice")
    story.hand_over("alice", story.keep("alice"))
    reception = story.arrive("alice", "failed")
    story.undo(reception)
    assert [each.style for each in layout(story.events).marks if each.lane == "server"] == ["failed"]


def test_an_acknowledgement_that_the_link_held_comes_after_it_has_resumed() -> None:
    story = held_ack()
    story.resume("alice")
    story.ack("alice", 0)
    (ack,) = arrows(story, "ack")
    assert ack.start < mark(story, "resume").step < ack.end


# -- the drawing ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("story", "styles"),
    [
        (lost_ack, {"arrived", "repeat", "ack", "lost ack"}),
        (handled_twice, {"arrived", "twice", "ack"}),
        (offline, {"arrived", "ack"}),
        (crashed, {"arrived", "again", "ack"}),
        (given_up, {"arrived", "lost", "skip", "ack"}),
        (turned_away, {"arrived", "again", "repeat", "ack"}),
        (held_ack, {"arrived", "held"}),
    ],
)
def test_each_kind_of_arrow_has_its_style_and_its_word_in_the_legend(story: Callable[[], Retries], styles: set[str]) -> None:
    drawn = layout(story().events)
    assert {arrow.style for arrow in drawn.arrows} == styles
    written = {node.text for node in ET.fromstring(svg(drawn)).findall(f"{SVG}text")}
    assert {ARROWS[style].word for style in styles} == written & {style.word for style in ARROWS.values()}


@every_story
@pytest.mark.parametrize("last", [None, 3, 7, 18])
def test_words_never_lie_on_words_and_are_never_cut_off(name: str, last: int | None) -> None:
    assert_words_are_legible(svg(layout(RETRIES[name]().events, last=last)))


@every_story
def test_the_words_of_the_legend_do_not_lie_on_each_other(name: str) -> None:
    nodes = ET.fromstring(svg(layout(RETRIES[name]().events, last=18))).findall(f"{SVG}text")
    legend = [node for node in nodes if "paint-order" in node.get("style", "")]
    spans = sorted(box_of(Place(float(node.get("x", 0)), 0, node.get("text-anchor", "")), width(node.text or ""))[::2] for node in legend)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))


@every_story
def test_every_word_of_the_stories_finds_its_place(name: str) -> None:
    drawn = layout(RETRIES[name]().events)
    (plot,) = ET.fromstring(svg(drawn)).findall(f"{SVG}svg")
    written = Counter(node.text or "" for node in plot.iter(f"{SVG}text"))
    wanted = [f"{each.labels} {each.word}".strip() for each in drawn.marks if each.step > 0 or each.style != "connected"]
    assert not Counter([*wanted, *(arrow.label for arrow in drawn.arrows if arrow.style != "ack")]) - written


@every_story
def test_every_mark_and_arrow_has_a_tooltip(name: str) -> None:
    drawn = layout(RETRIES[name]().events)
    titles = Counter(node.text for node in ET.fromstring(svg(drawn)).iter(f"{SVG}title"))
    about = [f"{each.lane}: {f'{each.labels} ' if each.labels else ''}{each.sentence}" for each in drawn.marks]
    reasons = [f" ({each.reason})" if each.reason else "" for each in drawn.marks]
    assert titles == Counter([drawn.summary, *(arrow.sentence for arrow in drawn.arrows), *map("".join, zip(about, reasons, strict=True))])


def test_many_kept_messages_are_named_by_the_first_and_the_last() -> None:
    story = Retries("alice")
    story.both_notice("alice")
    for _ in range(20):
        story.keep("alice", "not connected")
    assert ">#1…#20 kept</text>" in svg(layout(story.events))
    assert "#19 #20 kept until it is connected" in text(layout(story.events))


# -- any run ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", every_fourth(RETRIES))
@settings(deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_picture_does_not_depend_on_how_fast_acknowledgements_are(name: str, choose: random.Random) -> None:
    events = RETRIES[name]().events
    other = retimed(events, choose)
    assert text(layout(other)) == text(layout(events))
    assert svg(layout(other)) == svg(layout(events))
    assert str(verdict(other)) == str(verdict(events))


@pytest.mark.parametrize("name", every_fourth(RETRIES))
def test_every_beginning_can_be_judged_and_drawn(name: str) -> None:
    events = RETRIES[name]().events
    for end in range(len(events) + 1):
        drawn = layout(events[:end], last=5)
        ET.fromstring(svg(drawn))
        assert text(layout(events[:end]))
        assert str(verdict(events[:end]))


STEPS = [
    "keep",
    "keep offline",
    "send",
    "arrive",
    "duplicate",
    "gap",
    "skip",
    "ack",
    "drop ack",
    "time out",
    "settle",
    "cut",
    "crash",
    "back",
]


def perform(story: Retries, what: str, pick: int) -> None:
    """One thing that a client, a link or the server may do now."""
    number = pick % max(story._emissions["alice"], 1)
    if what.startswith("keep"):
        story.keep("alice", "not connected" if what == "keep offline" else "waits for its turn")
    elif what == "back" and "alice" not in story.believes:
        story.restart()
        story.restore("alice")
        story.connect("alice")
    elif what in ("cut", "crash") and story.accepted:
        story.cut("alice") if what == "cut" else story.crash()
        story.both_notice("alice")
    elif ("alice", number) in story.tags and what == "settle":
        story.settled("alice", number, ("acked", "rejected", "unknown")[pick % 3], LATE)
    elif ("alice", number) in story.tags and what in ("send", "skip") and "alice" in story.believes:
        story.hand_over("alice", number, pick % 3 + 1, "given up" if what == "skip" else "")
    elif what in ("arrive", "duplicate", "gap") and story.links["alice"].queues["upstream"]:
        story.arrive("alice", "handled" if what == "arrive" else what)
    elif ("alice", number) in story.places and what in ("ack", "drop ack", "time out"):
        story.time_out("alice", number) if what == "time out" else story.ack("alice", number, fate="wire" if what == "ack" else "dropped")


@settings(max_examples=examples(150), deadline=None)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 5)), max_size=60), st.none() | st.integers(1, 18))
def test_any_run_can_be_judged_said_and_drawn(script: list[tuple[str, int]], last: int | None) -> None:
    story = Retries("alice", "bob")
    for what, pick in script:
        perform(story, what, pick)
    leg = next((leg for leg in verdict(story.events).legs if leg.name == "alice to server"), None)
    drawn = layout(story.events, last=last)
    assert_words_are_legible(svg(drawn))
    assert not re.search(r"None|Spot", text(drawn))
    if leg is not None:
        undecided, lost = set(leg.in_flight), {label for label, _ in leg.lost}
        assert not undecided & lost
        assert undecided | lost | set(leg.received) == set(leg.sent)
        assert not (undecided | lost) & set(leg.received)
        assert set(leg.acked_unhandled) <= undecided | lost
        assert all(reason for _, reason in leg.lost)


def test_what_the_server_rejects_has_a_mark_of_its_own() -> None:
    story = Retries("alice")
    story.hand_over("alice", story.keep("alice"))
    story.arrive("alice", "failed")
    story.ack("alice", 0, "rejected")
    story.settled("alice", 0, "rejected", "ValueError: no")
    found = mark(story, "rejected")
    assert (found.word, found.sentence, found.labels) == ("rejected", "rejected by the server", "#1")


def test_a_client_that_turns_away_its_first_packet_throws_nothing_away() -> None:
    """What it was given before the break comes again as the first packet of the new connection."""
    story = Story("bob")
    sid = story.believes["bob"]
    story.publish()
    story.journal.record("bob", "wire", sid=sid, direction="downstream", index=0, event="chat message", type="EVENT")
    story.journal.record("bob", "discarded", sid=sid, index=0, event="chat message", offset=1, reason="repeat")
    (turned_away,) = Journeys(story.events).copies
    assert turned_away.turned_away == "repeat"
    assert not [each for each in layout(story.events).marks if each.style == "discarded"]
