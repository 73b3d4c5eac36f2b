"""What the buttons of a control room do: each is one line of code, carried out on the lab's thread. A click only hands it over."""

from collections.abc import Awaitable, Callable
from typing import Any

from realtime_lab.errors import RealtimeLabError
from realtime_lab.history.copies import SERVER
from realtime_lab.history.log_table import LogTable
from realtime_lab.history.outboxes import Outboxes
from realtime_lab.lab.lab import Lab
from realtime_lab.lab.publishing import CHAT

Action = Callable[[], Awaitable[object]]


class Clicks:
    """`code` is the line of the latest click, `problem` what went wrong with it. `wake` asks for a new picture."""

    def __init__(self, lab: Lab, outboxes: Outboxes, log: LogTable, wake: Callable[[], None]) -> None:
        self.code = self.problem = ""
        self._lab, self._outboxes, self._log, self._wake = lab, outboxes, log, wake
        self._numbers: dict[str, int] = {}
        """Who -> the last number that one of their clicks has taken. The record may not have it yet."""

    def _do(self, code: str, action: Action) -> None:
        """`code` is the line that does the same from a cell; `action` runs on the lab's thread."""
        self.code, self.problem = code, ""
        try:
            self._lab.thread.fire(self._perform(action))
        except RealtimeLabError as error:
            self.problem = f"{type(error).__name__}: {error}"
        self._wake()

    async def _perform(self, action: Action) -> None:
        try:
            await action()
        except RealtimeLabError as error:  # part of the lesson, for example NotConnected; anything else becomes trouble of the lab
            self.problem = f"{type(error).__name__}: {error}"
        self._wake()

    def send(self, name: str, times: int, button: Any = None) -> None:
        """They emit, or the server publishes, so many messages."""

        async def hand_in(number: int) -> None:
            if name == SERVER:
                await self._lab.publish(CHAT, number)
            else:
                self._lab.participants[name].client.emit(CHAT, number)

        async def act() -> None:
            for number in numbers:
                try:
                    await hand_in(number)
                except RealtimeLabError:
                    self._numbers[name] = number - (name == SERVER)  # a client's is on record as handed in, and refused
                    raise

        first = 1 + max(len(self._outboxes.of(name).handed_in), self._numbers.get(name, 0))
        numbers, self._numbers[name] = range(first, first + times), first + times - 1
        verb = "await lab.publish" if name == SERVER else f"{in_code(name)}.emit"
        one, many = f'{verb}("{CHAT}", {first})', f'for n in range({first}, {first + times}): {verb}("{CHAT}", n)'
        self._do(one if times == 1 else many, act)

    def break_link(self, name: str, fault: str, button: Any = None) -> None:
        """A fault of a link, or its repair: the call of one of its methods."""
        method, _, direction = fault.rstrip(")").partition("(")

        async def act() -> None:
            getattr(self._lab.links[name], method)(*([direction.strip('"')] if direction else []))

        self._do(f"{in_code(name)}.link.{fault}", act)

    def crash(self, button: Any = None) -> None:
        """The server dies."""

        async def act() -> None:
            self._lab.server.crash()

        self._do("lab.server.crash()", act)

    def restart(self, button: Any = None) -> None:
        """It starts again."""

        async def act() -> None:
            await self._lab.server.restart()

        self._do("await lab.server.restart()", act)

    def publish_every(self, *, on: bool) -> None:
        """The server publishes something every second, or no longer."""
        interval = 1.0 if on else None

        async def act() -> None:
            self._lab.publish_every(interval)

        self._do(f"lab.publish_every({interval})", act)

    def trim(self, button: Any = None) -> None:
        """The log forgets everything that it has now."""
        before = max(self._log.rows, default=self._log.trimmed) + 1

        async def act() -> None:
            await self._lab.trim(before)

        self._do(f"await lab.trim({before})", act)

    def new_database(self, button: Any = None) -> None:
        """The server starts again with an empty log."""
        self._do("await lab.new_database()", self._lab.new_database)

    def refresh(self, name: str, button: Any = None) -> None:
        """A client starts anew."""

        async def act() -> None:
            await self._lab.participants[name].refresh()

        self._do(f"await {in_code(name)}.refresh()", act)

    def slow_down(self, name: str, seconds: float) -> None:
        """A link gets this latency, in seconds."""

        async def act() -> None:
            self._lab.links[name].latency = seconds

        self._do(f"{in_code(name)}.link.latency = {seconds:.2f}", act)

    def resume(self, name: str, button: Any = None) -> None:
        """A client that has halted tries again."""

        async def act() -> None:
            self._lab.participants[name].resume()

        self._do(f"{in_code(name)}.resume()", act)

    def skip(self, name: str, button: Any = None) -> None:
        """A client that has halted goes on without that event."""
        offset = self._lab.participants[name].halted or 0

        async def act() -> None:
            self._lab.participants[name].skip(offset)

        self._do(f"{in_code(name)}.skip({offset})", act)


def in_code(name: str) -> str:
    """How a cell calls this participant: by the variable of its name, if the name can be one."""
    return name if name.isidentifier() else f"lab.participants[{name!r}]"
