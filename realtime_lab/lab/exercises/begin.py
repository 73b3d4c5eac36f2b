"""Lesson 08: where does a replay begin, and what is the client told? A function of what the client says and of how the log stands."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from realtime_lab.lab.exercise import Case, Exercise, Finding
from realtime_lab.lab.guard import Guard, brief, called
from realtime_lab.lab.lab import Lab
from realtime_lab.lab.starting import CALM
from realtime_lab.lab.trial import SWIFT
from realtime_lab.rules.replay import REASONS

CHAT = "chat message"
TOLD = [{str(reason): f"{when}{reason or 'recovered'}" for reason in REASONS} for when in ("told ", "then told ")]
"""The event that tells a client the reason, on its first and on its second visit, so that the picture shows it."""
EPOCH, OTHER = "a", "b"
"""The log's own name, and that of a log which is no more."""

LOGS = ((0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2), (1, 3), (2, 3))
"""(trimmed, head)"""

TRUE: dict[str, str] = {
    "": "he gets everything that he missed",
    "new": "he is here for the first time, and nobody knows what he missed",
    "truncated": "some of what he missed is stored no more",
    "epoch-changed": "what he has is from another log",
    "ahead": "he has something that this log does not know",
}
"""What is so, when this is the reason."""


class Begin(Protocol):
    """What a learner writes."""

    def __call__(self, epoch: str | None, offset: int | None, log_epoch: str, trimmed: int, head: int) -> tuple[int, str]:
        """The offset after which the replay begins, and the reason why it is not complete: "" if it is."""


@dataclass
class _Server:
    """The server of the lesson: it stores a message, then sends it; and it asks `begin` what to send to whoever connects."""

    lab: Lab
    guard: Guard
    begin: Any
    rows: list[dict[str, Any]] = field(default_factory=list)
    trimmed: int = 0
    head: int = 0
    visits: int = 0
    said: str = ""
    """The latest call of `begin`, and what it returned."""

    async def publish(self) -> None:
        self.head += 1
        self.rows.append({"id": self.head, "data": self.head})
        await self.lab.server.emit(CHAT, self.rows[-1])

    def trim(self, up_to: int) -> None:
        self.trimmed = up_to
        self.rows = [row for row in self.rows if row["id"] > up_to]

    async def welcome(self, sid: str) -> None:
        """Runs when somebody has connected, on the lab's thread."""
        auth = self.lab.server.auth(sid)
        arguments = auth["epoch"], auth["offset"], EPOCH, self.trimmed, self.head
        asked = called(self.begin, arguments)
        said = self.guard.call(self.begin, *arguments)
        if (decision := _decision(said)) is None:
            wanted = ", ".join(map(repr, REASONS))
            raise self.guard.fail(
                f"{asked} returned {brief(said)}. Return an offset and a reason, for example (3, 'new'). Reasons: {wanted}."
            )
        offset, reason = decision
        self.said = f"{asked} returned {(offset, reason)}"
        await self.lab.server.emit(TOLD[min(self.visits, 1)][reason], {"epoch": EPOCH, "offset": offset, "reason": reason}, to=sid)
        self.visits += 1
        for row in [row for row in self.rows if row["id"] > offset]:
            await self.lab.server.emit(CHAT, row, to=sid)


@dataclass
class _Bob:
    """His application: it believes what it is told, and keeps the id of the last message."""

    epoch: str | None
    offset: int | None
    got: list[int] = field(default_factory=list)
    told: str = ""

    def auth(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "offset": self.offset}

    def welcomed(self, said: dict[str, Any]) -> None:
        self.epoch, self.offset, self.told = said["epoch"], said["offset"], said["reason"]

    def receive(self, row: dict[str, Any]) -> None:
        self.got.append(row["id"])
        self.offset = row["id"]


