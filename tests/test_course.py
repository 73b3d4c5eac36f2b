"""The README, INSTRUCTORS.md and the notebooks are one course: names, titles, times, links, headings, pictures and words agree."""

import importlib
import re
from pathlib import Path

import pytest

from realtime_lab.commands.export import for_students
from realtime_lab.lab import checks
from realtime_lab.widgets.quiz import misconceptions
from tests.course import (
    INSTRUCTORS,
    LESSONS,
    NOTEBOOKS,
    README,
    ROOT,
    TEXTS,
    anchors,
    broken,
    cells,
    code,
    headings,
    links,
    parsed,
    pictures,
    section,
    table,
    tags,
    text,
    tokens,
    words,
)

NOT_SHOWN = re.compile(
    r"\*\*What (?:this lesson|the sandbox) did not show:\*\*\s+(.*?)(?:\s+(?:Next|Back to the course):.*)?(?=\n\n|\Z)", re.DOTALL
)
EACH = pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
EACH_LESSON = pytest.mark.parametrize("file", LESSONS, ids=lambda file: file.stem)
ROUTES = {"50 minutes": 50, "90 minutes": 90}


NAMES = {target: words for words, target in re.findall(r"^\| \[([^\]]+)\]\(notebooks/([^)]+)\) \|", text(README), re.MULTILINE)}


def name(file: Path) -> str:
    """As the README calls it: "03 the offline client"."""
    return NAMES.get(file.name, "not in the README")


def title(file: Path) -> str:
    return headings(file)[0][1]


def minutes(file: Path) -> int:
    """The time that a notebook itself states."""
    [stated] = re.findall(r"^\*\*Time:\*\*[^*\d]*(\d+) minutes", text(file), re.MULTILINE)
    return int(stated)


def link(file: Path) -> str:
    return f"[{name(file)}](notebooks/{file.name})"


def head(file: Path) -> str:
    """The heading of a notebook's section for instructors."""
    number = f"{file.stem[:2]}. " if file in LESSONS else ""
    return f"{number}{title(file)} ({minutes(file)} minutes)"


# --------------------------------------------------------------------------------------------------------- the map


def test_the_readme_lists_every_notebook_with_its_time() -> None:
    rows = table(section(README, "What you will do"))
    assert [(row[0], row[1]) for row in rows] == [(link(file), f"{minutes(file)} min") for file in NOTEBOOKS]
    assert all(name(file).startswith(file.stem.partition("_")[0]) for file in NOTEBOOKS), "its number comes first"


def test_the_table_for_instructors_lists_every_notebook_with_title_and_time() -> None:
    rows = table(section(INSTRUCTORS, "The course at a glance"))
    assert [row[:3] for row in rows] == [[link(file), title(file), str(minutes(file))] for file in NOTEBOOKS]


def test_every_notebook_has_its_section_for_instructors_in_order() -> None:
    there = [words for level, words in headings(INSTRUCTORS) if level == 3 and words.endswith(" minutes)")]
    assert there == [head(file) for file in NOTEBOOKS]


def test_the_numbers_of_the_lessons_go_up_and_each_lesson_leads_back_to_an_earlier_one() -> None:
    numbers = [int(file.name[:2]) for file in LESSONS]
    assert numbers[0] == 0 and numbers == sorted(set(numbers))
    for file in LESSONS[1:]:
        assert [each for each in links(file) if each in {other.name for other in LESSONS} and each < file.name], file.name


@pytest.mark.parametrize(("route", "total"), ROUTES.items())
def test_a_short_route_fills_its_time(route: str, total: int) -> None:
    assert sum(int(row[0]) for row in table(section(INSTRUCTORS, route))) == total


