"""When a piece may leave a link: later by the latency, in order, at the bandwidth's pace."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.errors import InvalidSetting, UnknownFault
from realtime_lab.rules.faults import DIRECTIONS, Lane, directions, opposite, seconds

moments = st.floats(0, 1000)
settings = st.floats(0, 10)
pieces = st.lists(st.tuples(moments, st.integers(0, 10_000), st.floats(0, 1)), min_size=1, max_size=30)


def test_a_lane_without_settings_delays_nothing() -> None:
    assert Lane().departure(5.0, 100, 0.9) == 5.0


def test_latency_is_added_to_every_piece() -> None:
    lane = Lane(latency=0.2)
    assert [lane.departure(now, 10, 0.5) for now in (1.0, 2.0)] == pytest.approx([1.2, 2.2])


def test_jitter_adds_its_share_of_the_draw() -> None:
    assert Lane(jitter=0.4).departure(1.0, 10, 0.25) == pytest.approx(1.1)


def test_a_lucky_piece_does_not_overtake_an_unlucky_one() -> None:
    lane = Lane(jitter=1.0)
    assert lane.departure(0.0, 10, 0.9) == pytest.approx(0.9)
    assert lane.departure(0.1, 10, 0.0) == pytest.approx(0.9)


def test_bandwidth_spaces_the_pieces_by_their_size() -> None:
    lane = Lane(bandwidth=100.0)
    assert [lane.departure(0.0, size, 0.0) for size in (50, 100, 0)] == pytest.approx([0.5, 1.5, 1.5])


def test_a_lane_at_rest_starts_the_bandwidth_anew() -> None:
    lane = Lane(bandwidth=100.0)
    lane.departure(0.0, 100, 0.0)
    assert lane.departure(9.0, 100, 0.0) == pytest.approx(10.0)


def test_lowering_the_latency_does_not_let_later_pieces_overtake() -> None:
    lane = Lane(latency=2.0)
    first = lane.departure(0.0, 10, 0.0)
    lane.latency = 0.0
    assert lane.departure(0.5, 10, 0.0) == first


@given(pieces, settings, settings, st.none() | st.floats(1, 1e6))
def test_departures_never_decrease_and_never_come_before_arrival_plus_latency(
    arrivals: list[tuple[float, int, float]], latency: float, jitter: float, bandwidth: float | None
) -> None:
    lane, before = Lane(latency, jitter, bandwidth), 0.0
    for now, size, draw in sorted(arrivals):
        leave = lane.departure(now, size, draw)
        assert leave >= before
        assert leave >= now + latency
        before = leave


@given(pieces, settings, settings)
def test_without_a_bandwidth_no_piece_waits_longer_than_the_unluckiest_before_it(
    arrivals: list[tuple[float, int, float]], latency: float, jitter: float
) -> None:
    lane, unluckiest = Lane(latency, jitter), 0.0
    for now, size, draw in sorted(arrivals):
        unluckiest = max(unluckiest, now + latency + jitter * draw)
        assert lane.departure(now, size, draw) == unluckiest


@given(pieces, st.floats(1, 1e4))
def test_a_bandwidth_is_never_exceeded(arrivals: list[tuple[float, int, float]], bandwidth: float) -> None:
    lane, before = Lane(bandwidth=bandwidth), 0.0
    for now, size, draw in sorted(arrivals):
        leave = lane.departure(now, size, draw)
        assert leave - max(before, now) >= size / bandwidth or math.isclose(leave - max(before, now), size / bandwidth, abs_tol=1e-9)
        before = leave


def test_the_directions_are_each_others_opposite() -> None:
    assert DIRECTIONS == ("upstream", "downstream")
    assert [opposite(direction) for direction in DIRECTIONS] == ["downstream", "upstream"]


def test_a_word_names_one_direction_or_both() -> None:
    assert directions("both") == DIRECTIONS
    assert directions("upstream") == ("upstream",)
    assert directions("downstream") == ("downstream",)


def test_an_unknown_direction_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownFault, match=r"'sideways'.*'upstream'.*'downstream'.*'both'"):
        directions("sideways")


@pytest.mark.parametrize("value", [0, 0.25, 3])
def test_a_duration_is_zero_or_more_seconds(value: float) -> None:
    assert seconds("latency", value) == value
    assert isinstance(seconds("latency", value), float)


@pytest.mark.parametrize("value", [-0.1, math.inf, math.nan, True, "1", None])
def test_what_is_no_duration_is_refused_by_name(value: object) -> None:
    with pytest.raises(InvalidSetting, match="jitter="):
        seconds("jitter", value)  # type: ignore[arg-type]
