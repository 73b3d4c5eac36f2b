"""Whoever is told that a connection is over can still ask who that was, however it ended, and until they have finished."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from realtime_lab.errors import UnknownFault
from realtime_lab.net.client import Client
from tests.net.harness import Stack, until
from tests.net.replaying import crashed, replaying

ENDS: dict[str, Callable[[Stack, Client], Any]] = {
    "the client closes": lambda it, client: client.close(),
    "the server disconnects it": lambda it, client: it.server.disconnect(client.sid),
    "a crash": lambda it, client: crashed(it),
    "the server closes": lambda it, client: it.server.close(),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("is_async", [False, True])
async def test_the_disconnect_handler_can_ask_who_that_was(tmp_path: Path, end: str, is_async: bool) -> None:
    async with replaying(tmp_path, authenticate=lambda auth: auth["user"]) as it:
        told: list[Any] = []
        go = asyncio.Event()

        def who(sid: str) -> tuple[Any, ...]:
            return it.server.identity(sid), it.server.auth(sid), sid in it.server.sids

        async def later(sid: str, reason: str) -> None:
            told.append(who(sid))
            await go.wait()
            told.append(who(sid))

        it.server.on("disconnect")(later if is_async else lambda sid, reason: told.append(who(sid)))
        client = await it.connected(auth={"user": "ann"})
        sid = client.sid
        ending = asyncio.ensure_future(ENDS[end](it, client))
        await until(lambda: told)
        go.set()
        await ending
        await until(lambda: len(told) == 1 + is_async)
        assert set(map(repr, told)) == {repr(("ann", {"user": "ann"}, False))}

        def forgotten() -> bool:
            try:
                it.server.identity(sid)
            except UnknownFault:
                return True
            return False

        await until(forgotten)
