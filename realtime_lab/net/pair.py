"""One TCP connection through a link: a socket to the client, a socket to the server, and what is under way between them."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from realtime_lab.net.passing import Owner, Passing
from realtime_lab.net.session import Packet
from realtime_lab.net.sockets import reset, unsent
from realtime_lab.net.wire import Unit, Wire
from realtime_lab.rules.cut_point import Crossing
from realtime_lab.rules.faults import DIRECTIONS, Direction, opposite

HIGH_WATER = 1024 * 1024
"""Bytes of one direction that may wait in a link before it stops reading, so that a stall is felt by the sender as TCP feels it."""

DRAIN_LIMIT = 1.0
"""Seconds that a cut waits at most until what it had forwarded is delivered."""


class _End(asyncio.Protocol):
    """One of the two sockets. Bytes that arrive here travel in `direction`."""

    def __init__(self, pair: "Pair", direction: Direction) -> None:
        self.pair, self.direction = pair, direction
        self.transport: asyncio.Transport | None = None
        self.blocked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.pair.opened(self, transport)

    def data_received(self, data: bytes) -> None:
        self.pair.arrived(self.direction, data)

    def eof_received(self) -> bool:
        self.pair.ended(self.direction)
        return True  # the other direction may still be in use

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.pair.lost(self.direction, exc)

    def pause_writing(self) -> None:
        self.blocked = True

    def resume_writing(self) -> None:
        self.blocked = False
        self.pair.pump(opposite(self.direction))


class Pair:
    """Both sockets of one proxied connection."""

    def __init__(self, link: Owner, host: str, port: int) -> None:
        self._link = link
        self._target = (host, port)
        self._loop = asyncio.get_running_loop()
        self.front = _End(self, "upstream")
        self._ends: dict[Direction, _End] = {"upstream": self.front, "downstream": _End(self, "downstream")}
        self._wire = Wire(link.sessions)
        self._queues: dict[Direction, deque[Passing]] = {direction: deque() for direction in DIRECTIONS}
        self._waiting: dict[Direction, int] = dict.fromkeys(DIRECTIONS, 0)
        self._timers: dict[Direction, asyncio.TimerHandle] = {}
        self._ended: set[Direction] = set()
        self._gone: set[Direction] = set()
        self._unheard: set[Direction] = set()  # senders that ended while their direction was stalled: the other end does not know
        self._last: dict[Direction, Packet] = {}
        self._broken = ""
        self._task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Is something under way that will arrive, or be lost, without anybody's help?"""
        if self._broken:
            return True
        return any(self._queues[direction] and not self._link.lanes[direction].stalled for direction in DIRECTIONS)

    @property
    def _open(self) -> list[asyncio.Transport]:
        return [end.transport for end in self._ends.values() if end.transport is not None]

    def waiting(self) -> Iterator[Crossing]:
        """The packets that are in this connection now."""
        return (crossing for queue in self._queues.values() for passing in queue for _, crossing in passing.packets)

    # -- sockets --------------------------------------------------------------------------------------------------------------------

    def opened(self, end: _End, transport: asyncio.Transport) -> None:
        """A socket is connected."""
        if end is self.front:
            if self._link.admit(self):
                self._task = self._loop.create_task(self._connect())
            else:
                reset(transport)
        elif self._broken or "upstream" in self._gone:
            reset(transport)
        else:
            self.pump("upstream")

    async def _connect(self) -> None:
        try:
            await self._loop.create_connection(lambda: self._ends["downstream"], *self._target)
        except OSError:
            self.reset("the server was not there")

    def arrived(self, direction: Direction, data: bytes) -> None:
        """Bytes came in."""
        pieces = self._wire.feed(direction, data)
        for which, unit in pieces:
            self._take_in(which, unit)
        for which in DIRECTIONS:
            self.pump(which)

    def _take_in(self, direction: Direction, unit: Unit) -> None:
        passing = self._link.passing(direction, unit, self._loop.time())
        if self._broken or opposite(direction) in self._gone:
            self._drop(passing, self._broken or "the receiver had hung up")
            return
        self._queues[direction].append(passing)
        self._waiting[direction] += len(unit.raw)

    def ended(self, direction: Direction) -> None:
        """The sender of this direction said that nothing more comes (FIN)."""
        if rest := self._wire.rest(direction):
            self._take_in(direction, Unit(rest))
        self._ended.add(direction)
        if self._link.lanes[direction].stalled:
            self._unheard.add(direction)
        self.pump(direction)

    def lost(self, direction: Direction, exc: Exception | None) -> None:
        """The socket at the sending end of this direction is gone."""
        self._gone.add(direction)
        if rest := self._wire.rest(direction):
            self._take_in(direction, Unit(rest))
        self._drop_all(opposite(direction), self._broken or "the receiver had hung up")
        if len(self._gone) == len(DIRECTIONS) or (direction == "upstream" and self._ends["downstream"].transport is None):
            self._over()
        elif self._link.lanes[direction].stalled and not self._broken:
            self._unheard.add(direction)
        elif exc is not None and not self._broken:
            self.reset("the sender had hung up")
        else:
            self._ended.add(direction)
            self.pump(direction)

    def _over(self) -> None:
        for direction in DIRECTIONS:
            self._drop_all(direction, self._broken or "both ends had hung up")
            if timer := self._timers.pop(direction, None):
                timer.cancel()
        if self._task is not None and self._ends["downstream"].transport is None and "downstream" not in self._gone:
            self._task.cancel()
        self._broken = ""
        self._link.forget(self)

    # -- forwarding -----------------------------------------------------------------------------------------------------------------

    def pump(self, direction: Direction) -> None:
        """Forward what may leave now, in order; arm the timer for what may leave later."""
        queue, end = self._queues[direction], self._ends[opposite(direction)]
        if self._link.lanes[direction].stalled:
            self._hold(direction)
        elif not self._broken:
            while queue and end.transport is not None and not end.blocked:
                if queue[0].leave > self._loop.time():
                    self._arm(direction, queue[0].leave)
                    break
                if not self._forward(direction, end.transport):
                    return
            if not queue and direction in self._ended:
                self._finish(direction, end)
        self._throttle(direction)

    def _forward(self, direction: Direction, sink: asyncio.Transport) -> bool:
        """Pass on the first unit. False: an exact fault happened instead, or right behind it."""
        queue = self._queues[direction]
        if armed := self._link.due("before", queue[0]):
            self._link.fire(armed)
            return False
        passing = queue.popleft()
        self._waiting[direction] -= len(passing.unit.raw)
        for packet, crossing in passing.packets:
            self._record("wire", packet, crossing)
            if packet.index >= 0:
                self._last[direction] = packet
        sink.write(passing.unit.raw)
        if armed := self._link.due("after", passing):
            self._link.fire(armed)
            return False
        return True

    def _arm(self, direction: Direction, when: float) -> None:
        if timer := self._timers.get(direction):
            timer.cancel()
        self._timers[direction] = self._loop.call_at(when, self.pump, direction)

    def _hold(self, direction: Direction) -> None:
        for passing in self._queues[direction]:
            if not passing.held:
                passing.held = True
                for packet, crossing in passing.packets:
                    self._record("held", packet, crossing)

    def _finish(self, direction: Direction, end: _End) -> None:
        """Everything is passed on, and the sender has finished: pass that on too."""
        if end.transport is None:
            return
        if direction in self._gone:
            end.transport.close()
        elif end.transport.can_write_eof() and not end.transport.is_closing():
            with contextlib.suppress(OSError):  # the receiver may be gone by now; connection_lost follows
                end.transport.write_eof()
            if len(self._ended) == len(DIRECTIONS) and not any(self._queues.values()):  # both have said that nothing more comes
                for transport in self._open:
                    transport.close()

    def _throttle(self, direction: Direction) -> None:
        source = self._ends[direction].transport
        if source is None or source.is_closing():
            return
        if self._waiting[direction] > HIGH_WATER:
            source.pause_reading()
        elif not source.is_reading() and direction not in self._ended:
            source.resume_reading()

    def _record(self, kind: Any, packet: Packet, crossing: Crossing, reason: str = "") -> None:
        self._link.observe(
            kind,
            sid=packet.sid,
            event=packet.event,
            text=packet.payload if packet.index >= 0 else packet.text,
            direction=crossing.direction,
            index=packet.index,
            answers=packet.answers,
            packet=crossing.packet,
            type=packet.type,
            transport=packet.transport,
            reason=reason,
        )

    def _drop(self, passing: Passing, why: str) -> None:
        for packet, crossing in passing.packets:
            self._record("dropped", packet, crossing, why)

    def _drop_all(self, direction: Direction, why: str) -> None:
        queue = self._queues[direction]
        while queue:
            self._drop(queue.popleft(), why)
        self._waiting[direction] = 0

    # -- ends -----------------------------------------------------------------------------------------------------------------------

    def heal(self) -> None:
        """A stall was lifted: go on, or reset what lost bytes meanwhile."""
        for direction in self._unheard:
            if not self._link.lanes[direction].stalled:
                self.reset("the link was stalled")
                return
        for direction in DIRECTIONS:
            self.pump(direction)

    def reset(self, why: str) -> None:
        """End both sides with RST, once what was forwarded is delivered. What was not forwarded is lost."""
        self._break(why, reset)

    def close(self, why: str) -> None:
        """End both sides with FIN, once what was forwarded is delivered. What was not forwarded is lost."""
        self._break(why, lambda transport: transport.close())

    def _break(self, why: str, finish: Callable[[asyncio.Transport], None]) -> None:
        if self._broken:
            return
        self._broken = why
        for direction in DIRECTIONS:
            self._drop_all(direction, why)
        self._drain(finish, self._loop.time() + DRAIN_LIMIT)

    def _drain(self, finish: Callable[[asyncio.Transport], None], deadline: float) -> None:
        if self._delivered() or self._loop.time() > deadline:
            for transport in self._open:
                finish(transport)
            if not self._open:
                self._over()
        else:
            self._loop.call_later(0.001, self._drain, finish, deadline)

    def _delivered(self) -> bool:
        for direction, packet in self._last.items():
            if opposite(direction) not in self._gone and not self._link.delivered(packet.sid, direction, packet.index):
                return False
        return all(unsent(transport) == 0 for transport in self._open)
