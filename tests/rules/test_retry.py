"""An event is sent until it is acknowledged or its tries are used up; then its fate is unknown."""

import math

import pytest
from hypothesis import settings

from realtime_lab.errors import InvalidSetting
from realtime_lab.rules.retry import AFTER_GAP, MAX_WINDOW, Done, Retry, Send, Settle, TimedOut
from tests.examples import examples
from tests.rules.retry_machine import RetryMachine

TestRetry = RetryMachine.TestCase
TestRetry.settings = settings(max_examples=examples(200), stateful_step_count=30, deadline=None)


def started(count: int, *, retries: float = math.inf, window: int = 1, delay: float = 0.0) -> Retry:
    """Connected at 0, with events 1 to `count` under way."""
    retry = Retry(retries=retries, ack_timeout=2.0, window=window, delay=delay)
    assert retry.connected(0.0) == []
    for n in range(1, count + 1):
        assert retry.add(n, 0.0) == [Send(n, 1)]
    return retry


def test_an_event_that_is_acknowledged_is_settled_and_done() -> None:
    retry = started(1)
    assert (retry.room, retry.first, retry.tries) == (0, 1, {1: 1})
    assert retry.acknowledged(1, 0.5) == [Settle(1, "acked"), Done(1)]
    assert (retry.room, retry.first, retry.tries) == (1, None, {})
    assert retry.next_deadline() is None


def test_before_there_is_a_connection_nothing_leaves_and_no_time_runs() -> None:
    retry = Retry(retries=0, ack_timeout=2.0)
    assert retry.add(1, 0.0) == []
    assert retry.next_deadline() is None
    assert retry.tick(99.0, 0.5) == []
    assert retry.connected(100.0) == [Send(1, 1)]
    assert retry.next_deadline() == 102.0


def test_a_try_without_an_acknowledgement_in_time_is_repeated() -> None:
    retry = started(1)
    assert retry.tick(1.9, 0.5) == []
    assert retry.tick(2.0, 0.5) == [TimedOut(1, 1), Send(1, 2)]
    assert retry.next_deadline() == 4.0


def test_the_wait_before_a_try_is_repeated_grows_and_ends_at_its_limit() -> None:
    retry, now = Retry(retries=math.inf, ack_timeout=2.0, delay=1.0, delay_max=3.0), 0.0
    retry.connected(now)
    retry.add(1, now)
    for attempt, wait in enumerate([0.5, 1.0, 1.5, 1.5], 1):
        now += 2.0
        assert retry.tick(now, 0.5) == [TimedOut(1, attempt)]
        assert retry.next_deadline() == now + wait
        now += wait
        assert retry.tick(now, 0.5) == [Send(1, attempt + 1)]


def test_what_rests_holds_back_what_follows_it_and_no_timer_rings_in_vain() -> None:
    retry = started(2, window=3, delay=1.0)
    retry.refused(1, 0.0, "busy", draw=0.75, retryable=True)
    retry.refused(2, 0.0, "busy", draw=0.25, retryable=True)
    assert retry.add(3, 0.0) == []
    assert retry.next_deadline() == 0.75, "at 0.25 nothing could leave"
    assert retry.tick(0.25, 0.5) == []
    assert retry.tick(0.75, 0.5) == [Send(1, 2), Send(2, 2), Send(3, 1)]


def test_a_late_acknowledgement_counts_and_releases_what_was_held_back() -> None:
    retry = started(1, window=2, delay=1.0)
    assert retry.tick(2.0, 0.5) == [TimedOut(1, 1)]
    assert retry.add(2, 2.0) == []
    assert retry.acknowledged(1, 2.1) == [Settle(1, "acked"), Done(1), Send(2, 1)]


def test_a_second_acknowledgement_says_nothing_new() -> None:
    retry = started(1)
    retry.acknowledged(1, 0.5)
    assert retry.acknowledged(1, 0.6) == []
    assert retry.refused(1, 0.6, "no", draw=0.5, retryable=False) == []


def test_a_new_connection_sends_the_whole_window_again_in_order() -> None:
    retry = started(3, window=3, delay=1.0)
    assert retry.acknowledged(2, 0.1) == [Settle(2, "acked"), Done(2)]
    retry.refused(1, 0.1, "busy", draw=0.5, retryable=True)
    assert retry.disconnected() == []
    assert retry.next_deadline() is None
    assert retry.connected(0.2) == [Send(1, 2), Send(3, 2)], "a rest ends with its connection"


def test_a_lost_connection_tells_at_once_when_it_was_the_last_try() -> None:
    retry = started(1, retries=0)
    reason = "given up after 1 try: the connection ended before an acknowledgement came"
    assert retry.disconnected() == [Settle(1, "unknown", reason)]


