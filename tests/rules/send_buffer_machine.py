"""The send buffer beside a plain list. Hypothesis chooses what happens; the two have to say the same."""

from dataclasses import dataclass
from types import ModuleType

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from realtime_lab.rules import send_buffer


@dataclass
class Waiting:
    key: int
    size: int
    since: float
    gone: bool = False


class SendBufferMachine(RuleBasedStateMachine):
    """`rule_module`: the rule under test, or a mutant of it."""

    rule_module: ModuleType = send_buffer

    def __init__(self) -> None:
        super().__init__()
        self.now, self.key, self.waits = 100.0, 0, list[Waiting]()

    @initialize(
        on=st.booleans(), limit=st.integers(1, 4), size=st.integers(1, 12), age=st.sampled_from([None, 1, 2.5]), stones=st.booleans()
    )
    def start(self, on: bool, limit: int, size: int, age: float | None, stones: bool) -> None:
        self.on, self.limit, self.limit_bytes, self.max_age, self.tombstones = on, limit, size, age, stones
        self.buffer = self.rule_module.SendBuffer(on=on, limit=limit, limit_bytes=size, max_age=age, tombstones=stones)

    @rule(size=st.integers(0, 6), connected=st.booleans(), volatile=st.booleans())
    def emit(self, size: int, connected: bool, volatile: bool) -> None:
        self.key += 1
        decision = self.buffer.emit(self.key, size, self.now, connected=connected, volatile=volatile)
        full = len(self.waits) >= self.limit or sum(each.size for each in self.waits) + size > self.limit_bytes
        if volatile:
            assert isinstance(decision, self.rule_module.Pass if connected and not self.waits else self.rule_module.Drop)
        elif not connected and not self.on:
            assert isinstance(decision, self.rule_module.Refuse)
            assert not decision.full
        elif full:
            assert isinstance(decision, self.rule_module.Refuse)
            assert decision.full
        else:
            assert isinstance(decision, self.rule_module.Keep)
            self.waits.append(Waiting(self.key, size, self.now))

    @rule(size=st.integers(0, 6), gone=st.booleans())
    def restore(self, size: int, gone: bool) -> None:
        """It was accepted before everything that waits, so it is at least as old."""
        self.key += 1
        self.buffer.restore(self.key, size, self.now, gone=gone)
        since = min([self.now, *(each.since for each in self.waits)])
        self.waits.insert(0, Waiting(self.key, size, since, gone))

    @rule(room=st.integers(0, 3) | st.just(float("inf")))
    def take(self, room: float) -> None:
        count = min(len(self.waits), room)
        assert self.buffer.take(room) == [each.key for each in self.waits[: int(count)]]
        self.waits = self.waits[int(count) :]

    @precondition(lambda self: self.waits)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        keys = data.draw(st.sets(st.sampled_from([each.key for each in self.waits]), max_size=2))
        self.buffer.withdraw(keys)
        self.waits = [each for each in self.waits if each.key not in keys]

    @rule(seconds=st.sampled_from([0.25, 1.0, 1.5]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def expire(self) -> None:
        old = [each for each in self.waits if not each.gone and self.max_age is not None and self.now - each.since >= self.max_age]
        assert self.buffer.expire(self.now) == [each.key for each in old]
        assert self.buffer.expire(self.now) == [], "said once"
        for each in old:
            each.gone, each.size = True, 0
        if not self.tombstones:
            self.waits = [each for each in self.waits if each not in old]

    @invariant()
    def the_same_waits_in_the_same_order(self) -> None:
        if hasattr(self, "buffer"):
            assert self.buffer.keys == tuple(each.key for each in self.waits)
            assert len(self.buffer) == len(self.waits)

    @invariant()
    def the_deadline_is_that_of_the_oldest(self) -> None:
        if hasattr(self, "buffer"):
            ages = [each.since + self.max_age for each in self.waits if not each.gone] if self.max_age is not None else []
            assert self.buffer.next_deadline() == min(ages, default=None)
