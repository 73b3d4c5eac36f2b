"""Predict first, then run: a learner commits to a guess, and sees it beside what was measured.

    guess = predict("How many of the ten does the server get?", arrived=None)
    ...
    guess.compare(arrived=len(arrived), look="the arrows that end at a cross")

What a guess may be written as, and what equals what, is said at the top of `answers.py`: `#2 #3` and `2, 3` equal `["#2", "#3"]`, `none`
equals 0 and an empty list, and words are compared without case. The order counts, but not for `lost`, `duplicated` and `reordered`.
"""

import html
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import ipywidgets as widgets
from IPython.core.getipython import get_ipython
from IPython.display import display

from realtime_lab.errors import InvalidSetting
from realtime_lab.history.leg import Leg
from realtime_lab.history.verdict import Verdict
from realtime_lab.widgets.answers import Answer, answer, read
from realtime_lab.widgets.marks import BAD, GOOD, PLAIN, in_html, on_colour, painted, spoken

UNORDERED = ("lost", "duplicated", "reordered")
"""Quantities that say which, and not in what order."""

NOT_GUESSED = "You made no prediction. A wrong guess is worth more than none."

SIGNS = {"as predicted": ("✓", GOOD), "different": ("✕", BAD), "no prediction": ("○", PLAIN)}


@dataclass(frozen=True)
class Row:
    """One quantity: what was predicted (None: nothing), and what was measured."""

    name: str
    predicted: Answer | None
    measured: Answer

    @property
    def word(self) -> str:
        """How the two compare: "as predicted", "different", or "no prediction"."""
        if self.predicted is None:
            return "no prediction"
        return "as predicted" if self.predicted.equals(self.measured, ordered=self.name not in UNORDERED) else "different"


@dataclass(frozen=True, repr=False)
class Comparison:
    """The guess beside what was measured: a table in a notebook, and `print()` says the same."""

    rows: tuple[Row, ...]
    look: str = ""
    note: str = ""

    @property
    def right(self) -> bool | None:
        """Was every prediction right? None if there was none."""
        words = [row.word for row in self.rows if row.predicted is not None]
        return all(word == "as predicted" for word in words) if words else None

    @property
    def advice(self) -> str:
        """Where to look: said unless everything that was predicted is right."""
        return f"Look at: {self.look}" if self.look and self.right is not True else ""

    def __str__(self) -> str:
        lines = []
        for row in self.rows:
            if row.predicted is None:
                lines.append(f"{in_words(row.name)}: no prediction, measured {row.measured.shown}")
            else:
                lines.append(f"{in_words(row.name)}: predicted {row.predicted.shown}, measured {row.measured.shown}, {row.word}")
        return "\n".join(line for line in (*lines, self.note, self.advice) if line)

    __repr__ = __str__

    def _repr_mimebundle_(self, **options: Any) -> dict[str, str]:
        left = 'style="text-align:left;padding:3px 24px 3px 0;vertical-align:top"'
        head = "".join(f'<th scope="col" {left}>{word}</th>' for word in ("predicted", "measured"))
        rows = "".join(
            f'<tr><th scope="row" {left}>{html.escape(in_words(row.name))}</th>'
            f"<td {left}>{html.escape(row.predicted.shown) if row.predicted else '—'}</td>"
            f"<td {left}>{html.escape(row.measured.shown)}</td><td {left}>{_mark(row.word)}</td></tr>"
            for row in self.rows
        )
        below = "".join(f"<div>{in_html(line)}</div>" for line in (self.note, self.advice) if line)
        table = f'<table style="margin:0 0 4px;font-size:inherit"><tr><td></td>{head}<td></td></tr>{rows}</table>'
        return {"text/html": f"<div>{table}{below}</div>", "text/plain": str(self)}


