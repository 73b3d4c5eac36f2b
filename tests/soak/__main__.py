"""`make soak`: many seeded schedules on the real stack. Prints totals; for the first failure its seed and the shortest failing schedule."""

import argparse
import asyncio
import logging
import sys
import time

from tests.soak.run import Design, Result, run, shortest
from tests.soak.schedule import schedule


async def several(seeds: range, emits: int, at_once: int, design: Design) -> list[Result]:
    """Run these seeds, so many at a time."""
    gate = asyncio.Semaphore(at_once)

    async def one(seed: int) -> Result:
        async with gate:
            result = await run(schedule(seed, emits), design)
            if result.wrong:
                print(f"seed {seed}: {result.wrong}", flush=True)
            return result

    return list(await asyncio.gather(*(one(seed) for seed in seeds)))


def main() -> int:
    """Exit code 0: nothing was lost, applied twice or reordered."""
    parser = argparse.ArgumentParser(description="Random faults on the real stack, judged by the rows in the database.")
    parser.add_argument("--seeds", type=int, default=200, help="how many schedules (default 200)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (default 1)")
    parser.add_argument("--emits", type=int, default=50, help="events of each schedule (default 50)")
    parser.add_argument("--at-once", type=int, default=8, help="schedules that run side by side (default 8)")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    began = time.monotonic()
    seeds = range(options.first, options.first + options.seeds)
    results = asyncio.run(several(seeds, options.emits, options.at_once, Design()))
    failed = [result for result in results if result.wrong]
    emitted, rows = sum(result.emitted for result in results), sum(len(result.rows) for result in results)
    print(
        f"figure: {len(results)} schedules, {emitted} events emitted, {rows} effects, {sum(r.crashes for r in results)} crashes; "
        f"lost {sum(len(r.lost) for r in results)}, twice {sum(len(r.twice) for r in results)}, "
        f"reordered {sum(len(r.reordered) for r in results)}, acknowledged but not applied {sum(len(r.falsely_acked) for r in results)}, "
        f"stuck {sum(bool(r.stuck) for r in results)}; {time.monotonic() - began:.0f} s"
    )
    if failed:
        print("The shortest schedule found that fails like it:")
        print(asyncio.run(shortest(failed[0].schedule, Design())))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
