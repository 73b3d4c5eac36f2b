"""Histories of clients that keep and send again, and of a server that acknowledges, deduplicates and crashes. See stories.py."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from realtime_lab.history.journal import Event
from tests.history.stories import CHAT, Story, _causes

LATE = "no acknowledgement in 2 s"
BEFORE_COMMIT = "the server crashed before the commit"


class Retries(Story):
    """One event after the other: what a client with retries, its link and the server would record."""

    def __init__(self, *names: str, relay: bool = False, sids: str = "sid") -> None:
        super().__init__(*names, relay=relay, sids=sids)
        self.tags: dict[tuple[str, int], Any] = {}
        self.places: dict[tuple[str, int], tuple[str, int]] = {}
        """(client, emission) -> sid and index of its latest send."""

    # -- the client -----------------------------------------------------------------------------------------------------------------

    def keep(self, name: str, reason: str = "", event: str = CHAT, *, id: bool = True) -> int:
        """An application emits, and the client keeps it. Returns the number of the emission."""
        number = self.emitted(name, event)
        self.journal.record(name, "buffered", message=number, event=event, id=f"{name}:{number}" if id else "", reason=reason)
        return number

    def emitted(self, name: str, event: str = CHAT) -> int:
        number, self._emissions[name] = self._emissions[name], self._emissions[name] + 1
        self.journal.record(name, "emitted", message=number, event=event, text=str(number))
        self.tags[name, number] = self._tag(name, event)
        return number

    def hand_over(self, name: str, number: int, attempt: int = 1, reason: str = "") -> None:
        sid, tag = self.believes[name], self.tags[name, number]
        self.places[name, number] = sid, self._indexes[sid, "upstream"]
        self.journal.record(name, "sent", message=number, event=tag[1], sid=sid, attempt=attempt, reason=reason)
        self._enqueue(name, sid, "upstream", tag)

    def time_out(self, name: str, number: int, attempt: int = 1) -> None:
        sid, index = self.places[name, number]
        self.journal.record(name, "timed_out", message=number, sid=sid, index=index, attempt=attempt, reason=LATE)

    def settled(self, name: str, number: int, reason: str = "acked", text: str = "") -> None:
        self.journal.record(name, "settled", message=number, reason=reason, text=text)

    # -- the server -----------------------------------------------------------------------------------------------------------------

    def arrive(self, name: str, outcome: str = "handled", *, answer: bool = True) -> int:
        """The next packet crosses the link. "handled", "running", "failed", or why the server turns it away. Returns the reception."""
        packet = self.links[name].queues["upstream"].pop(0)
        self._cross(name, packet, "wire")
        place: dict[str, Any] = {"sid": packet.sid, "index": packet.index}
        number = self._receptions["server"]
        if outcome in ("handled", "running", "failed"):
            self._receptions["server"] += 1
            self.journal.record("server", "received", message=number, event=packet.event, **place)
            if self.relay:
                self.publish(packet.event, cause=number, skip=packet.sid, source=packet.tag)
        else:
            self.journal.record("server", "discarded", event=packet.event, reason=outcome, **place)
        if outcome == "handled":
            self.handled("server", number)
            self.journal.record("server", "committed", message=number)
        elif outcome == "failed":
            self.failed("server", number)
        if answer and outcome != "running":
            self.journal.record("server", "answered", reason="ok", **place)
        return number

    def ack(self, name: str, number: int, reason: str = "ok", *, fate: Any = "wire", place: tuple[str, int] | None = None) -> None:
        """The acknowledgement of its latest send crosses the link, or is "held" or "dropped" there."""
        sid, index = place or self.places[name, number]
        why = "the link was cut" if fate == "dropped" else ""
        self.journal.record(name, fate, sid=sid, direction="downstream", type="ACK", answers=index, reason=why)
        if fate == "wire":
            self.journal.record(name, "acked", message=number, sid=sid, index=index, reason=reason)

    def crossing_ack(self, name: str, index: int) -> None:
        """The server answers, and the link lets it pass to a client that says nothing about it."""
        sid = self.believes[name]
        self.journal.record("server", "answered", sid=sid, index=index, reason="ok")
        self.journal.record(name, "wire", sid=sid, direction="downstream", type="ACK", answers=index)

    def delivered(self, name: str, number: int, attempt: int = 1, outcome: str = "handled") -> None:
        """Sent, handled (or turned away), acknowledged, settled."""
        self.hand_over(name, number, attempt)
        self.arrive(name, outcome)
        self.ack(name, number)
        self.settled(name, number)

    def crash(self, code: str = 'crash(at="before_commit")') -> None:
        self.journal.record("server", "fault", event="crash", reason=f"lab.server.{code}")
        for sid in tuple(self.accepted):
            self.journal.record("server", "disconnected", sid=sid, reason="the server crashed")
        self.accepted.clear()
        for link in self.links.values():
            for queue in link.queues.values():
                queue.clear()

    def undo(self, reception: int) -> None:
        self.journal.record("server", "undone", message=reception, reason=BEFORE_COMMIT)

    def restart(self) -> None:
        self.journal.record("server", "fault", event="restart", reason="lab.server.restart()")


# -- the stories ----------------------------------------------------------------------------------------------------------------------


def lost_ack() -> Retries:
    """#1 is handled, its acknowledgement is lost with the link; the second try is known and answered again."""
    story = Retries("alice")
    first = story.keep("alice")
    story.hand_over("alice", first)
    story.arrive("alice")
    story.cut("alice", 'cut(before="ack #1")')
    story.ack("alice", first, fate="dropped")
    story.both_notice("alice")
    story.restore("alice")
    story.connect("alice")
    story.delivered("alice", first, attempt=2, outcome="duplicate")
    return story


