"""A painter: the only writer of a part of what a room shows, and no faster than the eye and the browser."""

import contextvars
import threading
import time
from collections.abc import Callable

PICTURE = 0.1
"""Seconds between two pictures. Faster ones only queue up in the browser (measured)."""

WORDS = 0.03
"""Seconds between two looks at a few words, of which only those are sent that have changed."""

PATIENCE = 0.3
"""Seconds that are waited at most after a picture that was expensive, as the first one of a long history is."""

WHOLE = 0.1
"""Intervals that are waited first: most of what a press brings about happens in them. Else the first picture shows half of it, and the
rest waits (measured)."""


class Painter:
    """Calls `paint` on a thread of its own soon after `wake()`, until it answers False; `interval` seconds apart at least.

    It is not the lab's thread: the picture must also be painted while a handler blocks the lab, to say that it does. Two threads that
    write one widget's trait can leave the older value on the screen (measured), so nobody else may write.
    """

    def __init__(self, paint: Callable[[], bool], interval: float) -> None:
        self._paint, self._interval = paint, interval
        self._news = threading.Event()
        self._news.set()
        cell = contextvars.copy_context()  # ipykernel 7.0 looks there for whom it is painted, and raises where nothing is (measured)
        self._thread = threading.Thread(target=cell.run, args=(self._work,), name="realtime_lab painter", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is something new; from any thread, returns at once."""
        self._news.set()

    def _work(self) -> None:
        more = True
        while more:
            self._news.wait()
            time.sleep(WHOLE * self._interval)
            self._news.clear()
            began = time.monotonic()
            more = self._paint()
            spent = time.monotonic() - began
            a_quarter = min(3 * spent, PATIENCE)  # of one core, for as long as that makes nobody wait
            time.sleep(max(self._interval - spent, a_quarter))
