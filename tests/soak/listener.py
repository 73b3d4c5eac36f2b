"""One client of a schedule with its link: it emits, and writes down what its application is given."""

import asyncio
import math
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from zlib import crc32

from realtime_lab.errors import NotConnected, TryAgain
from realtime_lab.net.client import Client
from realtime_lab.net.client_store import Effects
from realtime_lab.net.delivery import Delivery, Fate
from tests.soak.down_judge import Life
from tests.soak.down_schedule import Role
from tests.soak.storm_judge import Voice
from tests.soak.watched_link import WatchedLink

NEWS, DEPOSIT, TELL, FLASH = "news", "deposit", "tell", "flash"
NOTE, EVERY = "note", 40
"""What a client of a storm emits after so many others: its handler takes no `tx`, so it parts a batch."""
END, NOT_NOW = "the end", "not now"
SURPRISING = ("misanswered", "rejected")
"""An application that is told one of these is asked how, in case it is not so."""
EVENTS = {"deposit": DEPOSIT, "tell": TELL}
QUICK: dict[str, Any] = {
    "retry_delay": 0.02, "retry_delay_max": 0.1, "reconnection_delay": 0.01, "reconnection_delay_max": 0.05, "connect_timeout": 5.0,
}  # fmt: skip
PATIENT: dict[str, Any] = {**QUICK, "ack_timeout": 5.0, "buffer_limit": 1_000_000}
"""For long bursts: an acknowledgement takes as long as what is before it."""


class Listener:
    """`log` is the server's file, `trims` what was ordered so far; both only to see whether a session is true."""

    def __init__(self, role: Role, folder: Path, log: Path, trims: list[int], **options: Any) -> None:
        self.role, self.log, self.trims = role, log, trims
        self.store = folder / f"{role.name}.db"
        self.options = {**QUICK, "ack_timeout": 0.3, **options}
        if role.store:
            self.options["store"] = self.store
        if role.numbered:
            self.options |= {"replay": True, "retries": math.inf, "batch": role.batch, "window": None if role.batch else 4}
        self.lives: list[Life] = []
        self.voice = Voice(role)
        self.deliveries: dict[int, tuple[str | None, Delivery]] = {}
        """Number -> what is to be answered, and what is."""
        self._born = 0
        """The last number before its present process."""
        self.flashes: list[int] = []
        self.failing = 0
        """How many of the next calls of its handler raise."""
        self.raised: list[TryAgain] = []
        """What they have raised."""
        self.link: WatchedLink
        self.client: Client

    async def start(self, port: int) -> None:
        """Begin, through a link of its own."""
        self.link = WatchedLink(port)
        await self.link.start()
        await self._begin()

    async def refresh(self) -> None:
        """The process is killed and starts again. Without a store nothing of it is left, and nobody knows of what was not acknowledged."""
        await self.client.abort()
        if not self.role.store:
            self.lives[-1].over = True
            self.voice.births.append(self.voice.emitted)
        for n, (_, delivery) in self.deliveries.items():
            acked = delivery.fate is not None and delivery.fate.outcome == "acked"
            if not (acked or (self.role.store and await delivery.kept())):
                self.voice.excused.add(n)
        await self._begin()

    async def stop(self) -> None:
        """End it. With a store that holds the effects, those are what was applied."""
        await self.client.close()
        await self.link.stop()
        if self.role.transaction:
            self.lives[-1].runs = [effects_of(self.store)]

    @property
    def settled(self) -> bool:
        """Was it told where it stands, and is everything that came, or was emitted, finished?"""
        told = self.client.session is not None or not self.role.numbered
        return told and self.client.settled and self.client.idle and not self.link.busy

    @property
    def unsettled(self) -> int:
        """Of how many events it was not told what became of them."""
        return sum(delivery.fate is None for _, delivery in self.deliveries.values())

    @property
    def handled(self) -> int:
        """How many events its present process was given."""
        return len(self._given)

    def emit(self, count: int, event: str = DEPOSIT, room: str = "") -> None:
        """Hand so many to the server, for everybody or for this room. Raises NotConnected where there is no reason for it."""
        for _ in range(count):
            self.voice.emitted += 1
            name = f"{room} {self.role.name} {self.voice.emitted}".strip()
            try:
                self.deliveries[self.voice.emitted] = answer_to(event, name), self.client.emit(event, name)
            except NotConnected:
                if self.role.numbered or self.client.connected:
                    raise
                self.voice.told.setdefault("refused", set()).add(self.voice.emitted)  # a bare client keeps nothing for later

    def note(self) -> None:
        """Emit something that leaves nothing in the database."""
        if self.role.numbered:
            self.client.emit(NOTE, f"{self.role.name} {self.voice.emitted}")

    def outcomes(self) -> None:
        """What its application was told by now; and what its present process was not told."""
        for n, (answer, delivery) in self.deliveries.items():
            outcome = outcome_of(delivery.fate, answer)
            if delivery.fate is not None and outcome in SURPRISING:
                self.voice.because[n] = words_of(delivery.fate)
            if outcome or n > self._born:
                self.voice.told.setdefault(outcome, set()).add(n)

    def mend(self) -> None:
        """Nothing is in its way any more."""
        self.link.disarm()
        self.link.latency, self.failing = 0, 0
        self.link.restore()
        if self.raised:  # else nothing has told it to halt, and it has to go on by itself
            self.client.resume()

    def has(self, name: str) -> bool:
        """Was it given this event in its present process?"""
        return name in self._given

    # -- its client -----------------------------------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        if not self.lives or not self.role.store:
            self.lives.append(Life(self.role.name, self.role.red))
        life, least, self._born = self.lives[-1], head_of(self.log), self.voice.emitted
        life.runs.append([])
        run, self._given = life.runs[-1], set[str]()
        client = self.client = Client(
            self.link.url, auth={"name": self.role.name}, transports=self.role.transports, **self.options
        )  # fmt: skip

        @client.on("session")
        def told(session: dict[str, Any]) -> None:
            life.told(session["offset"], session["reason"], least=least, head=head_of(self.log), trims=self.trims)

        async def news(name: str) -> None:
            self._given.add(name)
            half = crc32(name.encode()) % (self.role.slow + 1) / 2000
            await asyncio.sleep(half)  # who is killed now has not done it; and after it, does not know that it is done
            if self.role.transaction:
                async with client.transaction() as tx:
                    await keep(tx, name)
                    self._perhaps_fail()
            else:
                self._perhaps_fail()
                run.append(name)
            await asyncio.sleep(half)

        if self.role.numbered:
            client.on(NEWS)(news)
        client.on(FLASH)(self.flashes.append)
        await client.start()

    def _perhaps_fail(self) -> None:
        if self.failing:
            self.failing -= 1
            self.raised.append(TryAgain(NOT_NOW))
            raise self.raised[-1]


