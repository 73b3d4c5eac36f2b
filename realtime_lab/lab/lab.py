"""The laboratory: a real server, real clients, a link for each, and one journal, all on a thread of their own."""

import asyncio
import secrets
import tempfile
from collections.abc import Coroutine, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from realtime_lab.errors import AlreadyClosed, FaultPending, LabBusy, LabTrouble, NotSettled, UnknownFault
from realtime_lab.history.copies import SERVER
from realtime_lab.lab.joining import Joining
from realtime_lab.lab.loop_thread import LoopThread, Trouble
from realtime_lab.lab.on_thread import OnThread
from realtime_lab.lab.participant import Outgoing, Participant
from realtime_lab.lab.publishing import Publishing
from realtime_lab.lab.recorded import FULL, Recorded
from realtime_lab.lab.replaying import replaying
from realtime_lab.lab.settling import come_to_rest, never_came, unsettled
from realtime_lab.lab.starting import Starting, log_for
from realtime_lab.lab.tab import Tab, TabSettings
from realtime_lab.net.event_reader import Stored
from realtime_lab.net.log import Log
from realtime_lab.net.server import Server
from realtime_lab.net.to_the_end import to_the_end

T = TypeVar("T")

_OPEN: dict[str, "Lab"] = {}
"""The open labs by name: running the set-up cell again closes the old lab."""

SERVER_NAMES = (
    "on", "emit", "publish", "disconnect", "crash", "disarm", "restart", "sids", "auth", "identity", "state", "armed", "url", "port",
)  # fmt: skip
"""What a cell may use of the server."""

CLOSE_LIMIT = 5.0
"""Seconds that closing waits for the lab's thread."""


