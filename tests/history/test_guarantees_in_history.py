"""What is told late, what earlier runs left, what waits for what, and crowded pictures. See also test_retries_in_history.py."""

import random
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_lab.history.copies import Ack, Copy
from realtime_lab.history.journal import NOT_ASKED
from realtime_lab.history.journeys import Journeys
from realtime_lab.history.looks import ARROWS
from realtime_lab.history.space_time import Arrow, Mark, layout
from realtime_lab.history.svg import NOTE, svg
from realtime_lab.history.twin import text
from realtime_lab.history.verdict import Leg, verdict
from realtime_lab.history.words import Place, box_of, width
from tests.examples import examples
from tests.history.stories_of_retries import LATE, RETRIES, Retries, earlier_tombstone, everything, late_ack, queue, retimed, two_answers
from tests.history.test_space_time import SVG, assert_words_are_legible


def up(story: Retries) -> Leg:
    return verdict(story.events).leg("alice", "server")


def copies(story: Retries) -> list[Copy]:
    return [copy for copy in Journeys(story.events).copies if copy.direction == "upstream"]


def ack(story: Retries, nth: int = 0) -> Ack:
    found = copies(story)[nth].ack
    assert found is not None
    return found


def arrows(story: Retries, style: str) -> list[Arrow]:
    return [arrow for arrow in layout(story.events).arrows if arrow.style == style]


def marks(story: Retries, style: str) -> list[Mark]:
    return [mark for mark in layout(story.events).marks if mark.style == style]


def said(story: Retries) -> list[str]:
    return text(layout(story.events)).splitlines()[2:]


# -- late acknowledgements --------------------------------------------------------------------------------------------------------------


def test_an_acknowledgement_that_crossed_after_the_timeout_is_not_lost_when_the_connection_ends() -> None:
    story = late_ack()
    assert (ack(story).fate, ack(story).late, ack(story).arrived) == ("arrived", True, -1)
    assert not [line for line in said(story) if " ack #" in line]
    assert [line for line in said(story) if "#1" in line] == [
        " alice -> server  #1  arrived",
        f"-- alice: #1 timeout: {LATE} --",
        "-- alice: #1 given up: its fate is unknown --",
    ]


def test_a_late_acknowledgement_comes_behind_the_timeout_and_before_the_connection_ends() -> None:
    (way,), (timeout,), (end,) = arrows(late_ack(), "ack"), marks(late_ack(), "timeout"), marks(late_ack(), "disconnected")
    assert timeout.step < way.end < end.step
    assert not arrows(late_ack(), "lost ack")


@pytest.mark.parametrize("second", ["before", "after"])
def test_the_second_answer_to_what_is_settled_already_came_as_well(second: str) -> None:
    """Two tries are answered; the first answer settles the message, the second one only crosses the link, before that or after."""
    story = two_answers(second)
    assert [(ack(story, nth).fate, ack(story, nth).arrived >= 0) for nth in (0, 1)] == [("arrived", True), ("arrived", False)]
    assert len(arrows(story, "ack")) == 2
    assert not [line for line in said(story) if " ack #" in line]


def test_what_came_to_a_client_that_waits_is_drawn_where_the_client_says_so() -> None:
    """On the wire it has not arrived yet, unless nobody waits."""
    story = Retries("alice")
    number = story.keep("alice")
    story.hand_over("alice", number)
    story.arrive("alice")
    story.journal.record("alice", "wire", sid="sid1", direction="downstream", type="ACK", answers=0)
    assert (ack(story).fate, arrows(story, "ack")) == ("in flight", [])
    story.both_notice("alice")
    assert (ack(story).fate, ack(story).reason) == ("lost", "the connection had ended (transport close)")


def test_an_acknowledgement_whose_connection_ended_before_it_came_is_lost_although_another_one_settled_the_message_later() -> None:
    story = Retries("alice")
    number = story.keep("alice")
    story.hand_over("alice", number)
    story.arrive("alice")
    story.journal.record("alice", "wire", sid="sid1", direction="downstream", type="ACK", answers=0)
    story.both_notice("alice")
    story.connect("alice")
    story.delivered("alice", number, 2, "duplicate")
    assert [ack(story, nth).fate for nth in (0, 1)] == ["lost", "arrived"]


