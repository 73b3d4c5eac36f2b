"""Lesson 00: say what bob gets, without running it."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from realtime_lab.lab.exercise import Case, Exercise, Finding
from realtime_lab.lab.guard import Guard, NotWritten, brief
from realtime_lab.lab.lab import Lab
from realtime_lab.lab.participant import Participant
from realtime_lab.lab.shape import unkeyed

Break = Callable[[Lab, Participant, Participant, int], Awaitable[None]]
"""Called with the lab, alice, bob and n before alice sends #n."""


async def _alice_after_2(lab: Lab, alice: Participant, bob: Participant, n: int) -> None:
    if n == 1:
        alice.link.cut(after="chat message #2")


async def _alice_before_2(lab: Lab, alice: Participant, bob: Participant, n: int) -> None:
    if n == 1:
        alice.link.cut(before="chat message #2")


async def _bob_before_3(lab: Lab, alice: Participant, bob: Participant, n: int) -> None:
    if n == 1:
        bob.link.cut(before="chat message #3")


async def _bob_is_away(lab: Lab, alice: Participant, bob: Participant, n: int) -> None:
    if n == 3:
        await lab.settle()
        bob.link.cut()
        await lab.settle()
    if n == 4:
        await lab.settle()
        bob.link.restore()
        await lab.settle()


EXPERIMENTS: Mapping[str, tuple[str, str, Break]] = {
    "A": ("alice's link is cut after #2", 'alice.link.cut(after="chat message #2")', _alice_after_2),
    "B": ("alice's link is cut before #2", 'alice.link.cut(before="chat message #2")', _alice_before_2),
    "C": ("bob's link is cut before #3", 'bob.link.cut(before="chat message #3")', _bob_before_3),
    "D": ("bob's link is cut after he has got #2, and restored before alice sends #4", "bob.link.cut(), bob.link.restore()", _bob_is_away),
}
"""In words, as a line of code, and how it is done."""

MESSAGES = 4


async def _try(guard: Guard, answers: Mapping[str, Any], letter: str) -> Finding | None:
    said = next(answer for key, answer in answers.items() if str(key)[0] == letter)
    if not isinstance(said, (list, tuple)) or not all(isinstance(label, str) for label in said):
        raise guard.fail(f'{letter}: {brief(said)} is no list of messages. Write it like this: ["#1", "#2"].')
    if not said:
        raise guard.fail(NotWritten(f'{letter} is empty. Write what bob gets, for example ["#1", "#2"].'))
    async with guard.lab() as lab:
        alice, bob = await lab.join("alice"), await lab.join("bob")
        for n in range(1, MESSAGES + 1):
            await EXPERIMENTS[letter][2](lab, alice, bob, n)
            alice.emit("chat message", n)
        await lab.settle()
        if lab.verdict().leg("server", "bob").received == tuple(said):
            return None
        return Finding(f"You say: bob gets {' '.join(said)}. The picture shows what he got.", lab.figure())


def _shape(answers: Any) -> str:
    return unkeyed("reading", answers, list(EXPERIMENTS))


READING = Exercise(
    "reading",
    promise="for each break you say which messages bob gets.",
    not_checked="whether you can say it for a break that is not among these.",
    shape=_shape,
    cases=tuple(
        Case(f"{letter}: alice sends #1 to #{MESSAGES}, and {words}", line, partial(_try, letter=letter))
        for letter, (words, line, _) in EXPERIMENTS.items()
    ),
)
