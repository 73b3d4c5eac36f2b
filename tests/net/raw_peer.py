"""A peer that says whatever it is told to, packet by packet: no client library is between it and the server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from realtime_lab.net.server import Server
from tests.net.harness import until


class RawPeer:
    """Over a WebSocket. `heard` has the texts that came, and `answers` what was said to each acknowledgement id."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.heard: list[str] = []
        self.answers: dict[int, list[Any]] = {}

    async def say(self, *messages: str | bytes) -> None:
        """Engine.IO messages. What the other side does not take any more is not an error here."""
        for message in messages:
            try:
                await (self.socket.send_bytes if isinstance(message, bytes) else self.socket.send_str)(message)
            except ConnectionError:
                return

    async def listen(self) -> None:
        """Until the other side ends it."""
        async for message in self.socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self._take(message.data)

    async def accepted(self) -> bool:
        """Wait for the answer to CONNECT."""
        await until(lambda: any(text[:2] in ("40", "44") for text in self.heard))
        return not any(text.startswith("44") for text in self.heard)

    def _take(self, text: str) -> None:
        self.heard.append(text)
        if text == "2":
            task = asyncio.ensure_future(self.say("3"))
            task.add_done_callback(lambda task: task.exception())
        if text[:2] in ("43", "46"):
            body = text[2:].partition("-")[2] if text[1] == "6" else text[2:]
            number, bracket, rest = body.partition("[")
            self.answers.setdefault(int(number), []).append(json.loads(bracket + rest)[0])


@asynccontextmanager
async def raw_peer(server: Server, opening: str | None = "40") -> AsyncIterator[RawPeer]:
    """Connected to a server of ours; `opening` is the first thing that it says."""
    address, _, query = server.url.partition("/?")
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{address}/socket.io/?EIO=4&transport=websocket&{query}") as socket:
        peer = RawPeer(socket)
        listening = asyncio.ensure_future(peer.listen())
        try:
            if opening is not None:
                await peer.say(opening)
            yield peer
        finally:
            await socket.close()
            await listening
