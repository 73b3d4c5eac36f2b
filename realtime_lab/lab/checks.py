"""The exercises of the lessons: `from realtime_lab import check`, then for example `check.lost(lost)`.

Each of them runs what you wrote on the real stack, in cases that try to break its promise, and returns a Report, which the cell shows.
They are plain functions: no await.
"""

from collections.abc import Mapping, Sequence

from realtime_lab.lab.exercise import check as _check
from realtime_lab.lab.exercises.begin import BEGIN, Begin
from realtime_lab.lab.exercises.buffer import BUFFER, Buffer
from realtime_lab.lab.exercises.bug_hunt import SUSPECTS, Hunt
from realtime_lab.lab.exercises.bug_hunt import bug_hunt as _bug_hunt
from realtime_lab.lab.exercises.claims import Claims
from realtime_lab.lab.exercises.claims import claims as _claims
from realtime_lab.lab.exercises.kitchen import KITCHEN, Cook
from realtime_lab.lab.exercises.learners_retry import Sender
from realtime_lab.lab.exercises.lost import LOST, Lost
from realtime_lab.lab.exercises.offset import OFFSET, Offset
from realtime_lab.lab.exercises.once import ONCE, Decide
from realtime_lab.lab.exercises.page import PAGE, Page
from realtime_lab.lab.exercises.reading import READING
from realtime_lab.lab.exercises.retry import RETRY
from realtime_lab.lab.exercises.sights import SIGHTS_EXERCISE
from realtime_lab.lab.report import Report
from realtime_lab.lab.trial import Design

__all__ = ["SUSPECTS", "begin", "buffer", "bug_hunt", "claims", "kitchen", "lost", "offset", "once", "page", "reading", "retry", "sights"]


def reading(answers: Mapping[str, Sequence[str]]) -> Report:
    """Lesson 00. `answers[letter]`: which of alice's messages #1 to #4 bob gets, for example ["#1", "#2"].

    A: alice's link is cut after #2. B: alice's link is cut before #2. C: bob's link is cut before #3.
    D: bob's link is cut after he has got #2, and restored before alice sends #4.
    """
    return _check(READING, answers)


def kitchen(answer: Cook) -> Report:
    """Lesson 01. `async def my_cook(sid, dish, make)`: a client has ordered a dish; `await make(dish)` makes it.

    The dishes of one client are finished in its order, and nobody waits for the dishes of somebody else.
    """
    return _check(KITCHEN, answer)


def lost(answer: Lost) -> Report:
    """Lesson 02. `lost(total, n, side)`: the labels of the messages that are lost, for example ["#4", "#5"].

    `total` messages are sent, and the link is cut `side` ("before" or "after") message n.
    """
    return _check(LOST, answer)


def sights(answers: Mapping[str, str]) -> Report:
    """Lesson 04. `answers[sight]`: "handled", "not handled" or "cannot tell", for each of eight things that alice may see."""
    return _check(SIGHTS_EXERCISE, answers)


def begin(answer: Begin) -> Report:
    """Lesson 08. `begin(epoch, offset, log_epoch, trimmed, head)`: where the replay begins, and the reason, as (3, "").

    Everything after that offset is sent. The reason is "" if that is all that the client missed; else "new", "truncated", "epoch-changed"
    or "ahead".
    """
    return _check(BEGIN, answer)


def retry(answer: type[Sender]) -> Report:
    """Lesson 05. A class that decides which messages leave now, after each thing that happens. See `Sender` for its methods."""
    return _check(RETRY, answer)


def once(answer: Decide) -> Report:
    """Lesson 06. `decide(last, n)`: "apply", "repeat" or "gap", when deposit n arrives and `last` was applied last."""
    return _check(ONCE, answer)


def claims(answer: Claims, designs: Sequence[Design]) -> Report:
    """Lesson 11. A dict: "chat", "cursor", "payment" and "ticker" -> (name of a design, set of promises)."""
    return _check(_claims(designs), answer)


def bug_hunt(accused: str, schedule: Hunt) -> Report:
    """Lesson 11. Which of `SUSPECTS` is wrong, and a schedule that shows it: `async def schedule(lab, alice)`."""
    return _check(_bug_hunt(accused), schedule)


def offset(answer: Offset) -> Report:
    """Lesson 07. `offset(arrived, finished)`: the id that may be stored as the offset, or 0 if what is stored must stay as it is.

    `arrived` are the ids that came since the process began, in their order; `finished` those whose handlers have returned.
    """
    return _check(OFFSET, answer)


def buffer(answer: type[Buffer]) -> Report:
    """Lesson 03. `MyBuffer(limit)`, a class: `emit(key)` returns "keep" or "refuse", and `take(room)` the keys that leave now."""
    return _check(BUFFER, answer)


def page(answer: type[Page]) -> Report:
    """Lesson 09. `MyPage(storage)`, a class: `emit(text)`, `waiting()` returns pairs (key, text), and `acknowledged(key)`."""
    return _check(PAGE, answer)
