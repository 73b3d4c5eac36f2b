"""The live view: the picture, in which each message shows its whole fate, and the bar below it: pause, step, and what it all means.

Pointing is the page's own work, without a kernel and without JavaScript: CSS (`:has()`) lights up what belongs to the message under the
pointer, or to the one that has the focus, and shows its sentence in the place of the legend. An older browser shows the picture alone.
"""

import html
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets

from realtime_lab.history.journal import Event
from realtime_lab.history.lanes import LOG
from realtime_lab.history.live_picture import LivePicture, shown
from realtime_lab.history.picture import Picture
from realtime_lab.history.space_time import DEPTH
from realtime_lab.history.stepping import Stepping
from realtime_lab.history.whole_fate import whole_fates
from realtime_lab.widgets.buttons import button, fixed
from realtime_lab.widgets.marks import LATE

STEPS = 18
"""How many steps of the history the live picture shows: what fits beside an open file browser on a small screen."""
FIRST = 32
"""For how many messages the page has rules at first."""
ROOM = "rl-room"
"""The class of what holds picture and bar."""

SCROLLBAR = 12
"""Pixels: room for it below the picture from the beginning, so that nothing moves when the picture becomes wider than the page."""

HINT = "Point at a message, or go to it with Tab: its whole fate is told here."

SHORTCUTS = {
    "Tab, Shift+Tab": "to the next or the previous button, field or message of the picture",
    "Enter or Space": "press the button; open or close this list",
    "↑ ↓": "in a field: more or less latency; on a button: to the cell above or below",
    "← →": "scroll a picture that is wider than the page",
    "Ctrl+Enter": "run the cell again; Shift+Enter runs it and goes on",
    "Ctrl+B": "hide the list of files: more room for the picture",
}
"""What a keyboard does here, in JupyterLab. On a Mac Ctrl is ⌘."""

STYLE = f"""<style>
.{ROOM}, .{ROOM} .rl-bar, .{ROOM} .rl-help, .{ROOM} .rl-help > .widget-html-content {{ overflow: visible }}
.{ROOM} .rl-picture {{ scrollbar-width: thin }}
.{ROOM} .rl-picture svg {{ display: block }}
.{ROOM} .rl-thing {{ transition: opacity .12s }}
.{ROOM} .rl-message:focus {{ outline: none }}
.{ROOM} .rl-message:focus-visible {{ outline: 2px solid var(--jp-brand-color1, #1976d2); outline-offset: 4px; border-radius: 3px }}
.{ROOM} .rl-line {{ height: 40px; overflow: auto; line-height: 20px; display: flex; align-items: center }}
.{ROOM} .rl-keys {{ display: flex; flex-wrap: wrap; gap: 0 18px; font-size: 12px }}
.{ROOM} .rl-keys > span {{ white-space: nowrap }}
.{ROOM} .rl-keys svg {{ vertical-align: -2px }}
.{ROOM} .rl-fate {{ display: none }}
.{ROOM}:has(.rl-one:hover, .rl-message:focus) .rl-keys {{ display: none }}
.{ROOM} details {{ position: relative; line-height: 20px }}
.{ROOM} summary {{ list-style: none; width: 28px; line-height: 28px; text-align: center; font-weight: 700; cursor: pointer;
  background: var(--jp-layout-color2, #eee); color: var(--jp-ui-font-color1, #1f2328); border-radius: 2px }}
.{ROOM} summary::-webkit-details-marker {{ display: none }}
.{ROOM} summary:focus-visible {{ outline: 2px solid var(--jp-brand-color1, #1976d2); outline-offset: 1px }}
.{ROOM} details > div {{ position: absolute; bottom: 34px; left: 0; z-index: 20; width: max-content; max-width: min(540px, 70vw);
  padding: 10px 14px; border-radius: 4px; background: var(--jp-layout-color1, #fff); color: var(--jp-ui-font-color1, #1f2328);
  border: 1px solid var(--jp-border-color1, #bbb); box-shadow: 0 4px 14px rgba(0, 0, 0, .3) }}
.{ROOM} details th {{ text-align: left; padding: 1px 14px 1px 0; font-weight: 600; white-space: nowrap; vertical-align: top }}
</style>"""


