"""`make soak`: random faults on the real stack, for so many minutes. Call it again to go on: the totals add up.

What was done is remembered in .soak/state.json for exactly this content of the tree. Any change starts anew, with other seeds.
Exit code 0: every promise was kept, and after enough storms every weaker design was seen to break. 1: not so.
"""

import argparse
import asyncio
import os
import sys
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import count

from tests.kept import ROOT, tree_hash
from tests.soak.pieces import GRACE, MODES, Failure, Outcome, ends_within, fails, piece
from tests.soak.shortest import shortest
from tests.soak.totals import ENOUGH, State, figure, table

CYCLE = ("storm", "up", "down", "labs")
SHRINKING = 300.0
"""Seconds for making a failing schedule shorter."""


class Soak:
    """Pieces of the modes by turns, as long as there is time for one more. The seeds begin at `first`."""

    def __init__(self, state: State, seconds: float, processes: int, first: int) -> None:
        self.state, self.processes, self.first = state, processes, first
        self.end = time.monotonic() + seconds
        self.longest = dict.fromkeys(MODES, 0.0)
        self.running: dict[Future[Outcome], tuple[str, int, float]] = {}

    def run(self) -> None:
        """Stops early when something has failed. What runs when it is interrupted counts for nothing, and comes again."""
        turns = count(sum(map(len, self.state.done.values())))
        before, began = self.state.seconds, time.monotonic()
        with ProcessPoolExecutor(self.processes) as pool:
            while self._start(pool, turns) or self.running:
                done, _ = wait(self.running, timeout=1.0, return_when=FIRST_COMPLETED)
                self.state.seconds = before + time.monotonic() - began
                for future in done:
                    self.finish(future)

    def _start(self, pool: ProcessPoolExecutor, turns: "count[int]") -> bool:
        """Start what there is time and room for. False: nothing any more."""
        while len(self.running) < self.processes:
            mode = CYCLE[next(turns) % len(CYCLE)]
            if self.state.failures or time.monotonic() + self.longest[mode] > self.end:
                return False
            taken = {*self.state.done[mode], *(place for other, place, _ in self.running.values() if other == mode)}
            place = next(place for place in count() if place not in taken)
            try:
                future = pool.submit(piece, mode, self._seeds(mode, place))
            except BrokenProcessPool as error:
                (future := Future[Outcome]()).set_exception(error)
            self.running[future] = mode, place, time.monotonic()
        return True

    def finish(self, future: Future[Outcome]) -> None:
        """A piece is done. Or a process has ended before its piece, and with it the pool: that may have been any of those that ran."""
        mode, place, began = self.running.pop(future)
        self.longest[mode] = max(self.longest[mode], time.monotonic() - began)
        try:
            outcome = future.result()
        except BrokenProcessPool:
            why = "a process ended before its piece: this one's, or that of another one that failed with it"
            outcome = Outcome(failures=[Failure(mode, seed, why) for seed in self._seeds(mode, place)])
        self.state.add(mode, place, outcome)
        self.state.save()
        for failure in outcome.failures:
            print(f"FAILED {failure.mode}:{failure.seed}: {failure.wrong}", flush=True)

    def _seeds(self, mode: str, place: int) -> range:
        size = MODES[mode].at_once
        return range(self.first + place * size, self.first + (place + 1) * size)


def shrink(failure: Failure) -> None:
    """Print the shortest schedule that fails like it."""
    seed = f"{failure.mode}:{failure.seed}"
    print(f"The shortest schedule found that fails, of {seed} (alone: make soak SOAK_ARGS='--only {seed}'):", flush=True)
    schedule = MODES[failure.mode].schedule(failure.seed)
    with ends_within(SHRINKING + GRACE):
        found = asyncio.run(shortest(schedule, partial(fails, failure.mode), SHRINKING))
    print(found or f"could not be repeated: by itself {seed} does not fail again in {SHRINKING:g} s.", flush=True)


def alone(mode: str, seed: int) -> int:
    """Run one seed, and nothing is remembered."""
    outcome = piece(mode, [seed])
    for what, number in sorted(outcome.totals.items()):
        print(f"{what}: {number}")
    for failure in outcome.failures:
        print(f"FAILED: {failure.wrong}", flush=True)
        shrink(failure)
    return 1 if outcome.failures else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description="Random faults on the real stack.")
    parser.add_argument("--minutes", type=float, default=10, help="start nothing that could end later than this (default 10)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="pieces at once (default: one for each processor)")
    parser.add_argument("--only", metavar="MODE:SEED", help=f"run one seed of {', '.join(MODES)} alone")
    parser.add_argument("--from", dest="first", type=int, help="the first seed (default: each content of the tree tries others)")
    parser.add_argument("--restart", action="store_true", help="forget what was done")
    options = parser.parse_args()
    if options.only:
        mode, _, seed = options.only.partition(":")
        return alone(mode, int(seed))
    tree = tree_hash()
    first = int(tree[:5], 16) if options.first is None else options.first
    print(f"The seeds begin at {first} (this again, on any content of the tree: --from {first}).", flush=True)
    path = ROOT / ".soak" / "state.json"
    if options.restart:
        path.unlink(missing_ok=True)
    state = State(path, f"{tree} from {first}")
    known, interrupted = len(state.failures), False
    try:
        Soak(state, options.minutes * 60, options.processes, first).run()
    except KeyboardInterrupt:
        interrupted = True
        print("\nStopped. What was done is kept.")
    print(f"{table(state)}\nfigure: {figure(state)}")
    for failure in state.failures:
        print(f"FAILED ON THIS TREE: {failure.mode}:{failure.seed}")
    for word in state.unbitten:
        print(f"{'FAILED' if not state.bites else f'not yet, of at least {ENOUGH} storms'}: {word}")
    if state.failures[known:] and not interrupted:
        shrink(state.failures[known])
    return 0 if not state.failures and state.bites else 1


if __name__ == "__main__":
    sys.exit(main())
