"""Words: what of a picture is taken."""

from realtime_lab.history.words import Place, Words, width


def test_a_word_that_was_moved_away_from_the_edge_takes_the_place_where_it_stands() -> None:
    taken, half = Words((0, 0, 400, 100)), width("w" * 20) / 2
    assert taken.put("w" * 20, [Place(380, 50)]) == Place(400 - half, 50)
    assert taken.put("w", [Place(400 - 2 * half + 2, 50, "start")]) is None, "its first letter is there"
    assert taken.put("w", [Place(400 - 2 * half - 4, 50, "end")]) is not None, "beside it is room"


def test_a_word_keeps_away_from_a_line_that_goes_straight_down() -> None:
    taken, places = Words((0, 0, 400, 100)), [Place(50, 50), Place(200, 50)]
    taken.line(50, 0, 50, 100)
    assert taken.put("word", places, lines=True) == places[1]
