"""What a lab, and its control room, need of whoever takes part: a client of ours (`Participant`), or a tab of a browser (`Tab`)."""

from typing import Any, Protocol

from realtime_lab.net.link import Link
from realtime_lab.rules.replay import Session


class MemberClient(Protocol):
    """What it says of itself. Belongs to the lab's thread."""

    @property
    def state(self) -> str:
        """One of "connecting", "connected", "disconnected" or "closed"."""

    @property
    def connected(self) -> bool:
        """Does it believe that it is connected?"""

    @property
    def idle(self) -> bool:
        """Does it wait for nothing that will come, or ring, by itself?"""

    @property
    def sid(self) -> str:
        """Its connection."""

    @property
    def offset(self) -> int | None:
        """The offset of the last stored event that it has handled."""

    @property
    def halted(self) -> int | None:
        """The offset of the event whose handler has raised every time."""

    @property
    def session(self) -> Session | None:
        """What the server has said last about where it stands in the log."""

    def emit(self, event: str, data: Any = None) -> object:
        """Send an event."""

    async def close(self) -> None:
        """End."""


class Member(Protocol):
    """Who takes part in a lab, by name."""

    name: str
    proxy: Link
    link: Any

    @property
    def client(self) -> MemberClient:
        """The client itself; refresh() may replace it."""

    @property
    def asks(self) -> bool:
        """Does it ask for acknowledgements?"""

    @property
    def has_outbox(self) -> bool:
        """Does it keep events, or learn what became of them?"""

    @property
    def replays(self) -> bool:
        """Does it get what it missed, and halt where its handler fails?"""

    @property
    def handles(self) -> tuple[str, ...]:
        """The events for which a notebook gave it handlers."""

    @property
    def halted(self) -> int | None:
        """As the client's."""

    def emit(self, event: str, data: Any = None) -> object:
        """Send an event."""

    def resume(self) -> None:
        """Try again what it halted at."""

    def skip(self, offset: int) -> None:
        """Go on without it."""

    async def refresh(self) -> None:
        """Start anew."""
