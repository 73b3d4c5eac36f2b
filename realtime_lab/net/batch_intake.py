"""What becomes of a batch that arrives at the server: as of its events one by one (intake.py), but with one commit and one answer for all.

Events whose handlers take `tx` are one piece of work in the log, in which each of them is undone alone. Where a handler refuses its event
for now, those behind it have to wait: they are refused as too early.
"""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from realtime_lab.net.body import dump, encode, fingerprint_of
from realtime_lab.net.clients import NumberedClient
from realtime_lab.net.group_commit import Submitted
from realtime_lab.net.handlers import Begun, raising
from realtime_lab.net.intake import Intake, too_early, used_before
from realtime_lab.net.numbered import Row, answer, open_batch
from realtime_lab.net.open_group import Decision
from realtime_lab.net.receptions import CANCELLED, STORE_ERRORS, Answer, Arrival, Receptions, again, refused_for_now
from realtime_lab.net.transaction import Transaction
from realtime_lab.rules.dedup import GIVEN_UP, TOMBSTONE, Apply, Conflict, Gap, Ledger, Repeat

PLAIN = encode({"ok": True})


class BatchIntake:
    """Takes batches where the intake takes single events."""

    def __init__(self, intake: Intake) -> None:
        self._intake, self._receptions = intake, intake.receptions

    async def receive(self, arrival: Arrival, arguments: tuple[Any, ...]) -> Answer | None:
        """One answer for all; None: none."""
        try:
            rows = open_batch(arguments)
        except ValueError as error:
            self._receptions.discard(arrival, "malformed")
            return {"ok": False, "error": str(error), "retryable": False}
        with self._intake.clients.use(arrival.peer) as client:
            batch = _Batch(arrival, client, rows)
            if not self._intake.dedupes:
                return await self._without_numbers(batch)
            try:
                async with client.turn:
                    if self._intake.clients.replaced(arrival.sid, arrival.peer):
                        batch.discard(self._receptions, rows, "replaced")
                        return None
                    await self._decide(batch)
                await self._committed(batch)
            except STORE_ERRORS as error:
                client.doubt()
                return again(error)
            finally:
                for number in batch.numbers.values():
                    self._receptions.finish(number)
            return answer(batch.answers)

    async def _without_numbers(self, batch: "_Batch") -> Answer:
        """Nobody can know them again, so they are handled side by side."""
        events = [row for row in batch.rows if row.event]
        batch.discard(self._receptions, [row for row in batch.rows if not row.event], "given up")
        every = await asyncio.gather(*(self._intake.without_number(batch.arrival_of(row), row.data) for row in events))
        for row, said in zip(events, every, strict=True):
            batch.say(row.n, said)
        return answer(batch.answers)

    async def _decide(self, batch: "_Batch") -> None:
        ledger = await batch.client.ledger(self._receptions.log)
        new = self._new(batch, ledger)
        batch.note_commits()
        for in_database, rows in groupby(new, lambda row: self._receptions.handlers.takes_tx(row.event)):
            goes_on = await (self._in_database if in_database else self._outside)(batch, [*rows])
            batch.note_commits()
            if not goes_on:
                break

    def _new(self, batch: "_Batch", ledger: Ledger) -> Sequence[Row]:
        """Those whose turn it is: from the first of them on, all."""
        for place, row in enumerate(batch.rows):
            match ledger.receive(row.n, _content(row)):
                case Apply():
                    return batch.rows[place:]
                case Repeat(said):
                    batch.discard(self._receptions, [row], "duplicate" if row.event else "given up")
                    batch.say(row.n, said)
                case Conflict():
                    batch.discard(self._receptions, [row], "conflict")
                    batch.say(row.n, used_before(row.n))
                case Gap(expected):
                    batch.refuse_rest(self._receptions, row.n, expected)
                    break
        return []

    async def _outside(self, batch: "_Batch", rows: Sequence[Row]) -> bool:
        """Handlers whose effects are elsewhere: only the decisions are recorded. False: one of them has to come again."""
        decisions: list[Decision] = []
        for row in rows:
            if row.event:
                begun = self._begin(batch, row)
                said = begun if isinstance(begun, dict) else await self._handled(batch, row, begun=begun)
            else:
                batch.discard(self._receptions, [row], "given up")
                said = dict(GIVEN_UP)
            if not batch.decided(decisions, row, said):
                batch.refuse_rest(self._receptions, row.n + 1, row.n)
                break
        if decisions:
            previous, committed = batch.client.stored, batch.client.committed

            async def work(tx: Transaction) -> None:
                await tx.record_all(batch.client.client_id, previous, decisions, owner=batch.arrival.identity, committed=committed)

            submitted = self._receptions.write(work)
            await self._receptions.executed(submitted)
            batch.client.decided_all(decisions, batch.said, submitted.committed)
        return len(decisions) == len(rows)

    async def _in_database(self, batch: "_Batch", rows: Sequence[Row]) -> bool:
        """Handlers that work in the log's database: all of them, and the decisions, stand or fall together."""
        decisions: list[Decision] = []
        previous, committed = batch.client.stored, batch.client.committed

        async def work(tx: Transaction) -> None:
            await tx.expect(batch.client.client_id, previous, committed=committed)
            for row in rows:
                said = await self._handled(batch, row, tx, submitted)
                if not batch.decided(decisions, row, said):
                    batch.refuse_rest(self._receptions, row.n + 1, row.n)
                    break
            if decisions:
                await tx.record_all(batch.client.client_id, previous, decisions, owner=batch.arrival.identity, committed=committed)

        submitted = self._receptions.write(work)
        await self._receptions.executed(submitted)
        if decisions:
            batch.client.decided_all(decisions, batch.said, submitted.committed)
        return len(decisions) == len(rows)

    def _begin(self, batch: "_Batch", row: Row) -> Answer | Begun | None:
        """Call a handler, if nobody watches. Its answer if it has returned, else how it goes on; None: it was not called.

        So a busy client's events are handled one after the other at little cost.
        """
        handler = self._receptions.handlers.functions.get(row.event)
        if handler is None or self._receptions.watched():
            return None
        try:
            result = handler(batch.arrival.sid, *row.data)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # as in `Handlers.call`
            return raising(error)
        return {"ok": True} if result is None else lambda: result

    async def _handled(
        self, batch: "_Batch", row: Row, tx: Transaction | None = None, work: Submitted[None] | None = None, *, begun: Begun | None = None
    ) -> Answer:
        """What the handler answers. With `tx`, a part of which it is given: what it did there is undone if it refused."""
        if begun is None:
            await self._receptions.point("before_apply")
        arrival = batch.arrival_of(row)
        number = batch.numbers[row.n] = self._receptions.begin(arrival, row.data)
        if tx is None or work is None:
            return await self._receptions.call(arrival, row.data, number, begun=begun)
        self._receptions.belongs_to(number, work)
        part = tx.part()
        try:
            said = await self._receptions.call(arrival, row.data, number, tx=part)
        except asyncio.CancelledError:  # by itself, or by the end of the log, which undoes all the work
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
            said = dict(CANCELLED)
        if said["ok"]:
            tx.keep(part)
        else:
            await tx.undo(part)
        return said

    async def _committed(self, batch: "_Batch") -> None:
        """Outside of the turn, so that the next one can join the same group."""
        for commit, rows in groupby(batch.commits.items(), lambda each: each[1]):
            await self._receptions.committed([batch.numbers.get(n, 0) for n, _ in rows], commit)


