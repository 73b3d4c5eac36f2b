"""Counting: the hops of a history as they are by now. Only messages whose fate may have changed are looked at again.

Three things change a fate: an event about the message, one about a connection on which a copy of it has not arrived, and for what is in
the server's log another standing of its receiver.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from realtime_lab.history.arrivals import arrival_of
from realtime_lab.history.copies import SERVER, Message
from realtime_lab.history.hops import Ends, Passage, passages_of
from realtime_lab.history.journeys import Journeys
from realtime_lab.history.labels import Names
from realtime_lab.history.leg import Leg
from realtime_lab.history.shelf import Shelf
from realtime_lab.history.tally import Entry, List, Tally


class Hops:
    """Call `notice()` after each event, and `update()` before reading."""

    def __init__(self, journeys: Journeys) -> None:
        self._journeys = journeys
        self.names = Names()
        self._passages: dict[int, dict[Ends, Passage]] = {}
        self._tallies: dict[Ends, Tally] = {}
        self._changed: dict[int, Message] = {}
        self._shaken: set[str] = set()
        self._on: dict[str, dict[int, Message]] = defaultdict(dict)
        """sid -> what has a copy there that has not arrived."""
        self._waiting: dict[str, dict[int, Message]] = defaultdict(dict)
        """Receiver -> what is in the log and may still be sent to it."""
        self._left: dict[str, Shelf[Message]] = defaultdict(Shelf)
        """Receiver -> what is in the log and is lost for it, by era and offset."""
        self._standings: dict[str, tuple[object, ...]] = {}
        """Receiver -> its standing when it was looked at last."""
        self._losses: Shelf[Passage] = Shelf()
        """What is in the log and is lost for somebody, by when it was."""

    def notice(self) -> None:
        """The journeys have taken in another event."""
        self._changed |= {message.seq: message for message in self._journeys.concerned}
        self._shaken |= {connection.sid for connection in self._journeys.shaken}

    def update(self) -> list[Message]:
        """Look again at what may have changed. Returns those messages."""
        for sid in self._shaken:
            self._changed |= self._on.get(sid, {})
        for receiver in tuple(self._standings):
            self._changed |= self._moved(receiver)
        changed, self._changed, self._shaken = list(self._changed.values()), {}, set()
        for message in changed:
            self._weigh(message)
        return changed

    def of(self, message: Message) -> dict[Ends, Passage]:
        """Where this message was meant to go, and how far it got."""
        return self._passages.get(message.seq, {})

    def tallies(self) -> list[Tally]:
        """Each hop for which something was meant, in the order in which they were first needed."""
        needed = [(tally.first, tally) for tally in self._tallies.values() if tally.first]
        return [tally for _, tally in sorted(needed, key=lambda each: each[0])]

    def legs(self) -> Iterator[Leg]:
        """One for each hop."""
        return (tally.leg for tally in self.tallies())

    def losses(self, since: int) -> list[Passage]:
        """What is in the log and was lost for somebody from this journal position on, by hop and in the order of handing in."""
        order = {(tally.sender, tally.receiver): place for place, tally in enumerate(self.tallies())}
        return sorted(self._losses.since((since,)), key=lambda passage: (order[passage.ends], passage.message.seq))

    # -- what may have changed ------------------------------------------------------------------------------------------------------

    def _moved(self, receiver: str) -> dict[int, Message]:
        """What has another fate because the receiver has another standing to the log."""
        standing, log = self._journeys.log.standing(receiver), self._journeys.log
        before, self._standings[receiver] = self._standings[receiver], standing.state
        if before == standing.state:
            return {}
        back: Iterable[Message] = ()
        if not standing.follows:
            back = self._left[receiver].since((log.era, standing.begins))
        elif not before[0]:
            back = self._left[receiver].items
        return self._waiting[receiver] | {message.seq: message for message in back}

    def _weigh(self, message: Message) -> None:
        old, new = self._passages.pop(message.seq, {}), passages_of(message, self._journeys.log)
        if new:
            self._passages[message.seq] = new
        if new or message.logged:
            self.names.add(message.source)
        for ends in old.keys() - new.keys():
            self._tallies[ends].put(message.seq, None)
        for ends, passage in new.items():
            if ends not in self._tallies:
                self._tallies[ends] = Tally(*ends)
            self._tallies[ends].put(message.seq, _entry(passage))
        for passage in old.values():
            self._forget(passage)
        for passage in new.values():
            self._remember(passage)

    def _forget(self, passage: Passage) -> None:
        message, receiver = passage.message, passage.ends[1]
        for copy in passage.copies:
            if copy.connection is not None:
                self._on[copy.connection.sid].pop(message.seq, None)
        self._waiting[receiver].pop(message.seq, None)
        if passage.loss:
            self._left[receiver].drop((message.era, message.offset, message.seq))
            self._losses.drop((passage.loss.seq, passage.ends, message.seq))

    def _remember(self, passage: Passage) -> None:
        message, (sender, receiver) = passage.message, passage.ends
        for copy in passage.copies:
            if copy.connection is not None and copy.arrived < 0:
                self._on[copy.connection.sid][message.seq] = message
        if not message.logged or sender != SERVER:
            return
        self._standings.setdefault(receiver, self._journeys.log.standing(receiver).state)
        if passage.stage == "in flight":
            self._waiting[receiver][message.seq] = message
        if passage.loss:
            self._left[receiver].put((message.era, message.offset, message.seq), message)
            self._losses.put((passage.loss.seq, passage.ends, message.seq), passage)


def _entry(passage: Passage) -> Entry:
    """For the leg of this hop."""
    message = passage.message
    on: list[List] = ["refused"] if passage.refused else ["sent"]
    if not passage.refused:
        on += [passage.stage] if passage.stage != "arrived" else []
        on += ["acked, unhandled"] if passage.stage != "arrived" and message.settled == "acked" else []
        on += ["unknown"] if message.unsure else []
    return Entry(
        message.source,
        message.source.label,
        passage.since,
        tuple(on),
        tuple(arrival_of(copy, message) for copy in passage.given),
        passage.reason,
        any(copy.wire_only for copy in passage.copies),
    )
