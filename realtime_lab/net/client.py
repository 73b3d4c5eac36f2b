"""Client: python-socketio's AsyncClient under our own supervisor, with guarantees that are switched on one by one.

A bare client behaves like the plain library. What is emitted while it is disconnected is refused with NotConnected; what is emitted
between a break and its discovery is lost without a word; nothing is sent twice. Handlers start in the order of arrival and run side by
side, as python-socketio runs them; with `replay`, those of stored events run one after the other.
"""

import asyncio
import inspect
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from realtime_lab.errors import AlreadyClosed, ConnectTimeout, InvalidSetting, UnknownFault
from realtime_lab.net.connection import Connection
from realtime_lab.net.emitting import Emitting
from realtime_lab.net.envelope import announce
from realtime_lab.net.gate import shown
from realtime_lab.net.guarantees import Retries, outbox, store_at
from realtime_lab.net.incoming import Incoming, OnError
from realtime_lab.net.numbered import LEAST
from realtime_lab.net.packets import Observer, allow_long_payloads, ignore
from realtime_lab.net.receiving import Receiving
from realtime_lab.net.supervisor import FINAL, Supervisor
from realtime_lab.rules.faults import seconds

State = Literal["new", "connecting", "connected", "disconnected", "closed"]
TRANSPORTS = ("polling", "websocket")


