"""Labs on the same stores, one after the other: each is broken in the middle of things, closed there, and started again, as a kernel is.

Judged by the rows in the three databases, which are read by sqlite3 alone.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from realtime_lab import EventLog, Lab
from realtime_lab.errors import AlreadyClosed
from tests.folders import folder_in_memory
from tests.ports import quiet_port
from tests.soak.down_schedule import Deed, Down
from tests.soak.labs_schedule import PEOPLE
from tests.soak.listener import DEPOSIT, END, NEWS, effects_of, rows_of
from tests.soak.patience import given_up
from tests.soak.person import Person
from tests.soak.storm_judge import PUBLISHED, Tally, design_down, design_up, judge_down, judge_log, judge_up

LIMIT = 40.0
"""Seconds without anything that moves, after which what has not come is said to be stuck."""


@dataclass
class LabsResult(Tally):
    """What came out."""

    schedule: Down = field(kw_only=True)


class LabsRun:
    """One run of a schedule in a folder."""

    def __init__(self, schedule: Down, folder: Path, limit: float) -> None:
        self.schedule, self.limit, self.file = schedule, limit, folder / "log.db"
        self.result = LabsResult(schedule=schedule)
        self.count = self.result.totals
        self.people = {role.name: Person(role, folder) for role in PEOPLE}
        self.port = quiet_port(4 * schedule.seed + 3)
        self.published = 0
        self.stored: list[tuple[int, str]] = []
        self.publishing: set[asyncio.Task[None]] = set()
        self.lab: Lab

    async def run(self) -> LabsResult:
        """The schedule, then everything is healed, then whatever was promised must have happened."""
        await self._open()
        try:
            for step in self.schedule.steps:
                await self._do(step)
                await asyncio.sleep(step.pause / 1000)
            await self._heal()
            for person in self.people.values():
                person.outcomes()
        finally:
            await self._close()
        self._judge()
        return self.result

    # -- one lab after the other ----------------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        log = EventLog(self.file, synchronous="OFF")
        self.lab = await Lab.start(name=f"soak {self.schedule.seed}", port=self.port, log=log, dedupe=True)
        self.count["labs"] += 1

        @self.lab.server.on(DEPOSIT)
        async def deposit(sid: str, name: str, tx: Any) -> str:
            await tx.execute("CREATE TABLE IF NOT EXISTS effects (position INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT)")
            await tx.execute("INSERT INTO effects (name) VALUES (?)", (name,))
            return name

        for person in self.people.values():
            await person.join(self.lab, self.file)

    async def _close(self) -> None:
        """Whatever is under way. What was handed in is in the stores then, and everybody was told something."""
        await self.lab.close()
        await asyncio.gather(*self.publishing)
        for person in self.people.values():
            person.outcomes()
        self.result.reported += [trouble.text for trouble in self.lab.errors]

    async def _do(self, step: Deed) -> None:
        match step.what:
            case "publish":
                task = asyncio.create_task(self._publish(step.count))
                self.publishing.add(task)
                task.add_done_callback(self.publishing.discard)
            case "crash":
                if self.lab.server.state == "listening":
                    self.lab.server.crash(at=step.detail or None, nth=step.count)
            case "restart":
                await self._restart()
            case "anew":
                await self._close()
                await self._open()
            case _:
                for name in step.who:
                    self._break(self.people[name], step)

    def _break(self, person: Person, step: Deed) -> None:
        link = person.inside.link
        match step.what:
            case "emit":
                person.emit(step.count)
            case "latency":
                link.latency = step.count / 1000
            case "stall":
                link.stall(step.detail)
            case "cut":
                self.count["cuts"] += link.connections > 0
                link.cut()
            case "restore":
                link.restore()

    async def _publish(self, count: int) -> None:
        with suppress(AlreadyClosed):  # it crashed, or was closed, and nobody knows whether it was committed
            for _ in range(count):
                self.published += 1
                name = f"server {self.published}"
                offset = await self.lab.publish(NEWS, name)
                assert offset is not None
                self.stored.append((offset, name))

    async def _restart(self) -> None:
        if self.lab.server.state == "crashed":
            self.count["crashes"] += 1
            await self.lab.server.restart()

    # -- the end --------------------------------------------------------------------------------------------------------------------

    async def _heal(self) -> None:
        self.lab.server.disarm()
        for person in self.people.values():
            person.inside.link.restore()
            person.inside.link.latency = 0
        await self._restart()
        if await self._wait(self._applied, "not applied, or not told"):
            await self.lab.publish(NEWS, END)
            await self._wait(lambda: all(END in effects_of(each.store) for each in self.people.values()), "the end has not come")

    def _applied(self) -> bool:
        """Also what earlier labs had left in the stores: that is sent by the last one."""
        everything = sum(person.voice.emitted for person in self.people.values())
        return not self.publishing and len(effects_of(self.file)) >= everything and all(person.told for person in self.people.values())

    async def _wait(self, holds: Callable[[], bool], otherwise: str) -> bool:
        why = await given_up(holds, self._moved, self._go_on, self.limit)
        if not why:
            return True
        self.result.broken["stuck"] = f"{otherwise}, {why}: {self._moved()}, {self.lab!r}"
        return False

    async def _go_on(self) -> None:
        await self._restart()  # a crash that was on its way may have come meanwhile
        await asyncio.sleep(0.02)

    def _moved(self) -> Any:
        return [len(effects_of(file)) for file in (self.file, *(person.store for person in self.people.values()))]

    def _judge(self) -> None:
        rows, effects = rows_of(self.file), defaultdict[str, list[int]](list)
        for what in effects_of(self.file):
            who, n = what.split()
            effects[who].append(int(n))
        for name, person in self.people.items():
            role, person.life.runs = person.role, [effects_of(person.store)]
            self.result.add(design_up(role, dedupe=True), person.voice.emitted, judge_up(person.voice, effects[name]), name)
            found, applied, untrue = judge_down([person.life], rows)
            self.result.add(design_down(role), applied, found, name)
            self.result.broken |= {f"untrue: {name}": untrue} if untrue else {}
        self.result.add(PUBLISHED, len(self.stored), judge_log(self.stored, [], rows), "the server")


async def run_labs(schedule: Down, limit: float = LIMIT) -> LabsResult:
    """Run it in a folder of its own."""
    with folder_in_memory() as folder:
        return await LabsRun(schedule, folder, limit).run()
