"""What one piece of work may do in the event log's database, while its transaction is open."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from realtime_lab.errors import PayloadTooLarge, RealtimeLabError
from realtime_lab.net.body import dump, dump_data, load
from realtime_lab.net.database import Database, Parameters, Row
from realtime_lab.net.envelope import check_ours
from realtime_lab.net.event_reader import check_room
from realtime_lab.net.open_group import Decision, OpenGroup
from realtime_lab.net.packets import check_event
from realtime_lab.net.statements import Statements

Appended = Callable[[int, str, Any, str], object]
"""Called with (offset, event, data, room)."""

MAX_EVENT = 1_000_000
"""Bytes of a stored event at most. A packet that a client does not take ends its connection, and would do so at every replay."""


class Moved(RealtimeLabError):
    """The client's last number is not the one that the caller had seen."""

    def __init__(self, last: int | None) -> None:
        super().__init__(f"the last number of this client is {last} by now")
        self.last = last


class Answers(NamedTuple):
    """What is on record about one client."""

    last: int
    """The number of its last applied event; 0 before the first."""
    kept: dict[int, tuple[str, dict[str, Any]]]
    """number -> (fingerprint, answer), for the newest `ANSWERS` numbers."""


class Transaction(Statements):
    """`tx`: the log's own database, for one piece of work."""

    def __init__(self, database: Database, group: OpenGroup, on_append: Appended) -> None:
        super().__init__(database)
        self._group, self._on_append = group, on_append
        self.offset: int | None = None
        """The offset of the last event that this work appended."""
        self.trimmed = 0
        """Up to where this work removed events; 0: it did not."""

    async def append(self, event: str, data: Any = None, *, to: str | None = None) -> int:
        """Append an event, for everybody or for one room, and give its offset. If this work is undone, another event gets that offset.

        Raises NotSerialisable, ReservedName, InvalidSetting, PayloadTooLarge.
        """
        return self.append_at_once(event, data, to=to)

    def append_at_once(self, event: str, data: Any = None, *, to: str | None = None) -> int:
        """As `append`, for work that waits for nothing."""
        room = "" if to is None else check_room(to)
        check_ours(event)
        body, attachments = dump_data(data)
        if len(body) + len(attachments or "") > MAX_EVENT:
            raise PayloadTooLarge(
                f"{event!r} has {len(body) + len(attachments or ''):,} bytes, and a stored event may have {MAX_EVENT:,}: every client that "
                "gets it has to take it in one piece, again and again if it cannot. Store it elsewhere, and publish where it is."
            )
        self._check_open()
        self.offset = self._group.append(check_event(event), body, attachments, room)
        self._on_append(self.offset, event, data, room)
        return self.offset

    def part(self) -> "Transaction":
        """A piece of this work that can be undone alone. One at a time: `keep` or `undo` it."""
        self._check_open()
        self._group.begin_part()
        return Transaction(self._database, self._group, self._on_append)

    def keep(self, part: "Transaction") -> None:
        """What was done in this part stands with the rest of the work."""
        part.close()
        self._check_open()
        self._group.begin_part()
        self.offset = part.offset or self.offset

    async def undo(self, part: "Transaction") -> None:
        """Nothing is left of this part. Raises StoreFailed when SQLite has undone everything."""
        part.close()
        self._check_open()
        await self._group.undo_part()

    async def expect(self, client_id: str, previous: int, *, committed: int | None = None) -> None:
        """Raises Moved if this is not the client's last number.

        committed   the last number that was certainly on record once (None: `previous` was). Of a client that was forgotten since then it
                    may still be the last one. What is beyond it, and not on record, was undone
        """
        self._check_open()
        last = await self._group.last_of(client_id)
        undone = last is None and committed is not None and previous > committed
        if undone or last not in (None, previous):
            raise Moved(last)

    async def record(
        self, client_id: str, previous: int, n: int, fingerprint: str, answer: dict[str, Any], *,
        owner: str | None = None, committed: int | None = None,
    ) -> None:  # fmt: skip
        """Note that the client's event `n` was applied, right after `previous`, and how it was answered.

        Raises Moved, NotSerialisable.

        owner       to whom the client id belongs; None leaves what is on record
        committed   as in `expect`
        """
        await self.record_all(client_id, previous, [(n, fingerprint, *dump(answer))], owner=owner, committed=committed)

    async def record_all(
        self, client_id: str, previous: int, decisions: Sequence[Decision], *, owner: str | None = None, committed: int | None = None
    ) -> None:
        """As `record`, for numbers that follow each other. Raises Moved."""
        await self.expect(client_id, previous, committed=committed)
        self._check_open()
        self._group.record(client_id, decisions, owner)

    async def answers(self, client_id: str) -> Answers:
        """What was recorded about a client."""
        rows = await self._run("SELECT last FROM log_clients WHERE client_id = ?", (client_id,))
        sql = "SELECT n, fingerprint, answer, attachments FROM log_answers WHERE client_id = ? ORDER BY n"
        kept = {n: (fingerprint, load(*text)) for n, fingerprint, *text in await self._run(sql, (client_id,))}
        return Answers(rows[0][0] if rows else 0, kept)

    async def _run(self, sql: str, parameters: Parameters) -> list[Row]:
        self._check_open()
        return await self._group.execute(sql, parameters)

    @property
    def _stands(self) -> bool:
        return self._group.stands


class Marks(NamedTuple):
    """Where a log stands."""

    head: int
    """The highest offset so far; 0: none yet."""
    trimmed: int
    """Every event up to here was removed; 0: none."""

    def after(self, work: Iterable[Transaction]) -> "Marks":
        """Where it stands when this work is committed."""
        done = list(work)
        return Marks(max(self.head, 0, *(tx.offset or 0 for tx in done)), max(self.trimmed, 0, *(tx.trimmed for tx in done)))
