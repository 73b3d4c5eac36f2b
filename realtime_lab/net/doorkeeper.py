"""Who may connect, as whom, and what they may see: asks the application, and sees to it that a client id keeps its owner.

python-socketio awaits `admit` inside the connection's read loop and does not survive an error there (measured), so it is short, and
whatever goes wrong becomes a refusal with a reason.
"""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from realtime_lab.errors import AlreadyClosed, InvalidSetting, Rejected, TryAgain
from realtime_lab.net.envelope import Peer
from realtime_lab.net.event_log import Log
from realtime_lab.net.event_reader import check_rooms
from realtime_lab.net.reporting import report

LIMIT = 5.0
"""Seconds that an answer may take."""

Authenticate = Callable[[Any], Any]
RoomsOf = Callable[[str | None], Any]


class Admitted(NamedTuple):
    """Somebody who may connect."""

    identity: str | None
    rooms: frozenset[str]


class Doorkeeper:
    """`authenticate` is called with the application's own `auth` and gives the identity, a str, or None for a guest without one.

    `rooms` is called with the identity and gives the names of rooms. Either may be a coroutine function, or None.
    """

    def __init__(self, authenticate: Authenticate | None, rooms: RoomsOf | None, log: Log | None) -> None:
        self._authenticate, self._rooms, self._log = authenticate, rooms, log

    @property
    def knows_rooms(self) -> bool:
        """Can anybody see what is published to a room?"""
        return self._rooms is not None

    async def admit(self, peer: Peer, auth: Any) -> Admitted:
        """Who wants to connect, and what they may see. Raises Rejected, and TryAgain where nothing is said about them."""
        try:
            identity = await self._identify(peer, auth)
            return Admitted(identity, await self._rooms_of(identity))
        except (Rejected, TryAgain):
            raise
        except Exception as error:  # whatever an application's function raises must not hurt the connection
            message = f"nobody can say who wants to connect, or what they may see: {type(error).__name__}: {error}"
            report(message, error)
            raise TryAgain("the server could not find out who this is. Try again.") from error

    async def _identify(self, peer: Peer, auth: Any) -> str | None:
        if self._authenticate is None:
            return None
        identity = _checked(await _in_time(self._authenticate(auth)))
        if self._log is not None and peer.client_id:
            check_owner(await self._owner_of(self._log, peer.client_id), identity)
        return identity

    async def _owner_of(self, log: Log, client_id: str) -> str | None:
        try:
            owner: str | None = await _in_time(log.owner_of(client_id))
        except AlreadyClosed:
            raise TryAgain("this server is not open. Try again.") from None
        return owner

    async def _rooms_of(self, identity: str | None) -> frozenset[str]:
        rooms = await _in_time(self._rooms(identity)) if self._rooms is not None else ()
        try:
            return frozenset(check_rooms(rooms))
        except InvalidSetting as error:
            raise InvalidSetting(f"rooms({identity!r}) returned {rooms!r:.80}; return a list of names. {error}") from None


def check_owner(owner: str | None, identity: str | None) -> None:
    """What was answered to one must not be shown to another, and nobody may use up somebody else's numbers. Raises Rejected."""
    if owner not in (None, identity):
        raise Rejected("this client_id belongs to somebody else. Each client makes its own, and keeps it for itself.")


def _checked(identity: Any) -> str | None:
    if identity is not None and not (isinstance(identity, str) and identity):
        raise TypeError(f"authenticate() returned {identity!r}; return a text, or None for a guest, or raise Rejected('why')")
    try:
        (identity or "").encode()
    except UnicodeEncodeError:  # it is stored in one transaction with what others do
        raise Rejected("a name with half of a surrogate pair cannot be kept. Send well-formed text.") from None
    return identity


async def _in_time(answer: Any) -> Any:
    """The answer, if it does not have to be waited for too long. Raises what it raises, and TryAgain."""
    if not inspect.isawaitable(answer):
        return answer
    try:
        async with asyncio.timeout(LIMIT) as limit:
            return await answer
    except TimeoutError:
        if not limit.expired():
            raise  # of the application's own
        raise TryAgain(f"there was no answer within {LIMIT:g} s. Try again.") from None
    except asyncio.CancelledError as error:
        if (task := asyncio.current_task()) and task.cancelling():
            raise
        raise RuntimeError("what it waited for was cancelled") from error
