"""The journal: an append-only record of everything that happened in a lab. Every picture, score and verdict is computed from it.

Who writes which kind:

    joined, left             the lab, for each participant; `text` is its options; `reason` "wire" marks a client that is seen on its link
                             only, "tab" one in a browser, which tells by itself what it did
    emitted, refused         an application called emit() (`reason` "volatile": now or never); a client refuses while it is disconnected
                             (bare), or when its buffer is full
    buffered                 a client keeps an emitted message until it is settled; `reason` "not connected" or "waits for its turn";
                             `id` is the number it travels under, if it has one; `text` "its timeout is running": it will be thrown away
    sent                     a client handed an emitted message to its connection `sid`, for the `attempt`-th time; `reason` "given up":
                             only its tombstone (the server's `emitted` lists all `sids`); or a cursor of the server handed a stored event
                             (`event`, `offset`) to `sid`
    acked, timed_out         a client got an acknowledgement (`reason` "ok" or why not), or none in time; `sid`, `index`: of which send
    discarded                a client threw a kept message away without sending it (`reason`); or the server did not give an event that
                             arrived (`sid`, `index`) to a handler: "duplicate", "gap", "given up", "conflict", "replaced"; or a client
                             with replay was sent it again (`sid`, `index`): "repeat"
    settled                  the sender learned a fate: `reason` is acked, rejected or unknown, `text` says more
    forgotten, restored      a client that started anew has lost a message, or found it in its store (`id`) under a new `message` number;
                             `reason` "given up": only its tombstone was left there
    wire, held, dropped      a link forwarded a packet, keeps it while stalled, or lost it (`reason`)
    received                 a handler was given a message; `message` numbers what this node received, `index` is its place on `sid`
    handled, failed          that handler returned, or raised (`reason`)
    committed, undone        the transaction of that handler's effects was committed, or rolled back (`reason`)
    answered                 the server handed the acknowledgement of event `index` of `sid` to its connection
    stored                   an event is in the server's log, committed, under `offset`; otherwise as the server's `emitted`
    session                  the server told connection `sid` where it stands: `offset`, `reason` "" (recovered) or why it is not: "new",
                             "truncated", "epoch-changed", "ahead"; it takes a place on the connection like any event
    recovered                a client with replay was told that; `sid`, `index`: as which event
    refreshed                a client is about to start anew
    halted, resumed          a client goes no further, because its handler has raised every time (`message`, `reason`); or tries again
    skipped                  the application decided to go on without this one (`message`, `reason`)
    connecting, connected, disconnected    the client's side and the server's side each say it for themselves
    fault                    somebody broke or repaired a link or the server; `reason` is the line of code that does it. With the server's
                             "trim" the log forgot everything up to `offset`; after its "new database" offsets begin again and mean other
                             messages
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args, overload

from realtime_lab.rules.faults import Direction

GIVEN_UP = "given up"
"""The `reason` of what is about a tombstone only."""
NOT_ASKED = "no acknowledgement was asked for"
"""The `text` of a fate that nobody wanted to know."""

Kind = Literal[
    "joined", "left", "emitted", "refused", "buffered", "sent", "acked", "timed_out", "discarded", "settled", "forgotten", "restored",
    "wire", "held", "dropped", "received", "handled", "failed", "committed", "undone", "answered",
    "stored", "session", "recovered", "refreshed", "halted", "resumed", "skipped",
    "connecting", "connected", "disconnected", "fault",
]  # fmt: skip


@dataclass(slots=True)  # frozen it would take seven times as long to be made (measured), and a message makes seven of them
class Event:
    """One thing that happened at one place; nobody changes it afterwards. Fields that do not apply keep their default."""

    seq: int
    """Position in the journal, from 0."""
    time: float
    """Seconds on the journal's clock."""
    node: str
    """A participant's name or "server"; for wire, held, dropped and fault: whose link."""
    kind: Kind
    sid: str = ""
    """Socket.IO's id of the connection."""
    message: int = -1
    """The node's running number: of the reception on received, handled, failed, committed and undone, else of the emission."""
    id: str = ""
    """The id that the message travels under ("client id:n"), on buffered and restored."""
    attempt: int = 0
    """sent, timed_out: the how-many-th time it was sent, from 1."""
    event: str = ""
    """The Socket.IO event name."""
    text: str = ""
    """The payload, or the packet on the wire, shortened."""
    reason: str = ""
    cause: int = -1
    """On the server's `emitted`: the reception whose handler emitted this."""
    sids: tuple[str, ...] = ()
    """On the server's `emitted`: the connections it was handed to."""
    skip: str = ""
    """On the server's `emitted`: the connection that was left out on purpose (usually the author's own)."""
    room: str = ""
    """On the server's `emitted`: the room or sid it was meant for; empty means everybody."""
    direction: Direction | Literal[""] = ""
    offset: int = -1
    """The place of a stored event in the server's log, or of a session; on `emitted`: the "id" of data like {"id": 7, "data": ...}."""
    index: int = -1
    """The how-many-th event of that connection and direction, from 0 (-1: not an event)."""
    inside: int = -1
    """sent, received, discarded: the place of a stored event within a batch, from 0 (-1: it is an event of its own)."""
    answers: int = -1
    """On the wire: the `index` of the event of the other direction that this ACK acknowledges."""
    packet: int = 0
    """On the wire: the how-many-th Socket.IO packet of that link and direction, from 1 (0: Engine.IO's own)."""
    type: str = ""
    """On the wire: CONNECT, EVENT, ACK, ... or "engine"."""
    transport: str = ""
    """On the wire: "polling" or "websocket"."""
    data: Any = field(default=None, repr=False, compare=False)
    """The whole payload, on `emitted` and `stored`; what runs, pictures and verdicts are compared by is `text`."""

    def __str__(self) -> str:
        shown = (f"{f.name}={getattr(self, f.name)!r}" for f in fields(self)[4:] if f.repr and getattr(self, f.name) != f.default)
        return f"{self.node} {self.kind} " + " ".join(shown)


