"""Client: python-socketio's AsyncClient under our own supervisor, with guarantees that are switched on one by one.

At this stage no guarantee exists yet: a bare client behaves like the plain library. What is emitted while it is disconnected is refused
with NotConnected; what is emitted between a break and its discovery is lost without a word; nothing is sent twice. Handlers start in the
order of arrival and run side by side, as python-socketio runs them.
"""

import asyncio
import random
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Literal, Self

from realtime_lab.errors import AlreadyClosed, ConnectionRejected, ConnectTimeout, InvalidSetting, NotConnected, UnknownFault
from realtime_lab.net.connection import Connection
from realtime_lab.net.delivery import Delivery
from realtime_lab.net.handlers import Handlers, Register
from realtime_lab.net.packets import Observer, allow_long_payloads, brief, check_data, check_event, ignore
from realtime_lab.rules import backoff
from realtime_lab.rules.faults import seconds

State = Literal["new", "connecting", "connected", "disconnected", "closed"]
TRANSPORTS = ("polling", "websocket")
FINAL = ("server disconnect", "client disconnect")
"""A side said goodbye on purpose: Socket.IO clients do not come back by themselves then."""


class Client:
    """A Socket.IO client that comes back by itself.

    url                     where the server (or a link) listens
    ack_timeout             None: fire and forget, as plain emit(). Seconds: each event asks for an acknowledgement, and its fate is unknown
                            when none comes in this time (Socket.IO client option `ackTimeout`, there in milliseconds)
    transports              "websocket", "polling" or both; with both it starts with polling and upgrades
    auth                    what the server's connect handler is given: a dict, or a function that makes one, called for every attempt
    connect_timeout         seconds for one whole attempt
    reconnection_delay, reconnection_delay_max    seconds, see rules/backoff.py
    """

    def __init__(
        self,
        url: str,
        *,
        ack_timeout: float | None = None,
        transports: Sequence[str] = ("websocket",),
        auth: Any = None,
        connect_timeout: float = 5.0,
        reconnection_delay: float = 1.0,
        reconnection_delay_max: float = 5.0,
        observer: Observer = ignore,
    ) -> None:
        unknown = [name for name in transports if name not in TRANSPORTS]
        if unknown or not transports or isinstance(transports, str):
            raise InvalidSetting(f'transports={transports!r}: give a list of "websocket" and "polling".')
        self.url = url
        self._ack_timeout = None if ack_timeout is None else seconds("ack_timeout", ack_timeout)
        self._transports = tuple(transports)
        self._auth = auth
        self._connect_timeout = seconds("connect_timeout", connect_timeout)
        self._delays = {
            "initial": seconds("reconnection_delay", reconnection_delay),
            "maximum": seconds("reconnection_delay_max", reconnection_delay_max),
        }
        self._observe = observer
        self._handlers = Handlers()
        self._state: State = "new"
        self._connection: Connection | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._failure = ""
        self._emitted = 0
        self._received = 0
        self._running = 0

    # -- the application's side -----------------------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Does the client believe that it is connected? After a break it takes a while to find out."""
        return self._state == "connected"

    @property
    def state(self) -> State:
        """One of "new", "connecting", "connected", "disconnected" (for good: the server said so, or refused) or "closed"."""
        return self._state

    @property
    def sid(self) -> str:
        """Socket.IO's id of the current connection; empty while there is none. It changes with every connection."""
        return self._connection.sid if self._connection else ""

    @property
    def idle(self) -> bool:
        """Is everything handed over and settled, and has every handler returned?"""
        return not self._running and (self._connection is None or self._connection.idle)

    def on(self, event: str) -> Register:
        """Decorator: call the function with the arguments of each event of this name. Also "connect" () and "disconnect" (reason)."""
        return self._handlers.register(event)

    def emit(self, event: str, data: Any = None) -> Delivery:
        """Send an event; returns at once. `await` the result for its fate.

        Raises NotConnected (a bare client keeps nothing for later), ReservedName, NotSerialisable, AlreadyClosed.
        """
        self._check_open()
        check_event(event)
        data = check_data(data)
        self._emitted += 1
        number = self._emitted
        self._observe("emitted", message=number, event=event, text=brief(data))
        if self._connection is None:
            self._observe("refused", message=number, event=event, reason="not connected")
            raise NotConnected(f"{event!r} was not sent: the client is not connected, and a bare client keeps nothing for later.")
        self._observe("sent", message=number, event=event, sid=self._connection.sid)
        delivery = Delivery(asyncio.get_running_loop())
        delivery.when_settled(lambda: self._observe("settled", message=number, reason=delivery.outcome))
        self._connection.send(event, data, delivery, self._ack_timeout)
        return delivery

    async def connect(self, timeout: float = 10.0) -> None:
        """Connect, and from then on come back after every break. Returns when the first connection is up.

        Raises ConnectionRejected when the server says no, ConnectTimeout after `timeout` seconds without a connection.
        """
        self._check_open()
        if self._supervisor is not None and not self._supervisor.done():
            raise UnknownFault("this client is connected already, or trying to. Await client.close() and make a new one.")
        allow_long_payloads()
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._supervisor = asyncio.create_task(self._supervise(first))
        self._supervisor.add_done_callback(lambda task: self._never(first))
        try:
            async with asyncio.timeout(timeout):
                await first
        except ConnectionRejected:
            await self._stop()
            raise
        except asyncio.CancelledError:
            await self._stop()
            self._state = "disconnected"
            raise
        except TimeoutError:
            await self._stop()
            self._state = "disconnected"
            hint = "Is the server running, and the link open?"
            raise ConnectTimeout(f"no connection to {self.url} in {timeout} s ({self._failure or 'no attempt ended'}). {hint}") from None

    async def close(self) -> None:
        """Disconnect for good. Safe to call twice."""
        await self._stop()
        self._state = "closed"

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    # -- the supervisor -------------------------------------------------------------------------------------------------------------

    async def _supervise(self, first: "asyncio.Future[None]") -> None:
        failures = 0
        self._state = "connecting"
        self._observe("connecting")
        while True:
            connection = Connection(self._opened, self._ended, self._receive)
            try:
                await connection.open(self.url, self._transports, self._auth, self._connect_timeout)
                failures = 0
                if not first.done():
                    first.set_result(None)
                reason = await asyncio.shield(connection.gone)
            except ConnectionRejected as error:
                self._state = "disconnected"
                if not first.done():
                    first.set_exception(error)
                return
            except OSError as error:  # TimeoutError too
                failures += 1
                self._failure = reason = str(error)
                self._ended(connection, "transport error")
            finally:
                await connection.close()
            if reason in FINAL:
                return
            await asyncio.sleep(backoff.delay(max(failures, 1), random.random(), **self._delays))

    def _never(self, first: "asyncio.Future[None]") -> None:
        if not first.done():
            first.set_exception(AlreadyClosed("this client was closed before it was connected. Make a new one."))

    async def _stop(self) -> None:
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait({self._supervisor})
            self._supervisor = None

    def _opened(self, connection: Connection) -> None:
        self._connection, self._state = connection, "connected"
        self._observe("connected", sid=connection.sid)
        self._handlers.call_soon("connect")

    def _ended(self, connection: Connection, reason: str) -> None:
        if self._connection is not connection:
            return
        final = reason in FINAL
        self._connection, self._state = None, "disconnected" if final else "connecting"
        self._observe("disconnected", sid=connection.sid, reason=reason)
        if not final:
            self._observe("connecting")  # once for all the attempts that follow
        self._handlers.call_soon("disconnect", reason)

    async def _receive(self, connection: Connection, event: str, arguments: tuple[Any, ...]) -> Any:
        self._received += 1
        number = self._received
        self._observe("received", message=number, sid=connection.sid, event=event, text=brief(arguments[0] if arguments else None))
        self._running += 1
        try:
            return await self._handlers.call(event, arguments, lambda kind, why: self._observe(kind, message=number, reason=why))
        finally:
            self._running -= 1

    def _check_open(self) -> None:
        if self._state == "closed":
            raise AlreadyClosed("this client was closed. Make a new one.")