def test_used_up_tries_are_unknown_and_only_the_tombstone_is_sent_from_then_on() -> None:
    retry = started(1, retries=1)
    assert retry.tick(2.0, 0.5) == [TimedOut(1, 1), Send(1, 2)]
    given_up = Settle(1, "unknown", "given up after 2 tries: no acknowledgement in 2 s")
    assert retry.tick(4.0, 0.5) == [TimedOut(1, 2), given_up, Send(1, 1, tombstone=True)]
    assert retry.tick(6.0, 0.5) == [TimedOut(1, 1), Send(1, 2, tombstone=True)]
    assert retry.disconnected() == []
    assert retry.connected(7.0) == [Send(1, 3, tombstone=True)]
    assert retry.acknowledged(1, 8.0) == [Done(1)], "the application knows its fate already"


def test_the_tombstone_of_an_earlier_run_is_sent_as_one() -> None:
    retry = started(0)
    assert retry.add(4, 0.0, tombstone=True) == [Send(4, 1, tombstone=True)]
    refusal = retry.refused(4, 0.1, "its sender had given it up", draw=0.5, retryable=False)
    assert refusal == [Done(4)]


def test_infinite_retries_never_give_up() -> None:
    retry, now = started(1), 0.0
    for attempt in range(1, 500):
        now += 2.0
        assert retry.tick(now, 0.5) == [TimedOut(1, attempt), Send(1, attempt + 1)]


def test_a_final_refusal_rejects_the_event_and_the_next_one_goes_on() -> None:
    retry = started(2, window=2)
    assert retry.refused(1, 0.1, "no money", draw=0.5, retryable=False) == [Settle(1, "rejected", "no money"), Done(1)]
    assert retry.acknowledged(2, 0.2) == [Settle(2, "acked"), Done(2)]


def test_a_refusal_for_now_costs_a_try() -> None:
    retry = started(1, retries=1)
    assert retry.refused(1, 0.1, "busy", draw=0.5, retryable=True) == [Send(1, 2)]
    given_up = Settle(1, "unknown", "given up after 2 tries: busy")
    assert retry.refused(1, 0.2, "busy", draw=0.5, retryable=True) == [given_up, Send(1, 1, tombstone=True)]


def test_the_refusal_of_an_earlier_try_does_not_disturb_the_wait_for_the_next() -> None:
    retry = started(1, delay=1.0)
    retry.tick(2.0, 0.5)
    assert retry.refused(1, 2.1, "busy", draw=0.9, retryable=True) == []
    assert retry.next_deadline() == 2.5


def test_a_gap_costs_no_try_because_nobody_looked_at_the_event() -> None:
    retry = started(2, retries=1, window=2, delay=1.0)
    assert retry.refused(1, 0.1, "busy", draw=0.5, retryable=True) == []
    assert retry.refused(2, 0.1, "gap", draw=0.5, retryable=True, gap=True) == []
    assert retry.tries == {1: 1, 2: 0}
    assert retry.tick(0.6, 0.5) == [Send(1, 2), Send(2, 1)]


def test_a_gap_behind_an_event_that_is_under_way_waits_until_that_is_heard_of() -> None:
    """Its refusal may come before the answer that waits for a commit; if it left at once it would be refused as often as it can leave."""
    retry = started(2, window=2)
    assert retry.refused(2, 0.1, "gap", draw=0.5, retryable=True, gap=True) == []
    assert retry.acknowledged(1, 0.2) == [Settle(1, "acked"), Done(1), Send(2, 1)]


def test_after_a_gap_no_timer_rings_for_what_may_not_leave() -> None:
    """It would ring again at once, for as long as it may not."""
    retry = started(3, window=3, delay=1.0)
    assert retry.refused(2, 0.1, "busy", draw=0.5, retryable=True) == []
    assert retry.next_deadline() == 0.6
    assert retry.refused(3, 0.1, "gap", draw=0.5, retryable=True, gap=True) == []
    assert retry.next_deadline() == 2.0, "when the first one is overdue"


def test_no_timer_rings_for_what_rests_beyond_the_open_part_of_the_window() -> None:
    retry = started(AFTER_GAP + 1, window=AFTER_GAP + 1, delay=1.0)
    assert retry.refused(1, 0.1, "busy", draw=0.5, retryable=True) == []
    assert retry.refused(AFTER_GAP + 1, 0.1, "busy", draw=0.75, retryable=True) == []
    for n in range(2, AFTER_GAP + 1):
        assert retry.refused(n, 0.1, "gap", draw=0.5, retryable=True, gap=True) == []
    assert retry.next_deadline() == 0.6, "the first one's rest"
    assert [effect.n for effect in retry.tick(0.6, 0.5) if isinstance(effect, Send)] == [*range(1, AFTER_GAP + 1)]
    assert retry.next_deadline() == 2.6, "the rest of the last one is over sooner, and it may not leave then"


def after_a_gap(window: int) -> Retry:
    """Events from 2 on wait, of a full window; the next send is the first after the gap."""
    retry = started(window, window=window)
    assert retry.refused(2, 0.1, "busy", draw=0.5, retryable=True) == [Send(2, 2)]
    for n in range(3, window + 1):
        assert retry.refused(n, 0.1, "gap", draw=0.5, retryable=True, gap=True) == []
    assert retry.acknowledged(1, 0.2) == [Settle(1, "acked"), Done(1)], "2 is under way, for the second time"
    return retry


