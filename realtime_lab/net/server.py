"""Server: python-socketio's AsyncServer on aiohttp. Bare, it emits and forgets, as Socket.IO does; with a log it knows what it applied.

Every event gets an answer (see envelope.py). Handlers run side by side, one task for each event: they start in the order of arrival and
finish when they finish. With `dedupe` those of one client run one after the other.
"""

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from socketio.exceptions import ConnectionRefusedError as Refusal

from realtime_lab.errors import AlreadyClosed, InvalidSetting
from realtime_lab.net.acknowledging import AcknowledgingServer, asked
from realtime_lab.net.crash import CrashPoint
from realtime_lab.net.envelope import Peer, peer_of
from realtime_lab.net.event_log import Log
from realtime_lab.net.handlers import H, Handlers, Register, wants_tx
from realtime_lab.net.hosting import MAX_POST, Host
from realtime_lab.net.intake import Arrival, Intake, cause
from realtime_lab.net.logger import LOG
from realtime_lab.net.packets import Observer, StrictPacket, allow_long_payloads, brief, check_data, check_event, ignore


@dataclass
class Guest:
    """A connection, as long as anything of it may still be handled."""

    peer: Peer
    arrived: int = 0
    """How many events have arrived on it."""
    here: bool = True


class Server:
    """A Socket.IO server on its own port.

    host, port              where to listen; port 0 takes a free one
    ping_interval, ping_timeout    whole seconds, 1 or more: the Engine.IO handshake truncates fractions, and clients then time out
                            by themselves (measured)
    log                     an EventLog: a handler may take `tx` and work in its database, and is acknowledged after the commit. It is
                            opened and closed with the server
    dedupe                  True: an event with a number is applied once and acknowledged always (rules/dedup.py). Needs a log
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        ping_interval: int = 25,
        ping_timeout: int = 20,
        log: Log | None = None,
        dedupe: bool = False,
        observer: Observer = ignore,
    ) -> None:
        self._heartbeat = {"ping_interval": ping_interval, "ping_timeout": ping_timeout}
        for name, value in self._heartbeat.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidSetting(f"{name}={value!r}: give whole seconds, 1 or more.")
        if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port < 65536:
            raise InvalidSetting(f"port={port!r}: give a number from 0 to 65535; 0 takes a free one.")
        if dedupe and log is None:
            raise InvalidSetting('dedupe=True needs log=, to remember what was applied: for example log=EventLog("chat.db").')
        self._address, self._log, self._dedupe, self._observe = (host, port), log, dedupe, observer
        self._handlers = Handlers()
        self._crash = CrashPoint(observer, self._die)
        self.disarm = self._crash.disarm
        """Take back a crash that was ordered and has not happened."""
        self._closed = False
        self._emitted = 0
        self._leaving = 0
        """Acknowledgements that a crash waits for."""
        self._guests: dict[str, Guest] = {}
        self._host: Host | None = None
        self._dying: asyncio.Future[None] | None = None
        self.sio, self._intake = self._fresh()
        """`sio` is the plain python-socketio server, a new one after a crash. What is emitted there directly is not recorded."""

    def _fresh(self) -> tuple[Any, Intake]:
        """Everything that a process forgets when it ends."""
        options: dict[str, Any] = {"serializer": StrictPacket, "logger": LOG, "engineio_logger": LOG, **self._heartbeat}
        sio = AcknowledgingServer(async_mode="aiohttp", max_http_buffer_size=MAX_POST, **options)
        sio.acknowledged = self._acknowledged
        sio.on("connect", self._on_connect)
        sio.on("disconnect", self._on_disconnect)
        sio.on("*", self._on_event)
        return sio, Intake(self._handlers, self._log, dedupe=self._dedupe, observe=self._observe, point=self._crash.reached)

    async def start(self) -> None:
        """Listen, and open the log. Raises PortInUse, StoreInUse, StoreFailed."""
        if self._closed:
            raise AlreadyClosed("this server was closed. Make a new one.")
        allow_long_payloads()
        if self._log is not None:
            await self._log.open()
            self._log.before_commit = self._before_commit
        app = web.Application()
        host = Host(app)
        self.sio.eio.start_background_task = host.start_task
        self.sio.attach(app)
        try:
            self._address = (self._address[0], await host.start(*self._address))
        except BaseException:
            if self._log is not None:
                await self._log.close()
            raise
        self._host = host

    async def close(self) -> None:
        """Stop: disconnect everybody, free the port, close the log. Safe to call twice."""
        self._closed = True
        if self._dying is not None:
            await asyncio.shield(self._dying)
        if self._host is not None:
            host, self._host = self._host, None
            await self.sio.shutdown()
            await host.stop()
        if self._log is not None:
            await self._log.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    @property
    def state(self) -> str:
        """One of "listening", "crashed" (until restart()) or "closed" (also before start())."""
        return "listening" if self._host is not None else "crashed" if self._dying is not None and not self._closed else "closed"

    @property
    def port(self) -> int:
        """The port it listens on; it keeps it over a crash. Raises AlreadyClosed before start() and after close()."""
        if self.state == "closed":
            raise AlreadyClosed("the server is not listening. Await server.start() first; a closed server cannot be started again.")
        return self._address[1]

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"http://{self._address[0]}:{self.port}"

    @property
    def sids(self) -> tuple[str, ...]:
        """The connections that the server believes in, oldest first."""
        return tuple(sid for sid, guest in self._guests.items() if guest.here)

    @property
    def armed(self) -> str:
        """Where a crash is ordered that has not happened yet, or ""."""
        return self._crash.at or ""

    @property
    def idle(self) -> bool:
        """Has every handler returned, and is what it did committed?"""
        return self._intake.idle and not self._leaving

    def on(self, event: str) -> Register:
        """Decorator: call the function with (sid, data) for each event of this name. Also "connect" (sid), "disconnect" (sid, reason).

        An `async def` with a parameter `tx` works in the log's database: `await tx.execute("INSERT ...", values)`. What it does there is
        committed together with the event's number, or not at all. It should be quick: meanwhile nobody else writes.
        Raises InvalidSetting when it takes `tx` and there is no log.
        """
        register = self._handlers.register(event)

        def decorator(handler: H) -> H:
            if self._log is None and callable(handler) and wants_tx(handler):
                raise InvalidSetting(f"the handler of {event!r} takes tx, but this server has no log. Make it with log=EventLog(...).")
            return register(handler)

        return decorator

    async def emit(self, event: str, data: Any = None, *, to: str | None = None, skip_sid: str | None = None) -> None:
        """Send an event to everybody, or to one sid or room, except `skip_sid`. Nobody promises that it arrives.

        Raises ReservedName, NotSerialisable, AlreadyClosed.
        """
        if self._closed:
            raise AlreadyClosed("this server was closed. Make a new one.")
        check_event(event)
        data = check_data(data)
        self._emitted += 1
        self._observe(
            "emitted",
            message=self._emitted,
            event=event,
            text=brief(data),
            cause=cause.get(),
            sids=tuple(sid for sid, _ in self.sio.manager.get_participants("/", to) if sid != skip_sid),
            skip=skip_sid or "",
            room=to or "",
        )
        await self.sio.emit(event, data, to=to, skip_sid=skip_sid)

    async def disconnect(self, sid: str) -> None:
        """End one connection. Socket.IO clients do not come back by themselves after that."""
        await self.sio.disconnect(sid)

    # -- crashes, for a lab ---------------------------------------------------------------------------------------------------------

    def crash(self, *, at: str | None = None, nth: int = 1) -> None:
        """Die as a process does: reset every connection, forget everything in memory, commit nothing. Until restart() nobody can connect.

        Without `at`: now. `at` one of crash.CRASHES: when the `nth` event from now on comes to this point. Raises UnknownFault.
        """
        self._crash.order(at, nth, with_log=self._log is not None)

    async def restart(self) -> None:
        """Start again after a crash, on the same port, with what the log has. Raises UnknownFault if it has not crashed."""
        await self._crash.survived(self._dying)
        self._dying = None
        await self.start()
        self._observe("fault", event="restart", reason="lab.server.restart()")

    def _die(self) -> None:
        """What must happen at once; the rest of the clearing up follows."""
        host, self._host = self._host, None
        if host is None:
            return
        host.abort()
        for sid in self.sids:
            self._gone(sid, "the server crashed")
        self._guests.clear()
        self._intake.crashed()
        self.sio, self._intake = self._fresh()
        self._dying = asyncio.ensure_future(self._bury(host))

    async def _bury(self, host: Host) -> None:
        if self._log is not None:
            await self._log.abandon()
        await host.stop()

    async def _before_commit(self) -> None:
        if self._intake.uncommitted:
            await self._crash.reached("before_commit")

    async def _acknowledged(self, eio_sid: str) -> None:
        """The acknowledgement was handed to the connection."""
        socket, host = self.sio.eio.sockets.get(eio_sid), self._host
        if self._crash.at == "after_ack" and socket is not None and host is not None:
            self._leaving += 1
            try:
                await socket.queue.join()
                await host.sent()
                await self._crash.reached("after_ack")
            finally:
                self._leaving -= 1

    # -- python-socketio calls these; they neither wait nor raise, because it awaits them inside the connection's read loop ---------------

    async def _on_connect(self, sid: str, environ: Any, auth: Any = None) -> None:
        try:
            peer = peer_of(auth)
        except ValueError as error:
            raise Refusal(f"this server expects: {error}") from None
        self._guests[sid] = Guest(peer)
        self._observe("connected", sid=sid)
        replaced = self._intake.clients.connected(sid, peer)
        if replaced and self._host:
            self._host.start_task(self.sio.disconnect, replaced)
        self._handlers.call_soon("connect", sid)

    async def _on_disconnect(self, sid: str, reason: str) -> None:
        if sid in self.sids:
            self._gone(sid, reason)

    def _gone(self, sid: str, reason: str) -> None:
        guest = self._guests[sid]
        guest.here = False
        asyncio.get_running_loop().call_soon(self._guests.pop, sid, None)  # the tasks of its last events have not begun yet
        self._intake.clients.disconnected(sid, guest.peer)
        self._observe("disconnected", sid=sid, reason=reason)
        self._handlers.call_soon("disconnect", sid, reason)

    async def _on_event(self, event: str, sid: str, *arguments: Any) -> Any:
        guest = self._guests.get(sid)
        if guest is None:  # of a process that has crashed
            return self.sio.not_handled
        peer, index, guest.arrived = guest.peer, guest.arrived, guest.arrived + 1
        sio = self.sio
        answer = await self._intake.receive(Arrival(sid, index, peer, event), arguments)
        await self._crash.reached("before_ack")
        if sio is not self.sio or answer is None or (answer.get("retryable") and not peer.nack):
            return sio.not_handled
        if asked.get():
            self._observe("answered", sid=sid, index=index, reason="ok" if answer["ok"] else str(answer["error"]))
        return answer
