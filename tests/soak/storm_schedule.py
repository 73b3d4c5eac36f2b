"""A schedule of bursts: seven clients of all designs, a server in a process of its own, and what is broken when. Made from a seed."""

import random
from dataclasses import dataclass, replace

from tests.soak.down_schedule import Deed, Role
from tests.soak.schedule import CRASHES

CREW = (
    Role("anna", numbered=False),
    Role("ben", ("polling", "websocket")),
    Role("cora", red=True, batch=True),
    Role("dave", store=True, transaction=True, batch=True, slow=2),
    Role("erin", store=True, slow=20),
    Role("gina", ("polling",), red=True, batch=True),
)
"""Those that live in the soak's own process. Who may see the room "red" is given the long bursts."""
FINN = Role("finn", store=True, transaction=True, batch=True)
"""He lives in a process of his own, which is killed."""
CLIENTS = (*CREW, FINN)
NAMES = tuple(role.name for role in CLIENTS)
BATCHED = tuple(role.name for role in CLIENTS if role.batch)
REFRESHED = tuple(role.name for role in CREW if role.numbered)


@dataclass(frozen=True)
class Storm:
    """The deeds, in their order. dedupe: does the server apply a number once?"""

    seed: int
    dedupe: bool
    steps: tuple[Deed, ...]

    def __str__(self) -> str:
        return "\n".join([f"seed {self.seed}, dedupe={self.dedupe}:", *(f"  {step}" for step in self.steps)])

    def without(self, start: int, count: int) -> "Storm":
        """A shorter one."""
        return replace(self, steps=self.steps[:start] + self.steps[start + count :])


FAULTS = (
    *("cut", "cut", "cut", "cut at", "cut at", "cut at", "flap", "stall", "lost acks", "slow way"),
    *("crash", "crash", "crash", "crash now", "kill", "kill", "kill finn", "refresh", "refresh"),
    *("full disk", "full disk", "full disk of finn"),
)


def storm_schedule(seed: int, faults: int = 14, *, size: float = 1.0) -> Storm:
    """The schedule of this seed. One in five has a server that does not dedupe; there bursts are short.

    size: of the bursts. Long ones, sent again and again and handled each time, would keep such a server busy for ever.
    """
    draw, dedupe = random.Random(seed), seed % 5 != 0
    size *= 1.0 if dedupe else 0.1
    deeds: list[Deed] = []
    for kind in draw.sample(FAULTS, faults):
        deeds += _messages(draw, size, tell="tell" if dedupe else "deposit")
        deeds += _fault(draw, kind, size)
    return Storm(seed, dedupe, tuple(deeds))


def _messages(draw: random.Random, size: float, *, tell: str) -> list[Deed]:
    """Long bursts of those that can batch, short ones of all, and what the server says.

    tell: how a client publishes. Without dedupe not at all: what is in the log twice has to be given twice, and could not be told apart.
    """

    def some(least: int, most: int) -> int:
        return max(1, round(size * draw.randint(least, most)))

    cut = _of(draw, NAMES)
    return [
        Deed("restore", NAMES),
        Deed("deposit", _of(draw, BATCHED), some(300, 1600)),
        Deed("deposit", NAMES, some(5, 25), pause=draw.choice((0, 0, 5))),
        Deed("publish", (), some(300, 1600), "red"),
        Deed("cut", cut, pause=draw.choice((0, 1, 5))),
        Deed(tell, _of(draw, NAMES), some(1, 12)),
        Deed("restore", cut, pause=draw.choice((0, 5, 40))),
        Deed("publish", (), some(5, 40), pause=draw.choice((0, 5, 20))),
        Deed("flash", (), some(3, 12), pause=draw.choice((0, 5, 60))),
    ]


def _of(draw: random.Random, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(draw.sample(names, draw.randint(1, len(names))))


def _cuts_at(draw: random.Random, who: tuple[str, ...]) -> list[Deed]:
    return [Deed("cut at", (name,), draw.randint(1, 12), draw.choice(("upstream", "downstream"))) for name in who]


def _fault(draw: random.Random, kind: str, size: float) -> list[Deed]:
    who, pause, nth = _of(draw, NAMES), draw.choice((0, 1, 5, 30, 100)), draw.randint(1, 12)
    way, silence = draw.choice(("upstream", "downstream", "both")), draw.choice((50, 300, 2500))
    crash, more = draw.choice(CRASHES), Deed("deposit", _of(draw, NAMES), max(1, round(size * draw.randint(5, 60))))
    cut, restore, restart = Deed("cut", who), Deed("restore", who, pause=pause), Deed("restart", pause=pause)
    deeds = {
        "cut": [replace(cut, pause=pause), more, restore],
        "cut at": [*_cuts_at(draw, who), replace(more, pause=60), restore],
        "flap": [cut, replace(restore, pause=5), more, cut, replace(restore, pause=40), more, cut, replace(restore, pause=150)],
        "stall": [Deed("stall", who, detail=way), replace(more, pause=silence), restore],
        "lost acks": [Deed("stall", who, detail="downstream"), replace(more, who=NAMES, pause=60), cut, restore],
        "slow way": [Deed("latency", who, 4 * nth, pause=pause), more],
        "crash": [Deed("crash", (), nth, crash), replace(more, pause=80), restart],
        "crash now": [replace(more, pause=pause), Deed("crash", pause=pause), restart],
        "kill": [replace(more, pause=pause), Deed("kill", pause=pause)],
        "kill finn": [Deed("deposit", ("finn",), more.count, pause=pause), Deed("kill", ("finn",), pause=pause)],
        "refresh": [replace(more, pause=pause), Deed("refresh", _of(draw, REFRESHED), pause=pause)],
        "full disk": [
            Deed("full", (), 1000 * draw.choice((4, 400))),
            replace(more, who=NAMES),
            Deed("publish", (), 40, pause=150),
            Deed("room"),
        ],
        "full disk of finn": [Deed("full", ("finn",), 4000), replace(more, who=("finn",), pause=150), Deed("room", ("finn",))],
    }
    return deeds[kind]
