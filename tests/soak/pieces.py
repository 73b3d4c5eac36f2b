"""What the soak is made of: pieces of a few seeds each, of four modes, each judged by itself.

storm   bursts of clients of all designs, in both directions; the server and one client are processes of their own, which are killed
up      one client emits; judged by the rows in the database
labs    a lab is closed wherever it stands, and started again on the same stores; judged by the rows in all of them
down    the server publishes and five clients emit; judged by what the clients' applications were given, against the rows of the log
"""

import asyncio
import faulthandler
import io
import logging
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from realtime_lab.rules.inbox import TRIES
from tests.soak.down import run_down
from tests.soak.down_schedule import down_schedule
from tests.soak.labs import run_labs
from tests.soak.labs_schedule import labs_schedule
from tests.soak.listener import NOT_NOW
from tests.soak.run import run
from tests.soak.schedule import schedule
from tests.soak.storm import run_storm
from tests.soak.storm_schedule import storm_schedule

LIMIT = 400.0
"""Seconds that a seed may take in all: ten times as long as those that took longest. Later it is said to hang."""
GRACE = 60.0
"""Seconds in which a piece has to end after that. Else its process is ended, and says where it was."""

Report = tuple[str, BaseException | None]
"""What was said in the background, and what it was about."""
reports: ContextVar[list[Report]] = ContextVar("reports")
"""Where a run and everything that it has started report to."""


@dataclass(frozen=True)
class Mode:
    """How a seed becomes a schedule, and a schedule a result; and how many run side by side."""

    at_once: int
    schedule: Callable[[int], Any]
    run: Callable[[Any], Awaitable[Any]]


MODES = {
    "storm": Mode(1, storm_schedule, run_storm),
    "up": Mode(8, schedule, run),
    "down": Mode(4, down_schedule, run_down),
    "labs": Mode(4, labs_schedule, run_labs),
}


@dataclass(frozen=True)
class Failure:
    """A seed that failed, and how."""

    mode: str
    seed: int
    wrong: str


@dataclass
class Outcome:
    """What came out of a piece."""

    totals: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)


async def several(mode: str, seeds: Sequence[int]) -> list[Any]:
    """The results of these seeds, run side by side. Raises what one of them has raised."""
    results = await side_by_side(mode, [MODES[mode].schedule(seed) for seed in seeds])
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


async def side_by_side(mode: str, schedules: Sequence[Any]) -> list[Any]:
    """The results of these schedules: or what they raised. What is reported, and nobody knows by which of them, fails the last one."""
    nobodys: list[Report] = []
    report = lambda loop, context: reports.get(nobodys).append((context["message"], context.get("exception")))  # noqa: E731
    asyncio.get_running_loop().set_exception_handler(report)
    results = await asyncio.gather(*(_alone(mode, schedule) for schedule in schedules), return_exceptions=True)
    if nobodys and not isinstance(results[-1], BaseException):
        results[-1].reported += unexpected(nobodys, ())
    return results


async def _alone(mode: str, schedule: Any) -> Any:
    """In a task of its own."""
    reported: list[Report] = []
    reports.set(reported)
    running = asyncio.create_task(MODES[mode].run(schedule))
    try:
        done, _ = await asyncio.wait({running}, timeout=LIMIT)
        if not done:
            running.print_stack(file=(stack := io.StringIO()))
            raise TimeoutError(f"it hangs: not at its end after {LIMIT:g} s. {stack.getvalue()}")
    finally:
        running.cancel()
    result = running.result()
    result.reported += unexpected(reported, getattr(result, "raised", ()))
    return result


def unexpected(reported: Sequence[Report], raised: Sequence[BaseException]) -> list[str]:
    """What was reported, and not because handlers had been told to raise this: each of that once, and for four of it a halt."""
    halts, found = len(raised) // TRIES, list[str]()
    for message, error in reported:
        if message.startswith("the client has halted at ") and NOT_NOW in message and halts:
            halts -= 1
        elif not any(error is each for each in raised):
            found.append(f"{message}: {error!r}")
    return found


@contextmanager
def ends_within(seconds: float) -> Iterator[None]:
    """Else this process ends, and its errors say what each of its threads was at. Nothing that hangs can keep it from that."""
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


@contextmanager
def silence() -> Iterator[None]:
    """Of the packets to connections that have just been cut."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def piece(mode: str, seeds: Sequence[int]) -> Outcome:
    """To be called in a process of its own, which ends if the piece does not."""
    outcome = Outcome()
    with silence(), ends_within(LIMIT + GRACE):
        results = asyncio.run(side_by_side(mode, [MODES[mode].schedule(seed) for seed in seeds]))
    for seed, result in zip(seeds, results, strict=True):
        if isinstance(result, BaseException):  # what the soak itself fails with, too
            outcome.failures.append(Failure(mode, seed, "".join(traceback.format_exception(result))))
            continue
        outcome.totals += result.totals
        if result.wrong:
            outcome.failures.append(Failure(mode, seed, str(result.wrong)))
    return outcome


async def fails(mode: str, candidate: Any) -> bool:
    """Does this schedule fail?"""
    (result,) = await side_by_side(mode, [candidate])
    return isinstance(result, BaseException) or bool(result.wrong)
