"""What is published comes to whoever is there and to whoever comes back: all of it, in order, once."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import socketio

from realtime_lab.net.crash import CRASHES
from realtime_lab.net.envelope import seal_stored
from realtime_lab.rules.replay import Session
from tests.examples import every_fourth
from tests.net.harness import CHAT, RETRIES, TRANSPORTS, deduping, offline, until
from tests.net.replaying import alone, another, caught_up, crashed, log_of, missed, publish, replaying

pytestmark = pytest.mark.usefixtures("both_ways")

both_transports = pytest.mark.parametrize("transports", TRANSPORTS, ids=lambda names: names[0])
all_transports = pytest.mark.parametrize("transports", [*TRANSPORTS, ("polling", "websocket")], ids="+".join)

VALUES = [
    None,
    b"\x00\xff",
    {"a": [b"1", b"", {"b": b"2"}]},
    "€ \U0001f600 \x00 \"'\\",
    "",
    0,
    -1.5,
    False,
    [],
    {},
    [[None]],
    {"id": 7, "data": 1},
]


# -- live and replayed ------------------------------------------------------------------------------------------------------------------


@all_transports
async def test_what_is_published_comes_in_order_and_once_live_and_after_every_absence(tmp_path: Path, transports: tuple[str, ...]) -> None:
    async with replaying(tmp_path) as it:
        client = await it.connected(replay=True, transports=transports)
        assert (client.offset, client.recovered, client.session) == (0, False, Session(log_of(it).epoch, 0, "new"))
        await publish(it, *range(1, 21))
        await caught_up(it, client)
        for missing in (range(21, 33), range(33, 34), range(34, 84)):
            assert await missed(it, client, *missing) == list(missing)
            await caught_up(it, client)
            assert (client.recovered, client.session) == (True, Session(log_of(it).epoch, missing[0] - 1))
        await publish(it, *range(84, 91))
        await caught_up(it, client)
        assert it.at_client == list(range(1, 91))
        assert [(event.offset, event.reason) for event in it.of("recovered")] == [(0, "new"), (20, ""), (32, ""), (33, "")]
        assert [event.offset for event in it.of("received", "alice")] == it.at_client


async def test_a_client_that_never_received_an_event_loses_nothing_after_its_session(tmp_path: Path) -> None:
    """Its offset is 0, and later 3: both are offsets like any other."""
    async with replaying(tmp_path) as it:
        client = await it.connected(replay=True)
        assert client.offset == 0
        await missed(it, client, 1, 2, 3)
        await caught_up(it, client)
        assert it.at_client == [1, 2, 3]
        late = it.client(replay=True)
        it.at_client.clear()
        await late.connect()
        assert (late.offset, it.at_client) == (3, [])
        await client.close()
        await missed(it, late, 4, 5)
        await caught_up(it, late)
        assert it.at_client == [4, 5]


async def test_what_is_published_during_a_replay_follows_it(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        client = await it.connected(replay=True)
        other, live = await another(it)
        await missed(it, client, *range(1, 401))
        await until(lambda: it.at_client)
        assert len(it.at_client) < 400
        for n in range(401, 441):
            await publish(it, n)
        await caught_up(it, client, other)
        assert it.at_client == live == list(range(1, 441))


@both_transports
async def test_a_server_that_crashes_in_the_middle_of_replays_goes_on_with_them(tmp_path: Path, transports: tuple[str, ...]) -> None:
    async with replaying(tmp_path) as it:
        client = await it.connected(replay=True, transports=transports)
        other, given = await another(it, transports=transports)
        await missed(it, client, *range(1, 301))
        for enough in (20, 100, 150):
            await until(lambda: len(it.at_client) >= enough)  # noqa: B023  # awaited in the same round
            await crashed(it)
            await it.server.restart()
        await publish(it, 301)
        await caught_up(it, client, other)
        assert it.at_client == given == list(range(1, 302))


async def test_one_is_away_and_the_others_do_not_notice(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        client = await it.connected(replay=True)
        others = [await another(it, transports=transports) for transports in TRANSPORTS]
        await publish(it, "a")
        await caught_up(it, client)
        await offline(it, client)
        await publish(it, "b", "c")
        await caught_up(it, *(other for other, _ in others))
        assert ([given for _, given in others], it.at_client) == ([["a", "b", "c"]] * 2, ["a"])
        it.link.restore()
        await caught_up(it, client)
        assert it.at_client == ["a", "b", "c"]


@both_transports
async def test_data_of_every_kind_comes_as_it_was_published_live_and_replayed(tmp_path: Path, transports: tuple[str, ...]) -> None:
    async with replaying(tmp_path) as it:
        client = await it.connected(replay=True, transports=transports)
        client.on(CHAT)(lambda *data: it.at_client.append(data))
        await publish(it, *VALUES)
        await caught_up(it, client)
        await missed(it, client, *VALUES)
        await caught_up(it, client)
        assert it.at_client == [() if value is None else (value,) for value in VALUES] * 2


@alone
@both_transports
@pytest.mark.parametrize("side", every_fourth(["after", "before"]))
async def test_a_cut_at_any_packet_of_a_replay_loses_nothing_and_repeats_nothing(
    tmp_path: Path, side: str, transports: tuple[str, ...]
) -> None:
    """The acceptance, the session, and 12 events."""
    async with replaying(tmp_path) as it:
        client = await it.connected(replay=True, transports=transports)
        for packet in range(1, 15):
            await offline(it, client)
            await publish(it, *range(12 * packet - 11, 12 * packet + 1))
            passed = max(event.packet for event in it.of("wire", direction="downstream"))
            it.link.cut(**{side: passed + packet}, direction="downstream")
            it.link.restore()
            await until(lambda: not it.link.armed)
            await until(lambda: not client.connected)
            it.link.restore()
            await caught_up(it, client)
            assert it.at_client == list(range(1, 12 * packet + 1))
        assert len(it.of("received", "alice")) == len(it.at_client)


async def test_what_arrives_late_on_a_connection_that_is_over_is_not_handled(tmp_path: Path) -> None:
    """python-socketio begins a task for each event, and the connection may end before it. What came before is forgotten, so this is too."""
    async with replaying(tmp_path) as it:
        client = await it.connected(replay=True)
        old = client._connection
        assert old is not None
        await offline(it, client)
        await publish(it, 1, 2)
        late = [old._sio._handle_event("/", None, [CHAT, seal_stored(n, f"late {n}")]) for n in (2, 3)]
        await asyncio.gather(*late)
        assert (it.at_client, client.offset) == ([], 0)
        it.link.restore()
        await caught_up(it, client)
        assert it.at_client == [1, 2]


# -- who publishes ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", CRASHES)
async def test_a_crash_at_any_point_of_an_event_publishes_it_once(tmp_path: Path, point: str) -> None:
    async with deduping(tmp_path, group=1) as it:

        @it.server.on(CHAT)
        async def relay(sid: str, data: Any, tx: Any) -> int:
            return await tx.append(CHAT, data)  # type: ignore[no-any-return]

        client = await it.connected(replay=True, **RETRIES)
        other, given = await another(it)
        assert (await client.emit(CHAT, 1)).result == 1
        it.server.crash(at=point)
        sent = [client.emit(CHAT, n) for n in (2, 3)]
        await until(lambda: it.server.state == "crashed")
        await it.server.restart()
        assert [(await each).result for each in sent] == [2, 3]
        await caught_up(it, client, other)
        assert it.at_client == given == [1, 2, 3]
        assert [each.data for each in await log_of(it).events()] == [1, 2, 3]


async def test_handlers_publish_too_and_what_is_rolled_back_is_not_published(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:

        @it.server.on("plainly")
        async def plainly(sid: str, data: Any) -> int:
            return await it.server.publish(CHAT, data)

        @it.server.on("in a transaction")
        async def inside(sid: str, data: Any, tx: Any) -> None:
            await tx.append(CHAT, data)
            if data == "bad":
                raise ValueError(data)

        client = await it.connected(replay=True, ack_timeout=5.0)
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # the bad one is reported
        fates = [
            await client.emit(*each) for each in (("plainly", 1), ("in a transaction", 2), ("in a transaction", "bad"), ("plainly", 3))
        ]
        assert [fate.outcome for fate in fates] == ["acked", "acked", "rejected", "acked"]
        await caught_up(it, client)
        assert it.at_client == [1, 2, 3]


async def test_what_is_merely_emitted_comes_beside_what_is_published_and_moves_no_offset(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        client = await it.connected(replay=True)
        await publish(it, 1)
        await caught_up(it, client)
        await it.server.emit(CHAT, "plain")
        await until(lambda: it.at_client == [1, "plain"])
        assert client.offset == 1
        await offline(it, client)
        await it.server.emit(CHAT, "lost")
        it.link.restore()
        await publish(it, 2)
        await caught_up(it, client)
        assert it.at_client == [1, "plain", 2]


async def test_a_plain_client_gets_the_session_after_its_acceptance_and_then_what_is_published(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        came: list[Any] = []
        plain = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        plain.on("connect", lambda: came.append("connect"))
        plain.on("*", lambda *event: came.append(event))
        await publish(it, "early")
        await plain.connect(it.server.url, transports=["websocket"], auth={"offset": 0})
        await publish(it, "now")
        await until(lambda: len(came) == 4)
        session = {"epoch": log_of(it).epoch, "offset": 0, "recovered": True, "reason": ""}
        assert came == ["connect", ("session", session), (CHAT, {"id": 1, "data": "early"}), (CHAT, {"id": 2, "data": "now"})]
        await plain.shutdown()


async def test_a_newcomer_gets_what_is_published_from_its_acceptance_on(tmp_path: Path) -> None:
    """Also if that comes before the log was asked where it stands."""
    async with replaying(tmp_path) as it:
        await publish(it, "early")
        log, read, published = log_of(it), log_of(it).read, list[int]()

        async def reading(after: int, limit: int = 1000, **options: Any) -> Any:
            if not published:
                published.append(await log.append(CHAT, "meanwhile"))
            return await read(after, limit, **options)

        log.read = reading  # type: ignore[method-assign]
        client = await it.connected(replay=True)
        await caught_up(it, client)
        assert client.session == Session(log.epoch, 1, "new")
        assert it.at_client == ["meanwhile"]
