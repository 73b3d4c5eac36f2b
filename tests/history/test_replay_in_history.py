"""Histories of a log and of clients that come back for what they missed: paired and judged, compared with a model that knows."""

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from realtime_lab.history.copies import Copy
from realtime_lab.history.hops import passages_of
from realtime_lab.history.journal import Event
from realtime_lab.history.journeys import Journeys
from realtime_lab.history.verdict import FORGOTTEN, Leg, verdict
from tests.history.stories import CHAT, Tag
from tests.history.stories_of_replay import (
    Replays,
    crashed_after_commit,
    cut_at_three,
    halted,
    missed,
    naive_overtaking,
    naive_replay,
    new_database,
    no_offset_yet,
    repeated,
    truncated,
    without_replay,
)
from tests.history.stories_of_retries import Retries


def down(story: Retries, receiver: str = "bob") -> Leg:
    return verdict(story.events).leg("server", receiver)


def copies(story: Retries, receiver: str = "bob") -> list[Copy]:
    return [copy for copy in Journeys(story.events).copies if copy.receiver == receiver]


# -- journeys ---------------------------------------------------------------------------------------------------------------------------


def test_what_is_sent_again_from_the_log_is_another_copy_of_the_same_message() -> None:
    third = Journeys(cut_at_three().events).messages[2]
    assert (third.label, third.offset, third.logged) == ("#3", 3, True)
    assert [(copy.receiver, copy.fate, copy.replayed) for copy in third.copies] == [
        ("alice", "arrived", False),
        ("bob", "lost", False),
        ("bob", "arrived", True),
    ]


def test_what_is_stored_by_a_handler_keeps_its_author_s_number() -> None:
    story = Replays("alice", "bob")
    story.publish()
    story.emit("alice", 2)
    story.settle()
    messages = [message for message in Journeys(story.events).messages if message.logged]
    assert [(message.label, message.source.origin, message.offset) for message in messages] == [
        ("#1", "server", 1),
        ("#1", "alice", 2),
        ("#2", "alice", 3),
    ]


@pytest.mark.parametrize("follows", [True, False])
def test_a_session_takes_a_place_but_is_never_outstanding_nor_lost(follows: bool) -> None:
    """Whether or not anybody says that it came, and even if whoever gets the next message does not say at which place it came."""
    story = Replays("bob", bare=() if follows else ["bob"])
    assert Journeys(story.events).outstanding("sid1", "downstream") == 0
    story.publish()
    assert Journeys(story.events).outstanding("sid1", "downstream") == 1
    assert Journeys(story.events).copy_at("sid1", "downstream", 0) is None
    story.journal.record("bob", "received", message=0, sid="sid1", event=CHAT)
    assert Journeys(story.events).outstanding("sid1", "downstream") == 0
    assert [(copy.message.label, copy.fate) for copy in copies(story)] == [("#1", "arrived")]


@pytest.mark.parametrize("kind", ["wire", "held", "dropped"])
def test_what_the_link_says_about_a_session_is_about_no_message(kind: str) -> None:
    story = Replays("bob")
    story.publish()
    story.journal.record("bob", kind, sid="sid1", direction="downstream", index=0, event="session", type="EVENT", reason="cut")  # type: ignore[arg-type]
    (copy,) = copies(story)
    assert (copy.wire, copy.held, copy.dropped, copy.fate) == (-1, -1, -1, "in flight")


def test_a_second_session_on_a_connection_takes_a_place_too() -> None:
    story = Replays("bob", relay=False)
    story.settle()
    for _ in range(3):
        story.store()
    story.trim(3)
    story.pump()
    story.settle()
    assert (down(story).lost, down(story).received) == ((("#1", "its history was truncated"), ("#2", "its history was truncated")), ("#3",))


def test_a_message_that_was_stored_before_the_history_is_called_by_its_offset() -> None:
    story = Replays("bob")
    story.journal.record("server", "sent", sid="sid1", event=CHAT, offset=7)
    story.journal.record("bob", "received", message=0, sid="sid1", index=1, event=CHAT, offset=7)
    (copy,) = copies(story)
    assert (copy.message.label, copy.replayed) == ("offset 7", True)
    assert (down(story).sent, down(story).received) == (("offset 7",), ("offset 7",))