def handled_twice() -> Retries:
    """Without dedupe: a slow handler, a timeout, and the second try is handled too. The first answer comes late."""
    story = Retries("alice")
    first = story.keep("alice")
    story.hand_over("alice", first)
    reception, place = story.arrive("alice", "running"), story.places["alice", first]
    story.time_out("alice", first)
    story.hand_over("alice", first, attempt=2)
    story.arrive("alice", answer=False)
    story.handled("server", reception)
    story.journal.record("server", "answered", sid=place[0], index=place[1], reason="ok")
    story.ack("alice", first, place=place)
    story.settled("alice", first)
    return story


def offline() -> Retries:
    """Alice emits three while she is offline; they leave one after the other when she is back. One volatile is dropped."""
    story = Retries("alice", "bob", relay=True)
    story.cut("alice")
    story.both_notice("alice")
    kept = [story.keep("alice", "not connected") for _ in range(3)]
    volatile = story.emitted("alice")
    story.journal.record("alice", "discarded", message=volatile, reason="volatile, and not connected")
    story.settled("alice", volatile, "rejected")
    story.restore("alice")
    story.connect("alice")
    for number in kept:
        story.delivered("alice", number)
        story.carry("bob", "downstream")
    return story


def crashed() -> Retries:
    """The server crashes before it commits #2: its effects are undone, and the second try is the first that counts."""
    story = Retries("alice")
    first, second = story.keep("alice"), story.keep("alice", "waits for its turn")
    story.delivered("alice", first)
    story.hand_over("alice", second)
    reception = story.arrive("alice", "running")
    story.crash()
    story.undo(reception)
    story.notice("alice")
    story.restart()
    story.connect("alice")
    story.delivered("alice", second, attempt=2)
    return story


def given_up() -> Retries:
    """Two tries of #1 are not answered: its fate is unknown, a tombstone goes first, and #2 arrives."""
    story = Retries("alice")
    first, second = story.keep("alice"), story.keep("alice", "waits for its turn")
    story.stall("alice")
    story.hand_over("alice", first)
    story.time_out("alice", first)
    story.both_notice("alice", "ping timeout")
    story.restore("alice")
    story.links["alice"].queues["upstream"].clear()
    story.connect("alice")
    story.hand_over("alice", first, attempt=2)
    story.links["alice"].queues["upstream"].clear()
    story.cut("alice")
    story.both_notice("alice")
    story.settled("alice", first, "unknown", LATE)
    story.restore("alice")
    story.connect("alice")
    story.hand_over("alice", first, 0, "given up")
    story.arrive("alice", "given up", answer=False)
    story.delivered("alice", second)
    return story


