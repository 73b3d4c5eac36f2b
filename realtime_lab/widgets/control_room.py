"""The control room: a row of buttons for each participant, the live picture, the score, and the line of code that does the same."""

import html
import threading
import time
from typing import Any

import ipywidgets as widgets

from realtime_lab.history.log_table import LogTable
from realtime_lab.history.picture import Picture
from realtime_lab.lab.lab import Lab
from realtime_lab.widgets.clicks import Clicks
from realtime_lab.widgets.live_view import ROOM, STEPS, LiveView
from realtime_lab.widgets.marks import BAD, on_colour
from realtime_lab.widgets.painter import PICTURE, WORDS, Painter
from realtime_lab.widgets.rows import Rows
from realtime_lab.widgets.score import log_table, score

LONGEST = 20_000
"""Characters of the line of code that does the same as this run."""
BREATH = 16
"""Events after which the painter lets others have the interpreter. Else each hop of a click to the next thread takes 5 ms (measured)."""
TOO_LONG = "print(lab.schedule)  # it is too long for this field"


class ControlRoom:
    """Made by `control_room(lab)`."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._live = Picture(STEPS)
        self._judge = self._live.judge
        self._log = LogTable()
        self._clicks = Clicks(lab, self._judge.outboxes, self._log, self._wake)
        self._rows = Rows(lab, self._clicks, self._judge.outboxes)
        self._fault = ""
        """Why the rows could not be painted."""
        self._said = widgets.HTML(layout=widgets.Layout(height="44px", overflow="auto"))
        self._view = LiveView(self._wake, stores=lab.stores)
        self._score = widgets.HTML(tabbable=True, layout=widgets.Layout(overflow="auto", height="158px" if lab.stores else "180px"))
        self._run = widgets.Text(description="this run", layout=widgets.Layout(width="99%"), style={"description_width": "56px"})
        self._run.tooltip = "everything that was done here, as one line of code: copy it, and run it in another notebook"
        parts = [self._rows.box, self._said, self._view.picture, self._view.bar, self._score, self._run]
        self._box = widgets.VBox(parts, layout=widgets.Layout(width="100%"))
        self._box.add_class(ROOM)
        self._painting = threading.Lock()
        self._painter = Painter(self._paint, PICTURE)
        self._painter_of_rows = Painter(self._paint_rows, WORDS)
        lab.changed += [self._painter_of_rows.wake, self._painter.wake]

    def _wake(self) -> None:
        """The painter goes with its lab; who steps through the history of a closed one paints for himself."""
        if self._lab.closed:
            self._paint()
        self._painter_of_rows.wake()
        self._painter.wake()

    def __repr__(self) -> str:
        return "The control room. Run this cell to see it: buttons, the live picture and the score."

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """The widgets, and a text for viewers that cannot show them."""
        bundle: dict[str, Any] = self._box._repr_mimebundle_(**options)
        return {**bundle, "text/plain": repr(self)}

    # -- painting: only the painters' threads come here, as long as there are any ------------------------------------------------------

    def _paint_rows(self) -> bool:
        """False: this was the last time."""
        last = self._lab.closed
        try:
            new, fault = self._rows.paint(), ""
        except Exception as error:  # noqa: BLE001  # as in _paint
            new, fault = False, f"the rows cannot be drawn: {type(error).__name__}: {error}"
        if new or fault != self._fault:
            self._fault = fault
            self._painter.wake()  # what the new ones keep, and a fault, is for the other painter to write
        return not last

    def _paint(self) -> bool:
        """False: this was the last picture."""
        last = self._lab.closed
        try:
            with self._painting:
                self._paint_all()
        except Exception as error:  # noqa: BLE001  # a fault of the picture must not end the picture, and must be seen
            self._said.value = _problem(f"the picture cannot be drawn: {type(error).__name__}: {error}")
        return not last

    def _paint_all(self) -> None:
        events = self._lab.journal
        for event in events.since(self._judge.journeys.seen):
            if event.seq % BREATH == 0:
                time.sleep(0)
            self._live.feed(event)
            self._log.feed(event)
        self._judge.verdict()  # it brings what the rows say up to date
        self._rows.paint_outboxes()
        self._paint_run()
        earlier = self._view.step(events)
        if earlier is not None:
            self._paint_history(Picture(STEPS, earlier), LogTable(earlier))
        elif not self._view.paused:
            self._paint_history(self._live, self._log)
        self._said.value = self._sentence(self._view.caption(events))  # last: what it speaks of shows by then

    def _paint_run(self) -> None:
        """It only grows. What is too long to be copied from a field is too long to be sent to a browser again and again."""
        if self._run.value != TOO_LONG:
            code = f"lab = await Lab.replay({self._lab.schedule_so_far!r})"
            self._run.value = code if len(code) <= LONGEST else TOO_LONG

    def _paint_history(self, history: Picture, log: LogTable) -> None:
        """Picture, score and log are always those of the same moment."""
        self._view.paint(history)
        judged = score(history.judge.verdict())
        table = log_table(log, self._lab.participants) if self._lab.stores else ""
        beside = f'<div style="min-width:0">{judged}</div><div style="flex:none;max-width:50%">{table}</div>'
        self._score.value = f'<div style="display:flex;gap:0 40px">{beside}</div>'

    def _sentence(self, paused: str) -> str:
        code = f"the same in code: <code>{html.escape(self._clicks.code)}</code>"
        parts = [code if self._clicks.code else "Press a button: the line of code that does the same appears here."]
        parts += [_problem(self._clicks.problem)] if self._clicks.problem else []
        parts += [_problem(self._fault)] if self._fault else []
        parts += [_problem(trouble.text) for trouble in self._lab.errors[-3:]]
        if self._lab.closed:
            parts = ["This lab is closed. Run the set-up cell again."]
        parts += [html.escape(paused)] * bool(paused)
        return f'<div role="status" style="line-height:22px">{"<br>".join(parts)}</div>'


def _problem(text: str) -> str:
    return f"{on_colour('✕', BAD)} {html.escape(text)}"


def control_room(lab: Lab) -> ControlRoom:
    """The control room of a lab: let it be the last line of a cell. Raises TypeError if `lab` is not a Lab."""
    if not isinstance(lab, Lab):
        raise TypeError(f"control_room(lab) takes a started lab: lab = await Lab.start(). It was given {type(lab).__name__}.")
    return ControlRoom(lab)
