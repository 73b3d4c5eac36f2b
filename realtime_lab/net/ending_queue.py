"""The queue between python-socketio and the writer of python-engineio, which can lose the end (measured)."""

import asyncio
from typing import Any


class EndingQueue(asyncio.Queue[Any]):
    """What waits for python-engineio's writer. None ends it; once it was taken, it is given again and again.

    The writer takes what is there in one go, and forgets a None that comes right behind a packet. A client that sends again and again into
    a connection that is dead in one direction would then never notice (measured; it takes a send in the moment in which the reader gives
    up).
    """

    _over = False

    def _get(self) -> Any:
        item = super()._get()
        self._over = self._over or item is None
        return item

    async def get(self) -> Any:
        """The next packet; None at the end."""
        if self._over:
            self.put_nowait(None)
            while (item := self.get_nowait()) is not None:
                self.task_done()  # it comes too late
            return item
        return await super().get()
