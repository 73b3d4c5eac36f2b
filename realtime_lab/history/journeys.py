"""Journeys: pairs the journal's events into messages and their copies, one copy for each receiver and each hop.

A message has no id on the wire as long as no guarantee is switched on, so copies are paired by position: what a client hands to connection
S as its third event is the third event that the server receives from S, because one connection keeps its order (Socket.IO,
"Delivery guarantees"; TCP), and the other way round. A copy that was handed over and never received, on a connection that is over, is lost.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from realtime_lab.history.journal import Event
from realtime_lab.rules.faults import Direction

SERVER = "server"

Fate = Literal["arrived", "lost", "refused", "in flight"]


@dataclass(slots=True, eq=False)
class Message:
    """What one application handed in once. A message that the server passes on keeps its `root`."""

    origin: str
    event: str
    number: int
    """The how-many-th message of this event from this origin, from 1: the n of #n."""
    text: str
    seq: int
    root: "Message | None" = None
    room: str = ""
    copies: "list[Copy]" = field(default_factory=list)

    @property
    def source(self) -> "Message":
        """The message that an application first handed in."""
        return self.root or self

    @property
    def label(self) -> str:
        """Short enough for a picture: "#4"."""
        return f"#{self.source.number}"


@dataclass(slots=True)
class Connection:
    """One Socket.IO connection, as each side sees it."""

    sid: str
    client: str = ""
    client_up: bool = False
    server_up: bool = False
    client_over: bool = False
    server_over: bool = False
    why: str = ""
    """What broke it, in words: the fault on its link, else the reason that the first side to notice gave."""
    stalled: bool = False

    @property
    def live(self) -> bool:
        """Does either side still believe in it?"""
        return self.client_up or self.server_up

    def over(self, direction: Direction) -> bool:
        """Can nothing more arrive in this direction? The receiving side decides."""
        return self.server_over if direction == "upstream" else self.client_over


@dataclass(slots=True, eq=False)
class Copy:
    """One message on its way over one hop to one receiver. Positions are journal positions, -1 where it did not happen."""

    message: Message
    sender: str
    receiver: str
    direction: Direction
    seq: int
    connection: Connection | None = None
    refused: str = ""
    held: int = -1
    wire: int = -1
    dropped: int = -1
    why: str = ""
    received: int = -1
    handled: int = -1
    failed: int = -1
    wire_only: bool = False

    @property
    def fate(self) -> Fate:
        """What became of it, seen from outside."""
        if self.received >= 0 or (self.wire_only and self.direction == "downstream" and self.wire >= 0):
            return "arrived"
        if self.refused:
            return "refused"
        if self.connection is None or self.dropped >= 0 or self.connection.over(self.direction):
            return "lost"
        return "in flight"

    @property
    def reason(self) -> str:
        """Why it was lost or refused, in words; empty otherwise."""
        fate = self.fate
        if fate == "refused":
            return self.refused
        if fate != "lost":
            return ""
        if self.connection is None:
            return self.why or f"{self.receiver} was not connected"
        return self.connection.why or self.why

    @property
    def arrived(self) -> int:
        """When it arrived (journal position), or -1."""
        return self.received if self.received >= 0 else (self.wire if self.fate == "arrived" else -1)


