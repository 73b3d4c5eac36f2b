"""What a lab's record says: the journal, and everything that is computed from it."""

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from realtime_lab.errors import LabTrouble
from realtime_lab.history.journal import Event, Journal
from realtime_lab.history.journeys import Journeys
from realtime_lab.history.verdict import Verdict, verdict
from realtime_lab.lab.figure import Figure
from realtime_lab.lab.loop_thread import Trouble
from realtime_lab.lab.member import Member
from realtime_lab.lab.rests import Rests
from realtime_lab.lab.schedule_reader import ScheduleReader
from realtime_lab.net.link import Link
from realtime_lab.rules.faults import Direction

USUAL = {"ping_interval": 1, "ping_timeout": 1}
"""What a schedule need not say."""
MOST = 300_000
"""Events in a record. With its control room a lab needs about 1.3 kB for each (measured: benchmarks/journal_memory.py). Then it ends, and
says so: without its oldest events it would be wrong about the others."""
FULL = f"the record is full ({MOST:,} events): nothing more is recorded or judged. Begin a new lab: lab = await Lab.start()"
"""Short enough for a line of the control room."""


class Recorded(ABC):
    """The recording half of `Lab`."""

    _rests: Rests
    _schedule: ScheduleReader
    _started_with: dict[str, Any]

    def __init__(self) -> None:
        began = time.monotonic()
        self.journal = Journal(lambda: time.monotonic() - began)
        """Everything that happened."""
        self.errors: list[Trouble] = []
        """What failed in the background: handlers that raised or blocked. `check()` raises it."""
        self.changed: list[Callable[[], None]] = []
        """Called on any thread whenever there is something new to show."""
        self.links: dict[str, Link] = {}
        self.participants: dict[str, Member] = {}
        self._reading = threading.Lock()
        """A cell and a painter may ask for the schedule at once."""
        self._journeys = Journeys()
        self.journal.subscribe(self._journeys.feed)
        self.journal.subscribe(self._end_when_full)
        self.journal.subscribe(lambda event: self._tell())

    @abstractmethod
    def _flush(self) -> None:
        """What cells have emitted happens before they look."""

    def _end_when_full(self, event: Event) -> None:
        if event.seq + 1 >= MOST:
            self.journal.seal()
            self._on_trouble(Trouble(FULL))

    @property
    def full(self) -> bool:
        """Is nothing recorded any more, because the record is as long as it may be?"""
        return len(self.journal) >= MOST

    def verdict(self) -> Verdict:
        """What was lost, duplicated or reordered so far, and which guarantees that refutes."""
        self._flush()
        return verdict(self.journal.events)

    def figure(self) -> Figure:
        """The picture of everything so far."""
        self._flush()
        return Figure(self.journal.events)

    @property
    def schedule(self) -> str:
        """Everything that was done here as one line of text, for `Lab.replay`: paste it somewhere else, and the same happens there.

        Faults at a named message, and what was done while the lab was at rest, give the same fates again. Of what was done while something
        was under way the order is kept, and the time in tenths of a second. What races within milliseconds may come out otherwise: two
        packets of which either may be "packet 3", two clients of which either may be back first.
        Functions are not part of it: handlers, `auth` or `retries` as functions. What handlers of a client emitted is, as if by hand.
        """
        self._flush()
        return self.schedule_so_far

    @property
    def schedule_so_far(self) -> str:
        """As `schedule`, without waiting for the lab's thread: for what is painted."""
        notes = [f"handlers of {name} are not part of it" for name, each in self.participants.items() if each.handles]
        if not isinstance(self._started_with.get("log"), bool | None):
            notes.append("the log was a log of its own: what was in it before, and its settings, are not part of it")
        with self._reading:
            for event in self.journal.since(self._schedule.seen):
                self._schedule.feed(event)
            return self._schedule.text(self._rests.marks, notes)

    def _can_be_repeated(self, loop: asyncio.AbstractEventLoop, under_way: Callable[[], list[str]], options: dict[str, Any]) -> None:
        """What `schedule` needs besides the journal: when the lab was at rest, and the options of its server."""
        self._rests, self._started_with = Rests(self.journal, loop, under_way, self._tell), options
        told = {name: value for name, value in options.items() if name != "port" and value and value != USUAL.get(name)}
        self._schedule = ScheduleReader({name: True if name == "log" else value for name, value in told.items()})

    def wire(self, name: str, direction: str | None = None) -> list[Event]:
        """The packets that crossed a participant's link, in order (journal events of kind "wire")."""
        self._flush()
        return [each for each in self.journal if each.kind == "wire" and each.node == name and direction in (None, each.direction)]

    def seat(self, member: Member) -> None:
        """Somebody takes part from now on."""
        self.participants[member.name] = member
        self._tell()

    def check(self) -> None:
        """Raise LabTrouble if anything failed in the background."""
        if self.errors:
            raise LabTrouble("\n".join(trouble.text for trouble in self.errors)) from self.errors[0].error

    # -- what the links ask (net.link.Witness) --------------------------------------------------------------------------------------

    def carried(self, sid: str, direction: Direction, index: int) -> list[tuple[str, int]]:
        """The messages in an event on a connection, one or a batch, if their sender is known."""
        return [(copy.message.event, copy.message.source.number) for copy in self._journeys.copies_at(sid, direction, index)]

    def received(self, sid: str, direction: Direction, index: int) -> bool:
        """Was all that is in that event given to handlers?"""
        return all(copy.fate != "in flight" for copy in self._journeys.copies_at(sid, direction, index))

    # -- news -----------------------------------------------------------------------------------------------------------------------

    def _on_trouble(self, trouble: Trouble) -> None:
        self.errors.append(trouble)
        self._tell()

    def _tell(self) -> None:
        for call in tuple(self.changed):
            call()
