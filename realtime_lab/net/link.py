"""A real TCP proxy between one client and the server. It knows each Socket.IO packet, and it can break the connection exactly there.

TCP's contract holds (RFC 9293): inside a live connection bytes are delayed or held, never removed or reordered. The only way to lose
them is to end the connection. A stall holds the bytes; if one end gives up meanwhile, they are lost, and `resume()` resets the other end.

    cut()      resets every connection (RST) and refuses new ones until restore()
    close()    ends every connection cleanly (FIN) and refuses new ones until restore()
    stall()    holds one direction or both; resume() lets go
    refuse()   new connections are reset; accept() lets them in again
    restore()  resume() and accept()
    latency, jitter, bandwidth   attributes: seconds, seconds, bytes per second
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable
from typing import Protocol

from realtime_lab.errors import AlreadyClosed, InvalidSetting, UnknownFault
from realtime_lab.net.packets import Observer, ignore
from realtime_lab.net.pair import Pair
from realtime_lab.net.passing import Passing
from realtime_lab.net.session import Packet, Session
from realtime_lab.net.wire import Unit
from realtime_lab.rules.cut_point import Crossing, CutPoint, cut_point
from realtime_lab.rules.faults import DIRECTIONS, Direction, Lane, directions, seconds


class Witness(Protocol):
    """Somebody who sees both ends of the link; it makes exact cuts exact for applications and not only for packets."""

    def number(self, sid: str, direction: Direction, index: int) -> int | None:
        """The n of #n for the `index`-th event of a connection, if the sender is known."""

    def received(self, sid: str, direction: Direction, index: int) -> bool:
        """Was that event given to a handler (or will nobody ever say so)?"""


