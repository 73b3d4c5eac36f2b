"""The check for leaks sees a leak of each kind, and none where there is none."""

import asyncio
import mmap
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.leaks import Load, perform, wrong_with

TIMES = 40


def a_thread(stack: ExitStack) -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    stack.callback(thread.join)
    stack.callback(end.set)


def a_task(stack: ExitStack) -> None:
    stack.callback(asyncio.create_task(asyncio.Event().wait()).cancel)


def a_socket(stack: ExitStack) -> None:
    stack.enter_context(socket.socket())


def a_file(stack: ExitStack) -> None:
    stack.enter_context(Path(__file__).open(encoding="utf-8"))  # noqa: SIM115


def memory(stack: ExitStack) -> None:
    pages = stack.enter_context(mmap.mmap(-1, 200_000))  # of its own: a process keeps what it has freed, and takes new objects from there
    pages.write(bytes(200_000))


def nothing(stack: ExitStack) -> None:
    with ExitStack() as all_that_is_freed:
        for each in (a_thread, a_socket, a_file, memory):
            each(all_that_is_freed)


@pytest.mark.skipif(sys.platform != "linux", reason="it counts what Linux shows in /proc")
@pytest.mark.parametrize(
    ("leak", "found"),
    [(a_thread, ["threads"]), (a_task, ["tasks"]), (a_socket, ["sockets"]), (a_file, ["files"]), (memory, ["memory"]), (nothing, [])],
)
def test_it_sees_what_grows(leak: Callable[[ExitStack], None], found: list[str]) -> None:
    with ExitStack() as stack:

        async def run(times: int, look: Callable[[int], Awaitable[None]]) -> None:
            for n in range(1, times + 1):
                leak(stack)
                await look(n)

        load = Load("times", TIMES, 50_000, run)
        wrong: Any = wrong_with(load, asyncio.run(perform(load)))
    assert [sentence.split()[0] for sentence in wrong] == found
