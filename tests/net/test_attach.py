"""A Server on an application's own python-socketio server: the same guarantees, under ASGI and aiohttp, over TLS, and without Jupyter."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import socketio
from aiohttp import web
from socketio.packet import Packet

from realtime_lab.errors import AlreadyClosed, ConnectTimeout, InvalidSetting, UnknownFault
from realtime_lab.net.client import Client
from realtime_lab.net.event_log import EventLog
from realtime_lab.net.packets import StrictPacket
from realtime_lab.net.server import Server
from tests.examples import every_fourth
from tests.net.at_home import Certificate, home, on_aiohttp, our_tasks, starlette, story
from tests.net.harness import FAST, until
from tests.test_project import WITHOUT_JUPYTER

ROOT = Path(__file__).resolve().parent.parent.parent
KINDS = [starlette, on_aiohttp]
OPENSSL = shutil.which("openssl")
SETTINGS = """
[req]
prompt = no
distinguished_name = name
x509_extensions = more
[name]
CN = 127.0.0.1
[more]
subjectAltName = IP:127.0.0.1
"""

needs_openssl = pytest.mark.skipif(not OPENSSL and not os.environ.get("CI"), reason="needs openssl (in CI it must run)")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("transports", [("websocket",), ("polling",), ("polling", "websocket")], ids=",".join)
async def test_it_keeps_its_promises_in_an_application(tmp_path: Path, kind: Any, transports: tuple[str, ...]) -> None:
    await story(kind, tmp_path, transports)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder = tmp_path_factory.mktemp("tls")
    made = Certificate(str(folder / "certificate.pem"), str(folder / "key.pem"))
    (folder / "settings").write_text(SETTINGS)
    assert OPENSSL, "openssl is not installed, and in CI this test must run"
    command = [OPENSSL, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-config", str(folder / "settings")]
    subprocess.run([*command, "-out", made.file, "-keyout", made.key], check=True, capture_output=True)
    return made


@needs_openssl
@pytest.mark.parametrize(("kind", "transports"), every_fourth([("starlette", "websocket"), ("aiohttp", "polling,websocket")], several=True))
def test_it_does_so_over_tls_and_without_jupyter(tmp_path: Path, certificate: Certificate, kind: str, transports: str) -> None:
    program = f"{WITHOUT_JUPYTER}\nimport runpy; runpy.run_module('tests.net.at_home', run_name='__main__')"
    arguments = [kind, str(tmp_path), transports, certificate.file, certificate.key]
    trusting = {**os.environ, "SSL_CERT_FILE": certificate.file}
    done = subprocess.run([sys.executable, "-c", program, *arguments], cwd=ROOT, env=trusting, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "told\n"), done.stderr


@needs_openssl
async def test_a_certificate_that_nobody_has_vouched_for_is_refused(tmp_path: Path, certificate: Certificate) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # the server's side complains about the handshake
    async with home(on_aiohttp, tmp_path, certificate) as it:
        with pytest.raises(ConnectTimeout, match="cannot connect to https:"):
            await it.client("ann").connect(timeout=0.3)
        assert it.presence == []


@contextlib.asynccontextmanager
async def served(sio: socketio.AsyncServer) -> AsyncIterator[str]:
    """The address of an application that does nothing else."""
    app = web.Application()
    sio.attach(app)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
        await sio.shutdown()


async def test_who_connects_before_the_start_is_let_in_after_it(tmp_path: Path) -> None:
    sio = socketio.AsyncServer(async_mode="aiohttp")
    server = Server.attach(sio, log=EventLog(tmp_path / "log.db"))
    asked: list[Any] = []
    async with served(sio) as url:
        client = Client(url, replay=True, auth=lambda: asked.append(None), **FAST)
        await client.start()
        await until(lambda: len(asked) >= 2)
        assert (server.sids, client.state) == ((), "connecting")
        await server.start()
        await until(lambda: client.session is not None)
        assert server.sids == (client.sid,)
        await client.close()
        await server.close()
        assert our_tasks() == []


async def test_close_ends_what_runs_for_those_who_are_still_there_and_answers_nobody(tmp_path: Path) -> None:
    sio = socketio.AsyncServer(async_mode="aiohttp")
    server = Server.attach(sio, log=EventLog(tmp_path / "log.db"))
    left: list[Any] = []
    server.on("disconnect")(lambda sid, why: left.append(why))
    server.on("hello")(lambda sid: "hello")
    peers = [socketio.AsyncClient(reconnection=False, handle_sigint=False) for _ in range(2)]
    heard: list[Any] = []
    async with served(sio) as url:
        await server.start()
        for peer in peers:
            peer.on("plain", heard.append)
            await peer.connect(url, transports=["websocket"])
        assert await peers[0].call("hello", timeout=5) == {"ok": True, "result": "hello"}
        await server.close()
        await until(lambda: len(left) == 2)
        assert (left, server.sids, our_tasks()) == (["the server was closed"] * 2, (), [])
        with pytest.raises(AlreadyClosed):
            await server.publish("plain", 1)
        with pytest.raises(socketio.exceptions.TimeoutError):  # who sent it will try again elsewhere
            await peers[0].call("hello", timeout=0.1)
        await sio.emit("plain", "still the application's own")
        await until(lambda: heard == ["still the application's own"] * 2)
        for peer in peers:
            await peer.shutdown()


def test_a_server_with_handlers_of_its_own_is_refused() -> None:
    for event in ("connect", "disconnect", "*", "chat message"):
        sio = socketio.AsyncServer(async_mode="asgi")
        sio.on(event, lambda *arguments: None)
        with pytest.raises(InvalidSetting, match=f"own handler for {event!r}".replace("*", r"\*") + r".*server\.on"):
            Server.attach(sio)
    sio = socketio.AsyncServer(async_mode="asgi")
    sio.register_namespace(socketio.AsyncNamespace("/"))
    with pytest.raises(InvalidSetting, match=r'own class for the namespace "/".*server\.on'):
        Server.attach(sio)
    with pytest.raises(InvalidSetting, match="own handler for 'connect', 'disconnect', '\\*'"):
        sio = socketio.AsyncServer(async_mode="asgi")
        Server.attach(sio)
        Server.attach(sio)


@pytest.mark.parametrize("what", [None, "http://127.0.0.1", socketio.AsyncServer, socketio.Server(async_mode="threading")])
def test_what_is_no_async_server_is_refused(what: Any) -> None:
    with pytest.raises(InvalidSetting, match=r"give a socketio\.AsyncServer"):
        Server.attach(what)


def test_a_server_that_accepts_before_it_asks_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="always_connect=False"):
        Server.attach(socketio.AsyncServer(async_mode="asgi", always_connect=True))


def test_it_cannot_crash_alone() -> None:
    server = Server.attach(socketio.AsyncServer(async_mode="asgi"))
    for where in ({}, {"at": "before_ack"}):
        with pytest.raises(UnknownFault, match="only the application's process can end it"):
            server.crash(**where)
    assert server.armed == ""


def test_its_packets_are_read_strictly_and_a_codec_that_does_not_is_refused() -> None:
    class Stricter(StrictPacket):
        pass

    class Own(Packet):
        pass

    usual, own = socketio.AsyncServer(async_mode="asgi"), socketio.AsyncServer(async_mode="asgi", serializer=Stricter)
    for sio in (usual, own):
        Server.attach(sio)
    assert (usual.packet_class, own.packet_class) == (StrictPacket, Stricter)
    with pytest.raises(InvalidSetting, match=r"Own: .*lifecycle handlers.*serializer="):
        Server.attach(socketio.AsyncServer(async_mode="asgi", serializer=Own))
