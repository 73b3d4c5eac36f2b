"""Histories for the tests: a toy stack that records through a real Journal what the real one would, without sockets and without time."""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from realtime_lab.history.journal import Event, Journal, Kind
from realtime_lab.rules.faults import DIRECTIONS, Direction

CHAT = "chat message"

Tag = tuple[str, str, int, int]
"""Who first handed a message in, its event, the n of #n; and the server's how-many-th emission it is, or 0."""


@dataclass
class Packet:
    sid: str
    direction: Direction
    index: int
    event: str
    tag: Tag


@dataclass
class Wire:
    """One client's link: what waits to cross it, in order."""

    up: bool = True
    stalled: bool = False
    queues: dict[Direction, list[Packet]] = field(default_factory=lambda: {direction: [] for direction in DIRECTIONS})


class Story:
    """Each call is something that happens; `events` is the record of it."""

    def __init__(self, *names: str, relay: bool = True, sids: str = "sid") -> None:
        ticks = count()
        self.journal = Journal(lambda: next(ticks) / 1000)
        self.links: dict[str, Wire] = {}
        self.foreign: set[str] = set()
        self.believes: dict[str, str] = {}
        """client -> the connection that it holds for alive."""
        self.accepted: dict[str, str] = {}
        """sid -> client: what the server holds for alive."""
        self.relay = relay
        self.handed: list[tuple[str, str, Tag]] = []
        """The truth, for tests that compare with it: (sender, receiver, message) for everything that an application handed in ..."""
        self.given: list[tuple[str, str, Tag]] = []
        """... and for everything that a handler was given, in that order."""
        self.refused: list[tuple[str, str, Tag]] = []
        self._tags: dict[tuple[str, str], list[Tag]] = defaultdict(list)
        self._sids = (f"{sids}{number}" for number in count(1))
        self._emissions: dict[str, int] = defaultdict(int)
        self._receptions: dict[str, int] = defaultdict(int)
        self._indexes: dict[tuple[str, Direction], int] = defaultdict(int)
        for name in names:
            self.join(name)
        for name in names:
            self.connect(name)

    @property
    def events(self) -> tuple[Event, ...]:
        return self.journal.events

    # -- connections ----------------------------------------------------------------------------------------------------------------

    def join(self, name: str, how: str = "") -> None:
        self.links[name] = Wire()
        self.foreign |= {name} if how == "wire" else set()
        self.journal.record(name, "joined", reason=how)

    def connect(self, name: str, failures: int = 0) -> str:
        for _ in range(failures + 1):
            if name not in self.foreign:
                self.journal.record(name, "connecting")
        sid = next(self._sids)
        self.accepted[sid] = name
        self.journal.record("server", "connected", sid=sid)
        self.journal.record(name, "wire", sid=sid, direction="downstream", packet=1, type="CONNECT")
        if name not in self.foreign:
            self.believes[name] = sid
            self.journal.record(name, "connected", sid=sid)
        return sid

    def notice(self, name: str, reason: str = "transport close") -> None:
        """The client finds out that its connection is gone."""
        self.journal.record(name, "disconnected", sid=self.believes.pop(name), reason=reason)

    def server_notices(self, name: str, reason: str = "transport close") -> None:
        for sid in [sid for sid, client in self.accepted.items() if client == name]:
            del self.accepted[sid]
            self.journal.record("server", "disconnected", sid=sid, reason=reason)

    def both_notice(self, name: str, reason: str = "transport close") -> None:
        self.server_notices(name, reason)
        if name in self.believes:
            self.notice(name, reason)

    # -- faults ---------------------------------------------------------------------------------------------------------------------

    def fault(self, name: str, word: str, code: str = "") -> None:
        self.journal.record(name, "fault", event=word, reason=f"{name}.link.{code or word + '()'}")

    def cut(self, name: str, code: str = "cut()") -> None:
        """What waits at the link is lost."""
        self.fault(name, "cut", code)
        self.links[name].up = False
        for queue in self.links[name].queues.values():
            for packet in queue:
                self._cross(name, packet, "dropped", "the link was cut")
            queue.clear()

    def stall(self, name: str) -> None:
        self.fault(name, "stall")
        self.links[name].stalled = True

    def resume(self, name: str) -> None:
        self.fault(name, "resume")
        self.links[name].stalled = False

    def restore(self, name: str) -> None:
        self.fault(name, "restore")
        self.links[name].up, self.links[name].stalled = True, False

    # -- messages -------------------------------------------------------------------------------------------------------------------

    def emit(self, name: str, times: int = 1, event: str = CHAT) -> None:
        for _ in range(times):
            number, self._emissions[name] = self._emissions[name], self._emissions[name] + 1
            self.journal.record(name, "emitted", message=number, event=event, text=str(number))
            tag = self._tag(name, event)
            if name in self.believes:
                self.send(name, number, tag)
            else:
                self.journal.record(name, "refused", message=number, event=event, reason="not connected")
                self.refused.append((name, "server", tag))

    def _tag(self, origin: str, event: str) -> Tag:
        tags = self._tags[origin, event]
        tags.append((origin, event, len(tags) + 1, 0))
        return tags[-1]

    def send(self, name: str, number: int, tag: Tag) -> None:
        """The client hands an emitted message to its connection: the first time, or again."""
        self.journal.record(name, "sent", message=number, event=tag[1], sid=self.believes[name])
        self._enqueue(name, self.believes[name], "upstream", tag)

    def publish(self, event: str = CHAT, *, cause: int = -1, skip: str = "", room: str = "", source: Tag | None = None) -> None:
        """The server emits to everybody whom it holds for connected."""
        tag = self._tag("server", event)
        number, self._emissions["server"] = self._emissions["server"], self._emissions["server"] + 1
        sids = tuple(sid for sid in self.accepted if sid != skip and room in ("", sid))
        self.journal.record("server", "emitted", message=number, event=event, cause=cause, sids=sids, skip=skip, room=room)
        tag = (*(source or tag)[:3], number + 1)
        for sid in sids:
            self._enqueue(self.accepted[sid], sid, "downstream", tag)
        here = {self.accepted[sid] for sid in (*sids, skip) if sid in self.accepted}
        if not room:
            self.handed += [("server", name, tag) for name in self.links if name not in here | self.foreign]

    def foreign_emit(self, name: str, sid: str, event: str = CHAT) -> None:
        """A client that reports nothing: its link is the first to see the message."""
        self._enqueue(name, sid, "upstream", self._tag(name, event))

    def _enqueue(self, name: str, sid: str, direction: Direction, tag: Tag) -> None:
        index, self._indexes[sid, direction] = self._indexes[sid, direction], self._indexes[sid, direction] + 1
        packet = Packet(sid, direction, index, tag[1], tag)
        self.handed.append((name, "server", tag) if direction == "upstream" else ("server", name, tag))
        if self.links[name].up:
            self.links[name].queues[direction].append(packet)
            if self.links[name].stalled:
                self._cross(name, packet, "held")

    def _cross(self, name: str, packet: Packet, kind: Kind, reason: str = "") -> None:
        self.journal.record(
            name, kind, sid=packet.sid, direction=packet.direction, index=packet.index, event=packet.event, type="EVENT", reason=reason
        )

    def carry(self, name: str, direction: Direction, most: int = 10**6, *, handled: bool = True) -> int:
        """The link forwards what waits, and the other end receives it. Returns how many crossed."""
        link = self.links[name]
        moved = 0
        while link.up and not link.stalled and link.queues[direction] and moved < most:
            packet = link.queues[direction].pop(0)
            self._cross(name, packet, "wire")
            self._receive(name, packet, handled)
            moved += 1
        return moved

    def _receive(self, name: str, packet: Packet, handled: bool) -> None:
        if packet.direction == "downstream" and name in self.foreign:
            return
        if not self.alive(name, packet):
            return
        node = "server" if packet.direction == "upstream" else name
        number, self._receptions[node] = self._receptions[node], self._receptions[node] + 1
        self.journal.record(node, "received", message=number, sid=packet.sid, event=packet.event)
        self.given.append((name, "server", packet.tag) if node == "server" else ("server", name, packet.tag))
        if node == "server" and self.relay:
            self.publish(packet.event, cause=number, skip=packet.sid, source=packet.tag)
        if handled:
            self.handled(node, number)

    def alive(self, name: str, packet: Packet) -> bool:
        """Does the receiving side still hold the connection of this packet for alive?"""
        return packet.sid in self.accepted if packet.direction == "upstream" else self.believes.get(name) == packet.sid

    @property
    def waiting(self) -> set[tuple[str, str, Tag]]:
        """The truth: what can still arrive."""
        found = set()
        for name, link in self.links.items():
            for direction, queue in link.queues.items():
                ends = (name, "server") if direction == "upstream" else ("server", name)
                found |= {(*ends, packet.tag) for packet in queue if self.alive(name, packet)}
        return found

    def handled(self, node: str, number: int) -> None:
        self.journal.record(node, "handled", message=number)

    def failed(self, node: str, number: int, reason: str = "ValueError: no") -> None:
        self.journal.record(node, "failed", message=number, reason=reason)

    def settle(self) -> None:
        """Everything that can still arrive arrives, one packet after the other."""
        while sum(self.carry(name, direction, 1) for name in self.links for direction in DIRECTIONS):
            pass


