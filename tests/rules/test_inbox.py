"""Stored events are handled one at a time, in order, and the offset moves only after the handler has returned."""

import pytest

from realtime_lab.rules.inbox import TRIES, Handle, Inbox, Moved, Repeat
from realtime_lab.rules.replay import Position, Session

AT = Position("e", 5)


def filled(*offsets: int, position: Position | None = AT, delay: float = 0.0, delay_max: float = 5.0) -> Inbox[str]:
    inbox: Inbox[str] = Inbox(position, delay=delay, delay_max=delay_max)
    for offset in offsets:
        inbox.arrived(offset, f"#{offset}")
    return inbox


def halted(*offsets: int) -> Inbox[str]:
    """At the first of them."""
    inbox = filled(*offsets)
    for attempt in range(1, TRIES + 1):
        assert inbox.next(0.0) == Handle(f"#{offsets[0]}", attempt)
        assert inbox.failed(0.0, 0.5) == (attempt == TRIES)
    return inbox


def test_events_are_handled_one_at_a_time_in_order() -> None:
    inbox = filled(6, 7, 9)
    for offset in (6, 7, 9):
        assert inbox.next(0.0) == Handle(f"#{offset}", 1)
        assert inbox.next(99.0) is None, "a handler is running"
        inbox.handled()
        assert inbox.position == Position("e", offset)
    assert inbox.next(0.0) is None


def test_the_offset_moves_only_after_the_handler_has_returned() -> None:
    inbox = filled(6, 7)
    assert inbox.position == AT, "arrived"
    inbox.next(0.0)
    assert inbox.position == AT, "running"
    inbox.failed(0.0, 0.5)
    assert inbox.position == AT, "failed"
    inbox.next(0.0)
    inbox.handled()
    assert inbox.position == Position("e", 6)


def test_an_event_whose_handler_was_running_when_the_process_ended_is_handled_by_the_next_one() -> None:
    inbox = filled(6)
    inbox.next(0.0)
    again = filled(6, position=inbox.position)
    assert again.next(0.0) == Handle("#6", 1)


def test_what_comes_again_is_dropped() -> None:
    inbox = filled(4, 5, 6, 6)
    assert [inbox.next(0.0), inbox.next(0.0)] == [Repeat("#4"), Repeat("#5")]
    assert inbox.position == AT
    inbox.next(0.0)
    inbox.handled()
    assert inbox.next(0.0) == Repeat("#6")


def test_a_client_that_was_never_told_where_it_stands_handles_what_comes() -> None:
    inbox = filled(0, 3, position=None)
    assert inbox.next(0.0) == Handle("#0", 1)
    inbox.handled()
    assert inbox.position == Position("", 0)
    assert inbox.next(0.0) == Handle("#3", 1)


# -- a handler that raises -----------------------------------------------------------------------------------------------------------


def test_a_handler_that_raises_is_tried_again_with_a_growing_wait_while_the_others_wait_behind_it() -> None:
    inbox, now = filled(6, 7, delay=1.0, delay_max=3.0), 10.0
    for attempt, wait in enumerate([0.5, 1.0, 1.5], 1):
        assert inbox.next(now) == Handle("#6", attempt)
        assert inbox.next_deadline() is None
        assert not inbox.failed(now, 0.5)
        assert inbox.next_deadline() == now + wait
        assert inbox.next(now + wait - 0.01) is None, "7 may not overtake"
        now += wait
    inbox.next(now)
    inbox.handled()
    assert inbox.next_deadline() is None
    assert inbox.next(now) == Handle("#7", 1), "the tries of 6 do not count against it"


def test_it_is_tried_three_times_more_and_then_nothing_is_handled() -> None:
    inbox = halted(6, 7)
    assert TRIES == 4
    assert inbox.halted == 6
    assert inbox.next(1e9) is None
    assert inbox.next_deadline() is None
    assert inbox.position == AT


def test_resume_tries_again_as_often_as_the_first_time() -> None:
    inbox = halted(6, 7)
    assert inbox.resume()
    assert inbox.halted is None
    for attempt in range(1, TRIES + 1):
        assert inbox.next(0.0) == Handle("#6", attempt)
        inbox.failed(0.0, 0.5)
    assert inbox.halted == 6
    assert inbox.resume()
    inbox.next(0.0)
    inbox.handled()
    assert inbox.next(0.0) == Handle("#7", 1)


def test_resume_does_not_wait() -> None:
    inbox = filled(6, delay=5.0)
    for now in range(0, 40, 10):
        inbox.next(float(now))
        inbox.failed(float(now), 0.9)
    assert inbox.resume()
    deadline = inbox.next_deadline()
    assert deadline is not None
    assert deadline <= 30.0, "it is over"
    assert inbox.next(30.0) == Handle("#6", 1)


