"""Guests: everything about the connections to a server that a process forgets when it ends."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

from socketio.exceptions import ConnectionRefusedError as Refusal

from realtime_lab.errors import Rejected, TryAgain
from realtime_lab.net.acknowledging import asked
from realtime_lab.net.batch_intake import BatchIntake
from realtime_lab.net.doorkeeper import Admitted, Doorkeeper, check_owner
from realtime_lab.net.envelope import BATCH, Peer, own_auth, peer_of
from realtime_lab.net.event_log import Log
from realtime_lab.net.feed import Feed
from realtime_lab.net.handlers import Handlers
from realtime_lab.net.intake import Intake
from realtime_lab.net.packets import Observer
from realtime_lab.net.receptions import CANCELLED, Answer, Arrival
from realtime_lab.net.reporting import failure, report
from realtime_lab.net.sockets import engine_socket
from realtime_lab.net.tail import Tail

Receiving = Callable[[], Awaitable[Answer | None]]
"""Handles a packet, and gives the answer; None: none."""


@dataclass(eq=False)
class Guest:
    """A connection, as long as anything of it may still be handled."""

    peer: Peer
    auth: Any
    """What the application gave as `auth`."""
    identity: str | None
    feed: Feed | None = None
    arrived: int = 0
    """How many events have arrived on it."""
    here: bool = True


class Guests:
    """Listens to one python-socketio server, from its start to its end.

    python-socketio awaits what it calls here inside the connection's read loop, so nothing here waits for long, or raises.
    """

    def __init__(
        self, sio: Any, handlers: Handlers, intake: Intake, log: Log | None, *,
        doorkeeper: Doorkeeper, observe: Observer, take: Callable[[Receiving], Awaitable[Answer | None]],
    ) -> None:  # fmt: skip
        self._sio, self._handlers, self._intake, self._log = sio, handlers, intake, log
        self._batches = BatchIntake(intake)
        self._tail = None if log is None else Tail(log)
        self._doorkeeper, self._observe, self._take = doorkeeper, observe, take
        self._guests: dict[str, Guest] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._asked = 0
        """How many have asked to be let in."""
        self._over = False
        sio.on("connect", self._on_connect)
        sio.on("disconnect", self._on_disconnect)
        sio.on("*", self._on_event)

    @property
    def sids(self) -> tuple[str, ...]:
        """The connections that the server believes in, oldest first."""
        return tuple(sid for sid, guest in self._guests.items() if guest.here)

    @property
    def undecided(self) -> list[str]:
        """Those who are not accepted yet. What is emitted to everybody would reach them too (measured)."""
        return list(self._sio.manager.pending_connect.get("/", ()))

    @property
    def idle(self) -> bool:
        """Is every connection given what the log has for it, as far as it takes it?"""
        return all(guest.feed is None or guest.feed.idle for guest in self._guests.values())

    @property
    def have_been_told(self) -> bool:
        """Is everything that is known to the feeds handed over, as far as transports and clients take it?"""
        return all(guest.feed is None or guest.feed.has_told for guest in self._guests.values())

    def guest(self, sid: str) -> Guest | None:
        """The guest behind a connection."""
        return self._guests.get(sid)

    def wake(self) -> None:
        """There is something new in the log."""
        if self._tail is not None:
            self._tail.forget()
        for guest in self._guests.values():
            if guest.feed is not None:
                guest.feed.wake()

    def end(self, why: str) -> None:
        """It is over for everybody, and nothing more is handled."""
        for sid in self.sids:
            self._gone(sid, why)
        self._over = True

    async def finish(self) -> None:
        """End it for those who are still there, and wait until nothing of it runs any more."""
        self.end("the server was closed")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- python-socketio calls these ------------------------------------------------------------------------------------------------

    async def _on_connect(self, sid: str, environ: Any, auth: Any = None) -> None:
        place = self._asked = self._asked + 1
        try:
            peer = peer_of(auth, log=self._log is not None)
            with self._intake.clients.use(peer) as client:  # whoever has it meanwhile is remembered until this is decided
                identity, rooms = await self._admit(sid, peer, own_auth(auth))
                check_owner(client.owner, identity)
                client.came(place)
                self._welcome(sid, Guest(peer, own_auth(auth), identity), rooms)
        except ValueError as error:
            raise Refusal(f"this server expects: {error}") from None
        except Rejected as error:
            raise Refusal(str(error)) from None
        except TryAgain as error:
            raise Refusal(str(error), {"retryable": True}) from None
        except asyncio.CancelledError:  # python-socketio would accept it (measured)
            raise Refusal("nobody waited for the answer. Try again.", {"retryable": True}) from None

    async def _on_disconnect(self, sid: str, reason: str) -> None:
        if sid in self.sids:
            self._gone(sid, reason)

    async def _on_event(self, event: str, sid: str, *arguments: Any) -> Any:
        guest = self._guests.get(sid)
        if guest is None or self._over:  # of a process that has crashed
            return self._sio.not_handled
        peer, index, guest.arrived = guest.peer, guest.arrived, guest.arrived + 1
        intake = self._batches if event == BATCH and peer.batch and peer.client_id else self._intake
        try:
            answer = await self._take(partial(intake.receive, Arrival(sid, index, peer, event, guest.identity), arguments))
        except asyncio.CancelledError:  # python-socketio would acknowledge it (measured), and its sender would believe that it was handled
            answer = CANCELLED
        if self._over or answer is None or (answer.get("retryable") and not peer.nack):
            return self._sio.not_handled
        if asked.get():
            self._observe("answered", sid=sid, index=index, reason="ok" if answer["ok"] else str(answer["error"]))
        return answer

    # -- its steps ------------------------------------------------------------------------------------------------------------------

    async def _admit(self, sid: str, peer: Peer, auth: Any) -> Admitted:
        """Raises Rejected, TryAgain."""
        self._check_ready()
        admitted = await self._doorkeeper.admit(peer, auth)
        self._check_ready()
        socket = engine_socket(self._sio, sid)
        if socket is None or socket.closed or not await socket.check_ping_timeout():
            raise TryAgain("the connection has ended")  # python-socketio would keep it in its rooms for ever (measured)
        return admitted

    def _check_ready(self) -> None:
        if self._over or (self._log is not None and not self._log.is_open):
            raise TryAgain("this server is not open. Try again.")

    def _welcome(self, sid: str, guest: Guest, rooms: Collection[str]) -> None:
        """Somebody is accepted. Waits for nothing, so that nobody comes between this and what was checked."""
        for room in rooms:  # what is merely emitted comes from Socket.IO, and what is stored from the feed
            self._sio.manager.basic_enter_room(sid, "/", room)
        self._guests[sid] = guest
        self._observe("connected", sid=sid)
        self._take_over(self._intake.clients.connected(sid, guest.peer, guest.identity))
        if self._log is not None and self._tail is not None:
            guest.feed = Feed(self._sio, sid, guest.peer, self._log, self._tail, rooms=rooms, observe=self._observe)
            guest.feed.task.add_done_callback(partial(self._feed_over, sid))
            self._keep(guest.feed.task)
        self._handlers.call_soon("connect", sid)

    def _take_over(self, replaced: str) -> None:
        """A client has come back before its old connection was known to be dead: that one gets and says nothing more."""
        old = self._guests.get(replaced)
        if old is not None:
            if old.feed is not None:
                old.feed.stop()
            self._keep(asyncio.ensure_future(self._sio.disconnect(replaced)))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if error := failure(task):
            report(f"what a connection was to be sent has failed: {error!r}", error)

    def _feed_over(self, sid: str, task: asyncio.Task[None]) -> None:
        """A connection that would get nothing more ends, so that its client comes back by itself."""
        if not task.cancelled():
            self._keep(asyncio.ensure_future(self._break_off(sid)))

    async def _break_off(self, sid: str) -> None:
        """As when a network fails: after a goodbye, of Socket.IO or Engine.IO, python-socketio's client does not come back (measured)."""
        socket = engine_socket(self._sio, sid)
        if socket is not None and not socket.closed:
            await socket.close(wait=False, abort=True, reason=self._sio.eio.reason.TRANSPORT_ERROR)
            await socket.queue.put(None)  # whoever writes, or polls, ends too

    def _gone(self, sid: str, reason: str) -> None:
        guest = self._guests[sid]
        guest.here = False
        if guest.feed is not None:
            guest.feed.stop()
        self._intake.clients.disconnected(sid, guest.peer)
        self._observe("disconnected", sid=sid, reason=reason)
        farewell = self._handlers.call_soon("disconnect", sid, reason)
        if farewell is not None:
            farewell.add_done_callback(lambda farewell: self._guests.pop(sid, None))
        else:
            asyncio.get_running_loop().call_soon(self._guests.pop, sid, None)  # the tasks of its last events have not begun yet
