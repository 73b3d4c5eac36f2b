"""The judgement of a history, compared with what really happened in a model that knows."""

from collections.abc import Sequence

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from realtime_lab.history.copies import Message
from realtime_lab.history.tally import Entry, Tally
from realtime_lab.history.verdict import Leg, Verdict, verdict
from tests.history.stories import CHAT, Story, Tag, bob_misses, cut_before_six, slow_handlers, stalled

OPEN = "One run can refute a guarantee, never prove it."


def test_an_empty_history_says_nothing() -> None:
    assert str(verdict([])) == "Nothing was sent, so this run says nothing."
    assert verdict([]).refuted == ()


def test_a_cut_refutes_at_least_once_and_says_what_was_lost_where() -> None:
    result = verdict(cut_before_six().events)
    assert result.refuted == ("at least once", "exactly once")
    assert result.lost == ("#6", "#7", "#8", "#9", "#10")
    assert str(result).splitlines() == [
        "alice to server: 10 sent, 5 arrived, 5 lost (#6 #7 #8 #9 #10)",
        "server to bob: 5 sent, 5 arrived",
        "alice to bob (end to end): 10 sent, 5 arrived, 5 lost (#6 #7 #8 #9 #10)",
        "at least once: refuted, lost 5 (#6 #7 #8 #9 #10) between alice and server",
        "exactly once: refuted, lost 5 (#6 #7 #8 #9 #10) between alice and server",
        f"Not refuted by this run: ordered, at most once. {OPEN}",
    ]


def test_a_run_without_trouble_refutes_nothing_and_proves_nothing() -> None:
    story = Story("alice", "bob")
    story.emit("alice", 2)
    story.settle()
    assert verdict(story.events).sentences == (f"Not refuted by this run: ordered, at most once, at least once, exactly once. {OPEN}",)


def test_a_message_that_the_server_receives_twice_refutes_at_most_once() -> None:
    story = Story("alice", relay=False)
    story.emit("alice", 2)
    story.send("alice", 0, ("alice", CHAT, 1, 0))
    story.settle()
    result = verdict(story.events)
    assert result.refuted == ("at most once", "exactly once")
    assert result.leg("alice", "server").received == ("#1", "#2", "#1")
    assert result.leg("alice", "server").sent == ("#1", "#2")
    assert result.sentences[0] == "at most once: refuted, duplicated #1 between alice and server"


def test_a_message_that_came_for_the_first_time_after_a_later_one_refutes_ordered() -> None:
    story = Story("alice", relay=False)
    story.emit("alice")
    story.cut("alice")
    story.both_notice("alice")
    story.restore("alice")
    story.connect("alice")
    story.emit("alice")
    story.send("alice", 0, ("alice", CHAT, 1, 0))
    story.settle()
    result = verdict(story.events)
    assert result.refuted == ("ordered",)
    assert result.reordered == ("#1",)
    assert result.leg("alice", "server").lost == ()


def test_a_retry_that_is_on_its_way_is_not_lost_yet() -> None:
    story = Story("alice", relay=False)
    story.emit("alice")
    story.cut("alice")
    story.both_notice("alice")
    story.restore("alice")
    story.connect("alice")
    story.send("alice", 0, ("alice", CHAT, 1, 0))
    assert (verdict(story.events).lost, verdict(story.events).in_flight) == ((), ("#1",))


def test_a_refused_emit_is_not_lost_and_not_counted_as_sent() -> None:
    story = Story("alice", relay=False)
    story.both_notice("alice")
    story.emit("alice", 2)
    leg = verdict(story.events).leg("alice", "server")
    assert (leg.sent, leg.refused, leg.refuted) == ((), ("#1", "#2"), ())
    assert str(leg) == "alice to server: 0 sent, 0 arrived, 2 refused by emit (#1 #2)"


def test_who_was_not_connected_has_lost_what_was_published_to_all() -> None:
    leg = verdict(bob_misses().events).leg("server", "bob")
    assert leg.lost == tuple((f"#{number}", "the link was cut") for number in (3, 4, 5, 6))
    assert verdict(bob_misses().events).leg("server", "alice").lost == ()


def test_handlers_that_finish_in_another_order_refute_nothing() -> None:
    result = verdict(slow_handlers().events)
    leg = result.leg("alice", "server")
    assert leg.finished == ("#2", "#3", "#1")
    assert leg.finished_out_of_order
    assert result.refuted == ()
    assert "handlers finished in another order" in str(leg)


def test_a_handler_that_has_not_finished_does_not_change_the_order() -> None:
    story = Story("alice", relay=False)
    story.emit("alice", 3)
    story.carry("alice", "upstream", handled=False)
    story.handled("server", 0)
    story.handled("server", 2)
    assert not verdict(story.events).leg("alice", "server").finished_out_of_order


