"""Server: python-socketio's AsyncServer on aiohttp. At this stage it emits and forgets, as Socket.IO does.

Every event gets an answer (the acknowledgement envelope of handlers.py), and handlers run side by side, one task for each event: they start
in the order of arrival and finish when they finish.
"""

import asyncio
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self

import socketio
from aiohttp import web

from realtime_lab.errors import AlreadyClosed, InvalidSetting, PortInUse
from realtime_lab.net.connection import LOG
from realtime_lab.net.handlers import Handlers, Register
from realtime_lab.net.packets import Observer, StrictPacket, allow_long_payloads, brief, check_data, check_event, ignore

MAX_POST = 1_000_000
"""Bytes of one long-polling POST at most; python-engineio's own default."""

_cause: ContextVar[int] = ContextVar("realtime_lab_cause", default=-1)
"""The reception whose handler is running, so that the record can tell what an emit answers."""


class Server:
    """A Socket.IO server on its own port.

    host, port              where to listen; port 0 takes a free one
    ping_interval, ping_timeout    whole seconds, 1 or more: the Engine.IO handshake truncates fractions, and clients then time out
                            by themselves (measured)
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        ping_interval: int = 25,
        ping_timeout: int = 20,
        observer: Observer = ignore,
    ) -> None:
        for name, value in (("ping_interval", ping_interval), ("ping_timeout", ping_timeout)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidSetting(f"{name}={value!r}: give whole seconds, 1 or more.")
        if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port < 65536:
            raise InvalidSetting(f"port={port!r}: give a number from 0 to 65535; 0 takes a free one.")
        self._address = (host, port)
        self._observe = observer
        self._handlers = Handlers()
        self._runner: web.AppRunner | None = None
        self._closed = False
        self._connected: dict[str, None] = {}
        self._emitted = 0
        self._received = 0
        self._running = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self.sio = socketio.AsyncServer(
            async_mode="aiohttp",
            serializer=StrictPacket,
            ping_interval=ping_interval,
            ping_timeout=ping_timeout,
            max_http_buffer_size=MAX_POST,
            logger=LOG,
            engineio_logger=LOG,
        )
        """The plain python-socketio server. What is emitted here directly is not recorded."""
        self.sio.eio.start_background_task = self._start_task
        self.sio.on("connect", self._on_connect)
        self.sio.on("disconnect", self._on_disconnect)
        self.sio.on("*", self._on_event)

    async def start(self) -> None:
        """Listen. Raises PortInUse."""
        if self._closed:
            raise AlreadyClosed("this server was closed. Make a new one.")
        allow_long_payloads()
        app = web.Application(middlewares=[self._remembered, _uncompressed, _whole])
        self.sio.attach(app)
        options: dict[str, Any] = {"access_log": None, "logger": LOG, "shutdown_timeout": 0.1, "read_bufsize": MAX_POST}
        self._runner = web.AppRunner(app, handle_signals=False, **options)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, *self._address).start()
        except OSError as error:
            await self._runner.cleanup()
            self._runner = None
            host, port = self._address
            raise PortInUse(f"cannot listen on {host}:{port} ({error.strerror}). Choose another port, or port=0 for a free one.") from None

    async def close(self) -> None:
        """Stop: disconnect everybody and free the port. Safe to call twice."""
        self._closed = True
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await self.sio.shutdown()
            await runner.cleanup()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    @property
    def port(self) -> int:
        """The port it listens on. Raises AlreadyClosed before start() and after close()."""
        if self._runner is None:
            raise AlreadyClosed("the server is not listening. Await server.start() first; a closed server cannot be started again.")
        return int(self._runner.addresses[0][1])

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"http://{self._address[0]}:{self.port}"

    @property
    def sids(self) -> tuple[str, ...]:
        """The connections that the server believes in, oldest first."""
        return tuple(self._connected)

    @property
    def idle(self) -> bool:
        """Has every handler returned?"""
        return not self._running

    def on(self, event: str) -> Register:
        """Decorator: call the function with (sid, data) for each event of this name. Also "connect" (sid), "disconnect" (sid, reason)."""
        return self._handlers.register(event)

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
            cause=_cause.get(),
            sids=tuple(sid for sid, _ in self.sio.manager.get_participants("/", to) if sid != skip_sid),
            skip=skip_sid or "",
            room=to or "",
        )
        await self.sio.emit(event, data, to=to, skip_sid=skip_sid)

    async def disconnect(self, sid: str) -> None:
        """End one connection. Socket.IO clients do not come back by themselves after that."""
        await self.sio.disconnect(sid)

    def _start_task(self, target: Any, *arguments: Any, **options: Any) -> asyncio.Task[Any]:
        """As python-engineio's, but close() can end it: heartbeats sleep on for a whole ping_interval after their connection has ended."""
        task: asyncio.Task[Any] = asyncio.ensure_future(target(*arguments, **options))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @web.middleware
    async def _remembered(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """A long poll waits on after its client has gone; close() ends it too."""
        response: web.StreamResponse = await self._start_task(handler, request)
        return response

    # -- python-socketio calls these; they neither wait nor raise, because it awaits them inside the connection's read loop ---------------

    async def _on_connect(self, sid: str, environ: Any, auth: Any = None) -> None:
        self._connected[sid] = None
        self._observe("connected", sid=sid)
        self._handlers.call_soon("connect", sid)

    async def _on_disconnect(self, sid: str, reason: str) -> None:
        if sid in self._connected:
            del self._connected[sid]
            self._observe("disconnected", sid=sid, reason=reason)
            self._handlers.call_soon("disconnect", sid, reason)

    async def _on_event(self, event: str, sid: str, *arguments: Any) -> Any:
        self._received += 1
        number = self._received
        self._observe("received", message=number, sid=sid, event=event, text=brief(arguments[0] if arguments else None))
        _cause.set(number)
        self._running += 1
        try:
            return await self._handlers.call(event, (sid, *arguments), lambda kind, why: self._observe(kind, message=number, reason=why))
        finally:
            self._running -= 1


@web.middleware
async def _uncompressed(request: web.Request, handler: Any) -> web.StreamResponse:
    """Leave WebSocket compression off, so that frames can be read on their way (and no context takeover costs memory per client)."""
    if "Sec-WebSocket-Extensions" in request.headers:
        headers = request.headers.copy()
        headers.popall("Sec-WebSocket-Extensions")
        request = request.clone(headers=headers)
    response: web.StreamResponse = await handler(request)
    return response


@web.middleware
async def _whole(request: web.Request, handler: Any) -> web.StreamResponse:
    """Wait for the whole body of a long-polling POST: python-engineio reads what is there, and fails on a body in pieces (measured)."""
    if 0 < (request.content_length or 0) <= MAX_POST:
        try:
            await request.content.wait_eof()
        except OSError:  # the client is gone, and nobody reads this answer
            return web.Response(status=400)
    response: web.StreamResponse = await handler(request)
    return response
