"""The sentence that tells a message's whole fate, and what of a picture belongs to it."""

import re
from itertools import count

import pytest

from realtime_lab.history.copies import SERVER
from realtime_lab.history.hops import passages_of
from realtime_lab.history.journal import Journal
from realtime_lab.history.journeys import Journeys
from realtime_lab.history.space_time import layout
from realtime_lab.history.whole_fate import _which, whole_fates
from tests.history import stories_of_replay, stories_of_retries
from tests.history.stories import Story


def refused():
    story = Story("alice", "bob", relay=True)
    story.cut("alice")
    story.both_notice("alice")
    story.emit("alice")
    return story


def lost_on_the_way():
    story = Story("alice", "bob", "carol", relay=True)
    story.emit("alice")
    story.settle()
    story.emit("alice")
    story.carry("alice", "upstream")
    story.cut("bob")
    story.settle()
    story.cut("carol")
    story.both_notice("bob")
    story.both_notice("carol")
    story.emit("alice")
    story.settle()
    story.stall("alice")
    story.emit("alice")
    return story


def absent():
    story = Story("alice", relay=True)
    story.join("bob")
    story.join("carol")
    story.emit("alice")
    story.settle()
    return story


STORIES = [
    refused, absent, lost_on_the_way,
    *(getattr(stories_of_retries, name) for name in ("lost_ack", "handled_twice", "offline", "crashed", "given_up", "everything")),
    *(getattr(stories_of_replay, name) for name in ("truncated", "repeated", "halted", "naive_replay", "new_database", "without_replay")),
]  # fmt: skip


def told(story):
    return list(whole_fates(Journeys(story.events)).values())


@pytest.mark.parametrize(
    ("story", "sentence"),
    [
        (refused, "alice's chat message #1 was refused by emit: not connected."),
        (lost_on_the_way, "alice's chat message #1 reached the server's handler; bob's and carol's handlers got it once."),
        (
            lost_on_the_way,
            "alice's chat message #2 reached the server's handler; it was lost on the way to bob: the link was cut; "
            "carol's handler got it once.",
        ),
        (lost_on_the_way, "alice's chat message #3 reached the server's handler; bob and carol missed it: the link was cut."),
        (lost_on_the_way, "alice's chat message #4 is held by alice's link."),
        (absent, "alice's chat message #1 reached the server's handler; bob and carol missed it: not connected."),
        (
            stories_of_retries.lost_ack,
            "alice's chat message #1 was sent twice; the first reached the server's handler; the second reached the server, "
            "but no handler: the server took it for a duplicate; an ack was lost: the link was cut; alice has a later ack.",
        ),
        (
            stories_of_retries.handled_twice,
            "alice's chat message #1 was sent twice; the first and the second reached the server's handler; alice has its ack.",
        ),
        (
            stories_of_retries.offline,
            "alice's chat message #4 was never sent: volatile, and not connected; alice was told that it is rejected.",
        ),
        (
            stories_of_retries.crashed,
            "alice's chat message #2 was sent twice; the first reached the server's handler, and what that did was undone: "
            "the server crashed before the commit; the second reached the server's handler; alice has its ack.",
        ),
        (
            stories_of_retries.given_up,
            "alice's chat message #1 was sent twice; the first was lost on the way to the server: the link was stalled; "
            "the second was lost on the way to the server: the link was cut; alice gave it up; alice does not know its fate.",
        ),
        (stories_of_retries.everything, "alice's chat message #4 is held by alice's link; alice waits for its ack."),
        (stories_of_retries.everything, "alice's chat message #5 is kept by alice and not sent yet."),
        (
            stories_of_replay.truncated,
            "The server's chat message #2 was stored at offset 2; alice's handler got it once; "
            "bob missed it: its history was truncated.",
        ),
        (
            stories_of_replay.truncated,
            "The server's chat message #4 was stored at offset 4; alice's handler got it once; bob's handler got it once as a replay.",
        ),
        (
            stories_of_replay.repeated,
            "The server's chat message #2 was stored at offset 2; alice's and bob's handlers got it once; "
            "a copy that came to bob again was not handled.",
        ),
        (
            stories_of_replay.halted,
            "The server's chat message #2 was stored at offset 2; alice's handler got it once; bob's handler got it once, and failed.",
        ),
        (
            stories_of_replay.naive_replay,
            "The server's chat message #3 was emitted; alice's handler got it once; bob's handler got it once as a replay; "
            "a copy to bob was lost: the link was cut.",
        ),
    ],
)  # fmt: skip
def test_one_sentence_tells_the_whole_fate(story, sentence):
    assert sentence in told(story()), "\n".join(told(story()))


@pytest.mark.parametrize("story", STORIES)
def test_at_every_moment_the_sentence_agrees_with_the_verdict_about_what_each_receiver_got(story):
    events = story().events
    for end in range(len(events) + 1):
        journeys = Journeys(events[:end])
        sentences = whole_fates(journeys)
        for message in journeys.messages:
            for (sender, receiver), passage in passages_of(message, journeys.log).items():
                if sender == SERVER:
                    sentence, stage = sentences[message.source.seq], passage.stage
                    clauses = [clause for clause in sentence.rstrip(".").split("; ") if receiver in clause.split(":")[0]]
                    lost = any("missed it" in clause or "it was lost on the way" in clause for clause in clauses)
                    assert any("got it" in clause for clause in clauses) == (stage == "arrived"), sentence
                    assert lost == (stage == "lost"), sentence