def test_a_lost_acknowledgement_stops_at_the_link_of_a_client_that_is_two_lanes_away() -> None:
    story = Retries("alice", "bob", "carol")
    number = story.keep("carol")
    story.hand_over("carol", number)
    story.arrive("carol")
    story.cut("carol", 'cut(before="ack #1")')
    story.ack("carol", number, fate="dropped")
    (way,) = arrows(story, "lost ack")
    assert (way.reach, way.end) == (0.75, way.start + 0.75)


def test_what_crossed_the_link_is_not_dropped_by_it_any_more() -> None:
    story = late_ack(over=False)
    story.ack("alice", 0, fate="dropped")
    assert (ack(story).fate, ack(story).dropped) == ("arrived", -1)


def test_an_acknowledgement_that_is_lost_with_its_connection_says_what_broke_that() -> None:
    story = Retries("alice")
    number = story.keep("alice")
    story.hand_over("alice", number)
    story.arrive("alice")
    story.stall("alice")
    story.ack("alice", number, fate="held")
    story.both_notice("alice", "ping timeout")
    assert "server -> alice   ack #1  lost: the link was stalled" in said(story)


# -- tombstones -------------------------------------------------------------------------------------------------------------------------


def test_a_tombstone_is_no_try() -> None:
    story = Retries("alice")
    number = story.keep("alice")
    story.hand_over("alice", number)
    story.hand_over("alice", number, 1, "given up")
    (message,) = Journeys(story.events).messages
    assert (message.tries, len(message.copies)) == (1, 2)


@pytest.mark.parametrize(("tries", "tombstone", "words"), [(1, True, "1 try"), (2, False, "2 tries"), (3, True, "3 tries")])
def test_what_was_sent_again_or_skipped_and_is_unknown_was_given_up(tries: int, tombstone: bool, words: str) -> None:
    story = Retries("alice")
    number = story.keep("alice")
    for attempt in range(1, tries + 1):
        story.hand_over("alice", number, attempt)
    story.cut("alice")
    story.both_notice("alice")
    story.settled("alice", number, "unknown", LATE)
    if tombstone:
        story.restore("alice")
        story.connect("alice")
        story.hand_over("alice", number, 1, "given up")
    assert up(story).lost == (("#1", f"given up after {words}"),)


def test_what_was_sent_once_and_never_given_up_is_lost_for_the_link_s_reason() -> None:
    story = Retries("alice")
    number = story.keep("alice")
    story.hand_over("alice", number)
    story.cut("alice")
    story.both_notice("alice")
    story.settled("alice", number, "unknown", "the connection ended before an acknowledgement came")
    assert (up(story).lost, up(story).unknown) == ((("#1", "the link was cut"),), ("#1",))


def test_a_tombstone_that_the_store_kept_is_about_the_same_message() -> None:
    story = earlier_tombstone(known=True)
    (message,) = Journeys(story.events).messages
    assert (message.tries, message.kept, [copy.tombstone for copy in message.copies]) == (1, False, [False, True])
    assert said(story)[-2:] == ["-- alice: connected again --", " alice -> server  #1 skip  its sender has given it up"]
    assert up(story).lost == (("#1", "given up after 1 try"),)


def test_a_tombstone_of_a_message_from_before_the_history_has_no_number_and_is_not_judged() -> None:
    story = earlier_tombstone(known=False)
    assert said(story)[-2:] == [" alice -> server  earlier skip  its sender has given it up", " alice -> server  #1  arrived"]
    assert str(up(story)) == "alice to server: 1 sent, 1 arrived"
    (skip,) = arrows(story, "skip")
    assert skip.sentence == "an earlier message from alice to server, tombstone: its sender has given it up"
    assert not marks(story, "restored")


