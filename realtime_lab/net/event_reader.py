"""Reading the event log: pages of committed events, in the order of their offsets.

A page is one statement, and so one snapshot of the database: a commit or a trim beside it is seen whole, or not at all.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Collection
from typing import Any, NamedTuple

from realtime_lab.errors import InvalidSetting, StoreFailed
from realtime_lab.net.body import load
from realtime_lab.net.database import Parameters, Row

Enough = Callable[[Row], bool]

Query = Callable[[str, Parameters, Enough | None], Awaitable[list[Row]]]
"""Runs one statement and gives its rows, up to the one at which it is enough; None: all."""

HIGHEST = 2**63 - 1
"""The largest number that SQLite holds, and so the largest offset."""

ROOM = 200
"""Characters of a room's name at most."""

ROOMS = 10_000
"""Rooms that one read may name at most; SQLite itself takes about three times as many values."""

COLUMNS = "offset, event, body, attachments, room, at"

KINDS: tuple[set[type], ...] = ({int}, {str}, {str}, {str, type(None)}, {str}, {float})

IN_ALL_ROOMS = f"SELECT {COLUMNS} FROM log_events WHERE offset > :after ORDER BY offset LIMIT :limit"

IN_ROOMS = f"""
    SELECT {COLUMNS} FROM log_events WHERE offset IN (
        SELECT offset FROM log_events INDEXED BY log_events_room WHERE room IN ({{rooms}}) AND offset > :after ORDER BY offset LIMIT :limit)
    ORDER BY offset LIMIT :limit
"""
"""The offsets come from the index alone: no event of another room is touched, however many there are."""

PAGE = """
    SELECT
        coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'log_events'), 0),
        (SELECT CAST(value AS INTEGER) FROM log_meta WHERE name = 'trimmed'),
        NULL, NULL, NULL, NULL
    UNION ALL SELECT * FROM ({found})
"""
"""The first row says where the log stands. SQLite gives the events one by one, and never holds all of them (see EXPLAIN QUERY PLAN)."""


class Stored(NamedTuple):
    """One event of the log."""

    offset: int
    event: str
    body: str
    """JSON, as in body.py."""
    attachments: str | None
    room: str
    """"": it is for everybody."""
    at: float
    """When it was appended, in seconds since 1970 (Unix time)."""

    @property
    def size(self) -> int:
        """How much text it is, in bytes."""
        return len(self.body) + len(self.attachments or "")

    @property
    def data(self) -> Any:
        """What was appended. Raises StoreFailed if it can no longer be read as that."""
        try:
            return load(self.body, self.attachments)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise StoreFailed(f"the stored event {self.offset} is damaged: {error}. Put a backup of the log in its place.") from error


class Page(NamedTuple):
    """Some events, and where the log stood when they were read."""

    events: list[Stored]
    head: int
    """The highest offset committed so far; 0: none yet."""
    trimmed: int
    """Everything up to here is gone for good; 0: nothing."""
    complete: bool = True
    """False: `max_bytes` has cut it short, and there is more."""


class EventReader:
    """Reads the log at `path` by queries. Raises what they raise, and StoreFailed when the tables are not as they were made."""

    def __init__(self, query: Query, path: str) -> None:
        self._query = query
        self._path = path

    async def page(self, after: int, limit: int, rooms: Collection[str] | None = (), max_bytes: int | None = None) -> Page:
        """See `EventLog.read`."""
        check_number("after", after)
        check_number("limit", limit)
        names = {} if rooms is None else {f"room{i}": room for i, room in enumerate(["", *check_rooms(rooms)])}
        found = IN_ALL_ROOMS if rooms is None else IN_ROOMS.format(rooms=", ".join(f":{name}" for name in names))
        budget = None if max_bytes is None else _Budget(check_number("max_bytes", max_bytes))
        enough = None if budget is None else budget.is_exceeded
        rows = await self._rows(PAGE.format(found=found), {"after": after, "limit": limit, **names}, enough)
        (head, trimmed, *_), *events = rows
        complete = budget is None or budget.left >= 0
        if not complete and len(events) > 1:
            events.pop()  # the one that was too much
        self._check_kinds(events)
        return Page([Stored._make(event) for event in events], head, trimmed, complete)

    async def owner_of(self, client_id: str) -> str | None:
        """See `EventLog.owner_of`."""
        rows = await self._rows("SELECT owner FROM log_clients WHERE client_id = ?", (client_id,))
        return rows[0][0] if rows else None

    def _check_kinds(self, events: list[Row]) -> None:
        """What is damaged may have become a value of another kind, and SQLite gives it as that. All rows at once, which takes no time."""
        kinds = [{*map(type, column)} for column in zip(*events, strict=True)]
        if all(kind <= expected for kind, expected in zip(kinds, KINDS, strict=False)):
            return
        for offset, *values in events:
            if not all(type(value) in expected for value, expected in zip(values, KINDS[1:], strict=True)):
                raise StoreFailed(f"the stored event {offset} in {self._path} is damaged. Put a backup of the log in its place.")

    async def _rows(self, sql: str, parameters: Parameters, enough: Enough | None = None) -> list[Row]:
        try:
            return await self._query(sql, parameters, enough)
        except sqlite3.Error as error:
            raise StoreFailed(f"the event log {self._path} cannot be read: {error}. Put a backup in its place.") from error


class _Budget:
    """Counts the stored text of events."""

    def __init__(self, size: int) -> None:
        self.left = size

    def is_exceeded(self, row: Row) -> bool:
        """Is it too much with this event?"""
        if row[2] is not None:  # else it is the row that says where the log stands
            self.left -= Stored._make(row).size
        return self.left < 0


def check_number(name: str, value: int, least: int = 0) -> int:
    """The number, or InvalidSetting."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= HIGHEST:
        raise InvalidSetting(f"{name}={value!r}: give a whole number, {least} or more.")
    return value


def check_room(room: str) -> str:
    """The room's name, or InvalidSetting."""
    if not isinstance(room, str) or not 1 <= len(room) <= ROOM:
        raise InvalidSetting(f"{room!r} is not the name of a room: give 1 to {ROOM} characters. Without a room an event is for everybody.")
    try:
        room.encode()
    except UnicodeEncodeError:
        raise InvalidSetting(f"the room {room!r} holds half of a surrogate pair. Give well-formed text.") from None
    return room


def check_rooms(rooms: Collection[str]) -> list[str]:
    """The names, each once, or InvalidSetting."""
    if isinstance(rooms, str) or not isinstance(rooms, Collection) or len(rooms) > ROOMS:
        raise InvalidSetting(f"rooms={rooms!r:.80}: give a list or a set of at most {ROOMS} names, or None for all rooms.")
    return [check_room(room) for room in dict.fromkeys(rooms)]
