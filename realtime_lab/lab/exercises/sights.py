"""Lesson 04: what a client can know about its order from what it saw."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from realtime_lab.errors import NotConnected, Rejected
from realtime_lab.lab.exercise import Case, Exercise, Finding
from realtime_lab.lab.figure import Figure
from realtime_lab.lab.guard import Guard, NotWritten, brief
from realtime_lab.lab.participant import Participant
from realtime_lab.lab.shape import unkeyed

WORDS = ("handled", "not handled", "cannot tell")


@dataclass(frozen=True)
class History:
    """What really happened: `words`, and how the link was broken.

    cut         "before" or "after" the order, or "now": before alice emits, and she has noticed
    stall       the direction in which the link is silent
    """

    words: str
    title: str = "atlas"
    cut: str = ""
    stall: str = ""
    ack_timeout: float | None = 0.5
    comes_back: bool = False

    @property
    def line(self) -> str:
        """The line of code that makes the fault."""
        if self.stall:
            return f'alice.link.stall("{self.stall}")'
        return {"": "", "now": "alice.link.cut()"}.get(self.cut, f'alice.link.cut({self.cut}="order #1")')


@dataclass(frozen=True)
class Seen:
    """A history, what alice saw of it, and how many books were packed."""

    history: History
    sight: str
    packed: int
    figure: Figure


def _cuts(more: str = "", **options: Any) -> tuple[History, ...]:
    return (
        History(f"the link was cut before the order{more}", cut="before", **options),
        History(f"the link was cut after the order{more}", cut="after", **options),
    )


SIGHTS: Mapping[str, tuple[History, ...]] = {
    "A: acked": (History("nothing was broken"),),
    "B: rejected (sold out)": (History("nothing was broken, and the book was sold out", title="sold out"),),
    "C: unknown (the connection ended before an acknowledgement came)": _cuts(),
    "D: unknown (no acknowledgement in 0.5 s)": (
        History("the way to the shop was silent", stall="upstream"),
        History("the way back was silent", stall="downstream"),
    ),
    "E: emit() raised NotConnected": (History("the link was cut before she emitted, and she had noticed", cut="now"),),
    "F: unknown, and a moment later she is connected again": _cuts(", and restored", comes_back=True),
    "G: no acknowledgement asked for, and no error": _cuts(ack_timeout=None),
    "H: unknown, but the server was up all the time": _cuts(),
}
"""What alice saw, and the histories that look like this to her."""


async def _look(guard: Guard, history: History) -> Seen:
    async with guard.lab() as lab:
        packed: list[str] = []

        def order(sid: str, title: str) -> str:
            if title == "sold out":
                raise Rejected("sold out")
            packed.append(title)
            return f"one {title}"

        lab.server.on("order")(order)
        alice = await lab.join("alice", ack_timeout=history.ack_timeout)
        if history.stall:
            alice.link.stall(history.stall)
        elif history.cut == "now":
            alice.link.cut()
            await lab.settle()  # alice notices
        elif history.cut:
            alice.link.cut(**{history.cut: "order #1"})
        sight = await _sight(alice, history.title)
        if history.stall:
            alice.link.cut()  # the silence does not end well
        await lab.settle()
        if history.comes_back:
            alice.link.restore()
            await lab.settle()
        sight += f", connected: {alice.connected}, server: {lab.server.state}"
        return Seen(history, sight, len(packed), lab.figure())


async def _sight(alice: Participant, title: str) -> str:
    try:
        return str(await alice.emit("order", title))
    except NotConnected:
        return "NotConnected"


async def _judge(guard: Guard, answers: Mapping[str, Any], sight: str) -> Finding | None:
    said = next(answer for key, answer in answers.items() if str(key)[0] == sight[0])
    if said == "":
        raise guard.fail(NotWritten(f"{sight[0]} has no answer. Write one of these: {', '.join(WORDS)}."))
    if said not in WORDS:
        raise guard.fail(f"{sight[0]}: {brief(said)} is not one of these: {', '.join(WORDS)}.")
    seen = [await _look(guard, history) for history in SIGHTS[sight]]
    if len({each.sight for each in seen}) != 1:
        raise AssertionError(f"to alice these do not look the same: {seen}")
    if said == "cannot tell":
        if len({each.packed for each in seen}) > 1:
            return None
        return Finding("You say: cannot tell. But no history that looks like this to alice ends in another way.", seen[0].figure)
    against = next((each for each in seen if said != ("handled" if each.packed else "not handled")), None)
    if against is None:
        return None
    books = "1 book was" if against.packed else "no book was"
    broken = f"\n      {against.history.line}" if against.history.line else ""
    return Finding(f"You say: {said}. But she sees the same when {against.history.words}, and {books} packed:{broken}", against.figure)


def _shape(answers: Any) -> str:
    return unkeyed("sights", answers, list(SIGHTS))


def _length(history: History) -> tuple[int, bool]:
    """Messages and faults; of two that are equally long, first the one that takes less time."""
    return 1 + bool(history.line) + history.comes_back, bool(history.stall)


SIGHTS_EXERCISE = Exercise(
    "sights",
    promise="for each sight you say what alice can know about her order, and no more.",
    not_checked="a server that crashes while it works; to alice it looks the same as C.",
    shape=_shape,
    cases=tuple(
        Case(f"alice sees {sight}", "", partial(_judge, sight=sight))
        for sight, histories in sorted(SIGHTS.items(), key=lambda item: _length(item[1][0]))
    ),
    together=3,
)
