"""Receptions: every event that was given to a handler of the server, from there to the commit of what it did."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from realtime_lab.errors import AlreadyClosed, StoreFailed, StoreInUse
from realtime_lab.net.envelope import Peer
from realtime_lab.net.event_log import Log
from realtime_lab.net.group_commit import Submitted, T, Work
from realtime_lab.net.handlers import Handlers
from realtime_lab.net.packets import Observer, brief, ignore
from realtime_lab.net.reporting import report
from realtime_lab.net.transaction import Moved, Transaction

Answer = dict[str, Any]

cause: ContextVar[int] = ContextVar("realtime_lab_cause", default=-1)
"""The reception whose handler is running, so that the record can tell what an emit answers."""

STORE_ERRORS = (StoreFailed, StoreInUse, AlreadyClosed, Moved)
"""The event is not recorded, so its sender should try again."""

CANCELLED: Answer = {"ok": False, "error": "its handler was cancelled", "retryable": True}


@dataclass(slots=True, eq=False)  # not frozen: that takes six times as long, and there is one for each event (measured)
class Arrival:
    """One event on one connection."""

    sid: str
    index: int
    peer: Peer
    event: str
    identity: str | None = None
    inside: int = -1
    """Its place in a batch; -1: it came alone."""

    @property
    def place(self) -> dict[str, Any]:
        """What it is and where it came, for the record."""
        return {"event": self.event, "sid": self.sid, "index": self.index, "inside": self.inside}


class Receptions:
    """One for each start of a server.

    point       is awaited at each place where a lab may let the server crash
    watched     may it, or does anybody record what happens?
    """

    def __init__(
        self,
        handlers: Handlers,
        log: Log | None,
        *,
        observe: Observer,
        point: Callable[[str], Awaitable[None]],
        watched: Callable[[], bool],
    ) -> None:
        self.handlers, self.point, self.watched = handlers, point, watched
        self._log, self._observe = log, observe
        self._count = 0
        self._running: dict[int, bool] = {}
        """Those that are not finished -> are their effects in the database?"""
        self._submitted: dict[int, Submitted[Any]] = {}
        """Those of them that have a transaction."""
        self.uncommitted = 0
        """How many pieces of work with decisions are in the open transaction."""

    @property
    def idle(self) -> bool:
        """Are all finished?"""
        return not self._running

    @property
    def log(self) -> Log:
        """The server's, which has one where there is something to commit."""
        assert self._log is not None
        return self._log

    def crashed(self) -> None:
        """Everything in memory is gone: say what that undid, and nothing more after that."""
        for number, in_database in self._running.items():
            submitted = self._submitted.get(number)
            if submitted is not None and submitted.given_to_disk:
                self._observe("committed", message=number)  # while it died, and nobody was told
            elif in_database:
                self._observe("undone", message=number, reason="the server crashed before the commit")
            else:
                self._observe("failed", message=number, reason="the server crashed")
        self._observe = ignore
        self._running.clear()
        self._submitted.clear()

    # -- handlers -------------------------------------------------------------------------------------------------------------------

    def begin(self, arrival: Arrival, data: tuple[Any, ...]) -> int:
        """An event will be given to its handler. Returns the number of the reception."""
        self._count += 1
        if self._observe is not ignore:
            self._observe("received", message=self._count, text=brief(data[0] if data else None), **arrival.place)
        cause.set(self._count)
        self._running[self._count] = self.handlers.takes_tx(arrival.event)
        return self._count

    async def call(self, arrival: Arrival, data: tuple[Any, ...], number: int, **extra: Any) -> Answer:
        """Its handler's answer."""

        def said(kind: Any, why: str) -> None:
            self._observe(kind, message=number, reason=why)

        answer = await self.handlers.call(arrival.event, (arrival.sid, *data), said, **extra)
        if not self._running.get(number):
            self.finish(number)  # what it did is outside of the database, so no crash undoes it any more
        return answer

    def finish(self, number: int) -> None:
        """Nothing more becomes of it; 0: of none."""
        self._running.pop(number, None)
        self._submitted.pop(number, None)

    def discard(self, arrival: Arrival, reason: str) -> None:
        """An event is given to no handler."""
        self._observe("discarded", reason=reason, **arrival.place)

    # -- commits --------------------------------------------------------------------------------------------------------------------

    def write(self, work: Work[T]) -> Submitted[T]:
        """Queue work that decides something."""
        done = False

        async def counted(tx: Transaction) -> T:
            nonlocal done
            answer = await work(tx)
            done = True
            self.uncommitted += 1
            return answer

        def over(commit: asyncio.Future[T]) -> None:
            self.uncommitted -= done

        submitted = self.log.submit(counted)
        submitted.committed.add_done_callback(over)
        return submitted

    def belongs_to(self, number: int, submitted: Submitted[Any]) -> None:
        """What the handler does is part of this work."""
        self._submitted[number] = submitted

    async def executed(self, submitted: Submitted[T]) -> T:
        """Wait until this work has run. Raises what it raised; with STORE_ERRORS nothing is left of what belongs to it."""
        try:
            return await asyncio.shield(submitted.executed)
        except STORE_ERRORS as error:
            self._undone([number for number, each in self._submitted.items() if each is submitted], error)
            raise

    async def committed(self, numbers: Sequence[int], commit: asyncio.Future[T]) -> T:
        """Wait for the commit of these, which others may wait for too. Raises STORE_ERRORS."""
        in_database = [number for number in numbers if self._running.get(number)]
        try:
            answer = await asyncio.shield(commit)
        except STORE_ERRORS as error:
            self._undone(in_database, error)
            raise
        for number in in_database:
            self._observe("committed", message=number)
            self.finish(number)
        if self.watched():
            for _ in numbers:
                await self.point("after_commit")
        return answer

    def _undone(self, numbers: Sequence[int], error: Exception) -> None:
        """Nothing is left of what their handlers did."""
        for number in numbers:
            self._observe("undone", message=number, reason=str(error))
            self.finish(number)


def again(error: Exception) -> Answer:
    """The answer for an event that could not be stored. Where one before it has failed, or a crash, that is what there is to report."""
    if not isinstance(error, (AlreadyClosed, Moved)):
        report(f"an event could not be stored: {error}", error)
    return {"ok": False, "error": f"it could not be stored: {error}", "retryable": True}


def refused_for_now(answer: Answer) -> bool:
    """Should its sender try again?"""
    return answer.get("retryable") is True
