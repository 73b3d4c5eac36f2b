"""One client of a schedule with its link: it emits, and writes down what its application is given."""

import asyncio
import math
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from zlib import crc32

from realtime_lab.errors import TryAgain, UnknownFault
from realtime_lab.net.client import Client
from realtime_lab.net.delivery import Delivery
from realtime_lab.net.link import Link
from tests.soak.down_judge import Life
from tests.soak.down_schedule import Role

NEWS, DEPOSIT = "news", "deposit"


class Listener:
    """`log` is the server's file, `trims` what was ordered so far; both only to see whether a session is true."""

    def __init__(self, role: Role, folder: Path, log: Path, trims: list[int]) -> None:
        self.role, self.log, self.trims = role, log, trims
        self.store = folder / f"{role.name}.db"
        self.lives: list[Life] = []
        self.deliveries: dict[str, Delivery] = {}
        self.withdrawn: set[str] = set()
        self.failing = 0
        """How many of the next calls of its handler raise."""
        self.raised = 0
        self.packets: dict[str, int] = {"upstream": 0, "downstream": 0}
        self.link: Link
        self.client: Client

    async def start(self, port: int) -> None:
        """Begin, through a link of its own."""
        self.link = Link("127.0.0.1", port, observer=self._on_link)
        await self.link.start()
        await self._begin()

    async def refresh(self) -> None:
        """The process is killed and starts again. Without a store nothing of it is left, and nobody knows of what was not acknowledged."""
        await self.client.abort()
        self.lives[-1].over = not self.role.store
        for name, delivery in self.deliveries.items():
            acked = delivery.fate is not None and delivery.fate.outcome == "acked"
            if not (acked or (self.role.store and await delivery.kept())):
                self.withdrawn.add(name)
        await self._begin()

    async def stop(self) -> None:
        """End it. With a store that holds the effects, those are what was applied."""
        await self.client.close()
        await self.link.stop()
        if self.role.transaction:
            self.lives[-1].runs = [self._effects()]

    @property
    def settled(self) -> bool:
        """Was it told where it stands, and is everything that came, or was emitted, finished?"""
        return self.client.session is not None and self.client.settled and self.client.idle and not self.link.busy

    def emit(self, name: str) -> None:
        """Ask the server to publish this."""
        self.deliveries[name] = self.client.emit(DEPOSIT, name)

    def cut_at(self, nth: int, direction: str) -> None:
        """Cut before the nth packet from now."""
        with suppress(UnknownFault):  # it has come meanwhile
            self.link.cut(packet=self.packets[direction] + nth, direction=direction)

    def has(self, name: str) -> bool:
        """Was it given this event in its present process?"""
        return name in self._given

    # -- its client -----------------------------------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        if not self.lives or not self.role.store:
            self.lives.append(Life(self.role.name, self.role.red))
        life, least = self.lives[-1], head_of(self.log)
        life.runs.append([])
        run, self._given = life.runs[-1], set[str]()
        options: dict[str, Any] = {"store": self.store} if self.role.store else {}
        client = self.client = Client(
            self.link.url, replay=True, retries=math.inf, ack_timeout=0.3, window=4, auth={"name": self.role.name},
            retry_delay=0.02, retry_delay_max=0.1, reconnection_delay=0.01, reconnection_delay_max=0.05, connect_timeout=2.0,
            transports=self.role.transports, batch=self.role.batch, **options,
        )  # fmt: skip

        @client.on("session")
        def told(session: dict[str, Any]) -> None:
            life.told(session["offset"], session["reason"], least=least, head=head_of(self.log), trims=self.trims)

        @client.on(NEWS)
        async def news(name: str) -> None:
            self._given.add(name)
            if self.role.slow:
                await asyncio.sleep(crc32(name.encode()) % (self.role.slow + 1) / 1000)
            if self.role.transaction:
                async with client.transaction() as tx:
                    await tx.execute("CREATE TABLE IF NOT EXISTS effects (position INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT)")
                    await tx.execute("INSERT INTO effects (name) VALUES (?)", (name,))
                    self._perhaps_fail()
                return
            self._perhaps_fail()
            run.append(name)

        await client.start()

    def _perhaps_fail(self) -> None:
        if self.failing:
            self.failing -= 1
            self.raised += 1
            raise TryAgain("not now")

    def _on_link(self, kind: str, **details: Any) -> None:
        if kind == "wire":
            self.packets[details["direction"]] = max(self.packets[details["direction"]], details["packet"])

    def _effects(self) -> list[str]:
        with closing(sqlite3.connect(self.store)) as database, suppress(sqlite3.OperationalError):  # there may be none
            return [name for (name,) in database.execute("SELECT name FROM effects ORDER BY position")]
        return []


def head_of(log: Path) -> int:
    """The highest offset that is committed, as the file itself says."""
    with closing(sqlite3.connect(log)) as database:
        rows = database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'log_events'").fetchall()
    return int(rows[0][0]) if rows else 0
