"""Histories of a server with a log, of clients that come back for what they missed, and of servers that do only what the page describes."""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.history.stories import CHAT, Packet, Tag
from tests.history.stories_of_retries import Retries

ON_LINK = 'cut(before="chat message #{}")'


@dataclass
class Row:
    """One event of the log."""

    offset: int
    tag: Tag
    event: str
    room: str


@dataclass
class FromLog(Packet):
    """A stored event on its way to a client, or with `reason` a session."""

    offset: int = -1
    reason: str | None = None


class Replays(Retries):
    """What a server with a log (unless `log` is False), its cursors, the links and the clients, `bare` or with replay, would record."""

    def __init__(self, *names: str, bare: Iterable[str] = (), relay: bool = True, log: bool = True, sids: str = "sid") -> None:
        self.bare, self.log = set(bare), log
        self.rows: list[Row] = []
        self.head = self.trimmed = self.era = 0
        self.positions: dict[str, tuple[int, int]] = {}
        """client -> era and offset, as it keeps them."""
        self.rooms: dict[str, set[str]] = {}
        self.cursors: dict[str, int] = {}
        """sid -> everything up to here was sent to it."""
        super().__init__(*names, relay=relay, sids=sids)

    # -- the server's log -----------------------------------------------------------------------------------------------------------

    def publish(self, event: str = CHAT, *, cause: int = -1, skip: str = "", room: str = "", source: Tag | None = None) -> None:
        """Store it, and let every cursor send it."""
        self.store(event, cause=cause, room=room, source=source)
        self.pump()

    def store(self, event: str = CHAT, *, cause: int = -1, room: str = "", source: Tag | None = None) -> Row:
        """Only that: its cursors come later, or never."""
        tag = source or self._tag("server", event)
        number, self._emissions["server"] = self._emissions["server"], self._emissions["server"] + 1
        self.head += 1
        self.rows.append(Row(self.head, (*tag[:3], number + 1), event, room))
        self.journal.record("server", "stored", message=number, event=event, offset=self.head, cause=cause, room=room)
        self.handed += [("server", name, self.rows[-1].tag) for name in self.links if not room and name not in self.foreign]
        return self.rows[-1]

    def pump(self) -> None:
        """Every cursor sends what the log has behind it. One that retention has overtaken says so first."""
        for sid in self.accepted:
            if self.cursors[sid] < self.trimmed:
                self.tell(sid, self.trimmed, "truncated")
            for row in self.rows:
                if row.offset > self.cursors[sid]:
                    self.send_stored(sid, row)

    def send_stored(self, sid: str, row: Row) -> None:
        name, self.cursors[sid] = self.accepted[sid], row.offset
        if row.room in ("", *self.rooms.get(name, ())):
            self.journal.record("server", "sent", sid=sid, event=row.event, offset=row.offset)
            self._put(name, FromLog(sid, "downstream", self._place(sid), row.event, row.tag, row.offset))

    def _place(self, sid: str) -> int:
        index, self._indexes[sid, "downstream"] = self._indexes[sid, "downstream"], self._indexes[sid, "downstream"] + 1
        return index

    def _put(self, name: str, packet: Packet) -> None:
        if self.links[name].up:
            self.links[name].queues["downstream"].append(packet)
            if self.links[name].stalled:
                self._cross(name, packet, "held")

    def tell(self, sid: str, offset: int, reason: str = "") -> None:
        """The server says where a connection stands."""
        self.cursors[sid] = offset
        self.journal.record("server", "session", sid=sid, offset=offset, reason=reason)
        self._put(self.accepted[sid], FromLog(sid, "downstream", self._place(sid), "session", ("", "", 0, 0), offset, reason))

    def connect(self, name: str, failures: int = 0, *, replay: bool = True) -> str:
        """`replay` False: it is told where it stands, but nothing is sent yet."""
        sid = super().connect(name, failures)
        if self.log:
            self.tell(sid, *self.welcome(name))
            if replay:
                self.pump()
        return sid

    def welcome(self, name: str) -> tuple[int, str]:
        era, offset = self.positions.get(name, (-1, -1))
        if offset < 0:
            return self.head, "new"
        if era != self.era:
            return self.trimmed, "epoch-changed"
        if offset > self.head:
            return self.head, "ahead"
        return (self.trimmed, "truncated") if offset < self.trimmed else (offset, "")

    def trim(self, before: int) -> None:
        self.rows = [row for row in self.rows if row.offset >= before]
        self.trimmed = max(self.trimmed, before - 1)
        self.journal.record("server", "fault", event="trim", offset=before - 1, reason=f"await lab.trim({before})")

    def new_database(self) -> None:
        self.rows, self.head, self.trimmed, self.era = [], 0, 0, self.era + 1
        self.journal.record("server", "fault", event="new database", reason="await lab.new_database()")

    # -- the client -----------------------------------------------------------------------------------------------------------------

    def _receive(self, name: str, packet: Packet, handled: bool) -> None:
        if not isinstance(packet, FromLog):
            return super()._receive(name, packet, handled)
        follows = name not in self.bare | self.foreign
        if name in self.foreign or not self.alive(name, packet):
            return None
        if packet.reason is not None:
            return self._told(name, packet) if follows else None
        if follows and packet.offset <= self.positions.get(name, (0, -1))[1]:
            place = {"sid": packet.sid, "index": packet.index, "offset": packet.offset}
            self.journal.record(name, "discarded", event=packet.event, reason="repeat", **place)
        else:
            number, self._receptions[name] = self._receptions[name], self._receptions[name] + 1
            self.journal.record(name, "received", message=number, sid=packet.sid, index=packet.index, event=packet.event)
            self.given.append(("server", name, packet.tag))
            if handled:
                self.handled(name, number)
                self.positions |= {name: (self.era, packet.offset)} if follows else {}
        return None

    def _told(self, name: str, packet: FromLog) -> None:
        if packet.reason or name not in self.positions:
            self.positions[name] = (self.era, packet.offset)
        place = {"sid": packet.sid, "index": packet.index, "offset": packet.offset}
        self.journal.record(name, "recovered", reason=packet.reason, **place)

    def halt(self, name: str) -> int:
        """The next event's handler raises every time. Returns the reception."""
        self.carry(name, "downstream", 1, handled=False)
        number = self._receptions[name] - 1
        for _ in range(4):
            self.failed(name, number)
        self.journal.record(name, "halted", message=number, reason="ValueError: no")
        return number

    def break_and_notice(self, name: str, code: str = "cut()") -> None:
        self.cut(name, code)
        self.both_notice(name)

    def come_back(self, name: str) -> str:
        self.restore(name)
        return self.connect(name)

    # -- a server that does only what the page describes --------------------------------------------------------------------------------

    def emit_with_id(self, offset: int, *, to: str = "", cause: int = -1, source: Tag | None = None) -> None:
        """A learner's own server emits {"id": offset, "data": ...}: live to everybody, or as a replay to one sid."""
        number, self._emissions["server"] = self._emissions["server"], self._emissions["server"] + 1
        sids = tuple(sid for sid in self.accepted if to in ("", sid))
        self.journal.record("server", "emitted", message=number, event=CHAT, offset=offset, cause=cause, sids=sids, room=to)
        tag = (*(source or ("server", CHAT, offset, 0))[:3], number + 1)
        for sid in sids:
            self._enqueue(self.accepted[sid], sid, "downstream", tag)