class Journeys:
    """The index over a journal: messages, copies and connections. Fed event by event, so a live view pays only for what is new."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.messages: list[Message] = []
        self.copies: list[Copy] = []
        self.participants: dict[str, str] = {}
        """name -> "" or "wire" (seen on its link only), in the order of joining."""
        self.joined: dict[str, int] = {}
        """name -> when it joined (journal position)."""
        self.connections: dict[str, Connection] = {}
        self.receptions: dict[tuple[str, int], Copy] = {}
        """(node, reception number) -> the copy that was received."""
        self.running: set[tuple[str, int]] = set()
        """Receptions whose handler has not returned yet."""
        self.seen = 0
        self._broken: dict[str, str] = {}
        self._emissions: dict[tuple[str, int], Message] = {}
        self._counts: dict[tuple[str, str], int] = defaultdict(int)
        self._on: dict[tuple[str, Direction], list[Copy]] = defaultdict(list)
        self._taken: dict[tuple[str, Direction], int] = defaultdict(int)
        for event in events:
            self.feed(event)

    def feed(self, event: Event) -> None:
        """Take in the next journal event."""
        self.seen = event.seq + 1
        if handler := getattr(self, f"_{event.kind}", None):
            handler(event)

    def copy_at(self, sid: str, direction: Direction, index: int) -> Copy | None:
        """The copy that is the `index`-th event of a connection and direction, if it is known."""
        copies = self._on.get((sid, direction), [])
        return copies[index] if 0 <= index < len(copies) else None

    def outstanding(self, sid: str, direction: Direction) -> int:
        """How many events were handed to this connection and not received yet."""
        key = (sid, direction)
        return len(self._on.get(key, ())) - self._taken.get(key, 0)

    # -- what each kind means -------------------------------------------------------------------------------------------------------

    def _joined(self, event: Event) -> None:
        self.participants[event.node] = event.reason
        self.joined[event.node] = event.seq

    def _left(self, event: Event) -> None:
        self.participants.pop(event.node, None)

    def _connection(self, sid: str) -> Connection:
        return self.connections.setdefault(sid, Connection(sid))

    def _connected(self, event: Event) -> None:
        connection = self._connection(event.sid)
        if event.node == SERVER:
            connection.server_up = True
        else:
            self._name(connection, event.node)
            connection.client_up = True
            self._broken.pop(event.node, None)

    def _name(self, connection: Connection, client: str) -> None:
        """The connection turns out to be this client's; the server may already have emitted to it."""
        if not connection.client:
            connection.client = client
            early = {id(copy.message): copy for copy in self._on.get((connection.sid, "downstream"), ())}
            for copy in early.values():
                copy.receiver, copy.wire_only = client, self.participants.get(client) == "wire"
            for copies in [copy.message.copies for copy in early.values()] + [self.copies] * bool(early):  # it was not absent after all
                copies[:] = [copy for copy in copies if copy.connection or copy.receiver != client or id(copy.message) not in early]

    def _disconnected(self, event: Event) -> None:
        connection = self._connection(event.sid)
        if event.node == SERVER:
            connection.server_up, connection.server_over = False, True
        else:
            connection.client_up, connection.client_over = False, True
        broken = "the link was stalled" if connection.stalled else f"the connection had ended ({event.reason})"
        connection.why = connection.why or broken
        if self.participants.get(connection.client) == "wire":  # nobody reports the foreign client's side
            connection.client_over = connection.server_over = True

    def _fault(self, event: Event) -> None:
        words = {"cut": "the link was cut", "close": "the link was closed"}.get(event.event)
        if words:
            self._broken[event.node] = words  # why its messages are lost until it is back, whether the server has noticed or not
        for connection in self.connections.values():
            if connection.client == event.node and connection.live:
                connection.why = connection.why or words or ""
                connection.stalled = event.event == "stall" or (connection.stalled and event.event not in ("resume", "restore"))

    def _emitted(self, event: Event) -> None:
        cause = self.receptions.get((event.node, event.cause))
        root = cause.message.source if cause is not None and cause.message.event == event.event else None
        self._counts[event.node, event.event] += root is None  # what is passed on keeps its author's number
        number = root.number if root else self._counts[event.node, event.event]
        message = Message(event.node, event.event, number, event.text, event.seq, root, event.room)
        self.messages.append(message)
        self._emissions[event.node, event.message] = message
        if event.node == SERVER:
            self._fan_out(event, message)

    def _fan_out(self, event: Event, message: Message) -> None:
        """One copy for each connection that got it, and one for each absent participant that should have."""
        reached = {self._connection(sid).client for sid in event.sids}
        for sid in event.sids:
            self._hand_over(message, self._connection(sid), "downstream", event.seq)
        author = self._connection(event.skip).client if event.skip else ""
        for name, how in ({} if event.room else self.participants).items():
            if name not in reached and name != author and how != "wire":
                self._add(Copy(message, SERVER, name, "downstream", event.seq, why=self._broken.get(name, "")))

    def _hand_over(self, message: Message, connection: Connection, direction: Direction, seq: int) -> Copy:
        ends = (connection.client, SERVER) if direction == "upstream" else (SERVER, connection.client)
        copy = Copy(message, *ends, direction, seq, connection, wire_only=self.participants.get(connection.client) == "wire")
        self._on[connection.sid, direction].append(copy)
        return self._add(copy)

    def _add(self, copy: Copy) -> Copy:
        self.copies.append(copy)
        copy.message.copies.append(copy)
        return copy

    def _refused(self, event: Event) -> None:
        message = self._emissions[event.node, event.message]
        self._add(Copy(message, event.node, SERVER, "upstream", event.seq, refused=event.reason))

    def _sent(self, event: Event) -> None:
        self._hand_over(self._emissions[event.node, event.message], self._connection(event.sid), "upstream", event.seq)

    def _on_the_wire(self, event: Event) -> Copy | None:
        if event.type == "CONNECT" and event.direction == "downstream":
            self._name(self._connection(event.sid), event.node)
        if event.index < 0 or not event.direction:
            return None
        copy = self.copy_at(event.sid, event.direction, event.index)
        if copy is None and event.direction == "upstream":  # a foreign client: its link is the first to see the message
            key = (event.node, event.event)
            self._counts[key] += 1
            message = Message(event.node, event.event, self._counts[key], event.text, event.seq)
            self.messages.append(message)
            copy = self._hand_over(message, self._connection(event.sid), event.direction, event.seq)
            copy.wire_only = True
        return copy

    def _wire(self, event: Event) -> None:
        copy = self._on_the_wire(event)
        if copy is not None:
            copy.wire = event.seq
            if copy.wire_only and copy.direction == "downstream":
                self._taken[event.sid, copy.direction] += 1

    def _held(self, event: Event) -> None:
        copy = self._on_the_wire(event)
        if copy is not None:
            copy.held = event.seq

    def _dropped(self, event: Event) -> None:
        copy = self._on_the_wire(event)
        if copy is not None and copy.wire < 0:
            copy.dropped, copy.why = event.seq, event.reason

    def _received(self, event: Event) -> None:
        direction: Direction = "upstream" if event.node == SERVER else "downstream"
        copy = self.copy_at(event.sid, direction, self._taken[event.sid, direction])
        self._taken[event.sid, direction] += 1
        if copy is None:  # nobody recorded the sender: not one of ours, and no link in between
            sender = self._connection(event.sid).client or "somebody"
            message = Message(sender, event.event, self._taken[event.sid, direction], event.text, event.seq)
            self.messages.append(message)
            copy = self._hand_over(message, self._connection(event.sid), direction, event.seq)
        copy.received = event.seq
        self.receptions[event.node, event.message] = copy
        self.running.add((event.node, event.message))

    def _handled(self, event: Event) -> None:
        self.receptions[event.node, event.message].handled = event.seq
        self.running.discard((event.node, event.message))

    def _failed(self, event: Event) -> None:
        self.receptions[event.node, event.message].failed = event.seq
        self.running.discard((event.node, event.message))
