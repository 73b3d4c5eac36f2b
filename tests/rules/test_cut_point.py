"""An exact cut names one packet, and only that one."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.errors import UnknownFault
from realtime_lab.rules.cut_point import Carried, Crossing, CutPoint, cut_point
from realtime_lab.rules.faults import DIRECTIONS

names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12).map(" ".join)
counts = st.integers(1, 10**6)


def test_no_arguments_mean_now() -> None:
    assert cut_point() is None


@pytest.mark.parametrize("text", ["chat message #6", "chat message#6", "  chat message #6  ", "chat message #06"])
def test_a_message_is_named_by_its_event_and_its_number(text: str) -> None:
    assert cut_point(before=text) == CutPoint("before", event="chat message", number=6)
    assert cut_point(after=text, direction="both") == CutPoint("after", event="chat message", number=6)
    assert cut_point(after=text, direction="upstream", attempt=2) == CutPoint(
        "after", "upstream", event="chat message", number=6, attempt=2
    )


def test_an_event_may_have_a_hash_in_its_name() -> None:
    assert cut_point(before="c# #2") == CutPoint("before", event="c#", number=2)
    assert cut_point(before="#a #1 #2") == CutPoint("before", event="#a #1", number=2)


def test_a_position_needs_a_direction_and_packet_is_another_word_for_before() -> None:
    assert (
        cut_point(packet=7, direction="upstream") == cut_point(before=7, direction="upstream") == CutPoint("before", "upstream", packet=7)
    )
    assert cut_point(after=1, direction="downstream") == CutPoint("after", "downstream", packet=1)


@given(
    event=names, number=counts, attempt=counts, direction=st.sampled_from([None, *DIRECTIONS]), side=st.sampled_from(["before", "after"])
)
def test_a_message_is_matched_exactly_once(event: str, number: int, attempt: int, direction: Any, side: str) -> None:
    point = cut_point(**{side: f"{event} #{number}"}, direction=direction, attempt=attempt)
    assert point is not None
    for each in DIRECTIONS:
        others = (Carried(event + "x", number, attempt), Carried(event, number + 1, attempt), Carried(event, number, attempt + 1))
        assert not point.matches(Crossing(each, 3, others))
        for place in range(4):  # alone in its packet, or anywhere in a batch
            batch = (*others[:place], Carried(event, number, attempt), *others[place:])
            assert point.matches(Crossing(each, 3, batch)) == (direction in (None, each))
        assert point.matches(Crossing(each, 3, (Carried(event, number, attempt),))) == (direction in (None, each))


@given(packet=counts, direction=st.sampled_from(DIRECTIONS))
def test_a_position_matches_whatever_is_there_but_no_heartbeat(packet: int, direction: Any) -> None:
    point = cut_point(packet=packet, direction=direction)
    assert point is not None
    other = next(each for each in DIRECTIONS if each != direction)
    assert point.matches(Crossing(direction, packet))
    assert point.matches(Crossing(direction, packet, (Carried("any", 9, 9),)))
    assert not point.matches(Crossing(direction, 0))
    assert not point.matches(Crossing(direction, packet + 1))
    assert not point.matches(Crossing(other, packet))


@given(
    event=names, number=counts, attempt=counts, direction=st.sampled_from([None, *DIRECTIONS]), side=st.sampled_from(["before", "after"])
)
def test_a_cut_point_is_written_as_the_code_that_makes_it(event: str, number: int, attempt: int, direction: Any, side: str) -> None:
    event = re.sub(r'["\\{}]', "", event) or "a"
    point = cut_point(**{side: f"{event} #{number}"}, direction=direction, attempt=attempt)
    assert eval(f"cut_point({point})") == point
    position = cut_point(**{side: number}, direction="upstream")
    assert eval(f"cut_point({position})") == position


def test_what_goes_without_saying_is_not_written() -> None:
    assert str(cut_point("a #7")) == 'before="a #7"'
    assert str(cut_point(after="a #7", attempt=2)) == 'after="a #7", attempt=2'
    assert str(cut_point(packet=7, direction="upstream")) == 'before=7, direction="upstream"'


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ({"before": "chat message"}, "names no message"),
        ({"before": "#1"}, "names no message"),
        ({"before": " #1"}, "names no message"),
        ({"before": "a #0"}, "names no message"),
        ({"before": "a #1.5"}, "names no message"),
        ({"before": ""}, "names no message"),
        ({"before": 1.0, "direction": "upstream"}, "does not exist"),
        ({"before": b"a #1"}, "does not exist"),
        ({"after": False, "direction": "upstream"}, "does not exist"),
        ({"packet": -1, "direction": "upstream"}, "does not exist"),
        ({"packet": 1}, "which direction"),
        ({"packet": 1, "direction": "both"}, "which direction"),
        ({"before": 1, "direction": "up"}, "is not known"),
        ({"before": "a #1", "direction": ""}, "is not known"),
        ({"before": "a #1", "attempt": 0}, "not a count"),
        ({"before": "a #1", "attempt": "2"}, "not a count"),
        ({"packet": 1, "direction": "upstream", "attempt": 2}, "Leave attempt= out"),
        ({"before": "a #1", "packet": 2}, "one place"),
        ({"before": "a #1", "after": "a #1"}, "one place"),
        ({"direction": "both"}, "no packet is named"),
        ({"attempt": 3}, "no packet is named"),
    ],
)
def test_what_names_no_packet_is_an_error_that_says_how_to_name_one(arguments: dict[str, Any], hint: str) -> None:
    with pytest.raises(UnknownFault, match=hint):
        cut_point(**arguments)