# -- the stories ----------------------------------------------------------------------------------------------------------------------


def missed(*, more: int = 0) -> Replays:
    """Bob misses #3 and #4, comes back, and gets them from the log; then `more`."""
    story = Replays("alice", "bob")
    story.emit("alice", 2)
    story.settle()
    story.break_and_notice("bob")
    story.emit("alice", 2)
    story.settle()
    story.come_back("bob")
    story.settle()
    story.emit("alice", more)
    story.settle()
    return story


def cut_at_three(*, handed: int = 4) -> Replays:
    """Bob's link is cut at the very packet that brings #3; he comes back and is sent #3 again, and what he had not come to.

    Up to `handed` had been handed to his connection.
    """
    story = Replays("alice", "bob", relay=False)
    story.fault("bob", "armed", ON_LINK.format(3))
    for number in range(1, 5):
        if number == handed + 1:
            story.cut("bob", ON_LINK.format(3))
            story.both_notice("bob")
        story.publish()
        story.carry("alice", "downstream")
        if number < 3:
            story.carry("bob", "downstream")
    if handed == 4:
        story.cut("bob", ON_LINK.format(3))
        story.both_notice("bob")
    story.come_back("bob")
    story.settle()
    return story


def cut_in_replay(*, handed: int = 3) -> Replays:
    """Bob's replay is cut at #3: #2 came, and of the rest `handed` had been handed over. Then he gets the rest."""
    story = Replays("alice", "bob", relay=False)
    story.publish()
    story.settle()
    story.break_and_notice("bob")
    for _ in range(4):
        story.publish()
    story.settle()
    story.fault("bob", "armed", ON_LINK.format(3))
    story.restore("bob")
    sid = story.connect("bob", replay=False)
    for row in story.rows[1 : 2 + handed]:
        story.send_stored(sid, row)
    story.carry("bob", "downstream", 2)
    story.cut("bob", ON_LINK.format(3))
    story.both_notice("bob")
    story.come_back("bob")
    story.settle()
    return story