def test_what_says_nothing_about_the_event_is_tried_again_for_as_long_as_it_lasts() -> None:
    inbox = filled(6)
    for attempt in range(1, 3 * TRIES):
        assert inbox.next(0.0) == Handle("#6", attempt)
        assert not inbox.failed(0.0, 0.5, counts=False)
    assert (inbox.halted, inbox.idle) == (None, False)
    for attempt in range(1, TRIES + 1):
        inbox.next(0.0)
        assert inbox.failed(0.0, 0.5) == (attempt == TRIES)


def test_its_wait_grows_like_any_other() -> None:
    inbox = filled(6, delay=1.0, delay_max=4.0)
    waits = []
    for _ in range(4):
        inbox.next(0.0)
        inbox.failed(-100.0, 0.5, counts=False)
        waits.append((inbox.next_deadline() or 0.0) + 100.0)
    assert waits == sorted(waits)
    assert waits[0] < waits[1] < waits[-1]


@pytest.mark.parametrize("how", ["handled", "halted and resumed"])
def test_an_excuse_is_good_for_these_tries_only(how: str) -> None:
    inbox = filled(6, 7)
    for _ in range(3):
        inbox.next(0.0)
        inbox.failed(0.0, 0.5, counts=False)
    if how == "handled":
        inbox.next(0.0)
        inbox.handled()
    else:
        while inbox.halted is None:
            inbox.next(0.0)
            inbox.failed(0.0, 0.5)
        inbox.resume()
    for attempt in range(1, TRIES + 1):
        inbox.next(0.0)
        assert inbox.failed(0.0, 0.5) == (attempt == TRIES)


def test_there_is_nothing_to_resume_when_it_is_not_halted() -> None:
    inbox = filled(6, delay=1.0)
    assert not inbox.resume()
    inbox.next(0.0)
    assert not inbox.resume(), "running"
    inbox.failed(0.0, 0.5)
    assert not inbox.resume(), "resting"
    assert inbox.next(0.1) is None


def test_skip_goes_on_without_the_event_and_it_does_not_come_again() -> None:
    inbox = halted(6, 7)
    inbox.skip()
    assert inbox.halted is None
    assert inbox.position == Position("e", 6)
    assert inbox.next(0.0) == Handle("#7", 1)
    inbox.handled()
    inbox.arrived(6, "#6")
    assert inbox.next(0.0) == Repeat("#6")


def test_an_event_may_be_skipped_before_it_has_raised_every_time() -> None:
    inbox = filled(6, 7, delay=1.0)
    inbox.next(0.0)
    inbox.failed(0.0, 0.5)
    inbox.skip()
    assert inbox.next_deadline() is None
    assert inbox.next(0.0) == Handle("#7", 1)


def test_it_is_idle_when_nothing_more_happens_by_itself() -> None:
    assert filled().idle
    assert halted(6, 7).idle
    inbox = filled(6)
    assert not inbox.idle, "something waits"
    inbox.next(0.0)
    assert not inbox.idle, "something runs"
    inbox.failed(0.0, 0.5)
    assert not inbox.idle, "something rests"
    inbox.next(0.0)
    inbox.handled()
    assert inbox.idle


# -- connections ---------------------------------------------------------------------------------------------------------------------


def test_what_was_not_begun_when_the_connection_ended_is_forgotten_and_comes_again() -> None:
    inbox = filled(6, 7)
    inbox.told(Session("e", 5))
    inbox.arrived(8, "#8")
    assert inbox.disconnected() == ["#6", "#7", "#8"]
    assert inbox.idle
    assert inbox.disconnected() == []
    inbox.arrived(6, "#6")
    assert inbox.next(0.0) == Handle("#6", 1)


def test_what_was_begun_is_finished_and_is_a_repeat_on_the_next_connection() -> None:
    inbox = filled(6, 7)
    inbox.next(0.0)
    assert inbox.disconnected() == ["#7"]
    inbox.told(Session("e", 5))
    inbox.arrived(6, "#6")
    inbox.arrived(7, "#7")
    inbox.handled()
    assert [inbox.next(0.0), inbox.next(0.0), inbox.next(0.0)] == [Moved(Session("e", 5)), Repeat("#6"), Handle("#7", 1)]


@pytest.mark.parametrize("session", [Session("e", 5), Session("e", 8, "truncated")])
@pytest.mark.parametrize("epoch", ["e", ""])
def test_what_is_finished_after_the_client_said_where_it_stands_is_not_handled_again(session: Session, epoch: str) -> None:
    inbox = filled(9, position=Position(epoch, 5))
    inbox.next(0.0)
    inbox.disconnected()
    inbox.told(session)
    inbox.arrived(9, "#9")
    inbox.handled()
    assert [inbox.next(0.0), inbox.next(0.0)] == [Moved(session), Repeat("#9")]
    assert inbox.position == Position("e", 9)


