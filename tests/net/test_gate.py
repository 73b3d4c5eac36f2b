"""Who may come near a server: who knows the token, and pages of the right origin. The token is shown nowhere."""

import asyncio
import logging
from typing import Any

import aiohttp
import pytest
import socketio
from yarl import URL

from realtime_lab.errors import ConnectTimeout, InvalidSetting
from realtime_lab.net.client import Client
from realtime_lab.net.gate import Address, address, shown
from realtime_lab.net.server import Server
from tests.net.harness import CHAT, FAST, TRANSPORTS, Stack, stack, until
from tests.net.javascript import javascript, needs_node

TOKEN = "s3cret/+ ?&é"
HANDSHAKE = {"EIO": "4", "transport": "polling"}


@pytest.mark.parametrize("transports", [*TRANSPORTS, ("polling", "websocket")])
async def test_a_client_that_is_given_the_whole_address_comes_in(transports: tuple[str, ...]) -> None:
    async with stack(token=TOKEN) as it:
        client = await it.connected(transports=transports)
        await it.works(client)


@needs_node
@pytest.mark.parametrize("transports", ["polling,websocket", "websocket"])
async def test_so_does_the_official_client(transports: str) -> None:
    async with stack(token=TOKEN) as it, javascript(it, transports) as js:
        js.do("emit", **{"from": 0, "to": 5})
        await until(lambda: it.at_server == list(range(5)))


@pytest.mark.parametrize("query", ["", "token=", "token=wrong", f"tokens={TOKEN}"])
@pytest.mark.parametrize("way", ["polling", "websocket"])
async def test_nobody_else_does_and_the_answer_says_what_to_do(way: str, query: str) -> None:
    async with stack(token=TOKEN) as it, aiohttp.ClientSession() as http:
        url = URL(f"http://127.0.0.1:{it.server.port}/socket.io/?EIO=4&transport={way}&{query}")
        if way == "polling":
            async with http.get(url) as answer:
                assert answer.status == 403
                assert "whole address" in await answer.text()
        else:
            with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                await http.ws_connect(url)
        stranger = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        with pytest.raises(socketio.exceptions.ConnectionError):
            await stranger.connect(f"http://127.0.0.1:{it.server.port}?{query}", transports=[way])
        await stranger.disconnect()
        assert it.server.sids == ()


HUB = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "hub.example"}


async def answered(it: Stack, origin: str, more: dict[str, str], transport: str = "polling") -> int:
    """What a page of this origin is told."""
    headers = {**({"Origin": origin.format(port=it.server.port)} if origin else {}), **more}
    url = URL(f"http://127.0.0.1:{it.server.port}/socket.io/", encoded=True).with_query(
        {**HANDSHAKE, "transport": transport, "token": TOKEN}
    )
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": 22 * "A" + "=="}
    async with (
        aiohttp.ClientSession() as http,
        http.get(url, headers={**headers, **(upgrade if transport == "websocket" else {})}) as answer,
    ):
        if transport == "polling":
            assert answer.headers.get("Access-Control-Allow-Origin") == (headers.get("Origin") if answer.status == 200 else None)
        return answer.status


@pytest.mark.parametrize(
    ("origin", "more", "status"),
    [
        ("", {}, 200),
        ("http://127.0.0.1:{port}", {}, 200),
        ("http://localhost:8000", {"Host": "localhost:8000"}, 200),
        ("http://[::1]:8000", {"Host": "[::1]:8000"}, 200),
        ("https://localhost", {"X-Forwarded-Proto": "https,http", "X-Forwarded-Host": "localhost"}, 200),
        ("https://chat.example", {}, 200),
        ("https://chat.example", {"Host": "chat.example"}, 200),
        ("http://127.0.0.1:1", {}, 400),
        ("http://localhost:{port}", {}, 400),
        ("https://evil.example", {}, 400),
        ("https://chat.example.evil.example", {}, 400),
        ("null", {}, 400),
    ],
)
async def test_a_page_may_connect_from_our_own_origin_and_from_those_that_are_named(origin: str, more: dict[str, str], status: int) -> None:
    async with stack(origins=["https://chat.example"]) as it:
        assert await answered(it, origin, more) == status