# -- the same run, recorded in another order -----------------------------------------------------------------------------------------


def interleaved(events: Sequence[Event], choose: random.Random) -> tuple[Event, ...]:
    """The same run as another journal could have recorded it: only cause and effect, and the order at one place, are kept."""
    needs = _causes(events)
    ready = [index for index, causes in enumerate(needs) if not causes]
    waiting = {index: set(causes) for index, causes in enumerate(needs) if causes}
    order: list[int] = []
    while ready:
        index = ready.pop(choose.randrange(len(ready)))
        order.append(index)
        for other, causes in list(waiting.items()):
            causes.discard(index)
            if not causes:
                del waiting[other]
                ready.append(other)
    assert len(order) == len(events)
    return tuple(replace(events[index], seq=seq, time=float(choose.randrange(1000))) for seq, index in enumerate(order))


LINK = ("wire", "held", "dropped", "fault")


def _hands(events: Sequence[Event]) -> list[set[str]]:
    """For each event the links that somebody's hand is on: who breaks or repairs a link does so before or after a message is handed to it,
    and before or after its client finds out that its connection is gone.

    A cut that a packet sets off is nobody's hand. What the server passes on is handed over where it was received.
    """
    owner = {event.sid: event.node for event in events if event.kind == "wire" and event.type == "CONNECT"}
    names = {event.node for event in events if event.kind == "joined"}
    found: list[set[str]] = []
    received: dict[int, int] = {}
    for event in events:
        hands: set[str] = set()
        if (event.kind == "fault" and not event.reason.startswith(f"{event.node}.link.cut(before=")) or (
            event.kind in ("emitted", "refused", "sent", "disconnected") and event.node != "server"
        ):
            hands = {event.node}
        elif event.kind == "emitted":
            hands = {owner.get(sid, "") for sid in event.sids} if event.room else names - {owner.get(event.skip, "")}
        elif event.kind == "received" and event.node == "server":
            received[event.message] = len(found)
        found.append({f"hand on {name}'s link" for name in hands})
        if event.kind == "emitted" and event.cause >= 0:
            found[received[event.cause]] |= found[-1]
    return found


