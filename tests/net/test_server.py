"""The bare server: it emits and forgets, answers every event, and lets no peer reach what is not meant for peers."""

import asyncio
import contextlib
import gc
import socket
from typing import Any

import aiohttp
import pytest
import socketio

from realtime_lab.errors import AlreadyClosed, InvalidSetting, PortInUse
from realtime_lab.net.client import Client
from realtime_lab.net.server import Server
from tests.net.harness import CHAT, FAST, TRANSPORTS, stack, until


async def plain_client(url: str, transports: tuple[str, ...] = ("websocket",)) -> socketio.AsyncClient:
    client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
    await client.connect(url, transports=list(transports))
    return client


@pytest.mark.parametrize("transports", TRANSPORTS, ids=lambda names: names[0])
async def test_a_peer_cannot_run_a_lifecycle_handler_by_an_event_of_that_name(transports: tuple[str, ...]) -> None:
    errors: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context))
    async with stack() as it:
        told: list[Any] = []
        it.server.on("connect")(lambda sid: told.append("connect"))
        it.server.on("disconnect")(lambda sid, why: told.append(why))
        foreign = await plain_client(it.link.url, transports)
        await until(lambda: told == ["connect"])
        for raw in ('2["disconnect","x"]', '2["connect","x"]', '21["disconnect"]', '2["connect_error"]', "2[]", '2{"0":"a"}', "2[7]"):
            await foreign.eio.send(raw)
        assert await foreign.call(CHAT, "still welcome", timeout=5) == {"ok": True}
        gc.collect()
        assert told == ["connect"]
        assert it.of("disconnected") == []
        assert [event.event for event in it.of("received")] == [CHAT]
        assert [event.type for event in it.of("wire", direction="upstream", index=-1)].count("malformed") == 7
        await foreign.eio.disconnect(abort=True)
        await until(lambda: transports == ("polling",) or told[1:] in (["client disconnect"], ["transport close"]))


async def test_a_foreign_event_may_have_any_number_of_arguments_and_is_answered() -> None:
    errors: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context))
    async with stack() as it:
        it.server.on("many")(lambda sid, *arguments: list(arguments))
        foreign = await plain_client(it.server.url)
        assert await foreign.call("many", timeout=5) == {"ok": True, "result": []}
        assert await foreign.call("many", (1, b"2", {"c": 3}), timeout=5) == {"ok": True, "result": [1, b"2", {"c": 3}]}
        answer = await foreign.call(CHAT, (1, 2, 3), timeout=5)
        assert (answer["ok"], answer["retryable"], answer["error"].split(":")[0]) == (False, False, "TypeError")
        assert [type(context["exception"]) for context in errors] == [TypeError]
        await foreign.disconnect()


async def test_handlers_start_in_the_order_of_arrival_and_finish_when_they_finish() -> None:
    async with stack() as it:
        started: list[int] = []
        finished: list[int] = []
        gates = [asyncio.Event() for _ in range(5)]

        @it.server.on("work")
        async def work(sid: str, number: int) -> int:
            started.append(number)
            await gates[number].wait()
            finished.append(number)
            return number

        client = await it.connected(ack_timeout=10.0)
        deliveries = [client.emit("work", number) for number in range(5)]
        await until(lambda: started == [0, 1, 2, 3, 4])
        assert not it.server.idle
        for number in (4, 2, 0, 3, 1):
            gates[number].set()
            assert (await deliveries[number]).result == number
        assert finished == [4, 2, 0, 3, 1]
        assert it.server.idle
        assert [event.message for event in it.of("received", "server")] == [1, 2, 3, 4, 5]
        assert [event.message for event in it.of("handled", "server")] == [5, 3, 1, 4, 2]


async def test_an_emit_inside_a_handler_names_its_cause_and_one_outside_does_not() -> None:
    async with stack() as it:

        @it.server.on("ask")
        async def ask(sid: str, data: Any) -> None:
            await asyncio.sleep(0)
            await it.server.emit("answer", data, skip_sid="nobody")

        client = await it.connected()
        client.emit("ask", 1)
        client.emit("ask", 2)
        await until(lambda: len(it.of("emitted", "server")) == 2)
        await it.server.emit("answer", 3, to=client.sid)
        assert [(event.text, event.cause, event.sids) for event in it.of("emitted", "server")] == [
            ("1", 1, (client.sid,)),
            ("2", 2, (client.sid,)),
            ("3", -1, (client.sid,)),
        ]
        await until(lambda: len(it.of("received", "alice", event="answer")) == 3)