def test_a_cursor_may_have_read_a_message_before_its_commit_was_recorded() -> None:
    story = Replays("alice", "bob", relay=False)
    story.emit("alice")
    story.carry("alice", "upstream")
    story.journal.record("server", "sent", sid="sid2", event=CHAT, offset=1)
    story.journal.record("server", "stored", message=1, event=CHAT, offset=1, cause=0)
    _, message = Journeys(story.events).messages
    assert (message.label, message.source.origin, message.born) == ("#1", "alice", len(story.events) - 1)
    assert [(copy.receiver, copy.replayed, copy.message is message) for copy in message.copies] == [("bob", False, True)]


def test_after_a_new_database_the_same_offset_is_another_message() -> None:
    journeys = Journeys(new_database().events)
    assert [(message.label, message.era, message.offset) for message in journeys.messages] == [
        ("#1", 0, 1),
        ("#2", 0, 2),
        ("#3", 0, 3),
        ("#4", 1, 1),
    ]
    assert [(copy.message.label, copy.fate) for copy in copies(new_database())] == [("#1", "arrived"), ("#4", "arrived")]


def test_after_a_new_database_old_sessions_say_nothing_about_new_messages() -> None:
    story = Replays("alice", "bob", relay=False)
    for _ in range(3):
        story.publish()
    story.settle()
    for name in ("alice", "bob"):
        story.break_and_notice(name)
        story.come_back(name)
    story.settle()
    story.break_and_notice("bob")
    story.new_database()
    story.publish()
    assert (down(story).in_flight, down(story).lost) == (("#4",), ())


def test_a_server_of_the_learner_s_own_may_begin_anew_too() -> None:
    story = Replays("bob", bare=["bob"], relay=False, log=False)
    story.emit_with_id(1)
    story.new_database()
    story.emit_with_id(1)
    story.settle()
    assert (down(story).received, down(story).duplicated) == (("#1", "#2"), ())


def test_what_a_server_of_the_learner_s_own_emits_with_an_id_it_gave_before_is_no_new_message() -> None:
    journeys = Journeys(naive_replay().events)
    assert [(message.label, message.offset, message.logged) for message in journeys.messages] == [(f"#{n}", n, False) for n in (1, 2, 3, 4)]
    assert [(copy.message.label, copy.fate, copy.replayed) for copy in copies(naive_replay())] == [
        ("#1", "arrived", False),
        ("#2", "arrived", False),
        ("#3", "lost", False),
        ("#4", "lost", False),
        ("#3", "arrived", True),
        ("#4", "arrived", True),
    ]


def test_the_cause_of_what_is_replayed_is_that_of_the_first_time() -> None:
    story = Replays("alice", "bob", bare=["alice", "bob"], relay=False, log=False)
    story.emit("alice", 2)
    story.carry("alice", "upstream")
    story.emit_with_id(1, cause=0)
    story.emit_with_id(1, to="sid2", cause=1)
    _, _, message = Journeys(story.events).messages
    assert (message.label, len(message.copies)) == ("#1", 3)


def test_a_client_is_halted_until_it_tries_again_or_goes_on() -> None:
    events = halted().events
    kinds = {each.kind: each.seq for each in events}
    first = next(each.seq for each in events if each.kind == "halted")
    assert {name: copy.message.label for name, copy in Journeys(events[: first + 1]).log.halted.items()} == {"bob": "#2"}
    assert Journeys(events[: kinds["resumed"] + 1]).log.halted == {}
    assert Journeys(events[: kinds["halted"] + 1]).log.halted != {}
    assert Journeys(events[: kinds["skipped"] + 1]).log.halted == {}


# -- meant for, lost, on the way --------------------------------------------------------------------------------------------------------


def test_what_was_cut_on_its_way_and_replayed_has_arrived() -> None:
    assert (down(cut_at_three()).sent, down(cut_at_three()).received) == (("#1", "#2", "#3", "#4"),) * 2
    assert verdict(cut_at_three().events).refuted == ()
    assert verdict(missed().events).refuted == ()


def test_what_is_stored_is_meant_for_everybody_who_had_joined_also_its_author() -> None:
    story = Replays("alice", "bob")
    story.emit("alice")
    story.settle()
    story.join("carol")
    story.connect("carol")
    story.join("tab", "wire")
    story.emit("alice")
    story.settle()
    assert [leg.name for leg in verdict(story.events).legs] == [
        "alice to server", "server to alice", "server to bob", "server to carol", "alice to alice", "alice to bob", "alice to carol",
    ]  # fmt: skip
    assert (down(story, "alice").sent, down(story).sent, down(story, "carol").sent) == (("#1", "#2"), ("#1", "#2"), ("#2",))


