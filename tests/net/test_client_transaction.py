"""The offset in a client's store: committed together with the application's effect, or soon after, and never before."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from realtime_lab.errors import AlreadyClosed, InvalidSetting, StoreFailed, StoreInUse
from realtime_lab.net.client import Client
from realtime_lab.net.database import Database
from realtime_lab.rules.inbox import TRIES
from tests.net.harness import CHAT, Stack, until
from tests.net.replaying import caught_up, kept_offset, publish, replaying, reported, rows

pytestmark = pytest.mark.usefixtures("both_ways")

STATEMENTS = ("BEGIN", "INSERT INTO effects", "INSERT INTO effects", "INSERT INTO store_meta", "INSERT INTO store_meta", "COMMIT")
"""What one event costs. When the block has ended, the rest is done to its end."""


def database_of(client: Client) -> Database:
    assert client._incoming is not None
    assert client._incoming._kept._store is not None
    database = client._incoming._kept._store._database
    assert database is not None
    return database


class Ledger:
    """A client whose handler notes each event twice, in its store."""

    def __init__(self, it: Stack, folder: Path) -> None:
        self.file = folder / "alice.db"
        self.client = it.client(replay=True, retry_delay=0.0, store=self.file)
        self.calls: list[int] = []
        self.limit: asyncio.Timeout | None = None
        self.client.on(CHAT)(self.handle)

    async def handle(self, n: int) -> None:
        self.calls.append(n)
        async with asyncio.timeout(60) as self.limit, self.client.transaction() as tx:
            for half in "ab":
                await tx.execute("INSERT INTO effects VALUES (?, ?)", (n, half))

    async def open(self) -> None:
        await self.client.connect()
        if not rows(self.file, "SELECT 1 FROM sqlite_master WHERE name = 'effects'"):
            with closing(sqlite3.connect(self.file)) as connection:
                connection.execute("CREATE TABLE effects (n, half)")

    def check(self, upto: int) -> None:
        """Both halves of everything up to here, and nothing else."""
        assert kept_offset(self.file) == upto
        assert rows(self.file, "SELECT * FROM effects ORDER BY rowid") == [(n, half) for n in range(1, upto + 1) for half in "ab"]

    async def hold(self, nth: int, then: Callable[[], Any]) -> None:
        """Stop SQLite's thread at the nth statement from now, call `then`, and let go when what it returns is true."""
        reached, go = asyncio.Event(), threading.Event()
        loop, seen = asyncio.get_running_loop(), list[str]()

        def trace(statement: str) -> None:
            seen.append(statement)
            if len(seen) == nth:
                loop.call_soon_threadsafe(reached.set)
                go.wait(10)

        connection = database_of(self.client)._connection
        await connection.set_trace_callback(trace)
        self.holding = asyncio.ensure_future(self._hold(reached, go, then))
        self.seen = seen

    async def _hold(self, reached: asyncio.Event, go: threading.Event, then: Callable[[], Any]) -> None:
        try:
            await reached.wait()
            condition = then()
            await until(condition)
        finally:
            go.set()


@pytest.mark.parametrize("nth", range(1, 7), ids=lambda nth: f"{nth} {STATEMENTS[nth - 1].split(' (')[0]}")
async def test_a_client_that_ends_at_any_statement_has_both_the_effect_and_the_offset_or_neither(tmp_path: Path, nth: int) -> None:
    async with replaying(tmp_path) as it:
        ledger = Ledger(it, tmp_path)
        await ledger.open()
        await publish(it, 1)
        await caught_up(it, ledger.client)
        ledger.check(1)
        ends: list[asyncio.Future[None]] = []

        def end() -> Callable[[], object]:
            ends.append(asyncio.ensure_future(ledger.client.abort()))
            assert ledger.client._incoming is not None
            worker = ledger.client._incoming._worker
            assert worker is not None
            return worker.cancelling

        await ledger.hold(nth, end)
        await publish(it, 2, 3)
        await ledger.holding
        await ends[0]
        assert ledger.seen[nth - 1].startswith(STATEMENTS[nth - 1])
        ledger.check(2 if nth >= 4 else 1)
        again = Ledger(it, tmp_path)
        await again.open()
        await caught_up(it, again.client)
        again.check(3)
        assert (ledger.calls, again.calls) == ([1, 2], [3] if nth >= 4 else [2, 3])


@pytest.mark.parametrize("nth", range(1, 7), ids=lambda nth: f"{nth} {STATEMENTS[nth - 1].split(' (')[0]}")
async def test_a_handler_that_runs_out_of_time_at_any_statement_is_called_again_only_if_nothing_was_committed(
    tmp_path: Path, nth: int
) -> None:
    async with replaying(tmp_path) as it:
        errors = reported()
        ledger = Ledger(it, tmp_path)
        await ledger.open()

        def run_out() -> Callable[[], object]:
            assert ledger.limit is not None
            ledger.limit.reschedule(asyncio.get_running_loop().time())
            return ledger.limit.expired

        await ledger.hold(nth, run_out)
        await publish(it, 1, 2)
        await ledger.holding
        await caught_up(it, ledger.client)
        ledger.check(2)
        assert ledger.calls == ([1, 2] if nth >= 4 else [1, 1, 2])
        assert [type(error) for error in errors] == [TimeoutError]


