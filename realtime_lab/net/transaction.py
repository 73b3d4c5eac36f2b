"""What one piece of work may do in the event log's database, while its transaction is open."""

import re
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from realtime_lab.errors import AlreadyClosed, InvalidSetting, RealtimeLabError, StoreFailed
from realtime_lab.net.body import dump, load
from realtime_lab.net.database import Database, Parameters, Row
from realtime_lab.net.event_reader import check_room
from realtime_lab.net.packets import check_event
from realtime_lab.rules.dedup import ANSWERS

ALLOWED = frozenset(
    {"SELECT", "VALUES", "WITH", "INSERT", "REPLACE", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "EXPLAIN", "ANALYZE", "REINDEX"}
)

Appended = Callable[[int, str, Any, str], object]
"""Called with (offset, event, data, room)."""

FIRST_WORD = re.compile(r"(?:\s|--[^\n]*\n?|/\*.*?(?:\*/|\Z))*(\w*)", re.DOTALL)
"""After space and comments. SQLite skips more (measured: ";COMMIT" commits), so what begins in another way is refused."""


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


class Transaction:
    """`tx`: SQL on the log's own database, undone as a whole if its work raises. It can be used only while that work runs.

    A deferred foreign key is judged at the commit, where it would undo other work too. Do not declare any.
    """

    def __init__(self, database: Database, on_append: Appended) -> None:
        self._database = database
        self._on_append = on_append
        self._over = False
        self.offset: int | None = None
        """The offset of the last event that this work appended."""
        self.trimmed = 0
        """Up to where this work removed events; 0: it did not."""

    async def execute(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Run one statement on the application's tables and give its rows.

        Raises InvalidSetting for BEGIN, COMMIT, PRAGMA and the like: where the transaction ends is the log's affair. What SQLite says about
        the statement itself comes as sqlite3.Error.
        """
        word = FIRST_WORD.match(sql)
        if word is None or word[1].upper() not in ALLOWED:
            raise InvalidSetting(f"tx.execute({sql!r}): one statement about data is expected, such as SELECT, INSERT, UPDATE or DELETE.")
        return await self._open().execute(sql, parameters)

    async def append(self, event: str, data: Any = None, *, to: str | None = None) -> int:
        """Append an event, for everybody or for one room, and give its offset. If this work is undone, another event gets that offset.

        Raises NotSerialisable, ReservedName, InvalidSetting.
        """
        room = "" if to is None else check_room(to)
        body, attachments = dump(data)
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
        last = rows[0][0] if rows else 0
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

    def close(self) -> None:
        """The work is done."""
        self._over = True

    def _open(self) -> Database:
        if self._over:
            raise AlreadyClosed("this tx has ended with the work that it was given to. Do everything before the function returns.")
        if not self._database.in_transaction:  # SQLite may end it by itself; another statement would then be on its own
            raise StoreFailed(f"SQLite has undone this transaction of the {self._database.what} {self._database.path}. Try again.")
        return self._database


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