def _causes(events: Iterable[Event]) -> list[set[int]]:
    """For each event the events that it cannot have come before."""
    needs: list[set[int]] = []
    at: dict[str, int] = {}  # a place (a client, its link, the server) -> its latest event
    connection: dict[str, int] = {}  # sid -> the latest (dis)connection event of either side
    owner: dict[str, str] = {}
    packets: dict[tuple[str, str, int], int] = {}  # a copy -> the latest event about it
    sent: dict[tuple[str, str], int] = defaultdict(int)
    got: dict[tuple[str, str], int] = defaultdict(int)
    joined: set[int] = set()
    events = tuple(events)
    hands = _hands(events)
    for index, event in enumerate(events):
        place = f"{event.node}'s link" if event.kind in LINK else event.node
        causes = {at[place]} if place in at else set()
        if event.kind == "joined":
            causes |= joined  # the order of joining is the order of the cells
            joined.add(index)
        else:
            causes |= joined
        if event.kind == "wire" and event.type == "CONNECT":
            owner[event.sid] = event.node
        if event.kind in ("connected", "disconnected"):
            client = owner.get(event.sid, event.node)
            causes |= {connection[event.sid]} if event.sid in connection and event.kind == "connected" else set()
            causes |= {at[name] for name in (f"{client}'s link",) if name in at}
            connection[event.sid] = index
        if event.kind == "connected" and event.node == "server":
            causes |= {at[name] for name in _next_client(events, index) if name in at}
        if event.kind in ("fault", "wire") and event.index < 0:
            causes |= {connection[sid] for sid, name in owner.items() if name == event.node and sid in connection}
        for name in hands[index]:
            causes |= {at[name]} if name in at else set()
            at[name] = index
        for key in _copies(event, sent, got):
            causes |= {packets[key]} if key in packets else set()
            packets[key] = index
        at[place] = index
        needs.append(causes)
    return needs


def _next_client(events: Iterable[Event], index: int) -> tuple[str, str]:
    """Who connects here (the server's event does not say), and its link."""
    events = list(events)
    sid = events[index].sid
    name = next(event.node for event in events[index + 1 :] if event.sid == sid and event.kind == "wire" and event.type == "CONNECT")
    return name, f"{name}'s link"


