"""Damaged stores: a clear error or correct data, never a hang, and never a file that is gone."""

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from realtime_lab.errors import StoreFailed
from realtime_lab.net.client_store import ClientStore
from realtime_lab.net.event_log import EventLog
from realtime_lab.rules.replay import Position
from tests.examples import examples

EVENTS = 60
PAYLOAD = "x" * 150
"""Enough for several pages."""


@dataclass(frozen=True)
class Damage:
    """What becomes of one of the files of a database, from a place in it on (a part of its length)."""

    file: str
    how: str
    where: float
    data: bytes


DAMAGES = st.lists(
    st.builds(
        Damage,
        st.sampled_from(["", "", "", "-wal"]),
        st.sampled_from(["flip", "write", "write", "zeros", "cut", "cut out", "append"]),
        st.floats(0, 1) | st.sampled_from([0.0, 0.001, 0.01]),
        st.binary(min_size=1, max_size=40),
    ),
    min_size=1,
    max_size=3,
)


def damage(file: Path, what: Damage) -> None:
    file = Path(f"{file}{what.file}")
    if not file.exists():
        return
    raw = file.read_bytes()
    at, size = int(what.where * len(raw)), len(what.data)
    match what.how:
        case "flip":
            raw = raw[:at] + bytes([raw[at] ^ (what.data[0] or 1)]) + raw[at + 1 :] if at < len(raw) else raw
        case "write":
            raw = raw[:at] + what.data + raw[at + size :]
        case "zeros":
            raw = raw[:at] + bytes(size * 100) + raw[at + size * 100 :]
        case "cut":
            raw = raw[:at]
        case "cut out":
            raw = raw[:at] + raw[at + size :]
        case "append":
            raw += what.data
    file.write_bytes(raw)


async def filled_log(path: Path, copy: Callable[[], object]) -> None:
    async with EventLog(path) as log:
        for n in range(EVENTS):
            await log.append("chat", {"n": n, "text": PAYLOAD}, to="room" if n % 3 else None)
        await log.transact(lambda tx: tx.record("c", 0, 1, "f", {"ok": True}))
        copy()


async def filled_store(path: Path, copy: Callable[[], object]) -> None:
    store = ClientStore(path)
    await store.open()
    await store.add([("chat", {"n": n, "text": PAYLOAD}) for n in range(EVENTS)])
    await store.move(Position("e", 7))
    await store.give_up([3, 4])
    copy()
    await store.close()


def sound(n: Any, data: Any) -> bool:
    """Can this be, as far as anybody knows? A byte of a text may be another one now, but it is still the event's data, at its place."""
    return type(n) is int and (data is None or isinstance(data, (dict, list, str, int, float)))


async def use_log(path: Path) -> None:
    """Everything that a server does with a log. Each part may fail on its own."""
    log = EventLog(path)
    try:
        await log.open()
        for part in (read_events, lambda log: log.history_of("c"), lambda log: log.owner_of("c"), append):
            with suppress(StoreFailed):
                await part(log)
    finally:
        await log.close()


async def read_events(log: EventLog) -> None:
    after = 0
    while page := (await log.read(after, 7, rooms=None, max_bytes=2000)).events:
        for each in page:
            assert each.offset > after
            after = each.offset
            assert isinstance(each.event, str) and isinstance(each.body, str) and isinstance(each.room, str)
            with suppress(StoreFailed):
                assert sound(each.offset, each.data)


async def append(log: EventLog) -> None:
    offset = await log.append("chat", "new")
    (new,) = (await log.read(offset - 1, 1)).events
    assert (new.offset, new.data) == (offset, "new")


async def use_store(path: Path) -> None:
    """Everything that a client does with a store. Each part may fail on its own."""
    store = ClientStore(path)
    try:
        await store.open()
        assert isinstance(store.client_id, str) and type(store.highest) is int
        assert store.position is None or (isinstance(store.position.epoch, str) and type(store.position.offset) is int)
        for part in (
            pending,
            add,
            lambda store: store.remove([1, 2]),
            lambda store: store.give_up([5]),
            lambda store: store.move(Position("e", 8)),
            pending,
        ):
            with suppress(StoreFailed):
                await part(store)
    finally:
        await store.close()


async def pending(store: ClientStore) -> None:
    rows = await store.pending()
    assert [row.n for row in rows] == sorted({row.n for row in rows})
    assert all(isinstance(row.event, str) and sound(row.n, row.data) for row in rows)


async def add(store: ClientStore) -> None:
    before = store.highest
    assert await store.add([("chat", "new")]) == [before + 1]


