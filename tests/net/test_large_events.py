"""What is read and handed over at once is limited by its size, not only by its number: large events do not pile up in memory."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from realtime_lab.net.database import Row
from realtime_lab.net.event_log import EventLog
from realtime_lab.net.feed import BYTES
from tests.net.harness import rounds, until
from tests.net.replaying import caught_up, log_of, missed, publish, replaying, sent_to

pytestmark = pytest.mark.usefixtures("both_ways")

LARGE = "x" * 900_000


@pytest.mark.parametrize("path", ["log.db", ":memory:"])
async def test_a_page_has_so_much_text_at_most_and_says_that_there_is_more(tmp_path: Path, path: str) -> None:
    async with EventLog(path if path == ":memory:" else tmp_path / path, synchronous="OFF") as log:
        for size in (98, 98, 298, 98, 8, 8):  # and two quotation marks
            await log.append("a", "x" * size)
        for after, max_bytes, expected, complete in [
            (0, 200, [1, 2], False),
            (0, 199, [1], False),
            (2, 200, [3], False),
            (2, 0, [3], False),
            (3, 110, [4, 5], False),
            (3, 120, [4, 5, 6], True),
            (0, 10_000, [1, 2, 3, 4, 5, 6], True),
            (6, 0, [], True),
        ]:
            page = await log.read(after, max_bytes=max_bytes)
            assert ([each.offset for each in page.events], page.complete, page.head, page.trimmed) == (expected, complete, 6, 0)
        assert [each.offset for each in (await log.read(0, 3, max_bytes=10_000)).events] == [1, 2, 3]
        for n in range(7, 100):
            await log.append("a", n, to="r" if n % 2 else None)
        page = await log.read(6, 80, rooms=["r"], max_bytes=10_000)
        assert [each.offset for each in page.events] == list(range(7, 87))


async def test_of_a_hundred_large_rows_only_a_few_are_fetched_and_the_next_read_sees_what_is_new(tmp_path: Path) -> None:
    async with EventLog(tmp_path / "log.db", synchronous="OFF") as log:
        await asyncio.gather(*(log.append("a", n) for n in range(100)))
        seen: list[Row] = []
        second = log._second
        assert second is not None
        rows = await second.take(lambda row: bool(seen.append(row)) or len(seen) == 3, "SELECT offset FROM log_events ORDER BY offset")
        assert rows == seen == [(1,), (2,), (3,)]
        taken = asyncio.create_task(second.take(lambda row: False, "SELECT a.offset FROM log_events a, log_events b, log_events c"))
        await rounds(5)
        taken.cancel()
        await asyncio.wait({taken})
        assert taken.cancelled()
        with pytest.raises(ZeroDivisionError) as kept:  # it keeps the frame, and so the cursor, alive
            await second.take(lambda row: bool(1 / 0), "SELECT offset FROM log_events")
        assert await log.append("a", "new") == 101
        assert (await log.read(100)).head == 101, kept  # an open statement would have kept its old snapshot


async def test_reads_beside_each_other_have_a_snapshot_each(tmp_path: Path) -> None:
    async with EventLog(tmp_path / "log.db", synchronous="OFF") as log:
        await asyncio.gather(*(log.append("a", n) for n in range(200)))
        stop = asyncio.Event()

        async def read() -> None:
            while not stop.is_set():
                await log.read(0, 100, max_bytes=100_000)

        readers = [asyncio.create_task(read()) for _ in range(5)]
        for n in range(201, 221):
            assert await log.append("a", n) == n
            assert [each.offset for each in (await log.read(n - 1, max_bytes=100)).events] == [n]
        stop.set()
        await asyncio.gather(*readers)


async def test_a_client_that_was_away_gets_large_and_small_events_in_order(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it:
        client = await it.connected(replay=True)
        data = [LARGE if n % 3 == 0 else n for n in range(30)]
        await missed(it, client, *data)
        await caught_up(it, client)
        assert it.at_client == data


async def test_who_reads_nothing_is_handed_little_more_than_the_sockets_hold(tmp_path: Path) -> None:
    async with replaying(tmp_path) as it, aiohttp.ClientSession() as http:
        await publish(it, *([LARGE] * 20))
        async with http.get(url := f"{it.server.url}/socket.io/?EIO=4&transport=polling") as answer:
            url += "&sid=" + (await answer.text()).split('"sid":"')[1].split('"')[0]
        await http.post(url, data='40{"offset":0}')  # and never polls
        await until(lambda: it.server.sids)
        reads = log_of(it).read
        for _ in range(3):
            await rounds(50)
            assert (await reads(0, 1, max_bytes=BYTES)).complete is False
        assert len(sent_to(it, it.server.sids[0])) <= 1
