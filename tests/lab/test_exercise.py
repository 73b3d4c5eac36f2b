"""The frame of the exercises: which case is reported, in which words, and what is no answer at all."""

import asyncio
import re
import time
from typing import Protocol

import pytest

from realtime_lab.errors import NotSettled
from realtime_lab.history.journal import Journal
from realtime_lab.lab.exercise import Case, Exercise, Finding, check
from realtime_lab.lab.figure import Figure


class Double(Protocol):
    def __call__(self, n: int) -> int: ...


class Serve(Protocol):
    async def __call__(self, sid: str, text: str) -> str: ...


class Keep(Protocol):
    def __init__(self, limit: int) -> None: ...

    def emit(self, key: int) -> str: ...

    def take(self, room: int) -> list[int]: ...


def exercise(*findings, shape=None, **options):
    """A case for each finding; a number is a finding that comes after so many seconds."""

    async def run(guard, answer, finding):
        if isinstance(finding, Exception):
            raise finding
        if isinstance(finding, (int, float)):
            await asyncio.sleep(finding)
            return Finding(f"after {finding} s")
        return finding

    cases = tuple(
        Case(f"case {number}", f"line({number})", lambda guard, answer, finding=finding: run(guard, answer, finding))
        for number, finding in enumerate(findings, 1)
    )
    return Exercise("keep", "it is kept.", "whether <it> is right.", shape, cases, **options)


UNSURE = Finding("who knows", outcome="unknown")
BROKEN = Finding("it is broken")


def test_the_shortest_broken_case_is_reported_also_when_a_longer_one_is_quicker():
    report = check(exercise(None, 0.1, BROKEN, 0.0), None)
    assert (report.outcome, report.tried, report.of, report.case, report.words) == ("broken", 2, 4, "case 2", "after 0.1 s")


def test_what_comes_after_a_broken_case_is_not_waited_for():
    began = time.monotonic()
    assert check(exercise(BROKEN, 60.0), None).tried == 1
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("together", [1, 2, 4])
def test_no_more_cases_than_stated_run_at_once(together):
    now, most = 0, 0

    async def run(guard, answer):
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 1

    assert check(Exercise("keep", "", "", None, (Case("", "", run),) * 9, together=together), None).outcome == "kept"
    assert most == together


def test_a_broken_case_counts_more_than_an_unknown_one_before_it():
    assert (check(exercise(None, UNSURE, BROKEN), None).outcome, check(exercise(None, UNSURE, None), None).outcome) == ("broken", "unknown")
    assert check(exercise(None, UNSURE, None), None).case == "case 2"


def test_a_lab_that_does_not_come_to_rest_means_that_it_is_unknown():
    report = check(exercise(NotSettled("the lab did not come to rest in 10 s")), None)
    assert (report.outcome, report.words[-36:]) == ("unknown", "the lab did not come to rest in 10 s")


def test_a_mistake_of_our_own_is_an_error():
    with pytest.raises(ZeroDivisionError, match="ours"):
        check(exercise(None, ZeroDivisionError("ours")), None)


REPORTS = {
    "kept": exercise(None, None),
    "broken": exercise(None, Finding("<b> came & went", Figure(Journal(lambda: 0.0).events))),
    "unknown": exercise(UNSURE),
}


@pytest.mark.parametrize("outcome", REPORTS)
def test_a_report_always_says_the_promise_and_what_was_not_checked(outcome):
    report = check(REPORTS[outcome], None)
    bundle = report._repr_mimebundle_()
    words = re.sub("<[^>]+>", "", bundle["text/html"])
    for text in (bundle["text/plain"], words.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"), str(report), repr(report)):
        for part in (outcome, "Promise: it is kept.", "Not checked: whether <it> is right.", report.words, report.case, report.count):
            assert part in text
        assert "passed" not in text.lower()
    assert bundle["text/html"].count("<img") == bundle["text/html"].count(" alt=") == (report.figure is not None)


def test_the_words_of_a_count():
    assert check(REPORTS["kept"], None).count == "in all 2 cases"
    assert check(REPORTS["broken"], None).count == "in case 2 of 2, the shortest first"


class Kept:
    def __init__(self, limit):
        pass

    def emit(self, key):
        pass

    def take(self, room, *more):
        pass


class Forgetful:
    def __init__(self, limit):
        pass

    def emit(self, key):
        pass


class NoLimit:
    def emit(self, key):
        pass

    def take(self, room):
        pass


class AsyncTake(Kept):
    async def take(self, room):
        pass


class ShortTake(Kept):
    def take(self):
        pass


async def asynchronous(sid, text):
    pass


@pytest.mark.parametrize(
    ("shape", "answer"), [(Double, lambda n: n), (Double, lambda *all_of_them: 1), (Serve, asynchronous), (Keep, Kept)]
)
def test_an_answer_of_the_right_shape_is_tried(shape, answer):
    assert check(exercise(None, shape=shape), answer).outcome == "kept"


@pytest.mark.parametrize(
    ("shape", "answer", "said"),
    [
        (Double, 3, "check.keep() expects a function: def keep(n). You gave 3 (int)."),
        (Double, None, "You gave None (NoneType)."),
        (Double, Kept, "You gave the class Kept."),
        (Double, lambda: 1, "Your function is called as keep(n). Yours takes (): too many positional arguments."),
        (Double, lambda n, m: 1, "Yours takes (n, m): missing a required argument: 'm'."),
        (Double, asynchronous, "This must be a plain function: def keep(n). Yours is async."),
        (Serve, lambda sid, text: 1, "This must be an async function: async def keep(sid, text). Yours is plain."),
        (Keep, Kept(1), "Give the class itself"),
        (Keep, lambda: 1, "expects a class with the methods emit(key), take(room)"),
        (Keep, Forgetful, "Forgetful has no take."),
        (Keep, NoLimit, "It is called as NoLimit(limit). Yours takes ()"),
        (Keep, ShortTake, "It is called as take(room). Yours takes (self)"),
        (Keep, AsyncTake, "It is called as take(room). Write a plain method: def, without async."),
    ],
)
def test_an_answer_of_another_shape_is_told_what_is_expected_before_anything_is_run(shape, answer, said):
    report = check(exercise(BROKEN, shape=shape), answer)
    assert (report.outcome, report.tried) == ("unknown", 0)
    assert said in report.words


def test_a_coroutine_in_place_of_its_function():
    coroutine = asynchronous("sid", "text")
    try:
        assert "You gave" in check(exercise(None, shape=Serve), coroutine).words
    finally:
        coroutine.close()