class Link:
    """The link of one client. `url` is what the client connects to. All methods are to be called on the loop that started it."""

    def __init__(self, host: str, port: int, *, name: str = "link", observer: Observer = ignore, witness: Witness | None = None) -> None:
        self.name = name
        self.observe = observer
        self.lanes: dict[Direction, Lane] = {direction: Lane() for direction in DIRECTIONS}
        self.sessions: dict[str, Session] = {}
        self._target = (host, port)
        self._witness = witness
        self._server: asyncio.Server | None = None
        self._port = 0
        self._pairs: set[Pair] = set()
        self._armed: list[CutPoint] = []
        self._down = False
        self._packets: dict[Direction, int] = dict.fromkeys(DIRECTIONS, 0)
        self._crossed: dict[tuple[Direction, str, int], int] = defaultdict(int)
        self._named: dict[tuple[Direction, str], int] = defaultdict(int)

    async def start(self) -> None:
        """Listen on a free port of 127.0.0.1."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accepted, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and reset what is open. Safe to call twice."""
        if self._server is not None:
            self._server.close()
            for pair in tuple(self._pairs):
                pair.reset("the lab was closed")
            while self._pairs:  # noqa: ASYNC110  # a socket is closed only once the loop has come round to it
                await asyncio.sleep(0.001)
            await self._server.wait_closed()
            self._server = None

    @property
    def url(self) -> str:
        """The address for a client."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def state(self) -> str:
        """One of "open", "stalled" (in at least one direction) or "down" (cut, closed or refusing)."""
        return "down" if self._down else "stalled" if self.stalled else "open"

    @property
    def stalled(self) -> bool:
        """Is a direction held?"""
        return any(lane.stalled for lane in self.lanes.values())

    @property
    def armed(self) -> tuple[CutPoint, ...]:
        """Exact cuts that still wait for their packet."""
        return tuple(self._armed)

    @property
    def connections(self) -> int:
        """How many TCP connections are open through this link."""
        return len(self._pairs)

    @property
    def busy(self) -> bool:
        """Is anything under way that will still arrive or be lost by itself?"""
        return any(pair.busy for pair in self._pairs)

    # -- faults ---------------------------------------------------------------------------------------------------------------------

    def cut(
        self,
        *,
        before: str | int | None = None,
        after: str | int | None = None,
        packet: int | None = None,
        direction: str | None = None,
        attempt: int = 1,
    ) -> None:
        """Reset every connection (RST) and refuse new ones until `restore()`: now, or exactly before or after one packet.

        What was forwarded before the cut is delivered. `before` and `after` take a message ("chat message #6") or, with `direction`,
        a packet's position; `packet` is the same as a position in `before`. `attempt=2` waits for the second time a message crosses.
        Raises UnknownFault for a place that does not exist or that has already passed.
        """
        point = cut_point(before, after, packet, direction, attempt)
        if point is None:
            self._fault("cut", "cut()")
            self._break("the link was cut", Pair.reset)
            return
        self._check_open()
        self._check_ahead(point)
        self._armed.append(point)
        self._fault("armed", f"cut({point})")

    def disarm(self) -> None:
        """Take back the exact cuts that still wait for their packet."""
        self._armed.clear()
        self._fault("disarm", "disarm()")

    def close(self) -> None:
        """End every connection cleanly (FIN) and refuse new ones until `restore()`."""
        self._fault("close", "close()")
        self._break("the link was closed", Pair.close)

    def stall(self, direction: str = "both") -> None:
        """Hold everything of one direction, or of both: no bytes, no error, no end. Both sides find out by their heartbeat."""
        for which in directions(direction):
            self.lanes[which].stalled = True
        self._fault("stall", "stall()" if direction == "both" else f'stall("{direction}")')
        self._pump()

    def resume(self, direction: str = "both") -> None:
        """Let go of a stall. Where one end has given up, the held bytes are lost, and the other end is reset."""
        for which in directions(direction):
            self.lanes[which].stalled = False
        self._fault("resume", "resume()" if direction == "both" else f'resume("{direction}")')
        self._pump()

    def refuse(self) -> None:
        """Reset new connections; those that are open stay open."""
        self._down = True
        self._fault("refuse", "refuse()")

    def accept(self) -> None:
        """Let new connections in again."""
        self._down = False
        self._fault("accept", "accept()")

    def restore(self) -> None:
        """Everything as it should be: resume both directions and accept new connections."""
        for lane in self.lanes.values():
            lane.stalled = False
        self._down = False
        self._fault("restore", "restore()")
        self._pump()

    @property
    def latency(self) -> float:
        """Seconds added in each direction."""
        return self.lanes["upstream"].latency

    @latency.setter
    def latency(self, value: float) -> None:
        for lane in self.lanes.values():
            lane.latency = seconds("latency", value)
        self._fault("latency", f"latency = {value}")

    @property
    def jitter(self) -> float:
        """Up to this many seconds more, at random; the order is kept."""
        return self.lanes["upstream"].jitter

    @jitter.setter
    def jitter(self, value: float) -> None:
        for lane in self.lanes.values():
            lane.jitter = seconds("jitter", value)
        self._fault("jitter", f"jitter = {value}")

    @property
    def bandwidth(self) -> float | None:
        """Bytes per second in each direction, or None for no limit."""
        return self.lanes["upstream"].bandwidth

    @bandwidth.setter
    def bandwidth(self, value: float | None) -> None:
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf")):
            raise InvalidSetting(f"bandwidth={value!r} is not a rate. Give bytes per second, more than 0, or None for no limit.")
        for lane in self.lanes.values():
            lane.bandwidth = value
        self._fault("bandwidth", f"bandwidth = {value}")

    def _fault(self, word: str, code: str) -> None:
        self.observe("fault", event=word, reason=f"{self.name}.link.{code}")

    def _check_open(self) -> None:
        if self._server is None:
            raise AlreadyClosed(f"{self.name}'s link is closed. Start a new lab.")

    def _check_ahead(self, point: CutPoint) -> None:
        """An exact cut that can never happen is an error now, not a silence later."""
        which = directions(point.direction or "both")
        if any(point.matches(crossing) for pair in self._pairs for crossing in pair.waiting()):
            return
        if point.packet and self._packets[which[0]] >= point.packet:
            passed, latest = True, f"packet {self._packets[which[0]]}"
        else:
            passed = any(self._crossed[each, point.event, point.number] >= point.attempt for each in which)
            numbers = [number for each, event, number in self._crossed if each in which and event == point.event]
            latest = f"{point.event} #{max(numbers, default=0)}"
        if passed:
            raise UnknownFault(f"cut({point}): that has already come to {self.name}'s link (the latest is {latest}). Name a later one.")

    def _break(self, why: str, end: Callable[[Pair, str], None]) -> None:
        self._down = True
        for pair in tuple(self._pairs):
            end(pair, why)

    def _pump(self) -> None:
        for pair in tuple(self._pairs):
            pair.heal()

    @property
    def _serving(self) -> bool:
        return self._server is not None and self._server.is_serving()

    def _accepted(self) -> asyncio.BaseProtocol:
        """What asyncio asks for one turn after it accepted a socket.

        Were the server closed in between, asyncio would fail half-way through the transport and leave the socket open, with nobody to
        close it (CPython's issue 109564). An error here comes before that, and the socket is closed at once.
        """
        if not self._serving:
            raise ConnectionAbortedError("the link was stopped")
        return Pair(self, *self._target).front

    # -- what the pairs ask ---------------------------------------------------------------------------------------------------------

    def admit(self, pair: Pair) -> bool:
        """A client connects. False: reset it."""
        if self._down or not self._serving:
            return False
        self._pairs.add(pair)
        return True

    def forget(self, pair: Pair) -> None:
        """Both ends of this connection are gone."""
        self._pairs.discard(pair)

    def passing(self, direction: Direction, unit: Unit, now: float) -> Passing:
        """Give the packets of a unit their positions, and say when it may leave."""
        leave = self.lanes[direction].departure(now, len(unit.raw), random.random())
        return Passing(unit, leave, [(packet, self._crossing(direction, packet)) for packet in unit.packets])

    def _crossing(self, direction: Direction, packet: Packet) -> Crossing:
        if packet.type != "engine":
            self._packets[direction] += 1
        position = self._packets[direction] if packet.type != "engine" else 0
        if packet.index < 0:
            return Crossing(direction, position)
        self._named[direction, packet.event] += 1
        known = self._witness.number(packet.sid, direction, packet.index) if self._witness else None
        number = known or self._named[direction, packet.event]
        self._crossed[direction, packet.event, number] += 1
        return Crossing(direction, position, packet.event, number, self._crossed[direction, packet.event, number])

    def due(self, side: str, passing: Passing) -> CutPoint | None:
        """The armed cut that names a packet of this unit, on this side of it."""
        for point in self._armed:
            if point.side == side and any(point.matches(crossing) for _, crossing in passing.packets):
                return point
        return None

    def fire(self, point: CutPoint) -> None:
        """An exact cut has come to its packet."""
        self._armed.remove(point)
        self._fault("cut", f"cut({point})")
        self._break("the link was cut", Pair.reset)

    def delivered(self, sid: str, direction: Direction, index: int) -> bool:
        """Has the receiving application been given this event? Without a witness: as far as anybody can tell."""
        return self._witness is None or self._witness.received(sid, direction, index)
