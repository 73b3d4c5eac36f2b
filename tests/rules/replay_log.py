"""The log of the model: real SQL in memory, and beside it the book, which remembers what the log has removed."""

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple


class Row(NamedTuple):
    """One committed event. No two have the same serial, whatever database they were in."""

    offset: int
    room: str
    serial: int


@dataclass
class Book:
    """Everything that one database ever committed, in the order of the commits. Only the checks read it."""

    epoch: str
    rows: list[Row] = field(default_factory=list)

    @property
    def head(self) -> int:
        return max((row.offset for row in self.rows), default=0)

    def index_after(self, offset: int) -> int:
        return next((i for i, row in enumerate(self.rows) if row.offset > offset), len(self.rows))

    def visible(self, rooms: Collection[str], start: int) -> list[Row]:
        return [row for row in self.rows[start:] if row.room in ("", *rooms)]

    def between(self, after: int, upto: int) -> list[Row]:
        return [row for row in self.rows if after < row.offset <= upto]

    def agrees(self, other: "Book", upto: int) -> bool:
        """Did both commit the same up to this offset?"""
        return self.between(0, upto) == other.between(0, upto)


class Page(NamedTuple):
    """All of one snapshot."""

    events: list[tuple[int, int]]
    trimmed: int
    head: int


class Log:
    """The statements have the shape of the real ones. `autoincrement`, `ordered`: left out, they are ways to lose something."""

    def __init__(self, *, autoincrement: bool = True, ordered: bool = True) -> None:
        self.autoincrement, self.order = autoincrement, "ORDER BY offset" if ordered else ""
        key = "PRIMARY KEY AUTOINCREMENT" if autoincrement else "PRIMARY KEY"
        self.database = sqlite3.connect(":memory:", isolation_level=None)
        self.database.executescript(f"""
            CREATE TABLE log_meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
            INSERT INTO log_meta VALUES ('trimmed', 0);
            CREATE TABLE log_events (offset INTEGER {key}, body INTEGER NOT NULL, room TEXT NOT NULL DEFAULT '');
            CREATE INDEX log_events_room ON log_events (room);
        """)

    def copy(self) -> "Log":
        made = Log(autoincrement=self.autoincrement, ordered=bool(self.order))
        self.database.backup(made.database)
        return made

    def append(self, events: list[tuple[str, int]], *, gap: int = 0, commit: bool = True) -> list[Row]:
        """(room, serial) each, in one transaction. `gap`: so many offsets before the first are never used."""
        self.database.execute("BEGIN")
        rows = []
        for room, serial in events:
            offset = self.read(0, 0).head + 1 + gap if gap else None  # None: the database gives one
            given = self.database.execute("INSERT INTO log_events (offset, body, room) VALUES (?, ?, ?)", (offset, serial, room)).lastrowid
            rows.append(Row(given or 0, room, serial))
            gap = 0
        self.database.execute("COMMIT" if commit else "ROLLBACK")
        return rows

    def read(self, after: int, limit: int, rooms: Collection[str] = ()) -> Page:
        sql = f"SELECT offset, body FROM log_events WHERE offset > ? AND room IN ('' {', ?' * len(rooms)}) {self.order} LIMIT ?"
        events = self.database.execute(sql, (after, *rooms, limit)).fetchall()
        state = "SELECT value, (SELECT max(offset) FROM log_events) FROM log_meta WHERE name = 'trimmed'"
        ((trimmed, last),) = self.database.execute(state)
        return Page(events, trimmed, max(trimmed, last or 0))

    def trim(self, before: int) -> None:
        """Remove what has a lower offset. `trimmed` is the highest offset that was removed."""
        self.database.execute(
            "UPDATE log_meta SET value = max(value, coalesce((SELECT max(offset) FROM log_events WHERE offset < ?), 0))", (before,)
        )
        self.database.execute("DELETE FROM log_events WHERE offset < ?", (before,))

    def close(self) -> None:
        self.database.close()
