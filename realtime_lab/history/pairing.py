"""Pairing: what was handed to a connection belongs to what came out of it at the same place, because one connection keeps its order (TCP).

A message has no id on the wire as long as no guarantee is switched on, so position is all there is: what a client hands to connection S
as its third event is the third event that the server receives from S, and the other way round.
"""

from bisect import bisect_left
from collections import defaultdict
from itertools import count, takewhile

from realtime_lab.history.copies import SERVER, Connection, Copy, Message, Session
from realtime_lab.history.journal import GIVEN_UP, Event
from realtime_lab.rules.faults import Direction


class Pairing:
    """Messages, their copies, and the places that these take on connections."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.copies: list[Copy] = []
        self.participants: dict[str, str] = {}
        """name -> "", "tab" or "wire" (seen on its link only), in the order of joining."""
        self.connections: dict[str, Connection] = {}
        self.live: dict[str, Connection] = {}
        """Those of them in which either side still believes."""
        self.concerned: list[Message] = []
        """The messages of which the latest event may have changed the fate."""
        self.shaken: list[Connection] = []
        """The connections of which the latest event said something, so that everything on them may have another fate."""
        self.receptions: dict[tuple[str, int], Copy] = {}
        """(node, reception number) -> the copy that was received."""
        self.broken: dict[str, str] = {}
        """Whose link is broken -> why its messages are lost until it is back, whether the server has noticed or not."""
        self._counts: dict[tuple[str, str], int] = defaultdict(int)
        self._on: dict[tuple[str, Direction], dict[tuple[int, int], Copy | Session]] = defaultdict(dict)
        """(sid, direction) -> (place on the connection, place in the batch there) -> what takes it."""
        self._taken: dict[tuple[str, Direction], int] = defaultdict(int)
        self._silent: dict[tuple[str, Direction], list[int]] = defaultdict(list)
        """The places that deliver no message."""

    def copy_at(self, sid: str, direction: Direction, index: int, inside: int = -1) -> Copy | None:
        """The copy that is the `index`-th event of a connection and direction, or `inside` the batch there, if it is known."""
        thing = self._on.get((sid, direction), {}).get((index, max(inside, 0)))
        return thing if isinstance(thing, Copy) else None

    def copies_at(self, sid: str, direction: Direction, index: int) -> list[Copy]:
        """What the `index`-th packet with an event carries: one copy, or all of a batch."""
        on = self._on.get((sid, direction), {})
        places = takewhile(on.__contains__, ((index, inside) for inside in count()))
        return [thing for place in places if isinstance(thing := on[place], Copy)]

    def outstanding(self, sid: str, direction: Direction) -> int:
        """How many messages were handed to this connection and not received yet."""
        key = (sid, direction)
        return len(self._on.get(key, ())) - len(self._silent.get(key, ())) - self._taken.get(key, 0)

    def sent_since(self, seq: int) -> list[Copy]:
        """The copies that were sent, or should have been, from this journal position on."""
        return self.copies[bisect_left(self.copies, seq, key=lambda copy: copy.seq) :]

    # -- connections ----------------------------------------------------------------------------------------------------------------

    def connection(self, sid: str) -> Connection:
        """The connection of this sid, new or known."""
        return self.connections.setdefault(sid, Connection(sid))

    def is_of(self, connection: Connection, client: str) -> None:
        """The connection turns out to be this client's; the server may already have emitted to it."""
        if not connection.client:
            connection.client = client
            self.shaken.append(connection)
            things = self._on.get((connection.sid, "downstream"), {}).values()
            early = [thing for thing in things if isinstance(thing, Copy)]
            for copy in early:
                copy.receiver, copy.wire_only = client, self.participants.get(client) == "wire"
            self.concerned += [copy.message for copy in early]
            for copy in early:  # so it was not absent after all
                for absent in [each for each in copy.message.copies if _is_instead(each, copy)]:
                    copy.message.copies.remove(absent)
                    del self.copies[_last(self.copies, absent)]

    # -- messages -------------------------------------------------------------------------------------------------------------------

    def emitted(self, event: Event) -> Message:
        """A message that an application, or a handler, hands in."""
        cause = self.receptions.get((event.node, event.cause))
        root = cause.message.source if cause is not None and cause.message.event == event.event else None
        self._counts[event.node, event.event] += root is None  # what is passed on keeps its author's number
        number = root.number if root else self._counts[event.node, event.event]
        return self.meet(Message(event.node, event.event, number, event.text, event.seq, root, event.room, cause))

    def unrecorded(self, event: Event) -> Message:
        """A message whose emission nobody recorded. One of which nothing but a tombstone is left has no number."""
        self._counts[event.node, event.event] += event.reason != GIVEN_UP
        number = 0 if event.reason == GIVEN_UP else self._counts[event.node, event.event]
        return self.meet(Message(event.node, event.event, number, event.text, event.seq))

    def meet(self, message: Message) -> Message:
        """A message that was not known before."""
        self.messages.append(message)
        self.concerned.append(message)
        return message

    # -- places ---------------------------------------------------------------------------------------------------------------------

    def hand_over(
        self, message: Message, connection: Connection, direction: Direction, seq: int, index: int = -1, inside: int = -1
    ) -> Copy:
        """`index`: its place on the connection if somebody knows it, else it is the next one; `inside`: its place in a batch there."""
        ends = (connection.client, SERVER) if direction == "upstream" else (SERVER, connection.client)
        copy = Copy(message, *ends, direction, seq, connection, wire_only=self.participants.get(connection.client) == "wire")
        self._place(copy, connection.sid, direction, index, inside)
        return self.add(copy)

    def tell(self, session: Session) -> None:
        """It takes the next place towards the client."""
        place = self._place(session, session.connection.sid, "downstream")
        self._silent[session.connection.sid, "downstream"].append(place)

    def _place(self, thing: Copy | Session, sid: str, direction: Direction, index: int = -1, inside: int = -1) -> int:
        on = self._on[sid, direction]
        latest, _ = next(reversed(on), (-1, 0))
        place = index if index >= 0 else latest if inside > 0 else latest + 1
        on[place, max(inside, 0)] = thing
        return place

    def add(self, copy: Copy) -> Copy:
        """A copy, whether or not it ever gets a place on a connection."""
        self.copies.append(copy)
        copy.message.copies.append(copy)
        self.concerned.append(copy.message)
        return copy

    def take(self, sid: str, direction: Direction) -> None:
        """One more came out of this connection."""
        self._taken[sid, direction] += 1

    def arrival(self, event: Event) -> Copy:
        """The copy that came. Where its place is not recorded, it is the next one that delivers a message."""
        direction: Direction = "upstream" if event.node == SERVER else "downstream"
        index = self._taken[event.sid, direction]
        for place in self._silent.get((event.sid, direction), ()):
            index += place <= index
        index = index if event.index < 0 else event.index
        self.take(event.sid, direction)
        copy = self.copy_at(event.sid, direction, index, event.inside)
        if copy is None:  # nobody recorded the sender: not one of ours, and no link in between
            sender = self.connection(event.sid).client or "somebody"
            message = self.meet(Message(sender, event.event, self._taken[event.sid, direction], event.text, event.seq))
            copy = self.hand_over(message, self.connection(event.sid), direction, event.seq, index)
        self.concerned.append(copy.message)
        return copy


def _is_instead(absent: Copy, copy: Copy) -> bool:
    """Does the one stand for somebody who was thought to be away, and was sent the other?"""
    return absent.connection is None and (absent.receiver, absent.seq) == (copy.receiver, copy.seq)


def _last(copies: list[Copy], wanted: Copy) -> int:
    """Where this one is, looked for from the end, because it is new."""
    return next(place for place in range(len(copies) - 1, -1, -1) if copies[place] is wanted)