async def test_an_emit_reaches_everybody_or_one_or_all_but_one() -> None:
    async with Server() as server:
        await server.emit(CHAT, "nobody is there, and nobody minds")
        clients = [Client(server.url, **FAST) for _ in range(3)]
        got: list[list[Any]] = [[], [], []]
        for client, its in zip(clients, got, strict=True):
            client.on(CHAT)(its.append)
            await client.connect()
        await server.emit(CHAT, "all")
        await server.emit(CHAT, "one", to=clients[1].sid)
        await server.emit(CHAT, "but one", skip_sid=clients[1].sid)
        await server.emit(CHAT, "gone", to="no such sid")
        await server.emit(CHAT, "end")
        await until(lambda: all(its[-1:] == ["end"] for its in got))
        assert got == [["all", "but one", "end"], ["all", "one", "end"], ["all", "but one", "end"]]
        assert server.sids == tuple(client.sid for client in clients)
        for client in clients:
            await client.close()
        await until(lambda: server.sids == ())


async def test_a_connect_handler_that_raises_or_waits_harms_no_connection() -> None:
    errors: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context["exception"]))
    async with stack() as it:

        @it.server.on("connect")
        async def connect(sid: str) -> None:
            if len(it.server.sids) == 1:
                raise RuntimeError("no")
            await asyncio.sleep(3600)

        for _ in range(2):
            await it.works(await it.connected())
        assert [str(error) for error in errors] == ["no"]


async def test_a_port_in_use_is_an_error_that_says_so_and_another_try_is_possible() -> None:
    async with Server() as first:
        second = Server(port=first.port)
        with pytest.raises(PortInUse, match=f"{first.port}.*port=0"):
            await second.start()
        with pytest.raises(AlreadyClosed, match=r"server\.start"):
            _ = second.port
    await second.start()
    await second.close()


async def test_after_close_a_server_refuses_everything_and_its_port_is_free() -> None:
    server = Server()
    await server.start()
    port = server.port
    await server.close()
    await server.close()
    with pytest.raises(AlreadyClosed):
        await server.start()
    with pytest.raises(AlreadyClosed):
        await server.emit(CHAT, 1)
    with pytest.raises(AlreadyClosed):
        _ = server.url
    with socket.create_server(("127.0.0.1", port)):
        pass


@pytest.mark.parametrize("name", ["ping_interval", "ping_timeout"])
@pytest.mark.parametrize("value", [0, -1, 0.5, 1.5, True, "1", None])
def test_heartbeats_are_whole_seconds(name: str, value: Any) -> None:
    with pytest.raises(InvalidSetting, match="whole seconds"):
        Server(**{name: value})


async def test_a_closed_server_leaves_no_task_behind_whatever_its_clients_did() -> None:
    before = asyncio.all_tasks()
    for transports in (*TRANSPORTS, ("polling", "websocket")):
        async with Server() as server:  # with the usual heartbeat: its timers run for 25 seconds
            client = Client(server.url, transports=transports, **FAST)
            await client.connect()
            await client.close()
            left = Client(server.url, transports=transports, **FAST)
            await left.connect()
        await left.close()
    gc.collect()
    with contextlib.suppress(AssertionError):
        await until(lambda: asyncio.all_tasks() == before, 1)
    assert asyncio.all_tasks() - before == set()


async def test_the_servers_own_frames_are_not_compressed() -> None:
    async with Server() as server, aiohttp.ClientSession() as http:
        ws = await http.ws_connect(f"{server.url}/socket.io/?EIO=4&transport=websocket", compress=15)
        assert not ws.compress
        assert (await ws.receive_str()).startswith('0{"sid"')
        await ws.close()


@pytest.mark.parametrize("size", [1_000, 100_000, 900_000])
async def test_a_polling_body_that_comes_in_pieces_is_put_together(size: int) -> None:
    async with stack() as it:
        client = await it.connected(transports=("polling",), ack_timeout=10.0)
        it.link.bandwidth = 20_000_000
        text = "x" * size
        assert (await client.emit(CHAT, text)).outcome == "acked"
        assert it.at_server == [text]


async def test_a_body_that_ends_in_the_middle_harms_nobody() -> None:
    async with stack() as it:
        client = await it.connected()
        _reader, writer = await asyncio.open_connection("127.0.0.1", it.server.port)
        writer.write(b"POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n" + b"4" * 100)
        await writer.drain()
        writer.transport.abort()
        await it.works(client)