async def test_an_effect_is_undone_if_the_block_raises_and_stays_if_what_follows_does(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        errors = reported()
        ledger = Ledger(it, tmp_path)
        calls: list[str] = []

        @ledger.client.on(CHAT)
        async def handle(n: int) -> None:
            async with ledger.client.transaction() as tx:
                await tx.execute("INSERT INTO effects VALUES (?, 'a')", (n,))
                calls.append(f"inside {n}")
                if len(calls) == 1:
                    raise KeyError("inside")
                await tx.execute("INSERT INTO effects VALUES (?, 'b')", (n,))
            calls.append(f"after {n}")
            raise KeyError("after")

        await ledger.open()
        await publish(it, 1, 2)
        await caught_up(it, ledger.client)
        ledger.check(2)
        assert calls == ["inside 1", "inside 1", "after 1", "inside 2", "after 2"]
        assert [error.args for error in errors] == [("inside",), ("after",), ("after",)]
        assert len(it.of("failed")) == 3


async def test_a_transaction_out_of_its_place_is_refused_with_a_reason(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        ledger = Ledger(it, tmp_path)
        client, refused = ledger.client, list[str]()
        stray: list[asyncio.Task[None]] = []
        returned = asyncio.Event()

        async def attempt(client: Client, kind: type[Exception] = InvalidSetting) -> None:
            with pytest.raises(kind) as told:
                async with client.transaction():
                    pass
            refused.append(str(told.value))

        async def later() -> None:
            await returned.wait()
            await attempt(client)

        @client.on(CHAT)
        async def handle(n: int) -> None:
            stray.append(asyncio.create_task(later()))
            if n == 2:
                return
            async with client.transaction() as tx:
                with pytest.raises(InvalidSetting, match="one statement about data"):
                    await tx.execute("COMMIT")
            with pytest.raises(AlreadyClosed, match="has ended"):
                await tx.execute("SELECT 1")
            await attempt(client)

        await ledger.open()
        await attempt(client)
        await publish(it, 1, 2)
        await caught_up(it, client)
        returned.set()
        await asyncio.gather(*stray)
        assert len(refused) == 4
        assert all("inside its handler, once" in why for why in refused)
        await attempt(it.client(replay=True))
        await attempt(it.client())
        assert "this client has none. Make it with store=" in refused[4]
        assert "this client has no replay. Make it with replay=True" in refused[5]
        assert kept_offset(ledger.file) == 2


# -- a store that fails -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("then", ["it works again", "restart"])
@pytest.mark.parametrize("fault", ["locked", "read-only"])
async def test_a_store_that_cannot_keep_the_offset_is_reported_and_nothing_is_lost(
    tmp_path: Path, fault: str, then: str, both_ways: bool
) -> None:
    """What was handled meanwhile comes again after a restart, unless the offset could be kept later."""
    async with replaying(tmp_path) as it:
        errors = reported()
        file = tmp_path / "alice.db"
        client = await it.connected(replay=True, store=file)
        await publish(it, 1)
        await caught_up(it, client)
        await database_of(client).execute("PRAGMA busy_timeout = 20")
        with closing(sqlite3.connect(file, isolation_level=None)) as foreign:
            if fault == "locked":
                foreign.execute("BEGIN IMMEDIATE")
            else:
                await database_of(client).execute("PRAGMA query_only = ON")
            await publish(it, 2, 3)
            await caught_up(it, client)
            assert (client.offset, it.at_client, kept_offset(file)) == (3, [1, 2, 3], 1)
            failures = len(errors)
            assert failures == (1 if both_ways else 2)
            assert {type(error) for error in errors} == {StoreInUse if fault == "locked" else StoreFailed}
            if then == "restart":
                await client.abort()
        if then == "restart":
            client = await it.connected(replay=True, store=file)
            expected = [1, 2, 3, 2, 3]
        else:
            await database_of(client).execute("PRAGMA query_only = OFF")
            expected = [1, 2, 3, 4]
            await publish(it, 4)
        await caught_up(it, client)
        assert (it.at_client, kept_offset(file), len(errors)) == (expected, client.offset, failures)


async def test_a_full_disk_holds_a_transaction_up_and_it_goes_on_by_itself_when_there_is_room(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        errors = reported()
        ledger = Ledger(it, tmp_path)
        await ledger.open()
        ((pages,),) = await database_of(ledger.client).execute("PRAGMA page_count")
        await database_of(ledger.client).execute(f"PRAGMA max_page_count = {pages}")
        await publish(it, *range(1, 301))
        await until(lambda: len(errors) > TRIES)
        stopped = ledger.client.offset
        assert stopped is not None
        ledger.check(stopped)
        assert {type(error) for error in errors} == {StoreFailed}
        assert "full" in str(errors[0])
        assert ledger.client.halted is None
        await database_of(ledger.client).execute("PRAGMA max_page_count = 1000")
        await caught_up(it, ledger.client)
        ledger.check(300)
