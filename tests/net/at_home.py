"""Two applications as people have them, Starlette under uvicorn and aiohttp, with a Server attached, and the story that both must tell.

Also a program, for a process in which Jupyter cannot be imported: `at_home.py KIND FOLDER TRANSPORTS [CERTIFICATE KEY]`.
"""

import asyncio
import math
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import socketio
import uvicorn
from aiohttp import web
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import realtime_lab.net
from realtime_lab.errors import ConnectionRejected, ConnectTimeout, Rejected
from realtime_lab.net.client import Client
from realtime_lab.net.event_log import EventLog
from realtime_lab.net.link import Link
from realtime_lab.net.server import Server
from tests.net.harness import FAST, until

NEWS = "news"
USERS = {"secret of ann": "ann", "secret of bob": "bob"}


@dataclass(frozen=True)
class Certificate:
    """Of 127.0.0.1, signed by itself."""

    file: str
    key: str


@asynccontextmanager
async def starlette(sio: socketio.AsyncServer, server: Server, certificate: Certificate | None) -> AsyncIterator[int]:
    """Serves; gives the port."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with server:
            yield

    async def publish(request: Request) -> JSONResponse:
        return JSONResponse({"offset": await server.publish(NEWS, await request.json())})

    app = socketio.ASGIApp(sio, other_asgi_app=Starlette(routes=[Route("/news", publish, methods=["POST"])], lifespan=lifespan))
    tls: dict[str, Any] = {"ssl_certfile": certificate.file, "ssl_keyfile": certificate.key} if certificate else {}
    config = uvicorn.Config(app, host="127.0.0.1", port=0, lifespan="on", ws="wsproto", log_config=None, timeout_graceful_shutdown=0, **tls)
    host = uvicorn.Server(config)
    serving = asyncio.create_task(host.serve())
    await until(lambda: host.started or serving.done())
    try:
        yield host.servers[0].sockets[0].getsockname()[1]
    finally:
        host.should_exit = True
        await serving


@asynccontextmanager
async def on_aiohttp(sio: socketio.AsyncServer, server: Server, certificate: Certificate | None) -> AsyncIterator[int]:
    """Serves; gives the port."""

    async def lifespan(app: web.Application) -> AsyncIterator[None]:
        async with server:
            yield

    async def publish(request: web.Request) -> web.Response:
        return web.json_response({"offset": await server.publish(NEWS, await request.json())})

    app = web.Application()
    app.router.add_post("/news", publish)
    app.cleanup_ctx.append(lifespan)
    sio.attach(app)
    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate.file, certificate.key)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


MODES: dict[Any, str] = {starlette: "asgi", on_aiohttp: "aiohttp"}


class Home:
    """An application with a Server attached, served through a link. The application's own namespace is "/admin"."""

    def __init__(self, kind: Any, folder: Path) -> None:
        self.sio = socketio.AsyncServer(async_mode=MODES[kind])
        self.server = Server.attach(self.sio, log=EventLog(folder / "log.db"), dedupe=True, authenticate=self._authenticate)
        self.sio.on("ping", lambda sid, data: f"pong {data}", namespace="/admin")
        self.link: Link
        self.url = ""
        """Past the link."""
        self.presence: list[Any] = []
        self.applied: list[Any] = []
        self.answered: list[int] = []
        self.server.on("connect")(lambda sid: self.presence.append(("came", self.server.identity(sid))))
        self.server.on("disconnect")(lambda sid, why: self.presence.append("left"))
        self.server.on("order")(self._order)

    def _authenticate(self, auth: Any) -> str:
        if auth["token"] not in USERS:
            raise Rejected("who are you?")
        return USERS[auth["token"]]

    async def _order(self, sid: str, number: int, tx: Any) -> int:
        await tx.execute("CREATE TABLE IF NOT EXISTS orders (number INTEGER)")
        await tx.execute("INSERT INTO orders VALUES (?)", (number,))
        self.applied.append(number)
        if number == 3 and self.applied.count(3) == 1:
            self.link.cut()  # it will be committed, and nobody will hear of that
        return await tx.append(NEWS, f"order {number}")

    def client(self, user: str, **options: Any) -> Client:
        """One of ours, through the link."""
        link = self.link.url if self.url.startswith("http:") else self.link.url.replace("http:", "https:")
        return Client(link, auth={"token": f"secret of {user}"}, **{**FAST, **options})

    async def publish(self, data: Any) -> int:
        """By the application's own HTTP route."""
        async with aiohttp.ClientSession() as http, http.post(f"{self.url}/news", json=data) as answer:
            assert answer.status == 200
            offset: int = (await answer.json())["offset"]
            return offset

    async def orders(self) -> list[Any]:
        """What is in the database."""
        rows = await self.server._log.transact(lambda tx: tx.execute("SELECT number FROM orders ORDER BY rowid"))
        return [number for (number,) in rows]