def trimmed_while_sending() -> Replays:
    """Retention overtakes a cursor: bob is connected, and told that there is a hole."""
    story = Replays("alice", "bob", relay=False)
    story.publish()
    story.settle()
    for _ in range(3):
        story.store()
    story.trim(4)
    story.pump()
    story.settle()
    return story


def overtaken() -> Replays:
    """Retention removes what bob's and alice's cursors have not read yet; then there is more."""
    story = Replays("alice", "bob", relay=False)
    story.publish()
    story.settle()
    for _ in range(3):
        story.store()
    story.rows, story.trimmed = story.rows[3:], 3
    story.pump()
    for _ in range(2):
        story.publish()
    story.settle()
    return story


def two_come_back() -> Replays:
    """Bob and carol miss different ones, and come back at different times."""
    story = Replays("alice", "bob", "carol")
    story.emit("alice")
    story.settle()
    for name in ("bob", "carol"):
        story.break_and_notice(name)
        story.emit("alice")
        story.settle()
    for name in ("bob", "carol"):
        story.come_back(name)
        story.settle()
        story.emit("bob")
        story.settle()
    return story


def truncated() -> Replays:
    """Bob misses four; two of them are trimmed away before he is back."""
    story = Replays("alice", "bob", relay=False)
    story.publish()
    story.settle()
    story.break_and_notice("bob")
    for _ in range(4):
        story.publish()
    story.settle()
    story.trim(4)
    story.come_back("bob")
    story.settle()
    return story


def new_database() -> Replays:
    """Bob misses two; the database is thrown away, and a new one has one event when he is back."""
    story = Replays("alice", "bob", relay=False)
    story.publish()
    story.settle()
    story.break_and_notice("bob")
    story.publish()
    story.publish()
    story.settle()
    story.crash("crash()")
    story.notice("alice")
    story.new_database()
    story.restart()
    story.connect("alice")
    story.settle()
    story.publish()
    story.settle()
    story.come_back("bob")
    story.settle()
    return story


def no_offset_yet() -> Replays:
    """Bob is cut off before he was told anything; what is stored meanwhile he never hears of."""
    story = Replays("alice")
    story.join("bob")
    story.connect("bob")
    story.break_and_notice("bob")
    story.publish()
    story.publish()
    story.settle()
    story.come_back("bob")
    story.publish()
    story.settle()
    return story


def without_replay() -> Replays:
    """Bob's client is bare: what is stored while he is away is lost for him."""
    story = Replays("alice", "bob", bare=["bob"])
    story.emit("alice", 1)
    story.settle()
    story.break_and_notice("bob")
    story.emit("alice", 2)
    story.settle()
    story.come_back("bob")
    story.emit("alice", 1)
    story.settle()
    return story


