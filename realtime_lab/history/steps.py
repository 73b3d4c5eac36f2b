"""Steps: where everything of a history stands in the order of cause and effect, which is the picture's only clock.

A message arrives at least one step after it was sent, what follows on a lane stands later, and what the server passes on leaves in the
step in which it came (Lamport, "Time, Clocks, and the Ordering of Events", with relays drawn as one bounce). Real time, packet counts,
connection ids, reconnect attempts and what happened meanwhile on unrelated lanes have no influence.

Whoever breaks or repairs a link by hand does so between two emits, so such a fault stands between what was handed to this link before
it and what was handed to it later. A cut that a packet sets off is placed by that packet alone: how much more had been emitted is chance.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from realtime_lab.history.journal import Event
from realtime_lab.history.journeys import SERVER, Copy, Journeys
from realtime_lab.history.labels import Labels

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
}
"""fault -> the word beside its mark, and the sentence. Faults that are only prepared or taken back (armed, disarm) do not show."""
BARRIERS = ("cut", "close", "stall")
"""After these nothing passes the link, until one of OPENINGS or the next connection."""
OPENINGS = ("resume", "restore")


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
    down: Spot | None = None
    """The latest disconnection."""
    online: list[tuple[Spot, Spot | None]] = field(default_factory=list)
    """While connected, from and to."""
    barriers: list[tuple[str, Spot, Spot | None]] = field(default_factory=list)
    trying: bool = False

    @property
    def up(self) -> bool:
        """Is it connected?"""
        return bool(self.online) and self.online[-1][1] is None


class Steps:
    """Gives everything that shows its spot, event by event, and looks only at what can have caused it."""

    def __init__(self, journeys: Journeys, foreign: set[str], events: Iterable[Event]) -> None:
        self.journeys = journeys
        self.tails: dict[int, Spot] = {}
        """id(copy) -> where it was sent."""
        self.heads: dict[int, Spot] = {}
        """id(copy) -> where it arrived."""
        self.notes: list[Note] = []
        self.tracks: dict[str, Track] = defaultdict(Track)
        self._foreign = foreign
        self._starts: dict[int, list[Copy]] = defaultdict(list)
        for copy in journeys.copies:
            self._starts[copy.seq].append(copy)
        self._passed_on: dict[tuple[str, int], list[Copy]] = defaultdict(list)
        """(node, reception number) -> what its handler emitted."""
        for event in events:
            if event.kind == "emitted" and event.cause >= 0:
                self._passed_on[event.node, event.cause] += self._starts[event.seq]
        self._ends = {copy.arrived: copy for copy in journeys.copies if copy.arrived >= 0}
        self._sends: list[Spot] = []
        self._gates: dict[int, Spot | None] = {}
        """id(copy) -> the latest fault of the link that let it pass."""
        self._accepts: dict[str, Spot] = {}
        """sid -> where the server accepted the connection."""
        self._fresh: list[Spot] = []
        """One step after each connection that was accepted since the latest message on the server's lane."""
        self._labels = Labels(journeys)
        self._shuffled = _finished_in_another_order(journeys)

    def feed(self, event: Event) -> None:
        """Take in the next journal event."""
        copies = self._starts.get(event.seq)
        if copies:
            self._leave(event, copies)
        handler = getattr(self, f"_{event.kind}", None)
        if handler is not None:
            handler(event)
        copy = self._ends.get(event.seq)
        if copy is not None:
            orders = self._orders(self._passed_on.get((event.node, event.message), []))
            self.heads[id(copy)] = self._next(copy.receiver, self.tails[id(copy)], self._gates.get(id(copy)), *orders)

    def tighten(self) -> None:
        """Move each send to the right until something depends on it, so that arrows are short."""
        reached = {id(self.tails[key]) for key in self.heads}
        for spot in reversed(self._sends):
            if id(spot) in reached:
                spot.step = min(later.step for later in spot.later) - 1

    def _next(self, lane: str, *causes: Spot | None) -> Spot:
        """A new spot at the end of a lane."""
        if lane == SERVER:
            causes, self._fresh = (*causes, *self._fresh), []
        track = self.tracks[lane]
        track.latest = Spot(track.latest, *causes)
        return track.latest

    # -- messages -------------------------------------------------------------------------------------------------------------------

    def _leave(self, event: Event, copies: list[Copy]) -> None:
        spot = self._relayed(event, copies)
        if spot is None:
            spot = self._next(copies[0].sender, *self._orders(copies))
            self._sends.append(spot)
        for copy in copies:
            self.tails[id(copy)] = spot
            self.tracks[_client(copy)].told.append(spot)

    def _relayed(self, event: Event, copies: list[Copy]) -> Spot | None:
        """What the server passes on leaves in the step in which it came, unless a receiver connected, or a link broke, only later."""
        cause = self.journeys.receptions.get((event.node, event.cause))
        spot = self.heads.get(id(cause))
        accepts = [self._accepts.get(copy.connection.sid) for copy in copies if copy.connection is not None]
        before = [other for other in [*accepts, *self._orders(copies)] if other is not None]
        late = spot is not None and any(other.step >= spot.step for other in before)
        return None if late else spot

    def _orders(self, copies: Iterable[Copy]) -> list[Spot | None]:
        """What somebody did before to the links that these have to cross."""
        return [self.tracks[_client(copy)].order for copy in copies]

    def _wire(self, event: Event) -> None:
        copy = self._held(event)
        if copy is not None:
            self._gates[id(copy)] = self.tracks[event.node].fault

    def _held(self, event: Event) -> Copy | None:
        copy = self.journeys.copy_at(event.sid, event.direction, event.index) if event.direction else None
        if copy is not None:
            self.tracks[event.node].seen.append(self.tails[id(copy)])
        return copy

    _dropped = _held

    def _handled(self, event: Event) -> None:
        if event.node in self._shuffled:
            label = self._labels.at_node(self.journeys.receptions[event.node, event.message])
            spot = self._next(event.node)
            self.notes.append(Note(spot, event.node, "done", f"{label} done", f"the handler of {label} finished"))

    def _failed(self, event: Event) -> None:
        copy = self.journeys.receptions[event.node, event.message]
        sentence = f"the handler of {self._labels.at_node(copy)} failed"
        self.notes.append(Note(self.heads[id(copy)], event.node, "failed", "failed", sentence, event.reason))

    # -- connections and faults -----------------------------------------------------------------------------------------------------

    def _client(self, event: Event) -> str:
        """The client whose own (dis)connection this is. The server speaks for a foreign client, which reports nothing."""
        client = self.journeys.connections[event.sid].client
        return client if event.node != SERVER or client in self._foreign else ""

    def _connecting(self, event: Event) -> None:
        self.tracks[event.node].trying = True

    def _connected(self, event: Event) -> None:
        track = self.tracks[self.journeys.connections[event.sid].client]
        if event.node == SERVER:
            self._accepts[event.sid] = Spot(self.tracks[SERVER].latest, track.down, *track.seen)
            self._fresh.append(Spot(self._accepts[event.sid]))
        client = self._client(event)
        if client:
            again = " again" if track.online else ""
            spot = self._next(client, self._accepts.get(event.sid))
            track.seen.append(spot)
            track.online.append((spot, None))
            track.trying = False
            self._open(track, spot)
            self.notes.append(Note(spot, client, "connected", "connected", f"connected{again}"))

    def _disconnected(self, event: Event) -> None:
        connection = self.journeys.connections[event.sid]
        track, client = self.tracks[connection.client], self._client(event)
        if client and track.up:
            spot = track.down = self._next(client, track.fault)
            track.seen.append(spot)
            track.online[-1] = (track.online[-1][0], spot)
            self.notes.append(Note(spot, client, "disconnected", "disconnected", "disconnected", event.reason))
        elif event.node == SERVER and connection.client and not connection.client_over:
            spot = Spot(self.tracks[SERVER].latest, track.fault, Spot(self._accepts.get(event.sid)))
            track.seen.append(spot)
            self.notes.append(Note(spot, connection.client, "hung up", "server hung up", "the server hung up", event.reason, on_link=True))

    def _fault(self, event: Event) -> None:
        if event.event in ("armed", "disarm"):
            return
        track, on_link = self.tracks[event.node], event.node != SERVER
        ordered = on_link and not set_off_by_a_packet(event)
        spot = Spot(*track.seen, *(track.told if ordered else ())) if on_link else self._next(SERVER)
        track.seen, track.fault = [spot], spot
        if ordered:
            track.told, track.order = [], spot
        if event.event in (*BARRIERS, *OPENINGS):
            self._open(track, spot)
        if event.event in BARRIERS:
            track.barriers.append((event.event, spot, None))
        word, sentence = FAULTS.get(event.event, (event.event, event.event))
        self.notes.append(Note(spot, event.node, event.event, word, sentence, event.reason, on_link))

    def _open(self, track: Track, spot: Spot) -> None:
        """What barred this client's link ends here."""
        track.barriers = [(style, start, end or spot) for style, start, end in track.barriers]


def set_off_by_a_packet(fault: Event) -> bool:
    """Is this an exact cut, which the link makes at its packet, whatever else is emitted in that moment?"""
    return fault.event == "cut" and bool(fault.reason) and not fault.reason.endswith(".cut()")


def _client(copy: Copy) -> str:
    """Whose link this has to cross."""
    return copy.receiver if copy.sender == SERVER else copy.sender


def _finished_in_another_order(journeys: Journeys) -> set[str]:
    """The nodes whose handlers did not return in the order in which they were given their messages."""
    finished: dict[str, list[int]] = defaultdict(list)
    for (node, _), copy in journeys.receptions.items():
        if copy.handled >= 0:
            finished[node].append(copy.handled)
    return {node for node, order in finished.items() if order != sorted(order)}
