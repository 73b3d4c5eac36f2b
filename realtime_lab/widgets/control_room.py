"""The control room: a row of buttons for each participant, the live picture, the score, and the line of code that does the same."""

import html
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import ipywidgets as widgets

from realtime_lab.history.copies import SERVER
from realtime_lab.history.log_table import LogTable
from realtime_lab.history.picture import Picture
from realtime_lab.lab.lab import Lab
from realtime_lab.lab.member import Member
from realtime_lab.net.link import Link
from realtime_lab.widgets.buttons import button, fixed
from realtime_lab.widgets.clicks import Clicks
from realtime_lab.widgets.live_view import ROOM, STEPS, LiveView
from realtime_lab.widgets.marks import BAD, GOOD, LATE, SEND, on_colour
from realtime_lab.widgets.outbox import offset_line, outbox_line
from realtime_lab.widgets.painter import Painter
from realtime_lab.widgets.score import log_table, score

STATES = {
    "connected": ("●", "#009E73"),
    "reconnecting": ("◌", "#E69F00"),
    "stalled": ("‖", "#CC79A7"),
    "cut": ("✕", "#D55E00"),
    "disconnected": ("○", "#D55E00"),
    "listening": ("●", "#009E73"),
    "link open": ("●", "#009E73"),
    "crashed": ("✕", "#D55E00"),
    "closed": ("○", "#8c8c8c"),
}
"""The word, its mark and its colour (Okabe-Ito); never the colour alone."""

LINK_FAULTS = (
    ("Cut", BAD, "cut()", "cut {}'s connection now (RST) and keep it cut"),
    ("Stall", LATE, "stall()", "hold everything on {}'s link, without an error"),
    ("Lose acks", LATE, 'stall("downstream")', "hold only the way back to {}: messages arrive, acknowledgements do not"),
    ("Restore", GOOD, "restore()", "make {}'s link work again"),
)
"""Button, colour, call of a method of the link, tooltip."""

LONGEST = 20_000
"""Characters of the line of code that does the same as this run."""
TOO_LONG = "print(lab.schedule)  # it is too long for this field"


