"""Each rule, broken in one place, is found out by the machines."""

from pathlib import Path
from types import ModuleType

import pytest
from hypothesis.stateful import RuleBasedStateMachine

from realtime_lab.rules import dedup, retry, send_buffer
from tests.examples import every_fourth
from tests.rules.dedup_machine import DedupMachine
from tests.rules.mutants import MUTANTS, Mutant
from tests.rules.mutation import loaded, survives
from tests.rules.pair import Rules
from tests.rules.pair_machine import PairMachine
from tests.rules.retry_machine import RetryMachine
from tests.rules.send_buffer_machine import SendBufferMachine

SOURCES = {name: Path(str(module.__file__)) for name, module in (("send_buffer", send_buffer), ("retry", retry), ("dedup", dedup))}
MACHINES = {"send_buffer": SendBufferMachine, "retry": RetryMachine, "dedup": DedupMachine}
PAIRED = {
    "an event without its turn is applied, and the earlier one is acknowledged later without ever being applied",
    "the latest event is applied again when its acknowledgement was lost",
    "a repeat of a refused event is acknowledged as a success",
    "an event that was given up is sent again, whole",
    "an event that was given up is forgotten without a tombstone",
    "an event that grew too old leaves a hole in the numbers",
    "the greeting is taken for the last number that is finished, so the first unfinished one is lost",
    "the latest event leaves first",
    "a refusal counts as an acknowledgement",
    "no timer waits for the end of a rest",
}
"""What both sides together have to notice too: these break a promise, not only a rule."""


def alone(rule: str, module: ModuleType) -> type[RuleBasedStateMachine]:
    return type("Mutated", (MACHINES[rule],), {"rule_module": module})


def paired(rule: str, module: ModuleType) -> type[RuleBasedStateMachine]:
    names = {"send_buffer": "buffer", "retry": "retry", "dedup": "dedup"}
    return type("MutatedPair", (PairMachine,), {"under_test": Rules(**{names[rule]: module})})


@pytest.mark.parametrize("mutant", every_fourth(MUTANTS), ids=lambda mutant: mutant.sentence)
def test_a_broken_rule_does_not_survive(mutant: Mutant) -> None:
    module = loaded(SOURCES[mutant.rule], mutant.original, mutant.replaced)
    assert not survives(alone(mutant.rule, module))
    if mutant.sentence in PAIRED:
        assert not survives(paired(mutant.rule, module))


@pytest.mark.full
@pytest.mark.parametrize("rule", SOURCES)
def test_the_rule_as_it_is_survives_the_same(rule: str) -> None:
    assert survives(alone(rule, loaded(SOURCES[rule])))


@pytest.mark.full
def test_the_pair_as_it_is_survives_the_same() -> None:
    rules = Rules(*(loaded(SOURCES[rule]) for rule in ("send_buffer", "retry", "dedup")))
    assert survives(type("Pair", (PairMachine,), {"under_test": rules}))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.sentence)
def test_a_mutant_replaces_one_place_that_exists(mutant: Mutant) -> None:
    assert SOURCES[mutant.rule].read_text(encoding="utf-8").count(mutant.original) == 1
    assert mutant.original != mutant.replaced


def test_every_sentence_is_one_mutant() -> None:
    assert len({mutant.sentence for mutant in MUTANTS}) == len(MUTANTS) >= 12
    assert {mutant.sentence for mutant in MUTANTS} >= PAIRED
