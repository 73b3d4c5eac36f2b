"""What one hostile peer can do to a server, and what it cannot: size, depth, number, names. SECURITY.md names these tests."""

import asyncio
import gzip
import json
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from realtime_lab.errors import NotSerialisable
from realtime_lab.net import hosting
from realtime_lab.net.body import DEPTH
from realtime_lab.net.hosting import MAX_POST
from realtime_lab.net.numbered import ROWS
from realtime_lab.net.packets import MAX_ATTACHED, StrictPacket
from realtime_lab.net.server import Server
from tests.net.harness import CHAT, RETRIES, TRANSPORTS, deduping, stack, until
from tests.net.raw_peer import raw_peer
from tests.net.replaying import log_of, reported

OPENING = '40{"realtime_lab":{"client_id":"h","nack":true,"batch":true}}'
AIOHTTP = tuple(map(int, aiohttp.__version__.split(".")[:3]))


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


def post(server: Server, sid: str, length: int, *more: str) -> bytes:
    """The head of a POST."""
    return "\r\n".join(
        [
            f"POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1",
            f"Host: 127.0.0.1:{server.port}",
            f"Content-Length: {length}",
            *more,
            "\r\n",
        ]
    ).encode()


async def opened(http: aiohttp.ClientSession, server: Server) -> str:
    """The sid of a new Engine.IO session."""
    async with http.get(f"{server.url}/socket.io/?EIO=4&transport=polling") as answer:
        return str(json.loads((await answer.text())[1:])["sid"])


async def in_chunks(body: bytes) -> AsyncIterator[bytes]:
    """A body whose length nobody says before."""
    yield body


async def test_a_server_listens_on_this_machine_only_unless_it_is_told_otherwise() -> None:
    async with stack() as it:
        assert it.server.url.startswith("http://127.0.0.1:")
        host, link = it.server._host, it.link._server
        assert host is not None and host._server is not None and link is not None
        assert {each.getsockname()[0] for each in (*host._server.sockets, *link.sockets)} == {"127.0.0.1"}
    async with stack(host="0.0.0.0") as it:
        assert it.server._host is not None and it.server._host._server is not None
        assert {each.getsockname()[0] for each in it.server._host._server.sockets} == {"0.0.0.0"}


async def test_a_packet_that_is_too_large_ends_its_connection_and_nobody_elses(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it, raw_peer(it.server, OPENING) as peer:
        good = await it.connected(**RETRIES)
        await peer.say(f'421["{CHAT}","{"x" * MAX_POST}"]')
        await until(lambda: it.server.sids == (good.sid,))
        assert peer.socket.closed or await peer.socket.close()
        await it.works(good)


async def test_a_post_that_is_too_large_ends_its_connection_and_nobody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting, "POST_LIMIT", 0.5)
    async with deduping(tmp_path) as it, aiohttp.ClientSession() as http:
        good = await it.connected(**RETRIES, transports=("polling",))
        address = f"{it.server.url}/socket.io/?EIO=4&transport=polling&sid={await opened(http, it.server)}"
        async with http.post(address, data=b"40") as answer:
            assert answer.status == 200
        await until(lambda: len(it.server.sids) == 2)
        for body, status in ((in_chunks(f'420["{CHAT}",1]'.encode()), 411), (f'421["{CHAT}","{"x" * MAX_POST}"]'.encode(), 400)):
            assert len(it.server.sids) == 2
            async with http.post(address, data=body) as answer:
                assert answer.status == status  # without a length nobody reads it, and nobody says that it came
        await until(lambda: it.server.sids == (good.sid,))
        await it.works(good)
        assert len(it.at_server) == 1


@pytest.mark.parametrize("levels", [DEPTH + 1, 400, 900])
async def test_data_that_is_nested_too_deeply_is_refused_with_an_answer(levels: int, tmp_path: Path) -> None:
    async with deduping(tmp_path) as it, raw_peer(it.server, OPENING) as peer:
        many = f'[[1,"{CHAT}",{nested(levels)}]]'
        await peer.say(
            f'420["{CHAT}",{{"id":"h:1","data":{nested(levels)}}}]',
            f'421["{CHAT}",{{"id":{nested(levels)},"data":1}}]',
            f'422["batch",{json.dumps(many)}]',
            f'423["{CHAT}",{{"id":"h:1","data":{nested(DEPTH)}}}]',
        )
        await until(lambda: len(peer.answers) == 4)
        for ack in range(3):
            (answer,) = peer.answers[ack]
            assert (answer["ok"], answer["retryable"]) == (False, False)
            assert f"at most {DEPTH} lists and dicts inside each other" in answer["error"]
        assert peer.answers[3] == [{"ok": True}]


