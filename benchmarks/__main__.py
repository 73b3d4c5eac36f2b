"""`python -m benchmarks [NAME ...]`: measure, print a table of ratios, write .benchmarks/NAME.json."""

import argparse
import asyncio
import importlib
import logging
import signal
import sys

from benchmarks.processes import NEEDS
from benchmarks.rounds import Figure, measure
from benchmarks.table import result, save, text, write_page

FILES = (
    "at_least_once",
    "one_kernel",
    "delayed",
    "latency",
    "replay",
    "replay_memory",
    "ticker",
    "append",
    "fan_out",
    "lab",
    "imports",
    "link_and_journal",
    "journal_memory",
)
"""In the order in which they are measured."""


def figures(file: str) -> tuple[Figure, ...]:
    """The figures of a file."""
    found: tuple[Figure, ...] = importlib.import_module(f"benchmarks.{file}").FIGURES
    return found


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, beside what else one would use.")
    named = list(dict.fromkeys([*FILES, *(figure.name for file in FILES for figure in figures(file))]))
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"files or figures, of {', '.join(named)} (default: all)")
    parser.add_argument("--rounds", type=int, help="how often each is measured (default: as each figure says, mostly 5)")
    parser.add_argument("--events", type=int, help="how many events each time (default: as each figure says)")
    parser.add_argument(
        "--without", nargs="+", default=[], choices=sorted(NEEDS), metavar="WHAT", help=f"leave out what needs {sorted(NEEDS)}"
    )
    parser.add_argument("--write", action="store_true", help="then write BENCHMARKS.md from the last result of each figure")
    parser.add_argument("--remark", default="", help="a sentence for BENCHMARKS.md, on what the machine was doing")
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.names if name not in named]:
        parser.error(f"there is no {', '.join(unknown)}. There is: {', '.join(named)}.")
    return chosen


async def main(chosen: argparse.Namespace) -> None:
    """Measure what is chosen."""
    sizes = {"--events": chosen.events, "--rounds": chosen.rounds}
    command = " ".join(["python -m benchmarks", *chosen.names, *(f"{name} {size}" for name, size in sizes.items() if size)])
    names = chosen.names or FILES
    for figure in (figure for file in FILES for figure in figures(file) if file in names or figure.name in names):
        events = chosen.events if chosen.events and figure.events > 1 else figure.events
        outcome = await measure(figure, rounds=chosen.rounds or figure.rounds, events=events, without=chosen.without)
        found = result(outcome, command)
        print(text(found), flush=True)
        save(found)
    if chosen.write:
        write_page([figure for file in FILES for figure in figures(file)], chosen.remark)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what was started is ended
    try:
        asyncio.run(main(options()))
    except KeyboardInterrupt:
        sys.exit(130)
