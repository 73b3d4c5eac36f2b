"""Plain python-socketio, as its documentation has it, for the anchors: on aiohttp, the fastest of its servers, and WebSocket only."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import socketio
from aiohttp import web

from benchmarks.processes import free_port


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Any, str]]:
    """A server, and its address."""
    sio = socketio.AsyncServer(async_mode="aiohttp", transports=["websocket"])
    sio.attach(app := web.Application())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield sio, f"http://127.0.0.1:{port}"
    finally:
        await sio.shutdown()
        await runner.cleanup()


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    """A client."""
    client = socketio.AsyncClient()
    await client.connect(url, transports=["websocket"])
    try:
        yield client
    finally:
        await client.disconnect()
