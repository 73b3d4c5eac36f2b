"""What becomes of an event that arrives at the server: its envelope is opened, a repeat is answered again, a new one is handled, committed
and answered, in this order.

With `dedupe` the events of one client are taken one after the other, in the order of their numbers (rules/dedup.py). What was decided
is recorded in the same transaction as the handler's effects, if the handler takes `tx`; an effect outside this database (a mail, a list
in memory) is not covered by it. A number is written only right after the one before it, whatever the memory here says.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from realtime_lab.net.body import fingerprint
from realtime_lab.net.clients import Clients, NumberedClient
from realtime_lab.net.envelope import Envelope, unseal
from realtime_lab.net.group_commit import Submitted
from realtime_lab.net.receptions import STORE_ERRORS, Answer, Arrival, Receptions, again, refused_for_now
from realtime_lab.net.transaction import Transaction
from realtime_lab.rules.dedup import GIVEN_UP, TOMBSTONE, Conflict, Gap, Repeat

Recording = Callable[[Transaction, Answer], Awaitable[None]]


class _Undo(Exception):
    """Rolls back the effects of a handler that refused its event."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer


class Intake:
    """One for each start of a server."""

    def __init__(self, receptions: Receptions, *, dedupe: bool) -> None:
        self.receptions, self.dedupes = receptions, dedupe
        self.clients = Clients()

    @property
    def idle(self) -> bool:
        """Is every event that arrived handled, and committed where it has to be?"""
        return self.receptions.idle and not self.clients.busy

    async def receive(self, arrival: Arrival, arguments: tuple[Any, ...]) -> Answer | None:
        """The answer for the sender; None: none."""
        try:
            envelope = unseal(arrival.peer, arguments)
        except ValueError as error:
            self.receptions.discard(arrival, "malformed")
            return {"ok": False, "error": str(error), "retryable": False}
        if not (envelope.n and self.dedupes):
            if envelope.gone:
                self.receptions.discard(arrival, "given up")
                return {"ok": True}
            return await self.without_number(arrival, envelope.data)
        with self.clients.use(arrival.peer) as client:
            return await self._numbered(client, arrival, envelope)

    async def without_number(self, arrival: Arrival, data: tuple[Any, ...]) -> Answer:
        """The answer for an event that nobody can know again."""
        await self.receptions.point("before_apply")
        number = self.receptions.begin(arrival, data)
        try:
            if not self.receptions.handlers.takes_tx(arrival.event):
                return await self.receptions.call(arrival, data, number)
            submitted = self._submit(arrival, Envelope(data), number, None)
            return await self.receptions.committed([number], submitted.committed)
        except _Undo as refused:
            return refused.answer
        except STORE_ERRORS as error:
            return again(error)
        finally:
            self.receptions.finish(number)

    # -- with a number --------------------------------------------------------------------------------------------------------------

    async def _numbered(self, client: NumberedClient, arrival: Arrival, envelope: Envelope) -> Answer | None:
        number = 0
        try:
            async with client.turn:
                if self.clients.replaced(arrival.sid, arrival.peer):
                    self.receptions.discard(arrival, "replaced")
                    return None
                number, answer = await self._decide(client, arrival, envelope)
            commit = client.commits.get(envelope.n)  # outside of the turn, so that the next one can join the same group
            if commit is not None and not refused_for_now(answer):
                await self.receptions.committed([number], commit)
            return answer
        except STORE_ERRORS as error:
            client.doubt()
            return again(error)
        finally:
            self.receptions.finish(number)

    async def _decide(self, client: NumberedClient, arrival: Arrival, envelope: Envelope) -> tuple[int, Answer]:
        """Returns the number of the reception (0: no handler was called) and the answer."""
        ledger = await client.ledger(self.receptions.log)
        data = envelope.data[0] if envelope.data else None
        content = TOMBSTONE if envelope.gone else fingerprint(envelope.n, arrival.event, data)
        match ledger.receive(envelope.n, content):
            case Repeat(answer):
                self.receptions.discard(arrival, "given up" if envelope.gone else "duplicate")
                return 0, dict(answer)
            case Gap(expected):
                self.receptions.discard(arrival, "gap")
                return 0, too_early(envelope.n, expected)
            case Conflict():
                self.receptions.discard(arrival, "conflict")
                return 0, used_before(envelope.n)
        if envelope.gone:
            self.receptions.discard(arrival, "given up")
            return 0, await self._record(client, arrival, envelope.n, content, dict(GIVEN_UP))
        return await self._apply(client, arrival, envelope, content)

    async def _apply(self, client: NumberedClient, arrival: Arrival, envelope: Envelope, content: str) -> tuple[int, Answer]:
        await self.receptions.point("before_apply")
        number = self.receptions.begin(arrival, envelope.data)
        if not self.receptions.handlers.takes_tx(arrival.event):
            answer = await self.receptions.call(arrival, envelope.data, number)
        else:
            submitted = self._submit(arrival, envelope, number, _recording(client, arrival, envelope.n, content))
            try:
                answer = await self.receptions.executed(submitted)
            except _Undo as refused:
                answer = refused.answer
            else:
                client.decided(envelope.n, content, answer, submitted.committed)
                return number, answer
        if not refused_for_now(answer):
            await self._record(client, arrival, envelope.n, content, answer)
        return number, answer

    async def _record(self, client: NumberedClient, arrival: Arrival, n: int, content: str, answer: Answer) -> Answer:
        """Only the decision; the handler's effects, if there are any, are elsewhere."""
        record = _recording(client, arrival, n, content)

        async def work(tx: Transaction) -> Answer:
            await record(tx, answer)
            return answer

        submitted = self.receptions.write(work)
        await self.receptions.executed(submitted)
        client.decided(n, content, answer, submitted.committed)
        return answer

    def _submit(self, arrival: Arrival, envelope: Envelope, number: int, record: Recording | None) -> Submitted[Answer]:
        """Handler and record as one piece of work: both, or neither."""

        async def work(tx: Transaction) -> Answer:
            answer = await self.receptions.call(arrival, envelope.data, number, tx=tx)
            if not answer["ok"]:
                raise _Undo(answer)
            if tx.offset is not None:
                answer["offset"] = tx.offset
            if record is not None:
                await record(tx, answer)
            return answer

        submitted = self.receptions.write(work)
        self.receptions.belongs_to(number, submitted)
        return submitted


def _recording(client: NumberedClient, arrival: Arrival, n: int, content: str) -> Recording:
    """What writes the decision on a number down, right behind what is decided by now."""
    stored, committed = client.stored, client.committed

    async def record(tx: Transaction, answer: Answer) -> None:
        await tx.record(client.client_id, stored, n, content, answer, owner=arrival.identity, committed=committed)

    return record


def too_early(n: int, expected: int) -> Answer:
    """The answer for a number before its turn."""
    return {"ok": False, "error": f"number {n} came before its turn, {expected}", "retryable": True, "expected": expected}


def used_before(n: int) -> Answer:
    """The answer for a conflict."""
    error = f"number {n} was used before, with other content. Do two clients share one client_id?"
    return {"ok": False, "error": error, "retryable": False}
