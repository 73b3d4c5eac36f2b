"""A client's store while it is used: one that is locked for a while, one that is closed in the middle, and what is in it afterwards."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from realtime_lab.errors import AlreadyClosed, StoreFailed, StoreInUse
from realtime_lab.net.client_store import ClientStore, Pending
from realtime_lab.net.delivery import Fate
from realtime_lab.net.keeper import MemoryKeeper, StoreKeeper
from realtime_lab.net.packets import content_of
from tests.net.harness import CHAT, RETRIES, deduping, offline, until
from tests.net.process import lines_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "client.db"


def listen() -> list[BaseException]:
    """What is reported in the background from now on."""
    reported: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context["exception"]))
    return reported


async def pending(file: Path) -> list[Pending]:
    store = ClientStore(file)
    await store.open()
    try:
        return await store.pending()
    finally:
        await store.close()


def failed(error: OSError) -> None:
    raise AssertionError(error)


# -- trouble with the file --------------------------------------------------------------------------------------------------------------


async def test_while_a_foreign_program_writes_to_the_store_new_events_are_refused_and_the_kept_ones_live(
    tmp_path: Path, file: Path
) -> None:
    reported = listen()
    async with deduping(tmp_path) as it:
        client = await it.connected(store=file, **RETRIES)
        await offline(it, client)
        kept = client.emit(CHAT, "kept")
        assert await kept.kept()
        foreign = sqlite3.connect(file, isolation_level=None)
        foreign.execute("BEGIN IMMEDIATE")
        refused = client.emit(CHAT, "refused")
        assert not await refused.kept()
        fate = await refused
        assert fate.outcome == "rejected"
        assert "in use by another process" in fate.reason
        assert [type(error) for error in reported] == [StoreInUse]
        foreign.execute("ROLLBACK")
        foreign.close()
        after = client.emit(CHAT, "after")
        assert await after.kept()
        it.link.restore()
        await client.flush()
        assert it.at_server == ["kept", "after"]
        assert client.settled


async def test_an_acknowledgement_that_cannot_be_written_down_sends_the_event_again_after_a_restart_and_it_is_a_repeat(
    tmp_path: Path, file: Path
) -> None:
    reported = listen()
    async with deduping(tmp_path) as it:
        client = await it.connected(store=file, **RETRIES)
        await offline(it, client)
        sent = client.emit(CHAT, "once")
        assert await sent.kept()
        foreign = sqlite3.connect(file, isolation_level=None)
        foreign.execute("BEGIN IMMEDIATE")
        it.link.restore()
        assert (await sent).outcome == "acked"
        await until(lambda: reported)
        await client.close()
        foreign.close()
        assert [each.data for each in await pending(file)] == ["once"]
        client = await it.connected(store=file, **RETRIES)
        await until(lambda: client.settled)
        await client.close()
        assert await pending(file) == []
        assert it.at_server == ["once"]
        assert [event.reason for event in it.of("discarded", "server")] == ["duplicate"]


NO_FOLDER = """
from realtime_lab.net.client import Client
client = Client("http://127.0.0.1:1", retries=1, ack_timeout=1.0, store=path)
sent = client.emit("chat message", 1)
for method in (client.start, client.connect):
    try:
        await method()
    except StoreFailed as error:
        say(error)