class Prediction:
    """Made by `predict()`."""

    def __init__(self, question: str, quantities: Mapping[str, object]) -> None:
        self.question = question
        self._committed = {name: None if value is None else answer(value) for name, value in quantities.items()}
        self._open = True
        self._lock = threading.Lock()  # a click may come on another thread than the cell that compares
        self._fields = {name: _field(name) for name, guess in self._committed.items() if guess is None}
        self._problems = {name: widgets.HTML() for name in self._fields}
        for name, field in self._fields.items():
            field.observe(partial(self._forget, name), "value")
        tooltip = "commit to this prediction: it cannot be changed afterwards"
        self._button = widgets.Button(description="Commit", tooltip=tooltip, style=painted(GOOD))
        self._button.on_click(self._commit)
        self._said = widgets.HTML()
        rows = [widgets.HBox([field, self._problems[name]]) for name, field in self._fields.items()]
        head = widgets.HTML(f'<div style="line-height:20px"><b>Predict.</b> {in_html(question)}</div>')
        self._box = widgets.VBox([head, *rows, widgets.HBox([self._button, self._said])])

    def __repr__(self) -> str:
        lines = [f"{in_words(name)}: {guess.shown}" for name, guess in self._committed.items() if guess]
        asked = [in_words(name) for name, guess in self._committed.items() if guess is None]
        lines += [f"Run this cell to write your guess: {', '.join(asked)}"] if asked else []
        return "\n".join([f"Predict. {self.question}", *lines])

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """The fields, if anything is asked; and for viewers without a running kernel a text."""
        lines = repr(self).split("\n")
        paragraphs = "".join(f"<div>{in_html(line)}</div>" for line in lines)
        live: dict[str, Any] = self._box._repr_mimebundle_(**options) if self._fields else {}
        return {**live, "text/html": f"<div>{paragraphs}</div>", "text/plain": repr(self)}

    def _forget(self, name: str, change: Any) -> None:
        """What was said was about another text."""
        with self._lock:
            self._problems[name].value = ""

    def _commit(self, button: Any = None) -> None:
        """All fields at once, or none of them: what cannot be read is said beside its field, and stays there."""
        with self._lock:
            if not self._open:
                return
            guesses, problems = {}, dict.fromkeys(self._fields, "")
            for name, field in self._fields.items():
                try:
                    guesses[name] = read(field.value)
                except InvalidSetting as error:
                    problems[name] = str(error)
            for name, problem in problems.items():
                self._problems[name].value = spoken(f"✕ {html.escape(problem)}") if problem else ""
            if any(problems.values()):
                return
            self._committed.update(guesses)
            shown = " · ".join(f"{html.escape(in_words(name))} <b>{html.escape(guess.shown)}</b>" for name, guess in guesses.items())
            self._button.description = "Committed"  # and stays enabled: a disabled button would lose the focus of the keyboard
            self._close(spoken(f"✓ Your prediction: {shown}"))

    def _close(self, said: str) -> None:
        self._open = False
        for field in self._fields.values():
            field.disabled = True
        self._button.style.button_color = PLAIN
        self._said.value = said

    def compare(self, leg: Leg | Verdict | None = None, *, look: str = "", **measured: object) -> Comparison:
        """The guess beside what was measured. Afterwards nothing can be committed any more; running the predict cell again starts anew.

        From a leg, or a verdict, `lost`, `duplicated` and `order` (the ids as they were received) are taken as far as they were asked;
        keywords come first. `look` says where to look when the guess was wrong, or missing. Raises InvalidSetting, and changes nothing, if
        something was measured that was not asked, or asked and not measured; TypeError for a value that cannot be compared.
        """
        values = self._measured(leg, measured)
        answers = {name: answer(values[name]) for name in self._committed}
        with self._lock:
            if self._open:
                self._button.disabled = True
                self._close("It was measured already. Run this cell again to guess anew.")
            rows = tuple(Row(name, guess, answers[name]) for name, guess in self._committed.items())
        return Comparison(rows, look, self._note(rows))

    def _note(self, rows: tuple[Row, ...]) -> str:
        if not any(row.predicted is None for row in rows):
            return ""
        if any(field.value.strip() for field in self._fields.values()):
            return "You wrote a guess, but did not press Commit, so it does not count."
        return NOT_GUESSED if all(row.predicted is None for row in rows) else ""

    def _measured(self, leg: Leg | Verdict | None, given: Mapping[str, object]) -> dict[str, object]:
        """By name; exactly what was asked is in it."""
        asked, found = ", ".join(self._committed), _of(leg)
        if extra := [name for name in given if name not in self._committed]:
            raise InvalidSetting(f"{', '.join(extra)}: measured, but predict() asked for {asked}. Ask there for the same names.")
        if leg is not None and not found.keys() & self._committed.keys():
            raise InvalidSetting(f"this {type(leg).__name__} says {', '.join(found)}, but predict() asked for {asked}. Give those by name.")
        values = {**found, **given}
        if missing := [name for name in self._committed if name not in values]:
            hint = "; only one leg has an order: verdict.leg(sender, receiver)" if isinstance(leg, Verdict) and "order" in missing else ""
            raise InvalidSetting(f"{', '.join(missing)}: asked by predict(), but not measured. Give compare() the same names{hint}.")
        return values


def _of(leg: Leg | Verdict | None) -> dict[str, object]:
    """What can be taken from a leg or a verdict. A verdict has an order only if it has one leg."""
    match leg:
        case None:
            return {}
        case Leg():
            return {"lost": [label for label, _ in leg.lost], "duplicated": leg.duplicated, "order": leg.received}
        case Verdict():
            order = {"order": leg.legs[0].received} if len(leg.legs) == 1 else {}
            return {"lost": leg.lost, "duplicated": leg.duplicated, **order}
    raise TypeError(f"compare() takes a leg or a verdict, such as lab.verdict().leg('alice', 'server'); this is {type(leg).__name__}.")


def in_words(name: str) -> str:
    """A quantity's name, as a learner reads it."""
    return name.replace("_", " ")


def _field(name: str) -> widgets.Text:
    """It tells the kernel when it is left: what is told at every key could come after the click on Commit (measured)."""
    return widgets.Text(
        description=in_words(name), placeholder="your guess", continuous_update=False,
        layout=widgets.Layout(width="320px", flex="0 0 auto"), style={"description_width": "96px"},
    )  # fmt: skip


def _mark(word: str) -> str:
    sign, colour = SIGNS[word]
    return on_colour(f"{sign} {word}", colour)


def predict(question: str, /, **quantities: object) -> Prediction:
    """Ask for a prediction, before anything is measured. It shows itself; keep what it returns, and call `compare()` on it later.

    Each keyword is a quantity, and its name is free. `arrived=None` asks the learner for it. Any other value is the guess itself, committed
    by running the cell.

    Raises TypeError if the question is not a text or a value cannot be compared, InvalidSetting if there is no quantity, or one is called
    `leg` or `look` (those are compare()'s own).
    """
    if not isinstance(question, str):
        raise TypeError(
            f'predict() takes a question first: predict("How many arrive?", arrived=None). It was given {type(question).__name__}.'
        )
    if not quantities:
        raise InvalidSetting("predict() needs something to predict, for example arrived=None: it asks the learner for that number.")
    if taken := {"leg", "look"} & quantities.keys():
        raise InvalidSetting(f"{sorted(taken)[0]} cannot be predicted: compare() has an option of this name. Choose another name.")
    prediction = Prediction(question, quantities)
    if get_ipython() is not None:
        display(prediction)  # type: ignore[no-untyped-call]
    return prediction
