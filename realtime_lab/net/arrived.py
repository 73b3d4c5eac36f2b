"""What a client with replay was sent, until it is handled."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, count, repeat
from typing import Any, NamedTuple

from realtime_lab.net.batch import open_batch
from realtime_lab.rules.replay import Session


@dataclass(eq=False)
class Packet:
    """What came in one packet: a stored event, or a batch of them. `done` resolves when nobody has to wait for it any more."""

    sid: str
    index: int
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def finish(self) -> None:
        """Everything in it is handled, or forgotten."""
        if not self.done.done():
            self.done.set_result(None)


class Arrived(NamedTuple):
    """A stored event on one connection."""

    offset: int
    event: str
    data: Any
    packet: Packet
    inside: int = -1
    """Its place in a batch, from 0; -1: it came alone."""
    last: bool = True
    """Nothing follows it in its packet."""


def unpacked(packet: Packet, arguments: tuple[Any, ...]) -> Iterator[tuple[int, Arrived]]:
    """(offset, event) for the events of a batch that arrived. Raises ValueError, naming what was expected."""
    offsets, names, data = open_batch(arguments)
    lasts = chain(repeat(False, len(offsets) - 1), (True,))
    rows = zip(offsets, names, data, repeat(packet), count(), lasts, strict=False)
    return zip(offsets, map(partial(tuple.__new__, Arrived), rows), strict=True)  # as Arrived(*row), several times faster


@dataclass(frozen=True)
class Heard(Session):
    """A session as it came on one connection."""

    sid: str = ""
    index: int = -1
