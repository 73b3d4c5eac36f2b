"""The server's log as a table: what is kept, under which offset, and who has it. Read from the record, as everything else."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from realtime_lab.history.copies import SERVER
from realtime_lab.history.journal import Event


@dataclass(eq=False)
class Row:
    """One stored event."""

    offset: int
    event: str
    text: str
    room: str
    holders: dict[str, None] = field(default_factory=dict)
    """The clients whose handler has returned for it, in that order."""


class LogTable:
    """Fed event by event."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.rows: dict[int, Row] = {}
        """Offset -> what is kept there."""
        self.trimmed = 0
        """Everything up to this offset is gone."""
        self._given: dict[tuple[str, int], int] = {}
        """(node, reception) -> the offset of what its handler was given."""
        for event in events:
            self.feed(event)

    def feed(self, event: Event) -> None:
        """Take in the next journal event."""
        match event.kind:
            case "stored":
                self.rows[event.offset] = Row(event.offset, event.event, event.text, event.room)
            case "received" if event.offset >= 0:
                self._given[event.node, event.message] = event.offset
            case "handled":
                row = self.rows.get(self._given.get((event.node, event.message), -1))
                if row is not None:
                    row.holders[event.node] = None
            case "fault" if event.node == SERVER and event.event == "trim":
                self.trimmed = event.offset
                self.rows = {offset: row for offset, row in self.rows.items() if offset > event.offset}
            case "fault" if event.node == SERVER and event.event == "new database":
                self.rows, self.trimmed = {}, 0
                self._given.clear()
