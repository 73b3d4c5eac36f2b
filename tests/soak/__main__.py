"""`make soak`: many seeded schedules on the real stack. Prints totals; for the first failure its seed and the shortest failing schedule.

up      one client emits; judged by the rows in the database
down    the server publishes and five clients emit; judged by what the clients' applications were given, against the rows of the log
"""

import argparse
import asyncio
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

from tests.soak.down import DownResult, run_down
from tests.soak.down_schedule import down_schedule
from tests.soak.run import Design, Result, run
from tests.soak.schedule import schedule
from tests.soak.shortest import shortest

EXPECTED = ("the client has halted at 'news'", "the handler news() of 'news' raised TryAgain")
"""What is reported in the background of a schedule: its own failing handlers."""


async def several(seeds: Sequence[int], emits: int, at_once: int, design: Design) -> list[Result]:
    """Run these seeds of "up", so many at a time."""
    return await _at_once(at_once, lambda each: run(each, design), [schedule(seed, emits) for seed in seeds])


async def several_down(seeds: Sequence[int], at_once: int) -> list[DownResult]:
    """Run these seeds of "down". What is reported in the background and not expected fails the last one."""
    reported: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context["message"]))
    results = await _at_once(at_once, run_down, [down_schedule(seed) for seed in seeds])
    results[-1].reported = [message for message in reported if not message.startswith(EXPECTED)]
    for message in results[-1].reported:
        print(f"reported: {message}", flush=True)
    return results


async def _at_once(count: int, perform: Callable[[Any], Awaitable[Any]], schedules: Sequence[Any]) -> list[Any]:
    gate = asyncio.Semaphore(count)

    async def one(schedule: Any) -> Any:
        async with gate:
            try:
                result = await perform(schedule)
            except Exception as error:
                error.add_note(f"seed {schedule.seed}")
                raise
            if result.wrong:
                print(f"seed {schedule.seed}: {result.wrong}", flush=True)
            return result

    return list(await asyncio.gather(*map(one, schedules)))


def up(seeds: Sequence[int], emits: int, at_once: int) -> list[Result]:
    """In a process of its own."""
    logging.disable(logging.CRITICAL)
    return asyncio.run(several(seeds, emits, at_once, Design()))


def down(seeds: Sequence[int], at_once: int) -> list[DownResult]:
    """In a process of its own."""
    logging.disable(logging.CRITICAL)
    return asyncio.run(several_down(seeds, at_once))


def figure_up(results: Sequence[Result]) -> str:
    """The totals."""
    return (
        f"{sum(r.emitted for r in results)} events emitted, {sum(len(r.rows) for r in results)} effects, "
        f"{sum(r.crashes for r in results)} crashes; lost {sum(len(r.lost) for r in results)}, twice {sum(len(r.twice) for r in results)}, "
        f"reordered {sum(len(r.reordered) for r in results)}, acknowledged but not applied {sum(len(r.falsely_acked) for r in results)}, "
        f"stuck {sum(bool(r.stuck) for r in results)}"
    )


def figure_down(results: Sequence[DownResult]) -> str:
    """The totals."""

    def total(of: str) -> int:
        return sum(result.total(of) for result in results)

    return (
        f"{sum(len(r.rows) for r in results)} events stored, {total('applied')} times applied, {sum(r.cuts for r in results)} cuts, "
        f"{sum(r.crashes for r in results)} crashes, {sum(r.refreshes for r in results)} refreshes; lost {total('lost')}, "
        f"repeated {total('repeated')}, reordered {total('reordered')}, cut off by a refresh and repeated {total('cut_off')}, "
        f"trimmed away and told so {total('excused')}, other failures {sum(len(r.other) for r in results)}"
    )


async def _fails(design: Design, candidate: Any) -> bool:
    return bool((await run(candidate, design)).wrong)


async def _fails_down(candidate: Any) -> bool:
    return bool((await run_down(candidate)).wrong)


def main() -> int:
    """Exit code 0: nothing was lost, applied twice or reordered."""
    parser = argparse.ArgumentParser(description="Random faults on the real stack.")
    parser.add_argument("--mode", choices=("both", "up", "down"), default="both", help="client to server, server to client (default both)")
    parser.add_argument("--seeds", type=int, default=200, help="how many schedules (default 200)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (default 1)")
    parser.add_argument("--emits", type=int, default=50, help="events of each schedule of up (default 50)")
    parser.add_argument("--at-once", type=int, default=8, help="schedules that run side by side in a process (default 8)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="processes (default: one for each processor)")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds)
    shares = [share for share in (seeds[each :: options.processes] for each in range(options.processes)) if share]
    modes: dict[str, tuple[Any, Any, Any]] = {
        "up": (partial(up, emits=options.emits, at_once=options.at_once), figure_up, partial(_fails, Design())),
        "down": (partial(down, at_once=options.at_once), figure_down, _fails_down),
    }
    failed = False
    for mode in modes if options.mode == "both" else (options.mode,):
        work, figure, fails = modes[mode]
        began = time.monotonic()
        with ProcessPoolExecutor(len(shares)) as pool:
            results = [result for share in pool.map(work, shares) for result in share]
        print(f"figure: {mode}: {len(results)} schedules, {figure(results)}; {time.monotonic() - began:.0f} s", flush=True)
        wrong = sorted((result for result in results if result.wrong), key=lambda result: int(result.schedule.seed))
        failed |= bool(wrong)
        if wrong:
            print("The shortest schedule found that fails like it:")
            print(asyncio.run(shortest(wrong[0].schedule, fails)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
