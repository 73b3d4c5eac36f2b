"""What a guess may be written as, and what equals what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.errors import InvalidSetting
from realtime_lab.widgets.answers import answer, read

IDS = st.lists(st.integers(1, 999), min_size=2, max_size=8)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("3", 3), (" 3 ", 3), ("3.0", 3), ("#3", 3), ("3", ["#3"]), ("3.", 3), ("-1", -1), ("0.5", 0.5),
        ("#2 #3", ["#2", "#3"]), ("2, 3", ["#2", "#3"]), ("#2,#3", [2, 3]), ("2;3", ("#2", "#3")), ("#2 and #3", ["#2", "#3"]),
        ('["#2", "#3"]', ["#2", "#3"]), ("(2, 3)", [2, 3]), ("2-4", [2, 3, 4]), ("#2 to #4", ["#2", "#3", "#4"]), ("1, 3-4", [1, 3, 4]),
        ("none", []), ("Nothing", 0), ("-", None), ("[]", ()), ("0", []), ("none", 0), ("none", None), ("0", 0), ("#0", [0]),
        ("An Error ", "an error"), ("at  once", "At once"), ("tea, soup", ["tea", "soup"]), ("tea soup", ("Tea", "soup")),
        ("yes", True), ("True", True), ("no", False), ("no.", False), ("#1", "#1"), ("acked", "acked"),
    ],
)  # fmt: skip
def test_these_are_equal(written, value):
    assert read(written).equals(answer(value))
    assert answer(value).equals(read(written))


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("3", 4), ("3", [1, 2, 3]), ("2, 3", [3, 2]), ("2 3", 23), ("2 3", [2, 3, 3]), ("none", [0]), ("none", ["#0"]), ("0", 1),
        ("none", 1), ("no", 0), ("yes", 1), ("an error", "error"), ("acked", "unknown"), ("tea, soup", ["soup", "tea"]),
    ],
)  # fmt: skip
def test_these_are_not(written, value):
    assert not read(written).equals(answer(value))


@pytest.mark.parametrize("text", ["", "  ", "?", "..."])
def test_an_empty_field_is_asked_for_again(text):
    with pytest.raises(InvalidSetting, match="Write your guess here"):
        read(text)


@pytest.mark.parametrize("text", ["5 messages", "#3 is lost", "about 5", "5x", "10%", "6-2", "2-", "1-99999", "#", "1_000"])
def test_what_mixes_numbers_and_words_is_refused_with_what_to_write(text):
    with pytest.raises(InvalidSetting) as refused:
        read(text)
    assert str(refused.value) == f'"{text}" cannot be read. Write a number (5), ids (#2 #3), words without numbers, or none.'


def test_a_program_may_say_what_a_learner_could_not_write():
    assert answer("acked after 2 tries").shown == "acked after 2 tries"
    assert answer(["alice #1", "bob #1"]).shown == "alice #1, bob #1"
    assert answer(["#2", "#3"]).shown == "#2 #3"
    assert answer([]).shown == answer(None).shown == "none"
    assert (answer(0).shown, answer(True).shown) == ("0", "yes")
    with pytest.raises(TypeError, match="this is set"):
        answer({"#1"})


@given(IDS, st.sampled_from([" ", ", ", ",", "; ", " and "]), st.sampled_from(["", "#"]))
def test_ids_mean_the_same_in_every_way_of_writing(ids, between, mark):
    written = read(between.join(f"{mark}{n}" for n in ids))
    assert written.equals(answer(ids))
    assert written.equals(answer([f"#{n}" for n in ids]))
    assert written.equals(answer(ids[::-1]), ordered=False)
    assert written.equals(answer(ids[::-1])) == (ids == ids[::-1])
    assert not written.equals(answer([*ids, ids[0]]), ordered=False)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused_and_reads_the_same_again(text):
    try:
        found = read(text)
    except InvalidSetting:
        return
    assert found.equals(read(found.shown)), found