def test_a_message_with_two_lost_copies_is_lost_once_and_with_two_under_way_on_its_way_once() -> None:
    story = Story("alice", relay=False)
    story.emit("alice")
    story.send("alice", 0, ("alice", CHAT, 1, 0))
    assert verdict(story.events).leg("alice", "server").in_flight == ("#1",)
    story.cut("alice")
    assert verdict(story.events).leg("alice", "server").lost == (("#1", "the link was cut"),)


def test_what_the_server_passes_on_twice_arrives_twice_and_is_a_duplicate_end_to_end() -> None:
    story = Story("alice", "bob")
    story.emit("alice")
    story.send("alice", 0, ("alice", CHAT, 1, 0))
    story.settle()
    hop, whole = (verdict(story.events).leg(sender, "bob") for sender in ("server", "alice"))
    assert (hop.sent, hop.arrived, hop.duplicated) == (("#1", "#1"), 2, ())
    assert (whole.sent, whole.arrived, whole.duplicated) == (("#1",), 1, ("#1",))


def test_a_repeat_is_not_a_change_of_order() -> None:
    story = Story("alice", relay=False)
    story.emit("alice", 3)
    story.send("alice", 0, ("alice", CHAT, 1, 0))
    story.settle()
    assert verdict(story.events).reordered == ()


def test_ids_say_more_where_a_number_alone_would_mean_two_messages() -> None:
    story = Story("alice", "bob", "carol")
    story.emit("alice")
    story.emit("bob")
    story.emit("bob", event="typing")
    story.settle()
    result = verdict(story.events)
    assert result.leg("alice", "server").sent == ("#1",)
    assert result.leg("bob", "server").sent == (f"{CHAT} #1", "typing #1")
    assert set(result.leg("server", "carol").sent) == {f"alice {CHAT} #1", f"bob {CHAT} #1", "bob typing #1"}


def test_end_to_end_is_judged_once_the_server_passed_something_on() -> None:
    story = Story("alice", "bob", relay=False)
    story.emit("alice")
    story.settle()
    assert [leg.name for leg in verdict(story.events).legs] == ["alice to server"]
    legs = verdict(cut_before_six().events).legs
    assert [(leg.name, leg.end_to_end) for leg in legs][-1] == ("alice to bob", True)


def test_end_to_end_names_the_hop_that_lost_it() -> None:
    story = Story("alice", "bob")
    story.emit("alice", 2)
    story.carry("alice", "upstream", 1)
    story.cut("alice")
    story.both_notice("alice")
    story.cut("bob")
    story.both_notice("bob")
    leg = verdict(story.events).leg("alice", "bob")
    assert leg.lost == (("#1", "the link was cut"), ("#2", "the link was cut"))


def test_a_way_is_named_by_hop_and_end_to_end_only_where_no_hop_shows_it() -> None:
    """The server passes #2 on before #1: each hop keeps its order, the way as a whole does not."""
    story = Story("alice", "bob", relay=False)
    story.emit("alice", 2)
    story.carry("alice", "upstream")
    story.publish(cause=1, skip="sid1")
    story.publish(cause=0, skip="sid1")
    story.settle()
    assert verdict(story.events).sentences[0] == "ordered: refuted, reordered #1 between alice and bob"


def test_a_foreign_client_is_judged_for_what_crossed_its_link_and_the_verdict_says_so() -> None:
    story = Story(relay=False)
    story.join("tab", "wire")
    story.foreign_emit("tab", story.connect("tab"))
    story.settle()
    assert str(verdict(story.events)).startswith("tab to server (seen on the wire only): 1 sent, 1 arrived")


def test_what_is_held_is_still_on_the_way() -> None:
    leg = verdict(stalled(give_up=False).events).leg("alice", "server")
    assert (leg.in_flight, leg.lost) == (("#3", "#4", "#5"), ())


def test_asking_for_a_leg_that_does_not_exist_names_those_that_do() -> None:
    with pytest.raises(KeyError, match="from bob to alice; there is: alice to server, server to bob"):
        verdict(cut_before_six().events).leg("bob", "alice")
    with pytest.raises(KeyError, match="there is: nothing"):
        verdict([]).leg("a", "b")


# -- the model ------------------------------------------------------------------------------------------------------------------------

NAMES = ("alice", "bob", "carol")
names = st.sampled_from(NAMES)
steps = st.one_of(
    st.tuples(st.just("emit"), names),
    st.tuples(st.just("emit"), names),
    st.tuples(st.just("typing"), names),
    st.tuples(st.just("again"), names),
    st.tuples(st.just("up"), names),
    st.tuples(st.just("up"), names),
    st.tuples(st.just("down"), names),
    st.tuples(st.just("down"), names),
    st.tuples(st.sampled_from(["publish", "cut", "notice", "server notices", "come back", "stall", "resume"]), names),
)


