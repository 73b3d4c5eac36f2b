"""A real TCP proxy between one client and the server. It knows each Socket.IO packet, and it can break the connection exactly there.

TCP's contract holds (RFC 9293): inside a live connection bytes are delayed or held, never removed or reordered. The only way to lose
them is to end the connection. A stall holds the bytes; if one end gives up meanwhile, they are lost, and `resume()` resets the other end.

    cut()      resets every connection (RST) and refuses new ones until restore()
    close()    ends every connection cleanly (FIN) and refuses new ones until restore()
    stall()    holds one direction or both; resume() lets go. Both cut() and stall() may name the packet at which they happen
    refuse()   new connections are reset; accept() lets them in again
    restore()  resume() and accept()
    latency, jitter, bandwidth   attributes: seconds, seconds, bytes per second
"""

import asyncio
import random
from collections.abc import Callable

from realtime_lab.errors import AlreadyClosed, InvalidSetting
from realtime_lab.net.crossings import Armed, Crossings, Witness
from realtime_lab.net.gate import Address, address
from realtime_lab.net.packets import Observer, ignore
from realtime_lab.net.pair import Pair
from realtime_lab.net.passing import Passing
from realtime_lab.net.session import Session
from realtime_lab.net.sockets import listening
from realtime_lab.net.wire import Unit
from realtime_lab.rules.cut_point import cut_point
from realtime_lab.rules.faults import DIRECTIONS, Direction, Lane, directions, seconds


class Link:
    """The link of one client. `url` is what the client connects to. All methods are to be called on the loop that started it."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        token: str | None = None,
        name: str = "link",
        observer: Observer = ignore,
        witness: Witness | None = None,
    ) -> None:
        self.name = name
        self._token = token
        self.observe = observer
        self.lanes: dict[Direction, Lane] = {direction: Lane() for direction in DIRECTIONS}
        self.sessions: dict[str, Session] = {}
        self._target = (host, port)
        self._crossings = Crossings(name, witness)
        self._server: asyncio.Server | None = None
        self._port = 0
        self._pairs: set[Pair] = set()
        self._down = False

    async def start(self) -> None:
        """Listen on a free port of 127.0.0.1."""
        self._server = await listening(self._accepted, host="127.0.0.1", port=0)
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
    def url(self) -> Address:
        """The address for a client, with the server's token."""
        return address("127.0.0.1", self._port, self._token)

    @property
    def state(self) -> str:
        """One of "open", "stalled" (in at least one direction) or "down" (cut, closed or refusing)."""
        return "down" if self._down else "stalled" if self.stalled else "open"

    @property
    def stalled(self) -> bool:
        """Is a direction held?"""
        return any(lane.stalled for lane in self.lanes.values())

    @property
    def armed(self) -> tuple[Armed, ...]:
        """Exact faults that still wait for their packet."""
        return tuple(self._crossings.armed)

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
        self._arm(Armed(point))

    def disarm(self) -> None:
        """Take back the exact faults that still wait for their packet."""
        self._crossings.armed.clear()
        self._fault("disarm", "disarm()")

    def close(self) -> None:
        """End every connection cleanly (FIN) and refuse new ones until `restore()`."""
        self._fault("close", "close()")
        self._break("the link was closed", Pair.close)

    def stall(
        self,
        direction: str = "both",
        *,
        before: str | int | None = None,
        after: str | int | None = None,
        packet: int | None = None,
        attempt: int = 1,
    ) -> None:
        """Hold everything of one direction, or of both: no bytes, no error, no end. Both sides find out by their heartbeat.

        Now, or exactly before or after one packet of this direction, which is named as in `cut()`. Raises UnknownFault.
        """
        which = directions(direction)
        named = any(value is not None for value in (before, after, packet)) or attempt != 1
        point = cut_point(before, after, packet, direction if named else None, attempt)
        if point is not None:
            self._arm(Armed(point, stall=direction))
            return
        for each in which:
            self.lanes[each].stalled = True
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

    def _arm(self, armed: Armed) -> None:
        self._check_open()
        self._crossings.arm(armed, (crossing for pair in self._pairs for crossing in pair.waiting()))
        self._fault("armed", str(armed))

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
        return Passing(unit, leave, [(packet, self._crossings.next(direction, packet)) for packet in unit.packets])

    def due(self, side: str, passing: Passing) -> Armed | None:
        """The armed fault that names a packet of this unit, on this side of it."""
        return self._crossings.due(side, passing)

    def fire(self, armed: Armed) -> None:
        """An exact fault has come to its packet."""
        self._crossings.armed.remove(armed)
        self._fault("stall" if armed.stall else "cut", str(armed))
        if not armed.stall:
            self._break("the link was cut", Pair.reset)
            return
        for each in directions(armed.stall):
            self.lanes[each].stalled = True
        self._pump()

    def delivered(self, sid: str, direction: Direction, index: int) -> bool:
        """Has the receiving application been given this event? Without a witness: as far as anybody can tell."""
        return self._crossings.delivered(sid, direction, index)
