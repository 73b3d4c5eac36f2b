"""Several stored events in one packet: each is a message of its own, and they share the fate of the packet."""

from itertools import count

import pytest

from realtime_lab.history.copies import Copy
from realtime_lab.history.journal import Journal
from realtime_lab.history.journeys import Journeys

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
    journal.record("bob", "received", message=0, **EVENT, index=7)
    journal.record("bob", "received", message=1, **EVENT, index=0)
    journeys = Journeys(journal.events)
    (stored, unknown) = journeys.copies
    assert isinstance(unknown, Copy)
    assert (unknown.received, stored.received) == (journal[-2].seq, journal[-1].seq)
    assert journeys.copy_at("s1", "downstream", 7) is unknown