def refreshed(*, store: bool) -> Retries:
    """Alice keeps two and her tab is refreshed: with a store they are found again, without it they are gone."""
    story = Retries("alice")
    story.both_notice("alice")
    kept = [story.keep("alice", "not connected") for _ in range(2)]
    for number in kept:
        if store:
            again = number + 10
            story.tags["alice", again] = story.tags["alice", number]
            story.journal.record("alice", "restored", message=again, id=f"alice:{number}", event=CHAT)
        else:
            story.journal.record("alice", "forgotten", message=number, reason="the tab was refreshed")
    story._emissions["alice"] = 20
    story.connect("alice")
    for number in kept if store else ():
        story.delivered("alice", number + 10)
    return story


def turned_away() -> Retries:
    """#2 comes before #1 was there and is refused as a gap; then both come in order."""
    story = Retries("alice")
    first, second = story.keep("alice"), story.keep("alice")
    story.hand_over("alice", second)
    story.arrive("alice", "gap")
    story.ack("alice", second, "gap: expected 1")
    story.delivered("alice", first)
    story.delivered("alice", second, attempt=2)
    return story


def held_ack() -> Retries:
    """Only the way back is stalled: the message passes, its acknowledgement waits at the link."""
    story = Retries("alice")
    story.stall("alice")
    first = story.keep("alice")
    story.hand_over("alice", first)
    story.arrive("alice")
    story.ack("alice", first, fate="held")
    return story


def undefined_key() -> Retries:
    """Two messages under one key: the second is taken for a duplicate, acknowledged, and never handled."""
    story = Retries("alice")
    first, second = story.keep("alice"), story.keep("alice", "waits for its turn")
    story.delivered("alice", first)
    story.delivered("alice", second, outcome="duplicate")
    return story


def late_ack(*, over: bool | None = True) -> Retries:
    """The answer crosses the link when alice does not wait for it any more; she says nothing. `over`: then the link is cut.

    None: it has not crossed yet.
    """
    story = Retries("alice")
    number = story.emitted("alice")
    story.hand_over("alice", number)
    story.arrive("alice", "running")
    story.time_out("alice", number)
    story.settled("alice", number, "unknown", LATE)
    story.handled("server", 0)
    if over is not None:
        story.crossing_ack("alice", 0)
    if over:
        story.cut("alice")
        story.both_notice("alice")
    return story


def two_answers(second: str = "after") -> Retries:
    """Both tries are answered; the first answer settles the message. The other crosses the link "before" that, or "after"."""
    story = Retries("alice")
    number = story.keep("alice")
    story.hand_over("alice", number)
    place = {"sid": "sid1", "index": 0}
    story.arrive("alice", "running")
    story.time_out("alice", number)
    story.hand_over("alice", number, attempt=2)
    story.arrive("alice", "duplicate", answer=False)
    story.handled("server", 0)
    story.journal.record("server", "committed", message=0)
    story.journal.record("server", "answered", **place, reason="ok")
    story.journal.record("alice", "wire", sid="sid1", direction="downstream", type="ACK", answers=0)
    if second == "before":
        story.crossing_ack("alice", 1)
    story.journal.record("alice", "acked", message=number, **place, reason="ok")
    story.settled("alice", number)
    if second == "after":
        story.crossing_ack("alice", 1)
    story.both_notice("alice")
    return story


def earlier_tombstone(*, known: bool, answered: bool = True) -> Retries:
    """An earlier run gave a message up, and the store kept its tombstone. `known`: this history saw that run."""
    story = Retries("alice")
    if known:
        number = story.keep("alice")
        story.hand_over("alice", number)
        story.cut("alice")
        story.both_notice("alice")
        story.settled("alice", number, "unknown", LATE)
        story.restore("alice")
    story.journal.record("alice", "restored", message=5, id="alice:0" if known else "old:9", reason="given up")
    story.tags["alice", 5] = "alice", "", 0, 0
    story._emissions["alice"] = 6
    if known:
        story.connect("alice")
    story.hand_over("alice", 5, 1, "given up")
    if answered:
        story.arrive("alice", "given up")
    if not known:
        story.delivered("alice", story.keep("alice"))
    return story


