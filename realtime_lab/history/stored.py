"""Stored: what a journal tells of the server's log: what it holds, for whom that is meant, and who may still get it.

An offset names a message, so what is sent from the log, or by a server that counts for itself, is paired by offset: the second time is
another copy of the same message. Who follows the log, which is known from what was said about the session, gets everything after its own
offset sooner or later. For it a message is lost only when it was told so, or when the database was thrown away. For anybody else what is
stored is as easily lost as what is only emitted.
"""

from dataclasses import dataclass

from realtime_lab.history.copies import SERVER, Connection, Copy, Message, Session
from realtime_lab.history.journal import Event
from realtime_lab.history.pairing import Pairing

ERASED = "a new database took its place"
TRIMMED = "its history was truncated"
PASSED_OVER = {
    "": "its offset was past it already",
    "new": "it had no offset yet",
    "truncated": TRIMMED,
    "ahead": "its offset was ahead of the log",
    "epoch-changed": ERASED,
}
"""Why a session began behind a message -> why the message is lost, in words."""


@dataclass(frozen=True)
class Loss:
    """From `seq` (journal position) on a stored message is not sent to somebody any more. `reason` "": as if it were only emitted."""

    seq: int
    reason: str


@dataclass(frozen=True)
class Trim:
    """At `seq` (journal position) the log forgot everything up to `offset`."""

    seq: int
    offset: int
    era: int
    here: frozenset[str]
    """Who was connected then, and may have been sent it nevertheless."""


@dataclass(frozen=True)
class Standing:
    """How one client stands to the log."""

    follows: bool
    """Does it come back for what it missed?"""
    sessions: tuple[Session, ...]
    """What the server has told it."""
    open: tuple[Connection, ...]
    """Where the server may still send to it."""
    erased: tuple[int, ...]
    """When databases were thrown away (journal positions)."""
    trims: tuple[Trim, ...]
    """Those while it was away."""

    def loss(self, message: Message) -> Loss | None:
        """When and why this stored message was lost, unless a copy came or is under way; None: it may still be sent."""
        past = message.era < len(self.erased)
        if not self.follows:
            return None if self._coming(message) and not past else Loss(message.born, "")
        losses = [Loss(told.seq, PASSED_OVER[told.reason]) for told in self.sessions if _passes(told, message)]
        losses += [Loss(trim.seq, TRIMMED) for trim in self.trims if _passes(trim, message)]
        losses += [Loss(self.erased[message.era], ERASED)] if past else []
        return min(losses, key=lambda loss: loss.seq, default=None)

    def _coming(self, message: Message) -> bool:
        """Is there a connection that has not been told yet that it begins behind this message?"""
        begin = {session.connection.sid: session.offset for session in self.sessions}
        return any(begin.get(connection.sid, -1) < message.offset for connection in self.open)


def _passes(event: Session | Trim, message: Message) -> bool:
    """Does this leave the message behind?"""
    return event.era == message.era and event.offset >= message.offset


class Stored:
    """Reads the journal along with `Journeys`."""

    def __init__(self, pairing: Pairing) -> None:
        self.messages: dict[int, Message] = {}
        """Journal position -> the message that was stored."""
        self.sends = False
        """Has the server sent anything from its log, or stored anything there?"""
        self.halted: dict[str, Copy] = {}
        """Which client goes no further -> at what."""
        self._pairing = pairing
        self._at: dict[tuple[str, int], Message] = {}
        self._sessions: list[Session] = []
        self._follow: set[str] = set()
        self._erased: list[int] = []
        self._trims: list[Trim] = []

    def known(self, event: Event) -> Message | None:
        """The message that has this event's offset already."""
        return self._at.get((event.event, event.offset)) if event.offset >= 0 else None

    def learn(self, message: Message, event: Event) -> None:
        """The message has this offset from now on, if it is one."""
        if event.offset >= 0 > message.offset:
            message.offset, message.era, message.born = event.offset, len(self._erased), event.seq
            self._at[event.event, event.offset] = message

    def standing(self, client: str) -> Standing:
        """How this client stands to the log by now."""
        sessions = tuple(session for session in self._sessions if session.connection.client == client)
        mine = (connection for connection in self._pairing.connections.values() if connection.client == client)
        return Standing(
            client in self._follow or any(session.reason != "new" for session in sessions),
            sessions,
            tuple(connection for connection in mine if connection.open),
            tuple(self._erased),
            tuple(trim for trim in self._trims if client not in trim.here),
        )

    # -- what each kind means -------------------------------------------------------------------------------------------------------

    def _stored(self, event: Event) -> None:
        early = self.known(event)
        message = self.messages[event.seq] = self._pairing.emitted(event)
        self.learn(message, event)
        if early is not None and early.born < 0:  # a cursor had read it before its commit was recorded
            message.copies = early.copies
            for copy in early.copies:
                copy.message = message
            self._pairing.messages.remove(early)
        message.logged = self.sends = True
        if not event.room:
            message.meant_for = self._everybody()

    def _everybody(self) -> dict[str, str]:
        """Who has joined, and why it is away. Who is seen on its link only counts while it is connected."""
        here = {connection.client for connection in self._pairing.connections.values() if connection.live}
        names = (name for name, how in self._pairing.participants.items() if how != "wire" or name in here)
        return {name: self._pairing.broken.get(name, "") for name in names}

    def _sent(self, event: Event) -> None:
        if event.node == SERVER:
            message = self.known(event) or self._earlier(event)
            self._pairing.hand_over(message, self._pairing.connection(event.sid), "downstream", event.seq)

    def _earlier(self, event: Event) -> Message:
        """A message that was stored before this history."""
        message = Message(SERVER, event.event, 0, event.text, event.seq, logged=True)
        self.learn(message, event)
        message.born, self.sends = -1, True
        self._pairing.messages.append(message)
        return message

    def _session(self, event: Event) -> None:
        session = Session(self._pairing.connection(event.sid), event.seq, event.offset, event.reason, len(self._erased))
        self._sessions.append(session)
        self._pairing.tell(session)

    def _recovered(self, event: Event) -> None:
        self._follow.add(event.node)

    def _fault(self, event: Event) -> None:
        if event.node == SERVER and event.event == "new database":
            self._erased.append(event.seq)
            self._at.clear()
        elif event.node == SERVER and event.event == "trim":
            here = frozenset(connection.client for connection in self._pairing.connections.values() if connection.open)
            self._trims.append(Trim(event.seq, event.offset, len(self._erased), here))

    def _halted(self, event: Event) -> None:
        self.halted[event.node] = self._pairing.receptions[event.node, event.message]

    def _resumed(self, event: Event) -> None:
        self.halted.pop(event.node, None)

    _skipped = _resumed
