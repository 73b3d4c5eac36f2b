"""Kept: where a client stands, as far as its store has it.

To be behind is always right: what was handled since then may come again after a crash of the client, and what comes again is at least
once. So an event that came alone is kept before the next one begins; of batches only from time to time, and when the client comes to rest.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from realtime_lab.errors import AlreadyClosed, InvalidSetting, StoreFailed, StoreInUse
from realtime_lab.net.calls import Call
from realtime_lab.net.client_store import ClientStore, Effects
from realtime_lab.net.reporting import report
from realtime_lab.rules.replay import Position, handled

PERIOD = 0.1
"""Seconds of a batch that may have to be handled again, beyond the event that is being handled."""


class Kept:
    """For a client with, or without, a store."""

    def __init__(self, store: ClientStore | None) -> None:
        self._store = store
        self.position: Position | None = None
        """What the store has, or would have if there were one."""
        self._late = 0.0

    async def open(self) -> None:
        """Begin where an earlier run of the same store ended. Raises StoreInUse, StoreFailed."""
        if self._store is not None:
            await self._store.open()
            self.position = self._store.position

    async def close(self) -> None:
        """Close the store. Twice is harmless."""
        if self._store is not None:
            await self._store.close()

    def due(self, position: Position | None, *, batch_goes_on: bool) -> bool:
        """Is it time to keep this?"""
        return position != self.position and not (batch_goes_on and asyncio.get_running_loop().time() < self._late)

    async def keep(self, position: Position | None) -> None:
        """If the store fails, the client goes on; what it handles meanwhile may be handled again after a restart."""
        if self._store is not None and position is not None:
            try:
                await self._store.move(position)
            except (StoreFailed, StoreInUse) as error:
                report(str(error), error)
            except AlreadyClosed:
                return  # a handler has closed its own client, so the store is somebody else's now, and its event comes again
        self.position = position
        self._late = asyncio.get_running_loop().time() + PERIOD

    @asynccontextmanager
    async def transaction(self, call: Call | None, before: Position | None) -> AsyncIterator[Effects]:
        """See Client.transaction. `call`: the handler that asks; `before`: where the client stands until it has returned."""
        if self._store is None:
            raise InvalidSetting("transaction() works in the client's store, and this client has none. Make it with store=...")
        if call is None or call.item is None or call.kept or call.transacting:
            raise InvalidSetting("transaction() keeps the offset of the event that is being handled: use it inside its handler, once.")
        if call.closing:
            raise AlreadyClosed("this handler has closed its own client, and the store with it.")
        position = handled(before, call.item.offset)
        call.transacting = True
        try:
            async with self._store.transaction(position) as effects:
                yield effects
        finally:
            call.transacting = False
            if self._store.position == position:  # also if the handler was cancelled while this was being committed
                call.kept, self.position = True, position