def test_a_client_that_is_seen_on_its_link_only_counts_while_it_is_connected() -> None:
    story = Replays(relay=False)
    story.join("tab", "wire")
    story.publish()
    story.connect("tab")
    story.publish()
    story.settle()
    assert (down(story, "tab").sent, down(story, "tab").received) == (("#2",), ("#2",))


def test_what_is_for_a_room_is_meant_for_those_to_whom_it_is_sent() -> None:
    story = Replays("alice", "bob", relay=False)
    story.rooms["bob"] = {"kitchen"}
    story.publish(room="kitchen")
    story.publish(room="attic")
    story.settle()
    assert [(leg.name, leg.sent, leg.received) for leg in verdict(story.events).legs] == [("server to bob", ("#1",), ("#1",))]


def test_what_waits_in_the_log_for_a_client_that_is_away_is_on_its_way() -> None:
    story = Replays("alice", "bob")
    story.break_and_notice("bob")
    story.settle()
    story.emit("alice")
    story.settle()
    assert down(story).lost == (("#1", "the link was cut"),), "bob was never told where he stands"
    story = Replays("alice", "bob")
    story.settle()
    story.break_and_notice("bob")
    story.emit("alice")
    story.settle()
    assert (down(story).in_flight, down(story).lost) == (("#1",), ())
    assert verdict(story.events).leg("alice", "bob").in_flight == ("#1",)
    story.come_back("bob")
    story.settle()
    assert (down(story).in_flight, down(story).received) == ((), ("#1",))


@pytest.mark.parametrize("noticed", [True, False])
def test_a_copy_that_was_sent_into_a_broken_link_does_not_make_its_message_lost(noticed: bool) -> None:
    story = Replays("bob", relay=False)
    story.settle()
    story.cut("bob")
    if noticed:
        story.both_notice("bob")
    story.publish()
    story.both_notice("bob")
    assert (down(story).in_flight, down(story).lost) == (("#1",), ())


def test_what_nobody_has_sent_yet_is_on_its_way_to_whoever_is_connected() -> None:
    for bare in ((), ("bob",)):
        story = Replays("bob", bare=bare, relay=False)
        story.settle()
        story.store()
        assert (down(story).in_flight, down(story).lost) == (("#1",), ())
        story.pump()
        story.settle()
        assert down(story).received == ("#1",)


def test_each_loss_says_why() -> None:
    assert down(truncated()).lost == (("#2", "its history was truncated"), ("#3", "its history was truncated"))
    assert down(new_database()).lost == (("#2", "a new database took its place"), ("#3", "a new database took its place"))
    assert down(no_offset_yet()).lost == (("#1", "it had no offset yet"), ("#2", "it had no offset yet"))
    assert down(without_replay()).lost == (("#2", "the link was cut"), ("#3", "the link was cut"))
    for lost in (truncated, new_database, no_offset_yet, without_replay):
        assert down(lost()).duplicated == down(lost()).reordered == down(lost()).in_flight == ()
        assert down(lost(), "alice").lost == ()


def test_what_was_trimmed_or_thrown_away_is_lost_at_once_for_who_is_away() -> None:
    events = truncated().events
    trim = next(each.seq for each in events if each.event == "trim")
    assert verdict(events[:trim]).leg("server", "bob").in_flight == ("#2", "#3", "#4", "#5")
    assert verdict(events[: trim + 1]).leg("server", "bob").lost == down(truncated()).lost
    events = new_database().events
    thrown = next(each.seq for each in events if each.event == "new database")
    assert verdict(events[:thrown]).leg("server", "bob").in_flight == ("#2", "#3")
    assert verdict(events[: thrown + 1]).leg("server", "bob").lost == down(new_database()).lost


def test_what_retention_removed_is_lost_when_that_is_told() -> None:
    events = [each for each in truncated().events if each.event != "trim"]
    told = next(each.seq for each in events if each.kind == "session" and each.reason == "truncated")
    before, after = (verdict([each for each in events if each.seq < end]).leg("server", "bob") for end in (told, told + 1))
    assert (before.in_flight, before.lost) == (("#2", "#3", "#4", "#5"), ())
    assert (after.in_flight, after.lost) == (("#4", "#5"), down(truncated()).lost)


