"""Buttons of one look and of fixed widths, so that nothing moves when a word changes."""

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from realtime_lab.widgets.marks import painted


def button(label: str, colour: str, tooltip: str, click: Callable[[Any], None], **more: str) -> widgets.Button:
    """As wide as its kind of label needs; `colour` "": the theme's own. `more` is for its layout."""
    width = "64px" if len(label) <= 7 else "82px" if len(label) <= 9 else "104px"
    made = widgets.Button(description=label, tooltip=tooltip, style=painted(colour), layout=fixed(width, padding="0", **more))
    made.on_click(click)
    return made


def fixed(width: str, **more: str) -> widgets.Layout:
    """A width that neither grows nor shrinks."""
    return widgets.Layout(width=width, flex="0 0 auto", **more)
