"""What the two sides of a connection, the links and the server say about connections, and what of it is the reason of a loss."""

from itertools import count

from realtime_lab.history.copies import Connection
from realtime_lab.history.journal import Journal
from realtime_lab.history.journeys import Journeys
from tests.history.stories import Story
from tests.history.stories_of_replay import Replays


def first(story: Story) -> Connection:
    return Journeys(story.events).connections["sid1"]


def lost(story: Story, receiver: str = "bob") -> list[str]:
    """Why this receiver did not get what it did not get."""
    copies = [copy for copy in Journeys(story.events).copies if copy.receiver == receiver and copy.fate == "lost"]
    assert {copy.direction for copy in copies} <= {"downstream"}
    return [copy.reason for copy in copies]


def test_each_side_says_for_itself_whether_it_believes_in_a_connection() -> None:
    story = Story("alice")

    def ends() -> tuple[bool, bool, bool, bool, bool]:
        alice = first(story)
        return alice.client_up, alice.server_up, alice.client_over, alice.server_over, "sid1" in Journeys(story.events).live

    assert ends() == (True, True, False, False, True)
    story.server_notices("alice")
    assert ends() == (True, False, False, True, True)
    story.notice("alice")
    assert ends() == (False, False, True, True, False)
    story.journal.record("alice", "disconnected", sid="sid1", reason="again")
    assert ends() == (False, False, True, True, False)
    assert first(story).why == "the connection had ended (transport close)"


def test_whose_connection_it_is_may_be_said_by_the_client_alone() -> None:
    journal = Journal(count().__next__)
    journal.record("bob", "joined")
    journal.record("server", "connected", sid="s1")
    journal.record("server", "session", sid="s1", offset=0)
    assert not Journeys(journal.events).log.standing("bob").follows
    journal.record("bob", "connected", sid="s1")
    journeys = Journeys(journal.events)
    assert journeys.connections["s1"].client == "bob"
    assert journeys.log.standing("bob").follows


def test_what_is_lost_while_a_link_is_broken_is_lost_because_of_that() -> None:
    story = Story("alice", "bob")
    story.fault("bob", "close")
    story.both_notice("bob")
    story.publish()
    assert lost(story) == ["the link was closed"]
    story.restore("bob")
    story.connect("bob")
    story.both_notice("bob")
    story.publish()
    assert lost(story) == ["the link was closed", "bob was not connected"], "the link is whole again"


def test_a_link_that_was_restored_is_not_stalled() -> None:
    why = []
    for repair in ("", "resume", "restore", "something else"):
        story = Story("alice")
        story.fault("alice", "stall")
        story.fault("alice", repair)
        story.both_notice("alice")
        why.append(first(story).why)
    ended, stalled = "the connection had ended (transport close)", "the link was stalled"
    assert why == [stalled, ended, ended, stalled]


def test_only_a_crash_of_the_server_breaks_every_connection() -> None:
    story = Replays("alice", "bob", relay=False)
    story.publish()
    story.trim(1)
    story.journal.record("alice", "fault", event="crash", reason="not the server's")
    story.cut("bob")
    story.both_notice("bob")
    assert first(story).why == ""
    story.journal.record("server", "fault", event="crash", reason="crash()")
    assert first(story).why == "the server crashed"
    assert Journeys(story.events).connections["sid2"].why == "the link was cut"


def test_to_a_foreign_client_something_may_be_emitted_before_anybody_knows_who_it_is() -> None:
    journal = Journal(count().__next__)
    journal.record("bob", "joined", reason="wire")
    journal.record("server", "connected", sid="s1")
    journal.record("server", "emitted", message=0, event="chat", text="hello", sids=("s1",))
    journal.record("server", "emitted", message=1, event="chat", text="more", room="s1", sids=("s1",))
    journeys = Journeys(journal.events)
    journal.record("bob", "wire", sid="s1", direction="downstream", packet=1, type="CONNECT")
    journeys.feed(journal[-1])
    assert [(copy.receiver, copy.wire_only) for copy in journeys.copies] == [("bob", True)] * 2
    assert journeys.concerned == journeys.messages, "what they are is known now"
    assert [(message.text, message.room, message.number) for message in journeys.messages] == [("hello", "", 1), ("more", "s1", 2)]


def test_it_says_up_to_where_it_has_seen_the_record() -> None:
    story = Story("alice")
    assert (Journeys().seen, Journeys(story.events).seen) == (0, len(story.events))


def test_the_link_of_a_foreign_client_is_the_first_to_see_what_it_sends() -> None:
    story = Story("alice")
    story.join("bob", "wire")
    sid = story.connect("bob")
    story.stall("bob")
    story.foreign_emit("bob", sid)
    held = story.events[-1]
    (copy,) = Journeys(story.events).copies
    assert (copy.sender, copy.receiver, copy.direction, copy.seq, copy.held) == ("bob", "server", "upstream", held.seq, held.seq)
    assert (copy.wire_only, copy.fate, copy.message.label) == (True, "in flight", "#1")
    story.journal.record("bob", "wire", sid=sid, direction="upstream", type="EVENT", event="chat", index=5)
    assert [copy.message.event for copy in Journeys(story.events).copies_at(sid, "upstream", 5)] == ["chat"]


def test_what_was_refused_never_left_its_client() -> None:
    story = Story("alice")
    story.both_notice("alice")
    story.emit("alice")
    (copy,) = Journeys(story.events).copies
    assert (copy.direction, copy.fate, copy.reason) == ("upstream", "refused", "not connected")


def test_who_was_thought_to_be_away_was_sent_it_when_the_connection_is_known_to_be_its_own() -> None:
    journal = Journal(count().__next__)
    journal.record("bob", "joined")
    journal.record("server", "connected", sid="s1")
    journal.record("server", "emitted", message=0, event="chat", sids=("s1",))
    assert [copy.fate for copy in Journeys(journal.events).copies] == ["in flight", "lost"]
    journal.record("bob", "connected", sid="s1")
    journeys = Journeys(journal.events)
    assert [(copy.receiver, copy.fate) for copy in journeys.copies] == [("bob", "in flight")]
    assert journeys.messages[0].copies == journeys.copies


def test_a_tombstone_of_an_unknown_message_has_no_number_and_takes_none() -> None:
    journal = Journal(count().__next__)
    journal.record("alice", "joined")
    journal.record("alice", "emitted", message=0, event="chat")
    journal.record("alice", "restored", message=1, event="chat", id="c:1", text="old", reason="given up")
    journal.record("alice", "restored", message=2, event="chat", id="c:2", text="older")
    journal.record("alice", "emitted", message=3, event="chat")
    messages = Journeys(journal.events).messages
    assert [(message.label, message.text) for message in messages] == [("#1", ""), ("earlier", "old"), ("#2", "older"), ("#3", "")]
