"""Runs a schedule of both directions on the real stack: a server with a log, and five clients behind their links."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from realtime_lab.errors import AlreadyClosed
from realtime_lab.net.event_log import EventLog
from realtime_lab.net.server import Server
from tests.folders import folder_in_memory
from tests.ports import quiet_port
from tests.soak.down_judge import Found, judge, twice
from tests.soak.down_schedule import CAST, Deed, Down
from tests.soak.listener import DEPOSIT, END, NEWS, Listener
from tests.soak.patience import holds_at_last
from tests.soak.storm_judge import LOST, REORDERED, TWICE, design_down, design_up

LIMIT = 40.0
"""Seconds without anything that moves, after which what has not come is said to be stuck."""
Rows = dict[int, tuple[str, str]]


@dataclass
class DownResult:
    """What came out. `rows` are all that were ever committed: offset -> (name, room)."""

    schedule: Down
    rows: Rows = field(default_factory=dict)
    found: list[tuple[str, Found]] = field(default_factory=list)
    untrue: list[str] = field(default_factory=list)
    emitted: dict[str, int] = field(default_factory=dict)
    """How many events each client handed in."""
    missing: list[str] = field(default_factory=list)
    """Published or acknowledged, and not in the log; or emitted, and never acknowledged."""
    crashes: int = 0
    cuts: int = 0
    refreshes: int = 0
    raised: int = 0
    stuck: str = ""
    reported: list[str] = field(default_factory=list)
    """What went wrong in the background."""

    def total(self, of: str) -> int:
        """Over all clients."""
        return sum(value if isinstance(value := getattr(found, of), int) else len(value) for _, found in self.found)

    @property
    def wrong(self) -> dict[str, Any]:
        """Everything that a promise was broken by. Of a run that got stuck, what is lost may only be late."""
        words = ("lost", "repeated", "reordered", "invented")
        by_client = {f"{word} {name}": value for name, found in self.found for word in words if (value := getattr(found, word))}
        return {**by_client, **self.other}

    @property
    def other(self) -> dict[str, Any]:
        """What is wrong apart from the sequences of the clients."""
        found = {
            "twice in the log": twice(self.rows),
            "untrue": self.untrue,
            "missing": self.missing,
            "stuck": self.stuck,
            "reported": self.reported,
        }
        return {word: value for word, value in found.items() if value}

    @property
    def totals(self) -> Counter[str]:
        """What is counted."""
        counts = Counter({"cuts": self.cuts, "crashes": self.crashes, "refreshes": self.refreshes})
        roles = {role.name: role for role in CAST}
        for name, found in self.found:
            words = {"messages": found.applied, LOST: len(found.lost), REORDERED: len(found.reordered)}
            words[TWICE] = len(found.repeated) + found.cut_off
            counts.update({f"{design_down(roles[name])}: {word}": count for word, count in words.items()})
        for name, emitted in self.emitted.items():
            counts[f"{design_up(roles[name], dedupe=True)}: messages"] += emitted
        return counts


class DownRun:
    """One run of a schedule in a folder."""

    def __init__(self, schedule: Down, folder: Path, limit: float) -> None:
        self.limit, self.schedule, self.file = limit, schedule, folder / "log.db"
        self.result = DownResult(schedule)
        self.log = EventLog(self.file, synchronous="OFF")
        self.server = Server(
            port=quiet_port(3 * schedule.seed), log=self.log, dedupe=True, ping_interval=1, ping_timeout=1,
            authenticate=lambda auth: auth["name"], rooms=lambda name: ["red"] if self.listeners[name].role.red else [],
        )  # fmt: skip
        self.server.on(DEPOSIT)(self._deposit)
        self.trims: list[int] = []
        self.listeners = {role.name: Listener(role, folder, self.file, self.trims) for role in CAST}
        self.published: dict[str, int | None] = {}
        """name -> offset; None: publish() raised."""
        self.emitted = 0
        self.publishing: set[asyncio.Task[None]] = set()

    async def _deposit(self, sid: str, name: str, tx: Any) -> None:
        await tx.append(NEWS, name, to=_room(name))

    async def run(self) -> DownResult:
        """The schedule, then everything is healed, then whatever was promised must have happened."""
        await self.server.start()
        try:
            for listener in self.listeners.values():
                await listener.start(self.server.port)
            for step in self.schedule.steps:
                await self._do(step)
                await asyncio.sleep(step.pause / 1000)
            await self._heal()
        finally:
            for listener in self.listeners.values():
                await listener.stop()
            await self.server.close()
        self._judge()
        return self.result

    async def _do(self, step: Deed) -> None:
        listeners = [self.listeners[name] for name in step.who]
        match step.what:
            case "publish":
                self._keep(self._publish(step.count, step.detail))
            case "emit":
                for listener in listeners:
                    self._emit(listener, step.count, step.detail)
            case "crash":
                if self.server.state == "listening":
                    self.server.crash(at=step.detail or None, nth=step.count)
            case "restart":
                await self._restart()
            case "trim":
                await self._trim(step.count)
            case "until":
                await self._until(step.detail, listeners)
            case _:
                for listener in listeners:
                    await self._break(listener, step)

    async def _break(self, listener: Listener, step: Deed) -> None:
        match step.what:
            case "cut at":
                listener.link.cut_at(listener.link.packets[step.detail] + step.count, step.detail)
            case "stall":
                listener.link.stall(step.detail)
            case "latency":
                listener.link.latency = step.count / 1000
            case "fail":
                listener.failing += step.count
            case "refresh":
                self.result.refreshes += 1
                await listener.refresh()
            case fault:
                getattr(listener.link, fault)()

    async def _until(self, what: str, listeners: list[Listener]) -> None:
        conditions: dict[str, Callable[[], bool]] = {
            "stored": lambda: not self.publishing,
            "settled": lambda: not self.publishing and self.server.idle and all(each.settled for each in self.listeners.values()),
            "halted": lambda: all(listener.client.halted for listener in listeners),
        }
        async with asyncio.timeout(self.limit):
            while not conditions[what]():  # noqa: ASYNC110  # no event says it
                await asyncio.sleep(0.002)

    # -- what goes into the log -----------------------------------------------------------------------------------------------------

    def _keep(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self.publishing.add(task)
        task.add_done_callback(self.publishing.discard)

    async def _publish(self, count: int, room: str) -> None:
        """One after the other, beside whatever else happens."""
        for _ in range(count):
            name = f"{room} server {len(self.published)}".strip()
            self.published[name] = None
            with suppress(AlreadyClosed):  # the server has crashed, and nobody knows whether it was committed
                self.published[name] = await self.server.publish(NEWS, name, to=room or None)

    def _emit(self, listener: Listener, count: int, room: str) -> None:
        for _ in range(count):
            self.emitted += 1
            listener.emit(f"{room} {listener.role.name} {self.emitted}".strip())

    async def _trim(self, keep: int) -> None:
        before = self.log.head + 1 - keep
        if before > 1 and self.server.state == "listening":
            self._read()
            self.trims.append(before - 1)
            with suppress(AlreadyClosed):  # a crash came first
                await self.log.trim(before)

    def _read(self) -> None:
        with closing(sqlite3.connect(self.file)) as database:
            rows = database.execute("SELECT offset, body, room FROM log_events").fetchall()
        self.result.rows |= {offset: (body.strip('"'), room) for offset, body, room in rows}

    # -- the end --------------------------------------------------------------------------------------------------------------------

    async def _restart(self) -> None:
        if self.server.state == "crashed":
            self.result.crashes += 1
            await self.server.restart()

    def _mend(self) -> None:
        for listener in self.listeners.values():
            listener.mend()
        self.server.disarm()

    async def _heal(self) -> None:
        listeners = self.listeners.values()

        def settled() -> bool:
            return not self.publishing and all(each.client.settled and each.client.session for each in listeners)

        def ended() -> bool:
            return self.server.idle and all(each.has(END) and each.settled for each in listeners)

        await self._go_on()
        if await holds_at_last(settled, self._moved, self._go_on, self.limit):
            await self.server.publish(NEWS, END)  # whoever has been given it has been given everything before it, or never will be
            if await holds_at_last(ended, self._moved, self._go_on, self.limit):
                return
        states = {name: _state(each) for name, each in self.listeners.items()}
        server = f"{self.server.state}{', idle' if self.server.idle else ''}"
        self.result.stuck = f"head {self.log.head}, server {server}, {len(self.publishing)} to be published, {states}"

    def _moved(self) -> Any:
        return self.log.head, [(each.client.offset, each.unsettled) for each in self.listeners.values()]

    async def _go_on(self) -> None:
        self._mend()
        await self._restart()
        await asyncio.sleep(0.01)

    def _judge(self) -> None:
        result, listeners = self.result, self.listeners.values()
        self._read()
        lives = list(chain.from_iterable(listener.lives for listener in listeners))
        result.found = [(life.name, judge(life, result.rows)) for life in lives]
        result.untrue = [f"{life.name}: {each}" for life in lives for each in life.untrue]
        result.emitted = {listener.role.name: len(listener.deliveries) for listener in listeners}
        result.raised = sum(listener.raised for listener in listeners)
        result.cuts = sum(listener.link.cuts for listener in listeners)
        names = {name for name, _ in result.rows.values()}
        due = [name for listener in listeners for name in listener.deliveries if name not in listener.withdrawn]
        stored = [name for name, offset in self.published.items() if offset and result.rows.get(offset, ("", ""))[0] != name]
        result.missing = [*stored, *(name for name in due if name not in names)]


def _state(listener: Listener) -> tuple[Any, ...]:
    client = listener.client
    return client.state, client.offset, listener.has(END), client.idle, client.waiting, client.under_way


def _room(name: str) -> str | None:
    return "red" if name.startswith("red ") else None


async def run_down(schedule: Down, limit: float = LIMIT) -> DownResult:
    """Run it in a folder of its own."""
    with folder_in_memory() as folder:
        return await DownRun(schedule, folder, limit).run()
