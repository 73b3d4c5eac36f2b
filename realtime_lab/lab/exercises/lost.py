"""Lesson 02: which messages does a cut lose? A function of where it is."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

from realtime_lab.lab.exercise import Case, Exercise, Finding
from realtime_lab.lab.guard import Guard, brief, called

TOTALS = (1, 2, 3, 5)


class Lost(Protocol):
    """What a learner writes."""

    def __call__(self, total: int, n: int, side: str) -> list[str]:
        """`total` messages are sent, and the link is cut `side` ("before" or "after") message n. The labels of those that are lost."""


async def _cut(guard: Guard, lost: Any, total: int, n: int, side: str, sender: str) -> Finding | None:
    asked = called(lost, (total, n, side))
    said = guard.call(lost, total, n, side)
    if not isinstance(said, (list, tuple)) or not all(isinstance(label, str) for label in said):
        raise guard.fail(f'{asked} returned {brief(said)}. Return a list of labels, for example ["#4", "#5"].')
    async with guard.lab() as lab:
        dave = await lab.join("dave")
        dave.link.cut(**{side: f"news #{n}"})
        for k in range(1, total + 1):
            if sender == "dave":
                dave.emit("news", k)
            else:
                await lab.publish("news", k)
        await lab.settle()
        truth = [label for label, _ in lab.verdict().leg(sender, "server" if sender == "dave" else "dave").lost]
        if list(said) == truth:
            return None
        return Finding(f"Really lost: {_words(truth)}. {asked} says: {_words(said)}.", lab.figure())


def _words(labels: Sequence[str]) -> str:
    return " ".join(labels) or "none"


def _case(total: int, n: int, side: str, sender: str) -> Case:
    messages = "1 message" if total == 1 else f"{total} messages"
    return Case(
        f"{sender} sends {messages}, and dave's link is cut {side} #{n}",
        f'dave.link.cut({side}="news #{n}")',
        partial(_cut, total=total, n=n, side=side, sender=sender),
    )


LOST = Exercise(
    "lost",
    promise="the function names exactly the messages that a cut loses, wherever it is.",
    not_checked="cuts of a connection that is being made, stalls, a server that crashes, and more than one cut.",
    shape=Lost,
    cases=tuple(
        _case(total, n, side, sender)
        for total in TOTALS
        for n in range(1, total + 1)
        for side in ("before", "after")
        for sender in ("dave", "server")
    ),
)