@pytest.mark.parametrize("story", STORIES)
def test_every_arrow_and_every_mark_about_messages_belongs_to_a_message_that_has_a_sentence(story):
    journeys, picture = Journeys(story().events), layout(story().events)
    sentences = whole_fates(journeys)
    assert picture.arrows
    for arrow in picture.arrows:
        assert re.findall(r"#\d+", arrow.label) == re.findall(r"#\d+", sentences[arrow.message])
    for mark in picture.marks:
        named = re.findall(r"#\d+", f"{mark.labels} {mark.word if mark.style == 'done' else mark.sentence * (not mark.labels)}")
        assert named == [re.findall(r"#\d+", sentences[seq])[0] for seq in mark.messages]


def test_only_the_messages_that_are_asked_for_are_told():
    journeys = Journeys(lost_on_the_way().events)
    every = whole_fates(journeys)
    some = list(every)[1:3]
    assert whole_fates(journeys, some) == {seq: every[seq] for seq in some}


def test_many_tries_are_counted_and_the_sixth_has_no_ordinal():
    assert [_which(numbers) for numbers in ([0], [4], [5], [0, 1], [0, 1, 2], [0, 5], [5, 6, 7])] == [
        "the first", "the fifth", "try 6", "the first and the second", "the first, the second and the third", "2 of these", "3 of these",
    ]  # fmt: skip


def test_of_a_foreign_client_only_its_link_is_seen_and_what_a_link_holds_is_said():
    story = Story("alice", relay=False)
    story.join("bob", "wire")
    story.connect("bob")
    story.publish()
    story.publish()
    story.settle()
    story.stall("bob")
    story.publish()
    assert told(story) == [
        "The server's chat message #1 was emitted; alice's handler got it once; it crossed bob's link once.",
        "The server's chat message #2 was emitted; alice's handler got it once; it crossed bob's link once.",
        "The server's chat message #3 was emitted; it is still on the way to alice; it is held by bob's link.",
    ]


def tried(*ends):
    """What is told of one message whose tries ended so."""
    journal, place = Journal(count().__next__), {"sid": "s1", "direction": "upstream", "event": "chat"}
    journal.record("alice", "joined")
    journal.record("server", "connected", sid="s1")
    journal.record("alice", "connected", sid="s1")
    journal.record("alice", "emitted", message=0, event="chat")
    journal.record("alice", "buffered", message=0, event="chat")
    for index, end in enumerate(ends):
        journal.record("alice", "sent", message=0, event="chat", sid="s1", attempt=index + 1)
        if end in ("held", "dropped", "wire"):
            journal.record("alice", end, **place, index=index, reason="the link was cut" * (end == "dropped"))
        if end in ("handled", "failed", "ack lost"):
            journal.record("server", "received", message=index, event="chat", sid="s1", index=index)
            journal.record("server", "failed" if end == "failed" else "handled", message=index, reason="ValueError: no")
        if end == "ack lost":
            journal.record("alice", "dropped", sid="s1", direction="downstream", type="ACK", answers=index, reason="it was cut")
        if end == "odd":
            journal.record("server", "discarded", event="chat", sid="s1", index=index, reason="a reason of one's own")
    (sentence,) = whole_fates(Journeys(journal.events)).values()
    return sentence.removeprefix("alice's chat #1 ").removesuffix("; alice waits for its ack.")


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (["way"], "is still on the way to the server"),
        (["held"], "is held by alice's link"),
        (["wire"], "is still on the way to the server"),
        (["dropped"], "was lost on the way to the server: the link was cut"),
        (["handled"], "reached the server's handler"),
        (["failed"], "reached the server's handler, which failed"),
        (["odd"], "reached the server, but no handler: a reason of one's own"),
        (["way", "wire"], "was sent twice; the first and the second are still on the way to the server"),
        (["held", "held", "way"], "was sent 3 times; the first and the second are held by alice's link; "
            "the third is still on the way to the server"),
        (["dropped", "handled", "dropped"], "was sent 3 times; the first and the third were lost on the way to the server: "
            "the link was cut; the second reached the server's handler"),
        (["ack lost"], "reached the server's handler; an ack was lost: it was cut"),
        (["ack lost", "ack lost"], "was sent twice; the first and the second reached the server's handler; "
            "2 acks were lost: it was cut"),
    ],
)  # fmt: skip
def test_every_try_has_its_end_and_those_with_the_same_end_share_a_clause(ends, said):
    assert tried(*ends) == said


def test_what_is_stored_waits_for_who_comes_back_for_it():
    story = stories_of_replay.Replays("alice", "bob", relay=False)
    story.publish()
    story.settle()
    story.break_and_notice("bob")
    story.publish()
    story.settle()
    assert told(story)[1] == "The server's chat message #2 was stored at offset 2; alice's handler got it once; the log keeps it for bob."
