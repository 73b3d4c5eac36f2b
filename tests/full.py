"""The runner of the long checks: resumable, in pieces of 30 minutes, and plain about what was not reached.

`make full`, `make flakes` and `make versions` run the lists of checks.py. What has passed is remembered in .full/ for exactly this content
of the tree. Any change starts anew.
Exit code 0: everything passed. 1: something failed. 3: nothing failed, but not everything was reached; call it again.
A check may print lines that begin with "figure:"; the last one goes into the table.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.checks import LISTS, Check
from tests.kept import ROOT, read, tree_hash, write

FOLDER = ROOT / ".full"
PASSED, FAILED, NOT_REACHED, LEFT_OUT = "passed", "failed", "not reached", "left out"


@dataclass
class Record:
    """What is known about one check on this tree."""

    done: int = 0  # runs in a row that passed
    seconds: float = 0.0  # of those runs together
    figure: str = ""
    failures: int = 0  # failed runs on this tree, also those before a later success
    failed_last: bool = False


class State:
    """The records of all checks, kept in a file, valid for one content of the tree."""

    def __init__(self, path: Path, tree: str) -> None:
        self.path, self.tree = path, tree
        self.records: dict[str, Record] = {}
        kept = read(path)
        if kept["tree"] == tree:
            self.records = {name: Record(**record) for name, record in kept["records"].items()}

    def of(self, check: Check) -> Record:
        return self.records.setdefault(check.name, Record())

    def save(self) -> None:
        write(self.path, self.tree, records={name: asdict(record) for name, record in self.records.items()})


def verdict(check: Check, record: Record) -> str:
    if check.left_out:
        return LEFT_OUT
    if record.done >= check.runs:
        return PASSED
    return FAILED if record.failed_last else NOT_REACHED


def run_checks(checks: Sequence[Check], state: State, minutes: float) -> None:
    """Run what has not passed yet. A run starts only if it can end within the budget."""
    end = time.monotonic() + minutes * 60
    for check in checks:
        record = state.of(check)
        while not check.left_out and record.done < check.runs and time.monotonic() + check.minutes * 60 <= end:
            started = time.monotonic()
            passed, figure = run_once(check)
            seconds = time.monotonic() - started
            note(record, passed, figure, seconds)
            state.save()
            print(f"{check.name}: {f'run {record.done} of {check.runs} passed' if passed else 'FAILED'}, {seconds:.1f} s", flush=True)
            if not passed:
                print(f"  {figure}\n  output: {output_of(check).relative_to(ROOT)}", flush=True)
                break


def note(record: Record, passed: bool, figure: str, seconds: float) -> None:
    record.figure, record.failed_last = figure, not passed
    if passed:
        record.done += 1
        record.seconds += seconds
    else:  # "in a row" begins again
        record.done, record.seconds = 0, 0.0
        record.failures += 1


def output_of(check: Check) -> Path:
    return FOLDER / (re.sub(r"\W+", "-", check.name) + ".log")


def run_once(check: Check) -> tuple[bool, str]:
    """Run the command once; return whether it passed, and the line that sums it up."""
    FOLDER.mkdir(exist_ok=True)
    log = output_of(check)
    with log.open("wb") as out, busy(check.busy_loops):
        process = subprocess.Popen(check.command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            code = process.wait(check.minutes * 60)
        except subprocess.TimeoutExpired:
            return False, f"did not end within {check.minutes:g} minutes"
        finally:
            stop(process)
    return code == 0, sum_up(log.read_text(encoding="utf-8", errors="replace"))


def sum_up(output: str) -> str:
    lines = [line.strip("= ") for line in output.splitlines() if line.strip("= ")] or ["no output"]
    figures = [line for line in lines if line.startswith("figure:")]
    return (figures or lines)[-1].removeprefix("figure:").strip()


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a command that still runs, with everything that it started."""
    if process.poll() is None:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()


BUSY_LOOP = """
import os
parent = os.getppid()
while os.getppid() == parent:
    for _ in range(1_000_000): pass
"""


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep `count` processors busy meanwhile."""
    loops = [subprocess.Popen([sys.executable, "-c", BUSY_LOOP]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def report(checks: Sequence[Check], state: State, minutes: float) -> int:
    """Print the table; return the exit code."""
    verdicts = [verdict(check, state.of(check)) for check in checks]
    print()
    for check, word in zip(checks, verdicts, strict=True):
        print(f"{word:<12} {check.name}: {check.left_out or figure_line(check, state.of(check), minutes)}")
        print(f"{'':<12} {check.sentence}")
    missing = verdicts.count(NOT_REACHED)
    print(f"\n{', '.join(f'{verdicts.count(word)} {word}' for word in (PASSED, FAILED, NOT_REACHED, LEFT_OUT))}.", end=" ")
    if missing:
        print("Not everything was checked: run it again to go on.", end="")
    print()
    return 1 if FAILED in verdicts else 3 if missing else 0


def figure_line(check: Check, record: Record, minutes: float) -> str:
    parts = [f"{record.done} of {check.runs} run{'s' if check.runs > 1 else ''}"]
    if record.done:
        parts.append(f"{record.seconds / record.done:.1f} s each")
    if record.figure:
        parts.append(record.figure)
    if record.failures:
        parts.append(f"FAILED RUNS ON THIS TREE: {record.failures}")
    if record.done < check.runs and check.minutes > minutes:
        parts.append(f"one run may take {check.minutes:g} minutes, more than --minutes {minutes:g}")
    return "; ".join(parts)


def main(arguments: Sequence[str] | None = None, lists: Mapping[str, Sequence[Check]] = LISTS) -> int:
    parser = argparse.ArgumentParser(description="Run the long checks.")
    parser.add_argument("which", choices=lists, help="which list of them")
    parser.add_argument("--minutes", type=float, default=30, help="start nothing that could end later than this (default 30)")
    parser.add_argument("--restart", action="store_true", help="forget what has passed")
    options = parser.parse_args(arguments)
    path, checks = FOLDER / f"{options.which}.json", lists[options.which]
    if options.restart:
        path.unlink(missing_ok=True)
    state = State(path, tree_hash())
    try:
        run_checks(checks, state, options.minutes)
    except KeyboardInterrupt:
        print("\nStopped. What has passed is kept.")
    return report(checks, state, options.minutes)


if __name__ == "__main__":
    os.environ["REALTIME_LAB_TAB"] = "windowless"  # nobody looks at the notebooks
    sys.exit(main())