class _Batch:
    """One that arrived, and what becomes of its events. All are known by their numbers."""

    def __init__(self, arrival: Arrival, client: NumberedClient, rows: Sequence[Row]) -> None:
        self.arrival, self.client, self.rows = arrival, client, rows
        self.numbers: dict[int, int] = {}
        """Their receptions, if a handler was given them."""
        self.said: dict[int, Answer] = {}
        """What was decided here."""
        self.commits: dict[int, asyncio.Future[Any]] = {}
        """What has to succeed before anything of this is told."""
        self.answers: dict[int, Answer] = {}
        """What their sender has to be told besides that they are acknowledged."""

    def note_commits(self) -> None:
        """Of all that is decided. At once: when others of the batch are handled, one that has failed is forgotten."""
        commits = self.client.commits
        self.commits |= {row.n: commits[row.n] for row in self.rows if row.n in commits}

    def arrival_of(self, row: Row) -> Arrival:
        """Where it came."""
        packet = self.arrival
        return Arrival(packet.sid, packet.index, packet.peer, row.event, packet.identity, row.n - self.rows[0].n)

    def say(self, n: int, said: Mapping[str, Any]) -> None:
        """The answer to one of them. Where it went in the log is not told in a batch."""
        if len(said) > 1:
            said = {key: value for key, value in said.items() if key not in ("offset", "duplicate")}
        if len(said) > 1:
            self.answers[n] = dict(said)

    def decided(self, decisions: list[Decision], row: Row, said: Answer) -> bool:
        """Add the decision. False: there is none yet, because it has to come again."""
        self.say(row.n, said)
        if refused_for_now(said):
            return False
        self.said[row.n] = said
        text = (PLAIN, None) if len(said) == 1 else dump(said)
        decisions.append((row.n, _content(row), *text))
        return True

    def refuse_rest(self, receptions: Receptions, n: int, expected: int) -> None:
        """Everything from this number on is too early."""
        rest = [row for row in self.rows if row.n >= n]
        self.discard(receptions, rest, "gap")
        for row in rest:
            self.answers[row.n] = too_early(row.n, expected)

    def discard(self, receptions: Receptions, rows: Sequence[Row], reason: str) -> None:
        """No handler is given these."""
        for row in rows:
            receptions.discard(self.arrival_of(row), reason)


def _content(row: Row) -> str:
    """Its fingerprint."""
    return fingerprint_of(row.text.encode()) if row.event else TOMBSTONE
