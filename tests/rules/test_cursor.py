"""Live is replay that has caught up: a cursor sends what was read after its offset, in order, and nothing else."""

import pytest

from realtime_lab.rules.cursor import Cursor, Send, Tell
from realtime_lab.rules.replay import Position, Session


def begun(known: Position | None, *, trimmed: int = 0, head: int = 9) -> Cursor[str]:
    cursor: Cursor[str] = Cursor(known)
    cursor.begin(epoch="e", trimmed=trimmed, head=head)
    return cursor


@pytest.mark.parametrize(
    ("known", "session"),
    [
        (None, Session("e", 9, "new")),
        (Position("e", 0), Session("e", 0)),
        (Position("e", 5), Session("e", 5)),
        (Position("", 5), Session("e", 5)),
        (Position("e", 1), Session("e", 2, "truncated")),
        (Position("e", 12), Session("e", 9, "ahead")),
        (Position("old", 5), Session("e", 2, "epoch-changed")),
    ],
)
def test_a_cursor_begins_where_the_rule_of_replay_says_and_tells_it(known: Position | None, session: Session) -> None:
    cursor: Cursor[str] = Cursor(known)
    trimmed = 0 if session.offset == 0 else 2
    assert cursor.begin(epoch="e", trimmed=trimmed, head=9) == Tell(session)
    assert cursor.after == session.offset


def test_what_was_read_is_sent_in_its_order() -> None:
    cursor = begun(Position("e", 5))
    assert cursor.read([(6, "six"), (8, "eight")], trimmed=0, head=9, last=False) == [Send(6, "six"), Send(8, "eight")]


def test_on_a_page_that_is_not_the_last_it_moves_to_what_it_sent_and_no_further() -> None:
    cursor = begun(Position("e", 5))
    cursor.read([(6, "six"), (8, "eight")], trimmed=0, head=20, last=False)
    assert cursor.after == 8
    cursor.read([(9, "nine")], trimmed=0, head=20, last=False)
    assert cursor.after == 9


def test_on_the_last_page_it_moves_to_the_head_because_what_it_did_not_get_is_not_for_this_client() -> None:
    cursor = begun(Position("e", 5))
    cursor.read([(6, "six")], trimmed=0, head=20, last=True)
    assert cursor.after == 20
    assert cursor.read([], trimmed=0, head=30, last=True) == []
    assert cursor.after == 30
    assert cursor.read([], trimmed=30, head=30, last=True) == [], "it needs nothing of what is gone"


def test_a_page_without_events_that_is_not_the_last_moves_nothing() -> None:
    cursor = begun(Position("e", 5))
    assert cursor.read([], trimmed=0, head=9, last=False) == []
    assert cursor.after == 5


def test_an_event_that_only_wakes_the_cursor_is_sent_when_it_is_read() -> None:
    cursor = begun(None)
    assert cursor.read([], trimmed=0, head=9, last=True) == []
    assert cursor.read([(10, "ten")], trimmed=0, head=10, last=True) == [Send(10, "ten")]
    assert cursor.read([], trimmed=0, head=10, last=True) == [], "and not again"
    assert cursor.after == 10


def test_a_client_that_retention_overtakes_is_told_first_and_goes_on_with_what_is_left() -> None:
    cursor = begun(Position("e", 2))
    effects = cursor.read([(8, "eight"), (9, "nine")], trimmed=7, head=9, last=True)
    assert effects == [Tell(Session("e", 7, "truncated")), Send(8, "eight"), Send(9, "nine")]
    assert cursor.read([], trimmed=7, head=9, last=True) == [], "told once"


def test_a_client_that_retention_overtakes_is_told_also_if_nothing_is_left() -> None:
    cursor = begun(Position("e", 2))
    assert cursor.read([], trimmed=9, head=9, last=True) == [Tell(Session("e", 9, "truncated"))]
    assert cursor.after == 9


def test_what_is_gone_and_behind_the_cursor_is_not_told() -> None:
    cursor = begun(Position("e", 5))
    assert cursor.read([(6, "six")], trimmed=5, head=6, last=True) == [Send(6, "six")]
    assert cursor.read([(7, "seven")], trimmed=6, head=7, last=True) == [Send(7, "seven")]


def test_the_cursor_does_not_go_back() -> None:
    cursor = begun(None)
    cursor.read([], trimmed=0, head=4, last=True)
    assert cursor.after == 9
