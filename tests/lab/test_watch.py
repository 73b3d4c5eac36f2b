# ruff: noqa: BLE001, SIM105  # what learners write
"""A learner's code that does not come back is named, stopped or left behind, and does not run on."""

import asyncio
import sys
import threading
import time

import pytest

from realtime_lab.lab import watch
from realtime_lab.lab.exercise import check
from tests.lab.guarded import hasty, ours, plain, served, well

__all__ = ["hasty"]


def endless(n):
    while True:
        n += 1


def in_one_line(n):
    while True: pass  # fmt: skip  # noqa: E701


def swallows_exceptions(n):
    while True:
        try:
            n += 1
        except Exception:
            pass


def swallows_everything(n):
    while True:
        try:
            while True:
                len([n])
        except BaseException:
            pass


def swallows_everything_without_a_call(n):
    while True:
        try:
            while True:
                n += 1
        except BaseException:
            pass


def in_a_helper(n):
    def helper():
        while True:
            n.bit_length()

    return helper()


def waits_in_c(n):
    threading.Event().wait()


def waits_for_a_lock(n):
    lock = threading.Lock()
    with lock, lock:
        return n


LINES = {
    endless: "n += 1",
    in_one_line: "while True: pass",
    swallows_exceptions: "n += 1",
    swallows_everything: "len([n])",
    swallows_everything_without_a_call: "n += 1",
    in_a_helper: "n.bit_length()",
    waits_in_c: "threading.Event().wait()",
    waits_for_a_lock: "with lock, lock:",
}


@pytest.mark.parametrize("answer", LINES, ids=lambda answer: answer.__name__)
def test_what_does_not_come_back_is_named_with_its_line_and_does_not_run_on(answer, hasty):
    began = time.monotonic()
    report = check(plain(), answer)
    assert time.monotonic() - began < 5
    assert (report.outcome, report.tried) == ("broken", 1)
    assert f"{answer.__name__}(1) has not returned" in report.words
    assert "of test_watch.py: " in report.words
    assert LINES[answer] in report.words or "while True" in report.words
    assert well()


@pytest.mark.parametrize("answer", [endless, in_one_line, swallows_exceptions, in_a_helper], ids=lambda answer: answer.__name__)
def test_what_can_be_stopped_is_stopped_and_its_thread_ends(answer, hasty):
    before = ours()
    check(plain(), answer)
    deadline = time.monotonic() + 10
    while not ours() <= before and time.monotonic() < deadline:  # on a busy computer a check does not wait for its end
        threading.Event().wait(0.01)
    assert ours() <= before


def test_after_a_failure_the_longer_cases_do_not_call_the_answer_any_more(hasty):
    asked = []

    def answer(n):
        asked.append(n)
        while True:
            n += 1

    check(plain(1, 2, 3, 4), answer)
    assert asked == [1]


def test_an_endless_loop_of_a_handler_does_not_block_the_check(hasty):
    async def answer(sid, text):
        await asyncio.sleep(0)
        while True:
            text += "!"

    report = check(served(), answer)
    assert "answer(sid, ab) has not returned" in report.words
    assert well()


def test_an_endless_loop_in_a_task_that_a_handler_starts(hasty):
    async def worker():
        while True:
            len("x")

    async def answer(sid, text):
        await asyncio.gather(worker())

    assert "worker() has not returned" in check(served(), answer).words
    assert well()


def test_a_handler_that_waits_in_c_is_left_behind(hasty):
    async def answer(sid, text):
        threading.Event().wait()

    began = time.monotonic()
    assert "line" in check(served(), answer).words
    assert time.monotonic() - began < 5
    assert well()


def test_a_stop_never_hits_what_comes_after_the_piece(monkeypatch, request):
    """Pieces end at about the moment when the watch raises into them."""
    monkeypatch.setattr(watch, "PIECE", 0.0004)
    monkeypatch.setattr(watch, "LOOK", 0.0002)
    before, stopped = sys.getswitchinterval(), 0
    sys.setswitchinterval(0.0001)  # else a busy thread lets nobody look for 5 ms
    request.addfinalizer(lambda: sys.setswitchinterval(before))
    with watch.Watch() as guarded:
        for turn in range(400):
            piece = watch.Piece("turn()", False, lambda wrong: None, lambda text: None)
            end = time.monotonic() + 0.00002 * (turn % 200)
            try:
                guarded.run(piece, lambda end=end: _busy_until(end))
            except watch.Stopped:
                stopped += 1
            for _ in range(2000):  # a stop that is late would hit here, and fail the test
                pass
    assert 0 < stopped < 400


def _busy_until(end):
    while time.monotonic() < end:
        pass
