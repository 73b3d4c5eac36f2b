# ruff: noqa: BLE001, SIM105, ASYNC251  # what learners write
"""A learner's code runs under a guard: whatever it does, the check ends and says what is wrong."""

import asyncio
import builtins
import gc
import sys
import threading
import time
from time import sleep as nap

import pytest

from realtime_lab.lab import guard, watch
from realtime_lab.lab.exercise import Case, Exercise, check
from tests.lab.guarded import hasty, ours, plain, right, serve, served, well

__all__ = ["hasty"]


# -- what is wrong at once ----------------------------------------------------------------------------------------------------------------


def test_an_error_is_named_with_its_call_its_line_and_its_text():
    def answer(n):
        return n / (n - 2)

    report = check(plain(4, 2), answer)
    assert report.outcome == "broken"
    report = check(plain(2), answer)
    assert report.words.startswith("answer(2) raised ZeroDivisionError: division by zero\nline ")
    assert report.words.endswith(" of test_guard.py: return n / (n - 2)")


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError, RecursionError])
def test_no_error_of_the_answer_leaves_the_check(error):
    def answer(n):
        raise error("so")

    assert f"answer(1) raised {error.__name__}: so" in check(plain(), answer).words


def test_a_function_that_is_not_written_yet():
    def answer(n):
        raise NotImplementedError("return the double of n.")

    report = check(plain(), answer)
    assert (report.outcome, report.words) == ("not written yet", "return the double of n.")


@pytest.mark.parametrize("sleep", [time.sleep, nap])
def test_even_a_short_sleep_is_found_before_it_begins(sleep):
    def answer(n):
        try:
            sleep(30)
        except BaseException:
            return 2 * n

    began = time.monotonic()
    report = check(plain(), answer)
    assert time.monotonic() - began < 5
    assert report.outcome == "broken"
    assert report.words.startswith("line ")
    assert "sleep(30)\ntime.sleep() stops everything" in report.words
    assert report.words.endswith("Remove it.")


def test_a_sleep_in_a_handler_is_told_what_to_do_in_its_place():
    async def answer(sid, text):
        time.sleep(0.001)
        return text * 2

    assert check(served(), answer).words.endswith("Use `await asyncio.sleep(...)`.")


def test_sleeping_on_another_thread_is_right():
    async def answer(sid, text):
        await asyncio.to_thread(time.sleep, 0.001)
        return text * 2

    assert check(served(), answer).outcome == "kept"


def test_other_threads_and_their_tools_are_left_alone():
    asleep, slept = threading.Event(), threading.Event()

    def sleeper():
        asleep.set()
        time.sleep(0.05)
        slept.set()

    def answer(n):
        threading.Thread(target=sleeper).start()
        return asleep.wait(1) and 2 * n

    before = sys.getprofile(), sys.gettrace()
    assert check(plain(), answer).outcome == "kept"
    assert slept.wait(1)
    assert (sys.getprofile(), sys.gettrace()) == before


def test_the_tools_of_a_thread_are_put_back():
    def tool(frame, event, argument):
        return None

    with watch.Watch() as guarded:
        sys.setprofile(tool)
        try:
            guarded.run(watch.Piece("f()", False, print, print), int)
            assert sys.getprofile() is tool
        finally:
            sys.setprofile(None)


def test_an_async_function_in_place_of_a_plain_one():
    async def answer(n):
        return 2 * n

    assert "Write a plain function here" in check(plain(), answer).words


def test_a_plain_function_in_place_of_an_async_one():
    assert "Write an async function here" in check(served(), lambda sid, text: text * 2).words


def test_what_fails_in_the_background_of_a_lab_is_an_error():
    async def run(guard, answer):
        async with guard.lab() as lab:
            lab.server.on("news")(lambda sid, text: 1 / 0)
            (await lab.join("alice")).emit("news", "x")
            await lab.settle()

    with pytest.raises(ZeroDivisionError):
        check(Exercise("keep", "", "", None, (Case("", "", run),)), None)