def test_a_timeout_of_a_tombstone_from_before_the_history_can_be_said() -> None:
    story = earlier_tombstone(known=False, answered=False)
    story.time_out("alice", 5)
    assert f"-- alice: earlier timeout: {LATE} --" in said(story)
    assert ">earlier timeout</text>" in svg(layout(story.events))


# -- what waits, and for what -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("numbered", [True, False])
def test_what_was_kept_offline_waits_for_acknowledgements_only_if_it_travels_under_a_number(numbered: bool) -> None:
    """A buffer alone lets everything go at once when it is connected; a retry queue lets one go after the other."""
    story = Retries("alice")
    story.both_notice("alice")
    kept = [story.keep("alice", "not connected", id=numbered) for _ in range(2)]
    story.connect("alice")
    for number in kept:
        story.delivered("alice", number)
    (answer, _), (_, second) = arrows(story, "ack"), arrows(story, "arrived")
    assert (answer.end < second.start) == numbered


def test_a_fate_that_nobody_asked_for_is_not_said_to_be_unknown() -> None:
    story = Retries("alice")
    number = story.keep("alice", "not connected", id=False)
    story.hand_over("alice", number)
    story.arrive("alice", answer=False)
    story.settled("alice", number, "unknown", NOT_ASKED)
    assert (up(story).unknown, marks(story, "unknown")) == ((), [])


def test_what_was_thrown_away_or_forgotten_is_not_marked_a_second_time_when_it_is_settled() -> None:
    story = Retries("alice")
    story.both_notice("alice")
    kept = [story.keep("alice", "not connected") for _ in range(3)]
    story.journal.record("alice", "discarded", message=kept[0], reason="too old")
    story.settled("alice", kept[0], "rejected", "too old")
    story.journal.record("alice", "discarded", message=kept[1], reason="too old")
    story.settled("alice", kept[1], "unknown", "too old")
    story.journal.record("alice", "forgotten", message=kept[2], reason="the client started anew")
    story.settled("alice", kept[2], "unknown", "the client started anew")
    assert said(story)[-2:] == ["-- alice: #1 #2 thrown away: too old --", "-- alice: #3 lost with the buffer: the client started anew --"]
    assert up(story).lost == (("#1", "too old"), ("#2", "too old"), ("#3", "the client started anew"))


# -- steps ------------------------------------------------------------------------------------------------------------------------------


def test_an_answer_that_was_given_when_the_link_was_stalled_leaves_behind_the_stall() -> None:
    story = Retries("alice")
    number = story.keep("alice")
    story.hand_over("alice", number)
    story.arrive("alice", "running")
    story.stall("alice")
    story.handled("server", 0)
    story.journal.record("server", "answered", sid="sid1", index=0, reason="ok")
    story.ack("alice", number, fate="held")
    (held,), (stall,) = arrows(story, "held"), marks(story, "stall")
    assert stall.step < held.start


def test_a_late_acknowledgement_comes_behind_the_timeout_however_early_it_left() -> None:
    story = Retries("alice")
    numbers = [story.keep("alice") for _ in range(4)]
    for number in numbers:
        story.hand_over("alice", number)
    story.arrive("alice", answer=False)
    story.time_out("alice", numbers[0])
    story.crossing_ack("alice", 0)
    (answer,), (timeout,) = arrows(story, "ack"), marks(story, "timeout")
    assert answer.start < timeout.step < answer.end


def test_the_first_answer_is_drawn_where_its_sender_got_it_and_not_where_it_crossed_the_link() -> None:
    """It comes late, but it is waited for: an answer to any try counts."""
    story = two_answers("before")
    heads = sorted(arrow.end for arrow in arrows(story, "ack"))
    (repeat,), (end,) = arrows(story, "repeat"), marks(story, "disconnected")
    assert repeat.start < heads[0] <= heads[1] < end.step