@pytest.mark.parametrize("transport", ["polling", "websocket"])
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "[::1"]
)
async def test_a_name_that_somebody_lets_lead_here_is_not_our_own(host: str, transport: str) -> None:
    """DNS rebinding: to its browser, the page is of the server's own origin."""
    async with stack() as it:
        name = host.format(port=it.server.port)
        for more in ({"Host": name}, {"Host": name, "X-Forwarded-Host": "localhost"}, {"X-Forwarded-Host": name}):
            assert await answered(it, f"http://{name}", more, transport) == 400
        assert await answered(it, f"http://127.0.0.1:{it.server.port}", {}, transport) == (101 if transport == "websocket" else 200)


@pytest.mark.parametrize("options", [{"token": TOKEN}, {"host": "0.0.0.0"}])
@pytest.mark.parametrize(
    ("origin", "more", "status"),
    [
        ("https://hub.example", HUB, 200),
        ("https://hub.example", {"Host": "hub.example", "X-Forwarded-Proto": "https,http"}, 200),
        ("http://hub.example", {"Host": "hub.example"}, 200),
        ("https://hub.example", {"Host": "hub.example"}, 400),
        ("https://evil.example", HUB, 400),
    ],
)
async def test_where_a_token_keeps_strangers_out_or_others_reach_it_a_server_has_the_name_that_it_is_called_by(
    origin: str, more: dict[str, str], status: int, options: dict[str, Any]
) -> None:
    async with stack(**options) as it:
        assert await answered(it, origin, more) == status


@pytest.mark.parametrize(
    "options", [{"token": ""}, {"token": 7}, {"origins": "https://a.example"}, {"origins": ["*"]}, {"origins": ["https://a.example/path"]}]
)
def test_bad_settings_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting, match=r"token|origin"):
        Server(**options)


async def test_the_token_is_in_no_error_no_log_no_record_and_no_repr(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with stack(token="s3cret-s3cret") as it:
        for transports in TRANSPORTS:
            await it.works(await it.connected(transports=transports))
        urls = it.server.url, it.link.url
        it.link.refuse()
        late = Client(it.link.url, **FAST)
        with pytest.raises(ConnectTimeout) as error:
            await late.connect(timeout=0.1)
        await late.close()
    assert all(url.endswith("/?token=s3cret-s3cret") for url in urls)
    assert [record for record in caplog.records if "connection to http" in record.getMessage()]
    shown_somewhere = [repr(urls), f"{urls!r}", str(error.value), caplog.text, *map(str, it.journal.events), *map(repr, it.journal.events)]
    assert not [text for text in shown_somewhere if "s3cret" in text]
    assert [text for text in (repr(urls), str(error.value), caplog.text) if "token=..." in text]


def test_what_is_shown_of_an_address() -> None:
    assert shown("GET http://a/?x=1&token=abc&y=2 and 'http://b/?token=d'") == "GET http://a/?x=1&token=...&y=2 and 'http://b/?token=...'"
    assert f"{Address('http://a/?token=abc')}" == "http://a/?token=abc"
    assert shown(CHAT) == CHAT


async def test_nor_is_it_where_nobody_answers() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # and keep the writer: newer Pythons close the connection of one that nobody has

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with silent:
        port = silent.sockets[0].getsockname()[1]
        client = Client(Address(f"http://127.0.0.1:{port}?token=secret"), **{**FAST, "connect_timeout": 0.2})
        with pytest.raises(ConnectTimeout, match="no answer from") as caught:
            await client.connect(timeout=0.6)
        await client.close()
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("host", "url"), [("127.0.0.1", "http://127.0.0.1:80"), ("::1", "http://[::1]:80")])
def test_an_address_is_one_also_with_ipv6(host: str, url: str) -> None:
    assert address(host, 80, None) == url
    assert address(host, 80, "secret") == f"{url}/?token=secret"
