"""What becomes of an event that arrives at the server: its envelope is opened, a repeat is answered again, a new one is handled, committed
and answered, in this order.

With `dedupe` the events of one client are taken one after the other, in the order of their numbers (rules/dedup.py). What was decided
is recorded in the same transaction as the handler's effects, if the handler takes `tx`; an effect outside this database (a mail, a list
in memory) is not covered by it. A number is written only right after the one before it, whatever the memory here says.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from realtime_lab.errors import AlreadyClosed, StoreFailed, StoreInUse
from realtime_lab.net.body import fingerprint
from realtime_lab.net.clients import Clients, NumberedClient
from realtime_lab.net.envelope import Envelope, Peer, unseal
from realtime_lab.net.event_log import Log
from realtime_lab.net.group_commit import Submitted, Work
from realtime_lab.net.handlers import Handlers
from realtime_lab.net.packets import Observer, brief, ignore
from realtime_lab.net.reporting import report
from realtime_lab.net.transaction import Moved, Transaction
from realtime_lab.rules.dedup import GIVEN_UP, TOMBSTONE, Conflict, Gap, Repeat

Answer = dict[str, Any]
Commit = asyncio.Future[Answer]

cause: ContextVar[int] = ContextVar("realtime_lab_cause", default=-1)
"""The reception whose handler is running, so that the record can tell what an emit answers."""

STORE_ERRORS = (StoreFailed, StoreInUse, AlreadyClosed, Moved)
"""The event is not recorded, so its sender should try again."""


class _Undo(Exception):
    """Rolls back the effects of a handler that refused its event."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer


@dataclass(frozen=True)
class Arrival:
    """One event on one connection."""

    sid: str
    index: int
    peer: Peer
    event: str
    identity: str | None = None


