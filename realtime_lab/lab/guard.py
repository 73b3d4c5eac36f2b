"""Runs the code of a learner so that it can harm nobody, and says in a sentence what is wrong with it.

Everything that calls it goes through the Guard of its case: `guard.call` for plain functions, `guard.handler` for async ones. The labs of
the case are opened by `guard.lab`, so that tasks which the learner's code starts there are guarded too.
"""

import asyncio
import inspect
import itertools
import reprlib
import traceback
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

from realtime_lab.lab.lab import Lab
from realtime_lab.lab.loop_thread import is_library
from realtime_lab.lab.watch import Piece, Watch, innermost, line, running

T = TypeVar("T")

PATIENCE = 3.0
"""Seconds after which an async function of the learner's is said not to end."""

PRINTED = 2000
"""Characters that a learner's code may print in one case. Whoever prints in an endless loop does not fill the notebook."""

THROUGH_TASKS = (Exception, asyncio.CancelledError, GeneratorExit)
"""What a task of the learner's raises is for whoever awaits it."""

_numbers = itertools.count(1)


_short = reprlib.Repr()
_short.maxstring = _short.maxother = 80
_short.maxlist = _short.maxtuple = _short.maxdict = 10


def brief(value: Any) -> str:
    """The value, not too long."""
    return _short.repr(value)


class AnswerFailed(Exception):
    """The learner's code does not do what it was asked to. The text is for the learner."""


class NotWritten(AnswerFailed):
    """The learner's code is still the stub."""


