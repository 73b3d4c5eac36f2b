"""While a lab runs, Python collects garbage of all ages seldom.

Such a collection looks at every object of the kernel, and everything stands still meanwhile: 0.1 s at the beginning of a lab, 0.4 s with
100,000 events on record (measured). A click waits for it, and a learner takes it for the network's doing. What a lab keeps is no garbage;
and what is, is nearly always young, and collected as before.
"""

import gc
import threading

SELDOM = 300
"""Collections of the younger objects for one of all; Python itself has 10. A record that is as long as it may be needs less."""


class FullCollections:
    """Seldom for as long as any thread is within it, then as before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._within = 0
        self._before = gc.get_threshold()

    def __enter__(self) -> None:
        with self._lock:
            if not self._within:
                self._before = gc.get_threshold()
                gc.set_threshold(*self._before[:2], max(SELDOM, self._before[2]))
            self._within += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._within -= 1
            if not self._within:
                gc.set_threshold(*self._before)


seldom = FullCollections()
"""One for all labs of a process."""