class Lab(Recorded):
    """Made by `await Lab.start()`."""

    def __init__(self, name: str, thread: LoopThread | None, log: Log | bool | None, *, dedupe: bool, **options: Any) -> None:
        super().__init__()
        self.name = name
        self._files: tempfile.TemporaryDirectory[str] | None = None
        self.waiting_for: list[str] = []
        """What settle() waits for at the moment."""
        self.closed = False
        token = secrets.token_urlsafe(16)
        self._log = log_for(log, lambda: self.folder, dedupe=dedupe)
        self.thread = thread or LoopThread(f"realtime_lab {name}", self._on_trouble)
        self._shares_thread = thread is not None
        self._outgoing = Outgoing(self.thread)
        self._joining = Joining(self, self.thread, self._outgoing, token=token, port=lambda: self._server.port, folder=lambda: self.folder)
        self._server = Server(
            observer=partial(self.journal.record, SERVER), log=self._log, dedupe=dedupe,
            token=token, origins=self._joining.tabs.welcomes, **options,
        )  # fmt: skip
        self._publishing = Publishing(self._server, self._log, self.journal, stores=bool(log))
        self._under_way = partial(unsettled, self._server, self.participants, self.links, self._journeys)
        self._can_be_repeated(self.thread.loop, self._under_way, {"log": log, "dedupe": dedupe, **options})
        self.server: Any = OnThread(self._server, self.thread, "lab.server", SERVER_NAMES, before=self._outgoing.flush)
        """The server, to be used from cells: on(), emit(), publish(), disconnect(), crash(), restart(), sids."""

    @classmethod
    def start(
        cls,
        *,
        name: str = "lab",
        port: int = 0,
        ping_interval: int = 1,
        ping_timeout: int = 1,
        log: Log | bool | None = None,
        dedupe: bool = False,
        thread: LoopThread | None = None,
    ) -> Starting["Lab"]:
        """Start a lab: `lab = await Lab.start()`, or `async with Lab.start() as lab:`.

        A lab of the same name that is still open is closed first, so a set-up cell can be run again. The heartbeat is one second, so that
        a stall is noticed in two (a server's usual 25 s and 20 s would mean 45 s of silence). `log` and `dedupe` are the guarantees of
        `realtime_lab.Server`. log=True: a log of the lab's own. With a log, what is published and every chat message is stored, and goes
        to everybody from there. With dedupe=True alone there is a log too, but only to remember what was applied.
        `thread`: many labs at once are faster on one thread (measured); whoever made it hears of its troubles and stops it.
        Raises PortInUse, InvalidSetting, StoreInUse, StoreFailed.
        """

        async def begin() -> "Lab":
            while old := _OPEN.get(name):
                await old.close()
            lab = cls(name, thread, log, dedupe=dedupe, port=port, ping_interval=ping_interval, ping_timeout=ping_timeout)
            _OPEN[name] = lab  # before anything is awaited, so that two starts at once cannot both stay
            try:
                await lab.thread.run(lab._server.start())
            except BaseException:
                await lab.close()  # what it had begun to open is closed on its thread, which must not end before
                raise
            return lab

        return Starting(begin)

    @classmethod
    def replay(cls, text: str, *, name: str = "lab") -> Starting["Lab"]:
        """`lab = await Lab.replay(text)`: a new lab that does what `lab.schedule` of another one says. Raises InvalidSetting at once."""
        return replaying(cls.start, text, name)

    async def join(self, name: str, **options: Any) -> Participant:
        """A new client with a link of its own; returns when it is connected. `options` are those of `realtime_lab.Client`.

        Raises NameTaken, InvalidSetting, ConnectTimeout.
        """
        participant = await self.prepare(name, **options)
        try:
            await participant.connect()
        except BaseException:
            await self._on_lab(self._joining.leave(name))
            raise
        return participant

    async def prepare(self, name: str, **options: Any) -> Participant:
        """As join(), for a program that begins offline: the client does not connect before `await participant.connect()`.

        So its link can be broken before the first packet. Raises NameTaken, InvalidSetting.
        """
        return await self._on_lab(self._joining.client(name, options))

    async def open_link(self, name: str) -> Any:
        """A link for a client of your own: let it connect to `link.url`. It is seen, and judged, on the wire only.

        Raises NameTaken, InvalidSetting.
        """
        return self._joining.for_cells(await self._on_lab(self._joining.link(name, "wire")))

    async def open_tab(self, name: str, **settings: Any) -> Tab:
        """A participant whose client is the official one, in a browser that loads the tab's `address`. `settings`: see TabSettings.

        Raises NameTaken, InvalidSetting.
        """
        return await self._on_lab(self._joining.tab(name, TabSettings(**settings)))

    async def open_without_window(self, tab: Tab) -> None:
        """Open its address in Node.js, or in a browser without a window. Raises NoBrowser."""
        await self._on_lab(self._joining.tabs.open_without_window(tab))

    async def publish(self, event: str, data: Any = None) -> int | None:
        """The server sends an event to everybody. With a log it is stored, and the result is its offset; a bare server forgets it."""
        return await self._on_lab(self._publishing.publish(event, data))

    def publish_every(self, interval: float | None) -> None:
        """The server publishes a chat message every `interval` seconds; None ends that."""
        self.thread.call(self._publishing.every, interval)

    async def trim(self, before: int) -> int:
        """The log forgets every event with an offset below `before`. Returns how many. Raises UnknownFault, InvalidSetting."""
        return await self._on_lab(self._publishing.trim(before))

    async def new_database(self) -> None:
        """The server ends, its database is thrown away, and it starts again with an empty one. Raises UnknownFault without a log."""
        await self._on_lab(self._publishing.new_database())

    async def events(self) -> list[Stored]:
        """What the log keeps. Raises UnknownFault without a log."""
        return await self._on_lab(self._publishing.events())

    async def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """The rows of one SQL statement on the database of the server's log. Raises UnknownFault if there is no log, sqlite3.Error."""
        if self._log is None:
            raise UnknownFault("this lab has no database. Start it with dedupe=True, or with log=True.")
        return await self._on_lab(self._log.transact(lambda tx: tx.execute(sql, parameters)))

    async def settle(self, timeout: float = 10.0) -> None:
        """Wait until nothing is under way: everything arrived or lost, every break noticed, everybody whose link is open connected.

        Raises NotSettled after `timeout` seconds, saying what it waits for, FaultPending if an exact cut still waits for its packet, and
        LabTrouble if the record is full.
        """
        try:
            async with asyncio.timeout(timeout + 1):
                await self._on_lab(self._settle(timeout))
        except NotSettled:
            raise
        except TimeoutError:  # the lab's thread cannot even look at the time
            raise NotSettled(f"the lab did not come to rest in {timeout} s. {self.thread.culprit()}") from None

    @property
    def folder(self) -> Path:
        """Where the lab keeps its databases: made when it is needed, removed when the lab is closed."""
        if self._files is None:
            self._files = tempfile.TemporaryDirectory(prefix="realtime_lab_", ignore_cleanup_errors=True)
        return Path(self._files.name)

    @property
    def server_state(self) -> str:
        """As `lab.server.state`, without waiting for the lab's thread: for what is painted."""
        return self._server.state

    @property
    def has_database(self) -> bool:
        """Is there anything that query() can ask?"""
        return self._log is not None

    @property
    def stores(self) -> bool:
        """Is what is published stored?"""
        return self._publishing.stores

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the lab's thread and wait for it, from plain code that cannot await."""
        if self.thread.inside:
            work.close()
            raise LabTrouble("lab.run() would wait for itself: this code already runs on the lab's thread. Use await there.")
        self._outgoing.flush()
        return self.thread.wait(self.thread.submit(work))

    async def close(self) -> None:
        """Stop everything, to its end even if the caller is cancelled meanwhile (Interrupt). Safe to call twice."""
        if self.closed:
            return
        if self.thread.inside:
            raise LabTrouble("lab.close() would wait for itself: this code already runs on the lab's thread. Close the lab from a cell.")
        self.closed = True
        self._forget()
        await to_the_end(self._end())

    async def _end(self) -> None:
        try:
            self._outgoing.flush()
            async with asyncio.timeout(CLOSE_LIMIT):
                await self.thread.run(self._close())
        except (TimeoutError, LabBusy):  # a handler that never returns: its daemon thread is left behind, and named
            self._on_trouble(Trouble(f"the lab was closed without its thread. {self.thread.culprit()}"))
        finally:
            if not self._shares_thread:
                self.thread.stop()
            if self._files is not None:
                self._files.cleanup()
            self._tell()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<Lab {self.name!r}: {'closed' if self.closed else ', '.join(self.participants) or 'nobody has joined'}>"

    def _flush(self) -> None:
        self._outgoing.flush()

    def _forget(self) -> None:  # unless another one has taken its name already
        if _OPEN.get(self.name) is self:
            del _OPEN[self.name]

    # -- on the lab's thread --------------------------------------------------------------------------------------------------------

    async def _on_lab(self, work: Coroutine[Any, Any, T]) -> T:
        if self.closed:
            work.close()
            raise AlreadyClosed(f"{self!r} is closed. Run the cell with Lab.start() again.")
        self._outgoing.flush()
        return await self.thread.run(work)

    async def _settle(self, timeout: float) -> None:
        await come_to_rest(self._look, timeout)
        self._rests.mark()
        for sentence in never_came(self._server, self.links):
            raise FaultPending(sentence)

    def _look(self) -> list[str]:
        if self.full:
            raise LabTrouble(FULL)
        self.waiting_for = self._under_way()
        return self.waiting_for

    async def _close(self) -> None:
        self.journal.seal()
        self._publishing.every(None)
        await self._joining.close()
        await self._server.close()
