"""The plan of a space-time picture, as plain numbers and words. `space_time.py` makes it, `svg.py` draws it, `twin.py` says it."""

from dataclasses import dataclass, field, replace

FATES = {
    "refused": "refused by emit",
    "held": "held by the link",
    "in flight": "still on the way",
    "again": "arrived",
    "twice": "arrived and handled again",
    "repeat": "arrived, not handled",
    "skip": "its sender has given it up",
    "ack": "acknowledged",
    "lost ack": "lost",
}
"""Style of an arrow -> in words, where the style is not the word itself."""


@dataclass(frozen=True)
class Lane:
    """A participant's horizontal line."""

    name: str
    row: float
    """From the top, from 0. The log is less than a row below the server."""
    note: str = ""
    """"wire": a foreign client, seen on its link only."""
    online: tuple[tuple[float, float], ...] = ()
    """From step to step: while it was connected. The server's: while it ran; empty if it never crashed."""


@dataclass(frozen=True)
class Arrow:
    """One copy of a message, from the sender's lane towards the receiver's."""

    sender: str
    receiver: str
    style: str
    """arrived, replayed (from the log), again (sent again), twice (and handled again), repeat (and not handled), skip (a tombstone), lost,
    held, in flight, refused; ack or lost ack."""
    label: str
    start: float
    end: float
    reach: float
    """How much of the way between the lanes it got: 1 arrived, 0 did not leave."""
    reason: str
    """Why it was lost or refused."""
    sentence: str
    message: int = field(default=-1, compare=False)
    """Where in the journal the message of this copy was first handed in. Positions do not count when pictures are compared."""


@dataclass(frozen=True)
class Mark:
    """Something else that happened at one place."""

    lane: str
    style: str
    """connected, disconnected, connecting, done, failed, hung up, buffered, timeout, unknown, rejected, discarded, forgotten, restored,
    undone, stored (its word is the offset), recovered, not recovered, halted, resumed, skipped, or the word of a fault."""
    step: float
    word: str
    sentence: str
    reason: str = ""
    """Why, or the line of code that did it."""
    on_link: bool = False
    """On the link between this lane and the server, instead of on the lane."""
    labels: str = ""
    """The messages that it is about, if it is about messages."""
    messages: tuple[int, ...] = field(default=(), compare=False)
    """The same as journal positions, like `Arrow.message`."""


@dataclass(frozen=True)
class Barrier:
    """From step to step nothing passes this client's link."""

    lane: str
    style: str
    """cut, close or stall."""
    start: float
    end: float


@dataclass(frozen=True)
class Layout:
    """All that a renderer needs to know."""

    lanes: tuple[Lane, ...] = ()
    arrows: tuple[Arrow, ...] = ()
    marks: tuple[Mark, ...] = ()
    barriers: tuple[Barrier, ...] = ()
    steps: int = 0
    left_out: int = 0
    """How many earlier steps are not shown."""
    summary: str = ""

    @property
    def rows(self) -> dict[str, float]:
        """Lane name -> row."""
        return {lane.name: lane.row for lane in self.lanes}

    def moved(self, by: int) -> "Layout":
        """The same, so many steps further to the right."""
        return replace(
            self,
            lanes=tuple(replace(lane, online=tuple((a + by, b + by) for a, b in lane.online)) for lane in self.lanes),
            arrows=tuple(replace(arrow, start=arrow.start + by, end=arrow.end + by) for arrow in self.arrows),
            marks=tuple(replace(mark, step=mark.step + by) for mark in self.marks),
            barriers=tuple(replace(bar, start=bar.start + by, end=bar.end + by) for bar in self.barriers),
            steps=self.steps + by,
        )

    def last(self, steps: int) -> "Layout":
        """Without the steps before these. What reaches into them stays, and starts left of them."""
        first = self.steps - steps
        return self if first <= 0 else replace(self.since(first).moved(-first), left_out=self.left_out + first)

    def since(self, first: int) -> "Layout":
        """Without what is over before this step. All steps stay where they are."""
        if first <= 0:
            return self
        return replace(
            self,
            arrows=tuple(arrow for arrow in self.arrows if arrow.end >= first),
            marks=tuple(mark for mark in self.marks if mark.step >= first),
            barriers=tuple(bar for bar in self.barriers if bar.end > first),
        )
