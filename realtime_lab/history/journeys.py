"""Journeys: pairs the journal's events into messages and their copies, one copy for each receiver and each hop.

A message has no id on the wire as long as no guarantee is switched on, so copies are paired by position: what a client hands to connection
S as its third event is the third event that the server receives from S, because one connection keeps its order (TCP), and the other way
round. A copy that was handed over and never received, on a connection that is over, is lost.
What is sent again is paired in the same way: the n-th time is another copy of the same message.
"""

from collections import defaultdict
from collections.abc import Iterable

from realtime_lab.history.copies import SERVER, Ack, Connection, Copy, Message
from realtime_lab.history.journal import GIVEN_UP, Event
from realtime_lab.rules.faults import Direction


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
        self.subjects: dict[int, Message] = {}
        """Journal position -> the message, for what a client records about one that it keeps or sent."""
        self.heard: dict[int, Copy] = {}
        """Journal position -> the copy, for what a node records about what its handler was given."""
        self.seen = 0
        self._broken: dict[str, str] = {}
        self._emissions: dict[tuple[str, int], Message] = {}
        self._counts: dict[tuple[str, str], int] = defaultdict(int)
        self._stored: dict[str, Message] = {}
        """The id that a kept message travels under -> the message."""
        self._on: dict[tuple[str, Direction], dict[int, Copy]] = defaultdict(dict)
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
        return self._on.get((sid, direction), {}).get(index)

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
            early = {id(copy.message): copy for copy in self._on.get((connection.sid, "downstream"), {}).values()}
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
        if event.node == SERVER and event.event == "crash":
            for connection in self.connections.values():
                if connection.live:
                    connection.why = connection.why or "the server crashed"
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
        message = Message(event.node, event.event, number, event.text, event.seq, root, event.room, cause)
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

    def _hand_over(self, message: Message, connection: Connection, direction: Direction, seq: int, index: int = -1) -> Copy:
        """`index`: its place on the connection if somebody knows it, else it is the next one."""
        ends = (connection.client, SERVER) if direction == "upstream" else (SERVER, connection.client)
        copy = Copy(message, *ends, direction, seq, connection, wire_only=self.participants.get(connection.client) == "wire")
        on = self._on[connection.sid, direction]
        on[next(reversed(on), -1) + 1 if index < 0 else index] = copy
        return self._add(copy)

    def _add(self, copy: Copy) -> Copy:
        self.copies.append(copy)
        copy.message.copies.append(copy)
        return copy

    def _refused(self, event: Event) -> None:
        message = self._emissions[event.node, event.message]
        self._add(Copy(message, event.node, SERVER, "upstream", event.seq, refused=event.reason))

    def _sent(self, event: Event) -> None:
        copy = self._hand_over(self._emissions[event.node, event.message], self._connection(event.sid), "upstream", event.seq)
        copy.attempt, copy.tombstone = event.attempt, event.reason == GIVEN_UP

    # -- what a client keeps, and what becomes of it ----------------------------------------------------------------------------------

    def _subject(self, event: Event) -> Message:
        message = self.subjects[event.seq] = self._emissions[event.node, event.message]
        return message

    def _buffered(self, event: Event) -> None:
        message = self._subject(event)
        message.kept = message.was_kept = True
        message.waits = event.reason == "waits for its turn" or (event.reason != "" and event.id != "")
        if event.id:
            self._stored[event.id] = message

    def _restored(self, event: Event) -> None:
        """The same message under a new number. What was stored before this journal began is new to it."""
        message = self._stored.get(event.id)
        if message is None:
            message = self._stored[event.id] = self._new(event)
        if event.reason != GIVEN_UP:
            message.kept = message.was_kept = message.waits = True
        self._emissions[event.node, event.message] = self.subjects[event.seq] = message

    def _new(self, event: Event) -> Message:
        """A message whose emission nobody recorded. One of which nothing but a tombstone is left has no number."""
        self._counts[event.node, event.event] += event.reason != GIVEN_UP
        number = 0 if event.reason == GIVEN_UP else self._counts[event.node, event.event]
        self.messages.append(Message(event.node, event.event, number, event.text, event.seq))
        return self.messages[-1]

    def _forgotten(self, event: Event) -> None:
        message = self._subject(event)
        message.kept, message.gone = False, event.reason

    def _settled(self, event: Event) -> None:
        self._subject(event).settle(event.reason, event.text)

    def _timed_out(self, event: Event) -> None:
        self._subject(event).timed_out = True
        copy = self.copy_at(event.sid, "upstream", event.index)
        if copy is not None:
            copy.timed_out = event.seq
            copy.wait_no_more()

    def _discarded(self, event: Event) -> None:
        if event.node == SERVER:
            self._turned_away(event)
        else:
            self._forgotten(event)

    def _ack(self, sid: str, index: int) -> Ack | None:
        """The acknowledgement of the event at this place, if that is known."""
        copy = self.copy_at(sid, "upstream", index)
        if copy is None or copy.connection is None:
            return None
        copy.ack = copy.ack or Ack(copy.connection, copy.wire_only)
        copy.ack.late = copy.ack.late or copy.timed_out >= 0 or copy.message.settled != ""
        return copy.ack

    def _answered(self, event: Event) -> None:
        if ack := self._ack(event.sid, event.index):
            ack.answered = event.seq

    def _acked(self, event: Event) -> None:
        if ack := self._ack(event.sid, event.index):
            ack.arrived, ack.result = event.seq, event.reason

    # -- on a link ----------------------------------------------------------------------------------------------------------------------

    def _on_the_wire(self, event: Event) -> Copy | Ack | None:
        if event.type == "CONNECT" and event.direction == "downstream":
            self._name(self._connection(event.sid), event.node)
        if event.direction == "downstream" and event.answers >= 0:
            return self._ack(event.sid, event.answers)
        if event.index < 0 or not event.direction:
            return None
        copy = self.copy_at(event.sid, event.direction, event.index)
        if copy is None and event.direction == "upstream":  # a foreign client: its link is the first to see the message
            copy = self._hand_over(self._new(event), self._connection(event.sid), event.direction, event.seq, event.index)
            copy.wire_only = True
        return copy

    def _wire(self, event: Event) -> None:
        crossing = self._on_the_wire(event)
        if crossing is not None:
            crossing.wire = event.seq
            if isinstance(crossing, Copy) and crossing.wire_only and crossing.direction == "downstream":
                self._taken[event.sid, crossing.direction] += 1

    def _held(self, event: Event) -> None:
        crossing = self._on_the_wire(event)
        if crossing is not None:
            crossing.held = event.seq

    def _dropped(self, event: Event) -> None:
        crossing = self._on_the_wire(event)
        if crossing is not None and crossing.wire < 0:
            crossing.dropped, crossing.why = event.seq, event.reason

    # -- at the receiver ----------------------------------------------------------------------------------------------------------------

    def _arrival(self, event: Event) -> Copy:
        """The copy that came. Where its place is not recorded, it is the next one."""
        direction: Direction = "upstream" if event.node == SERVER else "downstream"
        index = self._taken[event.sid, direction] if event.index < 0 else event.index
        self._taken[event.sid, direction] += 1
        copy = self.copy_at(event.sid, direction, index)
        if copy is None:  # nobody recorded the sender: not one of ours, and no link in between
            sender = self._connection(event.sid).client or "somebody"
            message = Message(sender, event.event, self._taken[event.sid, direction], event.text, event.seq)
            self.messages.append(message)
            copy = self._hand_over(message, self._connection(event.sid), direction, event.seq, index)
        return copy

    def _received(self, event: Event) -> None:
        copy = self._arrival(event)
        copy.received = event.seq
        self.receptions[event.node, event.message] = self.heard[event.seq] = copy
        self.running.add((event.node, event.message))

    def _turned_away(self, event: Event) -> None:
        copy = self._arrival(event)
        copy.turned_at, copy.turned_away = event.seq, event.reason

    def _given(self, event: Event) -> Copy:
        """What this is about; its handler does not run any more."""
        copy = self.heard[event.seq] = self.receptions[event.node, event.message]
        self.running.discard((event.node, event.message))
        return copy

    def _committed(self, event: Event) -> None:
        self._given(event).committed = event.seq

    def _undone(self, event: Event) -> None:
        copy = self._given(event)
        copy.undone_at, copy.undone = event.seq, event.reason

    def _handled(self, event: Event) -> None:
        self._given(event).handled = event.seq

    def _failed(self, event: Event) -> None:
        self._given(event).failed = event.seq
