"""What a lab starts, it stops: threads, tasks, sockets and files."""

import asyncio
import gc
import threading
from collections import Counter
from pathlib import Path

import pytest

from realtime_lab import Lab
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


@pytest.mark.full
def test_a_hundred_labs_leave_no_thread_task_socket_or_file():
    labs_leave_nothing_behind(100)


@pytest.mark.full
def test_fifty_runs_of_the_script_give_one_answer():
    answers = Counter(str(asyncio.run(script())) for _ in range(50))
    assert list(answers.values()) == [50]
