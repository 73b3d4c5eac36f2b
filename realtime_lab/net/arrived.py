"""What a client with replay was sent, until it is handled."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from realtime_lab.rules.replay import Session


@dataclass(eq=False)
class Arrived:
    """A stored event on one connection. `done` resolves when nobody has to wait for it any more."""

    sid: str
    index: int
    event: str
    data: Any
    offset: int
    number: int = 0
    """The running number of its reception, for the record."""
    kept: bool = False
    """Its own transaction has kept its offset, so it is never given to the handler again."""
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def finish(self) -> None:
        """It is handled, or forgotten."""
        if not self.done.done():
            self.done.set_result(None)


@dataclass(frozen=True)
class Heard(Session):
    """A session as it came on one connection."""

    sid: str = ""
    index: int = -1


@dataclass(eq=False)
class Call:
    """One call of a handler: of a stored event, or (None) of a session."""

    item: Arrived | None = None
    transacting: bool = False
    """Is it inside of `async with client.transaction()`?"""
    closing: bool = False
    """Has it closed its own client?"""
