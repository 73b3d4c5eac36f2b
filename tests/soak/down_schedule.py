"""A schedule for both directions: what the server publishes, what five clients emit, and what is broken when. Made from a seed."""

import random
from dataclasses import dataclass, replace

from tests.soak.schedule import CRASHES


@dataclass(frozen=True)
class Role:
    """How one of the clients is made."""

    name: str
    transports: tuple[str, ...] = ("websocket",)
    store: bool = False
    transaction: bool = False
    """Its effects are rows in its own store, committed together with the offset."""
    slow: int = 0
    """Milliseconds that its handler takes at most."""
    red: bool = False
    """May it see the room "red"?"""
    batch: bool = False
    numbered: bool = True
    """Does it send again and ask for what it missed? Else it is a bare client: at most once in both directions."""


CAST = (
    Role("alice", red=True, batch=True),
    Role("bob", ("polling",), slow=8, batch=True),
    Role("carol", store=True, slow=20, red=True),
    Role("dave", store=True, transaction=True, slow=5, batch=True),
    Role("erin", ("polling", "websocket"), store=True),
)
NAMES = tuple(role.name for role in CAST)


@dataclass(frozen=True)
class Deed:
    """One thing that is done, to `who` or by them, and how many milliseconds are waited before the next one."""

    what: str
    who: tuple[str, ...] = ()
    count: int = 1
    detail: str = ""
    pause: int = 0

    def __str__(self) -> str:
        words = [self.what, " ".join(self.who), self.detail, str(self.count), f"then {self.pause} ms" if self.pause else ""]
        return " ".join(word for word in words if word)


@dataclass(frozen=True)
class Down:
    """The deeds, in their order."""

    seed: int
    steps: tuple[Deed, ...]

    def __str__(self) -> str:
        return "\n".join([f"seed {self.seed}:", *(f"  {step}" for step in self.steps)])

    def without(self, start: int, count: int) -> "Down":
        """A shorter one."""
        return replace(self, steps=self.steps[:start] + self.steps[start + count :])


FAULTS = ("replay", "replay", "replay", "cut", "stall", "refresh", "refresh", "crash", "crash now", "latency", "fail")


def down_schedule(seed: int, faults: int = 7) -> Down:
    """The schedule of this seed. One in three, by chance, trims the log."""
    draw = random.Random(seed)
    trims = draw.random() < 0.3
    deeds: list[Deed] = []
    for _ in range(faults):
        deeds.append(_publish(draw, draw.randint(1, 12)))
        deeds.append(_emit(draw, draw.randint(1, 3)))
        deeds += _fault(draw, draw.choice((*FAULTS, *["trim"] * 3) if trims else FAULTS))
    return Down(seed, tuple(deeds))


def _publish(draw: random.Random, count: int, pause: int | None = None) -> Deed:
    room, short = draw.choice(("", "", "red")), draw.choice((0, 0, 1, 5, 20))
    return Deed("publish", (), count, room, short if pause is None else pause)


def _emit(draw: random.Random, count: int) -> Deed:
    return Deed("emit", _some(draw), count, draw.choice(("", "", "red")), draw.choice((0, 0, 5)))


def _some(draw: random.Random) -> tuple[str, ...]:
    return tuple(draw.sample(NAMES, draw.choice((1, 1, 2, 5))))


def _fault(draw: random.Random, kind: str) -> list[Deed]:
    who, pause = _some(draw), draw.choice((0, 1, 5, 30, 100))
    way, silence, nth = draw.choice(("upstream", "downstream", "both")), draw.choice((50, 600, 2500)), draw.randint(1, 8)
    cut, restore, restart = Deed("cut", who), Deed("restore", who, pause=pause), Deed("restart", pause=pause)
    deeds = {
        "replay": [cut, _publish(draw, draw.randint(3, 12), pause), *_cuts_in_replay(draw, who)],
        "cut": [replace(cut, pause=pause), _publish(draw, 3), restore],
        "stall": [Deed("stall", who, detail=way), _publish(draw, 5, silence), restore],
        "crash": [Deed("crash", count=(nth + 1) // 2, detail=draw.choice(CRASHES)), Deed("emit", NAMES, 2), _publish(draw, 4, 40), restart],
        "crash now": [_publish(draw, 5, 0), Deed("crash", pause=pause), restart],
        "trim": [cut, _publish(draw, 8, draw.choice((5, 20))), Deed("trim", count=draw.randint(0, 5)), restore],
        "latency": [Deed("latency", who, 3 * nth, pause=pause)],
        "refresh": [_publish(draw, 6, draw.choice((10, 30))), Deed("refresh", who, pause=pause)],
        "fail": [Deed("fail", who, nth, pause=pause)],
    }
    return deeds[kind]


def _cuts_in_replay(draw: random.Random, who: tuple[str, ...]) -> list[Deed]:
    """They come back and are cut again at a random packet, up to four times in a row, while more is published."""
    deeds: list[Deed] = []
    for _ in range(draw.randint(1, 4)):
        deeds.append(Deed("cut at", who, draw.randint(1, 16), "downstream" if draw.random() < 0.8 else "upstream"))
        deeds.append(Deed("restore", who, pause=draw.choice((0, 10, 30))))
        deeds.append(_publish(draw, draw.randint(1, 4), draw.choice((10, 30, 80))))
    return [*deeds, Deed("disarm", who), Deed("restore", who)]