async def _visit(guard: Guard, begin: Any, epoch: str | None, offset: int | None, trimmed: int, head: int) -> Finding | None:
    """Bob comes, and comes once more when he has missed one message."""
    async with guard.lab(**CALM) as lab:
        server, bob = _Server(lab, guard, begin), _Bob(epoch, offset)
        for _ in range(head):
            await server.publish()
        server.trim(trimmed)
        lab.server.on("connect")(server.welcome)
        client = await lab.prepare("bob", auth=bob.auth, **SWIFT)
        for event in (event for events in TOLD for event in events.values()):
            client.on(event)(bob.welcomed)
        client.on(CHAT)(bob.receive)
        await client.connect()
        await lab.settle()
        first = _judged(bob.got, bob.told, *_due(server, epoch, offset))
        words, begun = f"{server.said}.\n{first}".rstrip(), len(bob.got)
        client.link.cut()
        await lab.settle()
        await server.publish()
        client.link.restore()
        await lab.settle()
        missed = server.rows[-1]["id"]
        second = _judged(bob.got[begun:], bob.told, [missed], "")
        if second:
            words += f"\nThen #{missed} is published while bob is away, and he comes back: {server.said}.\n{second}"
        return Finding(words, lab.figure()) if first or second else None


def _due(server: _Server, epoch: str | None, offset: int | None) -> tuple[list[int], str]:
    """What somebody who comes for the first time in this run must be given, and why it is not everything."""
    stored = [row["id"] for row in server.rows]
    if offset is None:
        return [], "new"  # nothing is missed by who was not here
    if epoch != EPOCH:
        return stored, "epoch-changed"
    if offset > server.head:
        return [], "ahead"
    return [each for each in stored if each > offset], "truncated" if offset < server.trimmed else ""


def _judged(got: list[int], told: str, due: list[int], reason: str) -> str:
    """What is wrong with what bob was given and told, the worst first; empty if nothing is."""
    if missing := [each for each in due if each not in got]:
        return f"{_labels(missing)}: stored, new to bob, and never sent to him."
    if extra := [each for each in got if each not in due]:
        why = "published before he came for the first time" if reason == "new" else "he had it already"
        return f"{_labels(extra)}: sent to bob, but {why}."
    if told != reason:
        return f"Bob was told {told!r}, but {TRUE[reason]}."
    return ""


def _decision(said: Any) -> tuple[int, str] | None:
    if isinstance(said, (tuple, list)) and len(said) == 2:
        offset, reason = said
        if isinstance(offset, int) and not isinstance(offset, bool) and isinstance(reason, str) and reason in REASONS:
            return offset, reason
    return None


def _labels(numbers: Iterable[int]) -> str:
    return " ".join(f"#{each}" for each in numbers)


def _cases() -> Iterator[Case]:
    for trimmed, head in LOGS:
        yield _case(None, None, trimmed, head)
        for epoch in (EPOCH, OTHER):
            for offset in range(head + 2):
                yield _case(epoch, offset, trimmed, head)


def _case(epoch: str | None, offset: int | None, trimmed: int, head: int) -> Case:
    has = f"has {_labels(range(trimmed + 1, head + 1))}" if head > trimmed else "is empty"
    gone = f" ({_labels(range(1, trimmed + 1))} trimmed away)" if trimmed else ""
    log = f"the log {EPOCH!r} {has}{gone}"
    who = "bob comes for the first time" if offset is None else f"bob comes with epoch {epoch!r} and offset {offset}"
    run = partial(_visit, epoch=epoch, offset=offset, trimmed=trimmed, head=head)
    return Case(f"{log}; {who}, is cut off, misses #{head + 1}, and comes back", "bob.link.cut()", run)


BEGIN = Exercise(
    "begin",
    promise="who comes is given everything stored that is new to them, and nothing else; and is told whether they miss something, and why.",
    not_checked="what is published while the replay runs, a log that is trimmed meanwhile, and what the application does when it is told.",
    shape=Begin,
    cases=tuple(_cases()),
    together=8,
)
