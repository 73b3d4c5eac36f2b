"""Every break point, once each, for every design. (The picture and the tables of the matrix: test_fate_matrix.py.)"""

import asyncio
import math
import subprocess
import sys
import threading

import pytest

from realtime_lab import InvalidSetting, Lab
from realtime_lab.lab.fate_matrix import FateMatrix
from realtime_lab.lab.sweep import sweep
from realtime_lab.lab.trial import Design, Trial

RETRY = {"retries": math.inf, "ack_timeout": 1.0}
BARE = Design("bare")
SURE = Design("all", server={"log": True, "dedupe": True}, client={**RETRY, "replay": True})
DESIGNS = [BARE, Design("retry", client=RETRY), SURE]


async def chat(trial: Trial) -> None:
    alice = await trial.join("alice")
    await trial.join("bob")
    alice.emit("chat message", 1)
    alice.emit("chat message", 2)


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if "sweep" in each.name]


@pytest.fixture(scope="module")
def matrix() -> FateMatrix:
    """With a stall of each kind of way, every crash, every cut."""
    return sweep(chat, DESIGNS, stalls=2).run()


def test_what_theory_says_about_each_design_is_what_the_sweep_finds(matrix: FateMatrix) -> None:
    assert {design: bool(matrix.total(design)["lost"]) for design in matrix.designs} == {"bare": True, "retry": True, "all": False}
    assert {design: bool(matrix.total(design)["duplicated"]) for design in matrix.designs} == {"bare": False, "retry": True, "all": False}
    assert matrix.total("all") == {"kept": len(matrix.runs("all"))}
    assert not matrix.unreached
    cut = "cut: alice to the server, {} chat message #2"
    assert [matrix.fates["bare", cut.format(side)] for side in ("before", "after")] == ["lost", "kept"]
    assert [matrix.fates["retry", cut.format(side)] for side in ("before", "after")] == ["kept", "duplicated"]
    assert matrix.fates["retry", "cut: bob from the server, before chat message #2"] == "lost"
    crashes = {run.point.name: run.fate for run in matrix.runs("bare") if run.point and run.point.fault == "crash"}
    told_before = "crash: before_ack, event 2"  # all that bob can be told has left by then, and the bare one waits for no acknowledgement
    assert crashes.pop(told_before) == "kept"
    assert list(crashes.values()) == ["lost"] * 3


def test_every_kind_of_fault_was_tried_and_every_packet(matrix: FateMatrix) -> None:
    kinds = {run.point.fault for run in matrix.runs("all") if run.point}
    assert kinds == {"cut", "stall", "crash"}
    assert len(matrix.runs("bare")) == 16 + 2 + 4  # 8 packets, 2 of them stalled, two events at two points of a server without a log
    assert len(matrix.fates) == len(matrix.runs()) == sum(matrix.total(design).total() for design in matrix.designs)


@pytest.mark.full
def test_a_second_sweep_gives_the_same_fates_whatever_else_runs(matrix: FateMatrix) -> None:
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        again = sweep(chat, DESIGNS, stalls=2).run()
    finally:
        for each in busy:
            each.kill()
            each.wait()
    assert dict(again.fates) == dict(matrix.fates)
    assert str(again) == str(matrix)


async def test_progress_is_told_after_each_run_and_every_lab_is_closed() -> None:
    told: list[tuple[int, int]] = []
    found = await sweep(chat, [BARE], faults=["cut"], progress=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == list(range(1, len(found.runs()) + 1))
    assert {total for _, total in told} == {len(found.runs())}
    assert threads() == []


async def test_an_interrupted_sweep_closes_its_labs() -> None:
    begun = asyncio.Event()
    running = asyncio.ensure_future(_awaited(begun))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert threads() == []


async def _awaited(begun: asyncio.Event) -> FateMatrix:
    return await sweep(chat, DESIGNS, progress=lambda done, total: begun.set())


def test_the_first_error_of_a_scenario_ends_the_sweep_and_comes_out() -> None:
    async def fragile(trial: Trial) -> None:
        await chat(trial)
        await trial.rest()
        if trial.reached:
            raise KeyError("after the fault")

    with pytest.raises(KeyError, match="after the fault"):
        sweep(fragile, [BARE], faults=["cut"]).run()
    assert threads() == []


def test_the_error_of_a_handler_that_a_design_brings_comes_out_too() -> None:
    def broken(lab: Lab) -> None:
        @lab.server.on("chat message")
        async def chat_message(sid: str, data: int) -> None:
            raise ZeroDivisionError("in the handler")

    with pytest.raises(ZeroDivisionError, match="in the handler"):
        sweep(chat, [Design("broken", prepare=broken)], faults=["cut"]).run()
    assert threads() == []


def test_bad_settings_are_refused_before_anything_runs() -> None:
    with pytest.raises(InvalidSetting, match="name of its own"):
        sweep(chat, [BARE, Design("bare")])
    with pytest.raises(InvalidSetting, match="at least one"):
        sweep(chat, [])
    with pytest.raises(InvalidSetting, match="'stall'"):
        sweep(chat, [BARE], faults=["fire"])
