"""Server: python-socketio's AsyncServer on aiohttp. Bare, it emits and forgets, as Socket.IO does; with a log it stores and replays.

Every event gets an answer (see envelope.py). Handlers run side by side, one task for each event: they start in the order of arrival and
finish when they finish. With `dedupe` those of one client run one after the other.

What is published goes into the log, and from there to each connection (rules/cursor.py); nothing that is stored is ever broadcast.
"""

import asyncio
from socket import socket
from types import TracebackType
from typing import Any, Self

import socketio

from realtime_lab.errors import AlreadyClosed, InvalidSetting, UnknownFault
from realtime_lab.net.acknowledging import own_server
from realtime_lab.net.attaching import attachable
from realtime_lab.net.crash import CrashPoint
from realtime_lab.net.doorkeeper import Authenticate, Doorkeeper, RoomsOf
from realtime_lab.net.envelope import check_emitted, check_ours
from realtime_lab.net.event_log import Log
from realtime_lab.net.gate import Address, Gate, Origins, address
from realtime_lab.net.guests import Guest
from realtime_lab.net.handlers import H, Handlers, Register, wants_tx
from realtime_lab.net.hosting import Host, check_port, heartbeat
from realtime_lab.net.packets import Observer, allow_long_payloads, check_data, check_event, ignore
from realtime_lab.net.run import Run


