"""The clients whose events have numbers, as the server knows them: which connection counts, and what was decided so far."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from realtime_lab.errors import TryAgain
from realtime_lab.net.envelope import Peer
from realtime_lab.net.event_log import Log
from realtime_lab.rules.dedup import Ledger


@dataclass
class NumberedClient:
    """One of them. The record in the database is the authority: the ledger here is a copy, dropped whenever a commit fails."""

    client_id: str
    owner: str | None = None
    """Who has it, as far as this process has seen. The database learns it with the first number."""
    first: int = 1
    """Everything below is finished, as the client itself says."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Its events are taken one after the other."""
    stored: int = 0
    """The last number in the database, or in its open transaction."""
    committed: int = 0
    """The last one that is certainly in the database."""
    commits: dict[int, asyncio.Future[Any]] = field(default_factory=dict)
    """What is decided and not committed yet."""
    users: int = 0
    _newest: int = 0
    """Which of all connections was the latest that this client has asked for, and got."""
    _ledger: Ledger | None = None

    def came(self, place: int) -> None:
        """A connection may begin, the so many-th that was asked for. Raises TryAgain if a newer one has begun already.

        Who may connect can take long to find out. Meanwhile the client may have given up, and come again.
        """
        if self.client_id and place < self._newest:
            raise TryAgain("a newer connection of this client was faster. Try again, if this is not the same one.")
        self._newest = place

    async def ledger(self, log: Log) -> Ledger:
        """What was decided so far. Raises as `Log.history_of`."""
        if self._ledger is None:
            last, answers = await log.history_of(self.client_id)
            self.stored = self.committed = last
            self._ledger = Ledger(last, answers)
        self._ledger.greet(self.first)
        return self._ledger

    def decided(self, n: int, content: str, answer: dict[str, Any], commit: asyncio.Future[Any]) -> None:
        """It is in the open transaction; the next number may follow it there."""
        self.decided_all([(n, content)], {n: answer}, commit)

    def decided_all(self, decisions: Sequence[tuple[Any, ...]], answers: Mapping[int, dict[str, Any]], commit: asyncio.Future[Any]) -> None:
        """As `decided`, for numbers (n, content, ...) that follow each other."""

        def over(commit: asyncio.Future[Any]) -> None:
            for n, *_ in decisions:
                self.commits.pop(n, None)
            if commit.cancelled() or commit.exception() is not None:
                self.doubt()
            else:
                self.committed = max(self.committed, decisions[-1][0])

        for n, content, *_ in decisions:
            self.commits[n] = commit
            if self._ledger is not None:  # else there is doubt since then, and it is asked again
                self._ledger.decided(n, content, answers[n])
        self.stored = decisions[-1][0]
        commit.add_done_callback(over)

    def doubt(self) -> None:
        """The database may know something else: look there again."""
        self._ledger = None


class Clients:
    """Those who are connected, or have something under way. Who is away is looked up in the database when it comes back."""

    def __init__(self) -> None:
        self._clients: dict[str, NumberedClient] = {}
        self._current: dict[str, str] = {}

    @property
    def busy(self) -> bool:
        """Has anybody something under way?"""
        return any(client.users for client in self._clients.values())

    def connected(self, sid: str, peer: Peer, identity: str | None) -> str:
        """A client was accepted, as somebody. Returns the connection that it replaces, or ""."""
        if not peer.client_id:
            return ""
        replaced = self._current.get(peer.client_id, "")
        self._current[peer.client_id] = sid
        client = self._client(peer.client_id)
        client.first = max(client.first, peer.first)
        client.owner = identity or client.owner
        return replaced

    def disconnected(self, sid: str, peer: Peer) -> None:
        """A connection is over. What it brought is still handled."""
        if self._current.get(peer.client_id) == sid:
            del self._current[peer.client_id]
            self._forget(peer.client_id)

    def replaced(self, sid: str, peer: Peer) -> bool:
        """Has this client a newer connection?"""
        return self._current.get(peer.client_id, sid) != sid

    @contextmanager
    def use(self, peer: Peer) -> Iterator[NumberedClient]:
        """The client of an event, or of a connection, that is under way. Meanwhile it is not forgotten."""
        client = self._client(peer.client_id)
        client.users += 1
        try:
            yield client
        finally:
            client.users -= 1
            self._forget(peer.client_id)

    def _client(self, client_id: str) -> NumberedClient:
        return self._clients.setdefault(client_id, NumberedClient(client_id))

    def _forget(self, client_id: str) -> None:
        client = self._clients.get(client_id)
        if client is not None and not client.users and client_id not in self._current:
            del self._clients[client_id]
