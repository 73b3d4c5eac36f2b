"""What a client with replay is sent goes into its inbox, as long as the connection lives on which it came."""

import asyncio
from typing import Any

from realtime_lab.errors import RealtimeLabError
from realtime_lab.net.arrived import Arrived, Heard, Packet, unpacked
from realtime_lab.net.reporting import report
from realtime_lab.rules.inbox import Inbox


class Arriving:
    """The first half of `Incoming`."""

    def __init__(self, inbox: Inbox[Arrived]) -> None:
        self._inbox = inbox
        self._news = asyncio.Event()
        self._deaf = ""
        """The connection on which a batch could not be read: what follows it there would leave a hole."""

    def told(self, session: Heard) -> None:
        """A session came."""
        self._deaf = ""
        self._inbox.told(session)
        self._news.set()

    async def arrived(self, item: Arrived) -> None:
        """A stored event came. Returns when it is handled, or its connection is over."""
        if item.packet.sid != self._deaf:
            self._inbox.arrived(item.offset, item)
            self._news.set()
            await item.packet.done

    async def batch(self, packet: Packet, arguments: tuple[Any, ...]) -> dict[str, Any] | None:
        """A batch came. Returns when all of it is handled, or its connection is over; or the answer, if it cannot be read."""
        try:
            if packet.sid == self._deaf:
                raise ValueError("a batch before it could not be read")
            self._inbox.arrived_together(unpacked(packet, arguments))
        except ValueError as error:
            return self._refuse(packet, str(error))
        self._news.set()
        await packet.done
        return None

    def _refuse(self, packet: Packet, why: str) -> dict[str, Any]:
        """Nothing is lost: the offset stays before it, and a server of ours sends its events one by one, behind another session."""
        if packet.sid != self._deaf:
            self._deaf = packet.sid
            message = f"a batch cannot be read: {why}. What is stored waits until the server says again where this client stands."
            report(message, RealtimeLabError(message))
        return {"ok": False, "error": why, "retryable": False}

    def disconnected(self) -> None:
        """What was not begun comes again on the next connection."""
        for item in self._inbox.disconnected():
            item.packet.finish()
