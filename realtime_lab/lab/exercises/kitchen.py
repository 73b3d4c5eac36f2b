"""Lesson 01: a handler that finishes the dishes of one client in its order, while nobody waits for another client."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import permutations
from typing import Any, Protocol

from realtime_lab.lab.exercise import Case, Exercise, Finding
from realtime_lab.lab.guard import Guard, brief
from realtime_lab.lab.lab import Lab

SECONDS = {"pizza": 0.06, "soup": 0.04, "tea": 0.02, "cake": 0.02, "coffee": 0.0}

OVEN = 1.0
"""Seconds that a dish stays in the oven at most, while what others have ordered is to be made. Who is right does not wait so long."""

Orders = Mapping[str, tuple[str, ...]]
"""Who orders what. Each dish is ordered once in a dinner, and the others order when the first client's first dish is in the oven."""


class Cook(Protocol):
    """What a learner writes: the server's handler of "order"."""

    async def __call__(self, sid: str, dish: str, make: Callable[[str], Awaitable[None]]) -> None:
        """The client with this sid has ordered a dish. `await make(dish)` makes it. Return when it is made."""


@dataclass
class _Kitchen:
    """Makes the dishes, on the lab's thread, and is the witness of what was finished when."""

    guard: Guard
    orders: Orders
    others_order: Callable[[], None]
    begun: list[str] = field(default_factory=list)
    made: list[tuple[str, str]] = field(default_factory=list)
    others_served: asyncio.Event = field(default_factory=asyncio.Event)
    kept_waiting: str = ""
    """What was not made, although only another client's dish was in the oven."""

    async def make(self, name: str, dish: str) -> None:
        if dish not in self.orders[name] or dish in self.begun:
            raise self.guard.fail(f"make({brief(dish)}) was called for {name}, who has not ordered it, or has it already.")
        self.begun.append(dish)
        if len(self.begun) == 1 and len(self.orders) > 1:
            self.others_order()
            await self._stay_in_the_oven(name, dish)
        await asyncio.sleep(SECONDS[dish])
        self.made.append((name, dish))
        if not self._open(but=next(iter(self.orders))):
            self.others_served.set()

    def of(self, name: str) -> list[str]:
        """The dishes of one client, in the order in which they were finished."""
        return [dish for who, dish in self.made if who == name]

    def _open(self, but: str) -> list[str]:
        return [f"{who}'s {dish}" for who, dishes in self.orders.items() for dish in dishes if who != but and (who, dish) not in self.made]

    async def _stay_in_the_oven(self, name: str, dish: str) -> None:
        try:
            async with asyncio.timeout(OVEN):
                await self.others_served.wait()
        except TimeoutError:
            self.kept_waiting = f"{name}'s {dish} was in the oven, and {' and '.join(self._open(but=name))} waited for it."


async def _dinner(guard: Guard, answer: Any, orders: Orders) -> Finding | None:
    async with guard.lab() as lab:

        def order(*names: str) -> None:
            for name in names:
                for dish in orders[name]:
                    lab.participants[name].emit("order", dish)

        first, *others = orders
        kitchen = _Kitchen(guard, orders, partial(order, *others))
        _serve(lab, guard, answer, kitchen)
        for name in orders:
            await lab.join(name)
        order(first)
        await lab.settle()
        words = _judged(kitchen)
        return Finding(words, lab.figure()) if words else None


def _serve(lab: Lab, guard: Guard, answer: Any, kitchen: _Kitchen) -> None:
    cook = guard.handler(answer, words=lambda value: repr(value) if value in SECONDS else "make" if callable(value) else "sid")

    async def order(sid: str, dish: str) -> None:
        name = next(name for name, joined in lab.participants.items() if joined.client.sid == sid)
        await cook(sid, dish, partial(kitchen.make, name))
        if dish not in kitchen.of(name):
            raise guard.fail(f"{name} has ordered {dish}, and the handler has returned before it was made.")

    lab.server.on("order")(order)


def _judged(kitchen: _Kitchen) -> str:
    if kitchen.kept_waiting:
        return kitchen.kept_waiting
    for name, dishes in kitchen.orders.items():
        if kitchen.of(name) != list(dishes):
            return f"{name} has ordered {', '.join(dishes)}. They were finished in this order: {', '.join(kitchen.of(name))}."
    return ""


def _case(orders: Orders) -> Case:
    (first, dishes), *others = orders.items()
    words = f"{first} orders {', '.join(dishes)}"
    words += "".join(f"; while the {dishes[0]} is in the oven, {name} orders {', '.join(theirs)}" for name, theirs in others[:1])
    words += "".join(f", and {name} {', '.join(theirs)}" for name, theirs in others[1:])
    return Case(words, "", partial(_dinner, orders=orders))


DINNERS: tuple[Orders, ...] = (
    {"alice": ("pizza",), "bob": ("coffee",)},
    {"alice": ("pizza", "soup")},
    {"alice": ("soup", "pizza")},
    *({"alice": dishes} for dishes in permutations(("pizza", "soup", "tea"))),
    {"alice": ("pizza", "tea"), "bob": ("coffee",)},
    {"alice": ("pizza",), "bob": ("soup",), "carol": ("tea",)},
    {"alice": ("pizza", "coffee"), "bob": ("soup", "tea")},
    {"alice": ("pizza", "tea", "coffee"), "bob": ("soup", "cake")},
)

KITCHEN = Exercise(
    "kitchen",
    promise="the dishes of one client are finished in the order of its orders, and nobody waits for the dishes of somebody else.",
    not_checked="a dish that fails, a client that leaves or comes back, and how much memory those take who have left.",
    shape=Cook,
    cases=tuple(_case(orders) for orders in DINNERS),
    together=1,  # a lock that is made once, for all, would belong to the loop of another case
)
