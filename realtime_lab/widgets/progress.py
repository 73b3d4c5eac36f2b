"""How far a sweep is: a bar, and the same in words. `matrix = await sweep(chat, designs, progress=progress_bar())` shows it."""

import asyncio
import threading
import time
from typing import Any

import ipywidgets as widgets
from IPython.core.getipython import get_ipython
from IPython.display import display

from realtime_lab.widgets.marks import spoken
from realtime_lab.widgets.painter import PICTURE


class ProgressBar:
    """Made by `progress_bar()`. Call it with (done, total), from any thread.

    A sweep that ends early tells nobody, so the bar asks IPython how its cell ended.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # a sweep calls on a thread of its own, and the end of a cell comes on another
        self._done = self._total = 0
        self._painted = 0.0
        self._over = False
        self._bar = widgets.IntProgress(layout=widgets.Layout(width="320px"))
        self._words = widgets.HTML("looking for the break points …", layout=widgets.Layout(margin="0 8px"))
        self._box = widgets.HBox([self._bar, self._words])
        self._shell = get_ipython()
        if self._shell is not None:
            self._shell.events.register("post_run_cell", self._cell_ended)
            display(self)  # type: ignore[no-untyped-call]

    def __call__(self, done: int, total: int) -> None:
        """So many runs are done, of so many. What comes faster than ten times a second is left out, but not the last one."""
        with self._lock:
            self._done, self._total = done, total
            now = time.monotonic()
            if done == total:
                self._end(f"{done} of {total} runs", "success")
            elif now - self._painted >= PICTURE:
                self._painted = now
                self._paint(f"{done} of {total} runs")

    def _cell_ended(self, result: Any) -> None:
        """None: the cell's await was cancelled, which is what Interrupt does."""
        error = asyncio.CancelledError() if result is None else result.error_in_exec
        with self._lock:
            if error is None or self._over:  # a sweep may also go on behind the cell that began it
                return
            how = "interrupted" if isinstance(error, KeyboardInterrupt | asyncio.CancelledError) else "stopped by an error"
            self._end(f"{how} after {self._done} of {self._total} runs" if self._total else f"{how} before the first run", "warning")

    def _end(self, words: str, style: str) -> None:
        self._bar.bar_style = style
        self._paint(spoken(words))
        if self._shell is not None and not self._over:
            self._shell.events.unregister("post_run_cell", self._cell_ended)
        self._over = True

    def _paint(self, words: str) -> None:
        if self._total:
            self._bar.max, self._bar.value = self._total, self._done
        self._words.value = words

    def __repr__(self) -> str:
        return "A progress bar. Run this cell to see it."

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """The bar; in a stored notebook a text that is always the same."""
        live: dict[str, Any] = self._box._repr_mimebundle_(**options)
        return {**live, "text/plain": repr(self)}


def progress_bar() -> ProgressBar:
    """A bar for one sweep: `sweep(..., progress=progress_bar())`. In a notebook it shows itself.

    When the sweep is interrupted, or the scenario raises an error, it says after how many runs.
    """
    return ProgressBar()
