"""Journeys: pairs the journal's events into messages and their copies, one copy for each receiver and each hop.

Copies are paired by position (pairing.py). A copy that was handed over and never received, on a connection that is over, is lost.
What is sent again is paired in the same way: the n-th time is another copy of the same message.
"""

from collections.abc import Iterable, Sequence

from realtime_lab.history.copies import SERVER, Ack, Copy, Message
from realtime_lab.history.journal import GIVEN_UP, Event, readers_of_kinds
from realtime_lab.history.pairing import Pairing
from realtime_lab.history.stored import Stored


class Journeys(Pairing):
    """The index over a journal: messages, copies and connections. Fed event by event, so a live view pays only for what is new."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        super().__init__()
        self.joined: dict[str, int] = {}
        """name -> when it joined (journal position)."""
        self.running: set[tuple[str, int]] = set()
        """Receptions whose handler has not returned yet."""
        self.transactional: set[str] = set()
        """The events whose handlers work in transactions: what they did counts only when it is committed."""
        self.subjects: dict[int, Message] = {}
        """Journal position -> the message, for what a client records about one that it keeps or sent."""
        self.heard: dict[int, Copy] = {}
        """Journal position -> the copy, for what a node records about what its handler was given."""
        self.seen = 0
        self.log = Stored(self)
        """What the server's log holds, and who may still get it."""
        self._emissions: dict[tuple[str, int], Message] = {}
        self._kept: dict[str, Message] = {}
        """The id that a kept message travels under -> the message."""
        self._readers = readers_of_kinds(self, self.log)
        for event in events:
            self.feed(event)

    def feed(self, event: Event) -> None:
        """Take in the next journal event."""
        self.seen = event.seq + 1
        self.concerned.clear()
        self.shaken.clear()
        for read in self._readers[event.kind]:
            read(event)
        for connection in self.shaken:
            self.log.identify(connection)

    # -- what each kind means -------------------------------------------------------------------------------------------------------

    def _joined(self, event: Event) -> None:
        self.participants[event.node] = event.reason
        self.joined[event.node] = event.seq

    def _left(self, event: Event) -> None:
        self.participants.pop(event.node, None)

    def _connected(self, event: Event) -> None:
        connection = self.live[event.sid] = self.connection(event.sid)
        self.shaken.append(connection)
        if event.node == SERVER:
            connection.server_up, connection.accepted = True, event.seq
        else:
            self.is_of(connection, event.node)
            connection.client_up = True
            self.broken.pop(event.node, None)

    def _disconnected(self, event: Event) -> None:
        connection = self.connection(event.sid)
        self.shaken.append(connection)
        if event.node == SERVER:
            connection.server_up, connection.server_over = False, True
        else:
            connection.client_up, connection.client_over = False, True
        broken = "the link was stalled" if connection.stalled else f"the connection had ended ({event.reason})"
        connection.why = connection.why or broken
        if self.participants.get(connection.client) == "wire":  # nobody reports the foreign client's side
            connection.client_over = connection.server_over = True
        if not connection.live:
            self.live.pop(event.sid, None)

    def _fault(self, event: Event) -> None:
        words = {"cut": "the link was cut", "close": "the link was closed"}.get(event.event)
        if event.node == SERVER and event.event == "crash":
            self.shaken += self.live.values()
            for connection in self.live.values():
                connection.why = connection.why or "the server crashed"
        if words:
            self.broken[event.node] = words  # why its messages are lost until it is back, whether the server has noticed or not
        for connection in self.live.values():
            if connection.client == event.node:
                self.shaken.append(connection)
                connection.why = connection.why or words or ""
                connection.stalled = event.event == "stall" or (connection.stalled and event.event not in ("resume", "restore"))

    def _emitted(self, event: Event) -> None:
        message = self.log.known(event) or self.emitted(event)
        self._emissions[event.node, event.message] = message
        if event.node == SERVER:
            self.log.learn(message, event)
            self._fan_out(event, message)

    def _fan_out(self, event: Event, message: Message) -> None:
        """One copy for each connection that got it, and one for each absent participant that should have."""
        reached = {self.connection(sid).client for sid in event.sids}
        for sid in event.sids:
            self.hand_over(message, self.connection(sid), "downstream", event.seq)
        author = self.connection(event.skip).client if event.skip else ""
        for name, how in ({} if event.room else self.participants).items():
            if name not in reached and name != author and how != "wire":
                self.add(Copy(message, SERVER, name, "downstream", event.seq, why=self.broken.get(name, "")))

    def _refused(self, event: Event) -> None:
        message = self._emissions[event.node, event.message]
        self.add(Copy(message, event.node, SERVER, "upstream", event.seq, refused=event.reason))

    def _sent(self, event: Event) -> None:
        if event.node == SERVER:
            return  # from the log
        copy = self.hand_over(
            self._emissions[event.node, event.message], self.connection(event.sid), "upstream", event.seq, inside=event.inside
        )
        copy.attempt, copy.tombstone = event.attempt, event.reason == GIVEN_UP

    # -- what a client keeps, and what becomes of it ----------------------------------------------------------------------------------

    def _subject(self, event: Event) -> Message:
        message = self.subjects[event.seq] = self._emissions[event.node, event.message]
        self.concerned.append(message)
        return message

    def _buffered(self, event: Event) -> None:
        message = self._subject(event)
        message.kept = message.was_kept = True
        message.waits = event.reason == "waits for its turn" or (event.reason != "" and event.id != "")
        if event.id:
            self._kept[event.id] = message

    def _restored(self, event: Event) -> None:
        """The same message under a new number. What was stored before this journal began is new to it."""
        message = self._kept.get(event.id)
        if message is None:
            message = self._kept[event.id] = self.unrecorded(event)
        if event.reason != GIVEN_UP:
            message.kept = message.was_kept = message.waits = True
        self._emissions[event.node, event.message] = self.subjects[event.seq] = message
        self.concerned.append(message)

    def _forgotten(self, event: Event) -> None:
        message = self._subject(event)
        message.kept, message.gone = False, event.reason

    def _settled(self, event: Event) -> None:
        self._subject(event).settle(event.reason, event.text)

    def _timed_out(self, event: Event) -> None:
        self._subject(event).timed_out = True
        copy = self.copy_at(event.sid, "upstream", event.index, event.inside)
        if copy is not None:
            copy.timed_out = event.seq
            copy.wait_no_more()

    def _discarded(self, event: Event) -> None:
        if event.node == SERVER or event.index >= 0:
            self._turned_away(event)
        else:
            self._forgotten(event)

    def _acks(self, copies: Iterable[Copy | None]) -> list[Ack]:
        """The acknowledgements of these, where they are known."""
        acks: list[Ack] = []
        for copy in copies:
            if copy is not None and copy.connection is not None:
                ack = copy.ack = copy.ack or Ack(copy.connection, copy.wire_only)
                ack.late = ack.late or copy.timed_out >= 0 or copy.message.settled != ""
                acks.append(ack)
        return acks

    def _answered(self, event: Event) -> None:
        for ack in self._acks(self.copies_at(event.sid, "upstream", event.index)):
            ack.answered = event.seq

    def _acked(self, event: Event) -> None:
        for ack in self._acks([self.copy_at(event.sid, "upstream", event.index, event.inside)]):
            ack.arrived, ack.result = event.seq, event.reason

    # -- on a link ----------------------------------------------------------------------------------------------------------------------

    def _on_the_wire(self, event: Event) -> Sequence[Copy | Ack]:
        if event.type == "CONNECT" and event.direction == "downstream":
            self.is_of(self.connection(event.sid), event.node)
        if event.direction == "downstream" and event.answers >= 0:
            return self._acks(self.copies_at(event.sid, "upstream", event.answers))
        if event.index < 0 or not event.direction:
            return ()
        copies = self.copies_at(event.sid, event.direction, event.index)
        if not copies and event.direction == "upstream":  # a foreign client: its link is the first to see the message
            copies = [self.hand_over(self.unrecorded(event), self.connection(event.sid), event.direction, event.seq, event.index)]
            copies[0].wire_only = True
        return copies

    def _wire(self, event: Event) -> None:
        for crossing in self._on_the_wire(event):
            crossing.wire = event.seq
            if isinstance(crossing, Copy) and crossing.wire_only and crossing.direction == "downstream":
                self.take(event.sid, crossing.direction)
                self.concerned.append(crossing.message)

    def _held(self, event: Event) -> None:
        for crossing in self._on_the_wire(event):
            crossing.held = event.seq

    def _dropped(self, event: Event) -> None:
        for crossing in self._on_the_wire(event):
            if crossing.wire < 0:
                crossing.dropped, crossing.why = event.seq, event.reason
                self.concerned += [crossing.message] if isinstance(crossing, Copy) else []

    # -- at the receiver ----------------------------------------------------------------------------------------------------------------

    def _received(self, event: Event) -> None:
        copy = self.arrival(event)
        copy.received = event.seq
        self.receptions[event.node, event.message] = self.heard[event.seq] = copy
        self.running.add((event.node, event.message))

    def _turned_away(self, event: Event) -> None:
        copy = self.arrival(event)
        copy.turned_at, copy.turned_away = event.seq, event.reason

    def _given(self, event: Event) -> Copy:
        """What this is about; its handler does not run any more."""
        copy = self.heard[event.seq] = self.receptions[event.node, event.message]
        self.running.discard((event.node, event.message))
        self.concerned.append(copy.message)
        return copy

    def _committed(self, event: Event) -> None:
        copy = self._given(event)
        copy.committed = event.seq
        self.transactional.add(copy.message.event)

    def _undone(self, event: Event) -> None:
        copy = self._given(event)
        copy.undone_at, copy.undone = event.seq, event.reason

    def _handled(self, event: Event) -> None:
        self._given(event).handled = event.seq

    def _failed(self, event: Event) -> None:
        self._given(event).failed = event.seq
