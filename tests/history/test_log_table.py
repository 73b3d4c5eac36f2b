"""The table of the server's log says what is kept there, and who has it."""

from itertools import count

from realtime_lab.history.journal import Journal
from realtime_lab.history.log_table import LogTable, Row


def recorded() -> Journal:
    """Two events are stored, the second one for a room; bob is given both, alice the first."""
    journal = Journal(count().__next__)
    journal.record("server", "stored", message=0, event="chat", text="hello", offset=1)
    journal.record("server", "stored", message=1, event="news", text="more", offset=2, room="readers")
    for reception, offset in enumerate((1, 2)):
        journal.record("bob", "received", message=reception, event="chat", offset=offset)
    journal.record("alice", "received", message=0, event="chat", offset=1)
    return journal


def held(journal: Journal) -> dict[int, list[str]]:
    """Offset -> who has it."""
    return {offset: list(row.holders) for offset, row in LogTable(journal.events).rows.items()}


def test_a_row_says_what_was_stored() -> None:
    table = LogTable(recorded().events)
    assert [vars(row) for row in table.rows.values()] == [
        vars(Row(1, "chat", "hello", "")),
        vars(Row(2, "news", "more", "readers")),
    ]
    assert table.trimmed == 0


def test_who_has_handled_it_has_it_and_in_that_order() -> None:
    journal = recorded()
    assert held(journal) == {1: [], 2: []}, "no handler has returned"
    journal.record("bob", "handled", message=1)
    assert held(journal) == {1: [], 2: ["bob"]}
    journal.record("bob", "handled", message=0)
    journal.record("alice", "handled", message=0)
    assert held(journal) == {1: ["bob", "alice"], 2: ["bob"]}


def test_what_came_without_an_offset_and_what_is_of_an_earlier_time_is_in_no_row() -> None:
    journal = recorded()
    journal.record("alice", "received", message=1, event="chat")
    journal.record("alice", "handled", message=1)
    journal.record("alice", "received", message=2, event="chat", offset=0)
    journal.record("alice", "handled", message=2)
    journal.record("alice", "handled", message=9)
    assert held(journal) == {1: [], 2: []}


def test_what_is_trimmed_is_gone_and_the_table_says_up_to_where() -> None:
    journal = recorded()
    journal.record("alice", "fault", event="trim", offset=2)
    journal.record("server", "fault", event="crash", offset=2)
    assert list(held(journal)) == [1, 2], "these are faults of another kind"
    journal.record("server", "fault", event="trim", offset=1)
    journal.record("bob", "handled", message=0)
    assert held(journal) == {2: []}
    assert LogTable(journal.events).trimmed == 1


def test_a_new_database_is_empty_and_its_offsets_mean_other_messages() -> None:
    journal = recorded()
    journal.record("server", "fault", event="trim", offset=1)
    journal.record("alice", "fault", event="new database")
    assert list(held(journal)) == [2]
    journal.record("server", "fault", event="new database")
    assert (LogTable(journal.events).rows, LogTable(journal.events).trimmed) == ({}, 0)
    journal.record("server", "stored", message=2, event="chat", text="again", offset=1)
    journal.record("bob", "handled", message=0)
    assert held(journal) == {1: []}, "what bob was given stood in the other database"


def test_it_is_fed_event_by_event() -> None:
    journal, table = recorded(), LogTable()
    for event in journal:
        table.feed(event)
    assert [vars(row) for row in table.rows.values()] == [vars(row) for row in LogTable(journal.events).rows.values()]