class ControlRoom:
    """Made by `control_room(lab)`. Its rows follow the lab: who joins later gets a row too."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._live = Picture(STEPS)
        self._judge = self._live.judge
        self._log = LogTable()
        self._rows: dict[str, widgets.VBox] = {}
        self._states: dict[str, widgets.HTML] = {}
        self._outboxes: dict[str, widgets.HTML] = {}
        self._halted: dict[str, list[widgets.Button]] = {}
        self._head = widgets.VBox()
        self._said = widgets.HTML(layout=widgets.Layout(height="44px", overflow="auto"))
        self._view = LiveView(self._wake, stores=lab.stores)
        self._score = widgets.HTML(tabbable=True, layout=widgets.Layout(overflow="auto", height="158px" if lab.stores else "180px"))
        self._run = widgets.Text(description="this run", layout=widgets.Layout(width="99%"), style={"description_width": "56px"})
        self._run.tooltip = "everything that was done here, as one line of code: copy it, and run it in another notebook"
        parts = [self._head, self._said, self._view.picture, self._view.bar, self._score, self._run]
        self._box = widgets.VBox(parts, layout=widgets.Layout(width="100%"))
        self._box.add_class(ROOM)
        self._painting = threading.Lock()
        self._clicks = Clicks(lab, self._judge.outboxes, self._log, self._wake)
        self._painter = Painter(self._paint)
        lab.changed.append(self._painter.wake)

    def _wake(self) -> None:
        """The painter goes with its lab; who steps through the history of a closed one paints for himself."""
        if self._lab.closed:
            self._paint()
        self._painter.wake()

    def __repr__(self) -> str:
        return "The control room. Run this cell to see it: buttons, the live picture and the score."

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """The widgets, and a text for viewers that cannot show them."""
        bundle: dict[str, Any] = self._box._repr_mimebundle_(**options)
        return {**bundle, "text/plain": repr(self)}

    # -- painting: only the painter's thread comes here, as long as there is one -------------------------------------------------------

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
            self._live.feed(event)
            self._log.feed(event)
        self._judge.verdict()  # it brings what the rows say up to date
        self._paint_rows()
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

    def _paint_rows(self) -> None:
        for name in (SERVER, *self._lab.links):
            if name not in self._rows:
                self._rows[name] = self._row(name)
                self._head.children = tuple(self._rows.values())
            word, note = self._state(name)
            mark, colour = STATES[word]
            self._states[name].value = (
                f'<div style="line-height:{14 if note else 28}px;white-space:nowrap"><b>{html.escape(name)}</b> '
                f'<span style="color:{colour}">{mark}</span> {word}<br><small style="opacity:.75">{note}</small></div>'
            )
            if name in self._outboxes:
                line = html.escape(self._keeps(self._lab.participants[name]))
                for button in self._halted[name]:
                    button.layout.display = "none" if self._lab.participants[name].halted is None else ""
                self._outboxes[name].value = f'<div style="font-size:11px;line-height:16px;white-space:nowrap;opacity:.85">{line}</div>'
        if self._lab.closed:
            for row in self._rows.values():
                for child in row.children[0].children[1:]:
                    child.disabled = True

    def _row(self, name: str) -> widgets.VBox:
        self._states[name] = widgets.HTML(layout=fixed("168px", height="28px"))
        buttons: list[Any] = [self._states[name], *self._buttons(name)]
        rows: list[Any] = [widgets.HBox(buttons, layout=widgets.Layout(flex_flow="row wrap", align_items="center"))]
        if self._has_outbox(name):
            self._outboxes[name] = widgets.HTML(layout=widgets.Layout(height="18px", margin="0"))
            self._halted[name] = self._halt_buttons(name) if self._lab.participants[name].replays else []
            below = widgets.Layout(margin="-3px 0 1px 2px", align_items="center")  # closer to its own row than to the next one
            rows.append(widgets.HBox([self._outboxes[name], *self._halted[name]], layout=below))
        return widgets.VBox(rows)

    def _has_outbox(self, name: str) -> bool:
        participant = self._lab.participants.get(name)
        return participant is not None and (participant.has_outbox or participant.replays)

    def _hears_acks(self, name: str) -> bool:
        return name in self._lab.participants and self._lab.participants[name].has_outbox

    def _keeps(self, participant: Member) -> str:
        """What it keeps of what it emits, and where it stands in the log."""
        out = outbox_line(self._judge.outboxes.of(participant.name), asks=participant.asks) if participant.has_outbox else ""
        return " · ".join(line for line in (offset_line(participant.client), out) if line)

    def _buttons(self, name: str) -> Iterator[widgets.Widget]:
        if name == SERVER or name in self._lab.participants:
            verb = "Publish" if name == SERVER and self._lab.stores else "Send"
            for label, times in ((verb, 1), (f"{verb} 5", 5)):
                tooltip = f"{name} sends {'one message' if times == 1 else f'{times} messages'}"
                yield button(label, SEND, tooltip, partial(self._clicks.send, name, times))
        if name == SERVER:
            if self._lab.stores:
                yield from self._log_buttons()
            yield button("Crash", BAD, "let the server die: it forgets what is not in its database", self._clicks.crash)
            yield button("Restart", GOOD, "start the server again after a crash", self._clicks.restart)
            return
        for label, style, fault, tooltip in LINK_FAULTS:
            if self._hears_acks(name) or "downstream" not in fault:
                yield button(label, style, tooltip.format(name), partial(self._clicks.break_link, name, fault))
        if name in self._lab.participants:
            yield button("Refresh", "", f"start {name} anew: only what is in a store survives", partial(self._clicks.refresh, name))
        yield self._latency(name)

    def _halt_buttons(self, name: str) -> list[widgets.Button]:
        """Only there while the client is halted."""
        resume = button("Resume", GOOD, f"let {name} try again what it halted at", partial(self._clicks.resume, name))
        skip = button("Skip", LATE, f"let {name} go on without what it halted at", partial(self._clicks.skip, name))
        return [resume, skip]

    def _log_buttons(self) -> Iterator[widgets.Widget]:
        every = widgets.ToggleButton(description="Every second", layout=fixed("104px", padding="0"), button_style="primary")
        every.tooltip = "the server publishes something every second, until this is pressed again"
        every.observe(lambda change: self._clicks.publish_every(on=change["new"]), "value")
        yield every
        yield button("Trim", LATE, "the log forgets everything that it has now", self._clicks.trim)
        yield button("New database", BAD, "the server starts again with an empty log", self._clicks.new_database)

    def _latency(self, name: str) -> widgets.BoundedFloatText:
        """A field, and not a slider: the handle of a slider has no name that a screen reader could say."""
        field = widgets.BoundedFloatText(
            min=0, max=1, step=0.05, value=self._lab.links[name].latency, description="latency",
            layout=fixed("124px"), style={"description_width": "48px"},
        )  # fmt: skip
        field.tooltip = f"seconds added in each direction of {name}'s link"
        field.observe(lambda change: self._clicks.slow_down(name, change["new"]), "value")
        return field

    def _state(self, name: str) -> tuple[str, str]:
        if self._lab.closed:
            return "closed", ""
        if name == SERVER:
            return str(self._lab.server_state), ""
        link = self._lab.links[name]
        participant = self._lab.participants.get(name)
        if participant is None:
            return {"open": "link open", "stalled": "stalled", "down": "cut"}[link.state], ""
        return _client_state(link, participant.client.state)

    def _sentence(self, paused: str) -> str:
        code = f"the same in code: <code>{html.escape(self._clicks.code)}</code>"
        parts = [code if self._clicks.code else "Press a button: the line of code that does the same appears here."]
        parts += [_problem(self._clicks.problem)] if self._clicks.problem else []
        parts += [_problem(trouble.text) for trouble in self._lab.errors[-3:]]
        if self._lab.closed:
            parts = ["This lab is closed. Run the set-up cell again."]
        parts += [html.escape(paused)] * bool(paused)
        return f'<div role="status" style="line-height:22px">{"<br>".join(parts)}</div>'


def _client_state(link: Link, client: str) -> tuple[str, str]:
    """What the link is, and what the client believes where that differs."""
    believes = "but believes it is connected" if client == "connected" else ""
    if link.state == "stalled":
        return "stalled", believes
    if link.state == "down":
        return ("connected", "new connections are refused") if link.connections else ("cut", believes)
    return {"connected": ("connected", ""), "connecting": ("reconnecting", "")}.get(client, ("disconnected", ""))


def _problem(text: str) -> str:
    return f"{on_colour('✕', BAD)} {html.escape(text)}"


def control_room(lab: Lab) -> ControlRoom:
    """The control room of a lab: let it be the last line of a cell. Raises TypeError if `lab` is not a Lab."""
    if not isinstance(lab, Lab):
        raise TypeError(f"control_room(lab) takes a started lab: lab = await Lab.start(). It was given {type(lab).__name__}.")
    return ControlRoom(lab)