class Client(Receiving, Emitting):
    """A Socket.IO client that comes back by itself.

    url                     where the server (or a link) listens. https: the server's certificate has to be one that the system trusts, or
                            that is in the file which the environment variable SSL_CERT_FILE names
    ack_timeout             None: fire and forget, as plain emit(). Seconds: each event asks for an acknowledgement, and its fate is unknown
                            when none comes in this time (Socket.IO client option `ackTimeout`, there in milliseconds)
    send_buffer             True: what is emitted while disconnected is kept and sent later (rules/send_buffer.py). None: as `retries`
                            wants it, which keeps events, as in JavaScript
    buffer_limit, buffer_limit_bytes, max_age    how many events and bytes the buffer holds at most, and seconds that one may wait in it
    retries                 None: each event is sent once. A number, or math.inf: how often it is sent again until it is acknowledged
                            (rules/retry.py; Socket.IO client option `retries`). Or a function that makes a rule of your own (RetryRule).
                            Needs an ack_timeout
    window                  how many events may be under way at once, if retries are on: 1, or as many as there can be with batch
    retry_delay, retry_delay_max    seconds, the wait before another try (rules/backoff.py); 0 does not wait
    replay                  True: what was published while it was away comes when it is back, in order, at least once: an event whose
                            handler was interrupted, or has raised, is given to it again; once in effect with transaction(); over a
                            restart of the client only with `store` (rules/replay.py, rules/inbox.py). Needs a Server with a log
    on_error                with replay, when a handler has raised four times for one event: "halt" there, or "skip" it. A store
                            that failed does not count: that is tried again until it works
    batch                   True: what waits travels together, in both directions, if the server is one of ours with a log: many events in
                            one packet, and one acknowledgement for all of them. What has nothing to wait for goes at once, by itself.
                            Needs retries, or replay
    store                   a file: events, their numbers and the offset survive a restart. Needs retries, because only an acknowledgement
                            tells when an event may be forgotten, or replay
    max_payload             bytes of one event at most: what the server accepts (there `max_http_buffer_size`, by default 1,000,000)
    transports              "websocket", "polling" or both; with both it starts with polling and upgrades
    auth                    what the server's connect handler is given: a dict, or a function that makes one, called for every attempt
    connect_timeout         seconds for one whole attempt
    reconnection_delay, reconnection_delay_max    seconds, see rules/backoff.py
    """

    def __init__(
        self,
        url: str,
        *,
        ack_timeout: float | None = None,
        send_buffer: bool | None = None,
        buffer_limit: int = 10_000,
        buffer_limit_bytes: int = 64_000_000,
        max_age: float | None = None,
        retries: Retries = None,
        window: int | None = None,
        retry_delay: float = 0.5,
        retry_delay_max: float = 5.0,
        replay: bool = False,
        on_error: OnError = "halt",
        batch: bool = False,
        store: str | Path | None = None,
        max_payload: int = 1_000_000,
        transports: Sequence[str] = ("websocket",),
        auth: Any = None,
        connect_timeout: float = 5.0,
        reconnection_delay: float = 1.0,
        reconnection_delay_max: float = 5.0,
        observer: Observer = ignore,
    ) -> None:
        unknown = [name for name in transports if name not in TRANSPORTS]
        if unknown or not transports or isinstance(transports, str):
            raise InvalidSetting(f'transports={transports!r}: give a list of "websocket" and "polling".')
        self.url = url
        self._transports = tuple(transports)
        if auth is not None and not isinstance(auth, dict) and not callable(auth):
            raise InvalidSetting(f"auth={auth!r}: give a dict, or a function that returns one.")
        if batch and retries is None and not replay:
            raise InvalidSetting("batch=True needs retries= or replay=True: only what is acknowledged can travel in a batch.")
        if batch and max_payload < LEAST:
            raise InvalidSetting(f"batch=True needs a max_payload of {LEAST:,} or more, here and at the server; it is {max_payload:,}.")
        self._auth, self._batch = auth, batch
        self._max_payload = max_payload
        self._connect_timeout = seconds("connect_timeout", connect_timeout)
        super().__init__(observer)
        kept = store_at(store, retries=retries, replay=replay)
        delays = {"delay": seconds("retry_delay", retry_delay), "delay_max": seconds("retry_delay_max", retry_delay_max)}
        self._outbox = outbox(
            ack_timeout=ack_timeout, send_buffer=send_buffer, buffer_limit=buffer_limit, buffer_limit_bytes=buffer_limit_bytes,
            max_age=max_age, retries=retries, window=window, batch=batch, store=kept, observe=observer, **delays,
        )  # fmt: skip
        if replay:
            self._incoming = Incoming(self._handlers, kept, self._next_reception, on_error=on_error, observe=observer, **delays)
        self._state: State = "new"
        self._connection: Connection | None = None
        self._supervisor = Supervisor(
            lambda: Connection(self._opened, self._drained, self._ended, self._receive),
            lambda connection: connection.open(self.url, self._transports, self._credentials, self._connect_timeout),
            self._failed,
            initial=seconds("reconnection_delay", reconnection_delay),
            maximum=seconds("reconnection_delay_max", reconnection_delay_max),
        )

    # -- the application's side -----------------------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Does the client believe that it is connected? After a break it takes a while to find out."""
        return self._state == "connected"

    @property
    def state(self) -> State:
        """One of "new", "connecting", "connected", "disconnected" (for good: the server said so, or refused) or "closed"."""
        return self._state

    @property
    def sid(self) -> str:
        """Socket.IO's id of the current connection; empty while there is none. It changes with every connection."""
        return self._connection.sid if self._connection else ""

    @property
    def idle(self) -> bool:
        """Is everything settled that can be by itself, and has every handler returned? What waits for a connection waits."""
        return not self._handling and self._outbox.idle

    async def connect(self, timeout: float = 10.0) -> None:
        """Connect, and from then on come back after every break. Returns when the first connection is up, and with replay when the server
        has said where this client stands.

        Raises ConnectionRejected when the server says no, or ends it for good before that; ConnectTimeout after `timeout` seconds without
        a connection, AlreadyClosed when the client is closed meanwhile, and StoreInUse or StoreFailed for the client's own store.
        """
        await self.start()
        try:
            async with asyncio.timeout(timeout):
                await self._supervisor.reach(self._supervisor.up if self._incoming is None else self._incoming.told_once)
            self._check_open()
        except AlreadyClosed:
            raise
        except TimeoutError:
            why = self._why_not(timeout)
            await self._give_up()
            raise ConnectTimeout(why) from None
        except BaseException:
            await self._give_up()
            raise

    async def _give_up(self) -> None:
        await self._supervisor.stop()
        self._become("disconnected")

    def _why_not(self, timeout: float) -> str:
        if not self.connected or self._incoming is None:
            why = self._supervisor.failure or "no attempt ended"
            return f"no connection to {shown(self.url)} in {timeout} s ({why}). Is the server running, and the link open?"
        if self._incoming.obstacle:
            return f"connected, but where this client stands was not known in {timeout} s, because {self._incoming.obstacle}."
        return f"{shown(self.url)} did not say in {timeout} s where this client stands: it does not replay."

    async def start(self) -> None:
        """As connect(), but does not wait for the first connection: for a program that begins offline.

        Raises StoreInUse, StoreFailed, AlreadyClosed.
        """
        if self._state == "disconnected":
            await self._supervisor.ended()
        self._check_startable()
        allow_long_payloads()
        await self._outbox.open()
        if self._incoming is not None:
            await self._incoming.open()
        self._check_startable()  # it may have been closed, or started, meanwhile
        if self._incoming is not None:
            self._incoming.told_once = asyncio.Event()
        self._become("connecting")
        self._observe("connecting")
        self._supervisor.start()

    async def close(self) -> None:
        """Disconnect for good. Safe to call twice. What has no acknowledgement yet is not waited for: see flush().

        A handler of a stored event that runs is cancelled, and its event comes again. If it is this handler that calls close(), it runs on.
        Raises InvalidSetting inside `async with client.transaction()`, and so does abort().
        """
        await self._end(polite=True)

    async def abort(self) -> None:
        """End as a process that is killed, or a page that is refreshed: without a goodbye, and what only memory held is lost."""
        await self._end(polite=False)

    async def _end(self, *, polite: bool) -> None:
        if self._incoming is not None:
            self._incoming.stop()
        self._state = "closed"
        if not polite:
            self._kill_handlers()
        await asyncio.shield(asyncio.ensure_future(self._shut(polite=polite)))  # to its end, whatever becomes of its caller

    async def _shut(self, *, polite: bool) -> None:
        if self._incoming is not None and not polite:
            await self._incoming.close()  # a process that is killed finishes nothing
        await self._supervisor.stop(polite=polite)
        if self._incoming is not None:
            await self._incoming.close()
        await self._outbox.close(abandoned=not polite)
        if self._incoming is not None:
            await self._incoming.free()

    async def __aenter__(self) -> Self:
        try:
            await self.connect()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    # -- the connection says --------------------------------------------------------------------------------------------------------

    async def _credentials(self) -> dict[str, Any]:
        auth = self._auth() if callable(self._auth) else self._auth
        peer = replace(self._outbox.peer, batch=self._batch)
        if self._incoming is not None:
            peer = replace(peer, replays=True, known=self._incoming.position)
        return announce(await auth if inspect.isawaitable(auth) else auth, peer)

    def _opened(self, connection: Connection) -> None:
        self._connection = connection
        self._become("connected")
        self._observe("connected", sid=connection.sid)
        self._outbox.opened(connection)
        self._handlers.call_soon("connect")

    def _greeted(self, connection: Connection, *, batches: bool) -> None:
        connection.batches = batches and self._batch
        self._outbox.greeted()

    def _drained(self, connection: Connection) -> None:
        if connection is self._connection:
            self._outbox.changed()

    def _failed(self, connection: Connection) -> None:
        if connection.refused:
            self._become("disconnected")
        else:
            self._ended(connection, "transport error")

    def _ended(self, connection: Connection, reason: str) -> None:
        if self._connection is not connection:
            return
        self._connection = None
        self._become("disconnected" if reason in FINAL else "connecting")
        self._observe("disconnected", sid=connection.sid, reason=reason)
        self._outbox.ended()
        if self._incoming is not None:
            self._incoming.disconnected()
        if self._state == "connecting":
            self._observe("connecting")  # once for all the attempts that follow
        self._handlers.call_soon("disconnect", reason)

    def _become(self, state: State) -> None:
        """Closed is for ever."""
        if self._state != "closed":
            self._state = state

    def _check_startable(self) -> None:
        self._check_open()
        if self._supervisor.running:
            raise UnknownFault("this client is connected already, or trying to. Await client.close() and make a new one.")

    def _check_open(self) -> None:
        if self._state == "closed":
            raise AlreadyClosed("this client was closed. Make a new one.")
