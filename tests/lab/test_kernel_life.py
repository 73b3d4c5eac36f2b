"""A kernel's life is short and hard: Interrupt at any moment, restart, the same cells again, two notebooks on one store, sudden death."""

import asyncio
import os
import random
import signal
import time
from pathlib import Path

import pytest

from realtime_lab import EventLog
from tests.course import LESSONS, cells
from tests.lab.test_kernel import running_kernel
from tests.ports import refused

pytestmark = pytest.mark.full

INTERRUPTS = 50

SWEEP = """
from realtime_lab import sweep
from tests.lab.exercises.answers_choose import DESIGNS

async def chat(trial):
    alice = await trial.join("alice")
    await trial.join("bob")
    for n in range(1, 4):
        alice.emit("chat message", n)
    await trial.rest()
"""

WORKS = """
from realtime_lab import Lab
async with Lab.start() as lab:
    alice = await lab.join("alice")
    alice.emit("chat message", 1)
    await lab.settle()
    arrived = lab.verdict().leg("alice", "server").arrived
arrived
"""

LEFT = """
import gc, os, threading
gc.collect()
threads = [thread.name for thread in threading.enumerate() if "realtime_lab" in thread.name]
links = [os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if os.path.islink(f"/proc/self/fd/{name}")]
threads, sum(link.startswith("socket:") for link in links)
"""
"""Threads of labs, and open sockets."""

RECORDER = """
import asyncio, itertools, math, os
from urllib.parse import urlsplit
from realtime_lab import EventLog, Lab
lab = await Lab.start(log=EventLog({log!r}), dedupe=True)

@lab.server.on("work")
async def work(sid, n, tx):
    await tx.append("work", n)

alice = await lab.join("alice", retries=math.inf, ack_timeout=5, store={store!r})
told = os.open({told!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

async def emit(first):
    for n in itertools.count(first):
        if (await alice.emit("work", n)).outcome == "acked":
            os.write(told, f"{{n}}\\n".encode())
"""
"""Emits numbers into a store, and writes down in a file which of them were acknowledged."""

linux = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc to count in")


@linux
def test_interrupt_at_fifty_random_moments_of_a_sweep_leaves_nothing_behind():
    chance = random.Random(8)
    with running_kernel() as kernel:
        kernel.run(SWEEP)
        assert kernel.run(WORKS) == "1"
        before = kernel.run(LEFT)
        errors = set()
        for n in range(INTERRUPTS):
            request = kernel.start("print('begun', flush=True); sweep(chat, DESIGNS).run()")
            kernel.sees(request, "stream")  # what comes before a cell has begun interrupts nothing
            time.sleep(chance.choice([0.02, 2]) * chance.random())  # any moment, also while it begins
            kernel.manager.interrupt_kernel()
            errors.add(kernel.finish(request, timeout=60)[1])
            if n % 10 == 9:
                assert kernel.run(WORKS) == "1"
        assert errors <= {"KeyboardInterrupt", "CancelledError"} and errors
        assert kernel.run(WORKS) == "1"
        until(lambda: kernel.run(LEFT) == before)


@pytest.mark.parametrize("end", ["is killed", "is restarted"])
def test_when_a_kernel_ends_its_ports_are_free_and_what_was_acknowledged_is_there(tmp_path, end):
    places = {name: str(tmp_path / name) for name in ("log", "store", "told")}
    recorder = RECORDER.format(**places)
    with running_kernel() as kernel:
        for life in range(3):
            kernel.run(recorder)
            ports = [int(port) for port in kernel.run("print(lab.server.port, urlsplit(alice.link.url).port)").split()]
            kernel.run(f"emitting = asyncio.create_task(emit({1_000_000 * life}))")
            until(lambda life=life: any(n >= 1_000_000 * life + 50 for n in acknowledged(places)))
            if end == "is killed":
                os.kill(kernel.manager.provisioner.pid, signal.SIGKILL)
            kernel.manager.restart_kernel(now=True)
            kernel.client.wait_for_ready(timeout=60)
            assert all(refused(port) for port in ports)
        kernel.run(recorder)
        kernel.run("await lab.settle()")
        stored = rows(kernel)
        kernel.run("await lab.close()")
    assert set(acknowledged(places)) <= set(stored)
    assert stored == sorted(set(stored))  # each once, in order, also what only the client's store still had
    for life in range(3):
        mine = [n for n in stored if n // 1_000_000 == life]
        assert mine == [*range(1_000_000 * life, 1_000_000 * life + len(mine))] and len(mine) > 50


def rows(kernel):
    """What is in the log."""
    return [int(n) for n in kernel.run("print(*[each.data for each in await lab.events()])").split()]


def acknowledged(places):
    told = Path(places["told"])
    return [int(line) for line in told.read_text().split()] if told.exists() else []


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited 30 s in vain"
        time.sleep(0.02)


def test_two_notebooks_on_the_same_stores_are_told_and_take_turns(tmp_path):
    log, store = str(tmp_path / "log"), str(tmp_path / "store")
    with running_kernel() as one, running_kernel() as other:
        one.run(RECORDER.format(log=log, store=store, told=str(tmp_path / "told")))
        one.run("await alice.emit('work', 1)")
        assert other.finish(other.start(RECORDER.format(log=log, store=store, told=str(tmp_path / "told"))))[1] == "StoreInUse"
        assert "another" in "".join(other.traceback)
        other.run("lab = await Lab.start()")
        join = f"alice = await lab.join('alice', retries=math.inf, ack_timeout=5, store={store!r})"
        assert other.finish(other.start(join))[1] == "StoreInUse"
        one.run("await alice.emit('work', 2)")
        one.run("await lab.close()")
        other.run(RECORDER.format(log=log, store=store, told=str(tmp_path / "told")))
        other.run("await alice.emit('work', 3)")
        assert rows(other) == [1, 2, 3]
        other.run("await lab.close()")


@linux
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda file: file.stem[:2])
def test_all_cells_can_be_run_again_and_the_second_run_leaves_no_more_than_the_first(lesson, monkeypatch):
    monkeypatch.setenv("REALTIME_LAB_TAB", "windowless")
    code = [cell.source for cell in cells(lesson) if cell.cell_type == "code"]
    with running_kernel() as kernel:
        kernel.run(f"import os; os.chdir({str(lesson.parent)!r})")
        left = []
        for _ in range(2):
            for source in code:
                _, error = kernel.finish(kernel.start(source), timeout=120)
                assert error in ("", "NotImplementedError"), (source, kernel.traceback)
            until(lambda: kernel.run(LEFT).startswith("([],"))  # a painter sees within a moment that its lab is closed
            left.append(kernel.run(LEFT))
        assert left[1] == left[0]


def test_a_log_that_was_open_when_its_kernel_died_can_be_opened_here(tmp_path):
    with running_kernel() as kernel:
        kernel.run(RECORDER.format(log=str(tmp_path / "log"), store=str(tmp_path / "store"), told=str(tmp_path / "told")))
        kernel.run("await alice.emit('work', 1)")
        os.kill(kernel.manager.provisioner.pid, signal.SIGKILL)

    async def read():
        log = EventLog(tmp_path / "log")
        await log.open()
        try:
            return [each.data for each in await log.events()]
        finally:
            await log.close()

    assert asyncio.run(read()) == [1]