await client.close()
say(await sent.kept(), sent.fate)
"""


async def test_a_store_in_a_folder_that_does_not_exist_is_named_and_what_was_emitted_is_told(tmp_path: Path) -> None:
    *errors, fate = await lines_of(NO_FOLDER, tmp_path / "nowhere" / "client.db")
    assert len(errors) == 2
    assert all("folder" in error and "does not exist" in error for error in errors)
    assert fate == "False rejected (the client was closed before it was sent)"


async def test_a_refused_store_can_be_opened_by_the_same_client_when_it_is_free(tmp_path: Path, file: Path) -> None:
    async with deduping(tmp_path) as it:
        first = await it.connected(store=file, **RETRIES)
        second = it.client(store=file, **RETRIES)
        early = second.emit(CHAT, "early")
        with pytest.raises(StoreInUse):
            await second.start()
        await first.close()
        await second.connect()
        assert (await early).outcome == "acked"


# -- closing ----------------------------------------------------------------------------------------------------------------------------


async def test_what_is_not_acknowledged_when_the_client_closes_is_in_the_store_and_its_sender_is_told(tmp_path: Path, file: Path) -> None:
    async with deduping(tmp_path) as it:
        client = await it.connected(store=file, **RETRIES)
        await offline(it, client)
        sent = [client.emit(CHAT, n) for n in range(3)]
        await client.close()  # at once: nothing is written yet
        assert [await each for each in sent] == [Fate("unknown", reason="it is kept in the store; the next start goes on with it")] * 3
        assert [await each.kept() for each in sent] == [True] * 3
        assert await pending(file) == [Pending(n + 1, CHAT, n, False) for n in range(3)]
        it.link.restore()
        await it.connected(store=file, **RETRIES)
        await until(lambda: it.at_server == [0, 1, 2])


async def test_an_event_that_grows_too_old_before_it_is_written_is_told_and_not_sent_by_the_next_start(tmp_path: Path, file: Path) -> None:
    async with deduping(tmp_path) as it:
        client = await it.connected(store=file, max_age=1e-9, **RETRIES)
        await offline(it, client)
        fate = await client.emit(CHAT, "old")
        assert (fate.outcome, "too old" in fate.reason) == ("rejected", True)
        await client.abort()
        assert await pending(file) == [Pending(1, "", None, True)]
        it.link.restore()
        client = await it.connected(store=file, **RETRIES)
        assert (await client.emit(CHAT, "next")).outcome == "acked"
        assert it.at_server == ["next"]


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_a_client_that_is_closed_while_its_store_opens_does_not_start(tmp_path: Path, file: Path, end: str) -> None:
    async with deduping(tmp_path) as it:
        client = it.client(store=file, **RETRIES)
        starting = asyncio.ensure_future(client.start())
        await asyncio.sleep(0)
        await getattr(client, end)()
        with pytest.raises(AlreadyClosed):
            await starting
        assert client.state == "closed"
        assert not client._supervisor.running
        await it.works(await it.connected(store=file, **RETRIES))  # the file is free


async def test_closing_writes_all_that_was_said_also_what_is_said_while_it_writes(file: Path) -> None:
    keeper, numbers, told = StoreKeeper(ClientStore(file)), list[int](), list[int]()
    await keeper.open()

    def kept(n: int) -> None:
        numbers.append(n)
        if n % 2:
            keeper.give_up(n, lambda written: told.append(n) if written else None)  # as for an event that grew too old while it was written

    for data in range(6):
        keeper.keep(CHAT, content_of(data), kept, failed)
        if data == 2:
            await asyncio.sleep(0)  # the writer has begun with these
    await keeper.close()
    assert numbers == [1, 2, 3, 4, 5, 6]
    assert told == [1, 3, 5]
    assert [each.gone for each in await pending(file)] == [True, False] * 3


async def test_the_last_word_about_a_number_is_written_before_the_store_closes(file: Path) -> None:
    keeper = StoreKeeper(ClientStore(file))
    await keeper.open()
    for data in range(4):
        keeper.keep(CHAT, content_of(data), keeper.forget, failed)
    await keeper.close()
    assert await pending(file) == []
    again = StoreKeeper(ClientStore(file))
    assert (await again.open(), again.highest) == ([], 4)
    await again.close()


async def test_a_closed_keeper_stays_closed_and_opening_twice_gives_nothing_twice(file: Path) -> None:
    keeper = StoreKeeper(ClientStore(file))
    await keeper.open()
    assert await keeper.open() == []
    keeper.keep(CHAT, content_of(1), lambda n: None, failed)
    await keeper.close()
    await keeper.close()
    with pytest.raises(AlreadyClosed):
        await keeper.open()
    again = StoreKeeper(ClientStore(file))
    assert [each.data for each in await again.open()] == [1]
    assert await again.open() == []
    await again.close()


async def test_a_full_disk_is_told_to_everybody_who_waited_for_that_write(file: Path) -> None:
    reported = listen()
    keeper, errors, numbers = StoreKeeper(ClientStore(file)), list[OSError](), list[int]()
    await keeper.open()
    database: Any = keeper._store._database
    [(pages,)] = await database.execute("PRAGMA page_count")
    await database.execute(f"PRAGMA max_page_count = {pages}")
    for data in ("small", "x" * 100_000):
        keeper.keep(CHAT, content_of(data), numbers.append, errors.append)
    await until(lambda: errors)
    assert [type(error) for error in [*errors, *reported]] == [StoreFailed] * 3
    await database.execute("PRAGMA max_page_count = 100000")
    keeper.keep(CHAT, content_of("after"), numbers.append, failed)
    await keeper.close()
    assert numbers == [1]  # no number was used up in vain


def test_without_a_store_each_start_is_somebody_else() -> None:
    first, second = MemoryKeeper(), MemoryKeeper()
    assert first.client_id != second.client_id
    numbers: list[int] = []
    for keeper in (first, first, second):
        keeper.keep(CHAT, content_of(None), numbers.append, failed)
    assert numbers == [1, 2, 1]
