"""What the event log forgets: the oldest events, and clients that were not heard of for long.

Everything is forgotten in pieces, so that nobody who writes waits long. `trimmed` is written in the transaction that deletes.
"""

import math
import sqlite3
import time
from collections.abc import Awaitable, Callable

from realtime_lab.errors import InvalidSetting, StoreFailed, StoreInUse
from realtime_lab.net.event_reader import check_number
from realtime_lab.net.group_commit import Work
from realtime_lab.net.reporting import report
from realtime_lab.net.transaction import Transaction

PIECE = 1000
"""Events removed in one transaction at most, beyond as many as it appends."""

CLIENTS = 10
"""Clients forgotten in one transaction at most. Each has up to 512 answers."""

PATIENCE = 0.01
"""How often ages are looked at, as a part of the age that is allowed."""


PAUSE = 60.0
"""Seconds until the next attempt, when forgetting has failed."""


async def trim(tx: Transaction, upto: int, piece: int = PIECE) -> int:
    """Remove the oldest events, up to this offset, but `piece` of them at most. Returns the offset up to which they are removed."""
    sql = "SELECT offset FROM log_events WHERE offset <= ? ORDER BY offset LIMIT 1 OFFSET ?"
    rows = await tx.execute(sql, (upto, piece - 1))
    tx.trimmed = rows[0][0] if rows else upto
    mark = "UPDATE log_meta SET value = ? WHERE name = 'trimmed' AND CAST(value AS INTEGER) < ?"
    await tx.execute(mark, (tx.trimmed, tx.trimmed))
    await tx.execute("DELETE FROM log_events WHERE offset <= ?", (tx.trimmed,))
    return tx.trimmed


async def trim_below(transact: Callable[[Work[tuple[int, int]]], Awaitable[tuple[int, int]]], before: int) -> int:
    """See `EventLog.trim`."""

    async def piece(tx: Transaction) -> tuple[int, int]:
        ((head,),) = await tx.execute("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'log_events'), 0)")
        if before > head + 1:
            raise InvalidSetting(f"before={before}: the log goes up to {head}, so give {head + 1} at most, which removes everything.")
        done = await trim(tx, max(0, before - 1))
        ((changes,),) = await tx.execute("SELECT changes()")
        return done, changes

    check_number("before", before)
    done, removed = await transact(piece)
    while done < before - 1:
        done, more = await transact(piece)
        removed += more
    return removed


class Retention:
    """Forgets by itself, with the commits of other work: an idle log forgets nothing.

    max_events      after each commit there are at most so many. Only a log that is opened with more needs some commits (its own) until then
    max_age         in seconds. With a commit, and at most every hundredth of this time, the events that are older are removed, and
                    every event before one that is
    forget_clients  in seconds; looked at as often. A client is heard of when one of its events is recorded
    """

    def __init__(self, *, max_events: int | None, max_age: float | None, forget_clients: float | None) -> None:
        self._max_events = None if max_events is None else check_number("max_events", max_events, 1)
        self._ages = _Look("max_age", max_age)
        self._clients = _Look("forget_clients", forget_clients)
        self._not_before = -math.inf
        self.behind = False
        """Is there, as far as known, more to forget at once?"""

    def due(self, head: int, trimmed: int) -> bool:
        """Is there something to forget, or to look at?"""
        if time.monotonic() < self._not_before:
            return False
        return self.behind or self._too_many(head) > trimmed or self._ages.due or self._clients.due

    async def forget(self, tx: Transaction, head: int, appended: int) -> None:
        """Forget a piece: PIECE events beyond as many as this transaction appends.

        An error is reported. It undoes nothing else, unless it is the file that failed: that undoes the whole transaction.
        """
        try:
            await self._forget(tx, head, appended)
        except (StoreFailed, StoreInUse, sqlite3.Error) as error:
            self.behind, self._not_before = False, time.monotonic() + PAUSE
            message = f"the event log could not forget what is too old: {error}"
            report(message, error)
            raise

    async def _forget(self, tx: Transaction, head: int, appended: int) -> None:
        piece = PIECE + appended
        upto = max(0, self._too_many(head))
        if (limit := self._ages.limit(self.behind)) is not None:
            upto = max(upto, await _too_old(tx, limit, piece))
        done = await trim(tx, upto, piece) if upto else 0
        forgotten = 0 if (limit := self._clients.limit(self.behind)) is None else await _forget_clients(tx, limit)
        self.behind = done < upto or forgotten == CLIENTS

    def _too_many(self, head: int) -> int:
        return 0 if self._max_events is None else head - self._max_events


class _Look:
    """An age that is allowed, and when to look at it again."""

    def __init__(self, name: str, age: float | None) -> None:
        if age is not None and (isinstance(age, bool) or not isinstance(age, (int, float)) or not 0 < age < math.inf):
            raise InvalidSetting(f"{name}={age!r}: give a number of seconds, more than 0, or None.")
        self._age = age
        self._next = -math.inf

    @property
    def due(self) -> bool:
        return self._age is not None and time.monotonic() >= self._next

    def limit(self, behind: bool) -> float | None:
        """What is of an earlier time (Unix time) is too old. None: it is not the time to look, unless we are behind."""
        if self._age is None or not (self.due or behind):
            return None
        self._next = time.monotonic() + self._age * PATIENCE
        return time.time() - self._age


async def _too_old(tx: Transaction, limit: float, piece: int) -> int:
    """The last of the oldest events that is too old, if there is one; 0. It looks at one event more than a piece, to see how it goes on."""
    oldest = "SELECT offset, at FROM log_events ORDER BY offset LIMIT ?"
    ((offset,),) = await tx.execute(f"SELECT coalesce(max(offset), 0) FROM ({oldest}) WHERE at < ?", (piece + 1, limit))
    return int(offset)


async def _forget_clients(tx: Transaction, limit: float) -> int:
    rows = await tx.execute("SELECT client_id FROM log_clients WHERE at < ? ORDER BY at LIMIT ?", (limit, CLIENTS))
    for row in rows:
        await tx.execute("DELETE FROM log_answers WHERE client_id = ?", row)
        await tx.execute("DELETE FROM log_clients WHERE client_id = ?", row)
    return len(rows)