def test_what_is_trimmed_while_it_is_on_its_way_is_not_lost() -> None:
    story = Replays("bob", relay=False)
    story.settle()
    story.publish()
    story.trim(2)
    assert (down(story).in_flight, down(story).lost) == (("#1",), ())
    story.settle()
    assert down(story).received == ("#1",)


def test_a_client_that_is_ahead_of_the_log_has_lost_what_it_had_not_got() -> None:
    story = Replays("alice", "bob", relay=False)
    story.settle()
    story.break_and_notice("bob")
    story.publish()
    story.settle()
    story.positions["bob"] = (0, 9)
    story.come_back("bob")
    story.settle()
    assert down(story).lost == (("#1", "its offset was ahead of the log"),)


def test_an_offset_that_moved_too_far_is_a_loss_although_the_server_calls_it_recovered() -> None:
    """What a client does that takes the highest offset for the last one."""
    story = Replays("bob", relay=False)
    story.settle()
    story.break_and_notice("bob")
    story.publish()
    story.publish()
    story.positions["bob"] = (0, 1)
    story.come_back("bob")
    story.settle()
    assert (down(story).lost, down(story).received) == ((("#1", "its offset was past it already"),), ("#2",))


def test_a_client_of_the_page_follows_the_log_once_the_server_has_recovered_it() -> None:
    """It says nothing about sessions; the server knows that it keeps an offset."""
    story = Replays("alice", "bob", bare=["bob"], relay=False)
    story.publish()
    story.settle()
    story.positions["bob"] = (0, 1)
    for number in (2, 3):
        story.break_and_notice("bob")
        story.publish()
        lost = (("#2", "the link was cut"),)
        assert down(story).lost == (lost if number == 2 else ())
        story.come_back("bob")
        story.settle()
        story.positions["bob"] = (0, number)
        assert down(story).received[-1] == f"#{number}"
    assert down(story).lost == ()


# -- twice, out of order ----------------------------------------------------------------------------------------------------------------


def test_a_copy_that_is_dropped_as_a_repeat_is_neither_a_duplicate_nor_a_loss() -> None:
    assert [(copy.message.label, copy.repeat, copy.delivered) for copy in copies(repeated())][2] == ("#2", True, False)
    leg = down(repeated())
    assert (leg.received, leg.duplicated, leg.lost, leg.in_flight) == (("#1", "#2", "#3"), (), (), ())


def test_what_a_handler_was_given_twice_is_a_duplicate() -> None:
    story = Replays("bob", bare=["bob"], relay=False, log=False)
    story.emit_with_id(1)
    story.emit_with_id(1, to="sid1")
    story.settle()
    assert (down(story).sent, down(story).received, down(story).duplicated) == (("#1",), ("#1", "#1"), ("#1",))
    assert verdict(story.events).refuted == ("at most once", "exactly once")


def test_the_order_is_that_of_the_offsets_also_where_they_are_emitted_in_another_one() -> None:
    story = Replays("bob", bare=["bob"], relay=False, log=False)
    for offset in (1, 3, 2, 4):
        story.emit_with_id(offset)
    story.settle()
    assert (down(story).received, down(story).reordered) == (("#1", "#2", "#3", "#4"), ("#3",)), "#3 has offset 2"


def test_a_live_event_that_overtakes_the_replay_reorders_and_in_the_end_loses() -> None:
    leg = down(naive_overtaking())
    assert (leg.received, leg.reordered, leg.lost) == (("#1", "#4", "#2"), ("#2",), (("#3", "the link was cut"),))


def test_events_with_and_without_an_offset_have_no_order_among_each_other() -> None:
    story = Replays("bob", bare=["bob"], relay=False, log=False)
    Retries.publish(story)
    for offset in (9, 10):
        story.emit_with_id(offset)
        Retries.publish(story)
    story.settle()
    assert down(story).reordered == ()


# -- end to end -------------------------------------------------------------------------------------------------------------------------


def test_end_to_end_what_was_replayed_has_arrived_once() -> None:
    for receiver in ("alice", "bob"):
        leg = verdict(missed().events).leg("alice", receiver)
        assert (leg.sent, leg.received, leg.lost) == (("#1", "#2", "#3", "#4"), ("#1", "#2", "#3", "#4"), ())
        assert verdict(crashed_after_commit().events).leg("alice", receiver).received == ("#1", "#2")


