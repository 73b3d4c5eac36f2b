"""What is read from the log: in order, only what is committed, only what somebody may see, one snapshot."""

import asyncio
from pathlib import Path

import pytest

from realtime_lab.net.event_log import EventLog
from realtime_lab.net.event_reader import Page


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


def offsets(page: Page) -> list[int]:
    return [each.offset for each in page.events]


@pytest.fixture(params=["log.db", ":memory:"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return request.param if request.param == ":memory:" else str(tmp_path / request.param)


async def test_an_event_comes_back_as_it_was_appended(path: str) -> None:
    async with EventLog(path) as log:
        await log.append("chat message", {"a": [b"x", 1]}, to="lobby")
        await log.append("b")
        first, second = (await log.read(0, rooms=None)).events
        assert (first.offset, first.event, first.room, first.data) == (1, "chat message", "lobby", {"a": [b"x", 1]})
        assert (second.offset, second.event, second.room, second.data) == (2, "b", "", None)
        assert await log.events() == [first, second]


async def test_a_page_has_what_comes_after_an_offset(path: str) -> None:
    async with EventLog(path) as log:
        assert await log.read(0) == Page([], 0, 0)
        await asyncio.gather(*(log.append("a", n) for n in range(1, 11)))
        assert offsets(await log.read(3, 4)) == [4, 5, 6, 7]
        assert await log.read(10) == await log.read(99) == await log.read(0, 0) == Page([], 10, 0)


async def test_only_what_is_for_everybody_or_for_these_rooms(path: str) -> None:
    async with EventLog(path) as log:
        for room in (None, "a", "b", "c", None, "a"):
            await log.append("x", to=room)
        assert offsets(await log.read(0)) == [1, 5]
        assert offsets(await log.read(0, rooms={"a", "c"})) == [1, 2, 4, 5, 6]
        assert offsets(await log.read(1, 2, rooms=["b", "missing"])) == [3, 5]
        assert offsets(await log.read(0, rooms=None)) == [1, 2, 3, 4, 5, 6]