# -- what never ends ----------------------------------------------------------------------------------------------------------------------


def test_a_handler_that_never_ends_is_named_with_the_line_where_it_waits(hasty):
    async def answer(sid, text):
        await asyncio.Event().wait()

    report = check(served(), answer)
    assert "answer(sid, ab) has not ended after" in report.words
    assert report.words.endswith("await asyncio.Event().wait()")
    assert well()


def test_a_handler_that_cannot_be_cancelled(hasty):
    async def answer(sid, text):
        while True:
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                pass

    began = time.monotonic()
    assert "has not ended after" in check(served(), answer).words
    assert time.monotonic() - began < 9


def test_the_error_of_a_task_is_named_when_its_handler_waits_for_it_in_vain(hasty):
    async def worker(text, done):
        done.set_result({}[text])

    async def answer(sid, text):
        done = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(worker(text, done))
        return await done, task

    words = check(served(), answer).words
    assert "The task worker() has ended: KeyError: 'ab'\nline " in words
    assert words.endswith("done.set_result({}[text])")


def test_an_error_that_the_answer_handles_itself_is_no_failure():
    async def worker():
        raise KeyError("x")

    async def answer(sid, text):
        try:
            await asyncio.create_task(worker())
        except KeyError:
            return text * 2

    assert check(served(), answer).outcome == "kept"


def test_a_task_that_is_cancelled_before_it_begins_causes_no_warning(recwarn):
    async def worker():
        raise KeyError("x")

    async def answer(sid, text):
        asyncio.create_task(worker()).cancel()
        return text * 2

    assert check(served(), answer).outcome == "kept"
    gc.collect()
    assert not [str(each.message) for each in recwarn if "never awaited" in str(each.message)]


def test_a_check_that_takes_too_long_is_unknown_and_says_what_it_waited_for():
    async def answer(sid, text):
        await asyncio.sleep(20)

    report = check(served(limit=0.5), answer)
    assert report.outcome == "unknown"
    assert "It waited for this: answer(sid, ab) has not ended. It waits in line" in report.words


def test_a_slow_machine_is_given_its_time_as_long_as_cases_end():
    async def slow(guard, answer):
        await asyncio.sleep(0.6)

    cases = tuple(Case(f"case {n}", "", slow) for n in range(4))
    assert check(Exercise("slow", "it ends.", "nothing.", None, cases, together=1, limit=1.5), right).outcome == "kept"


# -- what is printed ----------------------------------------------------------------------------------------------------------------------


def test_what_the_answer_prints_is_shown_in_the_order_of_the_cases(capsys):
    def answer(n):
        print("asked for", n)
        return 2 * n

    check(plain(1, 2, 3), answer)
    assert capsys.readouterr().out == "asked for 1\nasked for 2\nasked for 3\n"


def test_only_what_leads_to_the_report_is_shown(capsys):
    def answer(n):
        print("asked for", n)
        return 2 * n if n < 2 else n

    assert check(plain(1, 2, 3, 4), answer).tried == 2
    assert capsys.readouterr().out == "asked for 1\nasked for 2\n"


def test_a_loop_that_prints_does_not_fill_the_notebook(capsys, hasty):
    def answer(n):
        while True:
            print("again")

    check(plain(), answer)
    out = capsys.readouterr().out
    assert out.startswith("again\n")
    assert len(out) < 2 * guard.PRINTED
    assert out.endswith("(and more, which is not shown)\n")


def test_other_threads_print_where_they_always_did(capsys):
    def answer(n):
        thread = threading.Thread(target=builtins.print, args=("from a thread",))
        thread.start()
        thread.join()
        return 2 * n

    out = sys.stdout
    check(plain(1), answer)
    assert capsys.readouterr().out == "from a thread\n"
    assert sys.stdout is out


def test_a_check_leaves_no_thread_behind():
    before = ours()
    assert check(served(), serve).outcome == "kept"
    assert check(plain(), lambda n: 0).outcome == "broken"
    assert ours() <= before
