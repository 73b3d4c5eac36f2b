"""Small exercises for the tests of the guard, and ways to see that a check has left nothing behind."""

import asyncio
import threading
import time

import pytest

from realtime_lab.lab import exercise, guard, watch
from realtime_lab.lab.exercise import Case, Exercise, Finding, check


@pytest.fixture
def hasty(monkeypatch):
    """The same with shorter limits."""
    monkeypatch.setattr(watch, "PIECE", 0.2)
    monkeypatch.setattr(watch, "INSIST", 0.2)
    monkeypatch.setattr(guard, "PATIENCE", 0.3)
    monkeypatch.setattr(exercise, "LAST_WORDS", 0.1)


def plain(*numbers, **options):
    async def run(guard, answer, n):
        result = guard.call(answer, n)
        return None if result == 2 * n else Finding(f"{n} became {result}")

    cases = tuple(Case(f"n is {n}", "", lambda guard, answer, n=n: run(guard, answer, n)) for n in numbers or (1, 2, 3))
    return Exercise("double", "n becomes 2 n.", "large numbers.", None, cases, **options)


def served(**options):
    """The answer handles events of a real server."""

    async def run(guard, answer):
        async with guard.lab() as lab:
            lab.server.on("double")(
                guard.handler(answer, words=lambda value: value if isinstance(value, str) and len(value) < 9 else "sid")
            )
            alice = await lab.join("alice", ack_timeout=20.0)
            fate = await alice.emit("double", "ab")
            return None if fate.result == "abab" else Finding(f"{fate}")

    return Exercise("serve", "it doubles.", "the rest.", None, (Case("alice sends ab", "", run),), **options)


def right(n):
    return 2 * n


def ours():
    """The threads of labs and checks."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("realtime_lab")}


def well():
    """Nothing runs on, and the next check is not disturbed."""
    began = time.process_time()
    threading.Event().wait(0.2)
    return time.process_time() - began < 0.1 and check(plain(), right).outcome == check(served(), serve).outcome == "kept"


async def serve(sid, text):
    await asyncio.sleep(0)
    return text * 2
