"""A schedule: what one client emits, and what is broken when. Made from a seed, printed as a list, shortened when it fails."""

import random
from dataclasses import dataclass, replace

CRASHES = ("before_apply", "before_commit", "after_commit", "before_ack", "after_ack")


@dataclass(frozen=True)
class Step:
    """One thing that is done, and how many milliseconds are waited before the next one."""

    what: str
    detail: str = ""
    nth: int = 1
    pause: int = 0

    def __str__(self) -> str:
        words = [self.what, self.detail, f"(the {self.nth}th)" if self.nth > 1 else "", f"then {self.pause} ms" if self.pause else ""]
        return " ".join(word for word in words if word)


@dataclass(frozen=True)
class Schedule:
    """`emits` events are spread over the steps; the rest of them follows at the end."""

    seed: int
    emits: int
    window: int
    polling: bool
    steps: tuple[Step, ...]
    batch: bool = False

    def __str__(self) -> str:
        way = f"{'polling' if self.polling else 'websocket'}{', batches' if self.batch else ''}"
        head = f"seed {self.seed}: {self.emits} events, window {self.window}, {way}"
        return "\n".join([head, *(f"  {step}" for step in self.steps)])

    def without(self, start: int, count: int) -> "Schedule":
        """A shorter one."""
        return replace(self, steps=self.steps[:start] + self.steps[start + count :])


FAULTS = ("cut", "cut at", "stall", "lost ack", "crash", "crash now", "refresh", "latency")


def schedule(seed: int, emits: int = 50, faults: int = 6) -> Schedule:
    """The schedule of this seed."""
    draw = random.Random(seed)
    steps: list[Step] = []
    for _ in range(faults):
        steps.append(Step("emit", str(draw.randint(1, 2 * emits // faults)), pause=draw.choice((0, 0, 1, 5, 20))))
        steps += _fault(draw, draw.choice(FAULTS))
    return Schedule(seed, emits, draw.choice((1, 1, 2, 4, 8, 16)), draw.random() < 0.2, tuple(steps), draw.random() < 0.3)


def _fault(draw: random.Random, kind: str) -> list[Step]:
    pause, nth = draw.choice((0, 1, 5, 30, 100)), draw.randint(1, 12)
    way, crash, silence = draw.choice(("upstream", "downstream", "both")), draw.choice(CRASHES), draw.choice((50, 600, 2500))
    steps = {
        "cut": [Step("cut", pause=pause), Step("emit", "3"), Step("restore", pause=pause)],
        "cut at": [Step("cut at", way.replace("both", "upstream"), nth=nth, pause=100), Step("restore", pause=pause)],
        "stall": [Step("stall", way, pause=silence), Step("resume")],
        "lost ack": [Step("stall", "downstream"), Step("emit", "2", pause=30), Step("cut"), Step("restore", pause=pause)],
        "crash": [Step("crash", crash, nth=(nth + 1) // 2), Step("emit", "4", pause=60), Step("restart", pause=pause)],
        "crash now": [Step("crash", pause=pause), Step("emit", "2"), Step("restart", pause=pause)],
        "refresh": [Step("refresh", pause=pause)],
        "latency": [Step("latency", str(nth * 3), pause=pause)],
    }
    return steps[kind]
