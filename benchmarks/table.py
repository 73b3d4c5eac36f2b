"""How figures are shown: as a table, as a small JSON in .benchmarks, and as BENCHMARKS.md, which has the last result of each."""

import json
import os
import platform
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from typing import Any

from benchmarks.processes import MODULES, ROOT
from benchmarks.rounds import Figure, Outcome, Row

RESULTS = ROOT / ".benchmarks"
PAGE = ROOT / "BENCHMARKS.md"
PACKAGES = ("realtime-lab", "python-socketio", "python-engineio", "aiohttp", "aiosqlite", "redis", "hiredis")
HEAD = ("ours", "its figure", "anchor", "its figure", "ratio", "from - to", "target", "")

SHOWN: dict[str, Callable[[float], str]] = {
    "events/s": lambda cost: f"{_round(1 / cost)} /s",
    "us": lambda cost: f"{_round(cost * 1e6)} us",
    "ms": lambda cost: f"{_round(cost * 1e3)} ms",
    "B": lambda cost: f"{_round(cost)} B",
    "MB": lambda cost: f"{_round(cost / 1e6)} MB",
}
"""A cost in seconds, or in bytes."""

INTRODUCTION = """\
# Benchmarks

Written by `python -m benchmarks --write`, not by hand. It holds the last result of each figure.

What counts are the ratios. Ours and its anchor are measured by turns, a ratio is taken within a round, and the median of all rounds is
given, with the lowest and the highest. "12 x" means 12 times as fast; where the target says "at most", it means 12 times the cost. "open"
means that the target is not reached; "too small a run", that fewer events or rounds were measured than would show that it is. Absolute
figures belong to this machine and its neighbours at that hour.
"""


def _round(number: float) -> str:
    """Three digits, which is more than a busy machine is worth."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def cells(outcome: Outcome, row: Row) -> list[str]:
    """One row of the table."""
    show, ratios = SHOWN[outcome.figure.unit], outcome.ratios(row)

    def figure_of(name: str) -> str:
        return show(median(outcome.costs[name])) if name in outcome.costs else "left out"

    anchor, span = ["", ""], ["", ""]
    if row.anchor is not None:
        anchor = [row.anchor.name, figure_of(row.anchor.name)]
    if ratios and row.anchor is not None:
        span = [f"{_round(median(ratios))} x", f"{_round(min(ratios))} - {_round(max(ratios))}"]
    elif ratios:
        span = ["", f"{show(min(ratios))} - {show(max(ratios))}"]
    return [row.ours.name, figure_of(row.ours.name), *anchor, *span, aim(outcome.figure, row), verdict(outcome, row)]


def verdict(outcome: Outcome, row: Row) -> str:
    """Is the target reached? A run that was smaller than the figure wants shows nothing that is good."""
    ratios = outcome.ratios(row)
    met = row.target.met(median(ratios)) if ratios else None
    if met and (outcome.events < outcome.figure.events or outcome.rounds < outcome.figure.rounds):
        return "too small a run"
    return {True: "reached", False: "open", None: ""}[met]


def aim(figure: Figure, row: Row) -> str:
    """The target in words."""
    if row.target.value is None:
        return ""
    if row.target.kind == "limit":
        return "at most " + SHOWN[figure.unit](row.target.value)
    return f"at {'least' if row.target.kind == 'faster' else 'most'} {row.target.value:g} x"


def result(outcome: Outcome, command: str) -> dict[str, Any]:
    """What is kept of a figure."""
    figure = outcome.figure
    return {
        "figure": figure.name,
        "what": figure.what,
        "command": command,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "events": outcome.events if figure.events > 1 else None,
        "rounds": outcome.rounds,
        "rows": [{"cells": cells(outcome, row), "ratios": outcome.ratios(row)} for row in figure.rows],
        "costs": outcome.costs,
        "missing": outcome.missing,
        "versions": versions(),
    }


def save(found: dict[str, Any]) -> None:
    """Write .benchmarks/NAME.json."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{found['figure']}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def text(found: dict[str, Any]) -> str:
    """A figure with everything that belongs to it."""
    many = f"{found['events']:,} events, " if found["events"] else ""
    rounds = "one round" if found["rounds"] == 1 else f"median of {found['rounds']} rounds"
    lines = [f"## {found['figure']}", "", found["what"], ""]
    lines += [f"`{found['command']}`, {found['date']}: {many}{rounds}.", ""]
    lines += [table(HEAD, [row["cells"] for row in found["rows"]]), ""]
    lines += [f"Left out: {name}. For it: `{how}`\n" for name, how in found["missing"].items()]
    return "\n".join(lines)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown, and readable as it stands."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    written = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines]
    written.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(written)


def write_page(figures: Iterable[Figure], remark: str) -> None:
    """Write BENCHMARKS.md with the last results of these figures, as far as they are of the present versions."""
    present, parts, old = versions(), [INTRODUCTION], []
    for figure in figures:
        file = RESULTS / f"{figure.name}.json"
        found = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        if found.get("versions") == present:
            parts += [text(found), *([f"{figure.limits}\n"] if figure.limits else [])]
        else:
            old.append(figure.name)
    parts.insert(1, "\n".join([*([remark, ""] if remark else []), *(f"- {name}: {what}" for name, what in present.items()), ""]))
    parts += [f"Not measured with these versions: {', '.join(old)}.\n"] if old else []
    PAGE.write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")


@cache
def versions() -> dict[str, str]:
    """What was measured, and on what."""
    found = {"Python": platform.python_version(), "SQLite": sqlite3.sqlite_version}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    for name in ("socket.io", "socket.io-client"):
        package = MODULES / name / "package.json"
        found[f"{name} (JavaScript)"] = json.loads(package.read_text(encoding="utf-8"))["version"] if package.exists() else "not installed"
    found["Node.js"] = _said("node", "--version")
    found["redis-server"] = _said("redis-server", "--version").partition(" sha=")[0]
    found["machine"] = f"{platform.system()}, {platform.machine()}, {os.cpu_count()} processors"
    return found


def _said(*command: str) -> str:
    if not shutil.which(command[0]):
        return "not installed"
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
