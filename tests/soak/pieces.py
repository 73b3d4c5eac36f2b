"""What the soak is made of: pieces of a few seeds each, of three modes, each judged by itself.

storm   bursts of clients of all designs, in both directions; the server and one client are processes of their own, which are killed
up      one client emits; judged by the rows in the database
down    the server publishes and five clients emit; judged by what the clients' applications were given, against the rows of the log
"""

import asyncio
import logging
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.soak.down import run_down
from tests.soak.down_schedule import down_schedule
from tests.soak.run import run
from tests.soak.schedule import schedule
from tests.soak.storm import run_storm
from tests.soak.storm_schedule import storm_schedule

EXPECTED = ("the client has halted at 'news'", "the handler news() of 'news' raised TryAgain")
"""What is reported in the background of a schedule: its own failing handlers."""


@dataclass(frozen=True)
class Mode:
    """How a seed becomes a schedule, and a schedule a result; and how many run side by side."""

    at_once: int
    schedule: Callable[[int], Any]
    run: Callable[[Any], Awaitable[Any]]


MODES = {"storm": Mode(1, storm_schedule, run_storm), "up": Mode(8, schedule, run), "down": Mode(4, down_schedule, run_down)}


@dataclass(frozen=True)
class Failure:
    """A seed that failed, and how. Its last words may be those of a neighbour that ran beside it."""

    mode: str
    seed: int
    wrong: str


@dataclass
class Outcome:
    """What came out of a piece."""

    totals: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)


async def several(mode: str, seeds: Sequence[int]) -> list[Any]:
    """Run these seeds side by side. What is reported in the background and not expected fails the last one."""
    reported: list[str] = []
    report = lambda loop, context: reported.append(f"{context['message']}: {context.get('exception')!r}")  # noqa: E731
    asyncio.get_running_loop().set_exception_handler(report)
    results = await asyncio.gather(*(_named(MODES[mode].run, MODES[mode].schedule(seed)) for seed in seeds))
    if unexpected := [message for message in reported if not message.startswith(EXPECTED)]:
        results[-1].reported = unexpected
    return results


async def _named(perform: Callable[[Any], Awaitable[Any]], schedule: Any) -> Any:
    try:
        return await perform(schedule)
    except Exception as error:
        error.add_note(f"seed {schedule.seed}")
        raise


def piece(mode: str, seeds: Sequence[int]) -> Outcome:
    """In a process of its own."""
    logging.disable(logging.CRITICAL)
    outcome = Outcome()
    try:
        results = asyncio.run(several(mode, seeds))
    except Exception:  # noqa: BLE001  # what the soak itself fails with is reported with its seed
        return Outcome(failures=[Failure(mode, seeds[0], traceback.format_exc())])
    for result in results:
        outcome.totals += result.totals
        if result.wrong:
            outcome.failures.append(Failure(mode, result.schedule.seed, str(result.wrong)))
    return outcome


async def fails(mode: str, candidate: Any) -> bool:
    """Does this schedule fail?"""
    try:
        return bool((await MODES[mode].run(candidate)).wrong)
    except Exception:  # noqa: BLE001  # that is a failure too
        return True
