"""Rule: what is emitted while it cannot leave is kept, in order, and leaves before anything that is emitted later.

Source: Socket.IO, "Offline behavior" (buffered events) and "Emitting events" (volatile events).
Where it differs from the JavaScript client, on purpose:

- It has a limit, by count and by bytes. A full buffer refuses the new event with an error; what it holds is not thrown away.
  (JavaScript: no limit.)
- An event may have a maximum age. It is dropped before it is sent, never afterwards. (JavaScript: the timeout of an acknowledgement
  removes a buffered event; here that time begins when the event is sent.)
- After a reconnect events leave in portions, as fast as the transport takes them. (JavaScript: all at once.)
- A volatile event is dropped whenever it would have to wait, also behind others, so that it never overtakes. (JavaScript: it is dropped
  while a transport is being opened, and kept right after a break and while the connection is not accepted yet; measured.)

Never reads a clock, never sends, and never forgets an event without saying so.
"""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from realtime_lab.errors import InvalidSetting


@dataclass(frozen=True)
class Keep:
    """The event waits for its turn; `take` will give it out."""


@dataclass(frozen=True)
class Pass:
    """Send it now; it is not kept."""


@dataclass(frozen=True)
class Refuse:
    """The emitter gets an error, and nothing is kept."""

    reason: str
    full: bool = False


@dataclass(frozen=True)
class Drop:
    """A volatile event that cannot leave at once."""

    reason: str


Decision = Keep | Pass | Refuse | Drop
KEEP, PASS = Keep(), Pass()


@dataclass(slots=True)
class _Kept:
    key: int
    size: int
    since: float
    gone: bool = False


class SendBuffer:
    """Keeps the keys of events, first in, first out. The events themselves stay with the caller.

    on                      False: nothing is kept while there is no connection (a bare client)
    limit, limit_bytes      how much may wait
    max_age                 seconds that an event may wait, or None
    tombstones              an event that grew too old keeps its place, because it has a number that the server waits for
    """

    def __init__(
        self, *, on: bool = True, limit: int = 10_000, limit_bytes: int = 64_000_000, max_age: float | None = None, tombstones: bool = False
    ) -> None:
        for name, value in (("limit", limit), ("limit_bytes", limit_bytes)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidSetting(f"{name}={value!r}: give a whole number, 1 or more.")
        if max_age is not None and not (isinstance(max_age, (int, float)) and 0 < max_age < math.inf):
            raise InvalidSetting(f"max_age={max_age!r}: give seconds, more than 0, or None for no limit.")
        self._on, self._limit, self._limit_bytes = on, limit, limit_bytes
        self._max_age = max_age
        self._tombstones = tombstones
        self._kept: deque[_Kept] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def keys(self) -> tuple[int, ...]:
        """What waits, in the order in which it will leave."""
        return tuple(kept.key for kept in self._kept)

    def emit(self, key: int, size: int, now: float, *, connected: bool, volatile: bool = False) -> Decision:
        """An event of `size` bytes was emitted. Keys are the caller's; each is used once."""
        if volatile:
            if connected and not self._kept:
                return PASS
            return Drop("volatile, and others wait before it" if connected else "volatile, and not connected")
        if not (self._on or connected):
            return Refuse("not connected")
        if len(self._kept) >= self._limit:
            return Refuse(f"the send buffer is full ({self._limit} events)", full=True)
        if self._bytes + size > self._limit_bytes:
            return Refuse(f"the send buffer is full ({self._limit_bytes} bytes)", full=True)
        self._kept.append(_Kept(key, size, now))
        self._bytes += size
        return KEEP

    def restore(self, key: int, size: int, now: float, *, gone: bool = False) -> None:
        """An event that an earlier run accepted: it goes before everything that waits, whatever the limits say. The latest comes first."""
        since = min(now, self._kept[0].since) if self._kept else now  # it is older than what waits already
        self._kept.appendleft(_Kept(key, size, since, gone))
        self._bytes += size

    def take(self, room: float) -> list[int]:
        """The next events to leave, `room` of them at most."""
        taken: list[int] = []
        while self._kept and len(taken) < room:
            kept = self._kept.popleft()
            self._bytes -= kept.size
            taken.append(kept.key)
        return taken

    def withdraw(self, keys: Iterable[int]) -> None:
        """These will not leave after all."""
        leaving = set(keys)
        self._bytes -= sum(kept.size for kept in self._kept if kept.key in leaving)
        self._kept = deque(kept for kept in self._kept if kept.key not in leaving)

    def expire(self, now: float) -> list[int]:
        """The events that have waited longer than `max_age`. Without tombstones they are gone; with them only their place stays."""
        if self._max_age is None:
            return []
        old = [kept for kept in self._kept if not kept.gone and kept.since + self._max_age <= now]
        if self._tombstones:
            for kept in old:
                self._bytes -= kept.size
                kept.gone, kept.size = True, 0
        else:
            self.withdraw(kept.key for kept in old)
        return [kept.key for kept in old]

    def next_deadline(self) -> float | None:
        """When `expire` will have something to say."""
        if self._max_age is None:
            return None
        return next((kept.since + self._max_age for kept in self._kept if not kept.gone), None)
