"""Ways: both hops as one, from each author to each participant to whom the server passed on at least one of the author's messages.

A message is lost if the first hop lost it, the second lost every copy of it, or the server forgot it in between. What was sent before the
receiver joined was not meant for it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from realtime_lab.history.arrivals import arrival_of
from realtime_lab.history.copies import SERVER, Copy, Message
from realtime_lab.history.counting import Hops
from realtime_lab.history.hops import Passage
from realtime_lab.history.journeys import Journeys
from realtime_lab.history.leg import Leg
from realtime_lab.history.tally import Entry, List, Tally

FORGOTTEN = "the server never passed it on"


@dataclass(eq=False)
class _Way:
    """From one author to one receiver."""

    tally: Tally
    passed_on: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Event -> which of the author's messages the server passed on to this receiver, or meant to."""


class Ways:
    """Call `update()` before reading, with the messages that have changed on their hops."""

    def __init__(self, journeys: Journeys, hops: Hops) -> None:
        self._journeys, self._hops = journeys, hops
        self._ways: dict[str, dict[str, _Way]] = defaultdict(dict)
        """Author -> receiver -> the way."""
        self._own: dict[str, dict[int, Message]] = defaultdict(dict)
        """Author -> what it meant for the server."""
        self._relays: dict[int, dict[int, Message]] = defaultdict(dict)
        """Position of an author's message -> what the server passed on, or stored, for it."""
        self._joined: dict[str, int] = {}
        self._transactional: set[str] = set()

    def update(self, changed: Iterable[Message]) -> None:
        """Look again at what has changed."""
        sources = {}
        for message in changed:
            source = sources[message.source.seq] = message.source
            if message.root is not None:
                self._relays[source.seq][message.seq] = message
        for source in [*sources.values(), *self._otherwise()]:
            self._weigh(source)

    def legs(self) -> Iterator[Leg]:
        """One for each way, in the order of the receivers' hops."""
        order = {tally.receiver: place for place, tally in enumerate(self._hops.tallies()) if tally.sender == SERVER}
        tallies = [way.tally for ways in self._ways.values() for way in ways.values()]
        needed = [(order[tally.receiver], tally.first, tally) for tally in tallies if tally.first]
        return (tally.leg for *_, tally in sorted(needed, key=lambda each: each[:2]))

    def _otherwise(self) -> list[Message]:
        """What changes although its own fate does not: somebody has joined, or turns out to work in transactions."""
        joined = {name for name, seq in self._journeys.joined.items() if self._joined.get(name) != seq}
        everything = len(self._transactional) != len(self._journeys.transactional)
        self._joined, self._transactional = dict(self._journeys.joined), set(self._journeys.transactional)
        authors = [author for author, ways in self._ways.items() if everything or joined & ways.keys()]
        return [message for author in authors for message in self._own[author].values()]

    def _weigh(self, source: Message) -> None:
        first = self._hops.of(source).get((source.origin, SERVER))
        if first is not None:
            self._own[source.origin][source.seq] = source
        else:
            self._own[source.origin].pop(source.seq, None)
        relays = [self._hops.of(relay) for _, relay in sorted(self._relays.get(source.seq, {}).items())]
        ways = self._ways[source.origin]
        for receiver in {receiver for relay in relays for _, receiver in relay} - ways.keys():
            ways[receiver] = _Way(Tally(source.origin, receiver, end_to_end=True))
        for receiver in tuple(ways):
            self._put(source, receiver, first, [relay[SERVER, receiver] for relay in relays if (SERVER, receiver) in relay])

    def _put(self, source: Message, receiver: str, first: Passage | None, second: list[Passage]) -> None:
        way = self._ways[source.origin][receiver]
        names = way.passed_on[source.event]
        known = bool(names)
        if second:
            names.add(source.seq)
        else:
            names.discard(source.seq)
        way.tally.put(source.seq, self._entry(source, receiver, first if names else None, second))
        if known != bool(names):  # messages of another event are meant for this receiver, or of one event less
            for own in tuple(self._own[source.origin].values()):
                if own.event == source.event and own is not source:
                    self._weigh(own)

    def _entry(self, source: Message, receiver: str, first: Passage | None, second: list[Passage]) -> Entry | None:
        given = [copy for passage in second for copy in passage.given]
        own = first if first is not None and not first.refused else None
        moving = any(passage.moving for passage in [*second, *([own] if own else [])])
        reasons = [passage.reason for passage in second if passage.stage == "lost"]
        on: list[List] = []
        if own is not None:
            reasons += [FORGOTTEN] if self._forgotten(source, own) else []
            reasons += [own.reason] if own.stage == "lost" else []
            if given or source.seq > self._journeys.joined.get(receiver, -1):
                on = ["sent", *self._stage(given, reasons, moving=moving)]
        if not second and not on:
            return None
        return Entry(
            source,
            source.label,
            (second[0].message.seq, 0) if second else None,
            tuple(on),
            tuple(arrival_of(copy, source) for copy in given),
            reasons[-1] if reasons else "",
        )

    @staticmethod
    def _stage(given: list[Copy], reasons: list[str], *, moving: bool) -> list[List]:
        if given or not (moving or reasons):
            return []
        return ["in flight"] if moving else ["lost"]

    def _forgotten(self, source: Message, first: Passage) -> bool:
        """Was the server's handler given it, and did it neither store it nor pass it on to anybody?"""
        if source.seq in self._relays or source.settled == "rejected" or source.kept:
            return False
        return bool(first.given) and all(self._over(copy) for copy in first.given)

    def _over(self, copy: Copy) -> bool:
        """Does its handler do nothing more, and is what it did committed?"""
        return copy.failed >= 0 or (copy.committed if copy.message.event in self._journeys.transactional else copy.handled) >= 0
