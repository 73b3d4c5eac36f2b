"""Where it stands what the server stores, and what is sent from its log.

An event is stored in the step in which it came, and leaves in that step for everybody who is connected. What is replayed leaves behind
the connection; on one connection everything leaves in the order of the log, also what is stored while a replay goes on. So a picture
depends neither on when a cursor was woken nor on whose cursor came first.

How much was handed to a connection before its break was noticed is chance, and the log has it still. So a copy that was lost on its way
to a client that follows the log shows only if it is the very packet at which the link was cut. A message that is lost for good shows
where it became so: where it was stored, where the client was told, where the log forgot it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from realtime_lab.history.chapter import Chapter
from realtime_lab.history.copies import SERVER, Copy, Message
from realtime_lab.history.hops import Passage
from realtime_lab.history.journal import Event, Kind
from realtime_lab.history.journeys import Journeys
from realtime_lab.history.labels import Labels
from realtime_lab.history.lanes import LOG, ORDERED, Note, Spot, set_off_by_a_packet

if TYPE_CHECKING:
    from realtime_lab.history.steps import Steps


class LogSteps:
    """Reads the history along with `Steps`."""

    def __init__(self, lanes: "Steps", chapter: Chapter, labels: Labels) -> None:
        self._lanes, self._journeys, self._labels = lanes, chapter.journeys, labels
        self._begin = chapter.begin
        self.shown: list[Copy] = []
        """The copies that have a place in the picture, also of what was never sent because it was lost before."""
        self._boxes: dict[int, Spot] = {}
        """id(message) -> where it was stored."""
        self._latest: dict[str, Spot] = {}
        """sid, or name of who is away -> where the latest message for it left the log."""
        self._sends: dict[int, Copy] = {}
        """Journal position -> the copy that a cursor sent."""
        self._replays: dict[str, list[Copy]] = defaultdict(list)
        """sid -> what it is sent because it was not there before."""
        self._losses: dict[int, list[Copy]] = defaultdict(list)
        """Journal position -> what was lost there."""
        self._stored_for: dict[int, list[Message]] = defaultdict(list)
        """id(copy) -> what the handler that was given it stored."""
        self._overtaken: dict[str, list[Spot | None]] = defaultdict(list)
        """sid -> where it was told of a hole, and its client has not heard of it yet."""
        self._halts: dict[str, Copy] = {}
        """client -> at what it halted last."""
        self._again: dict[int, Spot | None] = {}
        """id(copy) -> where its handler failed after its client had tried it again; None: not yet."""
        self._accepted: set[str] = set()
        """The connections of which the acceptance is part of this picture."""
        self._show(chapter)

    def continue_from(self, before: "LogSteps") -> None:
        """Who had halted can go on, and what failed may fail again."""
        self._halts, self._again = dict(before._halts), dict.fromkeys(before._again)

    def _show(self, chapter: Chapter) -> None:
        journeys, copies = self._journeys, chapter.copies
        follows = {name for name in journeys.joined if journeys.log.standing(name).follows}
        broke = {id(copy) for copy in _set_off(journeys, chapter.events)}
        hidden = {id(copy) for copy in copies if copy.from_log and copy.fate == "lost" and copy.receiver in follows} - broke
        self.shown = [copy for copy in copies if id(copy) not in hidden]
        self._sends = {copy.seq: copy for copy in self.shown if copy.from_log}
        for copy in self._sends.values():
            if copy.replayed and copy.connection:
                self._replays[copy.connection.sid].append(copy)
        for message in [journeys.log.messages[event.seq] for event in chapter.events if event.kind == "stored"]:
            self._stored_for[id(message.cause)].append(message)
        for seq, copy in _losses(chapter.losses):
            self._losses[seq].append(copy)
            self.shown.append(copy)
        self._told = _first_of_each_connection(chapter.events, "session")
        self._heard = _first_of_each_connection(chapter.events, "recovered")

    def stores(self, copy: Copy) -> bool:
        """Did the handler that was given this store something?"""
        return id(copy) in self._stored_for

    def orders(self, copy: Copy) -> list[Spot | None]:
        """What somebody did before to the links of those for whom the handler that was given this stored something."""
        return [order for message in self._stored_for.get(id(copy), ()) for order in self._around(message)]

    def _around(self, message: Message) -> list[Spot | None]:
        return self._lanes.orders(name for name, seq in self._journeys.joined.items() if seq < message.born)

    # -- stored and sent ------------------------------------------------------------------------------------------------------------

    def _stored(self, event: Event) -> None:
        self._box(self._journeys.log.messages[event.seq])
        for copy in self._losses.get(event.seq, ()):
            self._lanes.tails[id(copy)] = self._boxes[id(copy.message)]

    def _box(self, message: Message) -> Spot:
        """In the step in which it came, unless somebody did something, or the log was given another one, only later."""
        if id(message) in self._boxes:
            return self._boxes[id(message)]
        if 0 <= message.born < self._begin:  # that was shown before
            return self._lanes.edge
        came, lanes = self._lanes.heads.get(id(message.cause)), self._lanes
        live = [copy.connection for copy in message.copies if not copy.replayed and copy.seq in self._sends]
        accepts = [lanes.accepts.get(connection.sid) for connection in live if connection]
        before = [*self._around(message), *accepts, lanes.tracks[LOG].latest]
        if came is None:
            spot = lanes.next(SERVER, *before)
        elif any(other is not None and other.step >= came.step for other in before):
            spot = Spot(*before)
        else:
            spot = came
        self._boxes[id(message)] = lanes.tracks[LOG].latest = lanes.departed = spot
        for name in self._journeys.joined:
            lanes.tracks[name].told.append(spot)
        label, word = self._labels.in_log(message), str(message.offset)
        lanes.notes.append(Note(spot, LOG, "stored", word, f"stored as {word}", label=label, messages=(message.source.seq,)))
        return spot

    def accepted(self, sid: str, client: str, accept: Spot) -> Spot:
        """What it missed leaves now, before anything new. Returns where the last of it left."""
        self._accepted.add(sid)
        spot = Spot(accept) if sid in self._heard and self._is_news(client, self._heard[sid].reason, 0) else accept
        lost = self._losses.get(self._told[sid].seq, []) if sid in self._told else []
        for copy in [*lost, *self._replays.get(sid, ())]:
            box = self._boxes.get(id(copy.message))
            self._follow(copy, sid, spot, box)
        return self._latest.get(sid, accept)

    def _sent(self, event: Event) -> None:
        copy = self._sends.get(event.seq)
        if copy is not None and not copy.replayed:
            self._live(copy, event.sid)
        elif copy is not None and event.sid not in self._accepted:
            self._follow(copy, event.sid)

    def _live(self, copy: Copy, sid: str) -> None:
        """From where it was stored; or later, if what is before it has not left by then."""
        box, latest = self._box(copy.message), self._latest.get(sid)
        if latest is not None and latest.step >= box.step:
            self._follow(copy, sid, *self._lanes.orders([copy.receiver]))
            return
        if latest is not None:
            latest.later.append(box)
        self._lanes.tails[id(copy)] = self._latest[sid] = box

    def _follow(self, copy: Copy, line: str, *causes: Spot | None) -> None:
        """One step behind the one before it."""
        spot = self._lanes.tails[id(copy)] = self._latest[line] = Spot(self._latest.get(line), *causes)
        self._lanes.sends.append(spot)
        self._lanes.tracks[copy.receiver].told.append(spot)

    # -- lost -----------------------------------------------------------------------------------------------------------------------

    def _session(self, event: Event) -> None:
        """The first of a connection is told with its acceptance; a later one is told because the log has forgotten something.

        If it was accepted before this picture begins, the first one is told here too.
        """
        if self._told[event.sid] is not event or event.sid not in self._accepted:
            for copy in self._losses.get(event.seq, ()):
                self._follow(copy, event.sid, self._boxes.get(id(copy.message)), self._lanes.crash)
            self._overtaken[event.sid].append(self._latest.get(event.sid))

    def _fault(self, event: Event) -> None:
        if event.node == SERVER and event.event in ORDERED:
            for copy in self._losses.get(event.seq, ()):
                self._follow(copy, f"{copy.receiver} since {event.seq}", self._lanes.tracks[LOG].latest)

    # -- at the client --------------------------------------------------------------------------------------------------------------

    def connected(self, client: str, sid: str) -> None:
        """What it is told first stands right behind the connection, however much it sends meanwhile."""
        if sid in self._heard:
            self._say(client, self._heard[sid].reason)

    def _recovered(self, event: Event) -> None:
        if self._heard[event.sid] is not event or event.sid not in self._lanes.say:
            self._say(event.node, event.reason, *self._overtaken[event.sid][:1])
            del self._overtaken[event.sid][:1]

    def _is_news(self, client: str, reason: str, connections: int) -> bool:
        """A first connection is new to everybody."""
        return reason != "new" or self._lanes.tracks[client].connections > connections

    def _say(self, client: str, reason: str, *causes: Spot | None) -> None:
        if self._is_news(client, reason, 1):
            style, sentence = ("not recovered", f"recovered: false, {reason}") if reason else ("recovered", "recovered")
            self._lanes.notes.append(Note(self._lanes.next(client, *causes), client, style, reason or "recovered", sentence))

    def failing(self, client: str, copy: Copy) -> Spot:
        """Where the handler of this failed: where it was given it, or behind the point where its client tried it again."""
        if id(copy) not in self._again and id(copy) in self._lanes.heads:
            return self._lanes.heads[id(copy)]
        spot = self._again[id(copy)] = self._again.get(id(copy)) or self._lanes.next(client)
        return spot

    def _halted(self, event: Event) -> None:
        copy = self._halts[event.node] = self._journeys.receptions[event.node, event.message]
        self._mark(event, copy, "halted", f"halted at {self._labels.at_node(copy)}: {event.reason}")

    def _resumed(self, event: Event) -> None:
        copy = self._halts[event.node]
        self._again[id(copy)] = None
        self._mark(event, copy, "resumed", f"tries {self._labels.at_node(copy)} again")

    def _skipped(self, event: Event) -> None:
        copy = self._journeys.receptions[event.node, event.message]
        self._mark(event, copy, "skipped", f"goes on without {self._labels.at_node(copy)}: {event.reason}")

    def _mark(self, event: Event, copy: Copy, style: str, sentence: str) -> None:
        about = (copy.message.source.seq,)
        self._lanes.notes.append(Note(self._lanes.next(event.node), event.node, style, style, sentence, messages=about))


def _set_off(journeys: Journeys, events: Iterable[Event]) -> Iterator[Copy]:
    """The copies at which links were cut: the first that was dropped of what the cut names."""
    cuts: dict[str, str] = {}
    for event in events:
        if event.kind == "fault":
            cuts[event.node] = event.reason if set_off_by_a_packet(event) else ""
        elif event.kind == "dropped" and _is_named(event, cuts.get(event.node, "")):
            copy = journeys.copy_at(event.sid, "downstream", event.index)
            cuts[event.node] = ""
            if copy is not None and event.direction == "downstream":
                yield copy


def _is_named(packet: Event, cut: str) -> bool:
    if "direction=" in cut and f'direction="{packet.direction}"' not in cut:
        return False
    return f'before="{packet.event} #' in cut or f"before={packet.packet}," in cut


def _first_of_each_connection(events: Iterable[Event], kind: Kind) -> dict[str, Event]:
    first: dict[str, Event] = {}
    for event in events:
        if event.kind == kind:
            first.setdefault(event.sid, event)
    return first


def _losses(passages: Iterable[Passage]) -> Iterator[tuple[int, Copy]]:
    """What is lost for good and has no copy that shows: when it was, and a copy that never left."""
    for passage in passages:
        message, loss, (_, receiver) = passage.message, passage.loss, passage.ends
        if loss is None or (loss.seq == message.born and any(copy.receiver == receiver for copy in message.copies)):
            continue
        why = message.meant_for.get(receiver, "") if loss.seq == message.born else loss.reason
        yield loss.seq, Copy(message, SERVER, receiver, "downstream", loss.seq, why=why)
