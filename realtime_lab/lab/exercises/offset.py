"""Lesson 07: which offset may be stored while handlers run side by side? A function of what has arrived and of what is finished."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import permutations
from typing import Any, Protocol

from realtime_lab.lab.exercise import Case, Exercise, Finding
from realtime_lab.lab.guard import Guard, brief, called
from realtime_lab.lab.lab import Lab
from realtime_lab.lab.starting import CALM
from realtime_lab.lab.trial import SWIFT

CHAT, CAROL = "chat message", "carol"
BEFORE = 1
"""Bob has this one already."""
CAROLS = (3, 6)
"""These are not for him, so the ids that he is given are not neighbours."""
IDS = (2, 4, 5, 7)


class Offset(Protocol):
    """What a learner writes."""

    def __call__(self, arrived: list[int], finished: set[int]) -> int:
        """The offset that may be stored; 0: what is stored stays as it is.

        `arrived`: the ids that came since the process began, in their order. `finished`: those whose handlers have returned.
        """


class _Server:
    """The server of the lesson: it stores a message, then sends it, and replays what comes after the offset of whoever connects."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._rows: list[dict[str, int]] = []
        lab.server.on("connect")(self._replay)

    async def publish(self) -> None:
        row = {"id": len(self._rows) + 1, "data": len(self._rows) + 1}
        self._rows.append(row)
        await self._lab.server.emit(CHAT, row, to=CAROL if row["id"] in CAROLS else None)

    async def _replay(self, sid: str) -> None:
        offset = self._lab.server.auth(sid)["offset"]
        for row in [row for row in self._rows if row["id"] > offset and row["id"] not in CAROLS]:
            await self._lab.server.emit(CHAT, row, to=sid)


@dataclass
class _Bob:
    """His application: handlers side by side, and what they leave. In his first process a handler waits until it is let go."""

    guard: Guard
    offset: Any
    stored: int = BEFORE
    said: str = "Nothing was finished, so nothing was stored."
    """The latest call of `offset`, and what it returned."""
    given: list[list[int]] = field(default_factory=lambda: [[]])
    """What the handlers of each process were given."""
    finished: set[int] = field(default_factory=set)
    gates: dict[int, asyncio.Event] = field(default_factory=lambda: {each: asyncio.Event() for each in IDS})
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def auth(self) -> dict[str, int]:
        return {"offset": self.stored}

    async def handle(self, row: dict[str, Any]) -> None:
        """For each message, side by side."""
        self.given[-1].append(row["id"])
        await self._tell()
        if len(self.given) == 1:
            await self.gates[row["id"]].wait()
        self.finished.add(row["id"])
        self._store()
        await self._tell()

    def _store(self) -> None:
        arguments = list(self.given[-1]), set(self.finished)
        asked = called(self.offset, arguments)  # before it can change them
        said = self.guard.call(self.offset, *arguments)
        if isinstance(said, bool) or not isinstance(said, int) or said < 0:
            raise self.guard.fail(f"{asked} returned {brief(said)}. Return an id, or 0 if what is stored must stay as it is.")
        self.said = f"{asked} returned {said}."
        self.stored = said or self.stored

    async def _tell(self) -> None:
        async with self.news:
            self.news.notify_all()

    async def until(self, *, arrived: int, finished: int) -> None:
        """Wait until so many have arrived and are finished."""
        async with self.news:
            await self.news.wait_for(lambda: (len(self.given[-1]), len(self.finished)) == (arrived, finished))

    def end(self) -> None:
        """His process ends, and what only memory held is lost."""
        self.given.append([])
        self.finished = set()


async def _end(guard: Guard, offset: Any, ids: tuple[int, ...], order: tuple[int, ...]) -> Finding | None:
    """The messages come, handlers return in this order, and the process ends and starts again."""
    async with guard.lab(**CALM) as lab:
        server, bob = _Server(lab), _Bob(guard, offset)
        await server.publish()
        client = await lab.prepare("bob", auth=bob.auth, **SWIFT)
        client.on(CHAT)(bob.handle)
        await client.connect()
        for _ in range(BEFORE, ids[-1]):
            await server.publish()
        await lab.thread.run(bob.until(arrived=len(ids), finished=0))
        for count, each in enumerate(order, start=1):
            lab.thread.call(bob.gates[each].set)
            await lab.thread.run(bob.until(arrived=len(ids), finished=count))
        said = bob.said
        bob.end()
        await client.refresh()
        await lab.settle()
        wrong = _judged(ids, order, bob.given[-1])
        return Finding(f"{said}\n{wrong}", lab.figure()) if wrong else None


def _judged(ids: tuple[int, ...], order: tuple[int, ...], second: list[int]) -> str:
    """What is wrong with what his second process was given; empty if nothing is."""
    if lost := [each for each in ids if each not in order and each not in second]:
        return f"{_ids(lost)}: not finished, and not sent again. Nobody will ever send it."
    if again := [each for each in second if all(earlier in order for earlier in ids if earlier <= each)]:
        return f"{_ids(again)}: sent again, although its handler had returned, and those of all before it."
    return ""


def _ids(numbers: Iterable[int]) -> str:
    return " ".join(f"#{each}" for each in numbers)


def _cases() -> Iterator[Case]:
    for count in range(1, len(IDS) + 1):
        for steps in range(count + 1):
            for order in permutations(IDS[:count], steps):
                yield _case(IDS[:count], order)


def _case(ids: tuple[int, ...], order: tuple[int, ...]) -> Case:
    done = f"{_ids(order)} finished, in this order" if len(order) > 1 else f"{_ids(order)} finished" if order else "none finished"
    run = partial(_end, ids=ids, order=order)
    return Case(f"bob is given {_ids(ids)}; {done}; his process ends, and starts again", "await bob.refresh()", run)


OFFSET = Exercise(
    "offset",
    promise="after a restart, what was not finished comes again; what was finished, with everything before it, does not.",
    not_checked="how often the rest is done (what was finished behind an unfinished one comes again), and handlers that raise.",
    shape=Offset,
    cases=tuple(_cases()),
    together=8,
)
