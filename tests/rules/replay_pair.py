"""Clients made of the pure rules of replay, and links to the server (replay_server.py) that lose what a broken TCP connection loses.

A client does what its shell in net/ does. What it was told, handled and skipped is compared with the book of the log that it was
connected to. Every check that needs no view of the other side stands where it can fail first.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any, NamedTuple

from realtime_lab.rules import backoff, cursor, inbox
from realtime_lab.rules import replay as replay_rule
from tests.rules.replay_log import Book

TRIES = 4
"""What the design promises; not read from the rule, so that a rule that halts earlier or later is seen."""
DELAY_MAX = 4.0


@dataclass(frozen=True)
class Rules:
    """The modules under test, or mutants of them."""

    replay: ModuleType = replay_rule
    inbox: ModuleType = inbox
    cursor: ModuleType = cursor


class Event(NamedTuple):
    """What travels."""

    offset: int
    serial: int


@dataclass(frozen=True)
class Standing:
    """Where a client is, as its store would have it, and what is behind it."""

    position: Any = None
    book: Book | None = None
    start: int = 0
    """It was told to begin before this row of the book."""
    behind: tuple[int, ...] = ()
    """The serials that it handled or skipped since then."""
    applied: tuple[int, ...] = ()
    """Those that it ever handled."""
    astray: bool = False
    """The log went back, and nobody could see it: at its next connection the log had grown again beyond where the client stood."""

    def check(self, rooms: tuple[str, ...]) -> None:
        assert len(set(self.applied)) == len(self.applied), "handled twice"
        if self.book is not None and not self.astray:
            due = self.book.visible(rooms, self.start)
            assert self.behind == tuple(row.serial for row in due[: len(self.behind)]), "not what the log has, in its order"
            left = [row for row in due[len(self.behind) :] if row.offset <= self.position.offset]
            assert not left, "the position moved over something that was not handled"


@dataclass
class Link:
    """One connection, as the server sees it: first in, first out. Nothing is lost in the middle, only from some point on."""

    known: Any
    """What the client said about itself when it dialled."""
    book: Book
    cursor: Any
    accepted: bool = False
    broken: bool = False
    head: int = 0
    """Of the log, when its place in it was looked up."""
    epoch: str = ""
    """The one that the client knows."""
    down: deque[Any] = field(default_factory=deque)
    read_to: int = 0
    """What the server has looked at for it."""

    def cut(self, keep: int = 0) -> None:
        """Of what is in flight so much still arrives."""
        self.broken = True
        self.down = deque(list(self.down)[:keep])

    def send(self, message: Any) -> None:
        if not self.broken:
            self.down.append(message)


class Client:
    """`store`: a restart goes on with what was written; what a handler did is written with the position, in one transaction."""

    def __init__(self, rules: Rules, *, rooms: tuple[str, ...] = (), store: bool = False, delay: float = 0.0) -> None:
        self.rules, self.rooms, self.store, self.delay = rules, rooms, store, delay
        self.told: list[str] = []
        """The reasons that it was given."""
        self.standing = Standing()
        self._start()

    def _start(self) -> None:
        self.link: Link | None = None
        self.inbox = self.rules.inbox.Inbox(self.standing.position, delay=self.delay, delay_max=DELAY_MAX)
        self.running: Event | None = None
        """What a handler is busy with."""
        self.failed: tuple[Event, int, int, float] | None = None
        """What it raised at, how often, how often because of the event, and when it may be tried again."""
        self.notes = [self.standing]
        """What the store may have; the last ones may not be written yet."""

    def restart(self, lost: int = 0) -> None:
        if self.link is not None:
            self.link.cut()
        self.standing = self.notes[max(0, len(self.notes) - 1 - lost)] if self.store else Standing(applied=self.standing.applied)
        self._start()

    def notice(self) -> None:
        """It learns that its connection is over."""
        if self.link is not None and self.link.broken:
            self.link = None
            self.inbox.disconnected()

    def arrive(self, count: int = 1000) -> None:
        while self.link is not None and self.link.down and count:
            message, count = self.link.down.popleft(), count - 1
            if isinstance(message, Event):
                self.inbox.arrived(message.offset, message)
            else:
                self.inbox.told(message)

    def step(self, now: float, *, raises: bool = False, counts: bool = True, draw: float = 0.0) -> bool:
        """A handler that runs comes to its end, or else the next thing begins. `counts`: it raises because of the event, and not of a disk.

        False: there is nothing to do.
        """
        if self.running is not None:
            assert self.inbox.next(now) is None, "one at a time"
            assert self.inbox.next_deadline() is None
            assert not self.inbox.idle
            self._end(self.running, now, draw, raises=raises, counts=counts)
        else:
            step = self.inbox.next(now)
            if step is None:
                return False
            if isinstance(step, self.rules.inbox.Handle):
                self._begin(step, now)
            elif isinstance(step, self.rules.inbox.Repeat):
                assert self.standing.astray or step.event.serial in self.standing.behind, "dropped, and it was never handled"
            else:
                self._move(step)
        self._note()
        return True

    def resume(self) -> None:
        halted = self.inbox.halted
        assert self.inbox.resume() == (halted is not None)
        if halted is not None and self.failed is not None:
            self.failed = (self.failed[0], 0, 0, 0.0)

    def skip(self) -> None:
        """Go on without what has failed, if something has."""
        if self.failed is not None and self.running is None:
            event = self.failed[0]
            self.inbox.skip()
            self.failed = None
            self.standing = replace(self.standing, behind=(*self.standing.behind, event.serial))
            self._note()

    def _begin(self, step: Any, now: float) -> None:
        assert self.standing.book is not None, "it was never told where it stands"
        event, tries, counted, rest = self.failed or (step.event, 0, 0, 0.0)
        assert step.event == event, "what failed stays first"
        assert now >= rest, "tried again before its time"
        assert step.attempt == tries + 1, "tries are counted for each event"
        assert counted < TRIES, "and end"
        self.running = event

    def _end(self, event: Event, now: float, draw: float, *, raises: bool, counts: bool) -> None:
        self.running = None
        _, tries, counted, _ = self.failed or (event, 0, 0, 0.0)
        tries, counted = tries + 1, counted + counts
        if raises:
            halted = self.inbox.failed(now, draw, counts=counts)
            rest = now + backoff.delay(tries, draw, initial=self.delay, maximum=DELAY_MAX)
            assert halted == (counted == TRIES)
            assert self.inbox.halted == (event.offset if halted else None)
            assert self.inbox.next_deadline() == (None if halted else rest)
            assert self.inbox.idle == halted, "a handler that rests is tried again by itself, one that is halted is not"
            self.failed = (event, tries, counted, rest)
        else:
            self.inbox.handled()
            self.failed = None
            standing = self.standing
            self.standing = replace(standing, behind=(*standing.behind, event.serial), applied=(*standing.applied, event.serial))

    def _move(self, step: Any) -> None:
        assert self.link is not None, "told by nobody"
        old, book, session = self.standing, self.link.book, step.session
        self.told.append(session.reason)
        if not session.recovered:
            assert self.inbox.position.offset >= session.offset, "told in vain"
            start = book.index_after(session.offset)
            behind = tuple(row.serial for row in book.rows[start:] if row.serial in old.behind)  # finished since it dialled
            self.standing = replace(old, book=book, start=start, behind=behind, astray=False)
            return
        assert old.book is not None, "recovered, and it was never here"
        assert old.book.epoch == book.epoch, "recovered, and the database is another one"
        known = self.link.known.offset
        unseen = known <= self.link.head and not old.book.agrees(book, self.inbox.position.offset)
        self.standing = replace(old, book=book, astray=old.astray or unseen)

    def _note(self) -> None:
        """The position is written whenever it is new."""
        if self.inbox.position != self.standing.position:
            self.standing = replace(self.standing, position=self.inbox.position)
            self.notes.append(self.standing)
