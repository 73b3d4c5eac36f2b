"""One question at the end of a lesson. Each wrong answer is one misconception, and points to the cell that disproves it.

The questions are in `questions.toml`, with the inventory of misconceptions.
"""

import functools
import html
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import ipywidgets as widgets

from realtime_lab.errors import InvalidSetting
from realtime_lab.widgets.marks import BAD, GOOD, in_html, on_colour, painted, spoken


@dataclass(frozen=True)
class Misconception:
    """What many believe (`wrong`), and what is so (`right`): one sentence each."""

    wrong: str
    right: str


@dataclass(frozen=True)
class Option:
    """One answer. The right one has no misconception."""

    text: str
    feedback: str
    misconception: str = ""
    see: str = ""
    """The heading under which a cell disproves it."""
    lesson: str = ""
    """The notebook of that heading, such as "05_retry"; empty: the one of the question."""

    @property
    def right(self) -> bool:
        """Is this the right answer?"""
        return not self.misconception


@dataclass(frozen=True)
class Question:
    """One question, of one notebook such as "05_retry"."""

    notebook: str
    text: str
    options: tuple[Option, ...]

    def lines(self) -> list[str]:
        """The options, with their letters."""
        return [f"{letter}) {option.text}" for letter, option in zip("abcdefgh", self.options, strict=False)]


def load(text: str) -> tuple[dict[str, Question], dict[str, Misconception]]:
    """The questions and the misconceptions in a TOML text, by name. Raises InvalidSetting, naming the place, if one is not in order."""
    tables = _checked(tomllib.loads(text), "the file", {"misconceptions": dict, "questions": dict})
    inventory = {
        name: Misconception(**_checked(table, f'misconception "{name}"', {"wrong": str, "right": str}))
        for name, table in tables["misconceptions"].items()
    }
    return {name: _question(name, table, inventory) for name, table in tables["questions"].items()}, inventory


def _question(name: str, table: object, inventory: Mapping[str, Misconception]) -> Question:
    place = f'question "{name}"'
    found = _checked(table, place, {"notebook": str, "question": str, "options": list})
    options = tuple(_option(f"{place}, option {number}", each, inventory) for number, each in enumerate(found["options"], 1))
    if sum(option.right for option in options) != 1 or not 3 <= len({option.text for option in options}) == len(options) <= 8:
        raise InvalidSetting(
            f"{place}: it must have 3 to 8 different options, and exactly one of them without a misconception (the right one)."
        )
    return Question(found["notebook"], found["question"], options)


def _option(place: str, table: object, inventory: Mapping[str, Misconception]) -> Option:
    wrong = isinstance(table, dict) and "misconception" in table
    more = {"misconception": str, "see": str} if wrong else {}
    optional = {"lesson": str} if wrong else {}
    option = Option(**_checked(table, place, {"text": str, "feedback": str, **more}, optional))
    if wrong and option.misconception not in inventory:
        raise InvalidSetting(f'{place}: there is no misconception "{option.misconception}". There is: {", ".join(inventory)}.')
    return option


def _checked(table: object, place: str, needed: Mapping[str, type], optional: Mapping[str, type] | None = None) -> dict[str, Any]:
    """The table, if it has these keys with values of these types, none of them empty, and no other key."""
    allowed = {**needed, **(optional or {})}
    if not isinstance(table, dict):
        raise InvalidSetting(f"{place}: a table with {', '.join(allowed)} was expected, not {table!r}.")
    wrong = [key for key in allowed if (key in needed or key in table) and not (isinstance(table.get(key), allowed[key]) and table[key])]
    if wrong or table.keys() - allowed:
        raise InvalidSetting(f"{place}: missing, empty or of a wrong type: {wrong}; unknown: {sorted(table.keys() - allowed)}.")
    return table


@functools.cache
def _loaded() -> tuple[dict[str, Question], dict[str, Misconception]]:
    return load((resources.files("realtime_lab.widgets") / "questions.toml").read_text(encoding="utf-8"))


def questions() -> dict[str, Question]:
    """Every question, by its name: `quiz(name)` asks it."""
    return dict(_loaded()[0])


def misconceptions() -> dict[str, Misconception]:
    """The inventory of misconceptions, by name."""
    return dict(_loaded()[1])


STYLE = """<style>
.realtime-lab-quiz .widget-radio-box label { display: flex; flex-direction: row-reverse; justify-content: flex-end; align-items: flex-start;
  gap: 8px; height: auto; margin: 0; padding: 3px 0; line-height: 20px; white-space: normal; cursor: pointer }
.realtime-lab-quiz .widget-radio-box input { flex: none; height: 20px; margin: 0 0 0 2px }
</style>"""
"""An answer may be longer than a line, and its button stands at its first line. (A radio button of ipywidgets allows for one line only.)"""


class Quiz:
    """Made by `quiz()`."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self._options = widgets.RadioButtons(options=question.lines(), index=None, layout=widgets.Layout(width="auto", margin="4px 0"))
        self._options.observe(self._forget, "index")
        layout = widgets.Layout(flex="0 0 auto")
        self._check = widgets.Button(description="Check", tooltip="check the chosen answer", layout=layout, style=painted(GOOD))
        self._check.on_click(self._answer)
        self._said = widgets.HTML(layout=widgets.Layout(margin="2px 8px", min_height="44px"))
        head = widgets.HTML(f'{STYLE}<div style="line-height:20px"><b>One question.</b> {in_html(question.text)}</div>')
        row = widgets.HBox([self._check, self._said], layout=widgets.Layout(align_items="flex-start"))
        self._box = widgets.VBox([head, self._options, row])
        self._box.add_class("realtime-lab-quiz")

    def _forget(self, change: Any) -> None:
        """What was said was about another answer."""
        self._said.value = ""

    def _answer(self, button: Any = None) -> None:
        if self._options.index is None:
            self._said.value = spoken("Choose an answer first.")
            return
        option = self.question.options[self._options.index]
        word = on_colour("✓ right", GOOD) if option.right else on_colour("✕ not this one", BAD)
        lesson = f" in {html.escape(option.lesson)}" if option.lesson else ""
        again = "" if option.right else f"<br>Look again at: <b>{in_html(option.see)}</b>{lesson}"
        self._said.value = spoken(f"{word} {in_html(option.feedback)}{again}")

    def __repr__(self) -> str:
        return "\n".join([self.question.text, *(f"  {line}" for line in self.question.lines()), "Run this cell to choose an answer."])

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """The question with its buttons; for viewers without a running kernel the question alone."""
        live: dict[str, Any] = self._box._repr_mimebundle_(**options)
        lines = "".join(f"<div>{in_html(line)}</div>" for line in self.question.lines())
        text = f"<div><b>One question.</b> {in_html(self.question.text)}</div>{lines}<div>Run this cell to choose an answer.</div>"
        return {**live, "text/html": f"<div>{text}</div>", "text/plain": repr(self)}


def quiz(name: str) -> Quiz:
    """The question of a lesson: let it be the last line of a cell. Raises InvalidSetting, with the names there are, for another name."""
    found = questions().get(name) if isinstance(name, str) else None
    if found is None:
        raise InvalidSetting(f"there is no question {name!r}. There is: {', '.join(questions())}.")
    return Quiz(found)
