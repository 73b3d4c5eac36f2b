"""Steps: where everything of a history stands in the order of cause and effect, which is the picture's only clock.

A message arrives at least one step after it was sent, what follows on a lane stands later, and what the server passes on leaves in the
step in which it came (Lamport, "Time, Clocks, and the Ordering of Events", with relays drawn as one bounce). Real time, packet counts,
connection ids, reconnect attempts and what happened meanwhile on unrelated lanes have no influence.

Whoever breaks or repairs a link by hand does so between two emits, so such a fault stands between what was handed to this link before
it and what was handed to it later. A cut that a packet sets off is placed by that packet alone: how much more had been emitted is chance.
The same goes for the server: a crash by hand and a restart stand between two emits, a crash at one of its points where the server was.
What is sent from the server's log is placed by log_steps.py.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable

from realtime_lab.history.ack_steps import AckSteps
from realtime_lab.history.chapter import Chapter
from realtime_lab.history.copies import SERVER, Copy
from realtime_lab.history.journal import Event, readers_of_kinds
from realtime_lab.history.kept_steps import KeptSteps
from realtime_lab.history.lanes import BARRIERS, FAULTS, LOG, OPENINGS, ORDERED, Lanes, Note, Spot, Track, set_off_by_a_packet
from realtime_lab.history.log_steps import LogSteps


class Steps(Lanes):
    """Gives everything that shows its spot, event by event, and looks only at what can have caused it."""

    def __init__(self, chapter: Chapter, before: "Steps | None" = None) -> None:
        """`before`: those of the chapter before this one."""
        super().__init__()
        self.journeys = journeys = chapter.journeys
        self._foreign = {name for name, how in chapter.joined.items() if how == "wire"}
        self._starts: dict[int, list[Copy]] = defaultdict(list)
        self._passed_on: dict[int, list[Copy]] = defaultdict(list)
        """id(copy) -> what the handler that was given it emitted."""
        self._ends = {copy.arrived: copy for copy in chapter.copies if copy.arrived >= 0}
        self._gates: dict[int, Spot | None] = {}
        """id(copy) -> the latest fault of the link that let it pass."""
        self._barred: dict[str, int] = {}
        """sid -> how often its link had been barred before it let this connection pass."""
        self._greeted: dict[str, Spot] = {}
        """sid -> where its client was connected."""
        self.say = {event.sid for event in chapter.events if event.kind == "connected" and event.node != SERVER}
        """The connections of which a client says that it has them."""
        self._crashes: dict[str, Spot] = {}
        """sid -> where the server crashed that had accepted it."""
        self._earlier = chapter.live
        self.labels = chapter.labels
        self._failures: Counter[int] = Counter()
        """id(spot) -> how often the handler failed there."""
        self._shuffled = _finished_in_another_order(chapter)
        self.acks = AckSteps(self, journeys)
        self._kept = KeptSteps(self, self.acks, journeys, self.labels)
        self.log = LogSteps(self, chapter, self.labels)
        self._readers = readers_of_kinds(self, self.acks, self._kept, self.log)
        if before is not None:
            self._continue_from(before, chapter)
        self._read(chapter)

    def _read(self, chapter: Chapter) -> None:
        for copy in chapter.copies:
            if not copy.from_log:
                self._starts[copy.seq].append(copy)
                self._passed_on[id(copy.message.cause)].append(copy)
        for event in chapter.events:
            self.feed(event)
        self._tighten()

    def _continue_from(self, before: "Steps", chapter: Chapter) -> None:
        self.tracks.update({name: track.continued(self.edge) for name, track in before.tracks.items()})
        if before.tracks[SERVER].online and not before.tracks[SERVER].up:
            self.tracks[SERVER].online = [(self.edge, self.edge)]  # it is down
        else:
            self.tracks[SERVER].online = []  # its last crash, if there was one, is over
        self._crashes = {sid: self.edge for sid in before._crashes if sid in chapter.live}
        self.tails = {id(copy): self.edge for copy in (*chapter.under_way, *chapter.unanswered)}
        self.heads = {id(copy): self.edge for copy in chapter.unanswered}
        self.acks.continue_from(before.acks, chapter.unanswered)
        self.log.continue_from(before.log)

    def feed(self, event: Event) -> None:
        """Take in the next journal event."""
        copies = self._starts.get(event.seq)
        if copies:
            self._leave(copies)
        for read in self._readers[event.kind]:
            read(event)
        copy = self._ends.get(event.seq)
        if copy is not None:
            orders = [*self._orders(self._passed_on.get(id(copy), [])), *self.log.orders(copy)]
            if self.journeys.log.sends and copy.receiver != SERVER:
                orders = []  # it left before, and when it came is chance
            quiet = self.journeys.log.sends and id(copy) not in self._passed_on and not self.log.stores(copy)
            self.heads[id(copy)] = self.next(copy.receiver, self.tails[id(copy)], self._gates.get(id(copy)), *orders, quiet=quiet)

    def _tighten(self) -> None:
        """Move each send to the right until something depends on it, so that arrows are short."""
        reached = {id(self.tails[key]) for key in self.heads}
        for spot in reversed(self.sends):
            if id(spot) in reached:
                spot.step = min(later.step for later in spot.later) - 1

    # -- messages -------------------------------------------------------------------------------------------------------------------

    def _leave(self, copies: list[Copy]) -> None:
        spot = self._relayed(copies)
        if spot is None:
            spot = self.next(copies[0].sender, *self._orders(copies), *self.acks.let_go(copies[0]))
            self.sends.append(spot)
        if copies[0].sender == SERVER:
            self.departed = spot
        for copy in copies:
            self.tails[id(copy)] = spot
            self.tracks[_client(copy)].told.append(spot)

    def _relayed(self, copies: list[Copy]) -> Spot | None:
        """What the server passes on leaves in the step in which it came, unless a receiver connected, or a link broke, only later."""
        first = copies[0].seq == copies[0].message.seq  # and not sent again
        spot = self.heads.get(id(copies[0].message.cause)) if first else None
        accepts = [self.accepts.get(copy.connection.sid) for copy in copies if copy.connection is not None]
        before = [other for other in [*accepts, *self._orders(copies)] if other is not None]
        late = spot is not None and any(other.step >= spot.step for other in before)
        return None if late else spot

    def _orders(self, copies: Iterable[Copy]) -> list[Spot | None]:
        """What somebody did before to the links that these have to cross."""
        return self.orders(_client(copy) for copy in copies)

    def _wire(self, event: Event) -> None:
        if event.type == "CONNECT":
            self._greet(event)
        for copy in self._held(event):
            self._gates[id(copy)] = self.tracks[event.node].fault

    def _greet(self, event: Event) -> None:
        """The link lets a connection pass, whenever its client says so: what the link does next stands behind that."""
        track = self.tracks[event.node]
        self._barred[event.sid] = len(track.barriers)
        if event.sid in self.say:
            self._greeted[event.sid] = self._up(event.node, event.sid)

    def _up(self, client: str, sid: str) -> Spot:
        spot = self.next(client, self.accepts.get(sid))
        self.tracks[client].seen.append(spot)
        return spot

    def _held(self, event: Event) -> list[Copy]:
        carried = self.journeys.copies_at(event.sid, event.direction, event.index) if event.direction else []
        copies = [copy for copy in carried if id(copy) in self.tails]  # what shows
        self.tracks[event.node].seen += [self.tails[id(copy)] for copy in copies]
        return copies

    _dropped = _held

    def _handled(self, event: Event) -> None:
        if event.node in self._shuffled:
            copy = self.journeys.heard[event.seq]
            label, spot = self.labels.at_node(copy), self.next(event.node)
            self.acks.returned[id(copy)] = spot
            about = (copy.message.source.seq,)
            self.notes.append(Note(spot, event.node, "done", f"{label} done", f"the handler of {label} finished", messages=about))

    def _failed(self, event: Event) -> None:
        """A handler that is tried again has one mark, which says how often."""
        copy = self.journeys.heard[event.seq]
        spot = self.log.failing(event.node, copy)
        times = self._failures[id(spot)] = self._failures[id(spot)] + 1
        sentence, often = f"the handler of {self.labels.at_node(copy)} failed", f" {times} times" * (times > 1)
        self.notes = [note for note in self.notes if note.spot is not spot or note.style != "failed"]
        word = f"failed {times}x" if times > 1 else "failed"
        about = (copy.message.source.seq,)
        self.notes.append(Note(spot, event.node, "failed", word, sentence + often, event.reason, messages=about))

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
            before = (self.departed, self.crash) if self.journeys.log.sends else (self.tracks[SERVER].latest,)
            accept = self.accepts[event.sid] = Spot(*before, *track.seen)
            self.fresh.append(Spot(self.log.accepted(event.sid, self.journeys.connections[event.sid].client, accept)))
        client = self._client(event)
        if client:
            again = " again" if track.connections else ""
            spot = self._greeted.get(event.sid) or self._up(client, event.sid)
            track.online.append((spot, None))
            track.trying, track.acks, track.unheard = False, [], []
            self._open(track, spot, self._barred.get(event.sid))
            self.notes.append(Note(spot, client, "connected", "connected", f"connected{again}"))
            self.log.connected(client, event.sid)

    def _disconnected(self, event: Event) -> None:
        connection = self.journeys.connections[event.sid]
        track, client = self.tracks[connection.client], self._client(event)
        crash = self._crashes.get(event.sid)
        if client and track.up:
            spot = self.next(client, track.fault, crash, *track.acks, *track.unheard)
            track.seen.append(spot)
            track.online[-1] = (track.online[-1][0], spot)
            self.notes.append(Note(spot, client, "disconnected", "disconnected", "disconnected", event.reason))
        elif event.node == SERVER and crash is not None:
            track.seen.append(crash)
        elif event.node == SERVER and connection.client and not connection.client_over:
            spot = Spot(self.tracks[SERVER].latest, track.fault, Spot(self.accepts.get(event.sid)))
            track.seen.append(spot)
            self.notes.append(Note(spot, connection.client, "hung up", "server hung up", "the server hung up", event.reason, on_link=True))

    def _fault(self, event: Event) -> None:
        if event.event in ("armed", "disarm"):
            return
        word, sentence = FAULTS.get(event.event, (event.event, event.event))
        on_link = event.node != SERVER
        spot = self._fault_of_link(event) if on_link else self._fault_of_server(event)
        lane = LOG if event.event in ORDERED and self.journeys.log.sends else event.node
        self.notes.append(Note(spot, lane, event.event, word, sentence, event.reason, on_link))

    def _fault_of_link(self, event: Event) -> Spot:
        track = self.tracks[event.node]
        ordered = not set_off_by_a_packet(event)
        spot = Spot(*track.seen, *(track.told if ordered else ()))
        track.seen, track.fault = [spot], spot
        if ordered:
            track.told, track.order = [], spot
        if event.event in (*BARRIERS, *OPENINGS):
            self._open(track, spot)
        if event.event in BARRIERS:
            track.barriers.append((event.event, spot, None))
        return spot

    def _fault_of_server(self, event: Event) -> Spot:
        ordered = event.event in ORDERED or ("at=" not in event.reason and event.event in ("crash", "restart"))
        clients = [track for name, track in self.tracks.items() if name != SERVER]
        spot = self.next(SERVER, self.tracks[LOG].latest, *(told for track in clients if ordered for told in track.told))
        if event.event in ORDERED:
            self.tracks[LOG].latest = spot
        if ordered:
            self.crash = spot
            for track in clients:
                track.told = [spot] if event.event in ORDERED else []
        online = self.tracks[SERVER].online
        if event.event == "crash":
            self._crashes |= {sid: spot for sid in (*self.accepts, *self._earlier) if sid not in self._crashes}
            online[-1:] = [((online[-1][0] if online else None), spot)]
        elif event.event == "restart" and online:
            online.append((spot, None))
        return spot

    def _open(self, track: Track, spot: Spot, bars: int | None = None) -> None:
        """What barred this client's link ends here: everything so far, or so many of them."""
        ended = [(style, start, end or spot) for style, start, end in track.barriers[:bars]]
        track.barriers = ended + track.barriers[len(ended) :]


def _client(copy: Copy) -> str:
    """Whose link this has to cross."""
    return copy.receiver if copy.sender == SERVER else copy.sender


def _finished_in_another_order(chapter: Chapter) -> set[str]:
    """The nodes whose handlers did not return in the order in which they were given their messages."""
    finished: dict[str, list[int]] = defaultdict(list)
    heard = [copy for event in chapter.events if (copy := chapter.journeys.heard.get(event.seq)) is not None]
    for copy in sorted(heard, key=lambda copy: copy.received):
        if copy.handled >= 0 and copy.handled not in finished[copy.receiver]:
            finished[copy.receiver].append(copy.handled)
    return {node for node, order in finished.items() if order != sorted(order)}
