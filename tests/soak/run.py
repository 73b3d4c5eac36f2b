"""Runs a schedule on the real stack, and judges it by the rows in the database and nothing else."""

import asyncio
import math
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from realtime_lab.errors import AlreadyClosed
from realtime_lab.net.client import Client
from realtime_lab.net.delivery import Delivery
from realtime_lab.net.event_log import EventLog
from realtime_lab.net.server import Server
from tests.folders import folder_in_memory
from tests.ports import quiet_port
from tests.soak.patience import given_up
from tests.soak.schedule import Schedule, Step
from tests.soak.storm_judge import FALSE, GONE, LOST, REORDERED, TWICE, UNKNOWN, UNTOLD
from tests.soak.watched_link import WatchedLink

DEPOSIT = "deposit"
LIMIT = 40.0
"""Seconds without anything that moves, after which what has not come is said to be stuck."""
PATIENCE = 5.0
"""Seconds that an "until" waits for what may never come."""


@dataclass(frozen=True)
class Design:
    """What the client and the server promise each other. The strong one promises everything; the others are there to be seen failing."""

    name: str = "at least once, effects once"
    retries: float = math.inf
    dedupe: bool = True
    tx: bool = True
    store: bool = True
    window: int = 0
    """0: what the schedule says."""


@dataclass
class Result:
    """What came out. `rows` are the effects, in the order in which they were committed."""

    schedule: Schedule
    emitted: int = 0
    rows: list[int] = field(default_factory=list)
    acked: list[int] = field(default_factory=list)
    misanswered: list[int] = field(default_factory=list)
    """Acknowledged with the answer to another one."""
    rejected: list[int] = field(default_factory=list)
    untold: list[int] = field(default_factory=list)
    """Nobody was told what became of them, although the process lived that had emitted them."""
    withdrawn: set[int] = field(default_factory=set)
    crashes: int = 0
    cuts: int = 0
    refreshes: int = 0
    stuck: str = ""
    reported: list[str] = field(default_factory=list)
    """What went wrong in the background."""

    @property
    def lost(self) -> list[int]:
        return sorted(set(range(1, self.emitted + 1)) - self.withdrawn - set(self.rows))

    @property
    def twice(self) -> list[int]:
        return sorted(row for row, count in Counter(self.rows).items() if count > 1)

    @property
    def reordered(self) -> list[int]:
        first = list(dict.fromkeys(self.rows))
        return [row for before, row in pairwise(first) if row < before]

    @property
    def falsely_acked(self) -> list[int]:
        return sorted(set(self.acked) - set(self.rows))

    @property
    def falsely_rejected(self) -> list[int]:
        return sorted(set(self.rejected) & set(self.rows))

    @property
    def wrong(self) -> dict[str, Any]:
        """Everything that a promise was broken by."""
        found = {
            "lost": self.lost,
            "twice": self.twice,
            "reordered": self.reordered,
            "acknowledged but not applied": self.falsely_acked,
            "acknowledged with the answer to another one": self.misanswered,
            "rejected but applied": self.falsely_rejected,
            "never told": self.untold,
            "stuck": self.stuck,
            "reported": self.reported,
        }
        return {name: value for name, value in found.items() if value}

    @property
    def totals(self) -> Counter[str]:
        """What is counted."""
        design = "up: effects once, with a store"
        counts = {"messages": self.emitted, LOST: len(self.lost), TWICE: len(self.twice), REORDERED: len(self.reordered)}
        false = [*self.falsely_acked, *self.misanswered, *self.falsely_rejected]
        more = {GONE: len(self.withdrawn - set(self.rows)), UNKNOWN: len(self.withdrawn), FALSE: len(false), UNTOLD: len(self.untold)}
        kinds = {"cuts": self.cuts, "crashes": self.crashes, "refreshes": self.refreshes}
        return Counter({f"{design}: {word}": count for word, count in (counts | more).items()} | kinds)


