"""Runs a storm on the real stack: a server in a process of its own, and clients of all designs, one of them in a process of its own."""

import asyncio
import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.folders import folder_in_memory
from tests.ports import quiet_port
from tests.soak.child import Child
from tests.soak.down_judge import Rows
from tests.soak.down_schedule import Deed
from tests.soak.finn import Finn
from tests.soak.listener import END, EVENTS, EVERY, PATIENT, Listener, effects_of, rows_of
from tests.soak.patience import given_up
from tests.soak.storm_judge import PUBLISHED, Tally, design_down, design_up, judge_down, judge_flashes, judge_log, judge_up
from tests.soak.storm_schedule import CLIENTS, CREW, FINN, Storm

LIMIT = 40.0
"""Seconds without anything that moves, after which what has not come is said to be stuck."""


@dataclass
class StormResult(Tally):
    """What came out."""

    schedule: Storm = field(kw_only=True)


class StormRun:
    """One run of a schedule in a folder."""

    def __init__(self, schedule: Storm, folder: Path, limit: float) -> None:
        self.schedule, self.limit, self.file = schedule, limit, folder / "log.db"
        self.result = StormResult(schedule=schedule)
        self.count = self.result.totals
        self.port = quiet_port(4 * schedule.seed + 2)
        red = [role.name for role in CLIENTS if role.red]
        self.server = Child(self._heard, "tests.soak.storm_server", self.file, self.port, schedule.dedupe, *red)
        self.crew = {role.name: Listener(role, folder, self.file, [], **PATIENT) for role in CREW}
        self.finn = Finn(folder, self.port, self.file)
        self.said: dict[str, list[tuple[int, str]]] = {"stored": [], "refused": []}
        """What the server said so about, with the offset."""
        self.flashed: set[int] = set()
        self.published = self.flashes = 0
        self.busy: tuple[str, ...] | None = None
        """What the server is at; None: it was not asked."""

    async def run(self) -> StormResult:
        """The schedule, then everything is healed, then whatever was promised must have happened."""
        await self.server.start()
        started: list[Any] = []
        try:
            for client in (*self.crew.values(), self.finn):
                started.append(client)
                await (client.start(self.port) if isinstance(client, Listener) else client.start())
            if await self._wait(self._told, "not told where they stand"):
                for step in self.schedule.steps:
                    await self._do(step)
                    await asyncio.sleep(step.pause / 1000)
                await self._heal()
            for client in started:
                client.outcomes()  # before they are closed
        finally:
            for client in started:
                await client.stop()
            await self.server.stop()
        self._judge()
        return self.result

    # -- the deeds ------------------------------------------------------------------------------------------------------------------

    async def _do(self, step: Deed) -> None:
        match step.what:
            case "deposit" | "tell":
                for name in step.who:
                    self._emit(name, step.what, step.count)
            case "publish":
                self.server.order("publish", self.published, step.count, step.detail)
                self.published += step.count
            case "flash":
                self.server.order("flash", self.flashes, step.count)
                self.flashes += step.count
            case "crash":
                self.server.order("crash", step.count, step.detail)
            case "restart":
                self.server.order("restart")
            case "kill":
                await self._kill(step.who)
            case "full" | "room":
                self._disk(step)
            case _:
                for name in step.who:
                    await self._break(name, step)

    def _emit(self, name: str, what: str, count: int) -> None:
        if name == FINN.name:
            self.finn.emit(what, count)
        else:
            for first in range(0, count, EVERY):
                self.crew[name].emit(min(EVERY, count - first), EVENTS[what])
                self.crew[name].note()

    def _disk(self, step: Deed) -> None:
        self.count["full disks"] += step.what == "full"
        match step.what, bool(step.who):
            case "full", True:
                self.finn.full(step.count)
            case "full", False:
                self.server.order("full", step.count)
            case "room", True:
                self.finn.room()
            case _:
                self.server.order("room")

    async def _kill(self, who: tuple[str, ...]) -> None:
        self.count["kills"] += 1
        if who:
            await self.finn.kill()
        else:
            await self.server.kill()
            await self.server.start()

    async def _break(self, name: str, step: Deed) -> None:
        link = self.finn.link if name == FINN.name else self.crew[name].link
        match step.what:
            case "stall":
                link.stall(step.detail)
            case "latency":
                link.latency = step.count / 1000
            case "cut at" if name != FINN.name:
                link.cut_at(link.packets[step.detail] + step.count, step.detail)
            case "refresh" if name != FINN.name:
                self.count["refreshes"] += 1
                await self.crew[name].refresh()
            case "cut at" | "cut":
                link.cut()
            case "restore":
                link.restore()

    def _heard(self, what: str, *words: str) -> None:
        match what:
            case "stored" | "refused":
                offset, *name = words
                self.said[what].append((int(offset), " ".join(name)))
            case "flashed":
                first, count = map(int, words)
                self.flashed |= set(range(first, first + count))
            case "restarted":
                self.count["crashes"] += 1
            case "calm":
                self.busy = words

    # -- the end --------------------------------------------------------------------------------------------------------------------

    async def _heal(self) -> None:
        self.finn.settled, self.busy = False, None
        if await self._wait(self._settled, "not settled"):
            self.server.order("end")  # whoever has been given it has been given everything before it, or never will be
            await self._wait(self._ended, "the end has not come")

    def _told(self) -> bool:
        return self.finn.life.first >= 0 and all(each.client.session or not each.role.numbered for each in self.crew.values())

    def _settled(self) -> bool:
        return self.busy == () and self.finn.settled and all(listener.settled for listener in self.crew.values())

    def _ended(self) -> bool:
        clients = [listener for listener in self.crew.values() if listener.role.numbered]
        return self._settled() and all(each.has(END) for each in clients) and END in effects_of(self.finn.store)

    async def _wait(self, holds: Any, otherwise: str) -> bool:
        why = await given_up(holds, self._moved, self._go_on, self.limit)
        if not why:
            return True
        crew = {name: (each.client.state, each.client.offset, each.settled, each.has(END)) for name, each in self.crew.items()}
        self.result.broken["stuck"] = f"{otherwise}, {why}: the server is at {self.busy}, {crew}, finn {self.finn.settled, self.finn.moved}"
        return False

    def _moved(self) -> Any:
        crew = [(each.client.offset, each.unsettled, each.handled) for each in self.crew.values()]
        return crew, self.finn.moved, len(self.said["stored"])

    async def _go_on(self) -> None:
        for listener in self.crew.values():
            listener.mend()
        self.finn.mend()
        for order in ("room", "restart", "calm"):
            self.server.order(order)
        await asyncio.sleep(0.05)

    def _judge(self) -> None:
        result, rows, effects = self.result, self._rows(), defaultdict[str, list[int]](list)
        for what in effects_of(self.file):
            effects[what.split()[0]].append(_number(what))
        for client in (*self.crew.values(), self.finn):
            voice, name = client.voice, client.voice.role.name
            messages = voice.emitted - len(voice.of("refused"))
            result.add(design_up(voice.role, dedupe=self.schedule.dedupe), messages, judge_up(voice, effects[name]), name)
        lives = {name: each.lives for name, each in self.crew.items() if each.role.numbered} | {FINN.name: [self.finn.life]}
        for role in CLIENTS:
            if role.numbered:
                found, applied, untrue = judge_down(lives[role.name], rows)
                result.add(design_down(role), applied, found, role.name)
                result.broken |= {f"untrue: {role.name}": untrue} if untrue else {}
        for name, listener in self.crew.items():
            result.add("down: at most once", len(listener.flashes), judge_flashes(self.flashed, listener.flashes), name)
        self._judge_the_rest(rows)

    def _judge_the_rest(self, rows: Rows) -> None:
        stored, refused = self.said["stored"], [name for _, name in self.said["refused"]]
        self.result.add(PUBLISHED, len(stored), judge_log(stored, refused, rows), "the server")
        wrong = {"the server": self.server.wrong, "finn": self.finn.child.wrong}
        self.result.broken |= {word: value for word, value in wrong.items() if value}
        self.count["cuts"] += sum(client.link.cuts for client in (*self.crew.values(), self.finn))
        self.count["writes refused"] += len(refused) + len(self.finn.voice.of("rejected"))

    def _rows(self) -> Rows:
        with closing(sqlite3.connect(self.file)) as database:
            if (whole := database.execute("PRAGMA integrity_check").fetchall()) != [("ok",)]:
                self.result.broken["the database"] = whole
        return rows_of(self.file)


def _number(name: str) -> int:
    return int(name.rsplit(maxsplit=1)[-1])


async def run_storm(schedule: Storm, limit: float = LIMIT) -> StormResult:
    """Run it in a folder of its own."""
    with folder_in_memory() as folder:
        return await StormRun(schedule, folder, limit).run()