@asynccontextmanager
async def home(kind: Any, folder: Path, certificate: Certificate | None = None) -> AsyncIterator[Home]:
    """It is served, and its link is open."""
    it = Home(kind, folder)
    serving: AbstractAsyncContextManager[int] = kind(it.sio, it.server, certificate)
    async with serving as port:
        it.url = f"{'https' if certificate else 'http'}://127.0.0.1:{port}"
        it.link = Link("127.0.0.1", port)
        await it.link.start()
        try:
            yield it
        finally:
            await it.link.stop()
            await it.sio.shutdown()


@asynccontextmanager
async def admin(it: Home) -> AsyncIterator[socketio.AsyncClient]:
    """A plain python-socketio client in the application's own namespace, past the link."""
    peer = socketio.AsyncClient(reconnection=False, handle_sigint=False)
    await peer.connect(it.url, namespaces=["/admin"], transports=["websocket"])
    try:
        yield peer
    finally:
        await peer.shutdown()


def our_tasks() -> list[asyncio.Task[Any]]:
    """The tasks that run the library's own code."""
    folder = str(Path(realtime_lab.net.__file__).parent)
    codes = {task: getattr(task.get_coro(), "cr_code", None) for task in asyncio.all_tasks()}
    return [task for task, code in codes.items() if code is not None and code.co_filename.startswith(folder)]


async def story(kind: Any, folder: Path, transports: tuple[str, ...], certificate: Certificate | None = None) -> None:
    """Orders go up once, news come down once, in order, over a cut; the application's own things work beside that, and after the end."""
    async with home(kind, folder, certificate) as it, admin(it) as peer:
        options: dict[str, Any] = {"retries": math.inf, "ack_timeout": 5.0, "retry_delay": 0.01, "replay": True, "transports": transports}
        ann = it.client("ann", store=folder / "ann.db", **options)
        got: list[Any] = []
        ann.on(NEWS)(got.append)
        await ann.connect()
        assert it.server.identity(ann.sid) == "ann"
        assert await it.publish("one") == 1
        assert (await ann.emit("order", 2)).result == 2
        await until(lambda: got == ["one", "order 2"])

        lost = ann.emit("order", 3)
        await until(lambda: not ann.connected)
        assert [await it.publish("four"), await it.publish("five")] == [4, 5]
        after = ann.emit("order", 6)
        assert await peer.call("ping", 1, namespace="/admin", timeout=5) == "pong 1"
        it.link.restore()
        assert [(await each).outcome for each in (lost, after)] == ["acked", "acked"]
        await until(lambda: len(got) == 6)
        assert got == ["one", "order 2", "order 3", "four", "five", "order 6"]
        assert await it.orders() == it.applied == [2, 3, 6]

        with_wrong_token = it.client("eve", transports=transports)
        try:
            await with_wrong_token.connect()
        except ConnectionRejected as error:
            assert "who are you?" in str(error)
        else:
            raise AssertionError("eve was let in")
        assert [each for each in it.presence if each != "left"] == [("came", "ann")] * 2
        await ann.close()
        await it.server.close()
        await it.server.close()
        assert our_tasks() == []
        assert await peer.call("ping", 2, namespace="/admin", timeout=5) == "pong 2"
        late = it.client("bob")
        try:
            await late.connect(timeout=0.2)
        except ConnectTimeout as error:
            assert "not open" in str(error)
        else:
            raise AssertionError("bob was let in by a server that is closed")


if __name__ == "__main__":
    kinds = {"starlette": starlette, "aiohttp": on_aiohttp}
    certificate = Certificate(*sys.argv[4:]) if sys.argv[4:] else None
    asyncio.run(story(kinds[sys.argv[1]], Path(sys.argv[2]), tuple(sys.argv[3].split(",")), certificate))
    print("told")
