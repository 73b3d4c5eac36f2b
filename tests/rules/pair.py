"""A client and a server made of the pure rules alone, and a link between them that loses what a broken TCP connection loses.

The client does what the shell in net/ does: emit -> buffer -> take(room) -> add -> effects -> link. The server commits in groups,
answers after the commit, and starts again from what was committed. Every check that needs no view of the other side stands where it can
fail first.
"""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal

from realtime_lab.rules import dedup, retry, send_buffer

ACK_TIMEOUT = 2.0

Mood = Literal["apply", "later", "never"]
"""What the application's handler says to the next event that is its turn; "later" is also what a disk says that fails for a while."""


@dataclass(frozen=True)
class Rules:
    """The modules under test, or mutants of them."""

    buffer: ModuleType = send_buffer
    retry: ModuleType = retry
    dedup: ModuleType = dedup


@dataclass(frozen=True)
class Options:
    retries: float = math.inf
    window: int = 1
    max_age: float | None = None
    delay: float = 0.0
    limit: int = 8


@dataclass
class Link:
    """One connection: first in, first out, each way. Nothing is lost in the middle, only from some point on."""

    up: deque[tuple[int, bool]] = field(default_factory=deque)
    down: deque[tuple[int, dict[str, Any]]] = field(default_factory=deque)
    broken: bool = False
    sent: set[int] = field(default_factory=set)

    def cut(self, up: int = 0, down: int = 0) -> None:
        """Of what is in flight so many still arrive."""
        self.broken = True
        self.up = deque(list(self.up)[:up])
        self.down = deque(list(self.down)[:down])

    def send_up(self, n: int, tombstone: bool) -> None:
        assert n in self.sent or n > max(self.sent, default=0), "what leaves for the first time leaves in order"
        self.sent.add(n)
        if not self.broken:
            self.up.append((n, tombstone))

    def send_down(self, n: int, answer: dict[str, Any]) -> None:
        if not self.broken:
            self.down.append((n, answer))


class Server:
    """`numbered`: with the ledger. Without it everything that arrives is applied."""

    def __init__(self, rules: Rules, *, numbered: bool) -> None:
        self.rule, self.numbered = rules.dedup, numbered
        self.effects: list[int] = []
        """Committed, in this order."""
        self.stored: tuple[int, dict[int, tuple[str, dict[str, Any]]]] = (0, {})
        self.link: Link | None = None
        self.crash()

    def crash(self) -> None:
        """Only what was committed is left."""
        if self.link is not None:
            self.link.cut()
        self.link = None
        self.ledger = self.rule.Ledger(*self.stored)
        self.open: list[tuple[int, str, dict[str, Any]]] = []
        self.waiting: list[tuple[Link, int, dict[str, Any]]] = []
        """Who is answered after the commit."""

    def accept(self, link: Link, first: int) -> None:
        assert first <= self.stored[0] + 1 or not self.numbered, "the client finished a number that was never committed"
        if self.link is not None:
            self.link.cut()
        self.link = link
        self.ledger.greet(first)

    def receive(self, mood: Mood) -> None:
        """The next event of the connection that counts."""
        assert self.link is not None
        n, tombstone = self.link.up.popleft()
        if self.numbered:
            self._decide(self.link, n, "" if tombstone else f"#{n}", mood)
        elif tombstone:
            self.link.send_down(n, {"ok": True})
        else:
            self._handle(self.link, n, f"#{n}", mood)

    def _decide(self, link: Link, n: int, content: str, mood: Mood) -> None:
        decision = self.ledger.receive(n, content)
        if isinstance(decision, self.rule.Repeat) and mood == "later":
            link.send_down(n, {"ok": False, "error": "what is on record cannot be read", "retryable": True})
        elif isinstance(decision, self.rule.Repeat):
            self._answer(link, n, dict(decision.answer))
        elif isinstance(decision, self.rule.Gap):
            link.send_down(n, {"ok": False, "error": "gap", "retryable": True, "expected": decision.expected})
        elif content:
            assert isinstance(decision, self.rule.Apply), "one client never uses a number for two things"
            self._handle(link, n, content, mood)
        else:
            self._record(link, n, content, dict(self.rule.GIVEN_UP))

    def _handle(self, link: Link, n: int, content: str, mood: Mood) -> None:
        if mood == "later":
            link.send_down(n, {"ok": False, "error": "later", "retryable": True})
        elif mood == "never":
            self._record(link, n, content, {"ok": False, "error": "never", "retryable": False})
        else:
            self._record(link, n, content, {"ok": True})

    def _record(self, link: Link, n: int, content: str, answer: dict[str, Any]) -> None:
        if self.numbered:
            self.ledger.decided(n, content, answer)
        self.open.append((n, content, answer))
        self._answer(link, n, answer)

    def _answer(self, link: Link, n: int, answer: dict[str, Any]) -> None:
        """A repeat of something that is not committed yet waits too."""
        if any(n == number for number, _, _ in self.open):
            self.waiting.append((link, n, answer))
        else:
            link.send_down(n, answer)

    def commit(self) -> None:
        """The decisions and their effects, together."""
        last, answers = self.stored
        for n, content, answer in self.open:
            last, answers = n, {**answers, n: (content, answer)}
            answers.pop(n - self.rule.ANSWERS, None)
            if answer["ok"]:
                self.effects.append(n)
        self.stored = last, answers
        self.open = []
        for link, n, answer in self.waiting:
            link.send_down(n, answer)
        self.waiting = []


