"""What waits leaves in order, before anything that is emitted later; nothing is dropped in silence."""

import math

import pytest
from hypothesis import settings

from realtime_lab.errors import InvalidSetting
from realtime_lab.rules.send_buffer import Drop, Keep, Pass, Refuse, SendBuffer
from tests.examples import examples
from tests.rules.send_buffer_machine import SendBufferMachine

TestSendBuffer = SendBufferMachine.TestCase
TestSendBuffer.settings = settings(max_examples=examples(150), stateful_step_count=30, deadline=None)


def filled(buffer: SendBuffer, *keys: int, now: float = 0.0) -> SendBuffer:
    for key in keys:
        assert buffer.emit(key, 10, now, connected=False) == Keep()
    return buffer


def test_what_was_emitted_while_disconnected_leaves_first_in_first_out() -> None:
    buffer = filled(SendBuffer(), 1, 2, 3)
    assert buffer.emit(4, 10, 1.0, connected=True) == Keep(), "it may not overtake"
    assert buffer.take(math.inf) == [1, 2, 3, 4]
    assert len(buffer) == 0


def test_events_leave_in_portions() -> None:
    buffer = filled(SendBuffer(), 1, 2, 3)
    assert [buffer.take(2), buffer.take(0), buffer.take(2), buffer.take(2)] == [[1, 2], [], [3], []]


def test_a_bare_client_keeps_nothing_while_there_is_no_connection() -> None:
    buffer = SendBuffer(on=False)
    assert buffer.emit(1, 10, 0.0, connected=False) == Refuse("not connected")
    assert buffer.emit(2, 10, 0.0, connected=True) == Keep()
    assert buffer.keys == (2,)


def test_a_full_buffer_refuses_the_new_event_and_keeps_the_old_ones() -> None:
    buffer = filled(SendBuffer(limit=2), 1, 2)
    assert buffer.emit(3, 10, 0.0, connected=False) == Refuse("the send buffer is full (2 events)", full=True)
    assert buffer.take(1) == [1]
    assert buffer.emit(4, 10, 0.0, connected=False) == Keep()
    assert buffer.keys == (2, 4)


def test_the_limit_in_bytes_counts_what_waits_now() -> None:
    buffer = filled(SendBuffer(limit_bytes=30), 1, 2)
    assert buffer.emit(3, 11, 0.0, connected=False) == Refuse("the send buffer is full (30 bytes)", full=True)
    assert buffer.emit(4, 10, 0.0, connected=False) == Keep()
    buffer.take(1)
    buffer.withdraw([2])
    assert buffer.emit(5, 20, 0.0, connected=False) == Keep()
    buffer.take(1)
    assert buffer.emit(6, 11, 0.0, connected=False) == Refuse("the send buffer is full (30 bytes)", full=True)
    assert buffer.emit(7, 10, 0.0, connected=False) == Keep()


def test_a_volatile_event_passes_only_if_it_neither_waits_nor_overtakes() -> None:
    buffer = SendBuffer()
    assert buffer.emit(1, 10, 0.0, connected=True, volatile=True) == Pass()
    assert buffer.emit(2, 10, 0.0, connected=False, volatile=True) == Drop("volatile, and not connected")
    filled(buffer, 3)
    assert buffer.emit(4, 10, 0.0, connected=True, volatile=True) == Drop("volatile, and others wait before it")
    assert buffer.keys == (3,)


def test_what_an_earlier_run_accepted_goes_first_whatever_the_limits_say() -> None:
    buffer = filled(SendBuffer(limit=1, limit_bytes=10), 3)
    for key in (2, 1):
        buffer.restore(key, 10, 0.0)
    assert buffer.keys == (1, 2, 3)


def test_what_an_earlier_run_accepted_counts_against_the_limit_in_bytes() -> None:
    buffer = filled(SendBuffer(limit_bytes=30), 2)
    buffer.restore(1, 15, 0.0)
    assert buffer.emit(3, 6, 0.0, connected=False) == Refuse("the send buffer is full (30 bytes)", full=True)
    assert buffer.emit(4, 5, 0.0, connected=False) == Keep()


def test_without_settings_ten_thousand_events_or_64_megabytes_are_kept() -> None:
    buffer = SendBuffer()
    assert buffer.emit(0, 64_000_001, 0.0, connected=False) == Refuse("the send buffer is full (64000000 bytes)", full=True)
    assert buffer.emit(0, 64_000_000 - 9_999, 0.0, connected=False) == Keep()
    assert all(buffer.emit(key, 1, 0.0, connected=False) == Keep() for key in range(1, 10_000))
    assert buffer.emit(10_000, 0, 0.0, connected=False) == Refuse("the send buffer is full (10000 events)", full=True)


def test_what_is_withdrawn_does_not_leave() -> None:
    buffer = filled(SendBuffer(), 1, 2, 3)
    buffer.withdraw([2, 9])
    assert buffer.take(math.inf) == [1, 3]


def test_an_event_waits_for_ever_without_a_maximum_age() -> None:
    buffer = filled(SendBuffer(), 1)
    assert buffer.next_deadline() is None
    assert buffer.expire(1e9) == []
    assert buffer.keys == (1,)


def test_an_event_that_waited_too_long_is_gone() -> None:
    buffer = filled(filled(SendBuffer(max_age=5), 1, 2), 3, now=1.0)
    assert buffer.next_deadline() == 5.0
    assert buffer.expire(4.9) == []
    assert buffer.expire(5.0) == [1, 2]
    assert buffer.keys == (3,)
    assert buffer.next_deadline() == 6.0


def test_with_tombstones_it_keeps_its_place_but_no_bytes_and_is_named_once() -> None:
    buffer = filled(SendBuffer(max_age=5, limit_bytes=10, tombstones=True), 1)
    assert buffer.expire(5.0) == [1]
    assert buffer.expire(6.0) == []
    assert buffer.next_deadline() is None
    filled(buffer, 2, now=6.0)
    assert buffer.take(math.inf) == [1, 2]
    assert buffer.emit(3, 11, 6.0, connected=True) == Refuse("the send buffer is full (10 bytes)", full=True)


def test_a_tombstone_of_an_earlier_run_does_not_grow_old() -> None:
    buffer = SendBuffer(max_age=5, tombstones=True)
    buffer.restore(1, 0, 0.0, gone=True)
    assert buffer.next_deadline() is None
    assert buffer.expire(9.0) == []


def test_what_an_earlier_run_accepted_is_at_least_as_old_as_what_waits_already() -> None:
    buffer = filled(SendBuffer(max_age=5), 2)
    buffer.restore(1, 10, 3.0)
    assert buffer.next_deadline() == 5.0, "a later one would let 2 wait for too long"
    assert buffer.expire(5.0) == [1, 2]


@pytest.mark.parametrize("value", [0, -1, 1.5, True, None, math.inf])
@pytest.mark.parametrize("name", ["limit", "limit_bytes"])
def test_a_limit_is_a_whole_number_from_one(name: str, value: object) -> None:
    with pytest.raises(InvalidSetting, match=f"^{name}="):
        SendBuffer(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0, -1.0, math.inf, math.nan, "5"])
def test_a_maximum_age_is_a_time_that_ends(value: object) -> None:
    with pytest.raises(InvalidSetting, match=r"^max_age="):
        SendBuffer(max_age=value)  # type: ignore[arg-type]
