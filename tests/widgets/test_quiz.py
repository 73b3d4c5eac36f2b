"""The question of a lesson without a browser, and the questions themselves."""

import json
import re
from pathlib import Path

import pytest

from realtime_lab.errors import InvalidSetting
from realtime_lab.widgets import misconceptions, questions, quiz
from realtime_lab.widgets.quiz import load

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
WRONG = [(name, option) for name, question in questions().items() for option in question.options if not option.right]

SMALL = """
[misconceptions."magic"]
wrong = "It just works."
right = "It does not."
[questions."q"]
notebook = "00_start_here"
question = "Why?"
options = [
  {text = "A", feedback = "Yes."},
  {text = "B", feedback = "No.", misconception = "magic", see = "Run it"},
  {text = "C", feedback = "No.", misconception = "magic", see = "Run it", lesson = "05_retry"},
]
"""


def headings(notebook):
    """The section headings, as a reader sees them in the outline."""
    cells = json.loads((NOTEBOOKS / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return re.findall(r"^## (.+?)\s*$", text, re.MULTILINE)


def answer(it, index):
    it._options.index = index
    it._check.click()
    return it._said.value


def test_there_is_one_question_for_each_lesson():
    lessons = [question.notebook for question in questions().values()]
    assert len(lessons) == len(set(lessons))
    there = {file.stem for file in NOTEBOOKS.glob("[0-9]*_*.ipynb")}
    assert len(there) == 11 and set(lessons) == there


@pytest.mark.parametrize(("name", "option"), WRONG, ids=[f"{name}: {option.text[:40]}" for name, option in WRONG])
def test_a_wrong_answer_points_to_a_section_that_exists(name, option):
    assert option.see in headings(option.lesson or questions()[name].notebook)


def test_the_inventory_has_sixteen_misconceptions_and_each_is_met_in_some_lesson():
    assert len(misconceptions()) == 16
    assert {option.misconception for _, option in WRONG} == set(misconceptions())
    sentences = [sentence for each in misconceptions().values() for sentence in (each.wrong, each.right)]
    assert len(set(sentences)) == 32 and all(re.fullmatch(r"[A-Z].*\.", sentence) for sentence in sentences)


def test_the_right_answer_does_not_always_stand_at_the_same_place():
    places = [[option.right for option in question.options].index(True) for question in questions().values()]
    assert all(places.count(place) <= len(places) / 2 for place in places)


def test_a_wrong_answer_is_told_why_and_where_to_look_and_may_be_tried_again():
    it = quiz("at most once")
    said = answer(it, 0)
    assert "✕ not this one" in said and "sometimes none arrived" in said and "Look again at: <b>Run it</b>" in said
    assert 'role="alert"' in said  # a screen reader reads it
    it._options.index = 2
    assert it._said.value == ""  # it was about another answer
    said = answer(it, 2)
    assert "✓ right" in said and "That is at most once." in said and "Look again" not in said


def test_a_section_of_another_lesson_is_named_with_its_lesson():
    assert "Look again at: <b>4. A history that was trimmed</b> in 08_races_in_replay" in answer(quiz("offset"), 2)


def test_without_a_choice_it_asks_for_one():
    it = quiz("retry")
    it._check.click()
    assert "Choose an answer first." in it._said.value


@pytest.mark.parametrize("name", questions())
def test_a_stored_notebook_shows_the_question_and_does_not_give_the_answer_away(name):
    question, bundle = questions()[name], quiz(name)._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/plain"].splitlines() == [
        question.text,
        *(f"  {line}" for line in question.lines()),
        "Run this cell to choose an answer.",
    ]
    for twin in (bundle["text/plain"], bundle["text/html"]):
        assert not any(option.feedback in twin for option in question.options)
    assert bundle["text/html"].count("<div>") == len(question.options) + 3
    assert [line[:3] for line in quiz(name)._options.options] == ["a) ", "b) ", "c) ", "d) ", "e) "][: len(question.options)]


def test_an_unknown_question_is_refused_with_the_names_there_are():
    with pytest.raises(InvalidSetting, match=r"there is no question 'nonsense'. There is: start here, order, at most once, offline"):
        quiz("nonsense")
    with pytest.raises(InvalidSetting, match="there is no question 5"):
        quiz(5)


def test_a_text_is_read_into_questions():
    found, inventory = load(SMALL)
    assert [option.right for option in found["q"].options] == [True, False, False]
    assert (inventory["magic"].wrong, found["q"].options[2].lesson) == ("It just works.", "05_retry")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"A", feedback = "Yes."', '"A"', 'question "q", option 1: missing, empty or of a wrong type: .*feedback'),
        ('"A", feedback = "Yes."', '"A", feedback = ""', 'question "q", option 1: missing, empty'),
        ('"Yes."', '"Yes.", see = "Run it"', 'question "q", option 1: .*unknown: .*see'),
        ('"Yes."', '"Yes.", misconception = "magic", see = "Run it"', "exactly one of them without a misconception"),
        ('"No.", misconception = "magic", see = "Run it"}', '"No."}', "exactly one of them without a misconception"),
        ('misconception = "magic", see', 'misconception = "luck", see', 'option 2: there is no misconception "luck". There is: magic'),
        (', see = "Run it"}', "}", "option 2: missing.*see"),
        ("options = [", 'options = [{text = "C", feedback = ".", misconception = "magic", see = "Run it"},', "3 to 8 different options"),
        ('  {text = "C"', '  # {text = "C"', "3 to 8 different options"),
        (
            "options = [",
            "options = [" + "".join(f'{{text = "{n}", feedback = ".", misconception = "magic", see = "Run it"}},' for n in range(6)),
            "3 to 8 different options",
        ),
        ('notebook = "00_start_here"\n', "", 'question "q": missing.*notebook'),
        ('"Why?"', "5", 'question "q": missing, empty or of a wrong type: .*question'),
        ('right = "It does not."', "", 'misconception "magic": missing.*right'),
        ("[questions.", "[question.", "the file: missing.*questions.*unknown: .*question"),
        ('"A", feedback = "Yes."}', '"A", feedback = "Yes."}, 5', "option 2: a table with text, feedback was expected, not 5"),
    ],
)
def test_a_malformed_file_is_refused_and_the_place_is_named(old, new, message):
    assert old in SMALL
    with pytest.raises(InvalidSetting, match=message):
        load(SMALL.replace(old, new))
