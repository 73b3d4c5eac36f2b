"""An application with a bare client, that keeps what it emits offline in a learner's buffer: it performs what the buffer decides."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from realtime_lab.errors import FaultPending
from realtime_lab.history.journal import Event, Kind
from realtime_lab.lab.figure import Figure
from realtime_lab.lab.guard import Guard, brief
from realtime_lab.lab.lab import Lab
from realtime_lab.lab.participant import Participant

CHAT = "chat message"


@dataclass
class OfflineApp:
    """Its messages are numbered from 1; the number is the key, and the data.

    room        so many at a time go to the connection; then the application waits until they have arrived, or the link is seen to be broken
    """

    guard: Guard
    lab: Lab
    alice: Participant
    buffer: Any
    limit: int
    room: int
    got: list[int] = field(default_factory=list)
    """What the server's handler was given."""
    kept: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    """What was kept and has not left."""
    risked: set[int] = field(default_factory=set)
    """What was on its way when the link broke, and had room there."""
    sent: list[int] = field(default_factory=list)
    """What the client was given."""
    emitted: int = 0
    holds: bool = False
    """May something be in the buffer?"""
    wrong: str = ""
    """What its decisions alone show."""
    notes: dict[int, list[Event]] = field(default_factory=lambda: defaultdict(list))
    """Journal position -> what the application did there."""

    def __post_init__(self) -> None:
        self.lab.server.on(CHAT)(self._receive)

    def emit(self) -> None:
        """The application has one more message."""
        self.emitted += 1
        self._note("emitted", text=str(self.emitted))
        if self.alice.connected and not self.holds:
            self._send(self.emitted)
            return
        self.holds = True
        said = self.guard.call(self.buffer.emit, self.emitted)
        if said not in ("keep", "refuse"):
            raise self.guard.fail(f'emit({self.emitted}) returned {brief(said)}. Return "keep" or "refuse".')
        taken = len(self.waiting)
        if said == "keep":
            if taken >= self.limit:
                self.wrong = self.wrong or f"{labels([self.emitted])}: kept, although all {self.limit} places were taken."
            self.kept.append(self.emitted)
            self.waiting.append(self.emitted)
            self._note("buffered", reason="waits for its turn" if self.alice.connected else "not connected")
        else:
            if taken < self.limit:
                self.wrong = self.wrong or f"{labels([self.emitted])}: refused, although only {taken} of {self.limit} places were taken."
            self.refused.append(self.emitted)
            self._note("refused", reason="the buffer refused it")

    async def flush(self, more: int) -> None:
        """There is a connection again: what waits leaves. `more` are emitted after the first portion."""
        for portion in range(len(self.kept) + more + 1):  # who still gives something then would never end
            keys = self._taken()
            if not keys:
                self.holds = False
                return
            for key in keys:
                self._send(key)
            with suppress(FaultPending):
                await self.lab.settle()
            if not self.alice.connected:
                self.risked |= set(keys[: self.room])
                return
            for _ in range(more if portion == 0 else 0):
                self.emit()

    def judged(self) -> str:
        """What is wrong, the worst first; empty if nothing is."""
        if lost := [key for key in self.kept if key not in self.got and key not in self.risked]:
            waited = [key for key in lost if key in self.waiting]
            return f"{labels(waited)}: kept, and never given out." if waited else f"{labels(lost)}: {self._beyond}"
        if twice := [key for key, times in Counter(self.got).items() if times > 1]:
            return f"{labels(twice)}: sent more than once."
        if self.got != sorted(self.got):
            return "That is not the order in which they were emitted."
        return self.wrong

    @property
    def _beyond(self) -> str:
        return f"given out although there was room for {self.room} only, so the cut took it. It should have been in the buffer still."

    @property
    def story(self) -> str:
        """What became of everything, in one line."""
        parts = {"Kept": self.kept, "Refused": self.refused, "Arrived": self.got}
        return " ".join(f"{word}: {labels(keys)}." for word, keys in parts.items() if keys)

    @property
    def figure(self) -> Figure:
        """The picture of what the application did. To its bare client a message that was kept would be one that was emitted late."""
        return Figure(list(self._record()))

    # -- its steps ------------------------------------------------------------------------------------------------------------------

    def _taken(self) -> list[int]:
        said = self.guard.call(self.buffer.take, self.room)
        if not isinstance(said, (list, tuple)):
            raise self.guard.fail(f"take({self.room}) returned {brief(said)}. Return a list of keys, for example [1, 2], or [].")
        for key in said:
            if not isinstance(key, int) or isinstance(key, bool) or key not in self.kept:
                raise self.guard.fail(f"take({self.room}) returned {brief(said)}, but {brief(key)} was never kept.")
        self.waiting = [key for key in self.waiting if key not in said]
        return list(said)

    def _send(self, key: int) -> None:
        self.sent.append(key)
        self.alice.emit(CHAT, key)

    def _receive(self, sid: str, key: int) -> None:
        self.got.append(key)

    # -- its record -----------------------------------------------------------------------------------------------------------------

    def _note(self, kind: Kind, **details: Any) -> None:
        self.notes[len(self.lab.journal)].append(self._event(kind, self.emitted, **details))

    def _event(self, kind: Kind, key: int, **details: Any) -> Event:
        return Event(-1, 0.0, self.alice.name, kind, message=key, event=CHAT, **details)

    def _record(self) -> Iterator[Event]:
        """The journal, with what the application has emitted and kept in place of what it gave to its client."""
        for count, event in enumerate(self._told()):
            yield replace(event, seq=count)

    def _told(self) -> Iterator[Event]:
        keys: dict[int, int] = {}
        tries: Counter[int] = Counter()
        for event in self.lab.journal:
            yield from self.notes.get(event.seq, ())
            if event.node != self.alice.name or event.message < 0:
                yield event
            elif event.kind == "emitted":
                keys[event.message] = int(event.text)
            elif event.kind == "sent":
                key = keys[event.message]
                tries[key] += 1
                yield replace(event, message=key, attempt=tries[key])
            elif self.sent.count(keys[event.message]) == 1:  # else its fate is not settled the first time
                yield replace(event, message=keys[event.message])
        yield from self.notes.get(len(self.lab.journal), ())
        for key in self.kept:
            if key not in self.sent:
                yield self._event("forgotten", key, reason="it was not given out")


def labels(keys: Iterable[int]) -> str:
    """As in the picture."""
    return " ".join(f"#{key}" for key in keys)