def forgetful(*, answer: str = "handled") -> Replays:
    """A server of the learner's own keeps #2 and crashes before it emits it; it knows the second try, and only answers."""
    story = Replays("alice", "bob", bare=["alice", "bob"], relay=False, log=False)
    for number in (1, 2, 3):
        key = story.keep("alice")
        story.hand_over("alice", key)
        reception = story.arrive("alice", "running")
        if number == 2:
            story.crash('crash(at="after_apply")')
            story.failed("server", reception, "the server crashed")
            for name in ("alice", "bob"):
                story.notice(name)
            story.restart()
            for name in ("alice", "bob"):
                story.connect(name)
            story.hand_over("alice", key, 2)
            reception = story.arrive("alice", answer)
        else:
            story.emit_with_id(number, cause=reception, source=story.tags["alice", key])
            story.handled("server", reception)
        for name in ("alice", "bob"):
            story.carry(name, "downstream")
        story.settled("alice", key)
    return story


def test_what_the_server_was_given_and_never_passed_on_is_lost_end_to_end() -> None:
    story = forgetful()
    assert verdict(story.events).leg("alice", "server").lost == ()
    leg = verdict(story.events).leg("alice", "bob")
    assert (leg.sent, leg.received, leg.lost) == (("#1", "#2", "#3"), ("#1", "#3"), (("#2", FORGOTTEN),))
    assert "at least once: refuted, lost 1 (#2) between alice and alice; lost 1 (#2) between alice and bob" in str(verdict(story.events))
    assert "another order" not in str(verdict(story.events)), "a handler that died with the server has not finished in another order"


def test_what_is_not_passed_on_yet_is_not_lost_while_it_is_handled_or_its_author_may_send_it_again() -> None:
    story = Replays("alice", "bob", bare=["alice", "bob"], relay=False, log=False)
    story.emit("alice", 2)
    story.carry("alice", "upstream", handled=False)
    story.emit_with_id(1, cause=0, source=("alice", CHAT, 1, 0))
    story.handled("server", 0)
    assert verdict(story.events).leg("alice", "bob").lost == ()
    story.handled("server", 1)
    assert verdict(story.events).leg("alice", "bob").lost == (("#2", FORGOTTEN),)
    key = story.keep("alice")
    story.hand_over("alice", key)
    story.handled("server", story.arrive("alice", "running"))
    assert verdict(story.events).leg("alice", "bob").lost == (("#2", FORGOTTEN),), "#3 may be sent again"
    story.settled("alice", key)
    assert verdict(story.events).leg("alice", "bob").lost == (("#2", FORGOTTEN), ("#3", FORGOTTEN))


def test_what_the_handler_refused_for_good_is_not_lost_because_it_was_not_passed_on() -> None:
    story = Replays("alice", "bob")
    story.emit("alice")
    story.settle()
    story.relay = False
    key = story.keep("alice")
    story.hand_over("alice", key)
    story.arrive("alice", "failed")
    story.settled("alice", key, "rejected")
    assert verdict(story.events).leg("alice", "bob").lost == ()


def test_what_a_transaction_does_counts_only_when_it_is_committed() -> None:
    story = Replays("alice", "bob", relay=False)
    for number in range(2):
        story.emit("alice")
        story.carry("alice", "upstream")
        if number:
            assert verdict(story.events).leg("alice", "bob").lost == (), "handled, but not committed yet"
        story.store(cause=number, source=("alice", CHAT, number + 1, 0))
        story.journal.record("server", "committed", message=number)
    assert verdict(story.events).leg("alice", "bob").lost == ()


def test_what_a_server_does_not_pass_on_at_all_is_not_judged_end_to_end() -> None:
    story = Replays("alice", "bob", relay=False)
    story.emit("alice", 2)
    story.settle()
    assert [leg.name for leg in verdict(story.events).legs] == ["alice to server"]


# -- the model --------------------------------------------------------------------------------------------------------------------------

NAMES = ("alice", "bob", "carol")
BARE = "carol"
names = st.sampled_from(NAMES)
steps = st.one_of(
    st.tuples(st.sampled_from(["emit", "up", "down", "down", "publish"]), names),
    st.tuples(st.sampled_from(["store", "pump", "cut", "notice", "server notices", "come back", "come back"]), names),
    st.tuples(st.sampled_from(["trim", "new database", "refresh", "stall", "resume", "repeat"]), names),
)


