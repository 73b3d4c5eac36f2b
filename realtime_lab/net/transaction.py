"""What one piece of work may do in the event log's database, while its transaction is open."""

import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from realtime_lab.errors import PayloadTooLarge, RealtimeLabError, ReservedName
from realtime_lab.net.body import dump, load
from realtime_lab.net.database import Database
from realtime_lab.net.envelope import SESSION
from realtime_lab.net.event_reader import check_room
from realtime_lab.net.packets import check_event
from realtime_lab.net.statements import Statements
from realtime_lab.rules.dedup import ANSWERS

Appended = Callable[[int, str, Any, str], object]
"""Called with (offset, event, data, room)."""

MAX_EVENT = 1_000_000
"""Bytes of a stored event at most. A packet that a client does not take ends its connection, and would do so at every replay."""

HEARD_OF = """
    INSERT INTO log_clients (client_id, last, owner, at) VALUES (?, ?, ?, ?)
    ON CONFLICT (client_id) DO UPDATE SET last = excluded.last, owner = coalesce(excluded.owner, owner), at = excluded.at
"""


class Moved(RealtimeLabError):
    """The client's last number is not the one that the caller had seen."""

    def __init__(self, last: int) -> None:
        super().__init__(f"the last number of this client is {last} by now")
        self.last = last


class Answers(NamedTuple):
    """What is on record about one client."""

    last: int
    """The number of its last applied event; 0 before the first."""
    kept: dict[int, tuple[str, dict[str, Any]]]
    """number -> (fingerprint, answer), for the newest `ANSWERS` numbers."""


class Transaction(Statements):
    """`tx`: the log's own database, for one piece of work."""

    def __init__(self, database: Database, on_append: Appended) -> None:
        super().__init__(database)
        self._on_append = on_append
        self.offset: int | None = None
        """The offset of the last event that this work appended."""
        self.trimmed = 0
        """Up to where this work removed events; 0: it did not."""

    async def append(self, event: str, data: Any = None, *, to: str | None = None) -> int:
        """Append an event, for everybody or for one room, and give its offset. If this work is undone, another event gets that offset.

        Raises NotSerialisable, ReservedName, InvalidSetting, PayloadTooLarge.
        """
        room = "" if to is None else check_room(to)
        if event == SESSION:
            raise ReservedName(f"{SESSION!r} tells clients where they stand in the log. Choose another event name.")
        body, attachments = dump(data)
        if len(body) + len(attachments or "") > MAX_EVENT:
            raise PayloadTooLarge(
                f"{event!r} has {len(body) + len(attachments or ''):,} bytes, and a stored event may have {MAX_EVENT:,}: every client that "
                "gets it has to take it in one piece, again and again if it cannot. Store it elsewhere, and publish where it is."
            )
        sql = "INSERT INTO log_events (event, body, attachments, room, at) VALUES (?, ?, ?, ?, ?)"
        self.offset = await self._open().insert(sql, (check_event(event), body, attachments, room, time.time()))
        self._on_append(self.offset, event, data, room)
        return self.offset

    async def record(
        self, client_id: str, previous: int, n: int, fingerprint: str, answer: dict[str, Any], *, owner: str | None = None
    ) -> None:
        """Note that the client's event `n` was applied, right after `previous`, and how it was answered.

        owner   to whom the client id belongs; None leaves what is on record. Raises Moved, NotSerialisable.
        """
        text = dump(answer)
        database = self._open()
        rows = await database.execute("SELECT last FROM log_clients WHERE client_id = ?", (client_id,))
        last = rows[0][0] if rows else previous  # one that was forgotten may still be known to who asks
        if last != previous:
            raise Moved(last)
        await database.execute(HEARD_OF, (client_id, n, owner, time.time()))
        await database.execute("INSERT INTO log_answers VALUES (?, ?, ?, ?, ?)", (client_id, n, fingerprint, *text))
        await database.execute("DELETE FROM log_answers WHERE client_id = ? AND n <= ?", (client_id, n - ANSWERS))

    async def answers(self, client_id: str) -> Answers:
        """What was recorded about a client."""
        database = self._open()
        rows = await database.execute("SELECT last FROM log_clients WHERE client_id = ?", (client_id,))
        sql = "SELECT n, fingerprint, answer, attachments FROM log_answers WHERE client_id = ? ORDER BY n"
        kept = {n: (fingerprint, load(*text)) for n, fingerprint, *text in await database.execute(sql, (client_id,))}
        return Answers(rows[0][0] if rows else 0, kept)


class Marks(NamedTuple):
    """Where a log stands."""

    head: int
    """The highest offset so far; 0: none yet."""
    trimmed: int
    """Every event up to here was removed; 0: none."""

    def after(self, work: Iterable[Transaction]) -> "Marks":
        """Where it stands when this work is committed."""
        done = list(work)
        return Marks(max(self.head, 0, *(tx.offset or 0 for tx in done)), max(self.trimmed, 0, *(tx.trimmed for tx in done)))
