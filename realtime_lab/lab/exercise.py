"""An exercise: a promise, and the cases that try to break it with a learner's code, the shortest first."""

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from realtime_lab.errors import RealtimeLabError
from realtime_lab.lab.figure import Figure
from realtime_lab.lab.guard import AnswerFailed, Guard, NotWritten
from realtime_lab.lab.loop_thread import TICK, LoopThread, Trouble
from realtime_lab.lab.printed import routed
from realtime_lab.lab.report import Outcome, Report
from realtime_lab.lab.shape import misshapen
from realtime_lab.lab.watch import Watch

LIMIT = 15.0
"""Seconds in which some case has to end: nobody waits longer for an answer that hangs, and a busy machine is given its time."""

LAST_WORDS = 0.5
"""Seconds that the cases get to end after a piece of the learner's could not be stopped."""

CLOSING = 2.0
"""Seconds that an interrupted check waits for its labs to close."""


@dataclass(frozen=True)
class Finding:
    """What a case found: the promise is broken, or it cannot tell. A case that keeps the promise finds nothing."""

    words: str
    figure: Figure | None = None
    outcome: Literal["broken", "unknown"] = "broken"


@dataclass(frozen=True)
class Case:
    """One try.

    words       what happens, for a learner: "dave sends 2 messages, and his link is cut before #1"
    line        the line of code that makes the fault; empty if there is none
    run         runs it: `await run(guard, answer)` gives a Finding or None. It calls the answer through the guard only
    """

    words: str
    line: str
    run: Callable[[Guard, Any], Awaitable[Finding | None]]


@dataclass(frozen=True)
class Exercise:
    """What a check needs.

    name          of the function in `check`
    promise       what the learner's code must keep, in one sentence
    not_checked   what these cases do not show, in one sentence
    shape         what the answer must look like: a Protocol (see shape.py), or a function that says what is wrong with it, or None
    cases         in order of length: number of messages and faults
    together      how many cases run at once
    limit         seconds in which some case has to end
    """

    name: str
    promise: str
    not_checked: str
    shape: type | Callable[[Any], str] | None
    cases: tuple[Case, ...]
    together: int = 4
    limit: float = LIMIT


def check(exercise: Exercise, answer: Any) -> Report:
    """Judge an answer. Never raises because of the answer; KeyboardInterrupt ends it, and closes what it has opened."""
    if problem := _misshapen(exercise, answer):
        return Report(exercise.name, exercise.promise, exercise.not_checked, "unknown", words=problem)
    run = _Run(exercise, answer)
    try:
        with routed():
            return run.report()
    finally:
        print("".join(guard.printed for guard in run.guards[: run.judged]), end="")  # noqa: T201  # it is the learner's


def _misshapen(exercise: Exercise, answer: Any) -> str:
    if isinstance(exercise.shape, type):
        return misshapen(exercise.name, answer, exercise.shape)
    return exercise.shape(answer) if exercise.shape is not None else ""