def play(script: Sequence[tuple[str, str]]) -> Replays:
    """Do what the script says, as far as it makes sense."""
    story = Replays(*NAMES, bare=[BARE])
    doing = {
        "emit": story.emit,
        "publish": lambda name: story.publish("news"),
        "store": lambda name: story.store("news"),
        "pump": lambda name: story.pump(),
        "up": lambda name: story.carry(name, "upstream", 1),
        "down": lambda name: story.carry(name, "downstream", 1),
        "cut": lambda name: story.links[name].up and story.cut(name),
        "notice": lambda name: name in story.believes and story.notice(name),
        "server notices": story.server_notices,
        "come back": lambda name: name not in story.believes and story.come_back(name),
        "trim": lambda name: story.trim(max(story.head - 1, 1)),
        "new database": lambda name: renew(story),
        "refresh": lambda name: story.positions.pop(name, None),
        "stall": story.stall,
        "resume": story.resume,
        "repeat": lambda name: again(story, name),
    }
    for what, name in script:
        doing[what](name)
    return story


def renew(story: Replays) -> None:
    story.crash("crash()")
    story.new_database()
    story.restart()


def again(story: Replays, name: str) -> None:
    """The server sends the latest event once more."""
    for sid in [sid for sid, client in story.accepted.items() if client == name and story.rows]:
        if story.cursors[sid] == story.rows[-1].offset:
            story.send_stored(sid, story.rows[-1])


def finish(story: Replays) -> Replays:
    """Everybody comes back, and everything is sent."""
    for name in NAMES:
        story.server_notices(name)
        if name in story.believes:
            story.notice(name)
        story.come_back(name)
    story.pump()
    story.settle()
    return story


def said(tags: Sequence[Tag], every: set[Tag]) -> list[str]:
    origins, events = len({tag[0] for tag in every}) > 1, len({tag[1] for tag in every}) > 1
    return [" ".join([tag[0]] * origins + [tag[1]] * events + [f"#{tag[2]}"]) for tag in tags]


@settings(deadline=None)
@given(st.lists(steps, max_size=60))
def test_when_everything_was_sent_what_a_handler_was_given_has_arrived_and_the_rest_is_lost(script: list[tuple[str, str]]) -> None:
    story = finish(play(script))
    result = verdict(story.events)
    for name in NAMES:
        handed = [tag for *ends, tag in story.handed if ends == ["server", name]]
        came = [tag for *ends, tag in story.given if ends == ["server", name]]
        if handed:
            leg = result.leg("server", name)
            assert sorted(leg.sent) == sorted(said(handed, set(handed)))
            assert list(leg.received) == said(came, set(handed))
            assert leg.in_flight == ()
            assert sorted(label for label, _ in leg.lost) == sorted(said([tag for tag in handed if tag not in came], set(handed)))
            assert all(reason for _, reason in leg.lost)
            twice = [tag for tag, times in Counter(came).items() if times > 1]
            assert sorted(leg.duplicated) == sorted(said(twice, set(handed)))
            event(f"{'bare' if name == BARE else 'replay'}, lost: {bool(leg.lost)}")


@settings(deadline=None)
@given(st.lists(steps, max_size=60), st.data())
def test_at_any_time_each_message_has_come_or_is_lost_or_is_on_its_way(script: list[tuple[str, str]], data: st.DataObject) -> None:
    events = finish(play(script)).events
    early = verdict(events[: data.draw(st.integers(0, len(events)))])
    for leg in early.legs:
        undecided, lost = set(leg.in_flight), {label for label, _ in leg.lost}
        assert not undecided & lost
        if leg.sender == "server":
            assert undecided | lost | set(leg.received) == set(leg.sent)


@settings(deadline=None)
@given(st.lists(steps, max_size=60), st.integers(0, 400))
def test_what_was_lost_for_a_client_with_an_offset_is_lost_for_ever(script: list[tuple[str, str]], end: int) -> None:
    events = finish(play(script)).events
    for name in NAMES[:2]:
        told = next(each.seq for each in events if each.kind == "recovered" and each.node == name)
        early, late = (lost_for(events[:upto], name) for upto in (max(end, told + 1), len(events)))
        assert early <= late


def lost_for(events: Sequence[Event], name: str) -> set[int]:
    """By the position in the journal, because labels say more when there is more to tell apart."""
    journeys = Journeys(events)
    passages = [passages_of(message, journeys.log).get(("server", name)) for message in journeys.messages]
    return {passage.message.seq for passage in passages if passage and passage.stage == "lost"}
