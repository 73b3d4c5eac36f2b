"""At least once over a way that takes time: a proxy passes on each byte after a delay. One event at a time costs a round trip each."""

from functools import partial

from benchmarks.at_least_once import retries, two_processes
from benchmarks.processes import NODE
from benchmarks.rounds import Contender, Figure, Row, faster


def figure(milliseconds: int, times: float, share: float, limits: str = "") -> Figure:
    """With this delay in each direction."""
    way = milliseconds / 1000
    anchor = Contender("JavaScript `retries`", partial(retries, way=way), share=share, needs=NODE)
    return Figure(
        f"delayed_{milliseconds}_ms",
        f"At least once with dedupe, two processes, {milliseconds} ms in each direction.",
        "events/s",
        [Row(Contender("log in memory", partial(two_processes, file=False, way=way)), anchor, faster(times))],
        events=20_000,
        limits=limits,
    )


FIGURES = (
    figure(1, 80, share=0.02, limits="The delay costs ours nothing: it is the figure of at_least_once, and its limits."),
    figure(10, 150, share=0.0025),
)
