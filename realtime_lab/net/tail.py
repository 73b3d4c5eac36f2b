"""Tail: gives the pages of a log to the feeds of a server, and reads and encodes each only once for all who stand at the same place.

A page is shared among those who may see the same rooms, and only until the next commit: what was read before it may lack something, or
hold what has been removed. A few pages are kept at most, however many clients there are.
"""

import asyncio
from collections.abc import Collection
from typing import NamedTuple

from realtime_lab.net.batch import BYTES, ROWS, Batch, pieces
from realtime_lab.net.event_log import Log
from realtime_lab.net.event_reader import Stored
from realtime_lab.net.newest import remember

PAGES = 4
"""Pages that are kept for somebody else to ask for."""


class Section(NamedTuple):
    """A page of the log as it is sent."""

    pieces: list[Stored | Batch]
    head: int
    trimmed: int
    last: bool
    """There was no more than this."""


class Tail:
    """For one log, as long as it is open; `forget` is to be called after each commit."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._pages: dict[tuple[str, int, frozenset[str]], asyncio.Future[Section]] = {}

    def forget(self) -> None:
        """The log has changed."""
        self._pages.clear()

    async def read(self, after: int, rooms: Collection[str]) -> Section:
        """What follows this offset, in batches. Raises what the log raises."""
        key = self._log.epoch, after, frozenset(rooms)
        page = self._pages.get(key)
        if page is None:
            page = remember(self._pages, key, asyncio.ensure_future(self._read(after, rooms)), PAGES)
            page.add_done_callback(_looked_at)
        try:
            return await asyncio.shield(page)
        except Exception:
            if self._pages.get(key) is page:
                del self._pages[key]
            raise

    async def _read(self, after: int, rooms: Collection[str]) -> Section:
        page = await self._log.read(after, ROWS, rooms=rooms, max_bytes=BYTES)
        return Section(pieces(page.events), page.head, page.trimmed, last=page.complete and len(page.events) < ROWS)


def _looked_at(page: asyncio.Future[Section]) -> None:
    """Who waits for it is told what went wrong. If all of them have left, nobody wants to know."""
    if not page.cancelled():
        page.exception()