def play(script: Sequence[tuple[str, str]], *, relay: bool) -> Story:
    """Do what the script says, as far as it makes sense, and let both sides of what is broken find out at the end."""
    story = Story(*NAMES, relay=relay)
    doing = {
        "emit": story.emit,
        "typing": lambda name: story.emit(name, event="typing"),
        "again": lambda name: again(story, name),
        "up": lambda name: story.carry(name, "upstream", 1),
        "down": lambda name: story.carry(name, "downstream", 1),
        "publish": lambda name: story.publish("news"),
        "cut": lambda name: story.links[name].up and story.cut(name),
        "notice": lambda name: name in story.believes and story.notice(name),
        "server notices": story.server_notices,
        "come back": lambda name: name not in story.believes and come_back(story, name),
        "stall": story.stall,
        "resume": story.resume,
    }
    for what, name in script:
        doing[what](name)
    for name, link in story.links.items():
        if not link.up:
            story.both_notice(name)
    return story


def again(story: Story, name: str) -> None:
    """The client hands over its latest message once more, as a retry would."""
    sent = [tag for sender, _, tag in story.handed if sender == name]
    if sent and name in story.believes:
        number = [event.message for event in story.events if event.kind == "sent" and event.node == name][-1]
        story.send(name, number, sent[-1])


def come_back(story: Story, name: str) -> None:
    story.restore(name)
    story.connect(name)


def said(tags: Sequence[Tag], leg_tags: set[Tag]) -> list[str]:
    """The ids by the rule of the verdict: the author and the event where they differ within the leg."""
    origins, events = len({tag[0] for tag in leg_tags}) > 1, len({tag[1] for tag in leg_tags}) > 1
    return [" ".join([tag[0]] * origins + [tag[1]] * events + [f"#{tag[2]}"]) for tag in tags]


def hop(story: Story, sender: str, receiver: str) -> tuple[list[Tag], list[Tag], set[Tag]]:
    """The truth of a hop: handed in, given to handlers, and what can still come."""
    handed = [tag for *ends, tag in story.handed if ends == [sender, receiver]]
    given = [tag for *ends, tag in story.given if ends == [sender, receiver]]
    return handed, given, {tag for *ends, tag in story.waiting if ends == [sender, receiver]}


def check_hop(story: Story, leg: Leg) -> None:
    handed, given_, waiting = hop(story, leg.sender, leg.receiver)
    refused = [tag for sender, receiver, tag in story.refused if (sender, receiver) == (leg.sender, leg.receiver)]
    every = {*handed, *refused}
    assert sorted(leg.sent) == sorted(said(list(dict.fromkeys(handed)), every))
    assert list(leg.received) == said(given_, every)
    assert sorted(leg.in_flight) == sorted(said(list(waiting - set(given_)), every))
    assert sorted(label for label, _ in leg.lost) == sorted(said(list(set(handed) - set(given_) - waiting), every))
    assert all(reason for _, reason in leg.lost)
    assert leg.arrived == len(set(given_))
    assert sorted(leg.refused) == sorted(said(refused, every))
    assert sorted(leg.duplicated) == sorted(said([tag for tag in dict.fromkeys(given_) if given_.count(tag) > 1], every))


@given(st.lists(steps, max_size=60))
def test_every_hop_is_judged_as_the_model_knows_it(script: list[tuple[str, str]]) -> None:
    story = play(script, relay=True)
    result = verdict(story.events)
    hops = [leg for leg in result.legs if not leg.end_to_end]
    ends = {tuple(ends) for *ends, _ in (*story.handed, *story.refused)}
    assert {(leg.sender, leg.receiver) for leg in hops} == ends
    for leg in hops:
        check_hop(story, leg)
        event("lost" if leg.lost else "nothing lost")


@given(st.lists(steps, max_size=60))
def test_the_way_end_to_end_loses_what_either_hop_loses(script: list[tuple[str, str]]) -> None:
    story = play(script, relay=True)
    for leg in verdict(story.events).legs:
        if leg.end_to_end and leg.sender != leg.receiver:
            first, _, coming = hop(story, leg.sender, "server")
            second, given_, passing = hop(story, "server", leg.receiver)
            own = {tag for tag in first if tag[1] in {tag[1] for tag in second if tag[0] == leg.sender}}
            reached = {(*tag[:3], 0) for tag in given_} & own
            moving = ({(*tag[:3], 0) for tag in coming | passing} & own) - reached
            assert leg.arrived == len(reached)
            assert sorted(leg.in_flight) == sorted(said(list(moving), own))
            assert sorted(label for label, _ in leg.lost) == sorted(said(list(own - reached - moving), own))