def answer_to(event: str, name: str) -> str | None:
    """What the servers of the soak answer: two ways, for what has a result is acknowledged in another way."""
    return name if event == DEPOSIT else None


def outcome_of(fate: Fate | None, answer: str | None) -> str:
    """What the application was told, in the words of Voice.told."""
    if fate is None:
        return ""
    return "misanswered" if fate.outcome == "acked" and fate.result != answer else fate.outcome


def words_of(fate: Fate) -> str:
    """All of it, in one line."""
    return f"{fate}, answered {fate.result!r}".replace("\n", " ")


async def keep(tx: Effects, name: str) -> None:
    """Apply an event in the client's own store."""
    await tx.execute("CREATE TABLE IF NOT EXISTS effects (position INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT)")
    await tx.execute("INSERT INTO effects (name) VALUES (?)", (name,))


def effects_of(file: Path) -> list[str]:
    """What was applied in this database, in order."""
    with closing(sqlite3.connect(file)) as database, suppress(sqlite3.OperationalError):  # there may be no table yet
        return [name for (name,) in database.execute("SELECT name FROM effects ORDER BY position")]
    return []


def head_of(log: Path) -> int:
    """The highest offset that is committed, as the file itself says."""
    with closing(sqlite3.connect(log)) as database:
        rows = database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'log_events'").fetchall()
    return int(rows[0][0]) if rows else 0


def rows_of(log: Path) -> dict[int, tuple[str, str]]:
    """What the log holds, as the file itself says: offset -> (name, room)."""
    with closing(sqlite3.connect(log)) as database:
        rows = database.execute("SELECT offset, body, room FROM log_events").fetchall()
    return {offset: (body.strip('"'), room) for offset, body, room in rows}
