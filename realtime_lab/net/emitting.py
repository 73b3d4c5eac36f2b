"""What a client does with what the application emits: it is checked and copied, and then it is the outbox's."""

from abc import ABC, abstractmethod
from typing import Any

from realtime_lab.errors import PayloadTooLarge
from realtime_lab.net.delivery import Delivery
from realtime_lab.net.envelope import check_ours
from realtime_lab.net.outbox import Outbox
from realtime_lab.net.packets import check_event, content_of

ENVELOPE = 256
"""Bytes that are added to an event on the wire at most: its envelope, the event's own frame, an acknowledgement id."""


class Emitting(ABC):
    """The emitting half of `Client`."""

    _outbox: Outbox
    _max_payload: int
    _batch: bool

    @property
    def settled(self) -> bool:
        """Is everything that was emitted finished, so that nothing waits for a connection either?"""
        return self._outbox.settled

    @property
    def waiting(self) -> tuple[int, ...]:
        """The emissions (by their running number, from 1) that wait in the send buffer."""
        return self._outbox.waiting

    @property
    def under_way(self) -> dict[int, int]:
        """Emission -> how often it was sent, for those that retries send until they are acknowledged."""
        return self._outbox.under_way

    @property
    def volatile(self) -> "Volatile":
        """`client.volatile.emit(...)`: drop the event if it cannot leave at once (Socket.IO, "Volatile events")."""
        return Volatile(self)

    def emit(self, event: str, data: Any = None) -> Delivery:
        """Send an event; returns at once. `await` the result for its fate.

        Raises NotConnected (a bare client keeps nothing for later), BufferFull, PayloadTooLarge, ReservedName, NotSerialisable,
        AlreadyClosed.
        """
        return self._emit(event, data, volatile=False)

    def _emit(self, event: str, data: Any, *, volatile: bool) -> Delivery:
        self._check_open()
        check_event(event)
        if self._batch:
            check_ours(event)
        content = content_of(data)
        size = content.size
        if size + len(event.encode()) + ENVELOPE > self._max_payload:
            raise PayloadTooLarge(
                f"{event!r} has {size:,} bytes, and the server accepts {self._max_payload:,} at most (its envelope included). It was not "
                "sent: it would end the connection every time. Send it in pieces, or raise max_payload here and the limit of the server."
            )
        return self._outbox.emit(event, content, volatile=volatile)

    async def flush(self, timeout: float = 10.0) -> None:
        """Wait until the fate of everything that was emitted is known. Raises NotSettled after `timeout` seconds; nothing is lost by it."""
        await self._outbox.flush(timeout)

    @abstractmethod
    def _check_open(self) -> None:
        """Raises AlreadyClosed."""


class Volatile:
    """Emits that are dropped rather than kept."""

    def __init__(self, client: Emitting) -> None:
        self._client = client

    def emit(self, event: str, data: Any = None) -> Delivery:
        """Send the event now or never. A dropped one is settled as "rejected" at once; see Client.emit for the errors."""
        return self._client._emit(event, data, volatile=True)
