"""How a rule is broken on purpose: its module again, with one text replaced, and a machine that has to notice."""

import importlib.machinery
import importlib.util
from pathlib import Path
from types import ModuleType

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

SAME_EVERY_TIME = settings(
    max_examples=600,
    stateful_step_count=25,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


def loaded(file: Path, original: str = "", replaced: str = "") -> ModuleType:
    """The rule as a module of its own, with one text replaced."""
    source = file.read_text(encoding="utf-8")
    source = source.replace(original, replaced) if original else source
    module = importlib.util.module_from_spec(importlib.machinery.ModuleSpec(f"mutant_of_{file.stem}", None))
    exec(compile(source, f"a mutant of {file.name}", "exec"), module.__dict__)
    return module


def survives(machine: type[RuleBasedStateMachine], same: settings = SAME_EVERY_TIME) -> bool:
    try:
        run_state_machine_as_test(machine, settings=same)
    except Exception:  # noqa: BLE001  # a broken rule fails in any way it likes
        return False
    return True