@pytest.mark.parametrize(("reason", "style"), [("rejected", "rejected"), ("unknown", "unknown")])
def test_a_fate_is_told_behind_the_acknowledgement_that_told_it(reason: str, style: str) -> None:
    story = Retries("alice")
    numbers = [story.keep("alice") for _ in range(3)]
    for number in numbers:
        story.hand_over("alice", number)
    story.arrive("alice")
    story.arrive("alice")
    story.arrive("alice", "conflict")
    story.ack("alice", numbers[2], "conflict")
    story.settled("alice", numbers[2], reason, LATE)
    (answer,), (told,) = arrows(story, "ack"), marks(story, style)
    assert answer.end < told.step


def test_what_somebody_does_to_a_link_stands_behind_what_its_client_kept_and_threw_away_before() -> None:
    story = Retries("alice")
    story.both_notice("alice")
    story.keep("alice", "not connected")
    story.restore("alice")
    (kept,), (restored,) = marks(story, "buffered"), marks(story, "restore")
    assert kept.step < restored.step


def test_an_answer_that_nobody_waited_for_lets_nothing_go() -> None:
    """Whether the late answer to #1 crosses the link before #3 is sent or after that is chance."""
    pictures = []
    for early in (True, False):
        story = late_ack(over=None)
        story.hand_over("alice", story.emitted("alice"))
        story.arrive("alice", answer=False)
        if early:
            story.crossing_ack("alice", 0)
        story.hand_over("alice", story.keep("alice", "waits for its turn"))
        if not early:
            story.crossing_ack("alice", 0)
        story.arrive("alice", answer=False)
        (answer,), (_, _, third) = arrows(story, "ack"), arrows(story, "arrived")
        assert answer.end > third.start
        pictures.append(svg(layout(story.events)))
    assert pictures[0] == pictures[1]


def test_a_client_loses_its_connection_behind_what_came_and_was_not_waited_for() -> None:
    story = Retries("alice", "bob")
    number = story.keep("alice")
    story.hand_over("alice", number)
    story.arrive("alice", answer=False)
    story.time_out("alice", number)
    story.settled("alice", number, "unknown", LATE)
    for _ in range(4):
        story.hand_over("bob", story.emitted("bob"))
        story.arrive("bob", answer=False)
    story.crossing_ack("alice", 0)
    story.both_notice("alice")
    (answer,), (end,) = arrows(story, "ack"), marks(story, "disconnected")
    assert answer.end < end.step


# -- end to end -------------------------------------------------------------------------------------------------------------------------


def test_what_the_way_to_the_receiver_lost_is_not_lost_yet_while_its_author_keeps_it() -> None:
    """The server may be given it again, and pass it on again."""
    story = Retries("alice", "bob", relay=True)
    number = story.keep("alice")
    story.hand_over("alice", number)
    story.cut("bob")
    story.both_notice("bob")
    reception = story.arrive("alice", "running")
    leg = verdict(story.events).leg("alice", "bob")
    assert (leg.in_flight, leg.lost) == ((), (("#1", "the link was cut"),))
    story.undo(reception)
    leg = verdict(story.events).leg("alice", "bob")
    assert (leg.in_flight, leg.lost) == (("#1",), ())


# -- in words ---------------------------------------------------------------------------------------------------------------------------


def test_what_two_clients_keep_is_said_of_each() -> None:
    story = Retries("alice", "bob")
    for name in ("alice", "bob"):
        story.both_notice(name)
    for name in ("alice", "bob"):
        story.keep(name, "not connected")
    assert said(story)[-2:] == ["-- alice: #1 kept until it is connected --", "-- bob: #1 kept until it is connected --"]


def test_one_timeout_after_the_other_is_one_line_with_every_message() -> None:
    story = Retries("alice")
    numbers = [story.keep("alice") for _ in range(3)]
    for number in numbers:
        story.hand_over("alice", number)
    for number in numbers:
        story.time_out("alice", number)
    assert said(story)[-1] == f"-- alice: #1 #2 #3 timeout: {LATE} --"


# -- the server's lane ------------------------------------------------------------------------------------------------------------------


