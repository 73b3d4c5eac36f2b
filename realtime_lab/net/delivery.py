"""What becomes of an emitted event, as far as its sender can know."""

import asyncio
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Literal

Outcome = Literal["acked", "rejected", "unknown"]


@dataclass(frozen=True)
class Fate:
    """How it ended for the sender.

    "rejected": certainly not handled. "unknown" is not "failed": the event may have been handled, or not.
    """

    outcome: Outcome
    result: Any = None
    """What the server's handler returned, if it was acknowledged."""
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.outcome} ({self.reason})" if self.reason else self.outcome


class Delivery:
    """Returned by `emit`. `await delivery` gives its `Fate`; `delivery.fate` is None until it is settled."""

    __slots__ = ("_future", "_kept", "_loop", "_safe")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._future: asyncio.Future[Fate] = loop.create_future()
        self._safe: bool | None = None
        self._kept: asyncio.Future[bool] | None = None
        """Only there if somebody waits for it."""

    @property
    def fate(self) -> Fate | None:
        """The fate, or None while it is open."""
        return self._future.result() if self._future.done() else None

    def __await__(self) -> Generator[Any, None, Fate]:
        future = self._future
        return (future if future.done() else asyncio.shield(future)).__await__()

    async def kept(self) -> bool:
        """Wait until the event is safe: with a store, until it is written there, so that it outlives the process.

        False: it was settled without being kept (a store that failed, a volatile event).
        """
        if self._safe is not None:
            return self._safe
        if self._kept is None:
            self._kept = self._loop.create_future()
        return await asyncio.shield(self._kept)

    def keep(self, *, safe: bool = True) -> None:
        """The event is safe; or never will be."""
        if self._safe is None:
            self._safe = safe
            if self._kept is not None:
                self._kept.set_result(safe)

    def settle(self, fate: Fate) -> bool:
        """The first fate counts. False: it was settled before."""
        if self._future.done():
            return False
        self._future.set_result(fate)
        self.keep(safe=False)
        return True

    def __repr__(self) -> str:
        return f"<Delivery: {self.fate or 'not settled yet'}>"