def _copies(event: Event, sent: dict[tuple[str, str], int], got: dict[tuple[str, str], int]) -> list[tuple[str, str, int]]:
    """The copies of messages that this event is about."""

    def take(counts: dict[tuple[str, str], int], sid: str, direction: str) -> tuple[str, str, int]:
        counts[sid, direction] += 1
        return sid, direction, counts[sid, direction] - 1

    if event.kind == "sent":
        return [take(sent, event.sid, "upstream")]
    if event.kind == "emitted":
        return [take(sent, sid, "downstream") for sid in event.sids]
    if event.kind == "received":
        return [take(got, event.sid, "upstream" if event.node == "server" else "downstream")]
    return [(event.sid, event.direction, event.index)] if event.kind in LINK and event.index >= 0 else []


# -- the pictures that people look at -------------------------------------------------------------------------------------------------


def cut_before_six(failures: int = 3, sids: str = "sid") -> Story:
    """Alice sends ten; her link is cut before #6; later it is restored and she connects again."""
    story = Story("alice", "bob", sids=sids)
    story.fault("alice", "armed", 'cut(before="chat message #6")')
    story.emit("alice", 10)
    for _ in range(5):
        story.carry("alice", "upstream", 1)
        story.carry("bob", "downstream")
    story.cut("alice", 'cut(before="chat message #6")')
    story.both_notice("alice")
    story.restore("alice")
    story.connect("alice", failures=failures)
    return story


def bob_misses() -> Story:
    """The server publishes six; bob's link is cut before #3, and he stays away."""
    story = Story("alice", "bob", relay=False)
    for number in range(1, 7):
        story.publish()
        story.carry("alice", "downstream")
        if number < 3:
            story.carry("bob", "downstream")
        if number == 3:
            story.cut("bob", 'cut(before="chat message #3")')
            story.both_notice("bob")
    return story


def stalled(give_up: bool = True) -> Story:
    """Two arrive, then the link stalls and holds what comes; in the end both sides give up."""
    story = Story("alice", "bob")
    story.emit("alice", 2)
    story.settle()
    story.stall("alice")
    story.emit("alice", 3)
    story.publish("news")
    story.settle()
    if give_up:
        story.server_notices("alice", "ping timeout")
        story.notice("alice", "ping timeout")
        story.links["alice"].stalled = False
        for direction in DIRECTIONS:
            for packet in story.links["alice"].queues[direction]:
                story._cross("alice", packet, "dropped", "both ends had hung up")
            story.links["alice"].queues[direction].clear()
    return story


def crossing() -> Story:
    """Two authors at once."""
    story = Story("alice", "bob")
    story.emit("alice", 3)
    story.emit("bob", 3)
    story.settle()
    return story


def burst(size: int = 20) -> Story:
    story = Story("alice", "bob")
    story.emit("alice", size)
    story.settle()
    return story


def slow_handlers() -> Story:
    """The server is given #1, #2, #3 and finishes #2, #3, #1."""
    story = Story("alice", relay=False)
    story.emit("alice", 3)
    story.carry("alice", "upstream", handled=False)
    for number in (1, 2, 0):
        story.handled("server", number)
    return story


def two_cooks() -> Story:
    """Alice and bob send to the server; bob's one message came last and is finished first."""
    story = Story("alice", "bob", relay=False)
    story.emit("alice", 3)
    story.carry("alice", "upstream", handled=False)
    story.emit("bob")
    story.carry("bob", "upstream", handled=False)
    for number in (3, 0, 1, 2):
        story.handled("server", number)
    return story


def alone() -> Story:
    """One client: three arrive, then it is disconnected and emit refuses."""
    story = Story("alice")
    story.emit("alice", 3)
    story.settle()
    story.fault("alice", "close")
    story.links["alice"].up = False
    story.both_notice("alice")
    story.emit("alice", 2)
    story.journal.record("alice", "connecting")
    return story


def four() -> Story:
    """Four clients; carol is cut off and comes back."""
    story = Story("alice", "bob", "carol", "dave")
    story.emit("alice", 2)
    story.settle()
    story.cut("carol")
    story.both_notice("carol")
    story.emit("bob", 2)
    story.settle()
    story.restore("carol")
    story.connect("carol", failures=1)
    story.emit("dave", 1)
    story.settle()
    return story


def foreign() -> Story:
    """A client that is seen on its link only."""
    story = Story("alice")
    story.join("tab", "wire")
    sid = story.connect("tab")
    story.foreign_emit("tab", sid)
    story.settle()
    story.emit("alice", 2)
    story.settle()
    return story


STORIES = {
    "cut before six": cut_before_six,
    "bob misses": bob_misses,
    "stalled": stalled,
    "still stalled": lambda: stalled(give_up=False),
    "crossing": crossing,
    "burst": burst,
    "slow handlers": slow_handlers,
    "two cooks": two_cooks,
    "alone": alone,
    "four": four,
    "foreign": foreign,
    "empty": Story,
}
