"""The lasting picture of a run: shown by JupyterLab (trusted or not), by viewers of stored notebooks, and read out by screen readers."""

import base64
import html
from collections.abc import Sequence
from typing import Any

from realtime_lab.history.journal import Event
from realtime_lab.history.space_time import layout
from realtime_lab.history.svg import svg
from realtime_lab.history.twin import text


class Figure:
    """`print(figure)` is its text twin. In a notebook it shows as an image.

    The image is an <img> with the SVG inside: an inline <svg> is stripped from a notebook that is not trusted yet (measured).
    """

    def __init__(self, events: Sequence[Event]) -> None:
        self._layout = layout(events)

    @property
    def svg(self) -> str:
        """The picture, as one SVG document."""
        return svg(self._layout)

    def __str__(self) -> str:
        return text(self._layout)

    __repr__ = __str__

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        encoded = base64.b64encode(self.svg.encode()).decode()
        alt = html.escape(self._layout.summary, quote=True)
        image = f'<img src="data:image/svg+xml;base64,{encoded}" alt="{alt}" style="max-width:100%">'
        return {"text/html": image, "text/plain": str(self)}
