"""Lesson 11. Four applications: choose a design for each, and say what it promises. Every promise is put to every break point."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from realtime_lab.errors import InvalidSetting
from realtime_lab.history.verdict import GUARANTEES, Leg, Verdict
from realtime_lab.lab.exercise import Case, Exercise, Finding
from realtime_lab.lab.guard import Guard, NotWritten, brief
from realtime_lab.lab.lab import Lab
from realtime_lab.lab.points import Break, Point, points_of
from realtime_lab.lab.trial import Design, Outcome, Trial, try_once

CHAT = "chat message"
LIMIT = 45.0
"""Seconds: some hundred labs take seven on a machine that does nothing else."""

Claims = Mapping[str, tuple[str, set[str]]]
"""Application -> (name of a design, what is promised)."""


async def talk(trial: Trial) -> None:
    """Alice emits two messages; the server passes them on to bob."""
    alice = await trial.join("alice")
    await trial.join("bob")
    for n in (1, 2):
        alice.emit(CHAT, n)
    await trial.rest()


async def pay(trial: Trial) -> None:
    """Alice pays twice."""
    alice = await trial.join("alice")
    for n in (1, 2):
        alice.emit("payment", n)
    await trial.rest()


async def announce(trial: Trial) -> None:
    """The server publishes twice; bob listens."""
    await trial.join("bob")
    for n in (1, 2):
        await trial.publish("price", n)
    await trial.rest()


def book(lab: Lab) -> None:
    """The server books a payment: in a transaction, if it has a database."""

    def plain(sid: str, n: int) -> None:
        """In memory."""

    async def durable(sid: str, n: int, tx: Any) -> None:
        await tx.execute("CREATE TABLE IF NOT EXISTS payments (n INTEGER)")
        await tx.execute("INSERT INTO payments VALUES (?)", (n,))

    lab.server.on("payment")(durable if lab.has_database else plain)


@dataclass(frozen=True)
class Application:
    """Who sends to whom, and what its users need."""

    name: str
    scenario: Callable[[Trial], Awaitable[None]]
    sender: str
    receiver: str
    needs: frozenset[str]

    def refuted(self, verdict: Verdict) -> set[str]:
        """The guarantees that a run refutes for those who are to get it. What is lost before it comes to them is lost to them too."""
        legs: Mapping[tuple[str, str], Leg] = {(leg.sender, leg.receiver): leg for leg in verdict.legs}
        own = legs.get((self.sender, self.receiver))
        on_the_way = legs.get((self.sender, "server"))
        return {*(own.refuted if own else ()), *({"at least once", "exactly once"} if on_the_way and on_the_way.lost else ())}


APPLICATIONS = (
    Application("chat", talk, "alice", "bob", frozenset({"at least once", "ordered"})),
    Application("cursor", talk, "alice", "bob", frozenset({"at most once", "ordered"})),
    Application("payment", pay, "alice", "server", frozenset({"exactly once"})),
    Application("ticker", announce, "server", "bob", frozenset({"ordered"})),
)

IMPLIED = {"exactly once": {"at most once", "at least once"}}
"""Who promises the first promises the others."""


async def _defended(guard: Guard, answer: Any, application: Application, designs: Mapping[str, Design]) -> Finding | None:
    design, promised = _claim(guard, answer, application, designs)
    said = promised.union(*(IMPLIED.get(each, set()) for each in promised))
    if missing := sorted(application.needs - said):
        return Finding(f"The users of the {application.name} need {_and(missing)}, and you do not promise it.")
    design = replace(design, prepare=book)
    plain = await try_once(application.scenario, design, None, name=f"check claims {id(guard)}")
    for point in _places(points_of(plain.events, ("cut", "crash"), commits=plain.rows > 0)):
        outcome = await try_once(application.scenario, design, point, name=f"check claims {id(guard)}")
        if outcome.reached and (broken := application.refuted(outcome.verdict) & promised):
            return _overclaimed(application, outcome, sorted(broken))
    return None


def _places(points: Sequence[Point]) -> Iterator[Point]:
    """Not the handshake, and "after" only behind the last packet of a direction: behind another one is before the next."""
    last = {(point.place, point.packet) for point in points if isinstance(point, Break)}
    for point in points:
        if isinstance(point, Break):
            inner = point.side == "after" and (point.place, point.packet + 1) in last
            if inner or point.what == "CONNECT":
                continue
        yield point


def _overclaimed(application: Application, outcome: Outcome, broken: Sequence[str]) -> Finding:
    words = f"You promise {_and(broken)} for the {application.name}, and this run refutes it: {outcome.point}"
    return Finding(words, outcome.figure)


def _and(words: Sequence[str]) -> str:
    return " and ".join(f'"{word}"' for word in words)


def _claim(guard: Guard, answer: Any, application: Application, designs: Mapping[str, Design]) -> tuple[Design, set[str]]:
    name = application.name
    how = f'For example: "{name}": ("{next(iter(designs))}", {{"ordered"}}).'
    claim = answer.get(name)
    if not isinstance(claim, tuple) or len(claim) != 2:
        raise guard.fail(f"There is no claim for the {name}, or not a pair of a design and a set of promises: {brief(claim)}. {how}")
    design, promised = claim
    if design not in designs:
        raise guard.fail(f"{name}: {brief(design)} is none of the designs {', '.join(map(repr, designs))}.")
    if not isinstance(promised, (set, frozenset, list, tuple)) or not set(promised) <= set(GUARANTEES):
        raise guard.fail(f"{name}: promises are a set of {', '.join(map(repr, GUARANTEES))}, not {brief(promised)}.")
    if not promised:
        raise guard.fail(NotWritten(f"you promise nothing for the {name} yet."))
    return designs[design], set(promised)


def _shape(answer: Any) -> str:
    names = ", ".join(f'"{application.name}"' for application in APPLICATIONS)
    return "" if isinstance(answer, dict) else f"check.claims() expects a dict with the keys {names}. You gave {brief(answer)}."


def claims(designs: Sequence[Design]) -> Exercise:
    """The exercise, for these designs. Raises InvalidSetting if they are none."""
    if not designs or not all(isinstance(design, Design) for design in designs):
        raise InvalidSetting(f"{brief(designs)} is no list of designs. Write check.claims(my_claims, DESIGNS).")
    named = {design.name: design for design in designs}
    return Exercise(
        "claims",
        promise="each design keeps what you promise for it, wherever it is broken, and that is what its users need.",
        not_checked="two breaks in one run, stalls, breaks of the handshake, clients that end, and whether a cheaper design would do.",
        shape=_shape,
        limit=LIMIT,
        cases=tuple(
            Case(
                f"the {application.name}: {application.sender} sends twice to {application.receiver}, and every break point is tried",
                "",
                partial(_defended, application=application, designs=named),
            )
            for application in APPLICATIONS
        ),
    )
