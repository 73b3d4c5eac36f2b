"""One painter for one room: the only writer of what it shows, at ten pictures a second at most."""

import threading
import time
from collections.abc import Callable

INTERVAL = 0.1
"""Seconds between two pictures. Faster ones only queue up in the browser (measured)."""

PATIENCE = 0.3
"""Seconds that are waited at most after a picture that was expensive, as the first one of a long history is."""

WHOLE = 0.01
"""Seconds in which most of what a press brings about happens. Else the first picture shows half of it, and the rest waits (measured)."""


class Painter:
    """Calls `paint` on a thread of its own soon after `wake()`, until it answers False.

    It is not the lab's thread: the picture must also be painted while a handler blocks the lab, to say that it does. Two threads that
    write one widget's trait can leave the older value on the screen (measured), so nobody else may write.
    """

    def __init__(self, paint: Callable[[], bool]) -> None:
        self._paint = paint
        self._news = threading.Event()
        self._news.set()
        self._thread = threading.Thread(target=self._work, name="realtime_lab painter", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is something new; from any thread, returns at once."""
        self._news.set()

    def _work(self) -> None:
        more = True
        while more:
            self._news.wait()
            time.sleep(WHOLE)
            self._news.clear()
            began = time.monotonic()
            more = self._paint()
            spent = time.monotonic() - began
            time.sleep(max(INTERVAL - spent, min(3 * spent, PATIENCE)))  # or a quarter of one core, for as long as that makes nobody wait