@given(st.lists(steps, max_size=60))
def test_late_are_those_that_first_came_after_a_later_one(script: list[tuple[str, str]]) -> None:
    story = play(script, relay=False)
    for leg in verdict(story.events).legs:
        handed, given_, _ = hop(story, leg.sender, leg.receiver)
        refused = [tag for sender, _, tag in story.refused if sender == leg.sender and leg.receiver == "server"]
        rank = {tag: index for index, tag in enumerate(dict.fromkeys(handed))}
        firsts = list(dict.fromkeys(given_))
        late = [tag for index, tag in enumerate(firsts) if any(rank[other] > rank[tag] for other in firsts[:index])]
        assert list(leg.reordered) == said(late, {*handed, *refused})


@given(st.lists(steps, max_size=60))
def test_a_guarantee_is_refuted_exactly_by_its_own_evidence(script: list[tuple[str, str]]) -> None:
    result = verdict(play(script, relay=True).events)
    evidence = {"ordered": result.reordered, "at most once": result.duplicated, "at least once": result.lost}
    expected = {name for name, ids in evidence.items() if ids}
    expected |= {"exactly once"} if result.lost or result.duplicated else set()
    assert set(result.refuted) == expected
    assert len(result.sentences) == len(expected) + (len(expected) < 4)
    assert isinstance(result, Verdict)


def test_who_joins_late_is_not_judged_for_what_was_sent_before() -> None:
    story = Story("alice", "bob", relay=True)
    story.emit("alice", 2)
    story.settle()
    story.join("carol")
    story.connect("carol")
    story.emit("alice", 1)
    story.settle()
    result = verdict(story.events)
    assert result.leg("alice", "carol").sent == ("#3",)
    assert result.leg("alice", "carol").received == ("#3",)
    assert result.leg("alice", "bob").sent == ("#1", "#2", "#3")


def test_a_run_that_refutes_everything_leaves_nothing_standing() -> None:
    leg = Leg("alice", "bob", ("#1", "#2"), ("#2", "#2"), (("#1", "the link was cut"),), ("#2",), ("#2",), (), (), (), ())
    assert Verdict((leg,)).sentences == (
        "ordered: refuted, reordered #2 between alice and bob",
        "at most once: refuted, duplicated #2 between alice and bob",
        "at least once: refuted, lost 1 (#1) between alice and bob",
        "exactly once: refuted, duplicated #2 and lost 1 (#1) between alice and bob",
    )


def test_what_was_not_meant_for_a_leg_after_all_is_taken_back() -> None:
    tally, message = Tally("alice", "server"), Message("alice", CHAT, 1, "", 7)
    empty = tally.leg
    tally.put(7, Entry(message, "#1", (0, 7), ("sent", "lost"), (), "the link was cut"))
    assert (tally.leg.sent, tally.leg.lost) == (("#1",), (("#1", "the link was cut"),))
    assert tally.first is not None
    tally.put(7, None)
    assert (tally.leg, tally.first) == (empty, None)


def test_of_many_messages_the_first_ones_are_named_and_the_rest_is_counted() -> None:
    three = ("#1", "#2", "#3")
    lost = tuple((label, "the link was cut") for label in three)
    leg = Leg("alice", "bob", three, three, lost, three, three, (), (), (), (), acked_unhandled=three)
    assert Verdict((leg,)).said(2) == (
        "acknowledged but never handled: #1 #2 … (3) between alice and bob",
        "ordered: refuted, reordered #1 #2 … (3) between alice and bob",
        "at most once: refuted, duplicated #1 #2 … (3) between alice and bob",
        "at least once: refuted, lost 3 (#1 #2 … (3)) between alice and bob",
        "exactly once: refuted, duplicated #1 #2 … (3) and lost 3 (#1 #2 … (3)) between alice and bob",
    )


def test_what_is_only_duplicated_is_not_said_to_be_lost() -> None:
    leg = Leg("alice", "bob", ("#1",), ("#1", "#1"), (), ("#1",), (), (), (), (), ())
    assert "exactly once: refuted, duplicated #1 between alice and bob" in Verdict((leg,)).sentences


def test_what_was_sent_before_somebody_joined_is_asked_of_it_only_if_it_comes() -> None:
    story = Story("alice", "bob", relay=True)
    story.emit("alice")
    story.join("carol")
    story.connect("carol")
    story.carry("alice", "upstream")
    result = verdict(story.events)
    assert result.leg("server", "carol").in_flight == ("#1",)
    assert (result.leg("alice", "carol").sent, result.leg("alice", "carol").in_flight) == ((), ())
    story.settle()
    assert verdict(story.events).leg("alice", "carol").received == ("#1",)


def test_end_to_end_what_arrived_is_counted_once_however_often_and_by_whomever_it_was_passed_on() -> None:
    leg = Leg("server", "bob", (), ("#1", "#1"), (), ("#1",), (), (), (), (), (), end_to_end=True)
    assert leg.arrived == 1
