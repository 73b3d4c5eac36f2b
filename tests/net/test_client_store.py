"""The client's memory: numbers never come back, and nothing is half there."""

import asyncio
import sys
from pathlib import Path

import pytest

from realtime_lab.errors import AlreadyClosed, NotSerialisable, StoreFailed, StoreInUse
from realtime_lab.net.client_store import ClientStore, Pending
from tests.net.process import line_of, lines_of, process


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "alice.db"


async def opened(file: Path) -> ClientStore:
    store = ClientStore(file)
    await store.open()
    return store


async def test_who_the_client_is_survives_and_differs_between_files(file: Path) -> None:
    store = ClientStore(file)
    assert (store.client_id, store.highest) == ("", 0)
    await store.open()
    await store.open()
    client_id = store.client_id
    assert len(client_id) == 32
    await store.close()
    await store.close()
    again = await opened(file)
    assert again.client_id == client_id
    other = await opened(file.with_name("bob.db"))
    assert other.client_id != client_id
    await again.close()
    await other.close()


async def test_events_come_back_in_order_with_their_bytes(file: Path) -> None:
    store = await opened(file)
    assert await store.add([("a", 1), ("b", {"x": [b"bytes", None]})]) == [1, 2]
    assert await store.add([]) == []
    assert await store.add([("c", "text")]) == [3]
    await store.close()
    store = await opened(file)
    assert await store.pending() == [
        Pending(1, "a", 1, False),
        Pending(2, "b", {"x": [b"bytes", None]}, False),
        Pending(3, "c", "text", False),
    ]
    assert store.highest == 3
    await store.close()


@pytest.mark.parametrize("end", ["close", "abandon"])
async def test_numbers_never_come_back(file: Path, end: str) -> None:
    for expected in (1, 3, 5):
        store = await opened(file)
        assert store.highest == expected - 1
        assert await store.add([("a", 1), ("a", 2)]) == [expected, expected + 1]
        await store.remove([expected, expected + 1])
        assert await store.pending() == []
        assert store.highest == expected + 1
        await getattr(store, end)()


async def test_what_was_given_up_keeps_its_place_without_its_content(file: Path) -> None:
    store = await opened(file)
    await store.add([("a", n) for n in range(4)])
    await store.give_up([2, 3])
    await store.remove([1, 3])
    await store.remove([99])
    await store.give_up([99, 1])
    await store.close()
    store = await opened(file)
    assert await store.pending() == [Pending(2, "", None, True), Pending(4, "a", 3, False)]
    await store.close()


async def test_a_bad_event_spoils_its_rows_only_and_burns_no_number(file: Path) -> None:
    store = await opened(file)
    for bad in (("a", object()), ("\ud800", 1)):
        with pytest.raises(NotSerialisable):
            await store.add([("a", 1), bad])
    assert store.highest == 0
    assert await store.add([("a", 2)]) == [1]
    assert [each.data for each in await store.pending()] == [2]
    await store.close()


async def test_calls_at_the_same_time_keep_their_order(file: Path) -> None:
    store = await opened(file)
    calls = [store.add([("a", n), ("b", n)]) for n in range(20)]
    last = asyncio.ensure_future(store.remove([1]))
    assert await asyncio.gather(*calls) == [[2 * n + 1, 2 * n + 2] for n in range(20)]
    await last
    assert [each.data for each in await store.pending()][-2:] == [19, 19]
    await store.close()


async def test_a_cancelled_call_does_not_leave_half_of_it(file: Path) -> None:
    store = await opened(file)
    for turns in range(12):
        task = asyncio.ensure_future(store.add([("a", 1), ("a", 2)]))
        for _ in range(turns):
            await asyncio.sleep(0.0001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await store.add([("b", 3)])
        pending = await store.pending()
        assert [each.n for each in pending] == list(range(1, store.highest + 1))
        assert sum(each.event == "a" for each in pending) % 2 == 0
    await store.close()


async def test_a_closed_store_says_so(file: Path) -> None:
    store = ClientStore(file)
    for _ in range(2):
        for call in (store.add([("a", 1)]), store.remove([1]), store.give_up([1]), store.pending()):
            with pytest.raises(AlreadyClosed, match="not open"):
                await call
        await store.open()
        await store.close()


async def test_closing_finishes_what_runs_and_abandoning_does_not(file: Path) -> None:
    store = await opened(file)
    adding = asyncio.ensure_future(store.add([("a", n) for n in range(100)]))
    await asyncio.sleep(0)
    await store.close()
    assert len(await adding) == 100

    await store.open()
    calls = [asyncio.ensure_future(store.add([("b", n)])) for n in range(50)]
    await calls[0]
    await store.abandon()
    results = await asyncio.gather(*calls, return_exceptions=True)
    told = [each for each in results if not isinstance(each, BaseException)]
    assert {type(each) for each in results[len(told) :]} == {AlreadyClosed}
    await store.open()
    kept = [each for each in await store.pending() if each.event == "b"]
    assert len(told) <= len(kept) <= len(told) + 1  # the commit that ran may have been done
    await store.close()


async def test_abandoning_while_it_opens_ends_closed(file: Path) -> None:
    store = ClientStore(file)
    opening = asyncio.ensure_future(store.open())
    await asyncio.sleep(0)
    await store.abandon()
    await opening
    await (await opened(file)).close()


async def test_two_clients_on_one_file_are_refused(file: Path) -> None:
    async with process(
        "store = ClientStore(path); await store.open(); say(await store.add([('a', 1)])); await asyncio.sleep(60)", file
    ) as it:
        assert await line_of(it) == "[1]"
        with pytest.raises(StoreInUse, match=r"client store .* in use"):
            await opened(file)
        it.kill()
        await it.wait()
    store = await opened(file)
    assert [each.n for each in await store.pending()] == [1]
    with pytest.raises(StoreInUse):
        await opened(file)
    await store.close()


async def test_a_full_disk_burns_no_number(file: Path) -> None:
    store = await opened(file)
    assert store._database is not None
    assert await store.add([("a", 0)]) == [1]
    await store._database.execute("PRAGMA max_page_count = 8")
    with pytest.raises(StoreFailed, match="full"):
        await store.add([("a", "x" * 3000) for _ in range(20)])
    assert store.highest == 1
    await store._database.execute("PRAGMA max_page_count = 1000")
    assert await store.add([("a", "x" * 3000) for _ in range(20)]) == list(range(2, 22))
    await store.close()


QUOTA = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = ClientStore(path)
await store.open()
def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
limit(os.path.getsize(f"{path}-wal") + 20_000)
try:
    while True:
        await store.add([("a", "x" * 3000)])
except StoreFailed as error:
    say(error)
highest = store.highest
limit(resource.RLIM_INFINITY)
say(await store.add([("a", "after")]) == [highest + 1])
say([each.n for each in await store.pending()] == list(range(1, highest + 2)))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no file size limits there")
async def test_a_file_that_may_not_grow_burns_no_number(file: Path) -> None:
    reason, *rest = await lines_of(QUOTA, file)
    assert "full, over a quota, or failing" in reason
    assert rest == ["True", "True"]
