"""A check inside a real Jupyter kernel: lines of cells, what is printed, Interrupt, and a kernel that is well afterwards."""

import re
import time

from tests.lab.test_kernel import Kernel, _until_busy, kernel

__all__ = ["Kernel", "kernel"]

SETUP = """
import asyncio, time
from realtime_lab import check

def lost(total, n, side):
    first = n if side == "before" else n + 1
    return [f"#{k}" for k in range(first, total + 1)]
"""

WRONG = """
def wrong(total, n, side):
    print("asked:", total, n, side)
    return [f"#{k}" for k in range(n, total + 1)]
check.lost(wrong)
"""

ENDLESS = """
def endless(total, n, side):
    labels = []
    while True:
        labels.append(n) or labels.clear()
check.lost(endless)
"""

SLEEPS = """
async def my_cook(sid, dish, make):
    time.sleep(0.01)
    await make(dish)
check.kitchen(my_cook)
"""

SLOW = """
async def my_cook(sid, dish, make):
    print("late")
    await asyncio.sleep(2.5)
check.kitchen(my_cook)
"""


def test_a_report_names_the_line_of_the_cell_and_is_the_same_each_time(kernel):
    kernel.run(SETUP)
    wrong = kernel.run(WRONG)
    assert wrong.startswith("asked: 1 1 before\nasked: 1 1 before\nasked: 1 1 after\nlost: broken in case 3 of 44")
    assert kernel.run(WRONG) == wrong
    began = time.monotonic()
    assert re.search(r"It is busy in line (3: while True:|4: labels.append\(n\) or labels.clear\(\))\n", kernel.run(ENDLESS))
    assert "line 2: time.sleep(0.01)\ntime.sleep() stops everything" in kernel.run(SLEEPS)
    assert time.monotonic() - began < 10
    assert kernel.run("check.lost(lost)").startswith("lost: kept in all 44 cases")
    assert kernel.run("import threading; [t.name for t in threading.enumerate() if 'check' in t.name]") == "[]"


def test_interrupt_ends_a_check_and_nothing_of_it_is_left(kernel):
    kernel.run(SETUP)
    request = kernel.start(SLOW)
    _until_busy(kernel, request)
    began = time.monotonic()
    kernel.manager.interrupt_kernel()
    text, error = kernel.finish(request)
    assert (text, error) == ("late\n", "KeyboardInterrupt")
    assert time.monotonic() - began < 5
    assert kernel.run("import threading; [t.name for t in threading.enumerate() if 'check' in t.name]") == "[]"
    assert kernel.run("from realtime_lab.lab.lab import _OPEN; _OPEN") == "{}"
    assert kernel.run("check.lost(lost)").startswith("lost: kept in all 44 cases")