Kind = tuple[Callable[[Path, Callable[[], object]], Awaitable[None]], Callable[[Path], Awaitable[None]]]
KINDS: dict[str, Kind] = {"log": (filled_log, use_log), "store": (filled_store, use_store)}


def copied(source: Path, target: Path) -> None:
    """All files of a database but its lock, which is empty."""
    target.mkdir()
    for each in source.iterdir():
        if not each.name.endswith("-lock"):
            shutil.copy(each, target)


@pytest.mark.parametrize("state", ["open", "closed"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_store_gives_an_error_or_what_is_true_and_is_still_there(kind: str, state: str, tmp_path: Path) -> None:
    fill, use = KINDS[kind]
    good, bad = tmp_path / "good", tmp_path / "bad"
    (made := tmp_path / "made").mkdir()
    asyncio.run(fill(made / "a.db", (lambda: copied(made, good)) if state == "open" else lambda: None))
    if state == "closed":
        copied(made, good)
    assert (good / "a.db-wal").exists() is (state == "open")

    @settings(max_examples=examples(32), deadline=None)
    @given(damages=DAMAGES)
    @example(damages=[Damage("", "flip", 0.123046875, b"\x80")])  # what SQLite says of it is no text
    def survives(damages: list[Damage]) -> None:
        shutil.rmtree(bad, ignore_errors=True)
        copied(good, bad)
        for each in damages:
            damage(bad / "a.db", each)
        size = (bad / "a.db").stat().st_size
        failed = False
        try:
            asyncio.run(asyncio.wait_for(use(bad / "a.db"), 10))
        except StoreFailed as error:
            failed = True
            assert str(bad / "a.db") in str(error)
        assert (bad / "a.db").exists()
        if failed and size:
            assert (bad / "a.db").stat().st_size > 0

    survives()


@pytest.mark.parametrize("kind", KINDS)
async def test_what_sqlite_says_of_a_damaged_file_may_be_no_text(kind: str, tmp_path: Path) -> None:
    fill, use = KINDS[kind]
    await fill(tmp_path / "a.db", lambda: None)
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = CAST(x'43524541544520cc205441' AS TEXT) WHERE type = 'table'")
    with pytest.raises(StoreFailed, match=r"a\.db cannot be used: .*xcc"):
        await use(tmp_path / "a.db")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lost", ["emptied", "gone"])
async def test_a_write_ahead_log_without_its_database_is_not_thrown_away(kind: str, lost: str, tmp_path: Path) -> None:
    """SQLite itself would remove it, and begin anew."""
    fill, use = KINDS[kind]
    (made := tmp_path / "made").mkdir()
    await fill(made / "a.db", partial(copied, made, tmp_path / "left"))
    file = tmp_path / "left" / "a.db"
    file.write_bytes(b"") if lost == "emptied" else file.unlink()
    before = (tmp_path / "left" / "a.db-wal").read_bytes()
    assert before
    with pytest.raises(StoreFailed, match="write-ahead log"):
        await use(file)
    assert (tmp_path / "left" / "a.db-wal").read_bytes() == before


@pytest.mark.parametrize("body", ["CAST(x'22ff22' AS TEXT)", "'[1,'", "x'31'", "NULL"], ids=["no text", "no JSON", "bytes", "nothing"])
async def test_an_outbox_that_cannot_be_read_is_damaged(body: str, tmp_path: Path) -> None:
    await filled_store(tmp_path / "a.db", lambda: None)
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'body TEXT NOT NULL', 'body TEXT') WHERE name = 'store_events'")
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection, connection:
        connection.execute(f"UPDATE store_events SET body = {body} WHERE n = 5")
    store = ClientStore(tmp_path / "a.db")
    await store.open()
    with pytest.raises(StoreFailed, match="is damaged"):
        await store.pending()
    await store.close()


@pytest.mark.parametrize("column", ["event", "body", "room", "attachments", "at"])
async def test_a_stored_event_whose_columns_have_lost_their_kind_is_no_event(column: str, tmp_path: Path) -> None:
    await filled_log(tmp_path / "a.db", lambda: None)
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection, connection:
        connection.execute(f"UPDATE log_events SET {column} = x'ff01' WHERE offset = 5")
    async with EventLog(tmp_path / "a.db") as log:
        with pytest.raises(StoreFailed, match=r"5 .*is damaged"):
            await log.read(0, 10, rooms=None)
        assert json.loads((await log.read(5, 1, rooms=None)).events[0].body)["n"] == 5