def test_the_full_day_takes_every_notebook_for_the_time_that_it_states() -> None:
    rows = table(section(INSTRUCTORS, "A full day"))
    assert [(row[1], int(row[0])) for row in rows if row[1] != "together"] == [(link(file), minutes(file)) for file in NOTEBOOKS]
    [said] = re.findall(r"(\d+) minutes of lessons, and (\d+) minutes in all", section(INSTRUCTORS, "A full day"))
    assert [int(each) for each in said] == [sum(minutes(file) for file in NOTEBOOKS), sum(int(row[0]) for row in rows)]


@pytest.mark.parametrize("route", [*ROUTES, "A full day"])
def test_a_route_names_sections_that_exist(route: str) -> None:
    for _, notebook, what in table(section(INSTRUCTORS, route)):
        files = [file for file in NOTEBOOKS if link(file) == notebook]
        named = re.findall(r"\*([^*]+)\*", what)
        assert files or not named, f"{notebook}: no such notebook"
        unknown = set(named) - {words for file in files for _, words in headings(file)}
        assert not unknown, f"{notebook} has no section {unknown}"


# -------------------------------------------------------------------------------------------------- links and headings


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: file.stem)
def test_every_link_leads_somewhere(file: Path) -> None:
    assert not [each for each in links(file) if broken(each, file)]


def test_a_broken_link_would_be_seen() -> None:
    assert broken("notebooks/12_no_such.ipynb", README) and broken("#no-such", README) and broken("INSTRUCTORS.md#no-such", README)
    assert not broken("INSTRUCTORS.md#glossary", README)
    assert {"glossary", "a-full-day"} <= anchors(INSTRUCTORS)
    assert len(links(README)) > len(NOTEBOOKS)


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: file.stem)
def test_one_title_and_no_level_is_skipped(file: Path) -> None:
    levels = [level for level, _ in headings(file)]
    assert levels[0] == 1 and levels.count(1) == 1
    jumps = [words for (level, words), before in zip(headings(file)[1:], levels, strict=False) if level > before + 1]
    assert not jumps


@EACH
def test_the_frame_of_a_notebook(file: Path) -> None:
    assert tokens(file)[0].tag == "h1", "the title comes first"
    for part in (r"^\*\*Goal\.\*\* \S", r"^\*\*Time:\*\* \S"):
        assert re.search(part, text(file).partition("\n## ")[0], re.MULTILINE), part
    assert len(NOT_SHOWN.findall(text(file))) == 1


@EACH_LESSON
def test_the_frame_of_a_lesson(file: Path) -> None:
    own = [words for _, words in headings(file)]
    assert own.count("Key points") == 1
    assert re.search(r"^(## )?Predict", text(file), re.MULTILINE)
    assert any(words.startswith("Exercise") for words in own)
    assert re.search(r"\bquiz\(", code(file)) or len(tags(section(file, "One question"), "details")) >= 3


@EACH_LESSON
def test_every_lesson_has_a_solution_that_is_hidden_and_that_students_copies_do_not_have(file: Path) -> None:
    hidden = [cell for cell in cells(file) if "solution" in cell.metadata.get("tags", [])]
    assert all(cell.cell_type == "code" and cell.metadata.get("jupyter", {}).get("source_hidden") for cell in hidden)
    in_text = re.findall(r"<details>\s*<summary>Solution</summary>.*?</details>", text(file), re.DOTALL)
    solutions = [cell.source for cell in hidden] + in_text
    assert solutions
    copy = parsed(for_students(file.read_bytes()))
    left = "\n\n".join(cell.source for cell in copy.cells)
    assert not [each for each in solutions if each in left]
    assert "The next cell is hidden" not in left


# ---------------------------------------------------------------------------------------------------------- pictures


@EACH
def test_every_picture_has_words(file: Path) -> None:
    assert not [picture for picture in pictures(file) if not (picture.get("alt") or "").strip()]
    in_text = [image for token in tokens(file) for image in token.children or [] if image.type == "image"]
    assert not [image.attrs["src"] for image in in_text if not image.content.strip()]


@EACH_LESSON
def test_every_lesson_has_a_picture_to_check(file: Path) -> None:
    assert pictures(file)


# ------------------------------------------------------------------------------------------------ what teachers read


