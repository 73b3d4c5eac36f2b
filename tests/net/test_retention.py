"""What the log forgets, asked or by itself."""

import asyncio
from pathlib import Path

import pytest

from realtime_lab.errors import InvalidSetting
from realtime_lab.net.event_log import EventLog


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


async def kept(log: EventLog) -> list[int]:
    return [each.offset for each in await log.events()]


async def test_trimming_removes_what_is_below(file: Path) -> None:
    async with EventLog(file) as log:
        for _ in range(5):
            await log.append("a")
        assert await log.trim(0) == await log.trim(1) == 0
        assert await log.trim(4) == 3
        assert await log.trim(3) == 0
        assert await kept(log) == [4, 5]
        assert (log.head, log.trimmed, log.oldest) == (5, 3, 4)
        with pytest.raises(InvalidSetting, match="give 6 at most"):
            await log.trim(7)
        assert await log.trim(6) == 2
        assert await log.append("a") == 6
    async with EventLog(file) as log:
        assert (log.head, log.trimmed, log.oldest) == (6, 5, 6)


async def test_after_each_commit_only_the_newest_are_kept(file: Path) -> None:
    async with EventLog(file, max_events=3) as log:
        for n in range(1, 8):
            await log.append("a")
            assert await kept(log) == list(range(max(1, n - 2), n + 1))
        await asyncio.gather(*(log.append("a") for _ in range(3000)))
        assert await kept(log) == [3005, 3006, 3007]
        assert log.trimmed == 3004