def repeated() -> Replays:
    """Bob's client is sent #2 again, although it has handled it, and drops it."""
    story = Replays("alice", "bob", relay=False)
    story.publish()
    story.publish()
    story.settle()
    story.break_and_notice("bob")
    story.publish()
    story.restore("bob")
    story.cursors[story.connect("bob", replay=False)] = 1
    story.pump()
    story.settle()
    return story


def halted() -> Replays:
    """Bob's handler raises for #2 every time: he halts, is told to try again, halts again, and goes on without it."""
    story = Replays("alice", "bob", relay=False)
    for _ in range(3):
        story.publish()
    story.carry("alice", "downstream")
    story.carry("bob", "downstream", 2)
    number = story.halt("bob")
    story.journal.record("bob", "resumed")
    for _ in range(4):
        story.failed("bob", number)
    story.journal.record("bob", "halted", message=number, reason="ValueError: no")
    story.journal.record("bob", "skipped", message=number, reason="client.skip()")
    story.positions["bob"] = (0, 2)
    story.settle()
    return story


def crashed_after_commit(*, bob_first: bool = True, bob_at: int = 1) -> Replays:
    """The server stores #2 and dies before any cursor has sent it; both get it when they are back, and alice tries it again."""
    story = Replays("alice", "bob")
    story.delivered("alice", story.keep("alice"))
    story.settle()
    story.relay = False
    number = story.keep("alice")
    story.hand_over("alice", number)
    reception = story.arrive("alice", answer=False)
    story.store(cause=reception, source=story.tags["alice", number])
    story.crash('crash(at="after_commit")')
    story.relay = True
    for name in ("alice", "bob"):
        story.notice(name)
    story.restart()
    story.positions["bob"] = (0, bob_at)
    story.connect("alice")
    if bob_first:
        story.connect("bob")
    story.hand_over("alice", number, 2)
    story.arrive("alice", "duplicate")
    if not bob_first:
        story.connect("bob")
    story.ack("alice", number)
    story.settled("alice", number)
    story.settle()
    return story


def naive_replay() -> Replays:
    """A server of the learner's own, without a log of ours, replays with the ids that it gave."""
    story = Replays("alice", "bob", bare=["alice", "bob"], relay=False, log=False)
    for offset in (1, 2):
        story.emit_with_id(offset)
        story.settle()
    story.break_and_notice("bob")
    for offset in (3, 4):
        story.emit_with_id(offset)
    story.settle()
    story.restore("bob")
    sid = story.connect("bob")
    for offset in (3, 4):
        story.emit_with_id(offset, to=sid)
    story.settle()
    return story


def naive_overtaking() -> Replays:
    """The race of the page: live #4 reaches bob before the replay of #2 and #3, and then his connection breaks."""
    story = Replays("alice", "bob", bare=["alice", "bob"], relay=False, log=False)
    story.emit_with_id(1)
    story.settle()
    story.break_and_notice("bob")
    for offset in (2, 3):
        story.emit_with_id(offset)
    story.settle()
    story.restore("bob")
    sid = story.connect("bob")
    story.emit_with_id(4)
    story.settle()
    story.emit_with_id(2, to=sid)
    story.carry("bob", "downstream")
    story.emit_with_id(3, to=sid)
    story.break_and_notice("bob")
    return story


REPLAYS = {
    "missed": missed,
    "missed and more": lambda: missed(more=2),
    "cut at three": cut_at_three,
    "cut in replay": cut_in_replay,
    "truncated": truncated,
    "trimmed while sending": trimmed_while_sending,
    "overtaken": overtaken,
    "two come back": two_come_back,
    "new database": new_database,
    "no offset yet": no_offset_yet,
    "without replay": without_replay,
    "repeated": repeated,
    "halted": halted,
    "crashed after commit": crashed_after_commit,
    "naive replay": naive_replay,
    "naive overtaking": naive_overtaking,
}