class Guard:
    """For one case of one check, with its number. What is wrong first is kept in `failure`; `failed` is set then, on the check's loop."""

    def __init__(self, watch: Watch, number: int = 0) -> None:
        self.failure: AnswerFailed | None = None
        self.failed = asyncio.Event()
        self.labs: list[Lab] = []
        self.printed = ""
        self._loop = asyncio.get_running_loop()
        self._watch, self._number = watch, number
        self._open: dict[int, tuple[str, Any]] = {}
        """Coroutines of the learner that have not ended."""
        self._hint = ""

    def fail(self, words: str | AnswerFailed) -> AnswerFailed:
        """Note what is wrong, on any thread: `raise guard.fail("...")`. The first one counts."""
        error = words if isinstance(words, AnswerFailed) else AnswerFailed(words)
        if self.failure is None:
            self.failure = error
            self._watch.failed_at = min(self._watch.failed_at, self._number)
            self._loop.call_soon_threadsafe(self.failed.set)
        return self.failure

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a plain function of the learner's, on any thread. Raises AnswerFailed."""
        asked = called(function, arguments)
        result = self._guarded(asked, lambda: function(*arguments), waits=False)
        if inspect.iscoroutine(result):
            result.close()
            raise self.fail(f"{asked} returned a coroutine. Write a plain function here: def, without async.")
        return result

    def handler(
        self, function: Callable[..., Awaitable[T]], *, words: Callable[..., str] = brief, allowed: tuple[type[Exception], ...] = ()
    ) -> Callable[..., Awaitable[T]]:
        """An async function that runs the learner's. What it raises is a failure, but for what is `allowed`. Raises AnswerFailed.

        `words` says an argument in words: some are not the same in every run, and a report must be.
        """

        async def handle(*arguments: Any) -> T:
            asked = called(function, arguments, words)
            coroutine = self._guarded(asked, lambda: function(*arguments), waits=True)
            if not inspect.iscoroutine(coroutine):
                raise self.fail(f"{asked} returned {brief(coroutine)} at once. Write an async function here: async def.")
            late = asyncio.get_running_loop().call_later(PATIENCE, self._late, asked, coroutine, asyncio.current_task())
            try:
                return await self._steps(asked, coroutine, (asyncio.CancelledError, GeneratorExit, *allowed))
            finally:
                late.cancel()

        return handle

    @asynccontextmanager
    async def lab(self, **options: Any) -> AsyncIterator[Lab]:
        """A lab of this case's own; options of Lab.start. Raises at its end what failed in the background."""
        async with Lab.start(name=f"check {next(_numbers)}", **options) as lab:
            self.adopt(lab)
            yield lab
            error = next((trouble.error for trouble in lab.errors if trouble.error), None)  # not: blocked, for the computer may be busy
            if error is not None and self.failure is None:
                raise error

    def adopt(self, lab: Lab) -> None:
        """Tasks that the learner's code starts on this lab's loop are guarded. Call it before anything of the learner's runs there."""
        self.labs.append(lab)
        lab.thread.loop.call_soon_threadsafe(lab.thread.loop.set_task_factory, self._task)

    @property
    def waits_for(self) -> list[str]:
        """Sentences, for a case that does not end."""
        mine = [f"{asked} has not ended. It waits in {_suspended(coroutine)}" for asked, coroutine in list(self._open.values())]
        return mine or [reason for lab in self.labs for reason in lab.waiting_for]

    # -- pieces -----------------------------------------------------------------------------------------------------------------------

    def _guarded(self, asked: str, step: Callable[[], T], *, waits: bool, through: tuple[type[BaseException], ...] = ()) -> T:
        if self.failure is not None:
            raise self.failure  # nothing of it runs any more
        if self._watch.failed_at < self._number:
            raise AnswerFailed("a shorter case has failed, so this one does not matter")
        piece = Piece(asked, waits, self._tell, self._print)
        try:
            return self._watch.run(piece, step)
        except through:
            raise
        except BaseException as error:  # noqa: BLE001  # whatever it is, it is the learner's, and is shown to them
            raise self._explained(asked, piece, error) from None

    def _explained(self, asked: str, piece: Piece, error: BaseException) -> AnswerFailed:
        if piece.wrong:
            return self.fail(piece.wrong)
        if isinstance(error, AnswerFailed):
            return self.fail(error)
        if isinstance(error, NotImplementedError):
            return self.fail(NotWritten(str(error) or f"{asked} raised NotImplementedError."))
        return self.fail(f"{asked} raised {_raised(error)}")

    def _tell(self, wrong: str) -> None:
        self.fail(wrong)

    def _print(self, text: str) -> None:
        printed = self.printed + text  # one assignment, because Stopped may come in between
        self.printed = printed if len(printed) <= PRINTED else printed[:PRINTED] + "\n(and more, which is not shown)\n"

    # -- coroutines -------------------------------------------------------------------------------------------------------------------

    async def _steps(self, asked: str, coroutine: Coroutine[Any, Any, T], through: tuple[type[BaseException], ...]) -> T:
        self._open[id(coroutine)] = asked, coroutine
        try:
            return await self._driven(asked, coroutine, through)
        finally:
            del self._open[id(coroutine)]
            _unbegun(coroutine)

    @types.coroutine
    def _driven(self, asked: str, coroutine: Coroutine[Any, Any, T], through: tuple[type[BaseException], ...]) -> Generator[Any, Any, T]:
        """As `await coroutine`, with each of its pieces guarded."""
        advance: Callable[[], Any] = partial(coroutine.send, None)
        while True:
            ended, value = self._guarded(asked, partial(_advanced, advance), waits=True, through=through)
            if ended:
                return value  # type: ignore[no-any-return]
            try:
                advance = partial(coroutine.send, (yield value))
            except BaseException as error:  # noqa: BLE001  # it is the learner's to handle
                advance = partial(coroutine.throw, error)

    def _task(self, loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> "asyncio.Task[Any]":
        """A task factory. What the learner's code starts is the learner's; its errors go to whoever awaits it."""
        if running() is not None and inspect.iscoroutine(work):
            task = asyncio.Task(self._steps(f"{work.__name__}()", work, THROUGH_TASKS), loop=loop, **options)
            task.add_done_callback(partial(self._ended, work))
            return task
        return asyncio.Task(work, loop=loop, **options)

    def _ended(self, work: "types.CoroutineType[Any, Any, Any]", task: "asyncio.Task[Any]") -> None:
        _unbegun(work)
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, AnswerFailed):
            self._hint = f"\nThe task {work.__name__}() has ended: {_raised(error)}"

    def _late(self, asked: str, coroutine: Any, task: "asyncio.Task[Any] | None") -> None:
        self.fail(f"{asked} has not ended after {PATIENCE:g} s. It waits in {_suspended(coroutine)}{self._hint}")
        if task is not None:
            task.cancel()


def _advanced(advance: Callable[[], Any]) -> tuple[bool, Any]:
    """(has the coroutine ended?, its result or what it yields)"""
    try:
        return False, advance()
    except StopIteration as stop:
        return True, stop.value


def _unbegun(coroutine: Coroutine[Any, Any, Any]) -> None:
    """One that was cancelled before it began is closed, or Python would warn the learner that it was never awaited."""
    if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
        coroutine.close()


def called(function: Callable[..., Any], arguments: tuple[Any, ...], words: Callable[[Any], str] = brief) -> str:
    """A call in words: "lost(5, 1, 'before')"."""
    return f"{getattr(function, '__name__', type(function).__name__)}({', '.join(words(each) for each in arguments)})"


def _raised(error: BaseException) -> str:
    where = innermost(traceback.extract_tb(error.__traceback__))
    if isinstance(error, RuntimeError) and "different event loop" in str(error):  # its text has an address in it
        return f"RuntimeError: it uses an asyncio object of an earlier run. Run the cell with your code again, then check.\n{where}"
    return f"{type(error).__name__}: {error}" + (f"\n{where}" if where else "")


def _suspended(coroutine: Any) -> str:
    """The line at which a coroutine waits: the innermost of the learner's."""
    where = ""
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is not None and not is_library(frame.f_code.co_filename):
            where = line(traceback.extract_stack(frame, limit=1)[-1])
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return where
