"""Break a scenario at every place where it can break, once each, for every design, on the real stack.

Random faults teach badly: wrong code passes by luck. A link knows the packets, so every break point can be tried, and a design that
survives has survived all of them. (Of this scenario, with one fault in each run: the matrix says how many it tried.)
"""

import asyncio
import itertools
from collections.abc import Callable, Generator, Sequence
from typing import Any

from realtime_lab.errors import InvalidSetting
from realtime_lab.lab.fate_matrix import FateMatrix
from realtime_lab.lab.loop_thread import CALL_LIMIT, LoopThread, Trouble
from realtime_lab.lab.points import FAULTS, Break, Point, check_faults, points_of
from realtime_lab.lab.trial import Design, Outcome, Scenario, try_once

BUSY = 4
"""Labs that run at once. More only wait for each other (measured: one process has one interpreter lock)."""
PATIENT = 12
"""Labs at once that do little but wait for a heartbeat: a stall takes two to three seconds to be noticed."""

Progress = Callable[[int, int], None]
"""Called with how many runs are done, and how many there are."""

_numbers = itertools.count(1)


class Sweep:
    """`await sweep(...)`, or `sweep(...).run()` where nothing can be awaited. Both can be interrupted; every lab is closed then."""

    def __init__(
        self, scenario: Scenario, designs: Sequence[Design], faults: Sequence[str], stalls: int | None, progress: Progress | None
    ) -> None:
        names = [design.name for design in designs]
        if not designs or len(set(names)) < len(names):
            raise InvalidSetting(f"designs: give at least one, each with a name of its own, not {names}.")
        self._scenario, self._designs, self._faults = scenario, tuple(designs), check_faults(faults)
        self._stalls, self._progress = stalls, progress
        self._troubles: list[Trouble] = []
        self._done = self._total = 0
        self._limits = {False: asyncio.Semaphore(BUSY), True: asyncio.Semaphore(PATIENT)}

    def __await__(self) -> Generator[Any, None, FateMatrix]:
        return self._sweep().__await__()

    def run(self) -> FateMatrix:
        """The same, for a cell or a script without `await`."""
        thread = LoopThread("realtime_lab sweep", self._troubles.append)
        try:
            return thread.wait(thread.submit(self._sweep()))
        except BaseException:
            thread.submit(_others_end()).result()  # a thread that stops would interrupt the labs while they close
            raise
        finally:
            thread.stop()

    async def _sweep(self) -> FateMatrix:
        thread = LoopThread("realtime_lab sweep, its labs", self._troubles.append)
        try:
            plain = [await self._try(thread, design, None) for design in self._designs]  # one by one: their latencies are compared
            plan = [
                (design, point)
                for design, outcome in zip(self._designs, plain, strict=True)
                for point in points_of(outcome.events, self._faults, commits=outcome.rows > 0, stalls=self._stalls)
            ]
            self._done, self._total = 0, len(plan)
            return FateMatrix(plain, await self._try_all(thread, plan))
        finally:
            thread.stop()

    async def _try_all(self, thread: LoopThread, plan: Sequence[tuple[Design, Point]]) -> list[Outcome]:
        try:
            async with asyncio.TaskGroup() as group:  # the first error ends the others
                runs = [group.create_task(self._try(thread, design, point)) for design, point in plan]
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [run.result() for run in runs]

    async def _try(self, thread: LoopThread, design: Design, point: Point | None) -> Outcome:
        async with self._limits[isinstance(point, Break) and point.stall]:
            outcome = await try_once(self._scenario, design, point, name=f"sweep {next(_numbers)}", thread=thread)
        if error := next((trouble.error for trouble in self._troubles if trouble.error), None):
            raise error
        self._done += 1
        if self._progress is not None and self._total:
            self._progress(self._done, self._total)
        return outcome


async def _others_end() -> None:
    """Wait until every other task of this loop has ended."""
    if others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others, timeout=CALL_LIMIT)


def sweep(
    scenario: Scenario,
    designs: Sequence[Design],
    *,
    faults: Sequence[str] = FAULTS,
    stalls: int | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Run `scenario` once for every break point of every design, and return the FateMatrix: `await` it, or call its `run()`.

    scenario    an async function that is given a Trial
    faults      which of "cut" (RST before and after each packet), "stall" (of that direction, before each packet), "crash" (of the server,
                at each of its crash points, for each event)
    stalls      at most so many stalls for each design, evenly spread: each of them takes two to three seconds
    progress    called with (done, total) after each run

    Raises InvalidSetting, and what the scenario raises.
    """
    return Sweep(scenario, designs, faults, stalls, progress)
