"""How a client with replay ends: at once and for ever, whoever asks for it, and its store is free afterwards."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from realtime_lab.errors import AlreadyClosed, InvalidSetting, RealtimeLabError
from realtime_lab.net.client import Client
from tests.net.harness import CHAT, RETRIES, Stack, rounds, until
from tests.net.replaying import CLIENT_TASKS, Blocked, caught_up, kept_offset, publish, replaying, reported, running

QUICK: dict[str, Any] = {"replay": True, "retry_delay": 0.0}


async def free(it: Stack, store: Path) -> Client:
    """Nothing of an earlier client runs any more, and another one may have its store."""
    await until(lambda: not running(*CLIENT_TASKS))
    return await it.connected(**QUICK, store=store)


@pytest.mark.parametrize("state", ["running", "halted", "deaf", "stubborn"])
@pytest.mark.parametrize("end", ["close", "abort"])
async def test_a_client_ends_whatever_its_handler_does_and_leaves_nothing_behind(tmp_path: Path, state: str, end: str) -> None:
    """Deaf: the handler swallows its cancellation. Stubborn: it answers with an error of its own."""
    async with replaying(tmp_path) as it:
        errors = reported()
        client = await it.connected(**QUICK, store=tmp_path / "alice.db")
        calls: list[int] = []

        @client.on(CHAT)
        async def handle(n: int) -> None:
            calls.append(n)
            try:
                await asyncio.sleep(0 if state == "halted" else 60)
            except asyncio.CancelledError:
                if state == "running":
                    raise
                if state == "deaf":
                    return
            raise KeyError(n)

        await publish(it, 1, 2, 3)
        await until(lambda: client.halted if state == "halted" else calls)
        await until(lambda: running(*CLIENT_TASKS) == 2 + 3)
        await getattr(client, end)()
        assert calls == ([1] * 4 if state == "halted" else [1])
        assert client.state == "closed"
        await until(lambda: not running(*CLIENT_TASKS))
        assert [type(error) for error in errors] == {"halted": [KeyError] * 4 + [RealtimeLabError], "stubborn": [KeyError]}.get(state, [])
        again = await it.connected(**QUICK, store=tmp_path / "alice.db")
        await caught_up(it, again)
        assert it.at_client == [1, 2, 3]


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_a_handler_may_end_its_own_client(tmp_path: Path, end: str) -> None:
    async with replaying(tmp_path) as it:
        client = await it.connected(**{**RETRIES, **QUICK}, store=tmp_path / "alice.db")

        @client.on(CHAT)
        async def bye(n: int) -> None:
            it.at_client.append(n)
            if n == 2:
                async with client.transaction() as tx:
                    await tx.execute("SELECT 1")
                await getattr(client, end)()
            it.at_client.append("returned")

        await publish(it, 1, 2, 3)
        await until(lambda: len(it.at_client) == 4)
        assert it.at_client == [1, "returned", 2, "returned"]
        assert client.state == "closed"
        await until(lambda: not running(*CLIENT_TASKS))
        again = await it.connected(**QUICK, store=tmp_path / "alice.db")
        await caught_up(it, again)
        assert it.at_client[4:] == [3]


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_a_handler_of_a_plain_event_may_end_its_own_client(tmp_path: Path, end: str) -> None:
    async with replaying(tmp_path) as it:
        client = await it.connected(**QUICK, store=tmp_path / "alice.db")
        ended = asyncio.Event()

        @client.on("bye")
        async def bye() -> None:
            await getattr(client, end)()
            ended.set()

        await it.server.emit("bye")
        await ended.wait()
        assert client.state == "closed"
        await it.connected(**QUICK, store=tmp_path / "alice.db")


WAYS: dict[str, Callable[[Awaitable[None]], Awaitable[Any]]] = {
    "wait_for": lambda end: asyncio.wait_for(end, 5),
    "gather": asyncio.gather,
    "task": asyncio.ensure_future,
}


@pytest.mark.parametrize("end", ["close", "abort"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("of", ["stored event", "session"])
async def test_a_handler_may_end_its_own_client_in_a_task_of_its_own(tmp_path: Path, of: str, way: str, end: str) -> None:
    async with replaying(tmp_path) as it:
        errors = reported()
        client = it.client(**QUICK, store=tmp_path / "alice.db")
        ended: list[Any] = []

        @client.on("session" if of == "session" else CHAT)
        async def bye(data: Any) -> None:
            await WAYS[way](getattr(client, end)())
            ended.append("returned")

        await client.start()
        await until(lambda: client.offset is not None)
        await publish(it, 1, 2)
        await until(lambda: ended)
        assert client.state == "closed"
        again = await free(it, tmp_path / "alice.db")
        await caught_up(it, again)
        assert (ended, it.at_client, errors) == (["returned"], [1, 2], [])


async def test_what_a_handler_does_after_it_has_closed_its_client_is_refused_and_does_not_wait_for_itself(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        client = await it.connected(**QUICK, store=tmp_path / "alice.db")
        ended = asyncio.Event()

        @client.on(CHAT)
        async def bye(data: Any) -> None:
            closing = asyncio.ensure_future(client.close())
            await rounds(1)
            with pytest.raises(AlreadyClosed, match="has closed its own client"):
                async with client.transaction():
                    await closing
            await closing
            ended.set()

        await publish(it, 1)
        await asyncio.wait_for(ended.wait(), 5)
        await free(it, tmp_path / "alice.db")


@pytest.mark.parametrize("end", ["close", "abort"])
@pytest.mark.parametrize("child", [False, True], ids=["itself", "in a task"])
async def test_a_client_cannot_end_inside_its_transaction_and_is_told_so(tmp_path: Path, end: str, child: bool) -> None:
    async with replaying(tmp_path) as it:
        errors = reported()
        client = await it.connected(**QUICK, store=tmp_path / "alice.db")
        ended = asyncio.Event()

        @client.on(CHAT)
        async def bye(data: Any) -> None:
            async with client.transaction() as tx:
                with pytest.raises(InvalidSetting, match="call them after its block"):
                    await (asyncio.wait_for(getattr(client, end)(), 5) if child else getattr(client, end)())
                await tx.execute("SELECT 1")
            assert client.connected
            await getattr(client, end)()
            ended.set()

        await publish(it, 1)
        await asyncio.wait_for(ended.wait(), 5)
        assert (client.state, errors, kept_offset(tmp_path / "alice.db")) == ("closed", [], 1)
        await free(it, tmp_path / "alice.db")


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_an_end_whose_caller_is_cancelled_goes_on_to_its_end(tmp_path: Path, end: str) -> None:
    async with replaying(tmp_path) as it:
        client = await it.connected(**QUICK, store=tmp_path / "alice.db")
        ending = asyncio.ensure_future(getattr(client, end)())
        await rounds(2)
        assert client.state == "closed"
        ending.cancel()
        await asyncio.wait({ending})
        assert ending.cancelled()
        await until(lambda: not running("Client._shut"))
        await free(it, tmp_path / "alice.db")


async def test_an_event_whose_handler_returns_while_its_client_closes_is_not_given_again(tmp_path: Path) -> None:
    """And what comes after it is not begun any more."""
    async with replaying(tmp_path) as it:
        client = await it.connected(**QUICK, store=tmp_path / "alice.db")
        blocked = Blocked(client)
        await publish(it, 1, 2)
        await until(lambda: blocked.given)
        ending = asyncio.ensure_future(client.close())
        await rounds(2)
        blocked.go.set()
        await ending
        assert (blocked.given, kept_offset(tmp_path / "alice.db")) == ([1], 1)
        await caught_up(it, await free(it, tmp_path / "alice.db"))
        assert it.at_client == [2]
