"""Data as text and back, and fingerprints."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.errors import NotSerialisable
from realtime_lab.net import body
from realtime_lab.net.body import dump, encode, fingerprint, fingerprint_of, load

KEYS = st.text(max_size=4).filter(lambda key: key != "_placeholder")
DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
    | st.binary(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
)


@given(DATA)
def test_what_is_stored_comes_back(data: Any) -> None:
    text, attachments = dump(data)
    assert load(text, attachments) == data
    assert text.isascii()


def test_the_text_is_socket_ios_own() -> None:
    assert dump({"a": [1, b"x", {"b": bytearray(b"yz")}]}) == (
        '{"a":[1,{"_placeholder":true,"num":0},{"b":{"_placeholder":true,"num":1}}]}',
        '["eA==","eXo="]',
    )
    assert dump("hi") == ('"hi"', None)
    assert dump(None) == ("null", None)


def test_half_a_surrogate_pair_inside_data_can_be_stored() -> None:
    text, _ = dump("\ud800")
    text.encode()
    assert load(text) == "\ud800"


def test_a_dict_that_looks_like_a_placeholder_stays_what_it_is() -> None:
    data = {"_placeholder": True, "num": 7}
    assert load(*dump(data)) == data
    with pytest.raises(NotSerialisable, match="_placeholder"):
        dump([data, b"x"])
    assert load(*dump(['"_placeholder":', b"x"])) == ['"_placeholder":', b"x"]


def deep() -> list[Any]:
    data: list[Any] = []
    for _ in range(100_000):
        data = [data]
    return data


@pytest.mark.parametrize(
    "data", [object(), {1}, (b"in a tuple",), float("nan"), float("inf"), {b"key": 1}, deep()], ids=lambda data: type(data).__name__
)
def test_what_json_cannot_carry_is_refused(data: Any) -> None:
    with pytest.raises(NotSerialisable, match="stored as JSON"):
        dump(data)


@given(DATA)
def test_a_fingerprint_depends_on_the_content_only(data: Any) -> None:
    assert fingerprint(1, "e", data) == fingerprint(1, "e", load(*dump(data)))
    assert fingerprint(1, "e", data) != fingerprint(1, "f", data)
    assert fingerprint(1, "e", data) != fingerprint(1, "e", [data])


def test_whatever_differs_makes_another_fingerprint() -> None:
    assert fingerprint(1, "e", 1) != fingerprint(2, "e", 1)
    different = [
        {"a": b"1", "b": b"2"},
        {"a": b"2", "b": b"1"},
        [b"ab", b""],
        [b"a", b"b"],
        [b"", b"ab"],
        {"_placeholder": 1},
        b"",
        "",
        None,
        [],
        "\ud800",
    ]
    prints = {fingerprint(1, "e", data) for data in different}
    assert len(prints) == len(different)
    assert all(len(each) == 32 and int(each, 16) >= 0 for each in prints)


@given(DATA)
def test_the_fingerprint_of_what_was_written_down_is_that_of_the_data(data: Any) -> None:
    text, attachments = dump(data)
    if attachments is None:
        assert fingerprint_of(f'[7,"e",{text}]'.encode()) == fingerprint(7, "e", data)


@pytest.mark.parametrize("data", [object(), {b"a": 2}, deep()], ids=["object", "a key of bytes", "deep"])
def test_what_has_no_fingerprint_is_refused(data: Any) -> None:
    with pytest.raises(NotSerialisable, match="no fingerprint"):
        fingerprint(1, "e", data)


@pytest.mark.parametrize("fast", [True, False])
def test_with_and_without_pythons_fast_encoder_it_is_the_same(monkeypatch: pytest.MonkeyPatch, fast: bool) -> None:
    if not fast:
        monkeypatch.setattr(body, "_CHUNKS", None)
    assert encode({"a": [1, 1.5, None, True, "\u00e4"], 2: {}, "b": (1, [])}) == '{"a":[1,1.5,null,true,"\\u00e4"],"2":{},"b":[1,[]]}'
    assert encode("hi") == '"hi"'
    round_and_round: list[Any] = []
    round_and_round.append(round_and_round)
    for wrong in (float("nan"), {1}, {(1, 2): 3}, round_and_round):
        with pytest.raises((TypeError, ValueError, RecursionError)):
            encode(wrong)
