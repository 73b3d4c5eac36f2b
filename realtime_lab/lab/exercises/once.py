"""Lesson 06. A server that applies each deposit once: apply it, answer that it is a repeat, or refuse it for now?"""

import math
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, Protocol

from realtime_lab.errors import Rejected, TryAgain
from realtime_lab.lab.exercise import Case, Exercise, Finding
from realtime_lab.lab.figure import Figure
from realtime_lab.lab.guard import AnswerFailed, Guard, NotWritten, brief, called
from realtime_lab.lab.lab import Lab
from realtime_lab.lab.points import Break, Crash, Point
from realtime_lab.lab.trial import Design, Trial, try_once

CLIENT = {"retries": math.inf, "ack_timeout": 1.0, "window": 3}
REFUSALS = 3
"""So often a deposit may be refused when its turn has come, or when it is booked already. Else its sender would never stop."""


class Decide(Protocol):
    """What a learner writes."""

    def __call__(self, last: int, n: int) -> Literal["apply", "repeat", "gap"]:
        """Deposit n of a client has arrived, and `last` is the number that was applied last (0 at first).

        "apply": do it, and from now on `last` is n. "repeat": do nothing, and acknowledge it. "gap": refuse it for now; it comes again.
        """


class _Bank:
    """A server's handler that asks the learner. The deposit and `last` are written in one transaction; the answer follows the commit."""

    def __init__(self, guard: Guard, decide: Any, busy_at: int) -> None:
        self._guard, self._decide, self._busy_at = guard, decide, busy_at
        self.refused: Counter[int] = Counter()
        """Number -> how often it was refused although it was its turn."""

    def open(self, lab: Lab) -> None:
        """Give the server the handler."""
        self._guard.adopt(lab)

        @lab.server.on("deposit")  # type: ignore[untyped-decorator]
        async def deposit(sid: str, n: int, tx: Any) -> None:
            if n == self._busy_at:
                self._busy_at = 0
                raise TryAgain("the database is busy for a moment")
            [(last,)] = await tx.execute("SELECT coalesce((SELECT n FROM deposits ORDER BY rowid DESC LIMIT 1), 0)")
            answer = self._answer(last, n)
            if answer == "gap":
                self._refuse(last, n)
            if answer == "apply":
                await tx.execute("INSERT INTO deposits VALUES (?)", (n,))

    def _refuse(self, last: int, n: int) -> None:
        self.refused[n] += n <= last + 1
        if self.refused[n] == REFUSALS:
            raise Rejected("it will never be taken")  # so that the case ends
        raise TryAgain("not its turn yet")

    def _answer(self, last: int, n: int) -> str:
        answer: str = self._guard.call(self._decide, last, n)
        if answer not in ("apply", "repeat", "gap"):
            asked = called(self._decide, (last, n))
            wrong = NotWritten if answer is None else AnswerFailed
            raise self._guard.fail(wrong(f'{asked} returned {brief(answer)}. Return "apply", "repeat" or "gap".'))
        return answer


async def _try(guard: Guard, decide: Any, size: int, point: Point | None, busy_at: int = 0) -> Finding | None:
    found: list[Finding | None] = []
    bank = _Bank(guard, decide, busy_at)

    async def scenario(trial: Trial) -> None:
        await trial.lab.query("CREATE TABLE deposits (n INTEGER)")
        alice = await trial.join("alice")
        for n in range(1, size + 1):
            alice.emit("deposit", n)
        await trial.rest()
        if trial.reached or point is None:
            rows = await trial.lab.query("SELECT n FROM deposits ORDER BY rowid")
            found.append(_judged(bank, [n for (n,) in rows], size, trial.lab.figure()))

    design = Design("yours", server={"log": True}, client=CLIENT, prepare=bank.open)
    await try_once(scenario, design, point, name=f"check once {id(guard)}")
    return found[0] if found else None


def _judged(bank: _Bank, rows: Sequence[int], size: int, figure: Figure) -> Finding | None:
    booked = f"Booked: {', '.join(map(str, rows)) or 'nothing'}."
    if stuck := [n for n, count in bank.refused.items() if count == REFUSALS]:
        why = "although it was booked already" if stuck[0] in rows else "although its turn had come"
        return Finding(f"{booked} Deposit {stuck[0]} was refused {REFUSALS} times, {why}. Its sender would never stop.", figure)
    if twice := sorted({n for n in rows if rows.count(n) > 1}):
        return Finding(f"{booked} Deposit {twice[0]} was booked twice.", figure)
    if missing := [n for n in range(1, size + 1) if n not in rows]:
        return Finding(f"{booked} Deposit {missing[0]} was acknowledged, and never booked.", figure)
    if list(rows) != sorted(rows):
        return Finding(f"{booked} They are not in the order in which they were made.", figure)
    return None


def _case(size: int, words: str, point: Point | None = None, line: str = "", busy_at: int = 0) -> Case:
    deposits = "1 deposit" if size == 1 else f"{size} deposits"
    run = partial(_try, size=size, point=point, busy_at=busy_at)
    return Case(f"alice makes {deposits}, {words}", str(point or line), run)


def _busy(size: int, n: int) -> Case:
    return _case(
        size, f"and the database is busy when {n} arrives for the first time", line='raise TryAgain("the database is busy")', busy_at=n
    )


ONCE = Exercise(
    "once",
    promise="each deposit is booked exactly once, in order, before it is acknowledged, and every deposit is settled in the end.",
    not_checked="two clients at once, deposits whose sender has given up, and what happens outside of the database.",
    shape=Decide,
    cases=(
        _case(1, "and nothing breaks"),
        _case(1, "and her link is cut before it", Break("alice", "upstream", 2, "before", False, "")),
        _case(1, "and her link is cut after it", Break("alice", "upstream", 2, "after", False, "")),
        _busy(1, 1),
        *(_case(1, f"and the server crashes ({at})", Crash(at, 1)) for at in ("before_commit", "after_commit", "before_ack")),
        _busy(2, 1),
        *(_case(2, f"and her link is cut after {n}", Break("alice", "upstream", n + 1, "after", False, "")) for n in (1, 2)),
        *(
            _case(3, f"and her link is cut before the answer to {n}", Break("alice", "downstream", n + 1, "before", False, ""))
            for n in (1, 2, 3)
        ),
        *(_busy(3, n) for n in (1, 2, 3)),
        *(_case(3, f"and the server crashes at the second ({at})", Crash(at, 2)) for at in ("before_commit", "after_commit", "before_ack")),
    ),
)
