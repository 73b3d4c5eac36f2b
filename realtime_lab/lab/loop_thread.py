"""One daemon thread with its own event loop, and the ways to reach it.

Why a thread: in Jupyter a cell that blocks would stop the heartbeats of everything on the kernel's loop and disconnect the clients, and
the thread of a widget's callback is not predictable (ipykernel 6, 7.0-7.3 and 7.4 all differ, measured). On our own neither matters.
"""

import asyncio
import concurrent.futures
import contextlib
import sys
import sysconfig
import threading
import time
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from realtime_lab.errors import AlreadyClosed, LabBusy
from realtime_lab.lab import garbage
from realtime_lab.net.hosting import end

T = TypeVar("T")

TICK = 0.2
"""A cell's await wakes this often (seconds): a kernel notices Interrupt only when its loop has something to do (measured)."""

BLOCKED = 1.0
"""Seconds without a sign of life after which the watchdog names what blocks the thread."""

WAITING = ("selectors.py", "windows_events.py")
"""Where an event loop is when it has nothing to do (Unix, Windows)."""

CALL_LIMIT = 5.0
"""Seconds that a plain call from another thread waits for an answer."""


@dataclass(frozen=True)
class Trouble:
    """Something that went wrong in the background."""

    text: str
    error: BaseException | None = None


class LoopThread:
    """Runs from construction until `stop()`. `troubled` is called on any thread with each Trouble."""

    def __init__(self, name: str, troubled: Callable[[Trouble], None]) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(self._on_exception)
        self._troubled = troubled
        self._beat = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._watchdog = threading.Thread(target=self._watch, name=f"{name} watchdog", daemon=True)
        try:
            self._thread.start()
            self._watchdog.start()
        except BaseException:  # Interrupt, while this waited for a thread to begin: nobody will have this object, and stop it
            self._end()
            raise

    @property
    def inside(self) -> bool:
        """Is the caller on this thread?"""
        return threading.current_thread() is self._thread

    def call(self, function: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """Call a plain function on the thread and wait for its result. Raises LabBusy when the thread does not answer."""
        if self.inside:
            return function(*arguments, **options)

        async def run() -> T:
            return function(*arguments, **options)

        try:
            return self.submit(run()).result(CALL_LIMIT)
        except concurrent.futures.TimeoutError:
            raise LabBusy(f"the lab did not answer within {CALL_LIMIT} s. {self.culprit() or 'Some code blocks its thread.'}") from None

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Await a coroutine that runs on the thread, from any loop. Cancelling (Interrupt) cancels the work."""
        if self.inside:
            return await work
        future = self.submit(work)
        mine = asyncio.wrap_future(future)
        try:
            while not mine.done():
                await asyncio.wait({mine}, timeout=TICK)
        except asyncio.CancelledError:
            future.cancel()
            mine.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody will ask for it any more
            raise
        if mine.cancelled() and self._stopped.is_set():
            raise AlreadyClosed("the lab was closed while this waited. Run the cell with Lab.start() again.")
        return mine.result()

    def submit(self, work: Coroutine[Any, Any, T]) -> "concurrent.futures.Future[T]":
        """Start a coroutine on the thread, from any thread."""
        if self._stopped.is_set():
            work.close()
            raise AlreadyClosed("this lab is closed. Run the cell with Lab.start() again.")
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def wait(self, future: "concurrent.futures.Future[T]") -> T:
        """Its result, in plain code. Interrupt ends the wait and the work: a wait without an end does not notice one (measured)."""
        try:
            while not future.done():
                concurrent.futures.wait([future], timeout=TICK)
        except BaseException:
            future.cancel()
            raise
        return future.result()

    def fire(self, work: Coroutine[Any, Any, Any]) -> None:
        """Start a coroutine and report its error as trouble: all that a widget's callback may do."""

        def done(future: "concurrent.futures.Future[Any]") -> None:
            if not future.cancelled() and (error := future.exception()) is not None:
                self._troubled(Trouble(f"{type(error).__name__}: {error}", error))

        self.submit(work).add_done_callback(done)

    def stop(self) -> None:
        """Cancel what still runs and end the thread; one that is blocked ends by itself when it can. Safe to call twice."""
        if self._stopped.is_set():
            return
        blocked = time.monotonic() - self._beat > BLOCKED
        self._end()
        self._thread.join(TICK if blocked else CALL_LIMIT)
        self._watchdog.join(CALL_LIMIT)

    def _end(self) -> None:
        self._stopped.set()
        self.loop.call_soon_threadsafe(self.loop.stop)

    # -- the thread -----------------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            with garbage.seldom:
                self.loop.run_forever()
        finally:
            self.loop.run_until_complete(end(asyncio.all_tasks(self.loop)))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()

    def _on_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        text = context["message"]
        if error is not None and str(error) not in text:
            text = f"{text}: {type(error).__name__}: {error}"
        self._troubled(Trouble(text, error))

    # -- the watchdog ---------------------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        told = False
        while not self._stopped.wait(BLOCKED / 4):
            blocked = time.monotonic() - self._beat > BLOCKED
            if blocked and not told and (culprit := _yours(self._stack())):  # else the computer is busy: nobody can do anything about it
                self._troubled(Trouble(culprit))
                told = True
            elif not blocked:
                told = False
            with contextlib.suppress(RuntimeError):  # the loop was closed between the check and now
                self.loop.call_soon_threadsafe(self._alive)

    def _alive(self) -> None:
        self._beat = time.monotonic()

    def culprit(self) -> str:
        """The sentence that names the code which blocks the thread, or "" if it is only waiting for work."""
        stack = self._stack()
        return _yours(stack) or (f"The lab has been blocked for {BLOCKED:.0f} s, in {stack[-1].name}()." if stack else "")

    def _stack(self) -> list[traceback.FrameSummary]:
        """Where the thread is; nowhere if it is only waiting for work."""
        frame = sys._current_frames().get(self._thread.ident or 0)
        stack = traceback.extract_stack(frame) if frame else []
        return [] if not stack or Path(stack[-1].filename).name in WAITING else stack


def _yours(stack: list[traceback.FrameSummary]) -> str:
    """The sentence that names the learner's code, if it is that which runs there."""
    own = [each for each in stack if not is_library(each.filename)]
    if not own:
        return ""
    where = own[-1]
    return f"Your code has blocked the lab for {BLOCKED:.0f} s: {own[0].name}(), line {where.lineno}: {where.line or where.name}"


_LIBRARIES = tuple(str(Path(sysconfig.get_paths()[key]).resolve()) for key in ("stdlib", "purelib", "platlib"))
_OURS = str(Path(__file__).resolve().parent.parent)


def is_library(filename: str) -> bool:
    """Is this a file of Python's, of a package's or of ours, and not what somebody wrote in a cell or a script?"""
    return filename.startswith(("<frozen", _OURS, *_LIBRARIES))
