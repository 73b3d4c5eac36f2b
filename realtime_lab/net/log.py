"""Log: what a Server needs of its event log, whatever holds it. EventLog is the one in SQLite."""

from collections.abc import Awaitable, Callable, Collection
from typing import Any, Protocol

from realtime_lab.net.event_reader import Page
from realtime_lab.net.group_commit import Submitted, T, Work
from realtime_lab.net.transaction import Answers, Appended


class Log(Protocol):
    """What a Server needs of its log."""

    before_commit: Callable[[], Awaitable[object]] | None
    on_append: Appended | None
    on_commit: Callable[[int], object] | None

    @property
    def is_open(self) -> bool:
        """Whether work can be submitted."""

    @property
    def head(self) -> int:
        """The highest offset that is committed."""

    @property
    def coming_head(self) -> int:
        """The highest offset when what is being committed is."""

    @property
    def epoch(self) -> str:
        """The name of the sequence that its offsets belong to."""

    async def open(self) -> None:
        """Open; nothing happens if it is open."""

    async def close(self) -> None:
        """Finish what was submitted, then close."""

    async def abandon(self) -> None:
        """Close as a crash does: what is not committed is gone."""

    def submit(self, work: Work[T]) -> Submitted[T]:
        """Queue a piece of work."""

    async def transact(self, work: Work[T]) -> T:
        """Run a piece of work and wait for the commit."""

    async def append(self, event: str, data: Any = None, *, to: str | None = None) -> int:
        """Append one event, wait for the commit and give its offset."""

    async def read(self, after: int, limit: int = 1000, *, rooms: Collection[str] | None = (), max_bytes: int | None = None) -> Page:
        """The next committed events after an offset."""

    async def history_of(self, client_id: str) -> Answers:
        """What is on record about a client."""

    async def owner_of(self, client_id: str) -> str | None:
        """To whom a client id belongs."""
