"""A fate matrix to look into: press a number, and see the runs behind it, the shortest schedule first, each with its picture."""

import html
import threading
from functools import partial
from typing import Any

import ipywidgets as widgets

from realtime_lab.history.fates import FATES, Fate
from realtime_lab.lab.fate_matrix import FateMatrix
from realtime_lab.lab.trial import Outcome
from realtime_lab.widgets.marks import BAD, GOOD, LATE, PLAIN, SEND, TWICE, on_colour, painted, spoken

COLOURS: dict[Fate, str] = {"lost": BAD, "duplicated": TWICE, "reordered": LATE, "unknown": SEND, "refused": PLAIN, "kept": GOOD}

HINT = "Press a number: it shows the runs behind it, the shortest first."


class Explorer:
    """Made by `explore()`."""

    def __init__(self, matrix: FateMatrix) -> None:
        self._matrix = matrix
        self._runs: list[Outcome] = []
        self._lock = threading.RLock()  # a click may come on another thread than the one before, and each paints several widgets
        shown = [fate for fate in FATES if matrix.runs(fate=fate)]
        wide = f"{40 + 7 * max(map(len, matrix.designs), default=0)}px"
        grid = [widgets.HBox([self._name(design, wide), *(self._cell(design, fate) for fate in shown)]) for design in matrix.designs]
        self._choice = widgets.Dropdown(description="Broken at", layout=widgets.Layout(width="620px"), style={"description_width": "72px"})
        self._choice.observe(self._chosen, "index")
        previous = _button("Previous", "the run before this one", partial(self._step, -1), wide="84px")
        following = _button("Next", "the run after this one", partial(self._step, 1), wide="84px")
        self._steps = widgets.HBox([self._choice, previous, following], layout=widgets.Layout(display="none"))
        self._said = widgets.HTML(spoken(HINT), layout=widgets.Layout(margin="4px 2px"))
        self._picture = widgets.HTML(tabbable=True, layout=widgets.Layout(overflow="auto"))
        self._box = widgets.VBox([*grid, self._steps, self._said, self._picture], layout=widgets.Layout(width="100%"))

    def _name(self, design: str, wide: str) -> widgets.HTML:
        return widgets.HTML(f"<b>{html.escape(design)}</b>", layout=_fixed(wide))

    def _cell(self, design: str, fate: Fate) -> widgets.Widget:
        count = len(self._matrix.runs(design, fate=fate))
        if not count:
            return widgets.HTML(f'<div style="text-align:center">0 {fate}</div>', layout=_fixed())
        return _button(f"{count} {fate}", f"{design}: show the runs that ended so", partial(self._open, design, fate), COLOURS[fate])

    def _open(self, design: str, fate: Fate, button: Any = None) -> None:
        with self._lock:
            self._runs = []  # what is observed meanwhile is not a choice
            runs = self._matrix.examples(design, fate)
            self._choice.options = [f"{number} of {len(runs)} · {run.point.name}" for number, run in enumerate(runs, 1) if run.point]
            self._choice.index = 0
            self._steps.layout.display = ""
            self._runs = runs
            self._paint()

    def _step(self, by: int, button: Any = None) -> None:
        """Behind the last run comes the first one."""
        with self._lock:
            self._choice.index = (self._choice.index + by) % len(self._runs)

    def _chosen(self, change: Any) -> None:
        with self._lock:
            if self._runs:
                self._paint()

    def _paint(self) -> None:
        run = self._runs[self._choice.index]
        sentences = "<br>".join(html.escape(sentence) for sentence in run.verdict.sentences)
        head = f"{on_colour(run.fate, COLOURS[run.fate])} <b>{html.escape(run.design)}</b>, {self._choice.index + 1} of {len(self._runs)}"
        self._said.value = spoken(f"{head}: <code>{html.escape(str(run.point))}</code><br>{sentences}")
        figure = run.figure
        words = f"<details><summary>the same in words</summary><pre>{html.escape(str(figure))}</pre></details>"
        self._picture.value = figure.svg + words

    def __repr__(self) -> str:
        return f"{self._matrix}\n\nRun this cell to press a number and see the runs behind it."

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """The buttons; for viewers without a running kernel the matrix in words."""
        live: dict[str, Any] = self._box._repr_mimebundle_(**options)
        return {**live, "text/plain": repr(self)}


def _fixed(wide: str = "124px") -> widgets.Layout:
    """All cells of one width, so that the fates stand in columns."""
    return widgets.Layout(width=wide, flex="0 0 auto")


def _button(label: str, tooltip: str, click: Any, colour: str = "", wide: str = "124px") -> widgets.Button:
    button = widgets.Button(description=label, tooltip=tooltip, style=painted(colour), layout=_fixed(wide))
    button.on_click(click)
    return button


def explore(matrix: FateMatrix) -> Explorer:
    """Buttons for a fate matrix: let it be the last line of a cell. Raises TypeError if it is not a FateMatrix."""
    if not isinstance(matrix, FateMatrix):
        raise TypeError(f"explore(matrix) takes what a sweep returns: matrix = await sweep(...). It was given {type(matrix).__name__}.")
    return Explorer(matrix)