def everything() -> Retries:
    """Nearly every kind of arrow in one picture."""
    story = Retries("alice", "bob", relay=True)
    numbers = [story.keep("alice") for _ in range(5)]
    story.delivered("alice", numbers[0])
    for attempt, outcome in ((1, "handled"), (2, "handled"), (3, "duplicate")):
        story.hand_over("alice", numbers[1], attempt)
        story.arrive("alice", outcome, answer=attempt == 3)
    story.hand_over("alice", numbers[2])
    story.cut("alice", 'cut(before="ack #2")')
    story.ack("alice", numbers[1], fate="dropped")
    story.both_notice("alice")
    story.settled("alice", numbers[2], "unknown", LATE)
    story.restore("alice")
    story.connect("alice")
    story.hand_over("alice", numbers[2], 1, "given up")
    story.arrive("alice", "given up")
    story.stall("alice")
    story.hand_over("alice", numbers[3])
    return story


def queue(size: int = 12) -> Retries:
    """One after the other, and every fourth needs a second try."""
    story = Retries("alice", "bob", relay=True)
    numbers = [story.keep("alice", "waits for its turn" if number else "") for number in range(size)]
    for number in numbers:
        again = number % 4 == 3
        if again:
            story.hand_over("alice", number)
            story.arrive("alice")
            story.carry("bob", "downstream")
            story.time_out("alice", number)
        story.delivered("alice", number, 1 + again, "duplicate" if again else "handled")
        story.carry("bob", "downstream")
    return story


RETRIES = {
    "lost ack": lost_ack,
    "handled twice": handled_twice,
    "offline": offline,
    "crashed": crashed,
    "given up": given_up,
    "refreshed, no store": lambda: refreshed(store=False),
    "refreshed, store": lambda: refreshed(store=True),
    "turned away": turned_away,
    "held ack": held_ack,
    "undefined key": undefined_key,
    "queue": queue,
    "late ack": late_ack,
    "two answers": two_answers,
    "two answers at once": lambda: two_answers("before"),
    "earlier tombstone": lambda: earlier_tombstone(known=True),
    "older tombstone": lambda: earlier_tombstone(known=False),
    "everything": everything,
}


# -- the same run, with acknowledgements that took another time --------------------------------------------------------------------------


def retimed(events: Sequence[Event], choose: random.Random) -> tuple[Event, ...]:
    """The same run as another journal could have recorded it. When an acknowledgement came is chance, except for what it let go."""
    needs = [a | b for a, b in zip(_causes([_plain(event) for event in events]), _more_causes(events), strict=True)]
    order: list[int] = []
    left = set(range(len(events)))
    while left:
        ready = sorted(index for index in left if not needs[index] & left)
        order.append(choose.choice(ready))
        left.discard(order[-1])
    return tuple(replace(events[index], seq=seq) for seq, index in enumerate(order))


def _plain(event: Event) -> Event:
    """What the causes of stories.py know it as."""
    if event.kind == "acked":
        return replace(event, node=f"{event.node}'s acks")
    if event.kind == "discarded" and event.node == "server":
        return replace(event, kind="received")
    if event.kind == "fault" and event.node == "server":
        return replace(event, kind="handled")
    return replace(event, kind="refused") if event.kind in ("buffered", "discarded") else event


def _more_causes(events: Sequence[Event]) -> list[set[int]]:
    """The way back of each copy, what an acknowledgement lets go, and what a crash or a restart stands before and after."""
    needs: list[set[int]] = [set() for _ in events]
    way: dict[tuple[str, int], int] = {}
    acks: dict[str, int] = {}
    hands: list[int] = []
    crash: int | None = None
    for index, event in enumerate(events):
        place = (event.sid, event.answers if event.type == "ACK" else event.index)
        if event.type == "ACK" or event.kind in ("answered", "acked", "timed_out") or (event.node == "server" and event.index >= 0):
            needs[index] |= {way[place]} if place in way else set()
            way[place] = index
        if event.kind in ("settled", "sent", "disconnected") and event.node in acks:
            needs[index].add(acks[event.node])
        if event.kind == "acked":
            acks[event.node] = index
        if event.kind == "disconnected" and crash is not None:
            needs[index].add(crash)
        by_hand = event.kind == "fault" and event.node == "server"
        if by_hand:
            crash = index if event.event == "crash" else crash
            needs[index] |= set(hands)
        if by_hand or event.kind in ("emitted", "sent", "buffered", "discarded"):
            needs[index] |= {other for other in hands if events[other].kind == "fault"}
            hands.append(index)
    return needs