class LiveView:
    """`picture` and `bar` are its widgets; their parent has the class ROOM. `wake` asks for a new painting."""

    def __init__(self, wake: Callable[[], None], *, stores: bool) -> None:
        """`stores`: room is kept for the lane of the log, which comes with the first event in it."""
        self._wake, self._stores = wake, stores
        self._steps = Stepping()
        self._pressed: deque[Callable[[Sequence[Event]], None]] = deque()
        """Buttons that were pressed: the painter does what they say, since only it may write."""
        self._painted = 0
        """How many events were there when it was painted last."""
        self.picture = widgets.HTML(tabbable=True, layout=widgets.Layout(overflow="auto", height="222px", max_height="380px"))
        self.picture.add_class("rl-picture")
        self._pause = self._button("Pause", "stop picture and score while the lab goes on; again: see it live", self._on_off)
        self._back = self._button("◂ Back", "go one step back in the history", self._steps.back)
        self._forward = self._button("Step ▸", "go one step forward in the history", self._steps.forward)
        self._line = widgets.HTML(layout=widgets.Layout(flex="1 1 260px", min_width="0", margin="0 2px 0 10px"))
        self._told = 0
        """For how many messages the page has rules."""
        self._help = widgets.HTML(layout=fixed("28px", height="28px"))
        self._help.add_class("rl-help")
        self._rule(FIRST)
        self.bar = widgets.HBox(
            [self._pause, self._back, self._forward, self._help, self._line],
            layout=widgets.Layout(flex_flow="row wrap", align_items="center"),
        )
        self.bar.add_class("rl-bar")

    def _button(self, label: str, tooltip: str, do: Callable[[Sequence[Event]], None]) -> widgets.Button:
        def press(pressed: Any) -> None:
            self._pressed.append(do)
            self._wake()

        return button(label, "", tooltip, press)

    def _on_off(self, events: Sequence[Event]) -> None:
        if self.paused:
            self._steps.go_on()
        else:
            self._steps.pause(self._painted)

    @property
    def paused(self) -> bool:
        """Does it show an earlier moment, or the present one while the lab goes on?"""
        return self._steps.at is not None

    def caption(self, events: Sequence[Event]) -> str:
        """Where it is paused, and what happened there."""
        return self._steps.caption(events)

    # -- painting: only the painter comes here ------------------------------------------------------------------------------------------

    def step(self, events: Sequence[Event]) -> Sequence[Event] | None:
        """Do what was pressed. Returns the events of a paused picture that has to be painted anew, else None."""
        before = self._steps.at
        while self._pressed:
            self._pressed.popleft()(events)
        self._pause.description = "Live" if self.paused else "Pause"
        self._pause.style.button_color, self._pause.style.text_color = (LATE, "#000") if self.paused else (None, None)
        self._forward.disabled = not self.paused
        return None if self._steps.at in (None, before) else self._steps.part(events)

    def paint(self, history: Picture) -> None:
        """The history, as far as it was fed."""
        self._painted = history.judge.journeys.seen
        plan = history.layout()
        fates = whole_fates(history.judge.journeys, set(shown(plan)))
        picture = LivePicture(plan, fates)
        self._rule(len(picture.messages))
        keys = "".join([*picture.keys, f'<span style="opacity:.8">{HINT}</span>' * bool(picture.messages)])
        sentences = [html.escape(fates[message]) for message in picture.messages]
        told = "".join(f'<div class="rl-fate rl-fate-{place}">{sentence}</div>' for place, sentence in enumerate(sentences))
        self._line.value = f'<div class="rl-line" tabindex="0"><div class="rl-keys">{keys}</div>{told}</div>'
        self.picture.value = picture.svg
        log_to_come = DEPTH * picture.gap if self._stores and LOG not in plan.rows else 0
        self.picture.layout.height = f"{picture.height + log_to_come + SCROLLBAR:g}px"

    def _rule(self, messages: int) -> None:
        """See that the page has rules for so many messages. They are written seldom: each time the browser looks at the whole page anew."""
        if messages > self._told:
            self._told = max(2 * self._told, messages)
            self._help.value = STYLE + _highlights(self._told) + _shortcuts()


def _highlights(messages: int) -> str:
    """For each place: what else grows pale, and that its sentence shows. The pointer goes before the focus."""
    rules = []
    for place in range(messages):
        pointed = f".{ROOM}:has(.rl-one.rl-{place}:hover)"
        focused = f".{ROOM}:not(:has(.rl-one:hover)):has(.rl-message.rl-{place}:focus)"
        rules.append(f"{pointed} .rl-thing:not(.rl-{place}), {focused} .rl-thing:not(.rl-{place}) {{ opacity: .16 }}")
        rules.append(f"{pointed} .rl-fate-{place}, {focused} .rl-fate-{place} {{ display: block }}")
    return f"<style>{' '.join(rules)}</style>"


def _shortcuts() -> str:
    rows = "".join(f'<tr><th scope="row">{keys}</th><td>{html.escape(does)}</td></tr>' for keys, does in SHORTCUTS.items())
    return f'<details><summary title="shortcuts" aria-label="? shortcuts">?</summary><div><table>{rows}</table></div></details>'
