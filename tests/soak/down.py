"""Runs a schedule of both directions on the real stack: a server with a log, and five clients behind their links."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from realtime_lab.errors import AlreadyClosed, TryAgain
from realtime_lab.net.event_log import EventLog
from realtime_lab.net.server import Server
from tests.folders import folder_in_memory
from tests.ports import quiet_port
from tests.soak.down_judge import Found, judge
from tests.soak.down_schedule import CAST, Deed, Down
from tests.soak.listener import DEPOSIT, END, NEWS, Listener, rows_of
from tests.soak.patience import given_up
from tests.soak.storm_judge import LOST, PUBLISHED, REORDERED, TWICE, Tally, design_down, design_up, judge_log, judge_up

LIMIT = 40.0
"""Seconds without anything that moves, after which what has not come is said to be stuck."""


@dataclass
class DownResult(Tally):
    """What came out. `rows` are all that were ever committed: offset -> (name, room)."""

    schedule: Down = field(kw_only=True)
    rows: dict[int, tuple[str, str]] = field(default_factory=dict)
    found: list[tuple[str, Found]] = field(default_factory=list)
    untrue: list[str] = field(default_factory=list)
    raised: list[TryAgain] = field(default_factory=list)
    """By handlers that were told to fail."""
    stuck: str = ""

    def total(self, of: str) -> int:
        """Over all clients."""
        return sum(value if isinstance(value := getattr(found, of), int) else len(value) for _, found in self.found)

    @property
    def wrong(self) -> dict[str, Any]:
        """Everything that a promise was broken by. Of a run that got stuck, what is lost may only be late."""
        words = ("repeated", "invented")
        by_client = {f"{word}: {name}": value for name, found in self.found for word in words if (value := getattr(found, word))}
        other = {"untrue": self.untrue, "stuck": self.stuck, "reported": self.reported}
        return {**by_client, **self.broken, **{word: value for word, value in other.items() if value}}


class DownRun:
    """One run of a schedule in a folder."""

    def __init__(self, schedule: Down, folder: Path, limit: float) -> None:
        self.limit, self.schedule, self.file = limit, schedule, folder / "log.db"
        self.result = DownResult(schedule=schedule)
        self.log = EventLog(self.file, synchronous="OFF")
        self.server = Server(
            port=quiet_port(4 * schedule.seed), log=self.log, dedupe=True, ping_interval=1, ping_timeout=1,
            authenticate=lambda auth: auth["name"], rooms=lambda name: ["red"] if self.listeners[name].role.red else [],
        )  # fmt: skip
        self.server.on(DEPOSIT)(self._deposit)
        self.trims: list[int] = []
        self.listeners = {role.name: Listener(role, folder, self.file, self.trims) for role in CAST}
        self.published: dict[str, int | None] = {}
        """name -> offset; None: publish() raised."""
        self.publishing: set[asyncio.Task[None]] = set()

    async def _deposit(self, sid: str, name: str, tx: Any) -> str:
        await tx.append(NEWS, name, to=_room(name))
        return name

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
            for listener in self.listeners.values():
                listener.outcomes()  # before they are closed
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
                    listener.emit(step.count, room=step.detail)
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
                self.result.totals["refreshes"] += 1
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

    async def _trim(self, keep: int) -> None:
        before = self.log.head + 1 - keep
        if before > 1 and self.server.state == "listening":
            self.result.rows |= rows_of(self.file)
            self.trims.append(before - 1)
            with suppress(AlreadyClosed):  # a crash came first
                await self.log.trim(before)

    # -- the end --------------------------------------------------------------------------------------------------------------------

    async def _restart(self) -> None:
        if self.server.state == "crashed":
            self.result.totals["crashes"] += 1
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
        if not (why := await given_up(settled, self._moved, self._go_on, self.limit)):
            await self.server.publish(NEWS, END)  # whoever has been given it has been given everything before it, or never will be
            if not (why := await given_up(ended, self._moved, self._go_on, self.limit)):
                return
        states = {name: _state(each) for name, each in self.listeners.items()}
        server = f"{self.server.state}{', idle' if self.server.idle else ''}"
        self.result.stuck = f"{why}: head {self.log.head}, server {server}, {len(self.publishing)} to be published, {states}"

    def _moved(self) -> Any:
        return self.log.head, [(each.client.offset, each.unsettled) for each in self.listeners.values()]

    async def _go_on(self) -> None:
        self._mend()
        await self._restart()
        await asyncio.sleep(0.01)

    def _judge(self) -> None:
        result, listeners = self.result, self.listeners.values()
        result.rows |= rows_of(self.file)
        lives = list(chain.from_iterable(listener.lives for listener in listeners))
        result.found = [(life.name, judge(life, result.rows)) for life in lives]
        result.untrue = [f"{life.name}: {each}" for life in lives for each in life.untrue]
        result.raised = list(chain.from_iterable(listener.raised for listener in listeners))
        result.totals["cuts"] = sum(listener.link.cuts for listener in listeners)
        self.count()

    def count(self) -> None:
        """Add up what was found, and judge what clients and server handed in."""
        result, effects = self.result, defaultdict[str, list[int]](list)
        for _, (name, _) in sorted(result.rows.items()):
            *_, who, n = name.split()
            effects[who] += [int(n)] if n.isdecimal() else []
        for name, found in result.found:
            words = {LOST: found.lost, REORDERED: found.reordered, TWICE: [*found.repeated, *["cut off"] * found.cut_off]}
            result.add(design_down(self.listeners[name].role), found.applied, words, name)
        for name, listener in self.listeners.items():
            voice = listener.voice
            result.add(design_up(voice.role, dedupe=True), voice.emitted, judge_up(voice, effects[name]), name)
        stored = [(offset, name) for name, offset in self.published.items() if offset]
        result.add(PUBLISHED, len(stored), judge_log(stored, [], result.rows), "the server")


def _state(listener: Listener) -> tuple[Any, ...]:
    client = listener.client
    return client.state, client.offset, listener.has(END), client.idle, client.waiting, client.under_way


def _room(name: str) -> str | None:
    return "red" if name.startswith("red ") else None


async def run_down(schedule: Down, limit: float = LIMIT) -> DownResult:
    """Run it in a folder of its own."""
    with folder_in_memory() as folder:
        return await DownRun(schedule, folder, limit).run()
