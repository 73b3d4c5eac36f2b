"""The same run as another journal could have recorded it: other cursors, links and clients come first, and breaks are noticed later."""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from realtime_lab.history.journal import Event
from tests.history.stories_of_replay import Replays

NAMES = ("alice", "bob", "carol")
BARE = "carol"


def calm(script: Sequence[tuple[str, str]], choose: random.Random) -> Replays:
    """Whoever does what the script says waits for calm after each thing. When the server notices a break is chance."""
    story = Replays(*NAMES, bare=[BARE])
    unnoticed: set[str] = set()
    doing = {
        "emit": lambda name: name in story.believes and story.emit(name),
        "publish": lambda name: story.publish("news"),
        "away": lambda name: name in story.believes and (story.cut(name), story.notice(name), unnoticed.add(name)),
        "back": lambda name: name not in story.believes and (story.server_notices(name), story.come_back(name)),
        "trim": lambda name: story.trim(max(story.head, 1)),
        "new database": lambda name: renew(story),
        "refresh": lambda name: story.positions.pop(name, None),
    }
    for what, name in [*script, ("", "")]:
        story.settle()
        for late in sorted(unnoticed):
            if late in story.believes or not what or choose.random() < 0.5:
                unnoticed.discard(late)
                if late not in story.believes:
                    story.server_notices(late)
        if what:
            doing[what](name)
    return story


def renew(story: Replays) -> None:
    """A new database: the server ends, and starts again with it."""
    story.crash("crash()")
    for name in tuple(story.believes):
        story.notice(name)
    story.new_database()
    story.restart()
    for name in NAMES:
        if story.links[name].up:
            story.connect(name)


def shuffled(events: Sequence[Event], choose: random.Random) -> tuple[Event, ...]:
    """The same run as another journal could have recorded it, if whoever broke or repaired something always waited for calm before it."""
    needs = _causes(events)
    order: list[int] = []
    left = set(range(len(events)))
    while left:
        order.append(choose.choice(sorted(index for index in left if not needs[index] & left)))
        left.discard(order[-1])
    return tuple(replace(events[index], seq=seq) for seq, index in enumerate(order))


def _causes(events: Sequence[Event]) -> list[set[int]]:
    """For each event the events that it cannot have come before: at its place, of its copy, of its connection, before what somebody did."""
    owner = {event.sid: event.node for event in events if event.kind == "wire" and event.type == "CONNECT"}
    needs: list[set[int]] = []
    latest: dict[tuple[object, ...], int] = {}
    counts: dict[tuple[str, str, str], int] = defaultdict(int)
    barrier = -1
    for index, event in enumerate(events):
        keys = [_place(event), *_copies(event, counts)]
        after = _before(event, owner.get(event.sid, ""))
        if event.kind in ("connected", "disconnected") and event.node == "server":
            keys.append(("cursor", event.sid))
        if event.kind == "connected" or event.type == "CONNECT":
            keys.append(("connection", event.sid))
        if event.kind == "stored":
            keys.append(("offset", event.offset))
        needs.append({latest[key] for key in (*keys, *after) if key in latest} | ({barrier} if barrier >= 0 else set()))
        if event.kind == "joined" or (event.kind == "fault" and f"{event.node}.link.cut(before=" not in event.reason):
            needs[-1] |= set(range(max(barrier, 0), index))
            barrier = index
        latest |= dict.fromkeys(keys, index)
    return needs


def _place(event: Event) -> tuple[object, ...]:
    """The events of each place keep their order. A cursor is a place of its own."""
    if event.node == "server" and event.kind in ("sent", "session"):
        return "cursor", event.sid
    if event.node != "server" and event.kind in ("wire", "held", "dropped", "fault"):
        return "link", event.node
    return "node", event.node


def _before(event: Event, client: str) -> list[tuple[object, ...]]:
    """What has to be over, at other places."""
    if event.kind == "disconnected":
        return [("link", client)]
    if event.kind == "connected" and event.node == "server":
        return [("link", client), ("node", client)]
    return [("offset", event.offset)] if event.kind in ("sent", "session") and event.node == "server" else []


def _copies(event: Event, counts: dict[tuple[str, str, str], int]) -> list[tuple[object, ...]]:
    """The copies that it is about, or the acknowledgements."""

    def count(kind: str, sid: str, direction: str) -> tuple[object, ...]:
        counts[kind, sid, direction] += 1
        return sid, direction, counts[kind, sid, direction] - 1

    if event.type == "ACK" or event.kind in ("answered", "acked"):
        return [("ack", event.sid, max(event.answers, event.index))]
    if event.kind in ("sent", "session"):
        return [count("sent", event.sid, "downstream" if event.node == "server" else "upstream")]
    if event.kind == "emitted":
        return [count("sent", sid, "downstream") for sid in event.sids]
    direction = event.direction or ("upstream" if event.node == "server" else "downstream")
    if event.kind == "received" and event.index < 0:
        return [count("received", event.sid, direction)]
    return [(event.sid, direction, event.index)] if event.sid and event.index >= 0 else []
