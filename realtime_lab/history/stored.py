"""Stored: what a journal tells of the server's log: what it holds, for whom that is meant, and who may still get it.

An offset names a message, so what is sent from the log, or by a server that counts for itself, is paired by offset: the second time is
another copy of the same message. Who follows the log, which is known from what was said about the session, gets everything after its own
offset sooner or later. For it a message is lost only when it was told so, or when the database was thrown away. For anybody else what is
stored is as easily lost as what is only emitted.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

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


class Standing:
    """How one client stands to the log by now."""

    def __init__(self, client: str, live: Mapping[str, Connection], erased: Sequence[int]) -> None:
        """`erased`: when databases were thrown away (journal positions). Both go on changing."""
        self.follows = False
        """Does it come back for what it missed?"""
        self._client, self._live, self._erased = client, live, erased
        self._left_behind: list[tuple[int, int, Loss]] = []
        """What left messages behind: era, offset, loss."""
        self._losses: dict[int, tuple[list[int], list[Loss]]] = {}
        """Era -> up to which offset messages were left behind, each further than the one before it; and when and why."""

    def leave_behind(self, era: int, offset: int, loss: Loss) -> None:
        """What has an offset up to this one is lost by now, unless a copy came or is under way."""
        self._left_behind.append((era, offset, loss))
        offsets, losses = self._losses.setdefault(era, ([], []))
        if losses and loss.seq < losses[-1].seq:  # whose session it was became known later
            self._left_behind.sort(key=lambda each: each[2].seq)
            again, self._left_behind, self._losses = self._left_behind, [], {}
            for each in again:
                self.leave_behind(*each)
        elif not offsets or offset > offsets[-1]:
            offsets.append(offset)
            losses.append(loss)

    @property
    def begins(self) -> float:
        """The server may still send it what has a higher offset, although it does not come back for it."""
        open_ = (connection.begins for connection in self._live.values() if connection.client == self._client and connection.open)
        return min(open_, default=inf)

    @property
    def state(self) -> tuple[object, ...]:
        """As long as this is the same, nothing is lost and nothing comes back."""
        return self.follows, len(self._left_behind), len(self._erased), None if self.follows else self.begins

    def loss(self, message: Message) -> Loss | None:
        """When and why this stored message was lost, unless a copy came or is under way; None: it may still be sent."""
        past = message.era < len(self._erased)
        if not self.follows:
            return None if message.offset > self.begins and not past else Loss(message.born, "")
        offsets, losses = self._losses.get(message.era, ((), ()))
        first = bisect_left(offsets, message.offset)
        found = [*losses[first : first + 1], *([Loss(self._erased[message.era], ERASED)] if past else [])]
        return min(found, key=lambda loss: loss.seq, default=None)


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
        self._strangers: list[Session] = []
        """What connections were told of which nobody knows yet whose they are."""
        self._standings: dict[str, Standing] = {}
        self._erased: list[int] = []
        self._trims: list[Trim] = []

    @property
    def era(self) -> int:
        """How many databases were thrown away."""
        return len(self._erased)

    def known(self, event: Event) -> Message | None:
        """The message that has this event's offset already."""
        return self._at.get((event.event, event.offset)) if event.offset >= 0 else None

    def learn(self, message: Message, event: Event) -> None:
        """The message has this offset from now on, if it is one."""
        if event.offset >= 0 > message.offset:
            message.offset, message.era, message.born = event.offset, self.era, event.seq
            self._at[event.event, event.offset] = message

    def standing(self, client: str) -> Standing:
        """How this client stands to the log. It goes on changing."""
        if client not in self._standings:
            standing = self._standings[client] = Standing(client, self._pairing.live, self._erased)
            for trim in self._trims:
                if client not in trim.here:
                    standing.leave_behind(trim.era, trim.offset, Loss(trim.seq, TRIMMED))
        return self._standings[client]

    def identify(self, connection: Connection) -> None:
        """Whose connection it is may be known by now."""
        for session in [session for session in self._strangers if session.connection is connection and connection.client]:
            self._strangers.remove(session)
            self._tell(session)

    def _tell(self, session: Session) -> None:
        standing = self.standing(session.connection.client)
        standing.leave_behind(session.era, session.offset, Loss(session.seq, PASSED_OVER[session.reason]))
        standing.follows |= session.reason != "new"

    # -- what each kind means -------------------------------------------------------------------------------------------------------

    def _stored(self, event: Event) -> None:
        early = self.known(event)
        message = self.messages[event.seq] = self._pairing.emitted(event)
        self.learn(message, event)
        if early is not None and early.born < 0:  # a cursor had read it before its commit was recorded
            message.copies, early.copies, early.logged = early.copies, [], False
            for copy in message.copies:
                copy.message = message
            self._pairing.messages.remove(early)
            self._pairing.concerned.append(early)
        message.logged = self.sends = True
        if not event.room:
            message.meant_for = self._everybody()

    def _everybody(self) -> dict[str, str]:
        """Who has joined, and why it is away. Who is seen on its link only counts while it is connected."""
        here = {connection.client for connection in self._pairing.live.values()}
        names = (name for name, how in self._pairing.participants.items() if how != "wire" or name in here)
        return {name: self._pairing.broken.get(name, "") for name in names}

    def _sent(self, event: Event) -> None:
        if event.node == SERVER:
            message = self.known(event) or self._earlier(event)
            self._pairing.hand_over(message, self._pairing.connection(event.sid), "downstream", event.seq, inside=event.inside)

    def _earlier(self, event: Event) -> Message:
        """A message that was stored before this history."""
        message = Message(SERVER, event.event, 0, event.text, event.seq, logged=True)
        self.learn(message, event)
        message.born, self.sends = -1, True
        return self._pairing.meet(message)

    def _session(self, event: Event) -> None:
        session = Session(self._pairing.connection(event.sid), event.seq, event.offset, event.reason, self.era)
        session.connection.begins = session.offset
        self._pairing.shaken.append(session.connection)
        self._pairing.tell(session)
        if session.connection.client:
            self._tell(session)
        else:
            self._strangers.append(session)

    def _recovered(self, event: Event) -> None:
        self.standing(event.node).follows = True

    def _fault(self, event: Event) -> None:
        if event.node == SERVER and event.event == "new database":
            self._erased.append(event.seq)
            self._at.clear()
        elif event.node == SERVER and event.event == "trim":
            here = frozenset(connection.client for connection in self._pairing.live.values() if connection.open)
            self._trims.append(Trim(event.seq, event.offset, self.era, here))
            for client in self._standings.keys() - here:
                self._standings[client].leave_behind(self.era, event.offset, Loss(event.seq, TRIMMED))

    def _halted(self, event: Event) -> None:
        self.halted[event.node] = self._pairing.receptions[event.node, event.message]

    def _resumed(self, event: Event) -> None:
        self.halted.pop(event.node, None)

    _skipped = _resumed