class Server:
    """A Socket.IO server on its own port; or, made by `attach`, on somebody else's.

    host, port              where to listen; port 0 takes a free one
    ping_interval, ping_timeout    whole seconds, 1 or more: the Engine.IO handshake truncates fractions, and clients then time out
                            by themselves (measured)
    log                     an EventLog: what is published is stored there and replayed to whoever missed it; a handler may take `tx` and
                            work in its database, and is acknowledged after the commit. It is opened and closed with the server
    dedupe                  True: an event with a number is applied once and acknowledged always (rules/dedup.py). Needs a log
    authenticate            called with the `auth` that the application's client gave, for every connection. Returns the identity (a text),
                            or None for a guest; raises Rejected("why"). May be an `async def`. Without it every client_id is believed
    rooms                   called with the identity, before each connection is accepted; gives the rooms of which it may see what is
                            published, live and replayed, and emitted. May raise Rejected, and be an `async def`. A room that is taken
                            away is gone from the next connection on. Whoever is given a new one gets what the log still keeps of it
                            after their offset. Without it: only what is for everybody
    token, origins          who does not give this token is refused, and whose pages may connect besides our own (net/gate.py). `url` has it
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
        authenticate: Authenticate | None = None,
        rooms: RoomsOf | None = None,
        token: str | None = None,
        origins: Origins = (),
        observer: Observer = ignore,
    ) -> None:
        self._gate = Gate(token, origins, host)
        self._heartbeat = heartbeat(ping_interval=ping_interval, ping_timeout=ping_timeout)
        if dedupe and log is None:
            raise InvalidSetting('dedupe=True needs log=, to remember what was applied: for example log=EventLog("chat.db").')
        self._address = (host, check_port(port))
        self._log, self._dedupe, self._observe = log, dedupe, observer
        self._doorkeeper = Doorkeeper(authenticate, rooms, log)
        self._handlers = Handlers()
        self._crash = CrashPoint(observer, self._die)
        self.disarm = self._crash.disarm
        """Take back a crash that was ordered and has not happened."""
        self._emitted = 0
        self._closed = self._attached = self._started = False
        self._host: Host | None = None
        self._kept_port: socket | None = None
        self._dying: asyncio.Future[None] | None = None
        self._run = self._last_run = self._new_run(own_server(self._gate, **self._heartbeat))
        """After a crash the last one still knows those whose "disconnect" handler runs."""

    @classmethod
    def attach(
        cls,
        sio: socketio.AsyncServer,
        *,
        log: Log | None = None,
        dedupe: bool = False,
        authenticate: Authenticate | None = None,
        rooms: RoomsOf | None = None,
    ) -> Self:
        """The same guarantees on an application's own python-socketio server, under ASGI, aiohttp or Tornado.

        Its namespace "/" belongs to this object: register handlers with `server.on`, and emit with `server.emit`, because `sio.emit` also
        reaches those who are not accepted yet, and does not check what it is given: {"id": 7, "data": ...} moves the offsets of clients.
        `await server.start()` opens the log, and `await server.close()` closes it; who connects before or after that is asked to try
        again. The connections end with the application's own server. Raises InvalidSetting.
        """
        self = cls(log=log, dedupe=dedupe, authenticate=authenticate, rooms=rooms)
        self._attached, self._run = True, self._new_run(attachable(sio))
        return self

    def _new_run(self, sio: Any) -> Run:
        return Run(
            sio, self._handlers, self._log, self._crash,
            dedupe=self._dedupe, doorkeeper=self._doorkeeper, observe=self._observe, number=self._next,
        )  # fmt: skip

    @property
    def sio(self) -> Any:
        """The plain python-socketio server, a new one after a crash. What is emitted there is neither checked nor recorded."""
        return self._run.sio

    async def start(self) -> None:
        """Listen, and open the log. Raises PortInUse, StoreInUse, StoreFailed, and InvalidSetting if it, or its log, is started already."""
        if self._closed:
            raise AlreadyClosed("this server was closed. Make a new one.")
        if self._started:
            raise InvalidSetting("this server was started already. After a crash: await server.restart().")
        self._started = True
        try:
            allow_long_payloads()
            await self._run.open_log()
            if not self._attached:
                await self._listen()
        except BaseException:
            self._started = False
            await self._run.close_log()
            raise

    async def _listen(self) -> None:
        host = Host(self._gate)
        self._run.listens_at(host)
        self.sio.eio.start_background_task = host.start_task
        self.sio.attach(host)
        self._address = (self._address[0], await host.start(*self._address, self._kept_port))
        self._host, self._kept_port = host, None

    async def close(self) -> None:
        """Stop: disconnect everybody, free the port, close the log. Safe to call twice."""
        self._closed = True
        self._crash.at = None  # nobody is left to die, and what came to that point would wait for it for ever
        if self._dying:
            await asyncio.shield(self._dying)
        if self._kept_port is not None:
            self._kept_port.close()
        if self._host is not None:
            host, self._host = self._host, None
            await self.sio.shutdown()
            await host.stop()
        await self._run.guests.finish()
        await self._run.close_log()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    @property
    def state(self) -> str:
        """One of "listening", "crashed" (until restart()) or "closed" (also before start(), and when it listens elsewhere)."""
        return "listening" if self._host is not None else "crashed" if self._dying is not None and not self._closed else "closed"

    @property
    def port(self) -> int:
        """The port it listens on; it keeps it over a crash. Raises AlreadyClosed before start() and after close()."""
        if self.state == "closed":
            raise AlreadyClosed("the server is not listening. Await server.start() first; a closed server cannot be started again.")
        return self._address[1]

    @property
    def url(self) -> Address:
        """The address for clients, with the token if there is one."""
        return address(self._address[0], self.port, self._gate.token)

    @property
    def sids(self) -> tuple[str, ...]:
        """The connections that the server believes in, oldest first."""
        return self._run.guests.sids

    def auth(self, sid: str) -> Any:
        """What the application's client gave as `auth` when it connected. Raises UnknownFault after its "disconnect" handler."""
        return self._guest(sid).auth

    def identity(self, sid: str) -> str | None:
        """What `authenticate` said about this connection. Raises UnknownFault after its "disconnect" handler."""
        return self._guest(sid).identity

    @property
    def armed(self) -> str:
        """Where a crash is ordered that has not happened yet, or ""."""
        return self._crash.at or ""

    @property
    def idle(self) -> bool:
        """Has every handler returned, is what it did committed, and has everybody what the log has for them?"""
        return self._run.idle

    def on(self, event: str) -> Register:
        """Decorator: call the function with (sid, data) for each event of this name. Also "connect" (sid), "disconnect" (sid, reason).

        An `async def` with a parameter `tx` works in the log's database: `await tx.execute("INSERT ...", values)`, and
        `await tx.append(event, data, to=room)` publishes. What it does there is committed together with the event's number, or not at
        all. It should be quick: meanwhile nobody else writes. Raises InvalidSetting when it takes `tx` and there is no log.
        """
        register = self._handlers.register(event)

        def decorator(handler: H) -> H:
            if self._log is None and callable(handler) and wants_tx(handler):
                raise InvalidSetting(f"the handler of {event!r} takes tx, but this server has no log. Make it with log=EventLog(...).")
            return register(handler)

        return decorator

    async def publish(self, event: str, data: Any = None, *, to: str | None = None) -> int:
        """Store an event and give its offset; it is sent to everybody who may see it, also to those who are away and come back.

        data    None: handlers are called without an argument. A tuple is stored as a list, so it arrives as one argument
        to      a room, not a sid: only connections for which `rooms` names it (Server option). None: everybody
        In a handler that takes `tx`: `await tx.append(event, data, to=...)`. Raises InvalidSetting without a log, or for a room on a server
        without `rooms`; ReservedName, NotSerialisable, PayloadTooLarge; StoreFailed, StoreInUse: then nothing was stored; AlreadyClosed:
        then nobody knows.
        """
        if self._log is None:
            raise InvalidSetting("publish() stores what it sends, and this server has no log. Make it with log=EventLog(...), or emit().")
        if to is not None and not self._doorkeeper.knows_rooms:
            raise InvalidSetting(f"nobody could see what is published to {to!r}: this server has no rooms=, to say who may see it.")
        self._check_name(event)
        return await self._log.append(event, check_data(data), to=to)

    async def emit(self, event: str, data: Any = None, *, to: str | None = None, skip_sid: str | None = None) -> None:
        """Send an event to everybody, or to one sid or room, except `skip_sid`. Nobody promises that it arrives.

        With a log, data of the shape {"id": number, "data": ...} is refused: clients would take it for a stored event.
        Raises InvalidSetting, ReservedName, NotSerialisable, AlreadyClosed.
        """
        if self._closed:
            raise AlreadyClosed("this server was closed. Make a new one.")
        self._check_name(event)
        data = check_data(data)
        if self._log is not None:
            check_emitted(data)
        await self._run.emit(event, data, to=to, skip_sid=skip_sid)

    async def disconnect(self, sid: str) -> None:
        """End one connection. Socket.IO clients do not come back by themselves after that."""
        await self.sio.disconnect(sid)

    # -- crashes, for a lab ---------------------------------------------------------------------------------------------------------

    def crash(self, *, at: str | None = None, nth: int = 1) -> None:
        """Die as a process does: reset every connection, forget everything in memory, commit nothing. Until restart() nobody can connect.

        Without `at`: now. `at` one of crash.CRASHES: when the `nth` event from now on comes to this point. Raises UnknownFault.
        """
        if self._attached:
            raise UnknownFault("this server is a part of an application: only the application's process can end it.")
        self._crash.order(at, nth, with_log=self._log is not None)

    async def restart(self) -> None:
        """Start again after a crash, on the same port, with what the log has. Raises UnknownFault if it has not crashed."""
        await self._crash.survived(self._dying)
        self._dying, self._started = None, False
        await self.start()
        self._observe("fault", event="restart", reason="lab.server.restart()")

    def _die(self) -> None:
        """What must happen at once; the rest of the clearing up follows."""
        host, self._host = self._host, None
        if host is None:  # it has not begun, or listens elsewhere
            return
        self._kept_port = host.abort()
        run = self._last_run = self._run
        self._run = self._new_run(own_server(self._gate, **self._heartbeat))
        run.die()
        self._dying = asyncio.ensure_future(self._bury(host, run))

    async def _bury(self, host: Host, run: Run) -> None:
        await run.close_log(abandon=True)
        await host.stop()
        await run.guests.finish()

    def _next(self) -> int:
        self._emitted += 1
        return self._emitted

    def _guest(self, sid: str) -> Guest:
        guest = self._run.guests.guest(sid) or self._last_run.guests.guest(sid)
        if guest is None:
            raise UnknownFault(f"there is no connection {sid!r} (any more). server.sids has those that there are.")
        return guest

    def _check_name(self, event: str) -> None:
        check_event(event)
        if self._log is not None:
            check_ours(event)
