"""One connection of a client: a fresh python-socketio AsyncClient, used once and thrown away.

python-socketio's own reconnect loop has six measured ways to die for ever, and a client that was shut down stays half alive; so it is
never asked to reconnect. Its emit() succeeds silently after the connection broke, until the break is noticed: that gap is real, and the
lessons show it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aiohttp
import socketio

from realtime_lab.errors import ConnectionRejected
from realtime_lab.net.delivery import Delivery, Fate
from realtime_lab.net.packets import StrictPacket

LOG = logging.getLogger("realtime_lab")
LOG.addHandler(logging.NullHandler())

CLOSE_LIMIT = 1.0
"""Seconds for a polite goodbye; over long-polling python-socketio's own would take up to ping_interval + ping_timeout."""

Receive = Callable[["Connection", str, tuple[Any, ...]], Awaitable[Any]]


class Connection:
    """`opened` is called once the server has accepted, `ended` with the reason when it is over; then `gone` resolves too."""

    def __init__(self, opened: Callable[["Connection"], None], ended: Callable[["Connection", str], None], receive: Receive) -> None:
        self.sid = ""
        self.gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._opened = opened
        self._ended = ended
        self._receive = receive
        self._refusal: Any = None
        self._outbox: deque[tuple[str, Any, Delivery, float | None]] = deque()
        self._wake = asyncio.Event()
        self._pending: dict[Delivery, None] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        self._sio = socketio.AsyncClient(
            reconnection=False,
            handle_sigint=False,
            serializer=StrictPacket,
            http_session=self._http,
            logger=LOG,
            engineio_logger=LOG,
        )
        self._sio.on("connect", self._on_connect)
        self._sio.on("connect_error", self._on_connect_error)
        self._sio.on("disconnect", self._end)
        self._sio.on("*", self._on_event)

    async def open(self, url: str, transports: Sequence[str], auth: Any, limit: float) -> None:
        """Connect, or raise: ConnectionRejected when the server said no, OSError or TimeoutError when there was no answer.

        `limit` (seconds) covers the whole attempt; python-socketio's own limit leaves out the WebSocket handshake.
        """
        try:
            async with asyncio.timeout(limit):
                await self._sio.connect(url, auth=auth, transports=list(transports), namespaces=["/"], wait_timeout=limit)
        except TimeoutError:
            raise TimeoutError(f"no answer from {url} in {limit} s") from None
        except Exception as error:  # it also raises TypeError, KeyError and others when a connection breaks during its handshake
            if self._refusal is not None:
                raise ConnectionRejected(f"the server refused the connection: {self._refusal}") from error
            raise OSError(f"cannot connect to {url}: {error}") from error
        self._tasks = [asyncio.ensure_future(self._send_all()), asyncio.ensure_future(self._watch())]

    def send(self, event: str, data: Any, delivery: Delivery, ack_timeout: float | None) -> None:
        """Queue an event; it leaves in order, in the next round of the loop."""
        self._outbox.append((event, data, delivery, ack_timeout))
        self._pending[delivery] = None
        delivery.when_settled(lambda: self._pending.pop(delivery, None))
        self._wake.set()

    @property
    def idle(self) -> bool:
        """Is everything handed to the transport, and every acknowledgement that was asked for settled?"""
        return not self._pending

    async def close(self) -> None:
        """Say goodbye if there is still somebody there, and free everything."""
        for task in self._tasks:
            task.cancel()
        try:
            async with asyncio.timeout(CLOSE_LIMIT):
                await self._sio.disconnect()
        except Exception as error:  # noqa: BLE001  # the goodbye is a courtesy; the connection is over either way
            LOG.debug("disconnect failed: %r", error)
        self._end("client disconnect")
        await self._http.close()

    # -- python-socketio calls these ------------------------------------------------------------------------------------------------

    def _on_connect(self) -> None:
        self.sid = self._sio.get_sid("/") or ""
        self._opened(self)

    def _on_connect_error(self, data: Any = None) -> None:
        if isinstance(data, dict) or (isinstance(data, str) and self._sio.eio.state == "connected"):
            self._refusal = data.get("message", data) if isinstance(data, dict) else data

    async def _on_event(self, event: str, *arguments: Any) -> Any:
        return await self._receive(self, event, arguments)

    # -- its own tasks --------------------------------------------------------------------------------------------------------------

    async def _send_all(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._outbox:
                await self._send(*self._outbox.popleft())

    async def _send(self, event: str, data: Any, delivery: Delivery, ack_timeout: float | None) -> None:
        if ack_timeout is None:
            await self._sio.emit(event, data)
            delivery.settle(Fate("unknown", reason="no acknowledgement was asked for"))
        else:
            delivery.expire_after(ack_timeout)
            await self._sio.emit(event, data, callback=delivery.acknowledged)

    async def _watch(self) -> None:
        """A drop while the handshake ends fires no `disconnect` in python-socketio; the end of its read loop is the truth."""
        await self._sio.eio.wait()
        self._end("transport error")

    def _end(self, reason: str) -> None:
        if self.gone.done():
            return
        self.gone.set_result(reason)
        for delivery in tuple(self._pending):
            delivery.settle(Fate("unknown", reason="the connection ended before an acknowledgement came"))
        self._pending.clear()
        self._outbox.clear()
        self._ended(self, reason)