class Intake:
    """One for each start of a server. `point` is awaited at each place where a lab may let the server crash."""

    def __init__(
        self, handlers: Handlers, log: Log | None, *, dedupe: bool, observe: Observer, point: Callable[[str], Awaitable[None]]
    ) -> None:
        self._handlers, self._log, self._dedupe, self._point = handlers, log, dedupe, point
        self._observe = observe
        self.clients = Clients()
        self._received = 0
        self._running: dict[int, bool] = {}
        """Receptions that are not finished -> are their effects in the database?"""
        self._submitted: dict[int, Submitted[Answer]] = {}
        """Those of them that have a transaction."""
        self.uncommitted = 0
        """How many decisions are in the open transaction."""

    @property
    def idle(self) -> bool:
        """Is every event that arrived handled, and committed where it has to be?"""
        return not self._running and not self.clients.busy

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

    async def receive(self, arrival: Arrival, arguments: tuple[Any, ...]) -> Answer | None:
        """The answer for the sender; None: none."""
        try:
            envelope = unseal(arrival.peer, arguments)
        except ValueError as error:
            self._discard(arrival, "malformed")
            return {"ok": False, "error": str(error), "retryable": False}
        if not (envelope.n and self._dedupe):
            if envelope.gone:
                self._discard(arrival, "given up")
                return {"ok": True}
            return await self._plain(arrival, envelope)
        with self.clients.use(arrival.peer) as client:
            return await self._numbered(client, arrival, envelope)

    # -- without a number -----------------------------------------------------------------------------------------------------------

    async def _plain(self, arrival: Arrival, envelope: Envelope) -> Answer:
        await self._point("before_apply")
        number = self._begin(arrival, envelope)
        try:
            if not self._handlers.takes_tx(arrival.event):
                return await self._call(arrival, envelope, number)
            submitted = self._submit(arrival, envelope, number, None)
            try:
                return await self._committed(number, submitted.committed)
            except _Undo as refused:
                return refused.answer
            except STORE_ERRORS as error:
                return _again(error)
        finally:
            self._finished(number)

    # -- with a number --------------------------------------------------------------------------------------------------------------

    async def _numbered(self, client: NumberedClient, arrival: Arrival, envelope: Envelope) -> Answer | None:
        number = 0
        try:
            async with client.turn:
                if self.clients.replaced(arrival.sid, arrival.peer):
                    self._discard(arrival, "replaced")
                    return None
                number, answer = await self._decide(client, arrival, envelope)
            commit = client.commits.get(envelope.n)  # outside of the turn, so that the next one can join the same group
            if commit is not None and not _refused_for_now(answer):
                await self._committed(number, commit)
            return answer
        except STORE_ERRORS as error:
            client.doubt()
            return _again(error)
        finally:
            self._finished(number)

    async def _decide(self, client: NumberedClient, arrival: Arrival, envelope: Envelope) -> tuple[int, Answer]:
        """Returns the number of the reception (0: no handler was called) and the answer."""
        ledger = await client.ledger(self._database)
        content = TOMBSTONE if envelope.gone else fingerprint(arrival.event, envelope.data)
        match ledger.receive(envelope.n, content):
            case Repeat(answer):
                self._discard(arrival, "given up" if envelope.gone else "duplicate")
                return 0, dict(answer)
            case Gap(expected):
                self._discard(arrival, "gap")
                error = f"number {envelope.n} came before its turn, {expected}"
                return 0, {"ok": False, "error": error, "retryable": True, "expected": expected}
            case Conflict():
                self._discard(arrival, "conflict")
                error = f"number {envelope.n} was used before, with other content. Do two clients share one client_id?"
                return 0, {"ok": False, "error": error, "retryable": False}
        if envelope.gone:
            self._discard(arrival, "given up")
            return 0, await self._record(client, arrival, envelope.n, content, dict(GIVEN_UP))
        return await self._apply(client, arrival, envelope, content)

    async def _apply(self, client: NumberedClient, arrival: Arrival, envelope: Envelope, content: str) -> tuple[int, Answer]:
        await self._point("before_apply")
        number = self._begin(arrival, envelope)
        if not self._handlers.takes_tx(arrival.event):
            answer = await self._call(arrival, envelope, number)
        else:
            record = (client.stored, content)
            submitted = self._submit(arrival, envelope, number, record)
            try:
                answer = await asyncio.shield(submitted.executed)
            except _Undo as refused:
                answer = refused.answer
            else:
                client.decided(envelope.n, content, answer, submitted.committed)
                return number, answer
        if not _refused_for_now(answer):
            await self._record(client, arrival, envelope.n, content, answer)
        return number, answer

    async def _record(self, client: NumberedClient, arrival: Arrival, n: int, content: str, answer: Answer) -> Answer:
        """Only the decision; the handler's effects, if there are any, are elsewhere."""
        stored = client.stored

        async def work(tx: Transaction) -> Answer:
            await tx.record(client.client_id, stored, n, content, answer, owner=arrival.identity)
            return answer

        submitted = self._write(work)
        await asyncio.shield(submitted.executed)
        client.decided(n, content, answer, submitted.committed)
        return answer

    # -- handlers and commits -------------------------------------------------------------------------------------------------------

    def _begin(self, arrival: Arrival, envelope: Envelope) -> int:
        self._received += 1
        text = brief(envelope.data[0] if envelope.data else None)
        self._observe("received", message=self._received, sid=arrival.sid, index=arrival.index, event=arrival.event, text=text)
        cause.set(self._received)
        self._running[self._received] = self._handlers.takes_tx(arrival.event)
        return self._received

    async def _call(self, arrival: Arrival, envelope: Envelope, number: int, **extra: Any) -> Answer:
        def said(kind: Any, why: str) -> None:
            self._observe(kind, message=number, reason=why)

        answer = await self._handlers.call(arrival.event, (arrival.sid, *envelope.data), said, **extra)
        if not self._running.get(number):
            self._finished(number)  # what it did is outside of the database, so no crash undoes it any more
        return answer

    def _finished(self, number: int) -> None:
        self._running.pop(number, None)
        self._submitted.pop(number, None)

    def _submit(self, arrival: Arrival, envelope: Envelope, number: int, record: tuple[int, str] | None) -> Submitted[Answer]:
        """Handler and record as one piece of work: both, or neither."""

        async def work(tx: Transaction) -> Answer:
            answer = await self._call(arrival, envelope, number, tx=tx)
            if not answer["ok"]:
                raise _Undo(answer)
            if tx.offset is not None:
                answer["offset"] = tx.offset
            if record is not None:
                await tx.record(arrival.peer.client_id, record[0], envelope.n, record[1], answer, owner=arrival.identity)
            return answer

        submitted = self._submitted[number] = self._write(work)
        return submitted

    def _write(self, work: Work[Answer]) -> Submitted[Answer]:
        done = False

        async def counted(tx: Transaction) -> Answer:
            nonlocal done
            answer = await work(tx)
            done = True
            self.uncommitted += 1
            return answer

        def over(commit: Commit) -> None:
            self.uncommitted -= done

        submitted = self._database.submit(counted)
        submitted.committed.add_done_callback(over)
        return submitted

    async def _committed(self, number: int, commit: Commit) -> Answer:
        """Wait for the commit, which others may wait for too."""
        in_database = self._running.get(number, False)
        try:
            answer = await asyncio.shield(commit)
        except STORE_ERRORS as error:
            if in_database:
                self._observe("undone", message=number, reason=str(error))
            raise
        if in_database:
            self._observe("committed", message=number)
            self._finished(number)
        await self._point("after_commit")
        return answer

    @property
    def _database(self) -> Log:
        assert self._log is not None
        return self._log

    def _discard(self, arrival: Arrival, reason: str) -> None:
        self._observe("discarded", sid=arrival.sid, index=arrival.index, event=arrival.event, reason=reason)


def _again(error: Exception) -> Answer:
    if not isinstance(error, AlreadyClosed):
        report(f"an event could not be stored: {error}", error)
    return {"ok": False, "error": f"it could not be stored: {error}", "retryable": True}


def _refused_for_now(answer: Answer) -> bool:
    return answer.get("retryable") is True
