"""Lesson 03: a buffer for a client that is offline. A class that decides what is kept, and what leaves next."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from realtime_lab.errors import FaultPending
from realtime_lab.lab.exercise import Case, Exercise, Finding
from realtime_lab.lab.exercises.offline_app import CHAT, OfflineApp, labels
from realtime_lab.lab.guard import Guard
from realtime_lab.lab.starting import CALM
from realtime_lab.lab.trial import SWIFT

LIMITS, ROOMS = (2, 3), (1, 2, 3)


class Buffer(Protocol):
    """What a learner writes. It holds the keys of messages, not the messages."""

    def __init__(self, limit: int) -> None:
        """No more than `limit` may wait."""

    def emit(self, key: int) -> str:
        """A message was emitted. "keep": it waits, and `take` will give it out; "refuse": there is no place for it."""

    def take(self, room: int) -> list[int]:
        """The keys that leave now, in order, `room` at most; [] if nothing waits."""


@dataclass(frozen=True)
class Round:
    """Alice is offline and emits; the link comes back.

    side, at    the link is cut again, before or after the `at`-th message that leaves
    more        so many are emitted when the first portion has left
    """

    emits: int
    side: str = ""
    at: int = 0
    more: int = 0


async def _play(guard: Guard, answer: Any, limit: int, room: int, rounds: tuple[Round, ...]) -> Finding | None:
    _separate(guard, answer, limit)
    async with guard.lab(**CALM) as lab:
        alice = await lab.join("alice", **SWIFT)
        app = OfflineApp(guard, lab, alice, guard.call(answer, limit), limit, room)
        for each in rounds:
            if alice.connected:
                alice.link.cut()
                await lab.settle()
            for _ in range(each.emits):
                app.emit()
            if each.side:
                alice.link.cut(**{each.side: f"{CHAT} #{len(app.sent) + each.at}"})
            alice.link.restore()
            with suppress(FaultPending):  # nothing has left yet
                await lab.settle()
            await app.flush(each.more)
            alice.link.disarm()
        return Finding(f"{app.story}\n{wrong}", app.figure) if (wrong := app.judged()) else None


def _separate(guard: Guard, answer: Any, limit: int) -> None:
    """A list that is made in the class, and not in `__init__`, belongs to all buffers together."""
    first, second = guard.call(answer, limit), guard.call(answer, limit)
    guard.call(first.emit, 1)
    if guard.call(second.take, 1):
        raise guard.fail("emit(1) of one buffer, and take(1) of another one gave it out. Each buffer needs a list of its own.")


def _words(rounds: tuple[Round, ...]) -> Iterator[str]:
    emitted = 0
    for each in rounds:
        if each.emits:
            yield f"she emits {labels(range(emitted + 1, emitted + each.emits + 1))} offline"
        emitted += each.emits + each.more
        back = "it comes back again" if each is not rounds[0] else "the link comes back"
        back += f", and is cut {each.side} the {_nth(each.at)} that leaves" if each.side else ""
        yield back + (f", and when some have left she emits {labels([emitted])}" if each.more else "")


def _nth(n: int) -> str:
    return {1: "first", 2: "second", 3: "third"}[n]


def _scripts(limit: int) -> Iterator[tuple[Round, ...]]:
    for emits in range(1, limit + 2):
        yield (Round(emits),)
    for emits in range(2, limit + 1):
        yield (Round(emits, more=1),)
    yield Round(limit), Round(limit + 1)
    for emits in range(1, limit + 1):
        for at in range(1, emits + 1):
            for side in ("before", "after"):
                yield Round(emits, side, at), Round(int(emits == limit))


def _length(rounds: tuple[Round, ...]) -> int:
    """Messages and faults."""
    return sum(each.emits + each.more + 1 for each in rounds)


def _case(limit: int, room: int, rounds: tuple[Round, ...]) -> Case:
    words = f"alice's buffer has a limit of {limit}, and {room} at a time can leave; {'; '.join(_words(rounds))}"
    cut = next((f'{each.side}="{CHAT} #{each.at}"' for each in rounds if each.side), "")
    return Case(words, f"alice.link.cut({cut})", partial(_play, limit=limit, room=room, rounds=rounds))


_PLANS = sorted(
    ((limit, room, rounds) for limit in LIMITS for room in ROOMS if room <= limit for rounds in _scripts(limit)),
    key=lambda plan: _length(plan[2]),
)

BUFFER = Exercise(
    "buffer",
    promise="what is kept arrives once, in order, when the link is back; no more than the limit wait, and only what is more is refused.",
    not_checked="what had left the buffer when the link broke (it may be lost: lessons 04 and 05), a process that ends, and other limits.",
    shape=Buffer,
    cases=tuple(_case(*plan) for plan in _PLANS),
    together=8,
)
