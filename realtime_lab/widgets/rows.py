"""A row for each participant: what it is just now, its buttons, and below them what it keeps.

The words follow a press at once, however much there is to draw: they have a painter of their own, and what it asks for costs nothing.
What a client keeps is computed from the journal, and is painted together with the picture.
"""

import html
from collections.abc import Iterator
from functools import partial
from typing import Any

import ipywidgets as widgets

from realtime_lab.history.copies import SERVER
from realtime_lab.history.outboxes import Outboxes
from realtime_lab.lab.lab import Lab
from realtime_lab.lab.member import Member
from realtime_lab.net.link import Link
from realtime_lab.widgets.buttons import button, fixed
from realtime_lab.widgets.clicks import Clicks
from realtime_lab.widgets.marks import BAD, GOOD, LATE, SEND
from realtime_lab.widgets.outbox import offset_line, outbox_line

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


class Rows:
    """They follow the lab: who joins later gets a row too. `box` is the widget of all of them."""

    def __init__(self, lab: Lab, clicks: Clicks, outboxes: Outboxes) -> None:
        self.box = widgets.VBox()
        self._lab, self._clicks, self._kept = lab, clicks, outboxes
        self._rows: dict[str, widgets.VBox] = {}
        self._states: dict[str, widgets.HTML] = {}
        self._outboxes: dict[str, widgets.HTML] = {}
        self._halted: dict[str, list[widgets.Button]] = {}

    def paint(self) -> bool:
        """What everybody is just now. True: somebody is new."""
        names = (SERVER, *self._lab.links)
        new = [name for name in names if name not in self._rows]
        for name in new:
            self._rows[name] = self._row(name)
        for name in names:
            word, note = self._state(name)
            mark, colour = STATES[word]
            self._states[name].value = (
                f'<div style="line-height:{14 if note else 28}px;white-space:nowrap"><b>{html.escape(name)}</b> '
                f'<span style="color:{colour}">{mark}</span> {word}<br><small style="opacity:.75">{note}</small></div>'
            )
        if new:
            self.box.children = tuple(self._rows.values())  # with their words: nobody sees a row without a name
        if self._lab.closed:
            for row in self._rows.values():
                for child in row.children[0].children[1:]:
                    child.disabled = True
        return bool(new)

    def paint_outboxes(self) -> None:
        """What everybody keeps, by what the judge of the outboxes has seen."""
        for name, line in tuple(self._outboxes.items()):
            participant = self._lab.participants[name]
            for each in self._halted[name]:
                each.layout.display = "none" if participant.halted is None else ""
            keeps = html.escape(self._keeps(participant))
            line.value = f'<div style="font-size:11px;line-height:16px;white-space:nowrap;opacity:.85">{keeps}</div>'

    def _row(self, name: str) -> widgets.VBox:
        self._states[name] = widgets.HTML(layout=fixed("168px", height="28px"))
        buttons: list[Any] = [self._states[name], *self._buttons(name)]
        rows: list[Any] = [widgets.HBox(buttons, layout=widgets.Layout(flex_flow="row wrap", align_items="center"))]
        if self._has_outbox(name):
            self._halted[name] = self._halt_buttons(name) if self._lab.participants[name].replays else []
            self._outboxes[name] = widgets.HTML(layout=widgets.Layout(height="18px", margin="0"))  # last: now its line may be painted
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
        out = outbox_line(self._kept.of(participant.name), asks=participant.asks) if participant.has_outbox else ""
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


def _client_state(link: Link, client: str) -> tuple[str, str]:
    """What the link is, and what the client believes where that differs."""
    believes = "but believes it is connected" if client == "connected" else ""
    if link.state == "stalled":
        return "stalled", believes
    if link.state == "down":
        return ("connected", "new connections are refused") if link.connections else ("cut", believes)
    return {"connected": ("connected", ""), "connecting": ("reconnecting", "")}.get(client, ("disconnected", ""))