def test_after_a_gap_a_part_of_the_window_leaves_and_each_that_is_finished_lets_one_more_be_under_way() -> None:
    retry = after_a_gap(MAX_WINDOW)
    first = [Send(n, 1) for n in range(3, 3 + AFTER_GAP)]
    assert retry.acknowledged(2, 0.3) == [Settle(2, "acked"), Done(2), *first]
    end = 3 + AFTER_GAP
    assert retry.acknowledged(3, 0.4)[2:] == [Send(end, 1), Send(end + 1, 1)]
    assert retry.refused(4, 0.4, "never", draw=0.5, retryable=False)[2:] == [Send(end + 2, 1), Send(end + 3, 1)]


def test_the_window_grows_to_its_size_and_no_further() -> None:
    window = AFTER_GAP + 2
    retry = after_a_gap(window)
    assert retry.acknowledged(2, 0.3)[2:] == [Send(n, 1) for n in range(3, window + 1)]
    for n in (4, 5):
        assert retry.acknowledged(n, 0.4) == [Settle(n, "acked"), Done(n)], "the first one is 3, still"
    for n in (window + 1, window + 2):
        assert retry.add(n, 0.4) == [Send(n, 1)], "it is as large as ever"
    assert retry.acknowledged(6, 0.5) == [Settle(6, "acked"), Done(6)]
    assert retry.add(window + 3, 0.5) == []


def test_a_window_that_is_smaller_leaves_whole() -> None:
    retry = after_a_gap(4)
    assert retry.acknowledged(2, 0.3)[2:] == [Send(3, 1), Send(4, 1)]
    assert retry.add(5, 0.3) == [Send(5, 1)]


def test_a_refusal_alone_does_not_hold_back_what_others_are_under_way_for() -> None:
    """Of a server that does not number any event may be refused, and another one's handler hang."""
    retry = started(4, window=4)
    for n in (4, 3, 2):
        assert retry.refused(n, 0.1, "busy", draw=0.5, retryable=True) == [Send(n, 2)]
    assert retry.acknowledged(3, 0.2) == [Settle(3, "acked"), Done(3)]
    retry = started(4, window=4, delay=1.0)
    for n in (4, 3, 2):
        assert retry.refused(n, 0.1, "busy", draw=0.5, retryable=True) == []
    assert retry.tick(0.6, 0.5) == [Send(2, 2), Send(3, 2), Send(4, 2)], "although the first one is unfinished"


def test_a_new_connection_opens_the_whole_window() -> None:
    retry = started(3, window=3, delay=1.0)
    retry.refused(3, 0.1, "gap", draw=0.5, retryable=True, gap=True)
    retry.disconnected()
    assert retry.connected(0.2) == [Send(1, 2), Send(2, 2), Send(3, 1)]
    assert retry.next_deadline() == 2.2
    retry = after_a_gap(MAX_WINDOW)
    retry.disconnected()
    assert [effect.n for effect in retry.connected(0.3) if isinstance(effect, Send)] == [*range(2, MAX_WINDOW + 1)]


def test_a_gap_before_the_first_event_costs_a_try_so_that_it_cannot_go_on_for_ever() -> None:
    retry = started(1, retries=0)
    given_up = Settle(1, "unknown", "given up after 1 try: gap")
    assert retry.refused(1, 0.1, "gap", draw=0.5, retryable=True, gap=True) == [given_up, Send(1, 1, tombstone=True)]


@pytest.mark.parametrize("value", [-1, 1.5, math.nan, -math.inf, True, None, "3"])
def test_retries_are_a_whole_number_or_for_ever(value: object) -> None:
    with pytest.raises(InvalidSetting, match=r"^retries="):
        Retry(retries=value, ack_timeout=2.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0, -1, MAX_WINDOW + 1, 1.0, True, None])
def test_a_window_is_as_large_as_the_memory_of_the_server_at_most(value: object) -> None:
    with pytest.raises(InvalidSetting, match=r"^window="):
        Retry(retries=1, ack_timeout=2.0, window=value)  # type: ignore[arg-type]


def test_without_settings_one_event_is_under_way_and_its_next_try_leaves_at_once() -> None:
    retry = Retry(retries=1, ack_timeout=2.0)
    assert retry.room == 1
    retry.connected(0.0)
    retry.add(1, 0.0)
    assert retry.tick(2.0, 1.0) == [TimedOut(1, 1), Send(1, 2)]


def test_the_largest_window_and_the_longest_wait() -> None:
    retry = Retry(retries=math.inf, ack_timeout=2.0, window=MAX_WINDOW, delay=100.0)
    assert retry.room == MAX_WINDOW
    retry.connected(0.0)
    retry.add(1, 0.0)
    retry.tick(2.0, 1.0)
    assert retry.next_deadline() == 7.0, "five seconds, if nothing else was said"
