"""What the benchmarks share: how a journal is filled, and how times are printed."""

from collections.abc import Sequence
from statistics import median, quantiles

from realtime_lab.lab.lab import Lab

FILL = """
async def fill(lab, events):
    while len(lab.journal) < events:
        for n in range(20):
            lab.participants["alice"].emit("chat message", n)
        await lab.settle(60)
"""
"""A cell that lets a lab's journal grow: real messages through the real lab, which comes to rest after each twenty."""


async def fill(lab: Lab, events: int) -> None:
    """Let the journal of a lab in which alice takes part grow to so many events."""
    names: dict[str, object] = {}
    exec(FILL, names)  # the same lines as in the notebook
    await names["fill"](lab, events)  # type: ignore[operator]


def row(events: int, seconds: Sequence[float]) -> str:
    """One line of a table, in milliseconds."""
    late = quantiles(seconds, n=20, method="inclusive")[-1]
    return f"{events:>10,} {1000 * median(seconds):>8.1f} ms {1000 * late:>8.1f} ms {1000 * max(seconds):>8.1f} ms"


HEAD = f"{'events':>10} {'p50':>11} {'p95':>11} {'max':>11}"