def test_a_crash_that_is_only_prepared_or_taken_back_does_not_show() -> None:
    story = Retries("alice")
    before = svg(layout(story.events))
    for word in ("armed", "disarm"):
        story.journal.record("server", "fault", event=word, reason=f"lab.server.{word}()")
        assert svg(layout(story.events)) == before


def test_the_server_s_lane_has_a_gap_for_each_crash() -> None:
    story = Retries("alice")
    for _ in range(2):
        story.crash("crash()")
        story.notice("alice")
        story.restart()
        story.connect("alice")
    drawn = layout(story.events)
    (lane,) = (lane for lane in drawn.lanes if lane.name == "server")
    crashes, restarts = marks(story, "crash"), marks(story, "restart")
    assert lane.online == ((0, crashes[0].step), (restarts[0].step, crashes[1].step), (restarts[1].step, drawn.steps))


def test_a_restart_without_a_crash_makes_no_gap() -> None:
    story = Retries("alice")
    story.restart()
    (lane,) = (lane for lane in layout(story.events).lanes if lane.name == "server")
    assert lane.online == ()


def test_a_link_that_is_repaired_after_a_crash_is_repaired_behind_it() -> None:
    story = Retries("alice")
    story.crash("crash()")
    story.restore("alice")
    (crash,), (restored,) = marks(story, "crash"), marks(story, "restore")
    assert crash.step < restored.step


# -- crowded pictures -------------------------------------------------------------------------------------------------------------------


def legend(drawing: str) -> list[str]:
    """The words of the legend, from left to right. They must not lie on each other nor be cut off."""
    root = ET.fromstring(drawing)
    nodes = [node for node in root.findall(f"{SVG}text") if "paint-order" in node.get("style", "")]
    spans = [box_of(Place(float(node.get("x", 0)), 0, node.get("text-anchor", "")), width(node.text or ""))[::2] for node in nodes]
    assert all(one[1] <= other[0] for one, other in pairwise(sorted(spans)))
    assert max(right for _, right in spans) <= float(root.get("width", 0))
    return [node.text or "" for _, node in sorted(zip(spans, nodes, strict=True), key=lambda pair: pair[0])]


@pytest.mark.parametrize("last", [None, 18, 12])
def test_a_full_legend_has_every_word_and_spares_the_note(last: int | None) -> None:
    drawn = layout(everything().events, last=last)
    styles = {arrow.style for arrow in drawn.arrows}
    left_out = [f"… {drawn.left_out} earlier steps"] if drawn.left_out else []
    assert legend(svg(drawn)) == left_out + [style.word for name, style in ARROWS.items() if name in styles]
    assert len(styles) > 5


def test_a_legend_of_few_words_has_the_note() -> None:
    assert legend(svg(layout(late_ack().events))) == ["arrived", "ack", NOTE]


@pytest.mark.parametrize("size", [12, 40])
def test_the_last_steps_of_a_long_queue_can_always_be_drawn(size: int) -> None:
    events = queue(size).events
    for end in range(0, len(events), 7):
        assert_words_are_legible(svg(layout(events[:end], last=18)))


# -- any run ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RETRIES)
@settings(max_examples=examples(30), deadline=None)
@given(st.randoms(use_true_random=False), st.data())
def test_every_beginning_of_every_other_record_of_a_run_can_be_judged_said_and_drawn(
    name: str, choose: random.Random, data: st.DataObject
) -> None:
    """What independent nodes do may be recorded in any order, and a picture may be asked for at any time."""
    events = retimed(RETRIES[name]().events, choose)
    events = events[: data.draw(st.integers(0, len(events)))]
    drawn = layout(events, last=data.draw(st.none() | st.integers(1, 18)))
    assert_words_are_legible(svg(drawn))
    assert text(drawn)
    judged = verdict(events)
    assert str(judged)
    for leg in (leg for leg in judged.legs if not leg.end_to_end):
        undecided, lost = set(leg.in_flight), {label for label, _ in leg.lost}
        assert not undecided & lost
        assert undecided | lost | set(leg.received) == set(leg.sent)
        assert all(reason for _, reason in leg.lost)
