"""The open transaction of a group: what its work appends and records waits here, and goes to the database's thread in one piece.

A hop to that thread costs some forty times what a row costs that it writes (measured), so what is only written does not hop: it waits until
some work looks at the database, or until the commit. What SQLite is given, and in which order, is the same.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence

from realtime_lab.errors import StoreFailed
from realtime_lab.net.database import Database, Parameters, Row
from realtime_lab.rules.dedup import ANSWERS

Step = tuple[str, list[Parameters]]
"""A statement, and the rows for each of which it is run; without any it is run once."""

APPEND = "INSERT INTO log_events (offset, event, body, attachments, room, at) VALUES (?, ?, ?, ?, ?, ?)"
ANSWER = "INSERT INTO log_answers VALUES (?, ?, ?, ?, ?)"
LAST = "SELECT last FROM log_clients WHERE client_id = ?"
HEARD_OF = """
    INSERT INTO log_clients (client_id, last, owner, at) VALUES (?, ?, ?, ?)
    ON CONFLICT (client_id) DO UPDATE SET last = excluded.last, owner = coalesce(excluded.owner, owner), at = excluded.at
"""
ONLY_THE_NEWEST = "DELETE FROM log_answers WHERE client_id = ? AND n <= ?"


Decision = tuple[int, str, str, str | None]
"""What was decided about one number of a client: the number, its fingerprint, and the answer as JSON with its attachments (body.py)."""


class OpenGroup:
    """One for each transaction. Work comes one after the other: `begin_work`, then what it does, then `undo_work` if it raised.

    Work may have parts, each of which can be undone: `begin_part`, then what it does, then `undo_part` or the next `begin_part`.

    head    the highest offset so far
    lasts   the last number of each client, as far as it was looked up by this group or one before; None: there is no record
    """

    def __init__(self, database: Database, head: int, lasts: dict[str, int | None]) -> None:
        self.head = head
        self.rows = 0
        """How many were appended or recorded, also by work that was undone."""
        self._database = database
        self._begun = False
        self._parted = False
        """Has the work that runs parts?"""
        self._steps: list[Step] = []
        """What waits of work that is over."""
        self._own: list[Step] = []
        """What waits of the work that runs."""
        self._rows: list[Parameters] = []
        """The latest of its steps, if that appends: more rows may join it."""
        self._savepoint = False
        """Is one open?"""
        self._entered = False
        """Is it that of the work that runs? It is only made when that work looks at the database."""
        self._head_before = head
        self._lasts = lasts
        """As it is when everything that waits is written."""
        self._lasts_before: dict[str, int | None] = {}
        """What the work that runs has changed of them."""

    @property
    def stands(self) -> bool:
        """False: SQLite has undone it by itself, as it may when the disk is full. Ask between statements only."""
        return not self._begun or self._database.in_transaction

    def begin_work(self) -> None:
        """What was done before stands."""
        self.begin_part()
        self._parted = False

    def begin_part(self) -> None:
        """What was done before stands, also if it is another part of this work."""
        self._parted = True
        for sql, rows in self._own:
            if self._steps and self._steps[-1][0] == sql:
                self._steps[-1][1].extend(rows)
            else:
                self._steps.append((sql, rows))
        self._own, self._rows, self._entered = [], [], False
        self._head_before, self._lasts_before = self.head, {}

    async def undo_work(self) -> None:
        """Nothing that was done since `begin_work` is left. Raises as `Database.run`; StoreFailed if it has parts, which may stand."""
        if self._parted:
            raise StoreFailed("work has failed of which a part stands, so everything in its transaction has to be undone")
        await self.undo_part()

    async def undo_part(self) -> None:
        """Nothing that was done since `begin_part` is left. Raises as `Database.run`."""
        entered, self._own, self._rows, self._entered = self._entered, [], [], False
        self.head = self._head_before
        self._lasts |= self._lasts_before
        if entered:
            self._lasts.clear()  # it may have looked at what it had changed itself
            await self._database.run(lambda connection: _perform(connection, [("ROLLBACK TO work", [])]))

    def append(self, event: str, body: str, attachments: str | None, room: str) -> int:
        """Append an event, and give its offset."""
        self.head += 1
        self.rows += 1
        if not self._rows:
            self._own.append((APPEND, self._rows))
        self._rows.append((self.head, event, body, attachments, room, time.time()))
        return self.head

    async def last_of(self, client_id: str) -> int | None:
        """The last number that is on record for a client. Raises as `Database.run`."""
        if client_id not in self._lasts:
            rows = await self._run([], lambda connection: connection.execute(LAST, (client_id,)).fetchall())
            self._lasts[client_id] = rows[0][0] if rows else None
        return self._lasts[client_id]

    def record(self, client_id: str, decisions: Sequence[Decision], owner: str | None) -> None:
        """These numbers follow the last one of this client. Ask `last_of` first."""
        last = decisions[-1][0]
        self.rows += len(decisions)
        self._lasts_before.setdefault(client_id, self._lasts[client_id])
        self._lasts[client_id] = last
        self._rows = []
        self._own += [
            (HEARD_OF, [(client_id, last, owner, time.time())]),
            (ANSWER, [(client_id, *each) for each in decisions[-ANSWERS:]]),
            (ONLY_THE_NEWEST, [(client_id, last - ANSWERS)]),
        ]

    async def execute(self, sql: str, parameters: Parameters) -> list[Row]:
        """Run one statement of the work that runs, after everything that waits. Raises as `Database.run`."""
        steps, own = self._steps, self._own
        if not self._entered:
            release: list[Step] = [("RELEASE work", [])] if self._savepoint else []
            steps = [*release, *steps, ("SAVEPOINT work", [])]
        self._entered = self._savepoint = True
        self._steps, self._own, self._rows = [], [], []
        if "log_clients" in sql:
            self._lasts.clear()
        return await self._run([*steps, *own], lambda connection: connection.execute(sql, parameters).fetchall())

    async def commit(self) -> None:
        """Write what waits, and make it durable. Raises as `Database.run`."""
        self.begin_work()
        steps, self._steps = [*self._steps, ("COMMIT", [])], []
        await self._run(steps, lambda connection: [])

    async def _run(self, steps: Sequence[Step], then: Callable[[sqlite3.Connection], list[Row]]) -> list[Row]:
        if not self._begun:
            steps = [("BEGIN IMMEDIATE", []), *steps]
            self._begun = True

        def run(connection: sqlite3.Connection) -> list[Row]:
            try:
                _perform(connection, steps)
            except sqlite3.IntegrityError as error:  # of what is ours; a deferred constraint shows at the commit
                raise StoreFailed(f"{error}") from error
            return then(connection)

        return await self._database.run(run)


def _perform(connection: sqlite3.Connection, steps: Sequence[Step]) -> None:
    for sql, rows in steps:
        if rows:
            connection.executemany(sql, rows)
        else:
            connection.execute(sql)
