"""The whole sweep of lesson 11, twice: every break point of five designs, with 18 messages. `python -m tests.full_sweep`

At least 150 break points for each design, in less than two minutes on two cores, with equal fates; nothing lost or given to a handler twice
by the strongest design, and a loss by each of the others.
"""

import sys
import time

from realtime_lab import FateMatrix, Trial, sweep
from tests.lab.exercises.answers_choose import DESIGNS

MESSAGES = 18
STALLS = 40
POINTS = 150
SECONDS = 120.0


async def long_chat(trial: Trial) -> None:
    alice = await trial.join("alice")
    await trial.join("bob")
    for n in range(1, MESSAGES + 1):
        alice.emit("chat message", n)
    await trial.rest()


def wrong_with(matrix: FateMatrix, seconds: float) -> list[str]:
    """Sentences."""
    counts = {design: len(matrix.runs(design)) for design in matrix.designs}
    totals = {design: matrix.total(design) for design in matrix.designs}
    *weaker, strongest = matrix.designs
    found = [f"{design}: only {count} break points" for design, count in counts.items() if count < POINTS]
    found += [f"{design}: lost nothing, which theory does not allow" for design in weaker if not totals[design]["lost"]]
    found += [f"{strongest}: {dict(totals[strongest])}"] if set(totals[strongest]) != {"kept"} else []
    found += [f"{run.design}: never came to {run.point}" for run in matrix.unreached]
    found += [f"{seconds:.0f} s, more than {SECONDS:.0f}"] if seconds > SECONDS else []
    return found


def main() -> int:
    matrices, wrong, times = [], [], []
    for _ in range(2):
        began = time.monotonic()
        matrices.append(sweep(long_chat, DESIGNS, stalls=STALLS).run())
        times.append(time.monotonic() - began)
        print(matrices[-1])
        wrong += wrong_with(matrices[-1], times[-1])
    first, second = (dict(matrix.fates) for matrix in matrices)
    wrong += [f"{key}: {first.get(key)}, then {second.get(key)}" for key in first | second if first.get(key) != second.get(key)]
    least = min(len(matrices[0].runs(design)) for design in matrices[0].designs)
    print(f"figure: {len(first)} runs, at least {least} for each design, in {times[0]:.0f} s and {times[1]:.0f} s")
    print("\n".join(wrong) if wrong else "equal fates twice")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
