"""Group commit: one task does all the writing, in the order of submission, and many pieces of work share one transaction.

One piece that raises is undone alone (open_group.py: how). Nobody is told "done" before the commit.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context
from typing import Any, Generic, TypeVar

from realtime_lab.errors import AlreadyClosed, StoreFailed, StoreInUse
from realtime_lab.net.database import Database
from realtime_lab.net.open_group import OpenGroup
from realtime_lab.net.reporting import report
from realtime_lab.net.transaction import Transaction

T = TypeVar("T")
Work = Callable[[Transaction], Awaitable[T]]

LASTS = 10_000
"""Clients of which the last number is kept in mind."""

ENOUGH = 64
"""Rows that are worth a commit of their own: who sent them goes on sooner, while others are still being handled."""

TURNS = 10
"""Turns of the loop in which others may add to a group before it is committed: an event may wait for the one before it to be decided."""


class AtOnce(Generic[T]):
    """A piece of work that waits for nothing, and so needs no task of its own."""

    def __init__(self, function: Callable[[Transaction], T]) -> None:
        self.function = function

    async def __call__(self, tx: Transaction) -> T:
        """As any other piece."""
        return self.function(tx)


class Submitted(Generic[T]):
    """A piece of work on its way into the database.

    `executed` has its result as soon as the work has run. The transaction is still open then: go on with it, but tell nobody.
    `committed` has the same result after the commit. Both raise what the work raised, and `committed` StoreFailed if the commit fails.
    Who may be cancelled while others wait for the same future awaits it through `asyncio.shield`.
    """

    def __init__(self, work: Work[T]) -> None:
        loop = asyncio.get_running_loop()
        self.executed: asyncio.Future[T] = loop.create_future()
        self.committed: asyncio.Future[T] = loop.create_future()
        self.given_to_disk = False
        """Did SQLite get the COMMIT? From then on it happens, whatever becomes of this process; only nobody may be there to be told."""
        self._work = work
        self._context = copy_context()
        self._result: T

    def start(self, transaction: Transaction) -> "asyncio.Task[T] | T":
        """Run the work in the context of who submitted it. The transaction is closed to it when it ends, so nothing can trail behind.

        Gives its result, or a task where the work may wait for something.
        """
        if isinstance(self._work, AtOnce):
            try:
                result: T = self._context.run(self._work.function, transaction)
                return result
            finally:
                transaction.close()

        async def run() -> T:
            try:
                return await self._work(transaction)
            finally:
                transaction.close()

        return asyncio.create_task(run(), context=self._context)

    def has_run(self, result: T) -> None:
        """It will be committed with its group."""
        self._result = result
        if not self.executed.done():
            self.executed.set_result(result)

    def stands(self) -> None:
        """Its group is committed."""
        if not self.committed.done():  # it raised, or nobody waits any more
            self.committed.set_result(self._result)

    def fails(self, error: BaseException) -> None:
        """Nothing of it is left."""
        for future in (self.executed, self.committed):
            if not future.done():
                future.set_exception(error)
                future.exception()  # whoever submitted it may look at one of the two only, or at none


class GroupCommit:
    """The writer of one open database: `size` pieces of work at most share a transaction.

    head            is asked for the highest offset so far, when a group begins
    begin           makes the transaction for one piece
    last_work       is asked, with what stands of the group so far, for one more piece to end it with
    before_commit   is awaited just before each commit; if it raises, the group is undone
    after_commit    is called with all that stands, before anybody is told
    """

    def __init__(
        self,
        database: Database,
        size: int,
        *,
        head: Callable[[], int],
        begin: Callable[[OpenGroup], Transaction],
        last_work: Callable[[Sequence[Transaction]], Work[object] | None],
        before_commit: Callable[[], Awaitable[object]],
        after_commit: Callable[[Sequence[Transaction]], object],
    ) -> None:
        self.commits = 0
        """Transactions committed so far."""
        self.accepts = True
        self._database = database
        self._head, self._begin, self._last_work = head, begin, last_work
        self._before_commit, self._after_commit = before_commit, after_commit
        self._size = size
        self._jobs: asyncio.Queue[Submitted[Any] | None] = asyncio.Queue()
        self._group: list[Submitted[Any]] = []
        self._standing: list[Transaction] = []
        self._lasts: dict[str, int | None] = {}
        """What the last groups have looked up or written, so that the next one need not ask the database (a hop for each event)."""
        self._open = OpenGroup(database, 0, self._lasts)
        self._at_work: asyncio.Task[Any] | None = None
        self._task = asyncio.create_task(self._write())
        self._task.add_done_callback(self._ended)

    @property
    def is_waiting_for_caller(self) -> bool:
        """Whether the code that asks was called by the writer, which does nothing else until that code returns."""
        return asyncio.current_task() in (self._task, self._at_work)

    def submit(self, work: Work[T]) -> Submitted[T]:
        """Queue a piece of work. Ask `accepts` first."""
        job = Submitted(work)
        self._jobs.put_nowait(job)
        return job

    def seal(self) -> None:
        """Accept nothing more; end when everything that was submitted is done."""
        if self.accepts:
            self.accepts = False
            self._jobs.put_nowait(None)

    async def finish(self) -> None:
        """Seal, and wait for the end. Raises what ended the writer before its time, if something did."""
        self.seal()
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.result()

    def stop(self) -> None:
        """End at once: what is not committed fails with AlreadyClosed."""
        self.accepts = False
        self._task.cancel()

    @property
    def at_commit(self) -> Sequence[Transaction]:
        """What a COMMIT that is under way makes durable. Nothing stops it any more."""
        return self._standing if any(job.given_to_disk for job in self._group) else ()

    async def _write(self) -> None:
        while (job := await self._jobs.get()) is not None:
            await self._write_group(job)
            self._group.clear()
            self._standing.clear()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Nothing is left after finish(); after stop() somebody waits. A callback, because a task can be cancelled before it begins."""
        self.accepts = False
        waiting = [job for _ in range(self._jobs.qsize()) if (job := self._jobs.get_nowait()) is not None]
        for job in [*self._group, *waiting]:
            job.fails(AlreadyClosed(f"{self._name} was closed before this was known to be committed."))

    async def _write_group(self, job: Submitted[Any]) -> None:
        try:
            self._group.append(job)
            await self._run_group(job)
            await self._before_commit()
            if _stopped():  # that code may have caught the cancellation
                raise asyncio.CancelledError
            for each in self._group:
                each.given_to_disk = True
            await self._open.commit()
        except (Exception, asyncio.CancelledError) as error:  # the disk, SQLite at the commit, or before_commit
            if _stopped():
                raise asyncio.CancelledError from error  # also if it fails because it is ended
            await self._undo(error)
        else:
            self.commits += 1
            self._announce()
            for each in self._group:
                each.stands()

    def _announce(self) -> None:
        try:
            self._after_commit(self._standing)
        except Exception as error:  # noqa: BLE001  # whatever it is, the commit stands, and those who wait must be told
            message = f"what follows a commit of {self._name} failed: {error!r}"
            report(message, error)

    async def _run_group(self, job: Submitted[Any] | None) -> None:
        if len(self._lasts) > LASTS:
            self._lasts.clear()
        self._open = OpenGroup(self._database, self._head(), self._lasts)
        while job is not None:
            await self._run(job)
            if len(self._group) == self._size or (job := await self._next()) is None:
                break
            self._group.append(job)
        if (work := self._last_work(self._standing)) is not None:
            await self._run(Submitted(work))

    async def _next(self) -> Submitted[Any] | None:
        turns = TURNS if self._open.rows < ENOUGH else 0
        while self._jobs.empty() and turns:
            await asyncio.sleep(0)
            turns -= 1
        if self._jobs.empty():
            return None
        job = self._jobs.get_nowait()
        if job is None:
            self._jobs.put_nowait(None)  # the end, for `_write` to see; nothing comes after it
        return job

    async def _run(self, job: Submitted[Any]) -> None:
        """Run one piece of work. Raises only if the whole transaction is lost."""
        self._open.begin_work()
        transaction = self._begin(self._open)
        try:
            result = job.start(transaction)
            if isinstance(result, asyncio.Task):
                self._at_work = result
                result = await result
            if _stopped():  # that code may have caught the cancellation
                raise asyncio.CancelledError
        except (Exception, asyncio.CancelledError) as error:  # whatever an application's code raises
            if _stopped():
                raise asyncio.CancelledError from error
            self._check_transaction(error)
            await self._open.undo_work()
            job.fails(error)
        else:
            self._check_transaction(None)
            self._standing.append(transaction)
            job.has_run(result)
        finally:
            self._at_work = None

    def _check_transaction(self, error: BaseException | None) -> None:
        """SQLite may have ended it by itself: because the disk is full, or because the application's SQL says OR ROLLBACK."""
        if not self._open.stands:
            if isinstance(error, StoreInUse):  # it could not even begin
                raise error
            raise StoreFailed(f"SQLite has undone the whole transaction ({error or 'during work that hid why'})") from error
        if self._database.failed:
            raise StoreFailed(f"the whole transaction is undone ({error or 'the file failed in work that hid why'})") from error

    async def _undo(self, error: BaseException) -> None:
        self._lasts.clear()
        try:
            await self._database.rollback()
        except (StoreFailed, StoreInUse) as second:
            error.add_note(str(second))
        kind = StoreInUse if isinstance(error, StoreInUse) else StoreFailed
        for job in self._group:
            failure = kind(f"{self._name} could not commit this, and undid it: {error}")
            failure.__cause__ = error
            job.fails(failure)

    @property
    def _name(self) -> str:
        return f"the {self._database.what} {self._database.path}"


def _stopped() -> bool:
    """Whether it is the writer itself that is cancelled, and not something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
