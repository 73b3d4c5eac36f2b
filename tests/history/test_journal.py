"""The record: append-only, numbered, told to everybody who asked."""

import pytest

from realtime_lab.history.journal import Event, Journal


def journal_at(*times: float) -> Journal:
    return Journal(iter(times).__next__)


def test_events_are_numbered_from_zero_and_carry_the_time_of_the_injected_clock() -> None:
    journal = journal_at(1.5, 2.5)
    journal.record("alice", "emitted")
    journal.record("server", "received")
    assert [(event.seq, event.time, event.node, event.kind) for event in journal] == [
        (0, 1.5, "alice", "emitted"),
        (1, 2.5, "server", "received"),
    ]


def test_record_returns_the_event_with_its_details_and_defaults_for_the_rest() -> None:
    event = journal_at(0.0).record("alice", "wire", direction="upstream", index=2)
    assert (event.direction, event.index, event.cause, event.sids) == ("upstream", 2, -1, ())


def test_an_unknown_detail_is_refused_and_nothing_is_recorded() -> None:
    journal = journal_at(0.0, 1.0)
    with pytest.raises(TypeError):
        journal.record("alice", "wire", colour="blue")
    assert len(journal) == 0


def test_subscribers_are_told_each_event_in_order_after_it_is_recorded() -> None:
    journal, told = journal_at(*range(9)), []
    journal.subscribe(lambda event: told.append(("first", event.seq, len(journal))))
    journal.subscribe(lambda event: told.append(("second", event.seq, len(journal))))
    journal.record("alice", "emitted")
    journal.record("alice", "sent")
    assert told == [("first", 0, 1), ("second", 0, 1), ("first", 1, 2), ("second", 1, 2)]


def test_a_subscriber_hears_nothing_from_before_and_nothing_after_it_has_ended() -> None:
    journal, told = journal_at(*range(9)), []
    journal.record("alice", "joined")
    end = journal.subscribe(lambda event: told.append(event.kind))
    journal.record("alice", "emitted")
    end()
    journal.record("alice", "sent")
    assert told == ["emitted"]


def test_a_subscriber_may_end_itself_while_it_is_told() -> None:
    journal, told = journal_at(*range(9)), []

    def once(event: Event) -> None:
        told.append("once")
        end()

    end = journal.subscribe(once)
    journal.subscribe(lambda event: told.append("always"))
    journal.record("alice", "emitted")
    journal.record("alice", "sent")
    assert told == ["once", "always", "always"]


def test_since_gives_what_is_new_and_events_gives_a_copy_of_everything() -> None:
    journal = journal_at(*range(9))
    for kind in ("joined", "emitted", "sent"):
        journal.record("alice", kind)
    assert [event.kind for event in journal.since(1)] == ["emitted", "sent"]
    assert journal.since(3) == []
    before = journal.events
    journal.record("alice", "left")
    assert len(before) == 3
    assert len(journal) == len(journal.events) == len(list(journal)) == 4


def test_an_event_prints_what_applies_to_it_and_no_time() -> None:
    event = journal_at(7.0).record("alice", "fault", event="cut", reason="alice.link.cut()")
    assert str(event) == "alice fault event='cut' reason='alice.link.cut()'"
    assert str(journal_at(7.0).record("alice", "connected", sid="s1")) == "alice connected sid='s1'"
    assert repr(journal_at()) == "<Journal: 0 events>"


def test_nothing_is_recorded_after_the_seal() -> None:
    journal = Journal(lambda: 1.0)
    seen: list[Event] = []
    journal.subscribe(seen.append)
    journal.record("alice", "joined")
    journal.seal()
    journal.record("alice", "left")
    assert [event.kind for event in journal] == [event.kind for event in seen] == ["joined"]


def test_a_journal_says_whether_it_is_sealed_and_gives_out_its_events_by_place() -> None:
    journal = journal_at(*range(3))
    for kind in ("joined", "emitted", "sent"):
        journal.record("alice", kind)
    assert not journal.sealed
    journal.seal()
    assert journal.sealed
    assert (journal[0].kind, journal[-1].kind) == ("joined", "sent")
    assert [event.kind for event in journal[1:]] == ["emitted", "sent"]
