"""Who comes back with an offset gets everything after it, or is told that this cannot be, and why."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.rules.replay import REASONS, Position, Reason, Session, handled, is_repeat, moved, welcome

OFFSETS = st.integers(0, 6)
KNOWN = st.none() | st.builds(Position, st.sampled_from(["", "e", "old"]), OFFSETS)


def greeting(known: Position | None, *, trimmed: int = 0, head: int = 9) -> Session:
    return welcome(known, epoch="e", trimmed=trimmed, head=head)


# -- the server's side --------------------------------------------------------------------------------------------------------------


def test_who_was_here_before_goes_on_where_it_was() -> None:
    session = greeting(Position("e", 5))
    assert session == Session("e", 5)
    assert session.recovered
    assert session.position == Position("e", 5)


def test_a_first_connection_is_told_where_the_log_stands() -> None:
    session = greeting(None)
    assert session == Session("e", 9, "new")
    assert not session.recovered
    assert session.position == Position("e", 9)


def test_cut_before_its_first_event_it_loses_nothing_if_it_was_told_where_it_stands() -> None:
    told = moved(None, greeting(None, head=9))
    assert greeting(told, head=12) == Session("e", 9), "10 to 12 follow"
    assert greeting(None, head=12) == Session("e", 12, "new"), "without it 10 to 12 are lost"


def test_0_is_an_offset() -> None:
    assert greeting(Position("e", 0)) == Session("e", 0)
    told = moved(None, greeting(None, head=0))
    assert greeting(told, head=3) == Session("e", 0), "it was here when the log was empty, and has missed all of it"


@pytest.mark.parametrize("offset", [0, 3, 9, 99])
def test_an_offset_of_another_epoch_means_nothing_whatever_it_is(offset: int) -> None:
    assert greeting(Position("old", offset)) == Session("e", 0, "epoch-changed"), "all of the new database is replayed"
    assert greeting(Position("old", offset), trimmed=4) == Session("e", 4, "epoch-changed"), "all that is left of it"


def test_an_unknown_epoch_is_taken_for_that_of_the_log() -> None:
    assert greeting(Position("", 5)) == Session("e", 5)
    assert greeting(Position("", 5), trimmed=6) == Session("e", 6, "truncated")
    assert greeting(Position("", 10)) == Session("e", 9, "ahead")


def test_who_needs_what_retention_has_removed_is_told_and_goes_on_with_what_is_left() -> None:
    assert greeting(Position("e", 3), trimmed=4) == Session("e", 4, "truncated")
    assert greeting(Position("e", 4), trimmed=4) == Session("e", 4), "it needs 5 and what follows"
    assert greeting(Position("e", 9), trimmed=9) == Session("e", 9), "everything is removed, and it needs nothing of it"


def test_who_is_ahead_of_the_log_does_not_wait_for_ever() -> None:
    assert greeting(Position("e", 10)) == Session("e", 9, "ahead")
    assert greeting(Position("e", 9)) == Session("e", 9), "it has caught up"
    assert greeting(Position("e", 1), head=0) == Session("e", 0, "ahead"), "the log is empty"


def test_a_log_that_has_grown_past_the_offset_again_looks_as_if_it_had_never_gone_back() -> None:
    assert greeting(Position("e", 9), head=8).reason == "ahead"
    assert greeting(Position("e", 9), head=9).recovered


def test_every_reason_is_one_that_a_session_can_have() -> None:
    sessions = [
        greeting(Position("e", 5)),
        greeting(None),
        greeting(Position("e", 3), trimmed=4),
        greeting(Position("old", 3)),
        greeting(Position("e", 10)),
    ]
    assert tuple(session.reason for session in sessions) == REASONS == get_args(Reason)
    assert [session.recovered for session in sessions] == [True, False, False, False, False]


# -- the client's side --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["new", "truncated", "epoch-changed"])
def test_who_had_no_offset_stands_where_it_was_told(reason: Reason) -> None:
    assert moved(None, Session("e", 5, reason)) == Position("e", 5)


def test_recovered_leaves_the_client_where_it_was() -> None:
    assert moved(Position("e", 5), Session("e", 5)) == Position("e", 5)
    assert moved(None, Session("e", 5)) == Position("e", 5)


@pytest.mark.parametrize("epoch", ["e", ""])
def test_what_was_finished_since_the_client_said_where_it_stands_stays_behind_it(epoch: str) -> None:
    known = handled(Position(epoch, 5), 8)
    assert moved(known, Session("e", 5)) == Position("e", 8), "8 comes again, and is a repeat"
    assert moved(known, Session("e", 6, "truncated")) == Position("e", 8), "8 comes again here too"


def test_truncated_moves_the_client_over_what_is_gone() -> None:
    assert moved(Position("e", 3), Session("e", 6, "truncated")) == Position("e", 6)


def test_the_offset_goes_back_where_the_log_did() -> None:
    assert moved(Position("e", 9), Session("e", 4, "ahead")) == Position("e", 4)
    assert moved(Position("old", 9), Session("e", 0, "epoch-changed")) == Position("e", 0)


@pytest.mark.parametrize("reason", ["", "truncated", "new"])
def test_an_offset_of_another_epoch_is_left_whatever_the_session_says(reason: Reason) -> None:
    assert moved(Position("old", 9), Session("e", 4, reason)) == Position("e", 4)


def test_what_comes_at_or_below_the_offset_is_a_repeat() -> None:
    at = Position("e", 5)
    assert [is_repeat(at, offset) for offset in (1, 4, 5, 6, 9)] == [True, True, True, False, False]


def test_without_an_offset_nothing_is_a_repeat() -> None:
    assert not is_repeat(None, 0)
    assert not is_repeat(None, 5)


def test_a_gap_means_nothing() -> None:
    at = handled(handled(Position("e", 2), 3), 7)
    assert at == Position("e", 7)
    assert greeting(at, trimmed=7) == Session("e", 7)
    assert not is_repeat(at, 8)


def test_the_offset_is_that_of_the_last_event_that_was_handled_in_the_same_epoch() -> None:
    assert handled(Position("e", 5), 6) == Position("e", 6)
    assert handled(None, 6) == Position("", 6), "a client that was never told, as on the page"


# -- both -----------------------------------------------------------------------------------------------------------------------------


@given(known=KNOWN, trimmed=OFFSETS, more=OFFSETS)
def test_who_was_told_and_comes_back_at_once_is_recovered(known: Position | None, trimmed: int, more: int) -> None:
    head = trimmed + more
    first = greeting(known, trimmed=trimmed, head=head)
    at = moved(known, first)
    assert at == first.position
    assert greeting(at, trimmed=trimmed, head=head) == Session("e", first.offset)


@given(known=KNOWN, trimmed=OFFSETS, more=OFFSETS)
def test_a_replay_begins_within_the_log_and_leaves_nothing_out_in_silence(known: Position | None, trimmed: int, more: int) -> None:
    head = trimmed + more
    session = greeting(known, trimmed=trimmed, head=head)
    assert trimmed <= session.offset <= head
    assert session.epoch == "e"
    if session.recovered:
        assert known is not None
        assert session.offset == known.offset, "neither over something nor back"
