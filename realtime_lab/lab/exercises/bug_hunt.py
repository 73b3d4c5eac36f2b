"""Lesson 11. Three designs say that every deposit is booked exactly once. One of them is wrong: find the schedule that shows it."""

import math
from functools import partial
from typing import Any, Protocol

from realtime_lab.errors import InvalidSetting
from realtime_lab.history.leg import ids
from realtime_lab.lab.exercise import Case, Exercise, Finding
from realtime_lab.lab.guard import Guard, brief
from realtime_lab.lab.lab import Lab
from realtime_lab.lab.participant import Participant
from realtime_lab.lab.trial import SWIFT, Design


def _bank(lab: Lab) -> None:
    @lab.server.on("deposit")  # type: ignore[untyped-decorator]
    async def deposit(sid: str, amount: Any, tx: Any) -> None:
        await tx.execute("CREATE TABLE IF NOT EXISTS deposits (amount)")
        await tx.execute("INSERT INTO deposits VALUES (?)", (amount,))


def _suspect(name: str, **client: Any) -> Design:
    return Design(name, server={"dedupe": True}, client={"ack_timeout": 1.0, **client}, prepare=_bank)


SUSPECTS = {
    "A": _suspect("A", retries=math.inf, window=8),
    "B": _suspect("B", retries=3),
    "C": _suspect("C", retries=math.inf),
}
"""Name -> design."""


class Hunt(Protocol):
    """What a learner writes."""

    async def __call__(self, lab: Lab, alice: Participant) -> None:
        """Emit "deposit" events and break what you like. When it returns, everything is repaired and comes to rest."""


async def _hunted(guard: Guard, schedule: Any, design: Design, accused: str) -> Finding | None:
    async with guard.lab(**design.server) as lab:
        _bank(lab)
        alice = await lab.join("alice", **{**SWIFT, **design.client})
        await guard.handler(schedule)(lab, alice)
        alice.link.disarm()
        alice.link.restore()
        if lab.server.state == "crashed":
            await lab.server.restart()
        await lab.settle()
        return _judged(guard, lab, design.name, accused)


def _judged(guard: Guard, lab: Lab, name: str, accused: str) -> Finding | None:
    try:
        leg = lab.verdict().leg("alice", "server")
    except KeyError:
        raise guard.fail('Your schedule emits nothing. Begin with alice.emit("deposit", 1).') from None
    lost, wrong = [label for label, _ in leg.lost], leg.lost or leg.duplicated
    if name == accused and not wrong:
        return Finding(f"{name} booked every deposit exactly once in spite of your schedule.", lab.figure())
    if name != accused and wrong:
        what = f"lost {ids(lost)}" if lost else f"booked {ids(leg.duplicated)} twice"
        return Finding(f"{name} {what} too, so your schedule does not tell the two apart.", lab.figure())
    return None


def bug_hunt(accused: str) -> Exercise:
    """The exercise, for this accused. Raises InvalidSetting if it is none of them."""
    if accused not in SUSPECTS:
        raise InvalidSetting(f"{brief(accused)} is none of the suspects {', '.join(map(repr, SUSPECTS))}.")
    order = sorted(SUSPECTS, key=lambda name: (name != accused, name))
    return Exercise(
        "bug_hunt",
        promise=f"under your schedule {accused} loses a deposit or books one twice, and the other two do not.",
        not_checked="whether there are other schedules, and other mistakes.",
        shape=Hunt,
        cases=tuple(
            Case(f"your schedule, on design {name}", "", partial(_hunted, design=SUSPECTS[name], accused=accused)) for name in order
        ),
    )
