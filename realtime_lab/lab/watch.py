"""Watches the code of a learner while it runs: what takes too long is stopped, and what cannot be stopped is left behind, for good.

A *piece* is one uninterrupted stretch of a learner's code on some thread: a call, or what a coroutine does between two awaits.
"""

import ctypes
import math
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import PurePath
from types import CodeType, FrameType, TracebackType
from typing import Any, TypeVar

from realtime_lab.lab.loop_thread import is_library

T = TypeVar("T")

Trace = Callable[[FrameType, str, Any], Any]
"""What sys.settrace and sys.setprofile take."""

PIECE = 1.0
"""Seconds that a piece may take. What these exercises ask for takes microseconds.

They are counted in looks: on a computer that is busy with other things, the watch is as slow as the piece.
"""

INSIST = 0.5
"""Seconds that a piece then gets to stop."""

TIMES = 3
"""So many times it is told to."""

LOOK = 0.05
"""Seconds between two looks."""


class Stopped(BaseException):
    """Raised into the code of a learner to end it. Not an Exception, so that `except Exception` does not catch it."""


@dataclass(eq=False)
class Piece:
    """`asked` says which call this is, `waits` whether it may await instead of sleeping, `tell` is called once with what is wrong."""

    asked: str
    waits: bool
    tell: Callable[[str], None]
    printed: Callable[[str], None]
    thread: int = field(default_factory=threading.get_ident)
    looks: int = 0
    """So many looks have found it running."""
    wrong: str = ""
    over: bool = False
    moves: bool = False
    """After its time was over, it was seen to execute another line."""
    raised: int = 0
    """How often Stopped was raised into it. Perhaps the last one has not arrived yet."""
    doomed: bool = False

    def fail(self, wrong: str) -> None:
        """The first that is wrong counts."""
        if not self.wrong:
            self.wrong = wrong
            self.tell(wrong)


class _Running(threading.local):
    piece: Piece | None = None


_running = _Running()


def running() -> Piece | None:
    """The piece that runs on this thread."""
    return _running.piece


class Watch:
    """One for each check. `with Watch() as watch:`; everything of the learner's goes through `watch.run`."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="realtime_lab check watch", daemon=True)
        self.failed_at: float = math.inf
        """The lowest number of a case in which the learner's code failed: later cases do not call it any more."""
        self.abandoned = threading.Event()
        """A piece could not be stopped; its thread is lost."""

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        with self._lock:
            for piece in self._pieces:
                piece.doomed = True
                _follow(piece)

    def run(self, piece: Piece, step: Callable[[], T]) -> T:
        """One piece. Raises what it raises; Stopped if it was stopped, also if it returned in spite of that."""
        outer, _running.piece = _running.piece, piece
        with self._lock:
            self._pieces.append(piece)
        tools = sys.getprofile(), sys.gettrace()
        sys.settrace(_calls(piece))
        sys.setprofile(_no_sleep(piece))
        try:
            result = step()
        finally:
            try:
                self._end(piece)
            except Stopped:  # it came while we were ending
                self._end(piece)
            sys.setprofile(tools[0])
            sys.settrace(tools[1])
            _running.piece = outer
        if piece.wrong:
            raise Stopped
        return result

    def _end(self, piece: Piece) -> None:
        with self._lock:  # what was raised and has not arrived arrives in here at the latest: at a call
            if not piece.over:
                piece.over = True
                self._pieces.remove(piece)

    def _look(self) -> None:
        while not self._ended.wait(LOOK):
            with self._lock:
                for piece in self._pieces:
                    piece.looks += 1
                    if piece.looks * LOOK > PIECE:
                        self._stop(piece)

    def _stop(self, piece: Piece) -> None:
        if not piece.wrong:
            piece.fail(f"{piece.asked} has not returned after {PIECE:g} s. {_busy(piece.thread)}")
            _follow(piece)
        elif piece.looks * LOOK > PIECE + INSIST:
            if not piece.doomed:
                piece.doomed = True
                _follow(piece)
                self.abandoned.set()
        elif piece.moves and piece.raised < TIMES:
            piece.raised += 1
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(piece.thread), ctypes.py_object(Stopped))


def line(where: traceback.FrameSummary) -> str:
    """How a learner finds it: the line of the cell or of the file, and what it says."""
    cell = "ipykernel" in where.filename or where.filename.startswith("<")
    file = "" if cell else f" of {PurePath(where.filename).name}"
    return f"line {where.lineno}{file}: {where.line}" if where.line else f"line {where.lineno}{file}"


def innermost(stack: Iterable[traceback.FrameSummary]) -> str:
    """The line of the learner's code in which this stack is; empty if it is in none."""
    own = [each for each in stack if not is_library(each.filename)]
    return line(own[-1]) if own else ""


def _busy(thread: int) -> str:
    frame = sys._current_frames().get(thread)
    where = innermost(traceback.extract_stack(frame)) if frame else ""
    return f"It is busy in {where}" if where else ""


def _no_sleep(piece: Piece) -> Trace:
    """Sees the call of time.sleep before it begins, so that nothing sleeps."""

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call" and argument is time.sleep:
            better = "Use `await asyncio.sleep(...)`" if piece.waits else "Remove it"
            where = innermost(traceback.extract_stack(frame))
            piece.fail(f"{where}\ntime.sleep() stops everything that runs on this thread, heartbeats too. {better}.")
            raise Stopped

    return profile


# -- following a piece whose time is over -----------------------------------------------------------------------------------------------
#
# An error that is raised into a thread arrives when the thread executes Python code. One that waits in C code may never do so, and until
# it does, CPython 3.11 keeps interrupting every thread of the process, and a traced one makes no progress at all (measured). So nothing is
# raised before the thread was seen to move.
#
# A piece that swallows every error, or waits in a call that does not come back, is doomed: its thread comes to rest for ever as soon as it
# executes another line of the learner's, so that it takes no time and prints nothing. Not in a library's code, which may hold a lock.


def _follow(piece: Piece) -> None:
    """Follow the lines of a piece, from another thread."""
    frame = sys._current_frames().get(piece.thread)
    while frame is not None:
        if _own(frame.f_code):
            frame.f_trace = _lines(piece)
            frame.f_trace_opcodes = True  # a loop in one line is one line to it
        frame = frame.f_back


def _lines(piece: Piece) -> Trace:
    def trace(frame: FrameType, event: str, argument: Any) -> None:
        if piece.doomed:
            threading.Event().wait()
        piece.moves = True
        del frame.f_trace  # once is enough, and what is raised into the thread must not arrive in here

    return trace


def _calls(piece: Piece) -> Trace:
    """A trace function that follows no lines; without one, `_follow` could not make a frame followed from another thread."""

    def trace(frame: FrameType, event: str, argument: Any) -> Trace | None:
        return _lines(piece) if piece.doomed and _own(frame.f_code) else None

    return trace


def _own(code: CodeType) -> bool:
    return not is_library(code.co_filename)
