"""A real server, a real link and a real client, with one journal, for the tests of this folder."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from realtime_lab.history.journal import Event, Journal
from realtime_lab.net.client import Client
from realtime_lab.net.event_log import EventLog
from realtime_lab.net.link import Link
from realtime_lab.net.server import Server

CHAT = "chat message"
FAST = {"reconnection_delay": 0.01, "reconnection_delay_max": 0.05, "connect_timeout": 2.0}
RETRIES: dict[str, Any] = {"retries": math.inf, "ack_timeout": 1.0, "retry_delay": 0.01}
REPLAY: dict[str, Any] = {}
"""More options for every client with replay: see `both_ways` in conftest.py."""
TRANSPORTS = [("websocket",), ("polling",)]


async def until(condition: Callable[[], object], timeout: float = 20.0) -> None:
    """Return as soon as the condition holds; fail when it does not hold in time."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout} s in vain for {condition}"
        await asyncio.sleep(0.002)


async def rounds(count: int) -> None:
    """Let the loop turn, so that what is already decided can happen."""
    for _ in range(count):
        await asyncio.sleep(0)


class Stack:
    """alice -> her link -> the server."""

    def __init__(self, **server_options: Any) -> None:
        self.journal = Journal(time.monotonic)
        self.server = Server(observer=partial(self.journal.record, "server"), **server_options)
        self.at_server: list[Any] = []
        self.at_client: list[Any] = []
        self.clients: list[Client] = []
        self.link: Link

        @self.server.on(CHAT)
        def keep(sid: str, data: Any = None) -> None:
            self.at_server.append(data)

    def client(self, **options: Any) -> Client:
        """A client that goes through the link; what it is given is in `at_client`."""
        options = {**(REPLAY if options.get("replay") else {}), **options}
        client = Client(self.link.url, observer=partial(self.journal.record, "alice"), **{**FAST, **options})
        client.on(CHAT)(self.at_client.append)
        self.clients.append(client)
        return client

    async def connected(self, **options: Any) -> Client:
        """As `client`, connected."""
        client = self.client(**options)
        await client.connect()
        await until(lambda: client.sid in self.server.sids)
        return client

    def of(self, kind: str, node: str = "", **fields: Any) -> list[Event]:
        """The journal's events of a kind (and a node, and with these fields)."""
        wanted = {"kind": kind, **({"node": node} if node else {}), **fields}
        return [event for event in self.journal if all(getattr(event, name) == value for name, value in wanted.items())]

    def chats(self, kind: str, direction: str) -> list[str]:
        """The payloads of the chat messages that the link reported as "wire", "held" or "dropped"."""
        return [event.text for event in self.of(kind, direction=direction, event=CHAT)]

    async def works(self, client: Client) -> None:
        """A message crosses in each direction."""
        await until(lambda: client.connected and client.sid in self.server.sids)
        mark = f"works {len(self.journal)}"
        client.emit(CHAT, mark)
        await self.server.emit(CHAT, mark)
        await until(lambda: mark in self.at_server and mark in self.at_client)


@asynccontextmanager
async def stack(**server_options: Any) -> AsyncIterator[Stack]:
    """A started server and link; everything is closed at the end."""
    it = Stack(**server_options)
    async with it.server:
        it.link = Link(
            "127.0.0.1", it.server.port, token=server_options.get("token"), name="alice", observer=partial(it.journal.record, "alice")
        )
        await it.link.start()
        try:
            yield it
        finally:
            for client in it.clients:
                await client.close()
            await it.link.stop()


@asynccontextmanager
async def deduping(folder: Path, *, group: int = 500, **server_options: Any) -> AsyncIterator[Stack]:
    """As `stack`, with a server that applies once."""
    async with stack(log=EventLog(folder / "log.db", synchronous="OFF", group=group), dedupe=True, **server_options) as it:
        yield it


async def offline(it: Stack, client: Client) -> None:
    """Cut, and wait until the client knows."""
    it.link.cut()
    await until(lambda: not client.connected)
