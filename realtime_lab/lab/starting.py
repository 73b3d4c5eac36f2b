"""How a lab begins, and the options that it gives to its server and its clients."""

import inspect
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from realtime_lab.errors import InvalidSetting
from realtime_lab.net.client import Client
from realtime_lab.net.event_log import EventLog
from realtime_lab.net.log import Log

FAST = {"connect_timeout": 2.0, "reconnection_delay": 0.05, "reconnection_delay_max": 0.5, "retry_delay": 0.05, "retry_delay_max": 0.5}
"""A lab is not the internet: its clients come back fast, so that nobody waits."""

CALM = {"ping_interval": 25, "ping_timeout": 20}
"""Options of Lab.start, in seconds, for a lab in which nothing stalls. A cut is noticed at once in any case; and a busy machine, which is
late for a heartbeat of one second, does not break a link that nobody has broken (measured: a right answer was blamed for it)."""


class Closable(Protocol):
    """What is started here can be closed."""

    async def close(self) -> None:
        """End it."""


L = TypeVar("L", bound=Closable)


class Starting(Generic[L]):
    """What `Lab.start()` returns: `await` it, or use it in `async with`."""

    def __init__(self, start: Callable[[], Coroutine[Any, Any, L]]) -> None:
        self._start = start
        self._lab: L | None = None

    def __await__(self) -> Generator[Any, None, L]:
        return self._start().__await__()

    async def __aenter__(self) -> L:
        self._lab = await self._start()
        return self._lab

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._lab is not None:
            await self._lab.close()


def log_for(log: Log | bool | None, folder: Callable[[], Path], *, dedupe: bool) -> Log | None:
    """The log that a lab was started with. One of its own has a commit for each event, so that it is easy to watch."""
    if isinstance(log, bool) or log is None:
        return EventLog(folder() / "log.db", synchronous="NORMAL", group=1) if log or dedupe else None
    return log


def client_options(options: dict[str, Any], folder: Callable[[], Path]) -> dict[str, Any]:
    """What join() was given, with the lab's own defaults. A store without a folder is kept in the lab's own. Raises InvalidSetting."""
    known = [name for name in inspect.signature(Client).parameters if name not in ("url", "observer")]
    for name in options:
        if name not in known:
            raise InvalidSetting(f"a client has no option {name!r}. It has: {', '.join(known)}.")
    store = options.get("store")
    return {**FAST, **options, **({} if store is None else {"store": folder() / store})}