@pytest.mark.parametrize("levels", [DEPTH + 3, 400, 900])
async def test_nested_credentials_are_refused_and_leave_nobody_behind(levels: int) -> None:
    async with stack() as it:
        for text in (f'{{"offset":1,"epoch":{nested(levels)}}}', f'{{"realtime_lab":{{"client_id":{nested(levels)}}}}}', nested(levels)):
            async with raw_peer(it.server, f"40{text}") as peer:
                assert not await peer.accepted()
        assert it.server.sids == ()
        assert list(it.server.sio.manager.get_participants("/", None)) == []


async def test_an_application_cannot_store_or_answer_what_no_connection_could_carry(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it:
        errors = reported()
        data = json.loads(nested(DEPTH + 1))
        with pytest.raises(NotSerialisable, match="inside each other"):
            await log_of(it).append(CHAT, data)
        it.server.on("deep")(lambda sid: data)
        client = await it.connected(**RETRIES)
        assert (await client.emit("deep")).outcome == "rejected"
        assert [type(error) for error in errors] == [NotSerialisable]


async def test_a_batch_has_a_limited_number_of_events(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it, raw_peer(it.server, OPENING) as peer:
        for ack, rows in enumerate((ROWS + 1, ROWS)):
            text = json.dumps("[" + ",".join(f"[{n}]" for n in range(1, rows + 1)) + "]")
            await peer.say(f'42{ack}["batch",{text}]')
        await until(lambda: len(peer.answers) == 2)
        assert (peer.answers[0][0]["ok"], peer.answers[0][0]["retryable"]) == (False, False)
        assert f"{ROWS} events at most" in peer.answers[0][0]["error"]
        assert peer.answers[1][0]["ok"] is True


@pytest.mark.parametrize(
    "message",
    ['451-["a",1]', '459-["a",{"_placeholder":true,"num":0}]', '450-["a"]', '421-["a",{"_placeholder":true,"num":0}]', '42["a",NaN]'],
)
def test_a_packet_that_announces_what_cannot_come_is_refused(message: str) -> None:
    with pytest.raises(ValueError, match=r"attachments|JSON"):
        StrictPacket(encoded_packet=message[1:])


def test_the_attachments_of_one_packet_have_a_limit_together() -> None:
    places = ",".join(f'{{"_placeholder":true,"num":{n}}}' for n in range(40))
    packet = StrictPacket(encoded_packet=f'540-["a",{places}]')
    tracemalloc.start()
    with pytest.raises(ValueError, match=f"more than {MAX_ATTACHED:,} bytes"):
        for _ in range(40):
            packet.add_attachment(bytes(1_000_000))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < MAX_ATTACHED + 1_100_000


@pytest.mark.parametrize(
    "broken",
    [['451-["a",{"_placeholder":true,"num":"x"}]', b"1"], ['451-["a",{"_placeholder":true,"num":0}]'], [b"1"], ['450-["a"]'], ["4["]],
)
async def test_what_follows_a_broken_packet_is_read(broken: list[str | bytes]) -> None:
    async with stack() as it, raw_peer(it.server) as peer:
        await peer.say(*broken, f'421["{CHAT}","after"]')
        await until(lambda: peer.answers)
        assert peer.answers == {1: [{"ok": True}]}
        assert it.at_server == ["after"]


async def test_our_client_reads_on_behind_a_broken_packet_too() -> None:
    async with stack() as it:
        client = await it.connected()
        engine = it.server.sio.eio
        (eio_sid,) = engine.sockets
        await engine.send(eio_sid, f'51-["{CHAT}",{{"_placeholder":true,"num":0}}]')
        await it.works(client)


async def test_what_an_answer_quotes_of_a_peer_is_short_and_so_is_what_is_kept_of_it(tmp_path: Path) -> None:
    async with deduping(tmp_path) as it, raw_peer(it.server, OPENING) as peer:
        errors = reported()

        @it.server.on("number")
        def number(sid: str, text: str) -> int:
            raise ValueError(text)

        await peer.say(f'421["{"x" * 500_000}",{{"id":"h:1","data":1}}]', f'422["number",{{"id":"h:2","data":"{"y" * 500_000}"}}]')
        await until(lambda: len(peer.answers) == 2)
        rows = await log_of(it).transact(lambda tx: tx.execute("SELECT length(answer) FROM log_answers"))
        assert len(rows) == 2
        assert all(length < 1000 for (length,) in rows)
        assert len(errors) == 1


@pytest.mark.parametrize("n", ["000000000000000019", "01", "1" * 5000, "٣", "9007199254740993"])
async def test_a_number_is_written_in_one_way_only(n: str, tmp_path: Path) -> None:
    async with deduping(tmp_path) as it, raw_peer(it.server, OPENING) as peer:
        await peer.say(f'421["{CHAT}",{json.dumps({"id": f"h:{n}", "data": 1})}]')
        await until(lambda: peer.answers)
        assert (peer.answers[1][0]["ok"], peer.answers[1][0]["retryable"]) == (False, False)
        assert it.at_server == []


async def test_a_post_that_breaks_the_rules_is_answered_though_nobody_fetches_the_goodbye(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hosting, "POST_LIMIT", 0.2)
    async with stack() as it, aiohttp.ClientSession() as http:
        address = f"{it.server.url}/socket.io/?EIO=4&transport=polling&sid={await opened(http, it.server)}"
        async with http.post(address, data=b"6") as answer:
            assert answer.status == 400
        host = it.server._host
        assert host is not None
        await until(lambda: not [task for task in host.tasks if "handle" in repr(task)])


@pytest.mark.parametrize("known", [True, False])
async def test_a_post_whose_body_never_comes_is_answered_and_holds_nothing(known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting, "POST_LIMIT", 0.2)
    async with stack() as it, aiohttp.ClientSession() as http:
        sid = await opened(http, it.server) if known else "nobody"
        reader, writer = await asyncio.open_connection("127.0.0.1", it.server.port)
        writer.write(post(it.server, sid, 10) + b"4")
        async with asyncio.timeout(10):
            assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
        assert it.server._host is not None
        assert not [task for task in it.server._host.tasks if "handle" in repr(task)]
        writer.close()


async def test_a_compressed_body_is_refused_and_not_unpacked() -> None:
    async with stack() as it, aiohttp.ClientSession() as http:
        sid = await opened(http, it.server)
        reader, writer = await asyncio.open_connection("127.0.0.1", it.server.port)
        for body in (gzip.compress(bytes(30_000_000)), b"no gzip at all: who unpacks this ends the connection", gzip.compress(b"4")):
            writer.write(post(it.server, sid, len(body), "Content-Encoding: gzip") + body)
            async with asyncio.timeout(10):
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 415 ")
                assert b"Content-Encoding" in await reader.readline()
        writer.close()


@pytest.mark.parametrize("said", [b"", b"GET /socket.io/?EIO=4&tra"])
@pytest.mark.parametrize(
    "before", [True, pytest.param(False, marks=pytest.mark.skipif(AIOHTTP < (3, 14, 4), reason="it counts from 3.14.4 on"))]
)
async def test_a_connection_that_says_nothing_or_half_a_request_is_closed(
    before: bool, said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosting, "SILENCE_LIMIT", 0.2)
    async with stack() as it:
        clients = [await it.connected(transports=transports) for transports in TRANSPORTS]
        reader, writer = await asyncio.open_connection("127.0.0.1", it.server.port)
        async with asyncio.timeout(10):
            if before:
                writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert b"404" in await reader.readuntil(b"404: Not Found")
            writer.write(said)
            assert await reader.read() == b""
        writer.close()
        for client in clients:  # who waits for an event says nothing either
            await it.works(client)
        assert not it.of("disconnected")


async def test_a_peer_that_breaks_engine_ios_own_rules_is_forgotten_with_its_heartbeat() -> None:
    async with stack(ping_interval=1, ping_timeout=1) as it, raw_peer(it.server) as peer:
        assert await peer.accepted()
        await peer.say("x")
        await until(lambda: it.server.sids == ())
