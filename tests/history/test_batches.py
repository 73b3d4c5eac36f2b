"""Several stored events in one packet: each is a message of its own, and they share the fate of the packet."""

from itertools import count

import pytest

from realtime_lab.history.journal import Journal
from realtime_lab.history.journeys import Journeys
from realtime_lab.history.space_time import layout

EVENT = {"sid": "s1", "event": "chat"}
PACKET = {"sid": "s1", "direction": "downstream", "type": "EVENT", "event": "batch"}


def sent(*batches: int) -> Journal:
    """To bob: so many stored events in each batch; 0: one that travels alone."""
    journal, offsets = Journal(count().__next__), count(1)
    journal.record("bob", "joined")
    journal.record("server", "connected", sid="s1")
    journal.record("bob", "wire", sid="s1", direction="downstream", packet=1, type="CONNECT")
    journal.record("bob", "connected", sid="s1")
    for size in batches:
        for inside in range(size) if size else [-1]:
            offset = next(offsets)
            journal.record("server", "stored", message=offset - 1, event="chat", offset=offset, text=f"text {offset}")
            journal.record("server", "sent", **EVENT, offset=offset, inside=inside)
    return journal


def fates(journal: Journal) -> list[str]:
    return [copy.fate for copy in Journeys(journal.events).copies]


def test_each_event_of_a_batch_has_its_place_in_it() -> None:
    journal = sent(3, 0, 2)
    for reception, (index, inside) in enumerate([(0, 0), (0, 2), (1, -1), (2, 1)]):
        journal.record("bob", "received", message=reception, **EVENT, index=index, inside=inside)
    journeys = Journeys(journal.events)
    assert fates(journal) == ["arrived", "in flight", "arrived", "arrived", "in flight", "arrived"]
    assert journeys.outstanding("s1", "downstream") == 2
    places = [journeys.copy_at("s1", "downstream", *place) for place in [(0, 0), (0, 1), (0, 2), (1, -1), (1, 0), (2, 0), (2, 1), (2, 2)]]
    assert [copy and copy.message.offset for copy in places] == [1, 2, 3, 4, 4, 5, 6, None]
    assert [copy.message.text for copy in places[:2] if copy] == ["text 1", "text 2"]


@pytest.mark.parametrize(("packet", "lost"), [(0, [1, 2, 3]), (1, [4]), (2, [5, 6]), (3, [])])
def test_a_packet_takes_all_that_is_in_it_with_it(packet: int, lost: list[int]) -> None:
    journal = sent(3, 0, 2)
    journal.record("bob", "dropped", **PACKET, index=packet, reason="the link was cut")
    journeys = Journeys(journal.events)
    assert [copy.message.offset for copy in journeys.copies if copy.fate == "lost"] == lost
    assert [copy.message.offset for copy in journeys.copies_at("s1", "downstream", packet)] == lost
    assert [message.offset for message in journeys.concerned] == lost


def test_a_session_takes_a_place_between_batches_and_delivers_nothing() -> None:
    journal = sent(2)
    journal.record("server", "session", sid="s1", offset=2)
    journal.record("server", "stored", message=2, event="chat", offset=3)
    journal.record("server", "sent", **EVENT, offset=3)
    journal.record("bob", "received", message=0, **EVENT, index=2)
    journeys = Journeys(journal.events)
    assert fates(journal) == ["in flight", "in flight", "arrived"]
    assert journeys.copies_at("s1", "downstream", 1) == []
    assert journeys.copy_at("s1", "downstream", 1) is None


def test_what_nobody_knows_to_have_been_sent_takes_the_place_at_which_it_came() -> None:
    journal = sent(0)
    came = [journal.record("bob", "received", message=n, **EVENT, index=index, text=f"at {index}") for n, index in enumerate((7, 0, 9, 8))]
    journeys = Journeys(journal.events)
    stored, *unknown = journeys.copies
    assert [copy.received for copy in (unknown[0], stored, *unknown[1:])] == [event.seq for event in came]
    assert [journeys.copy_at("s1", "downstream", index) for index in (7, 0, 9, 8)] == [unknown[0], stored, *unknown[1:]]
    assert [(copy.message.text, copy.message.seq) for copy in unknown] == [(came[n].text, came[n].seq) for n in (0, 2, 3)]
    journal.record("server", "connected", sid="s2")
    for index in (3, 0):
        journal.record("alice", "received", message=index, sid="s2", event="chat", index=index)
    journeys = Journeys(journal.events)
    assert [journeys.copy_at("s2", "downstream", index) for index in (3, 0)] == journeys.copies[-2:]


def test_where_no_place_is_recorded_what_comes_is_the_next_that_delivers_anything() -> None:
    journal = sent()
    journal.record("server", "session", sid="s1", offset=0)
    for offset in (1, 2, 3):
        journal.record("server", "stored", message=offset, event="chat", offset=offset)
        journal.record("server", "sent", **EVENT, offset=offset)
    came = [journal.record("bob", "received", message=number, **EVENT) for number in range(3)]
    assert [copy.received for copy in Journeys(journal.events).copies] == [event.seq for event in came]


def test_a_batch_of_a_client_is_answered_at_once_and_each_event_of_it_for_itself() -> None:
    journal, place = Journal(count().__next__), {"sid": "s1", "index": 0}
    journal.record("alice", "joined")
    journal.record("server", "connected", sid="s1")
    journal.record("alice", "connected", sid="s1")
    for number in range(3):
        journal.record("alice", "emitted", message=number, event="chat")
        journal.record("alice", "buffered", message=number, event="chat", reason="waits for its turn")
        journal.record("alice", "sent", message=number, event="chat", sid="s1", attempt=1, inside=number)
    journal.record("alice", "timed_out", message=1, **place, inside=1)
    for number in (0, 2, 1):
        journal.record("server", "received", message=number, event="chat", **place, inside=number)
    answered = journal.record("server", "answered", **place)
    crossed = journal.record("alice", "wire", sid="s1", direction="downstream", type="ACK", answers=0)
    for number in (0, 2):
        journal.record("alice", "acked", message=number, **place, inside=number, reason="ok")
    copies = Journeys(journal.events).copies
    acks = [copy.ack for copy in copies if copy.ack]
    assert [(ack.answered, ack.wire) for ack in acks] == [(answered.seq, crossed.seq)] * 3
    assert [(ack.result, ack.late) for ack in acks] == [("ok", False), ("", True), ("ok", False)]
    assert [copy.timed_out >= 0 for copy in copies] == [False, True, False]
    assert [copy.received - copies[0].received for copy in copies] == [0, 2, 1]
    assert all(copy.message.waits and copy.message.kept for copy in copies)
    drawn = [arrow for arrow in layout(journal.events).arrows if arrow.style == "ack"]
    assert {(arrow.label, arrow.reach) for arrow in drawn} == {("ack #1", 1), ("ack #2", 1), ("ack #3", 1)}


def test_what_comes_again_in_a_batch_is_no_loss() -> None:
    journal = sent(2)
    journal.record("bob", "discarded", **EVENT, index=0, inside=0, reason="repeat")
    copies = Journeys(journal.events).copies
    assert [(copy.fate, copy.repeat) for copy in copies] == [("arrived", True), ("in flight", False)]