@EACH
def test_what_a_lesson_did_not_show_is_told_to_teachers_in_the_same_words(file: Path) -> None:
    [shown] = NOT_SHOWN.findall(text(file))
    [told] = re.findall(r"\*\*Not shown:\*\*\s+(.*?)(?=\n\n|\Z)", section(INSTRUCTORS, head(file)), re.DOTALL)
    assert words(told) == words(shown)


@EACH_LESSON
def test_every_lesson_has_something_to_discuss(file: Path) -> None:
    assert section(INSTRUCTORS, head(file)).count("*A good answer:*") >= 1


def refuted() -> set[str]:
    """The wrong answers that the tests of the exercises put to the checks, by name, in words."""
    names: set[str] = set()
    for file in (ROOT / "tests" / "lab" / "exercises").glob("answers_*.py"):
        answers = vars(importlib.import_module(f"tests.lab.exercises.{file.stem}"))
        own = [each for each in answers.values() if callable(each) and each.__module__.endswith(file.stem)]
        wrong = [*answers["WRONG"], *(each for each in own if file.stem == "answers_choose" and each.__name__ != "found")]
        names |= {each if isinstance(each, str) else each.__name__ for each in wrong}
    return {re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", each) if each.isidentifier() else each for each in names}


@pytest.mark.parametrize("exercise", [each for each in checks.__all__ if each.islower()])
def test_the_wrong_answers_to_every_exercise_are_described_and_are_refuted_by_its_tests(exercise: str) -> None:
    [described] = re.findall(rf"\*\*Wrong answers to `check\.{exercise}`:\*\*\n\n((?:- .*\n)+)", text(INSTRUCTORS))
    named = re.findall(r"^- \*\*(.+?)\.\*\*", described, re.MULTILINE)
    assert len(named) >= 3
    assert {each.lower() for each in named} <= {each.lower() for each in refuted()}


def test_the_test_asks_for_each_misconception_once_and_has_a_key() -> None:
    key = table(section(INSTRUCTORS, "Key"))
    questions = section(INSTRUCTORS, "The test before and after").partition("### Key")[0]
    options = [
        re.findall(r"^- ([a-d])\) \S", each, re.MULTILINE) for each in re.split(r"^\*\*\d+\.\*\* ", questions, flags=re.MULTILINE)[1:]
    ]
    assert [row[0] for row in key] == re.findall(r"^\*\*(\d+)\.\*\*", questions, re.MULTILINE) == [str(n) for n in range(1, len(key) + 1)]
    assert all(each == ["a", "b", "c", "d"] for each in options)
    for number, right, wrong, misconception, _ in key:
        assert right in "abcd" and set(wrong.split(", ")) <= set("abcd") - {right}, number
        assert misconception in misconceptions()
    assert sorted(row[3] for row in key) == sorted(misconceptions())
    assert max(sum(row[1] == letter for row in key) for letter in "abcd") <= len(key) // 2, "the letter gives nothing away"


def test_the_key_says_what_is_believed_and_leads_to_the_lesson_that_ends_it() -> None:
    for _, _, _, misconception, lessons in table(section(INSTRUCTORS, "Key")):
        assert set(lessons.split(", ")) <= {file.name[:2] for file in LESSONS}
        sentences = misconceptions()[misconception]
        assert f"- {misconception}: {sentences.wrong} **{sentences.right}**" in text(INSTRUCTORS)


def test_the_words_of_the_glossary_are_those_of_the_course() -> None:
    terms = [re.sub(r"[`*]", "", row[0]) for row in table(section(INSTRUCTORS, "Glossary"))]
    assert terms == sorted(set(terms), key=str.lower)
    source = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "realtime_lab").rglob("*.py"))
    course = " ".join(words(text(file) + code(file)) for file in NOTEBOOKS) + text(README) + source
    assert not [term for term in terms if not re.search(rf"\b{re.escape(term)}", course, re.IGNORECASE)]