@dataclass
class _Run:
    exercise: Exercise
    answer: Any
    guards: list[Guard] = field(default_factory=list)
    findings: dict[int, Finding | AnswerFailed | None] = field(default_factory=dict)
    """By the number of the case, as far as they have ended."""
    works: list["asyncio.Future[Finding | None]"] = field(default_factory=list)
    """The cases that were begun."""
    waits: dict[int, list[str]] = field(default_factory=dict)
    """What each case waited for when the time was over."""
    judged: int | None = None
    """So many cases count: up to the one that is reported. None: all, if there is no report."""

    def report(self) -> Report:
        """Runs the cases on a thread of their own and waits for them, or for the time to be over."""
        troubles: list[Trouble] = []
        with Watch() as watch:
            thread = LoopThread(f"realtime_lab check {self.exercise.name}", troubles.append)
            work = thread.submit(self._all(watch))
            try:
                if self._wait(work, watch):
                    work.result()  # raises what is our own mistake
                else:
                    self.waits = {number: guard.waits_for for number, guard in enumerate(self.guards)}
                for error in [trouble.error for trouble in troubles if trouble.error]:
                    raise error
            finally:
                work.cancel()
                end = threading.Thread(target=thread.stop, name="realtime_lab check end", daemon=True)
                end.start()
                end.join(0 if watch.abandoned.is_set() else CLOSING)
        return self._judged()

    def _wait(self, work: "concurrent.futures.Future[None]", watch: Watch) -> bool:
        """Returns whether it has ended."""
        ended, deadline = 0, time.monotonic() + self.exercise.limit
        while not work.done() and time.monotonic() < deadline:
            if watch.abandoned.is_set():
                deadline = min(deadline, time.monotonic() + LAST_WORDS)
            elif len(self.findings) > ended:
                ended, deadline = len(self.findings), time.monotonic() + self.exercise.limit
            concurrent.futures.wait([work], timeout=TICK)  # short waits, so that Interrupt works
        return work.done()

    async def _all(self, watch: Watch) -> None:
        self.guards = [Guard(watch, number) for number in range(len(self.exercise.cases))]
        turns = asyncio.Semaphore(self.exercise.together)
        tasks = [asyncio.create_task(self._case(number, turns)) for number in range(len(self.exercise.cases))]
        try:
            for number, task in enumerate(tasks):
                await task
                if _breaks(self.findings[number]):
                    return
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self.works:  # one that was ending already has not been waited for by its task; its lab must close before the thread stops
                await asyncio.wait(self.works)

    async def _case(self, number: int, turns: asyncio.Semaphore) -> None:
        guard, case = self.guards[number], self.exercise.cases[number]
        async with turns:
            work = asyncio.ensure_future(case.run(guard, self.answer))
            self.works.append(work)
            failed = asyncio.ensure_future(guard.failed.wait())
            try:
                await asyncio.wait({work, failed}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                failed.cancel()
                work.cancel()
                await asyncio.wait({work})
                error = None if work.cancelled() else work.exception()  # looked at even when this case does not matter any more
            self.findings[number] = guard.failure or _found(work, error)

    # -- the report -------------------------------------------------------------------------------------------------------------------

    def _judged(self) -> Report:
        findings = {**{number: guard.failure for number, guard in enumerate(self.guards) if guard.failure}, **self.findings}
        worst = next((number for number in sorted(findings) if _breaks(findings[number])), None)
        if worst is not None:
            return self._report(worst, findings[worst])
        missing = [number for number in range(len(self.exercise.cases)) if number not in findings]
        if missing:
            return self._report(missing[0], Finding(self._too_long(missing[0]), outcome="unknown"))
        unsure = next((number for number in sorted(findings) if findings[number] is not None), None)
        return self._report(len(self.exercise.cases) - 1 if unsure is None else unsure, None if unsure is None else findings[unsure])

    def _report(self, number: int, finding: Finding | AnswerFailed | None) -> Report:
        case, self.judged = self.exercise.cases[number], number + 1
        outcome: Outcome = "kept"
        if isinstance(finding, Finding):
            outcome = finding.outcome
        elif finding is not None:
            outcome = "not written yet" if isinstance(finding, NotWritten) else "broken"
        shown = outcome in ("broken", "unknown")
        return Report(
            self.exercise.name,
            self.exercise.promise,
            self.exercise.not_checked,
            outcome,
            tried=number + 1 if outcome != "not written yet" else 0,
            of=len(self.exercise.cases),
            words=finding.words if isinstance(finding, Finding) else str(finding or ""),
            case=case.words if shown else "",
            line=case.line if shown else "",
            figure=finding.figure if isinstance(finding, Finding) else None,
        )

    def _too_long(self, number: int) -> str:
        reasons = "; ".join(self.waits.get(number, [])) or "the computer is busy"
        return f"For {self.exercise.limit:g} s no case of this check has ended. It waited for this: {reasons}\nRun it again."


def _breaks(finding: Finding | AnswerFailed | None) -> bool:
    return isinstance(finding, AnswerFailed) or (finding is not None and finding.outcome == "broken")


def _found(work: "asyncio.Future[Finding | None]", error: BaseException | None) -> Finding | AnswerFailed | None:
    """Raises what is our own mistake. A lab that did not come to rest, say, only means that we cannot tell."""
    if isinstance(error, AnswerFailed):
        return error
    if isinstance(error, RealtimeLabError):
        return Finding(f"The laboratory could not finish this case: {error}", outcome="unknown")
    return work.result()
