"""Lanes: the spots on which things stand, in the order of cause and effect, and what is known of each lane while a history is read.

`steps.py` has the rules of that order.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from realtime_lab.history.copies import SERVER
from realtime_lab.history.journal import Event

LOG = "log"
"""The lane of the server's log."""
FAULTS = {
    "cut": ("cut", "the link was cut"),
    "close": ("closed", "the link was closed"),
    "stall": ("stalled", "the link stalled"),
    "resume": ("resumed", "the link resumed"),
    "restore": ("restored", "the link was restored"),
    "refuse": ("refusing", "the link refuses new connections"),
    "accept": ("accepting", "the link accepts new connections again"),
    "latency": ("latency", "the latency of the link was set"),
    "jitter": ("jitter", "the jitter of the link was set"),
    "bandwidth": ("bandwidth", "the bandwidth of the link was set"),
    "crash": ("crash", "the server crashed"),
    "restart": ("restart", "the server was started again"),
    "trim": ("trimmed", "the history was trimmed"),
    "new database": ("new database", "a new database took the place of the old one"),
}
"""fault -> the word beside its mark, and the sentence. Faults that are only prepared or taken back (armed, disarm) do not show."""
BARRIERS = ("cut", "close", "stall")
"""After these nothing passes the link, until one of OPENINGS or the next connection."""
OPENINGS = ("resume", "restore")
ORDERED = ("trim", "new database")
"""What happens to the log only because somebody wants it."""


class Spot:
    """A place in the order of cause and effect: one step after the latest of its causes."""

    def __init__(self, *causes: "Spot | None") -> None:
        known = [cause for cause in causes if cause is not None]
        self.later: list[Spot] = []
        self.step: int = max((cause.step for cause in known), default=-1) + 1
        for cause in known:
            cause.later.append(self)


@dataclass(frozen=True)
class Note:
    """Something besides a message that shows at a spot."""

    spot: Spot
    lane: str
    style: str
    word: str
    sentence: str
    reason: str = ""
    on_link: bool = False
    label: str = ""
    """The messages that it is about, if its word is said of messages."""
    messages: tuple[int, ...] = ()
    """Where in the journal they were first handed in, also if its word names none."""


@dataclass
class Track:
    """What is known of one lane and, for a client, of its link."""

    latest: Spot | None = None
    """The last spot on the lane."""
    seen: list[Spot] = field(default_factory=list)
    """What the link has seen since its latest fault, that fault included."""
    told: list[Spot] = field(default_factory=list)
    """Where messages were sent that have to cross the link, since somebody's latest fault."""
    fault: Spot | None = None
    order: Spot | None = None
    """The latest fault that somebody ordered: what is sent later stands behind it."""
    online: list[tuple[Spot | None, Spot | None]] = field(default_factory=list)
    """While connected, from and to. The server's: while it runs; empty as long as it has not crashed."""
    before: int = 0
    """How often it had been connected before that."""
    acks: list[Spot] = field(default_factory=list)
    """Where this client was given acknowledgements since it connected: they let go what waited for them."""
    unheard: list[Spot] = field(default_factory=list)
    """Where others came, of which it said nothing."""
    barriers: list[tuple[str, Spot, Spot | None]] = field(default_factory=list)
    trying: bool = False

    @property
    def connections(self) -> int:
        """How often it has been connected."""
        return self.before + len(self.online)

    @property
    def up(self) -> bool:
        """Is it connected?"""
        return bool(self.online) and self.online[-1][1] is None

    def continued(self, edge: Spot) -> "Track":
        """As it is when another picture goes on from here, at its left edge."""
        barred: list[tuple[str, Spot, Spot | None]] = [(style, edge, None) for style, _, end in self.barriers if end is None]
        online: list[tuple[Spot | None, Spot | None]] = [(edge, None)] if self.up else []
        return Track(before=self.connections - self.up, online=online, barriers=barred, trying=self.trying)


class Lanes:
    """What every lane and link has seen so far. A new spot on a lane stands behind the latest one there."""

    def __init__(self) -> None:
        self.edge = Spot()
        """Where everything comes from that began before."""
        self.edge.step = -1
        self.tracks: dict[str, Track] = defaultdict(Track)
        self.notes: list[Note] = []
        self.tails: dict[int, Spot] = {}
        """id(copy) -> where it was sent."""
        self.heads: dict[int, Spot] = {}
        """id(copy) -> where it arrived."""
        self.fresh: list[Spot] = []
        """One step after each connection that was accepted since the latest message on the server's lane."""
        self.sends: list[Spot] = []
        """Where messages were sent that may stand further to the right as well."""
        self.accepts: dict[str, Spot] = {}
        """sid -> where the server accepted the connection."""
        self.departed: Spot | None = None
        """The latest spot at which something left the server, or was stored there."""
        self.crash: Spot | None = None
        """The latest thing that somebody ordered for the server itself: what is sent later, by whomever, stands behind it."""

    def next(self, lane: str, *causes: Spot | None, quiet: bool = False) -> Spot:
        """A new spot at the end of a lane. `quiet`: nobody who connects can tell whether it was before or after."""
        if lane == SERVER and not quiet:
            causes, self.fresh = (*causes, *self.fresh), []
        track = self.tracks[lane]
        track.latest = Spot(track.latest, *causes)
        return track.latest

    def orders(self, clients: Iterable[str]) -> list[Spot | None]:
        """What somebody did before to the links of these clients, or to the server."""
        return [*(self.tracks[client].order for client in clients), self.crash]


def set_off_by_a_packet(fault: Event) -> bool:
    """Is this an exact cut, which the link makes at its packet, whatever else is emitted in that moment?"""
    return fault.event == "cut" and bool(fault.reason) and not fault.reason.endswith(".cut()")