class Run:
    """One client, its link, the server and its log."""

    def __init__(self, schedule: Schedule, design: Design, folder: Path) -> None:
        self.schedule, self.design, self.folder = schedule, design, folder
        self.result = Result(schedule)
        log = EventLog(folder / "log.db", synchronous="OFF")
        self.server = Server(port=quiet_port(4 * schedule.seed + 1), log=log, dedupe=design.dedupe, ping_interval=1, ping_timeout=1)
        if design.tx:
            self.server.on(DEPOSIT)(self._deposit)
        else:
            self.server.on(DEPOSIT)(self._keep)
        self.client: Client
        self.link: WatchedLink
        self.deliveries: list[tuple[int, Delivery]] = []
        self.handled = self.born = 0
        """How often its handler was called; how many were emitted before the present process."""

    async def _deposit(self, sid: str, number: int, tx: Any) -> int:
        self.handled += 1
        await tx.execute("CREATE TABLE IF NOT EXISTS effects (position INTEGER PRIMARY KEY AUTOINCREMENT, number INTEGER)")
        await tx.execute("INSERT INTO effects (number) VALUES (?)", (number,))
        return number

    async def _keep(self, sid: str, number: int) -> int:
        self.handled += 1
        self.result.rows.append(number)
        return number

    async def run(self) -> Result:
        """The schedule, then everything is healed, then whatever was promised must have happened."""
        await self.server.start()
        self.link = WatchedLink(self.server.port)
        await self.link.start()
        self.client = self._new_client()
        try:
            self._connecting = asyncio.create_task(self._connect(self.client))
            await self._connecting
            for step in self.schedule.steps:
                await (self._until(step) if step.what == "until" else self._do(step))
                await asyncio.sleep(step.pause / 1000)
            self._emit(self.schedule.emits - self.result.emitted)
            await self._heal()
            self._outcomes()  # before it is closed
        finally:
            await self.client.close()
            await self.link.stop()
            await self.server.close()
        self.result.cuts = self.link.cuts
        if self.design.tx:
            self.result.rows = self._rows()
        return self.result

    def _new_client(self) -> Client:
        options: dict[str, Any] = {"store": self.folder / "client.db"} if self.design.store else {}
        return Client(
            self.link.url,
            ack_timeout=0.3,
            retries=self.design.retries,
            window=self.design.window or self.schedule.window,
            retry_delay=0.02,
            retry_delay_max=0.1,
            reconnection_delay=0.01,
            reconnection_delay_max=0.05,
            connect_timeout=5.0,
            transports=["polling"] if self.schedule.polling else ["websocket"],
            batch=self.schedule.batch,
            **options,
        )

    async def _connect(self, client: Client) -> None:
        with suppress(AlreadyClosed):  # the next refresh came first
            await client.connect(timeout=3 * LIMIT)

    def _emit(self, count: int) -> None:
        for _ in range(count):
            self.result.emitted += 1
            self.deliveries.append((self.result.emitted, self.client.emit(DEPOSIT, self.result.emitted)))

    async def _do(self, step: Step) -> None:
        match step.what:
            case "emit":
                self._emit(min(int(step.detail), self.schedule.emits - self.result.emitted))
            case "cut at":
                self.link.cut_at(step.nth, step.detail)
            case "stall":
                self.link.stall(step.detail)
            case "latency":
                self.link.latency = int(step.detail) / 1000
            case "crash":
                if self.server.state == "listening":
                    self.server.crash(at=step.detail or None, nth=step.nth)
            case "restart":
                await self._restart()
            case "refresh":
                self.result.refreshes += 1
                await self.client.abort()
                self.born = len(self.deliveries)
                for number, delivery in self.deliveries:
                    if not await delivery.kept():  # the process ended before the event was safe, and it was told so
                        self.result.withdrawn.add(number)
                self.client = self._new_client()
                self._connecting = asyncio.create_task(self._connect(self.client))
            case fault:
                getattr(self.link, fault)()

    async def _until(self, step: Step) -> None:
        """Until it has come, or will not come any more: everything is settled, or the server is dead."""
        conditions: dict[str, Callable[[], bool]] = {
            "offline": lambda: not self.client.connected,
            "online": lambda: self.client.connected,
            "handled": lambda: self.handled >= step.nth,
        }
        holds = conditions.get(step.detail, lambda: False)  # "settled", "crashed": those end it in any case
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while not (holds() or self.client.settled or self.server.state == "crashed"):  # noqa: ASYNC110  # no event says it
                    await asyncio.sleep(0.002)

    async def _restart(self) -> None:
        if self.server.state == "crashed":
            self.result.crashes += 1
            await self.server.restart()

    async def _heal(self) -> None:
        self.link.disarm()
        self.link.latency = 0
        self.link.restore()
        self.server.disarm()
        await self._restart()

        async def go_on() -> None:
            self.link.restore()
            await self._restart()
            await asyncio.sleep(0.01)

        def moved() -> Any:
            return self.handled, sum(delivery.fate is None for _, delivery in self.deliveries)

        if why := await given_up(lambda: self._connecting.done() and self.client.settled, moved, go_on, LIMIT):
            self.result.stuck = f"{why}: waiting {self.client.waiting}, under way {self.client.under_way}, {self.client.state}"
        if self._connecting.done():
            await self._connecting

    def _outcomes(self) -> None:
        """What the application was told; nothing is told to a process that has ended."""
        fates = [(number, delivery.fate) for number, delivery in self.deliveries]
        acked = [(number, fate.result) for number, fate in fates if fate is not None and fate.outcome == "acked"]
        self.result.acked = [number for number, _ in acked]
        self.result.misanswered = [number for number, result in acked if result != number]
        self.result.rejected = [number for number, fate in fates if fate is not None and fate.outcome == "rejected"]
        self.result.untold = [number for number, fate in fates[self.born :] if fate is None]

    def _rows(self) -> list[int]:
        database = sqlite3.connect(self.folder / "log.db")
        try:
            return [row[0] for row in database.execute("SELECT number FROM effects ORDER BY position")]
        except sqlite3.OperationalError:
            return []
        finally:
            database.close()


async def run(schedule: Schedule, design: Design = Design()) -> Result:
    """Run it in a folder of its own."""
    with folder_in_memory() as folder:
        return await Run(schedule, design, folder).run()
