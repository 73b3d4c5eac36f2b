"""Where a server listens: an aiohttp application on one port, and the ways to end it, from the polite to the brutal."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Collection
from functools import partial
from typing import Any

from aiohttp import web

from realtime_lab.errors import InvalidSetting, PortInUse
from realtime_lab.net.gate import Gate
from realtime_lab.net.logger import LOG
from realtime_lab.net.sockets import listening, reset, unsent

MAX_POST = 1_000_000
"""Bytes of one long-polling POST at most; python-engineio's own default."""

POST_LIMIT = 30.0
"""Seconds that one POST may take, from its head to its answer; an `authenticate` and a `rooms` may take ten of them."""

SILENCE_LIMIT = 75.0
"""Seconds that a connection may wait for the head of a request, its first or a later one. Before the first it needs aiohttp 3.14.4."""


def heartbeat(**seconds: int) -> dict[str, int]:
    """Engine.IO's settings of this name, checked. Raises InvalidSetting."""
    for name, value in seconds.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InvalidSetting(f"{name}={value!r}: give whole seconds, 1 or more.")
    return seconds


def check_port(port: int) -> int:
    """The port, or InvalidSetting."""
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port < 65536:
        raise InvalidSetting(f"port={port!r}: give a number from 0 to 65535; 0 takes a free one.")
    return port


