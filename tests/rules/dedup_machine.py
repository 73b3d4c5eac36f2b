"""The ledger beside everything that ever happened to one client's numbers. Hypothesis chooses what arrives."""

from types import ModuleType

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from realtime_lab.rules import dedup

FORGOTTEN = {"ok": True, "forgotten": True}
KEPT = 512
"""What the design promises; not read from the rule, so that a rule that keeps fewer is seen."""


class DedupMachine(RuleBasedStateMachine):
    """`rule_module`: the rule under test, or a mutant of it."""

    rule_module: ModuleType = dedup

    def __init__(self) -> None:
        super().__init__()
        self.ledger = self.rule_module.Ledger()
        self.last = 0
        self.history: dict[int, tuple[str, dict[str, object]]] = {}

    def decide(self, content: str) -> None:
        n = self.last + 1
        answer: dict[str, object] = {"ok": True, "offset": 10 * n} if content else dict(self.rule_module.GIVEN_UP)
        assert isinstance(self.ledger.receive(n, content), self.rule_module.Apply)
        self.ledger.decided(n, content, answer)
        self.last, self.history[n] = n, (content, answer)

    @rule(content=st.sampled_from(["", "a", "b"]))
    def the_next_one_is_applied(self, content: str) -> None:
        self.decide(content)

    @rule(count=st.sampled_from([20, KEPT - 1, KEPT]))
    def many_follow(self, count: int) -> None:
        for _ in range(count):
            self.decide("a")

    @rule()
    def the_next_one_fails_and_leaves_no_trace(self) -> None:
        assert isinstance(self.ledger.receive(self.last + 1, "a"), self.rule_module.Apply)

    @rule(ahead=st.integers(2, 300), content=st.sampled_from(["", "a"]))
    def one_that_is_too_early_is_told_what_is_expected(self, ahead: int, content: str) -> None:
        assert self.ledger.receive(self.last + ahead, content) == self.rule_module.Gap(self.last + 1)

    @precondition(lambda self: self.last)
    @rule(back=st.integers(0, 8) | st.integers(KEPT - 2, KEPT + 2), content=st.sampled_from(["", "a", "b"]))
    def a_repeat_is_answered_as_the_first_time(self, back: int, content: str) -> None:
        n = max(1, self.last - back)
        decision = self.ledger.receive(n, content)
        known, answer = self.history.get(n, (content, FORGOTTEN))
        if n <= self.last - KEPT:
            known, answer = content, FORGOTTEN
        if known and content and known != content:
            assert isinstance(decision, self.rule_module.Conflict)
        else:
            assert decision == self.rule_module.Repeat({**answer, "duplicate": True})
            assert "duplicate" not in answer, "what is kept is not changed"

    @rule(first=st.integers(-3, 3))
    def the_client_says_what_is_finished(self, first: int) -> None:
        said = max(1, self.last + 1 + first)
        self.ledger.greet(said)
        self.last = max(self.last, said - 1)

    @rule(wrong=st.sampled_from([-1, 0, 2, 3]))
    def a_decision_out_of_turn_is_an_error(self, wrong: int) -> None:
        try:
            self.ledger.decided(self.last + wrong, "a", {"ok": True})
        except ValueError:
            return
        raise AssertionError("it was accepted")

    @rule()
    def the_server_starts_again_from_what_it_stored(self) -> None:
        kept = {n: entry for n, entry in self.history.items() if n > self.last - KEPT}
        self.ledger = self.rule_module.Ledger(self.last, kept)