Reader = Callable[[Event], None]


def readers_of_kinds(*objects: object) -> dict[Kind, tuple[Reader, ...]]:
    """For each kind of event: the methods of these objects that read it, which are called `_kind`."""
    return {kind: tuple(getattr(each, f"_{kind}") for each in objects if hasattr(each, f"_{kind}")) for kind in get_args(Kind)}


class Journal(Sequence[Event]):
    """Append-only. Written by one thread; `events` may be read from any thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._events: list[Event] = []
        self._subscribers: list[Callable[[Event], None]] = []
        self._sealed = False

    def record(self, node: str, kind: Kind, **details: Any) -> Event:
        """Append one event and tell the subscribers, in order. Returns it."""
        event = Event(len(self._events), self._clock(), node, kind, **details)
        if self._sealed:
            return event
        self._events.append(event)
        for subscriber in tuple(self._subscribers):
            subscriber(event)
        return event

    def seal(self) -> None:
        """From here on nothing is recorded: what happens while a lab is closed is not part of its history."""
        self._sealed = True

    @property
    def sealed(self) -> bool:
        """Is nothing recorded any more?"""
        return self._sealed

    def subscribe(self, subscriber: Callable[[Event], None]) -> Callable[[], None]:
        """Call `subscriber` with each new event, on the writer's thread. Returns the function that ends it."""
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    def since(self, seq: int) -> list[Event]:
        """The events from position `seq` on."""
        return self._events[seq:]

    @property
    def events(self) -> tuple[Event, ...]:
        """All events so far."""
        return tuple(self._events)

    def __len__(self) -> int:
        return len(self._events)

    @overload
    def __getitem__(self, place: int) -> Event: ...

    @overload
    def __getitem__(self, place: slice) -> list[Event]: ...

    def __getitem__(self, place: int | slice) -> Event | list[Event]:
        return self._events[place]

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def __repr__(self) -> str:
        return f"<Journal: {len(self)} events>"
