"""One connection of a client: a fresh python-socketio AsyncClient, used once and thrown away.

python-socketio's own reconnect loop has six measured ways to die for ever, and a client that was shut down stays half alive; so it is
never asked to reconnect. Its emit() succeeds silently after the connection broke, until the break is noticed: that gap is real, and the
lessons show it.
"""

import asyncio
import contextlib
import inspect
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import socketio
from engineio.base_client import connected_clients
from socketio import packet

from realtime_lab.errors import ConnectionRejected
from realtime_lab.net.ending_queue import EndingQueue
from realtime_lab.net.gate import shown
from realtime_lab.net.logger import LOG
from realtime_lab.net.packets import StrictPacket
from realtime_lab.net.reading import client_reads_on
from realtime_lab.net.to_the_end import to_the_end

CLOSE_LIMIT = 1.0
"""Seconds for a polite goodbye; over long-polling python-socketio's own would take up to ping_interval + ping_timeout."""

PORTION = 10
"""Events that are handed to the transport at once; the next ones follow when these are out.

A server of python-engineio decodes 16 packets of one long-polling request, heartbeats included, and throws a larger one away (measured).
"""

Receive = Callable[["Connection", int, str, tuple[Any, ...]], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Ticket:
    """One send."""

    connection: "Connection"
    index: int
    """Its place among the events of this connection, from 0."""
    ack: int
    """Socket.IO's acknowledgement id; 0: no acknowledgement was asked for."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event on its way to the transport."""

    event: str
    data: Any
    answered: Callable[..., object] | None = None
    """Called with the acknowledgement; None: none is asked for."""
    handed_over: Callable[[], object] | None = None
    """Called when the transport has it."""


Fetch = Callable[[], Outgoing]
"""Gives what is to be sent, in the moment in which it can be."""


class Connection:
    """`opened` is called once the server has accepted, `drained` whenever there is room again, `ended` with the reason when it is over,
    and then `gone` resolves.
    """

    batches = False
    """Do both ends understand batches?"""

    def __init__(
        self,
        opened: Callable[["Connection"], None],
        drained: Callable[["Connection"], None],
        ended: Callable[["Connection", str], None],
        receive: Receive,
    ) -> None:
        self.sid = ""
        self.gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._opened = opened
        self._drained = drained
        self._ended = ended
        self._receive = receive
        self._refusal: Any = None
        self._for_now = False
        """Does the refusal say nothing about this client, so that it may try again?"""
        self._waiting: deque[Outgoing | Fetch] = deque()
        self._wake = asyncio.Event()
        self._flushing = False
        self._sent = self._asked = self._received = 0
        self._tasks: list[asyncio.Future[None]] = []
        self._attempt: asyncio.Task[None] | None = None
        self._decided: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """The server refused, or the connection is over."""
        self._accepted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answers: weakref.WeakSet[aiohttp.ClientResponse] = weakref.WeakSet()
        make: Any = self._answer
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None), response_class=make)
        self._http._retry_connection = False  # a poll whose answer was lost would be asked again, and what it held never come (measured)
        options: dict[str, Any] = {"reconnection": False, "handle_sigint": False, "serializer": StrictPacket, "http_session": self._http}
        self._sio = client_reads_on(socketio.AsyncClient(**options, logger=LOG, engineio_logger=LOG))
        self._sio.eio.queue = EndingQueue()
        self._sio.on("connect", self._on_connect)
        self._sio.on("connect_error", self._on_connect_error)
        self._sio.on("disconnect", self._end)
        self._sio.on("*", self._on_event)

    async def open(self, url: str, transports: Sequence[str], auth: Any, limit: float) -> None:
        """Connect, or raise: ConnectionRejected when the server said no, OSError or TimeoutError when there was no answer.

        `limit` (seconds) covers the whole attempt; python-socketio's own limit leaves out the WebSocket handshake.
        """
        try:
            await self._open(url, transports, auth, limit)
        except BaseException:
            self._end("transport error")  # an acceptance that comes now comes too late
            raise

    async def _open(self, url: str, transports: Sequence[str], auth: Any, limit: float) -> None:
        self._attempt = asyncio.ensure_future(self._connect(url, transports, auth))
        await asyncio.wait({self._attempt, self._decided}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        if self._refusal is not None:
            why = f"the server refused the connection: {self._refusal}"
            raise ConnectionRejected(why) if self.refused else OSError(why)
        if self.gone.done():
            return  # accepted, and over already
        if not self._attempt.done():
            raise TimeoutError(f"no answer from {shown(url)} in {limit} s")
        if error := self._attempt.exception():  # TypeError, KeyError and others too, when a connection breaks during its handshake
            raise OSError(f"cannot connect to {shown(url)}: {shown(str(error))}") from error
        self._tasks = [asyncio.ensure_future(self._send_all()), asyncio.ensure_future(self._watch())]

    async def _connect(self, url: str, transports: Sequence[str], auth: Any) -> None:
        """Does not let python-socketio wait for the acceptance: it would not notice that the connection broke, or was ended, meanwhile."""
        auth = auth() if callable(auth) else auth
        auth = await auth if inspect.isawaitable(auth) else auth
        await self._sio.connect(url, auth=auth, transports=list(transports), namespaces=["/"], wait=False)
        if len(self._loops) == 2:  # else one of them has ended already
            await asyncio.wait({self._accepted, *self._loops}, return_when=asyncio.FIRST_COMPLETED)
        if not self._accepted.done():
            raise OSError("the connection broke before it was accepted")

    def send(
        self, event: str, data: Any, *, answered: Callable[..., object] | None = None, handed_over: Callable[[], object] | None = None
    ) -> Ticket:
        """Queue an event; it leaves in order, in the next round of the loop.

        With `answered` an acknowledgement is asked for; it is called with what comes. `handed_over`: the event was given to the transport.
        """
        return self._queue(Outgoing(event, data, answered, handed_over), asks=answered is not None)

    def fetch(self, next_one: Fetch) -> Ticket:
        """Queue a place for an event with an acknowledgement; which it is, `next_one` is asked when its turn has come."""
        return self._queue(next_one, asks=True)

    def _queue(self, next_one: Outgoing | Fetch, *, asks: bool) -> Ticket:
        self._waiting.append(next_one)
        self._wake.set()
        self._sent += 1
        self._asked += asks
        return Ticket(self, self._sent - 1, self._asked if asks else 0)

    def forget(self, ticket: Ticket) -> None:
        """Nobody waits for this acknowledgement any more (python-socketio would keep its callback until the connection ends)."""
        self._sio.callbacks.get("/", {}).pop(ticket.ack or None, None)

    @property
    def room(self) -> int:
        """How many events it takes without making any wait for the transport."""
        return 0 if self._flushing else max(PORTION - len(self._waiting), 0)

    @property
    def refused(self) -> bool:
        """Did the server say no to it, and not only for now?"""
        return self._refusal is not None and not self._for_now

    async def close(self, *, goodbye: bool = True) -> None:
        """Say goodbye if there is still somebody there, and free everything, even when the caller is cancelled meanwhile.

        Without `goodbye` it just ends, as when the process is killed.
        """
        await to_the_end(self._close(goodbye))

    async def _close(self, polite: bool) -> None:
        eio = self._sio.eio
        if not polite:
            self._waiting.clear()
            self._end("client disconnect")
        goodbye = asyncio.ensure_future(self._goodbye())
        loops = self._loops
        said = {goodbye, *loops} if eio.current_transport == "polling" else {goodbye}
        await asyncio.wait(said, timeout=CLOSE_LIMIT, return_when=asyncio.FIRST_COMPLETED)
        self._end("client disconnect")
        tasks = [task for task in (self._attempt, goodbye, *self._tasks, *loops) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # the goodbye is a courtesy; the connection is over either way
        with contextlib.suppress(ValueError):
            connected_clients.remove(eio)  # python-engineio's own list; it forgets to when it is interrupted
        for answer in self._answers:
            answer.close()  # python-engineio drops what it was reading when a connection breaks, and aiohttp complains
        await self._http.close()

    def _answer(self, *arguments: Any, **options: Any) -> aiohttp.ClientResponse:
        answer = aiohttp.ClientResponse(*arguments, **options)
        self._answers.add(answer)
        return answer

    async def _goodbye(self) -> None:
        """What was emitted goes first, then Socket.IO's goodbye; python-socketio's own may close the transport before it is out."""
        eio = self._sio.eio
        if self._attempt is not None and self._attempt.cancel():
            await asyncio.wait({self._attempt})
        if self._tasks and not self.gone.done():
            while self._waiting:
                await self._send(self._waiting.popleft())
            await eio.send(StrictPacket(packet.DISCONNECT).encode())
            flushed = asyncio.ensure_future(eio.queue.join())
            self._tasks.append(flushed)
            await asyncio.wait({flushed, *self._loops}, return_when=asyncio.FIRST_COMPLETED)
        await eio.disconnect(abort=self.gone.done())

    # -- python-socketio calls these ------------------------------------------------------------------------------------------------

    def _on_connect(self) -> None:
        if self.gone.done():
            return
        self.sid = self._sio.get_sid("/") or ""
        self._accepted.set_result(None)
        self._opened(self)

    def _on_connect_error(self, data: Any = None) -> None:
        if self._sio.eio.state == "connected":  # else it is no packet, but an HTTP error
            self._refusal = (data.get("message", data) if isinstance(data, dict) else data) or "no reason given"
            more = data.get("data") if isinstance(data, dict) else None
            self._for_now = isinstance(more, dict) and more.get("retryable") is True
            self._decide()

    def _decide(self) -> None:
        if not self._decided.done():
            self._decided.set_result(None)

    async def _on_event(self, event: str, *arguments: Any) -> Any:
        index, self._received = self._received, self._received + 1
        return await self._receive(self, index, event, arguments)

    # -- its own tasks --------------------------------------------------------------------------------------------------------------

    async def _send_all(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                self._flushing = True
                for _ in range(min(PORTION, len(self._waiting))):
                    await self._send(self._waiting.popleft())
                await self._sio.eio.queue.join()
                if len(self._loops) < 2:
                    return  # it broke: python-engineio calls a failed request done, too
                self._flushing = False
                self._drained(self)

    async def _send(self, next_one: Outgoing | Fetch) -> None:
        each = next_one if isinstance(next_one, Outgoing) else next_one()
        await self._sio.emit(each.event, each.data, callback=each.answered)
        if each.handed_over is not None:
            each.handed_over()

    async def _watch(self) -> None:
        """The end of one of python-engineio's loops is the truth: when a POST has failed it says nothing until a poll returns."""
        if self._loops:
            await asyncio.wait(self._loops, return_when=asyncio.FIRST_COMPLETED)
        self._end("transport error")

    @property
    def _loops(self) -> list[asyncio.Task[None]]:
        return [task for task in (self._sio.eio.read_loop_task, self._sio.eio.write_loop_task) if task is not None]

    def _end(self, reason: str) -> None:
        if self.gone.done():
            return
        self.gone.set_result(reason)
        self._decide()
        self._waiting.clear()
        self._ended(self, reason)
