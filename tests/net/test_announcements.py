"""What a peer may say about itself when it connects. Anything else is refused with a word about what was expected; nobody else feels it."""

import contextlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from realtime_lab.errors import ConnectionRejected
from realtime_lab.net.event_log import EventLog
from tests.net.harness import CHAT, Stack, stack, until

OFFSET = "is the id of the last event that was handled, a whole number from 0 to 2**53, or is left out on a first connection; it was "
HUGE = str(2**53 + 1)

BAD_OFFSETS = {
    "-1": "-1",
    HUGE: HUGE,
    "1" + 90 * "0": "1" + 79 * "0",
    '"5"': "'5'",
    '""': "''",
    "[5]": "[5]",
    "{}": "{}",
    "NaN": "nan",
    "-Infinity": "-inf",
    "true": "True",
    "false": "False",
    "5.0": "5.0",
    "0.5": "0.5",
    '"' + 5000 * "5" + '"': "'" + 79 * "5",
}
"""JSON, and a few things that Python takes for JSON -> how the refusal shows it."""


async def answers(it: Stack, auth: str, count: int = 1, timeout: float = 5.0) -> list[Any]:
    """The first answers to a CONNECT with this text: [packet type ("0": accepted, "4": refused), data], then the arguments of events."""
    address = f"{it.server.url}/socket.io/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession() as http, http.ws_connect(address) as ws:
        await ws.receive_str()
        await ws.send_str("40" + auth)
        packets = [await ws.receive_str(timeout=timeout) for _ in range(count)]
        return [[packets[0][1:2], json.loads(packets[0][2:])], *(json.loads(packet[2:])[1:] for packet in packets[1:])]


async def refusal(it: Stack, auth: str) -> str:
    ((kind, said),) = await answers(it, auth)
    assert kind == "4", "it was accepted"
    assert said.keys() == {"message"}  # to try again would not help
    return str(said["message"])


@contextlib.asynccontextmanager
async def logged(folder: Path, **options: Any) -> AsyncIterator[Stack]:
    """A server with two stored events, and somebody who is there all the time and must not be disturbed."""
    async with stack(log=EventLog(folder / "log.db"), **options) as it:
        for number in (1, 2):
            await it.server.publish(CHAT, number)
        client = await it.connected(replay=True)
        sid = client.sid
        yield it
        assert client.sid == sid
        await it.works(client)


@pytest.mark.parametrize("where", ["auth", "auth.realtime_lab"])
async def test_an_offset_that_is_none_is_refused(tmp_path: Path, where: str) -> None:
    async with logged(tmp_path) as it:
        for bad, shown in BAD_OFFSETS.items():
            said = f'{{"offset": {bad}}}'
            auth = said if where == "auth" else f'{{"realtime_lab": {{"replay": true, "epoch": "e", "offset": {bad}}}}}'
            assert await refusal(it, auth) == f"this server expects: {where}.offset {OFFSET}{shown}"
        await until(lambda: len(it.server.sids) == 1)


@pytest.mark.parametrize("where", ["auth", "auth.realtime_lab"])
async def test_an_offset_that_is_one_gets_a_session(tmp_path: Path, where: str) -> None:
    async with logged(tmp_path) as it:
        for offset, session in {
            "0": (0, True, ""),
            "1": (1, True, ""),
            "2": (2, True, ""),
            "3": (2, False, "ahead"),
            str(2**53): (2, False, "ahead"),
            "null": (2, False, "new"),
        }.items():
            auth = f'{{"offset": {offset}}}' if where == "auth" else f'{{"realtime_lab": {{"replay": true, "offset": {offset}}}}}'
            (kind, _), (told,) = await answers(it, auth, 2)
            assert (kind, told["offset"], told["recovered"], told["reason"]) == ("0", *session)


BAD_OTHERS = {
    r"auth\.realtime_lab is an object": ("7", '"x"', "[]", "true", "false"),
    r"auth\.realtime_lab\.epoch is the text that came with the session; it was ": [
        f'{{"replay": true, "offset": 1, "epoch": {epoch}}}' for epoch in ("7", "0", "true", "false", "[]", '["e"]', "{}", "NaN")
    ],
    r"auth\.realtime_lab\.client_id has 1 to 64 letters, digits": [
        f'{{"client_id": {client_id}}}'
        for client_id in ("7", "0", "[]", "{}", "false", "null", '"a b"', '"a:b"', f'"{65 * "a"}"', r'"\ud800"')
    ],
    r"auth\.realtime_lab\.first is a whole number, 1 or more": [
        f'{{"client_id": "c", "first": {first}}}' for first in ("0", "-1", '"1"', "1.5", "true", "null", "NaN", HUGE)
    ],
}


async def test_what_else_nobody_can_work_with_is_refused(tmp_path: Path) -> None:
    async with logged(tmp_path) as it:
        for expected, saids in BAD_OTHERS.items():
            for ours in saids:
                assert re.match(f"this server expects: {expected}", await refusal(it, f'{{"realtime_lab": {ours}}}')), ours


async def test_what_python_itself_cannot_read_gets_no_answer_and_harms_nobody(tmp_path: Path) -> None:
    async with logged(tmp_path) as it:
        for text in ('{"offset": ' + 101 * "9" + "}", '{"offset": ' + 100_000 * "[" + 100_000 * "]" + "}", '{"offset": ', "{", "\x00"):
            with pytest.raises(TimeoutError):
                await answers(it, text, timeout=0.05)
        await until(lambda: len(it.server.sids) == 1)


@pytest.mark.parametrize(("auth", "seen"), [('"a text"', "a text"), ('["offset", 5]', ["offset", 5]), ("", None), ("{}", None)])
async def test_an_auth_of_another_kind_is_the_applications_own_affair(tmp_path: Path, auth: str, seen: Any) -> None:
    asked: list[Any] = []
    async with logged(tmp_path, authenticate=asked.append) as it:
        (kind, _), (told,) = await answers(it, auth, 2)
        assert (kind, told["reason"]) == ("0", "new")
        assert asked == [{}, seen]


async def test_a_server_without_a_log_does_not_look_at_an_offset() -> None:
    async with stack() as it:
        seen: list[Any] = []
        it.server.on("connect")(lambda sid: seen.append(it.server.auth(sid)))
        for auth in ('{"offset": "mine", "epoch": 7}', '{"offset": -1, "realtime_lab": {"client_id": "c", "offset": "x"}}'):
            ((kind, _),) = await answers(it, auth)
            assert kind == "0"
        await until(lambda: len(seen) == 2)
        assert seen == [{"offset": "mine", "epoch": 7}, {"offset": -1}]


async def test_a_server_without_a_log_refuses_a_client_with_replay() -> None:
    async with stack() as it:
        expected = "this server expects: no client with replay, because it has no log to replay from"
        assert await refusal(it, '{"realtime_lab": {"replay": true}}') == expected
        with pytest.raises(ConnectionRejected, match=expected):
            await it.client(replay=True).connect()


async def test_a_client_whose_application_gives_a_bad_offset_is_told_at_connect(tmp_path: Path) -> None:
    async with logged(tmp_path) as it:
        with pytest.raises(ConnectionRejected, match=r"auth\.offset is the id of the last event"):
            await it.client(auth={"offset": "7"}).connect()
        ours = it.client(auth={"offset": "the application's own"}, replay=True)  # it says itself where it stands
        await ours.connect()
        assert ours.recovered is False
