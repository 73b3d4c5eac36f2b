"""The retry rule beside a model in which every event of the window is in one of three states. Hypothesis chooses what happens.

ready       it leaves as soon as it may
under way   a try runs, until `until`
resting     the next try may not start before `until`
"""

import math
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from realtime_lab.rules import retry
from tests.rules.mutation import loaded

TIMEOUT = 2.0
MAXIMUM = 4.0
AFTER_GAP = 1
"""So small that windows of these games are larger."""
Said = Literal["later", "gap", "acked", "never"]
DRAWS = st.sampled_from([0.25, 0.75, 0.0])


@dataclass
class Flight:
    n: int
    gone: bool
    tries: int = 0
    state: Literal["ready", "under way", "resting"] = "ready"
    until: float = 0.0


class RetryMachine(RuleBasedStateMachine):
    """`rule_module`: the rule under test, or a mutant of it."""

    rule_module: ModuleType = loaded(Path(retry.__file__))

    def __init__(self) -> None:
        super().__init__()
        self.now, self.n, self.connected = 100.0, 0, False
        self.flights: list[Flight] = []
        self.told: set[int] = set()

    @initialize(
        retries=st.sampled_from([math.inf, 2, 1, 0]), window=st.sampled_from([3, 2, 4, 1]), delay=st.sampled_from([1.0, 1.0, 0.0]),
        connected=st.sampled_from([True, True, False]),
    )  # fmt: skip
    def start(self, retries: float, window: int, delay: float, connected: bool) -> None:
        self.rule_module.AFTER_GAP = AFTER_GAP  # type: ignore[attr-defined]  # a copy of its own
        self.limit, self.window, self.delay = retries + 1, window, delay
        self.open, self.too_early = window, False
        self.retry = self.rule_module.Retry(retries=retries, ack_timeout=TIMEOUT, window=window, delay=delay, delay_max=MAXIMUM)
        if connected:
            self.connect()

    # -- what happens ---------------------------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.flights) < self.window)
    @rule(tombstones=st.lists(st.sampled_from([False, False, True]), min_size=1, max_size=4))
    def add(self, tombstones: list[bool]) -> None:
        for tombstone in tombstones[: self.window - len(self.flights)]:
            self.n += 1
            self.flights.append(Flight(self.n, tombstone))
            self.same(self.retry.add(self.n, self.now, tombstone=tombstone), [])

    @precondition(lambda self: not self.connected)
    @rule()
    def connect(self) -> None:
        self.connected = True
        self.same(self.retry.connected(self.now), [])

    @precondition(lambda self: self.connected)
    @rule()
    def disconnect(self) -> None:
        self.connected, self.open, self.too_early = False, self.window, False
        expected = []
        for flight in self.flights:
            flight.state = "ready"
            expected += self.given_up(flight)
        self.same(self.retry.disconnected(), expected)

    @precondition(lambda self: self.n)
    @rule(which=st.integers(0, 4), said=st.sampled_from(["later", "gap", "acked", "never"]), draw=DRAWS)
    def answer(self, which: int, said: Said, draw: float) -> None:
        self.hear(self.pick(which), said, draw)

    @precondition(lambda self: len(self.flights) > 1)
    @rule(every=st.lists(st.sampled_from(["acked", "later", "later", "gap", "gap"]), min_size=2, max_size=4), draw=DRAWS)
    def answer_some_together(self, every: list[Said], draw: float) -> None:
        for n, said in zip([flight.n for flight in self.flights], every, strict=False):
            self.hear(n, said, draw)

    def hear(self, n: int, said: Said, draw: float) -> None:
        flight = next((flight for flight in self.flights if flight.n == n), None)
        if said == "acked":
            self.same(self.retry.acknowledged(n, self.now), self.finish(flight, "acked"))
        elif said == "never":
            effects = self.retry.refused(n, self.now, "never", draw=draw, retryable=False)
            self.same(effects, self.finish(flight, "rejected"))
        else:
            effects = self.retry.refused(n, self.now, said, draw=draw, retryable=True, gap=said == "gap")
            self.same(effects, self.refused(flight, draw, gap=said == "gap"))

    @rule(seconds=st.sampled_from([0.25, 0.5, 1.0, 2.0]), draw=DRAWS)
    def time_passes(self, seconds: float, draw: float) -> None:
        self.now += seconds
        self.tick(draw)

    @precondition(lambda self: self.retry.next_deadline() is not None)
    @rule(draw=DRAWS)
    def the_timer_rings(self, draw: float) -> None:
        """Exactly when it was asked for: then there is something to do."""
        self.now = max(self.now, self.retry.next_deadline())
        assert self.tick(draw), "the timer rang for nothing"

    def tick(self, draw: float) -> list[Any]:
        expected: list[tuple[Any, ...]] = []
        for flight in self.flights:
            if flight.state == "under way" and flight.until <= self.now:
                expected.append(("timed out", flight.n, flight.tries))
                expected += self.missed(flight, draw)
        effects: list[Any] = self.retry.tick(self.now, draw)
        self.same(effects, expected)
        deadline = self.retry.next_deadline()
        assert deadline is None or deadline > self.now, "the timer would ring at once, for ever"
        return effects

    def pick(self, which: int) -> int:
        """A number of the window; beyond it one that is finished, as a late or doubled answer would name."""
        numbers = [flight.n for flight in self.flights]
        return numbers[which] if which < len(numbers) else next(n for n in range(self.n, -1, -1) if n not in numbers)

    # -- the model ------------------------------------------------------------------------------------------------------------------

    def missed(self, flight: Flight, draw: float) -> list[tuple[Any, ...]]:
        """A try brought nothing."""
        flight.state = "ready"
        expected = self.given_up(flight)
        if not expected:
            flight.state = "resting"
            flight.until = self.now + draw * min(MAXIMUM, self.delay * 2 ** (flight.tries - 1))
        return expected

    def given_up(self, flight: Flight) -> list[tuple[Any, ...]]:
        if flight.gone or flight.tries < self.limit:
            return []
        flight.gone, flight.tries = True, 0
        return [("settle", flight.n, "unknown")]

    def refused(self, flight: Flight | None, draw: float, *, gap: bool) -> list[tuple[Any, ...]]:
        """Of a try that is over already a refusal says nothing new."""
        if flight is None or flight.state != "under way":
            return []
        if gap and flight is not self.flights[0]:
            flight.state, flight.tries, self.too_early = "ready", flight.tries - 1, True
            return []
        return self.missed(flight, draw)

    def finish(self, flight: Flight | None, outcome: str) -> list[tuple[Any, ...]]:
        if flight is None:
            return []
        self.flights.remove(flight)
        self.open = min(self.window, self.open + 1)
        return [*([] if flight.gone else [("settle", flight.n, outcome)]), ("done", flight.n)]

    def leaving(self) -> list[tuple[Any, ...]]:
        """Everything up to the first that still rests, as far as the window is open; after a gap nothing while anything is under way."""
        if self.too_early and not any(flight.state == "under way" for flight in self.flights):
            self.open, self.too_early = min(AFTER_GAP, self.window), False
        if self.too_early:
            return []
        expected: list[tuple[Any, ...]] = []
        for flight in self.flights if self.connected else []:
            if (flight.state == "resting" and flight.until > self.now) or flight.n >= self.flights[0].n + self.open:
                break
            if flight.state != "under way":
                flight.state, flight.until, flight.tries = "under way", self.now + TIMEOUT, flight.tries + 1
                expected.append(("send", flight.n, flight.tries, flight.gone))
        return expected

    def same(self, effects: list[Any], expected: list[tuple[Any, ...]]) -> None:
        assert [self.plain(effect) for effect in effects] == expected + self.leaving()
        for effect in effects:
            if isinstance(effect, self.rule_module.Settle):
                assert effect.n not in self.told, "told twice"
                self.told.add(effect.n)
            elif isinstance(effect, self.rule_module.Send):
                assert effect.attempt <= self.limit or effect.tombstone

    def plain(self, effect: Any) -> tuple[Any, ...]:
        rules = self.rule_module
        if isinstance(effect, rules.Send):
            return "send", effect.n, effect.attempt, effect.tombstone
        if isinstance(effect, rules.TimedOut):
            return "timed out", effect.n, effect.attempt
        if isinstance(effect, rules.Settle):
            return "settle", effect.n, effect.outcome
        assert isinstance(effect, rules.Done)
        return "done", effect.n

    @invariant()
    def the_window_is_the_same(self) -> None:
        if hasattr(self, "retry"):
            assert self.retry.tries == {flight.n: flight.tries for flight in self.flights}
            assert self.retry.room == self.window - len(self.flights) >= 0
            assert self.retry.first == (self.flights[0].n if self.flights else None)

    @invariant()
    def the_timer_is_armed_exactly_while_time_matters(self) -> None:
        if hasattr(self, "retry"):
            times = [flight.until for flight in self.flights if flight.state == "under way"]
            if not self.too_early:  # else the end of a rest changes nothing, and neither does that of one beyond the window
                end = self.flights[0].n + self.open if self.flights else 0
                waiting = [flight for flight in self.flights if flight.state != "under way"]
                times += [flight.until for flight in waiting[:1] if flight.state == "resting" and flight.n < end]
            assert self.retry.next_deadline() == (min(times, default=None) if self.connected else None)
