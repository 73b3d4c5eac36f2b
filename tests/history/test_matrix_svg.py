"""The picture of a fate matrix: one mark for each run, at its place, and every word readable."""

import itertools
import re
from collections import Counter
from xml.etree import ElementTree

import pytest

from realtime_lab.history.fates import FATES
from realtime_lab.history.matrix_svg import BAND, LOOKS, SOFT, matrix_svg, summary
from realtime_lab.history.words import Place, box_of, width

SVG = "{http://www.w3.org/2000/svg}"
DESIGNS = ("bare", "offline buffer", "retry", "retry, once", "retry, once, replay")
PLACES = [
    "cut: alice from the server", "cut: alice to the server", "cut: bob from the server", "cut: bob to the server",
    "stall: alice from the server", "stall: bob to the server", "crash: before_apply", "crash: before_commit", "crash: after_ack",
]  # fmt: skip


def matrix(designs, points, places=PLACES):
    """So many break points in all, dealt to the places; every fate occurs, and some cells are empty."""
    names = {place: [f"{place}, {n}" for n in range(points // len(places))] for place in places}
    cells = itertools.product(designs, [name for each in names.values() for name in each])
    return designs, names, {cell: FATES[n % 6] for n, cell in enumerate(cells) if n % 7}


def drawn(*matrix):
    return ElementTree.fromstring(matrix_svg(*matrix))


def marks(picture):
    """(fate, x, y) of every mark, that of the legend first."""
    found = []
    for path in picture.iter(f"{SVG}path"):
        if "transform" in path.attrib:
            scale = float(re.fullmatch(r"scale\((.+)\)", path.get("transform"))[1])
            for x, y, shape in re.findall(r"M(\S+) (\S+?)(m[^M]+)", path.get("d")):
                fate = next(fate for fate, look in LOOKS.items() if look.path == shape)
                assert LOOKS[fate].colour in (path.get("fill"), path.get("stroke"))
                found.append((fate, float(x) * scale, float(y) * scale))
    return found


def words(picture):
    """(text, x, y, width) of every word."""
    for text in picture.iter(f"{SVG}text"):
        wide = width(text.text, bold=text.get("font-weight") == "700") * float(text.get("font-size")) / 12
        yield text.text, float(text.get("x")), float(text.get("y")), wide


@pytest.mark.parametrize("points", [9, 27, 63, 135, 252, 300])
@pytest.mark.parametrize(
    "designs", [DESIGNS, ("a",), ("a design with a very long name, as a learner might write it", "b"), ("no end " * 25,)]
)
def test_no_word_stands_on_another_one_or_beyond_the_edge(designs, points):
    _, _, fates = cells = matrix(designs, points)
    picture = drawn(*cells)
    wide, tall = float(picture.get("width")), float(picture.get("height"))
    boxes = [(text, box_of(Place(x, y, "start"), broad)) for text, x, y, broad in words(picture)]
    for text, (left, top, right, bottom) in boxes:
        assert left >= 0 <= top, text
        assert right <= wide, text
        assert bottom <= tall, text
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], (one, other)
    symbols = [(x, y) for _, x, y in marks(picture)]
    assert len(symbols) == len(fates) + len(set(fates.values())), "the runs and the legend"
    assert not [(text, x, y) for text, box in boxes for x, y in symbols if box[0] < x < box[2] and box[1] < y < box[3]]


@pytest.mark.parametrize("points", [27, 252])
def test_every_run_has_one_mark_and_no_two_stand_on_each_other(points):
    designs, places, fates = matrix(DESIGNS, points)
    legend, runs = marks(drawn(designs, places, fates))[:6], marks(drawn(designs, places, fates))[6:]
    assert [fate for fate, _, _ in legend] == list(FATES)
    assert Counter(fate for fate, _, _ in runs) == Counter(fates.values())
    assert min(max(abs(a[1] - b[1]), abs(a[2] - b[2])) for a, b in itertools.combinations(runs, 2)) >= 12


def test_a_mark_stands_in_the_row_of_its_design_and_the_column_of_its_point():
    places = {"cut: alice to the server": ["a", "b"], "crash: before_ack": ["c"]}
    fates = {("one", "a"): "kept", ("one", "b"): "lost", ("two", "b"): "kept", ("two", "c"): "unknown"}
    picture = drawn(("one", "two"), places, fates)
    at = {(design, point): (x, y) for (design, point), (_, x, y) in zip(
        [("one", "a"), ("one", "b"), ("two", "b"), ("two", "c")],
        sorted(marks(picture)[3:], key=lambda mark: (mark[2], mark[1])), strict=True,
    )}  # fmt: skip
    heads = {text: (x, y) for text, x, y, _ in words(picture)}
    assert at["one", "a"][1] == at["one", "b"][1] == pytest.approx(heads["one"][1] - 4, abs=0.1)
    assert at["two", "b"][1] == at["two", "c"][1] == pytest.approx(heads["two"][1] - 4, abs=0.1)
    assert at["one", "b"][0] == at["two", "b"][0]
    assert heads["alice to"][0] <= at["one", "a"][0] < heads["alice to"][0] + 20
    assert at["one", "a"][0] < at["one", "b"][0] < heads["before_ack"][0] <= at["two", "c"][0]
    assert [fate for fate, _, _ in sorted(marks(picture)[3:], key=lambda mark: (mark[2], mark[1]))] == ["kept", "lost", "kept", "unknown"]


def test_shape_and_colour_each_say_the_fate_and_so_does_a_word():
    assert set(LOOKS) == set(FATES)
    for what in ("path", "colour", "meaning"):
        assert len({getattr(look, what) for look in LOOKS.values()}) == len(FATES)
    said = " ".join(text for text, *_ in words(drawn(*matrix(DESIGNS, 63))))
    assert all(f"{fate}:" in said and fate in said.split() for fate in FATES)


def test_fates_that_did_not_occur_are_not_in_the_legend():
    picture = drawn(("a",), {"cut: x": ["p"]}, {("a", "p"): "kept"})
    assert [fate for fate, _, _ in marks(picture)] == ["kept", "kept"]
    assert "lost" not in " ".join(text for text, *_ in words(picture))


def test_words_are_dark_enough_to_read():
    def light(colour):
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        r, g, b = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    assert (light(BAND) + 0.05) / (light(SOFT) + 0.05) >= 4.5


def test_the_picture_is_wide_enough_for_a_page_and_never_wider():
    for points in (9, 63, 300):
        assert 600 <= float(drawn(*matrix(DESIGNS, points)).get("width")) <= 1200


def test_who_cannot_see_it_hears_the_counts_of_every_design():
    picture = drawn(('<b>"', "sure"), {"cut: x": ["p", "q"]}, {('<b>"', "p"): "kept", ('<b>"', "q"): "lost", ("sure", "p"): "kept"})
    said = 'What became of the messages in 3 runs, each with one fault. <b>": 1 lost, 1 kept. sure: all 1 kept.'
    assert picture.get("aria-label") == picture.find(f"{SVG}title").text == said
    assert summary(("nothing",), {}) == "What became of the messages in 0 runs, each with one fault. nothing: no runs."


def test_hundreds_of_break_points_make_a_small_picture_that_needs_no_script():
    text = matrix_svg(*matrix(DESIGNS, 300))
    assert len(text) < 100_000
    assert not re.search(r"<script|\bid=|href", text)


def test_a_place_with_more_points_than_a_line_holds_goes_on_in_the_next():
    picture = drawn(*matrix(("a",), 200, ["cut: alice to the server"]))
    headings = [text for text, *_ in words(picture) if "alice to the server" in text]
    assert headings == ["alice to the server", *["alice to the server (goes on)"] * (len(headings) - 1)]
    assert len(headings) > 1
    assert len(marks(picture)[6:]) == sum(n % 7 > 0 for n in range(200)), "none is left out where a line ends"
    assert len({round(y) for _, _, y in marks(picture)[6:]}) == len(headings)


def test_a_fault_of_another_kind_has_room_for_its_name():
    kind = "a kind of fault that nobody has thought of"
    heads = {text: x for text, x, *_ in words(drawn(("a",), {f"{kind}: b: c": ["p"], "cut: d": ["q"]}, {}))}
    assert heads["b: c"] + width(kind, bold=True) < heads["d"]
    assert kind in heads


def test_without_designs_there_is_only_the_headline():
    picture = drawn((), {}, {})
    assert float(picture.get("width")) == 600
    assert next(text for text, *_ in words(picture)).startswith("What became of the messages: 0 runs")


def test_before_the_first_run_there_is_only_the_table():
    picture = drawn(DESIGNS, {}, {})
    assert set(DESIGNS) <= {text for text, *_ in words(picture)}
    assert marks(picture)