def test_what_failed_stays_first_when_the_connection_ends() -> None:
    inbox = filled(6, 7, delay=1.0)
    inbox.next(0.0)
    inbox.failed(0.0, 0.5)
    inbox.disconnected()
    inbox.arrived(6, "#6")
    assert inbox.next(0.4) is None
    assert inbox.next(0.5) == Handle("#6", 2)


def test_it_stays_halted_when_the_connection_ends() -> None:
    inbox = halted(6, 7)
    inbox.disconnected()
    inbox.told(Session("e", 5))
    inbox.arrived(6, "#6")
    assert inbox.halted == 6
    assert inbox.next(0.0) is None
    inbox.skip()
    assert [inbox.next(0.0), inbox.next(0.0)] == [Moved(Session("e", 5)), Repeat("#6")]


def test_a_session_counts_when_everything_that_came_before_it_is_handled() -> None:
    inbox = filled(6)
    inbox.told(Session("e", 9, "truncated"))
    inbox.arrived(10, "#10")
    assert inbox.position == AT
    assert inbox.next(0.0) == Handle("#6", 1)
    assert inbox.next(0.0) is None
    inbox.handled()
    assert inbox.position == Position("e", 6)
    assert inbox.next(0.0) == Moved(Session("e", 9, "truncated"))
    assert inbox.position == Position("e", 9)
    assert inbox.next(0.0) == Handle("#10", 1)


def test_after_a_new_database_a_low_offset_is_no_repeat() -> None:
    inbox = filled()
    inbox.told(Session("new", 0, "epoch-changed"))
    inbox.arrived(1, "#1")
    assert [inbox.next(0.0), inbox.next(0.0)] == [Moved(Session("new", 0, "epoch-changed")), Handle("#1", 1)]
    inbox.handled()
    assert inbox.position == Position("new", 1)


# -- handlers that return at once -------------------------------------------------------------------------------------------------------


def test_a_stretch_gives_one_event_after_the_other_and_the_offset_moves_with_each() -> None:
    inbox = filled(6, 7)
    inbox.arrived_together([(8, "#8"), (9, "#9")])
    seen = [(event, inbox.position) for event in inbox.stretch()]
    assert seen == [(f"#{offset}", Position("e", offset - 1)) for offset in (6, 7, 8, 9)]
    assert (inbox.position, inbox.idle) == (Position("e", 9), True)


def test_a_stretch_ends_where_there_is_something_else_to_do() -> None:
    inbox = filled(6, 6, 7)
    inbox.told(Session("e2", 0, "epoch-changed"))
    inbox.arrived(1, "#1")
    assert [*inbox.stretch()] == ["#6"]
    assert inbox.next(0.0) == Repeat("#6")
    assert [*inbox.stretch()] == ["#7"]
    assert [*inbox.stretch()] == []
    assert isinstance(inbox.next(0.0), Moved)
    assert [*inbox.stretch()] == ["#1"]
    assert inbox.position == Position("e2", 1)


def test_whoever_leaves_a_stretch_says_what_became_of_the_last_event() -> None:
    inbox = filled(6, 7, 8)
    for _ in inbox.stretch():
        break
    assert (inbox.position, inbox.next(0.0), [*inbox.stretch()]) == (AT, None, [])
    inbox.handled()
    assert inbox.position == Position("e", 6)
    for _ in inbox.stretch():
        assert not inbox.failed(0.0, 0.5)
        break
    assert [*inbox.stretch()] == []
    for attempt in range(2, TRIES + 1):
        assert inbox.next(0.0) == Handle("#7", attempt)
        assert inbox.failed(0.0, 0.5) == (attempt == TRIES)
    assert (inbox.halted, [*inbox.stretch()], inbox.ready) == (7, [], False)
    inbox.skip()
    assert inbox.ready
    assert [*inbox.stretch()] == ["#8"]


def test_what_is_forgotten_in_the_middle_of_a_stretch_is_not_given_out() -> None:
    inbox = filled(6, 7, 8)
    given = []
    for event in inbox.stretch():
        given.append(event)
        assert inbox.disconnected() == (["#7", "#8"] if event == "#6" else [])
        inbox.arrived(9, "#9") if event == "#6" else None
    assert (given, inbox.position) == (["#6", "#9"], Position("e", 9))


def test_without_settings_a_handler_is_tried_again_at_once_and_never_waits_longer_than_five_seconds() -> None:
    for inbox, wait in ((Inbox(AT), 0.0), (Inbox(AT, delay=100.0), 5.0)):
        inbox.arrived(6, "#6")
        inbox.next(1.0)
        inbox.failed(1.0, 1.0)
        assert inbox.next_deadline() == 1.0 + wait
