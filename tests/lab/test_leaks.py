"""What a lab starts, it stops: threads, tasks, sockets and files."""

import asyncio
import gc
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from realtime_lab import Lab
from realtime_lab.lab.loop_thread import LoopThread
from tests.lab.script import script


def open_files() -> int:
    own = Path("/proc/self/fd")
    return len(list(own.iterdir())) if own.exists() else 0


async def one_lab(n: int) -> None:
    async with Lab.start() as lab:
        alice = await lab.join("alice", transports=("polling", "websocket") if n % 3 == 0 else ("websocket",))
        await lab.join("bob")
        alice.emit("chat message", n)
        if n % 2:
            alice.link.cut()
        await lab.settle()


def labs_leave_nothing_behind(count: int) -> None:
    async def main():
        await one_lab(0)  # whatever is made once per process
        gc.collect()
        before = threading.active_count(), open_files()
        for n in range(count):
            await one_lab(n)
        gc.collect()
        assert len(asyncio.all_tasks()) == 1
        assert (threading.active_count(), open_files()) == before

    asyncio.run(main())


def test_ten_labs_leave_no_thread_task_socket_or_file():
    labs_leave_nothing_behind(10)


@pytest.mark.parametrize("which", ["interrupted", "interrupted watchdog"])
def test_an_interrupt_while_a_lab_s_thread_begins_leaves_no_thread(monkeypatch, which):
    begin = threading.Thread.start

    def start(self):
        begin(self)
        if self.name == which:
            raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(KeyboardInterrupt):
        LoopThread("interrupted", lambda trouble: None)
    deadline = time.monotonic() + 10
    while any("interrupted" in thread.name for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.full
def test_a_hundred_labs_leave_no_thread_task_socket_or_file():
    labs_leave_nothing_behind(100)


@pytest.mark.full
def test_fifty_runs_of_the_script_give_one_answer():
    answers = Counter(str(asyncio.run(script())) for _ in range(50))
    assert list(answers.values()) == [50]
