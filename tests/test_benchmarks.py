"""Each benchmark runs, with a tiny size, so that none of them rots. What they say about speed here means nothing."""

import asyncio
import os
from pathlib import Path
from statistics import median

import pytest

from benchmarks.__main__ import FILES, figures
from benchmarks.processes import NEEDS, Stage
from benchmarks.rounds import Contender, Figure, Measure, Outcome, Row, Target, cost, faster, limit, measure
from benchmarks.table import cells, result, text

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
SHARED = {"__init__", "__main__", "child", "figures", "missed", "ours", "plain", "processes", "rounds", "table"}
OF_THE_ROOM = {"click_under_load", "cost_of_a_paint", "press_to_picture"}
REDIS = "redis-server"
EVERY = [figure for file in FILES for figure in figures(file)]


def tiny(figure: Figure, *, inline: bool) -> Outcome:
    return asyncio.run(measure(figure, rounds=1, events=min(figure.events, 20), without=[REDIS], inline=inline))


@pytest.mark.full
@pytest.mark.parametrize("figure", EVERY, ids=lambda figure: figure.name)
def test_it_runs_and_prints_a_ratio(figure: Figure) -> None:
    outcome = tiny(figure, inline=True)

    measured = [row for row in figure.rows if outcome.ratios(row)]
    if outcome.missing and not os.environ.get("CI"):
        pytest.skip(f"not installed: {', '.join(outcome.missing)}")
    assert measured
    for row in measured:
        assert row.anchor is None or outcome.ratios(row)[0] > 0
    if os.environ.get("CI"):
        needed = {name for contender in figure.contenders.values() if contender.name in outcome.missing for name in contender.needs}
        assert needed <= {REDIS, "redis", "linux"}
    assert text(result(outcome, "a test")).count(" x ") >= sum(row.anchor is not None for row in measured)


@pytest.mark.parametrize("figure", EVERY, ids=lambda figure: figure.name)
def test_no_two_contenders_of_a_figure_share_a_name(figure: Figure) -> None:
    contenders = [contender for row in figure.rows for contender in (row.ours, row.anchor) if contender is not None]
    assert len(figure.contenders) == len({id(contender) for contender in contenders})


async def nothing(stage: Stage, events: int) -> Measure:
    raise AssertionError("nothing is measured here")


@pytest.mark.parametrize(
    ("target", "ratio", "word"),
    [(faster(5), 4, "open"), (faster(4), 4, "reached"), (cost(0.3), 0.25, "reached"), (cost(0.2), 0.25, "open"), (faster(), 4, "")],
)
def test_a_ratio_is_taken_within_a_round(target: Target, ratio: float, word: str) -> None:
    """The medians alone would say 10: a neighbour disturbed both in the second round."""
    row = Row(Contender("ours", nothing), Contender("anchor", nothing), target)
    figure = Figure("a", "", "ms", [row], rounds=3)
    outcome = Outcome(figure, 3, 1, {"ours": [1.0, 10.0, 1.0], "anchor": [2.0, 40.0, 10.0]})

    assert median(outcome.ratios(row)) == ratio
    assert cells(outcome, row)[-1] == word


@pytest.mark.parametrize(("events", "rounds", "word"), [(10, 3, "reached"), (9, 3, "too small a run"), (10, 2, "too small a run")])
def test_a_small_run_reaches_nothing(events: int, rounds: int, word: str) -> None:
    row = Row(Contender("ours", nothing), None, limit(1.0))
    figure = Figure("a", "", "ms", [row], events=10, rounds=3)
    assert cells(Outcome(figure, rounds, events, {"ours": [0.5]}), row)[-1] == word


def test_a_limit_is_one_of_ours() -> None:
    row = Row(Contender("ours", nothing), None, limit(0.002))
    outcome = Outcome(Figure("a", "", "ms", [row]), 3, 1, {"ours": [0.001, 0.003, 0.009]})

    assert cells(outcome, row) == ["ours", "3 ms", "", "", "", "1 ms - 9 ms", "at most 2 ms", "open"]


@pytest.mark.full
def test_programs_run_in_processes_of_their_own() -> None:
    figure = next(figure for figure in EVERY if figure.name == "ticker")
    costs = tiny(figure, inline=False).costs
    assert set(costs) == set(figure.contenders)
    assert min(min(measured) for measured in costs.values()) > 0


def test_what_is_not_installed_is_left_out_with_a_line_that_says_how_to_install_it() -> None:
    figure = next(figure for figure in EVERY if figure.name == "append")
    said = text(result(tiny(figure, inline=True), "a test"))
    assert NEEDS[REDIS][1] in said
    assert "left out" in said


def test_every_file_is_run() -> None:
    assert {file.stem for file in FOLDER.glob("*.py")} == SHARED | OF_THE_ROOM | set(FILES)