async def end(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks until all of them have ended.

    Once is not enough: python-engineio's writer takes it for the end of its connection, and then waits ten seconds for a goodbye.
    """
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=0.1)
    await asyncio.gather(*tasks, return_exceptions=True)  # their errors have been seen


class Host:
    """Serves what is added to it. `tasks` are ended with it.

    What comes before each handler is no middleware of the application: aiohttp keeps the last 1,024 applications of a process that have
    some, with everything that they refer to, also when they are long over (measured).
    """

    def __init__(self, gate: Gate) -> None:
        self.tasks: set[asyncio.Task[Any]] = set()
        self._before: list[Any] = [gate.check, self._remembered, _uncompressed, _in_time, _whole]
        app = web.Application()
        self._routes = app.router
        limits: dict[str, Any] = {"read_bufsize": MAX_POST, "auto_decompress": False, "keepalive_timeout": SILENCE_LIMIT}
        options: dict[str, Any] = {"access_log": None, "logger": LOG, "shutdown_timeout": 0.1, **limits}
        self._runner = web.AppRunner(app, handle_signals=False, **options)
        self._server: asyncio.Server | None = None

    @property
    def router(self) -> "Host":
        """What python-engineio adds its handlers to, as it would to the router of an application."""
        return self

    def add_get(self, path: str, handler: Any) -> None:
        """Serve GET at this path."""
        self.add_route("GET", path, handler)

    def add_post(self, path: str, handler: Any) -> None:
        """Serve POST at this path."""
        self.add_route("POST", path, handler)

    def add_route(self, method: str, path: str, handler: Any) -> None:
        """Serve this method at this path."""
        for before in reversed(self._before):
            handler = partial(before, handler=handler)
        self._routes.add_route(method, path, handler)

    async def start(self, host: str, port: int, kept: socket.socket | None = None) -> int:
        """Listen, on the port that `abort` kept if there is one; returns the port. Raises PortInUse."""
        self.add_route("*", "/{nothing:.*}", _not_found)  # who comes without the token is told what is missing, wherever that is
        await self._runner.setup()
        where: dict[str, Any] = {"host": host, "port": port} if kept is None else {"sock": kept}
        try:
            self._server = await listening(self._accepted, **where)
        except OSError as error:
            await self._runner.cleanup()
            raise PortInUse(f"cannot listen on {host}:{port} ({error.strerror}). Choose another port, or port=0 for a free one.") from None
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening, end every connection, free the port, end every task."""
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()
        await end(set(self.tasks))

    def abort(self) -> socket.socket | None:
        """Reset every connection (RST) and stop listening, now. `stop` frees the rest. The result keeps the port, for `start`."""
        sockets = self._server.sockets if self._server is not None else ()
        address = (sockets[0].family, sockets[0].getsockname()) if len(sockets) == 1 else None
        if self._server is not None:
            self._server.close()
        for transport in self._transports:
            reset(transport)
        return _kept(*address) if address is not None else None

    async def sent(self) -> None:
        """Wait until everything that was written is with the other side's system."""
        while any(unsent(transport) for transport in self._transports):  # noqa: ASYNC110  # the system says it only when asked
            await asyncio.sleep(0.001)

    def start_task(self, target: Any, *arguments: Any, **options: Any) -> asyncio.Task[Any]:
        """As python-engineio's, but `stop` can end it: heartbeats sleep on for a whole ping_interval after their connection has ended."""
        task: asyncio.Task[Any] = asyncio.ensure_future(target(*arguments, **options))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def _accepted(self) -> asyncio.BaseProtocol:
        """What asyncio asks for one turn after it accepted a socket. (See Link: an error here closes the socket at once.)"""
        if self._server is None or not self._server.is_serving() or self._runner.server is None:
            raise ConnectionAbortedError("the server was stopped")
        return self._runner.server()

    @property
    def _transports(self) -> list[asyncio.Transport]:
        connections = self._runner.server.connections if self._runner.server is not None else []
        return [transport for each in connections if isinstance(transport := each.transport, asyncio.Transport)]

    async def _remembered(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """A long poll waits on after its client has gone; `stop` ends it too."""
        response: web.StreamResponse = await self.start_task(handler, request)
        return response


def _kept(family: int, address: Any) -> socket.socket | None:
    """A socket that nobody can connect to, because it does not listen; but the system gives its port to nobody else.

    (Measured: among a thousand crashes, one port had gone to the link of another lab before the server was back.)
    """
    sock = socket.socket(family, socket.SOCK_STREAM)
    with contextlib.suppress(OSError):
        if sys.platform != "win32":  # there it would mean that others may listen here too
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.setblocking(False)
        return sock
    sock.close()
    return None


async def _not_found(request: web.Request) -> web.StreamResponse:
    raise web.HTTPNotFound


async def _uncompressed(request: web.Request, handler: Any) -> web.StreamResponse:
    """Leave WebSocket compression off, so that frames can be read on their way (and no context takeover costs memory per client)."""
    if "Sec-WebSocket-Extensions" in request.headers:
        headers = request.headers.copy()
        headers.popall("Sec-WebSocket-Extensions")
        request = request.clone(headers=headers)
    response: web.StreamResponse = await handler(request)
    return response


async def _whole(request: web.Request, handler: Any) -> web.StreamResponse:
    """Wait for the whole body of a long-polling POST: python-engineio reads what is there, and fails on a body in pieces (measured).

    No Socket.IO client compresses one. What is refused here is not unpacked either (`auto_decompress`): aiohttp reads on behind its answer,
    and 900 kB that become 900 MB held up everybody for two seconds (measured).
    """
    if "Content-Encoding" in request.headers:
        return web.Response(status=415, text="A body in a Content-Encoding is not read here.\n")
    if request.body_exists and request.content_length is None:  # python-engineio would say OK, and read nothing (measured)
        return web.Response(status=411, text="Say the length of the body (Content-Length).\n")
    if request.method == "POST" and 0 < (request.content_length or 0) <= MAX_POST:
        try:
            await request.content.wait_eof()
        except OSError:  # the client is gone, and nobody reads this answer
            return web.Response(status=400)
    response: web.StreamResponse = await handler(request)
    return response


async def _in_time(request: web.Request, handler: Any) -> web.StreamResponse:
    """A POST's body may never come, and python-engineio answers one that breaks its rules when the goodbye was fetched (both measured)."""
    limit = asyncio.timeout(POST_LIMIT if request.method == "POST" else None)
    try:
        async with limit:
            response: web.StreamResponse = await handler(request)
            return response
    except TimeoutError:
        if not limit.expired():
            raise
        return web.Response(status=400)
