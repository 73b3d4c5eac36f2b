"""A schedule for labs that are started again on the same stores. Made from a seed."""

import random
from dataclasses import replace

from tests.soak.down_schedule import Deed, Down, Role
from tests.soak.schedule import CRASHES

PEOPLE = (Role("alice", store=True, transaction=True, batch=True), Role("bob", ("polling",), store=True, transaction=True))
NAMES = tuple(role.name for role in PEOPLE)
FAULTS = ("cut", "stall", "slow way", "crash", "crash now", "anew", "anew", "anew")


def labs_schedule(seed: int, faults: int = 8) -> Down:
    """The schedule of this seed: in three of eight cases the lab is closed and started anew, wherever it stands."""
    draw = random.Random(seed)
    deeds: list[Deed] = []
    for _ in range(faults):
        who, pause = tuple(draw.sample(NAMES, draw.choice((1, 2)))), draw.choice((0, 1, 5, 30, 100))
        deeds += [Deed("emit", who, draw.randint(1, 40), pause=draw.choice((0, 0, 5))), Deed("publish", count=draw.randint(1, 20))]
        deeds += _fault(draw, draw.choice(FAULTS), Deed("restore", who, pause=pause))
    return Down(seed, tuple(deeds))


def _fault(draw: random.Random, kind: str, restore: Deed) -> list[Deed]:
    more, way = Deed("emit", NAMES, draw.randint(1, 10), pause=draw.choice((5, 40))), draw.choice(("upstream", "downstream", "both"))
    deeds = {
        "cut": [replace(restore, what="cut"), more, restore],
        "stall": [replace(restore, what="stall", detail=way), more, restore],
        "slow way": [replace(restore, what="latency", count=draw.randint(4, 40)), more],
        "crash": [Deed("crash", count=draw.randint(1, 6), detail=draw.choice(CRASHES)), more, Deed("restart")],
        "crash now": [Deed("crash", pause=restore.pause), more, Deed("restart")],
        "anew": [more, Deed("anew", pause=restore.pause)],
    }
    return deeds[kind]
