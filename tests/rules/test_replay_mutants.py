"""Each rule of replay, broken in one place, and each server that is built wrongly around them, is found out by the machine."""

from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import settings

from realtime_lab.rules import cursor, inbox, replay
from tests.examples import every_fourth
from tests.rules.mutants import Mutant
from tests.rules.mutation import SAME_EVERY_TIME, loaded, survives
from tests.rules.replay_machine import ReplayMachine, World
from tests.rules.replay_mutants import DESIGNS, MUTANTS, RARE
from tests.rules.replay_pair import Rules
from tests.rules.replay_server import Design

SOURCES = {name: Path(str(module.__file__)) for name, module in (("replay", replay), ("inbox", inbox), ("cursor", cursor))}
LONGER = settings(SAME_EVERY_TIME, max_examples=400, stateful_step_count=30)
"""The slowest mutant that is left to the machine lives through 28 examples on average, and most through less than 5."""
SHORTER = settings(LONGER, max_examples=100)


def rules(mutant: Mutant | None = None) -> Rules:
    """The three modules, one of them broken. The other two use a broken rules/replay.py as they use the right one."""
    modules = {name: loaded(file) for name, file in SOURCES.items()}
    if mutant is not None:
        modules[mutant.rule] = loaded(SOURCES[mutant.rule], mutant.original, mutant.replaced)
    for user in (modules["inbox"], modules["cursor"]):
        for name, value in list(vars(user).items()):
            if getattr(value, "__module__", "") == replay.__name__:
                setattr(user, name, getattr(modules["replay"], name))
    return Rules(**modules)


def machine(under_test: Rules, design: Design | None = None) -> type[ReplayMachine]:
    return type("Mutated", (ReplayMachine,), {"under_test": under_test, "design": design or Design()})


@pytest.mark.parametrize("mutant", every_fourth(MUTANTS), ids=lambda mutant: mutant.sentence)
def test_a_broken_rule_of_replay_does_not_survive(mutant: Mutant) -> None:
    if mutant.sentence in RARE:
        story, what = RARE[mutant.sentence]
        with closing(World(rules(mutant))) as world, pytest.raises(AssertionError, match=what):
            story(world)
    else:
        assert not survives(machine(rules(mutant)), LONGER)


@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS.keys())
def test_a_server_that_is_built_wrongly_does_not_survive(design: Design) -> None:
    assert not survives(machine(Rules(), design), LONGER)


def test_the_rules_as_they_are_survive_what_most_mutants_do_not() -> None:
    assert survives(machine(rules()), SHORTER)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.sentence)
def test_a_mutant_of_replay_replaces_one_place_that_exists(mutant: Mutant) -> None:
    assert SOURCES[mutant.rule].read_text(encoding="utf-8").count(mutant.original) == 1
    assert mutant.original != mutant.replaced


def test_every_sentence_is_one_mutant_of_replay() -> None:
    sentences = {mutant.sentence for mutant in MUTANTS}
    assert len(sentences) == len(MUTANTS)
    assert sentences >= RARE.keys()
