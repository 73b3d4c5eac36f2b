"""How long `import realtime_lab` takes in a new process, beside what it is made of."""

import asyncio
import sys
from functools import partial

from benchmarks.processes import ROOT, Stage
from benchmarks.rounds import Contender, Figure, Measure, Row, cost

TIMED = """
import sys, time
sys.modules["redis"] = None  # python-socketio imports it where it finds it, and who installs us does not
began = time.perf_counter()
import {modules}
print(time.perf_counter() - began)
"""


async def fresh(stage: Stage, events: int, *, modules: str) -> Measure:
    """In a new interpreter each time."""

    async def once(_: int) -> float:
        code = TIMED.format(modules=modules)
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
        said, _nothing = await process.communicate()
        return float(said)

    return once


def importing(modules: str) -> Contender:
    """Of these."""
    return Contender(f"import {modules}", partial(fresh, modules=modules))


FIGURES = (
    Figure(
        "imports",
        "Imports in a new interpreter, without its own start.",
        "ms",
        [Row(importing("realtime_lab"), importing("socketio, aiosqlite"), cost(1.15))],
        rounds=11,
    ),
)
