"""A trial: one run of a scenario with one design, and one fault at one place."""

import pickle
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from realtime_lab.errors import AlreadyClosed, FaultPending, InvalidSetting
from realtime_lab.history.fates import Fate, fate_of
from realtime_lab.history.journal import Event
from realtime_lab.history.verdict import Verdict, verdict
from realtime_lab.lab.figure import Figure
from realtime_lab.lab.lab import Lab
from realtime_lab.lab.loop_thread import LoopThread
from realtime_lab.lab.participant import Participant
from realtime_lab.lab.points import Point
from realtime_lab.lab.starting import CALM

SWIFT = {"reconnection_delay": 0.01, "reconnection_delay_max": 0.1, "retry_delay": 0.01, "retry_delay_max": 0.1}
"""Hundreds of runs: their clients come back at once."""


@dataclass(frozen=True)
class Design:
    """A name, and the guarantees that are switched on.

    server      options of `Lab.start`, for example {"log": True, "dedupe": True}
    client      options of every client, for example {"retries": math.inf, "ack_timeout": 1.0}
    prepare     called with the lab before anybody joins, for example to give the server a handler
    """

    name: str
    server: Mapping[str, Any] = field(default_factory=dict)
    client: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[Lab], None] | None = None

    def __post_init__(self) -> None:
        for what in ("name", "port", "thread"):
            if what in self.server:
                raise InvalidSetting(f"a design cannot choose the {what} of its labs: many of them run at once.")


class Outcome:
    """What came out of one trial.

    design      its name
    point       where it was broken; None: nowhere
    reached     did the run come to that point? If not, it says nothing about it
    rows        rows in the server's database, all tables together; 0 without one
    """

    def __init__(self, design: str, point: Point | None, *, reached: bool, events: Sequence[Event], rows: int) -> None:
        self.design, self.point, self.reached, self.rows = design, point, reached, rows
        self.fate: Fate = fate_of(verdict(events))
        """The worst thing that happened."""
        self.packets = sum(event.kind == "wire" and event.packet > 0 for event in events)
        """Socket.IO packets on all links, both directions."""
        self._record = zlib.compress(pickle.dumps(tuple(events)))  # half a million events would keep the garbage collector busy (measured)

    @property
    def events(self) -> tuple[Event, ...]:
        """The journal of this run."""
        record: tuple[Event, ...] = pickle.loads(zlib.decompress(self._record))
        return record

    @property
    def verdict(self) -> Verdict:
        """What this run lost, duplicated or reordered."""
        return verdict(self.events)

    @property
    def figure(self) -> Figure:
        """The picture of this run."""
        return Figure(self.events)


class Trial:
    """What a scenario is given. It plays the applications: it lets clients join, emits, and waits with `rest()`."""

    def __init__(self, lab: Lab, design: Design, point: Point | None) -> None:
        self.lab = lab
        """The laboratory of this trial, for everything else."""
        self._design = design
        self._point = point
        self._ordered = self._mended = 0
        if point is not None and not point.link:
            self._ordered = point.arm(lab)

    async def join(self, name: str, **options: Any) -> Participant:
        """A client with the design's options, whose link may break in the handshake already. Returns when it is at rest again."""
        participant = await self.lab.prepare(name, **{**SWIFT, **self._design.client, **options})
        if self._point is not None and self._point.link == name:
            self._ordered = self._point.arm(self.lab)
        await participant.start()
        await self.rest()
        return participant

    async def publish(self, event: str, data: Any = None) -> None:
        """As `lab.publish`. A server that has crashed, or crashes meanwhile, publishes nothing."""
        with suppress(AlreadyClosed):
            await self.lab.publish(event, data)

    async def rest(self) -> None:
        """Wait until nothing is under way; what the fault has broken is repaired then, and everything comes to rest again."""
        await self._settle()
        while self._mended < self._happened:
            self._mended = self._happened
            await self._mend()
            await self._settle()

    @property
    def reached(self) -> bool:
        """Has the fault happened?"""
        return self._happened > 0

    @property
    def _happened(self) -> int:
        if self._point is None or not self._ordered:
            return 0
        waiting = self.lab.participants[self._point.link].link.armed if self._point.link else self.lab.server.armed
        return self._ordered - (len(waiting) if self._point.link else bool(waiting))

    async def _settle(self) -> None:
        with suppress(FaultPending):  # it comes later in the scenario
            await self.lab.settle()

    async def _mend(self) -> None:
        if self._point is None or not self._point.link:
            await self._come_back()
        else:
            self.lab.participants[self._point.link].link.restore()

    async def _come_back(self) -> None:
        """The server starts again. Who is back first decides what the others miss, so they come in the order in which they joined."""
        broken = [participant for participant in self.lab.participants.values() if participant.link.state == "open"]
        for participant in broken:
            participant.link.refuse()
        await self.lab.server.restart()
        for participant in broken:
            participant.link.accept()
            await self._settle()

    async def rows(self) -> int:
        """How many rows the server's database holds."""
        if not self.lab.has_database:
            return 0
        tables = await self.lab.query("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        counts = [await self.lab.query(f'SELECT count(*) FROM "{table}"') for (table,) in tables]
        return sum(count for [(count,)] in counts)


Scenario = Callable[[Trial], Awaitable[None]]
"""An async function: what the applications do. The same code in every trial."""


async def try_once(scenario: Scenario, design: Design, point: Point | None, *, name: str, thread: LoopThread | None = None) -> Outcome:
    """Run the scenario once, in a lab of its own that is closed afterwards; on a thread of its own too, or on one that labs share.

    Raises what the scenario raises, and NotSettled if the lab does not come to rest.
    """
    heartbeat = {} if point is not None and point.fault == "stall" else CALM  # only a stall has to be found out by it
    async with Lab.start(name=name, thread=thread, **{**heartbeat, **design.server}) as lab:
        if design.prepare is not None:
            design.prepare(lab)
        trial = Trial(lab, design, point)
        await scenario(trial)
        await trial.rest()
        if error := next((trouble.error for trouble in lab.errors if trouble.error), None):
            raise error
        return Outcome(design.name, point, reached=trial.reached, events=lab.journal.events, rows=await trial.rows())
