"""When was a lab at rest? It is looked at after everything that happens, until nothing is under way any more."""

import asyncio
from collections.abc import Callable, Collection

from realtime_lab.history.journal import Event, Journal

PAUSE = 0.025
"""Seconds between two looks."""
LOOKS = 3
"""In a row, because a packet may be in a socket's buffer, where nobody sees it."""


class Rests:
    """`under_way` says what is not finished; it is asked on the loop, which is the journal's too. `marks` are lengths of the journal.

    `told` is called after each new one.
    """

    def __init__(
        self, journal: Journal, loop: asyncio.AbstractEventLoop, under_way: Callable[[], Collection[str]], told: Callable[[], object]
    ) -> None:
        self._journal, self._loop, self._under_way, self._told = journal, loop, under_way, told
        self.marks: list[int] = []
        self._looking = self._stirred = False
        self._calm = 0
        journal.subscribe(self._stir)

    def mark(self) -> None:
        """It is at rest now."""
        self.marks.append(len(self._journal))
        self._told()

    def _stir(self, event: Event) -> None:
        if event.type == "engine":  # heartbeats never end, and change nothing
            return
        self._stirred = True
        if not self._looking:
            self._looking = True
            self._loop.call_soon_threadsafe(self._loop.call_later, PAUSE, self._look)

    def _look(self) -> None:
        if self._journal.sealed:
            return
        self._calm = 0 if self._stirred or self._under_way() else self._calm + 1
        self._stirred = False
        self._looking = self._calm < LOOKS
        if self._looking:
            self._loop.call_later(PAUSE, self._look)
        else:
            self._calm = 0
            self.mark()