class Client:
    """With a store: `restart` goes on with the same numbers. What it says to the store is written a little later, in order."""

    def __init__(self, rules: Rules, options: Options) -> None:
        self.rules, self.options = rules, options
        self.highest = 0
        self.told: dict[int, str] = {}
        """What the application knows."""
        self.rows: dict[int, bool] = {}
        """The store: number -> given up? Only what is not finished."""
        self.unwritten: list[tuple[int, Literal["gone", "done"]]] = []
        self._start(0.0)

    def _start(self, now: float) -> None:
        options = self.options
        self.link: Link | None = None
        self.gone = {n for n, gone in self.rows.items() if gone}
        self.pending = set(self.rows)
        """What is not finished, as this run knows it."""
        self.restored = set(self.rows)
        """An earlier run may have sent these."""
        self.told_now: set[int] = set()
        self.forgotten: set[int] = set()
        """Of these the server says that it has forgotten what became of them."""
        self.buffer = self.rules.buffer.SendBuffer(limit=options.limit, max_age=options.max_age, tombstones=True)
        self.retry = self.rules.retry.Retry(
            retries=options.retries, ack_timeout=ACK_TIMEOUT, window=options.window, delay=options.delay, delay_max=4.0
        )
        for n in sorted(self.rows, reverse=True):
            self.buffer.restore(n, 1, now, gone=n in self.gone)

    @property
    def first(self) -> int:
        return min(self.pending, default=self.highest + 1)

    def emit(self, now: float) -> None:
        n = self.highest + 1
        if isinstance(self.buffer.emit(n, 1, now, connected=self.link is not None), self.rules.buffer.Keep):
            self.highest, self.rows[n] = n, False
            self.pending.add(n)
        self.pump(now)

    def connected(self, link: Link, now: float) -> None:
        self.link = link
        self.perform(self.retry.connected(now))
        self.pump(now)

    def disconnected(self) -> None:
        self.link = None
        self.perform(self.retry.disconnected())

    def hear(self, now: float, draw: float) -> None:
        assert self.link is not None
        n, answer = self.link.down.popleft()
        if answer["ok"]:
            if answer.get("forgotten"):
                self.forgotten.add(n)
            effects = self.retry.acknowledged(n, now)
        else:
            gap = "expected" in answer
            effects = self.retry.refused(n, now, answer["error"], draw=draw, retryable=answer["retryable"], gap=gap)
        self.perform(effects)
        self.pump(now)

    def tick(self, now: float, draw: float) -> None:
        for n in self.buffer.expire(now):
            self.tell(n, "unknown" if n in self.restored else "rejected")
            self.bury(n)
        self.perform(self.retry.tick(now, draw))
        self.pump(now)

    def next_deadline(self) -> float:
        times = [self.buffer.next_deadline(), self.retry.next_deadline()]
        return min((time for time in times if time is not None), default=math.inf)

    def restart(self, now: float, lost: int) -> None:
        """The process dies before the last `lost` of its marks are written; the next one starts from the store."""
        written = self.unwritten[: max(0, len(self.unwritten) - lost)]
        for n, mark in written:
            if mark == "gone":
                self.rows[n] = True
            else:
                del self.rows[n]
        for n, mark in self.unwritten[len(written) :]:
            if mark == "gone" or (self.told.get(n) != "acked" and not self.rows[n]):
                self.told.pop(n, None)  # the application that knew it is gone, and so is the knowledge
        self.unwritten = []
        if self.link is not None:
            self.link.cut(up=len(self.link.up))
        self._start(now)

    def pump(self, now: float) -> None:
        for n in self.buffer.take(self.retry.room if self.link is not None else 0):
            self.perform(self.retry.add(n, now, tombstone=n in self.gone))

    def perform(self, effects: Iterable[Any]) -> None:
        rule = self.rules.retry
        for effect in effects:
            n = effect.n
            assert n in self.pending, "nothing happens to a number that is finished"
            if isinstance(effect, rule.Send):
                self.send(n, effect)
            elif isinstance(effect, rule.Settle):
                self.tell(n, "unknown" if effect.outcome == "acked" and n in self.forgotten else effect.outcome)
                if effect.outcome == "unknown":
                    self.bury(n)
            elif isinstance(effect, rule.Done):
                assert n in self.told_now or n in self.gone, "finished, and the application was not told"
                self.pending.remove(n)
                self.unwritten.append((n, "done"))
        assert len(self.retry.tries) <= self.options.window, "more under way than the window"

    def send(self, n: int, effect: Any) -> None:
        assert self.link is not None, "sent without a connection"
        assert effect.tombstone == (n in self.gone), "of a number that was given up only the tombstone is sent"
        assert effect.tombstone or effect.attempt <= self.options.retries + 1, "more tries than were asked for"
        self.link.send_up(n, effect.tombstone)

    def tell(self, n: int, outcome: str) -> None:
        assert n not in self.told_now, "told twice"
        self.told_now.add(n)
        self.told[n] = outcome

    def bury(self, n: int) -> None:
        self.gone.add(n)
        self.unwritten.append((n, "gone"))
