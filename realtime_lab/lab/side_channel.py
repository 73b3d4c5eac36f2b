"""Where a lab's tabs come from, and how they and the lab talk: a way of its own, that no link breaks.

A tab that is cut off can still be refreshed, and what its application saw is still told. The token is a part of the path here, so that
the files which a page asks for by themselves have it too.

    GET  /TOKEN/carol/           the page, and its files below
    GET  /TOKEN/carol/commands   what the lab tells the page (text/event-stream)
    POST /TOKEN/carol/report     what the page tells the lab; answered when it is written down
"""

import asyncio
import contextlib
import hmac
import json
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from aiohttp import web

from realtime_lab.errors import InvalidSetting, PageFailed
from realtime_lab.lab.tab_client import Life, TabClient
from realtime_lab.net.gate import Gate
from realtime_lab.net.hosting import Host
from realtime_lab.net.reporting import report as failed

FILES = {
    "": ("index.html", "text/html"),
    "page.css": ("page.css", "text/css"),
    "page.mjs": ("page.mjs", "text/javascript"),
    "life.mjs": ("life.mjs", "text/javascript"),
    "tab.mjs": ("tab.mjs", "text/javascript"),
    "socket.io.esm.min.mjs": ("socket.io.esm.min.mjs", "text/javascript"),
}
PAGE = files("realtime_lab.lab") / "page"
"""The folder of these files."""
HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}

Asked = Callable[[Mapping[str, Any]], None]


class SideChannel:
    """Serves the pages of a lab's tabs. To be used on the lab's loop."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._tabs: dict[str, tuple[TabClient, Asked]] = {}
        self._host = Host(Gate(None, ()))
        self._host.add_get("/{token}/{name}/commands", self._commands)
        self._host.add_post("/{token}/{name}/report", self._report)
        self._host.add_get("/{token}/{name}/{file:.*}", self._file)
        self.port = 0

    async def start(self) -> None:
        """Listen on a free port of 127.0.0.1."""
        self.port = await self._host.start("127.0.0.1", 0)

    async def stop(self) -> None:
        """End every page, and free the port."""
        await self._host.stop()

    @property
    def origin(self) -> str:
        """That of the pages."""
        return f"http://127.0.0.1:{self.port}"

    def path(self, name: str) -> str:
        """Of a tab's page."""
        return f"/{self._token}/{quote(name, safe='')}/"

    def add(self, client: TabClient, asked: Asked) -> None:
        """A tab. `asked` is called with what its page asks of the lab, for example {"ask": "offline"}."""
        self._tabs[client.name] = client, asked

    def _tab(self, request: web.Request) -> tuple[TabClient, Asked]:
        known = self._tabs.get(request.match_info["name"])
        if known is None or not hmac.compare_digest(request.match_info["token"].encode(), self._token.encode()):
            raise web.HTTPForbidden(text="There is no such tab, or this is not its whole address.\n")
        return known

    async def _file(self, request: web.Request) -> web.Response:
        self._tab(request)
        if request.match_info["file"] not in FILES:
            raise web.HTTPNotFound(text="There is no such file.\n")
        name, kind = FILES[request.match_info["file"]]
        return web.Response(body=(PAGE / name).read_bytes(), content_type=kind, charset="utf-8", headers=HEADERS)

    async def _commands(self, request: web.Request) -> web.StreamResponse:
        client, _ = self._tab(request)
        stream = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        await stream.prepare(request)
        life = client.begin(request.query.get("life", ""))
        try:
            while (command := await self._next(request, life)) is not None:
                await stream.write(f"data: {json.dumps(command)}\n\n".encode())
        except ConnectionError:
            pass  # the page is gone, which is all that this would say
        finally:
            client.end(life)
        return stream

    async def _next(self, request: web.Request, life: Life) -> dict[str, Any] | None:
        """The next command, or None when the page has gone."""
        while request.transport is not None and not request.transport.is_closing():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    return await life.commands.get()
        return None

    async def _report(self, request: web.Request) -> web.Response:
        client, asked = self._tab(request)
        life = client.life
        if life is None or request.query.get("life") != life.name:
            return web.Response(status=409, text="This page is not the latest one of its tab.\n")
        try:
            report = json.loads(await request.read())
            if not isinstance(report, dict):
                raise InvalidSetting("a report is a JSON object.")
            if report.get("gone") is True:
                client.end(life)
            elif isinstance(report.get("did"), int):
                client.obeyed(report["did"])
            elif "failed" in report:
                failed(f"{client.name}'s page has failed", PageFailed(str(report["failed"])[:500]))
            elif "ask" in report:
                asked(report)
            else:
                client.told(life, report)
        except (InvalidSetting, ValueError) as error:
            failed(f"{client.name}'s page made no sense", error)
            return web.Response(status=400, text=f"{error}\n")
        return web.Response(status=204)
