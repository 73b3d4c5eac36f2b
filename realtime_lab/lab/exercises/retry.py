"""Lesson 05. A sender that delivers at least once, and in order: which messages leave now?"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from realtime_lab.history.leg import ids
from realtime_lab.lab.exercise import Case, Exercise, Finding
from realtime_lab.lab.exercises.learners_retry import LearnersRetry, Sender
from realtime_lab.lab.guard import AnswerFailed, Guard
from realtime_lab.lab.lab import Lab
from realtime_lab.lab.points import Break, Crash, Point
from realtime_lab.lab.trial import Design, Outcome, Trial, try_once

CHAT = "chat message"
ACK_TIMEOUT = 0.35
"""Seconds. A stall is noticed in two to three, so a sender sees timeouts in it."""
TIRED = 4
"""How often the link breaks in the same place, in the last case."""


@dataclass(frozen=True)
class _Again:
    """The link breaks each time that this message comes to it."""

    fault = "cut"
    link = "alice"
    place = name = "cut, again and again"

    def arm(self, lab: Lab) -> int:
        for attempt in range(1, TIRED + 1):
            lab.participants["alice"].link.cut(before=f"{CHAT} #1", attempt=attempt)
        return TIRED

    def __str__(self) -> str:
        return f'for attempt in {tuple(range(1, TIRED + 1))}: alice.link.cut(before="{CHAT} #1", attempt=attempt)'


async def _try(guard: Guard, sender: Any, size: int, point: Point | None) -> Finding | None:
    """Alice emits `size` messages, and one more when everything is repaired."""

    async def scenario(trial: Trial) -> None:
        alice = await trial.join("alice", ack_timeout=ACK_TIMEOUT, retries=rule)
        for n in range(1, size + 1):
            alice.emit(CHAT, n)
        await trial.rest()
        alice.emit(CHAT, size + 1)

    def failed(error: Exception) -> None:
        guard.fail(error if isinstance(error, AnswerFailed) else f"{error}.")

    def rule() -> LearnersRetry:
        return LearnersRetry(guard.call(sender), guard.call, failed, ACK_TIMEOUT)

    outcome = await try_once(scenario, Design("yours", prepare=guard.adopt), point, name=f"check retry {id(guard)}")
    return _judged(outcome) if outcome.reached or point is None else None


def _judged(outcome: Outcome) -> Finding | None:
    leg = outcome.verdict.leg("alice", "server")
    missing = [*(label for label, _ in leg.lost), *leg.in_flight]
    if missing:
        return Finding(f"The connection came back, and nothing was sent that would bring {ids(missing)} to the server.", outcome.figure)
    if leg.reordered:
        return Finding(f"{ids(leg.reordered)} came after a message that was emitted later.", outcome.figure)
    return None


def _case(size: int, words: str, point: Point | None) -> Case:
    messages = "1 message" if size == 1 else f"{size} messages"
    return Case(f"alice emits {messages}, {words}; then one more", str(point or ""), partial(_try, size=size, point=point))


def _cuts(size: int) -> Iterator[Case]:
    for n in range(1, size + 1):
        yield _case(size, f"and her link is cut before #{n}", Break("alice", "upstream", n + 1, "before", False, ""))
        yield _case(size, f"and her link is cut after #{n}", Break("alice", "upstream", n + 1, "after", False, ""))
    for n in range(1, size + 1):
        yield _case(size, f"and her link is cut before the answer to #{n}", Break("alice", "downstream", n + 1, "before", False, ""))


CASES = (
    _case(1, "and nothing breaks", None),
    *_cuts(1),
    _case(1, "and the server crashes when it has handled #1", Crash("before_ack", 1)),
    *_cuts(2),
    *_cuts(3),
    _case(2, "and the way to the server stalls before #2", Break("alice", "upstream", 3, "before", True, "")),
    _case(2, "and the way back stalls before the answer to #2", Break("alice", "downstream", 3, "before", True, "")),
    _case(2, "and the server crashes when #2 has arrived", Crash("before_apply", 2)),
    _case(1, f"and her link is cut before #1, {TIRED} times in a row", _Again()),
)

RETRY = Exercise(
    "retry",
    promise="when the connection is back, every message arrives: at least once, and the first time in the order of emitting.",
    not_checked="how often it arrives (lesson 06), how soon and with how much load, a client that starts anew, two faults at once.",
    shape=Sender,
    cases=CASES,
)
