"""What may be emitted at all: everything that the wire, the store and the server can carry, and nothing else."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from realtime_lab.errors import NotSerialisable
from realtime_lab.net.body import dump
from realtime_lab.net.packets import brief, content_of
from tests.net.harness import CHAT, RETRIES, deduping, until


def test_what_is_shown_of_data_is_short_whatever_it_is() -> None:
    assert brief(nested(100_000)) == "<nested too deeply>"
    assert brief([b"12", object()]) == '["<bytes>", "<object>"]'
    assert len(brief("x" * 1000)) == 80


LOOKALIKE = {"_placeholder": True, "num": 0}


def nested(levels: int) -> list[Any]:
    data: list[Any] = []
    for _ in range(levels):
        data = [data]
    return data


def test_a_dict_that_looks_like_the_place_of_bytes_is_refused_only_beside_bytes() -> None:
    """Socket.IO itself would put the bytes of the other one into it."""
    assert content_of(LOOKALIKE).data == LOOKALIKE
    for data in ({**LOOKALIKE, "file": b"1"}, [LOOKALIKE, b"1"], (LOOKALIKE, b"1")):
        with pytest.raises(NotSerialisable, match="_placeholder"):
            content_of(data)


@pytest.mark.parametrize("stored", [False, True])
async def test_what_cannot_be_stored_is_refused_by_emit_and_nothing_behind_it_waits(tmp_path: Path, stored: bool) -> None:
    async with deduping(tmp_path) as it:
        client = await it.connected(**RETRIES, **({"store": tmp_path / "client.db"} if stored else {}))
        for event, data in (
            (CHAT, [LOOKALIKE, b"1"]),
            ("\ud800", 1),
            (CHAT, float("nan")),
            (CHAT, {1, 2}),
            (CHAT, nested(sys.getrecursionlimit())),
        ):
            with pytest.raises(NotSerialisable):
                client.emit(event, data)
        assert client.settled
        assert (await client.emit(CHAT, "next")).outcome == "acked"
        assert it.at_server == ["next"]


async def test_whatever_depth_emit_accepts_arrives(tmp_path: Path) -> None:
    """Python's recursion limit counts the frames of whoever calls, and emit may be called from nearer the top than what sends."""
    async with deduping(tmp_path) as it:
        client = await it.connected(store=tmp_path / "client.db", **RETRIES)
        loop, accepted = asyncio.get_running_loop(), list[int]()

        def emit(levels: int) -> None:
            try:
                client.emit(CHAT, nested(levels))
            except NotSerialisable:
                return
            accepted.append(levels)

        limit = next(levels for levels in range(10, 2000) if refused(levels))
        for levels in range(limit - 30, limit + 30):
            loop.call_soon(emit, levels)
        await until(lambda: accepted)
        await client.flush()
        assert len(it.at_server) == len(accepted) >= 30
        assert accepted == sorted(accepted)


def refused(levels: int) -> bool:
    try:
        content_of(nested(levels))
    except NotSerialisable:
        return True
    return False


@pytest.mark.parametrize("data", [LOOKALIKE, "\ud800", {1: 2, None: 3}, [bytearray(b"1"), b""], (1, 2), 2**70, "\0"], ids=repr)
def test_what_emit_accepts_can_be_stored(data: Any) -> None:
    content_of(data)
    dump(data)
