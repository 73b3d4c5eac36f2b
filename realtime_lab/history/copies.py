"""Copies: a message, each of its ways over one hop to one receiver, the connection that it took, and the acknowledgement that came back.

These are the nouns. `journeys.py` fills them in from the journal. A message that is sent again is one message with several copies.
"""

from dataclasses import dataclass, field
from typing import Literal

from realtime_lab.history.journal import NOT_ASKED
from realtime_lab.rules.faults import Direction

SERVER = "server"

Fate = Literal["arrived", "lost", "refused", "in flight"]


@dataclass(slots=True, eq=False)
class Message:
    """What one application handed in once. A message that the server passes on keeps its `root`."""

    origin: str
    event: str
    number: int
    """The how-many-th message of this event from this origin, from 1: the n of #n. 0: nothing but a tombstone of it was ever seen."""
    text: str
    seq: int
    root: "Message | None" = None
    room: str = ""
    cause: "Copy | None" = None
    """The reception whose handler emitted this."""
    offset: int = -1
    """Its place in the server's log, or the id that a server of the learner's own gave it; else -1."""
    era: int = 0
    """How many databases had been thrown away before it got this offset."""
    born: int = -1
    """When it got this offset (journal position); -1: before this history."""
    logged: bool = False
    """Is it in the server's log, so that it is sent from there?"""
    meant_for: dict[str, str] = field(default_factory=dict)
    """If it is in the log for everybody: who had joined by then -> why it was away, if a fault was the reason."""
    copies: "list[Copy]" = field(default_factory=list)
    kept: bool = False
    """Does its client keep it, so that it can still be sent, or sent again?"""
    was_kept: bool = False
    waits: bool = False
    """Is it sent only when an acknowledgement has let it go?"""
    gone: str = ""
    """Why its client neither keeps nor sends it any more: thrown away, or forgotten."""
    settled: str = ""
    """What its sender was told: acked, rejected or unknown."""
    timed_out: bool = False
    unanswered: bool = False
    """Did its sender ask for an acknowledgement, and get none?"""

    @property
    def source(self) -> "Message":
        """The message that an application first handed in."""
        return self.root or self

    @property
    def label(self) -> str:
        """Short enough for a picture: "#4"."""
        if self.source.number:
            return f"#{self.source.number}"
        return "earlier" if self.offset < 0 else f"offset {self.offset}"

    @property
    def place(self) -> tuple[int, int]:
        """For the order of one sender's messages: that of the offsets where there are any."""
        return (self.era, self.offset) if self.offset >= 0 else (0, self.seq)

    @property
    def tries(self) -> int:
        """How often it was sent."""
        return sum(not copy.tombstone for copy in self.copies)

    def settle(self, reason: str, text: str) -> None:
        """Its sender was told its fate; `text` says more. It keeps nothing of it and waits for nothing any more.

        What it was told before it started anew is not taken back if then nobody knows any more.
        """
        if reason == "unknown" and self.settled in ("acked", "rejected"):
            reason, text = self.settled, ""
        self.kept, self.settled = False, reason
        self.unanswered = reason == "unknown" and text not in ("", NOT_ASKED)
        for copy in self.copies:
            copy.wait_no_more()

    @property
    def given_up(self) -> bool:
        """Was it sent again, or its tombstone sent, and then left to its fate?"""
        return any(copy.tombstone for copy in self.copies) or (self.settled == "unknown" and self.tries > 1)

    @property
    def unsure(self) -> bool:
        """Did its sender wait for an acknowledgement in vain?"""
        return self.settled == "unknown" and (self.timed_out or self.given_up or self.unanswered)


@dataclass(slots=True, eq=False)
class Connection:
    """One Socket.IO connection, as each side sees it."""

    sid: str
    client: str = ""
    accepted: int = -1
    """When the server accepted it (journal position)."""
    client_up: bool = False
    server_up: bool = False
    client_over: bool = False
    server_over: bool = False
    why: str = ""
    """What broke it, in words: the fault on its link, else the reason that the first side to notice gave."""
    stalled: bool = False
    begins: int = -1
    """Its client was told that everything up to this offset is behind it."""

    @property
    def live(self) -> bool:
        """Does either side still believe in it?"""
        return self.client_up or self.server_up

    @property
    def open(self) -> bool:
        """May the server still send something on it, and it arrive?"""
        return self.server_up and not self.client_over

    def over(self, direction: Direction) -> bool:
        """Can nothing more arrive in this direction? The receiving side decides."""
        return self.server_over if direction == "upstream" else self.client_over


@dataclass(slots=True, eq=False)
class Ack:
    """The acknowledgement of one copy on its way back to the client. Positions are journal positions, -1 where it did not happen."""

    connection: Connection
    wire_only: bool = False
    answered: int = -1
    held: int = -1
    wire: int = -1
    dropped: int = -1
    arrived: int = -1
    why: str = ""
    """What the link said when it dropped it."""
    result: str = ""
    """What it told the client: "ok", or why not."""
    late: bool = False
    """It came to somebody who did not wait for it any more, and said nothing."""

    @property
    def fate(self) -> Fate:
        """What became of it, seen from outside: arrived, lost or in flight."""
        if self.arrived >= 0 or (self.wire >= 0 and (self.wire_only or self.late)):
            return "arrived"
        return "lost" if self.dropped >= 0 or self.connection.over("downstream") else "in flight"

    @property
    def reason(self) -> str:
        """Why it was lost, in words; empty otherwise."""
        return (self.connection.why or self.why) if self.fate == "lost" else ""


@dataclass(slots=True, eq=False)
class Session:
    """The server told a connection where it stands in the log. It takes a place on the connection, but delivers nothing."""

    connection: Connection
    seq: int
    offset: int
    """Everything up to here is behind it."""
    reason: str
    """Why it does not get everything since it was last here, or ""."""
    era: int


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
    attempt: int = 0
    """The how-many-th time that it was sent, from 1; 0 where nobody counts."""
    tombstone: bool = False
    """Only says that its client gave the message up: it takes a place on the connection, but delivers nothing."""
    turned_at: int = -1
    turned_away: str = ""
    """Why it was not given to a handler when it came: "duplicate", "gap", "given up", "conflict", "replaced"; by a client: "repeat"."""
    committed: int = -1
    undone_at: int = -1
    undone: str = ""
    """Why what its handler did was rolled back."""
    timed_out: int = -1
    ack: Ack | None = None

    @property
    def fate(self) -> Fate:
        """What became of it, seen from outside. It may arrive without being delivered."""
        if self.arrived >= 0:
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
        came = max(self.received, self.turned_at)
        return self.wire if came < 0 and self.wire_only and self.direction == "downstream" else came

    @property
    def delivered(self) -> bool:
        """Was a handler given it, and was nothing of that rolled back?"""
        return self.arrived >= 0 and self.turned_at < 0 and self.undone_at < 0 and not self.tombstone

    def wait_no_more(self) -> None:
        """Its sender will say nothing about an acknowledgement that has crossed the link but not come to it yet."""
        if self.ack is not None and not self.ack.connection.over("downstream"):
            self.ack.late = True

    @property
    def repeat(self) -> bool:
        """Was it turned away because the message is known already?"""
        return self.turned_away in ("duplicate", "repeat")

    @property
    def from_log(self) -> bool:
        """Does a cursor send it, and no application?"""
        return self.message.logged and self.sender == SERVER

    @property
    def replayed(self) -> bool:
        """Had the message its offset before the server accepted this connection?"""
        return self.message.offset >= 0 and self.connection is not None and self.message.born < self.connection.accepted
