"""`make mutants`: breaks rules/ and history/ in every small way that mutmut knows, and asks the tests of these floors whether they notice.

What survives must be explained in explained.toml, and at least nine of ten mutants must be noticed. It goes on where it stopped; what was
found out holds for one content of these floors and their tests. Exit code 0: all is well. 1: it is not. 3: not everything was tried yet.

    python -m tests.mutants rules/retry history/verdict     only these files
    python -m tests.mutants --keep-killed                   after a new test: what was killed before is not tried again
"""

import argparse
import os
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.kept import ROOT, tree_hash
from tests.mutants.making import FLOORS, Name
from tests.mutants.trying import KILLED, SURVIVED, TIMEOUT, UNTESTED, Known, Trial

EXPLAINED = Path(__file__).with_name("explained.toml")
NEEDED = 90.0
"""Percent of the mutants of a floor that the tests must notice."""

TESTS = tuple(f"tests/{floor}" for floor in FLOORS)
COLUMNS = ("mutants", KILLED, TIMEOUT, SURVIVED, "explained", UNTESTED, "not tried", "score")
BREAK_RULES_THEMSELVES = ("tests/rules/test_mutants.py", "tests/rules/test_replay_mutants.py")
LONG = (
    "test_guarantees_in_history.py::test_the_last_steps_of_a_long_queue_can_always_be_drawn",
    *(
        f"test_judge.py::test_a_verdict_at_any_time_is_the_verdict_of_what_has_happened[{run}]"
        for run in ("burst", "cut before six", "cut in replay", "four", "missed", "missed and more", "queue", "two come back")
    ),
    "test_judge.py::test_so_it_is_for_every_other_record_of_a_run",
    "test_judge.py::test_what_is_looked_at_does_not_grow_with_the_history",
    "test_log_in_pictures.py::test_another_record_of_the_same_run_gives_the_same_picture_and_words",
    "test_picture.py::test_what_is_drawn_anew_does_not_grow_with_the_history",
    "test_picture.py::test_where_it_never_comes_to_rest_a_picture_can_be_drawn_and_said_at_any_time",
    "test_retries_in_history.py::test_every_beginning_can_be_judged_and_drawn",
    "test_retries_in_history.py::test_the_picture_does_not_depend_on_how_fast_acknowledgements_are",
    "test_space_time.py::test_every_beginning_of_a_run_can_be_drawn",
)
"""Tests of history/ that take two thirds of the time of all."""

READ = ("realtime_lab/errors.py", "realtime_lab/rules", "realtime_lab/history", *TESTS, "tests/conftest.py", "tests/examples.py")
"""What the verdicts depend on."""


class Explained:
    """Why no test can notice these: mutants by name, and kinds of them by what is changed into what."""

    def __init__(self, path: Path) -> None:
        read = tomllib.loads(path.read_text(encoding="utf-8"))
        self.names = {
            Name(group["file"], group["function"], *change[:2], *map(int, change[2:]))
            for group in read["survivors"]
            for change in group["changes"]
        }
        self._kinds = [(re.compile(change), into) for kind in read["kinds"] for change, into in kind["changes"]]

    def __contains__(self, name: Name) -> bool:
        return name in self.names or any(
            name.before[: found.start()] + found.expand(into) + name.before[found.end() :] == name.after
            for change, into in self._kinds
            for found in change.finditer(name.before)
        )


def report(mutants: Sequence[Name], verdicts: Mapping[Name, tuple[str, str]], reasons: Explained) -> int:
    """Print the table and what is wrong; return the exit code."""
    wrong = False
    print(f"\n{'floor':<8}", *(f"{title:>{len(title) + 2}}" for title in COLUMNS))
    for floor in FLOORS:
        names = [name for name in mutants if name.file.startswith(f"{floor}/")]
        if not names:
            continue
        counts = Counter(verdicts[name][0] for name in names if name in verdicts)
        tried = counts.total()
        score = 100 * (counts[KILLED] + counts[TIMEOUT]) / tried if tried else 100.0
        wrong |= score < NEEDED
        known = sum(name in reasons for name in names if verdicts.get(name, ("",))[0] in (SURVIVED, UNTESTED))
        figures = (len(names), *(counts[each] for each in (KILLED, TIMEOUT, SURVIVED)), known, counts[UNTESTED], len(names) - tried)
        print(f"{floor:<8}", *(f"{figure:>{len(title) + 2}}" for title, figure in zip(COLUMNS, (*figures, f"{score:.1f} %"), strict=True)))
    left = [name for name in mutants if verdicts.get(name, (KILLED,))[0] in (SURVIVED, UNTESTED) and name not in reasons]
    gone = [name for name in reasons.names if name in mutants and verdicts.get(name, (SURVIVED,))[0] in (KILLED, TIMEOUT)]
    gone += [name for name in reasons.names if name not in mutants and any(name.file == each.file for each in mutants)]
    for title, names in (("survived, and not explained", left), ("explained, but noticed by a test or no mutant any more", gone)):
        if names:
            print(f"\n{len(names)} {title}:")
            print("\n".join(f"  {name}" for name in names))
    if left or gone or wrong:
        return 1
    return 0 if all(name in verdicts for name in mutants) else 3


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Break the pure floors; see whether the tests notice.")
    parser.add_argument("only", nargs="*", help="files, for example rules/retry; without any: all")
    parser.add_argument("--minutes", type=float, default=30, help="stop after so many (default 30)")
    parser.add_argument("--restart", action="store_true", help="forget what was found out")
    parser.add_argument("--keep-killed", action="store_true", help="what was killed before a change counts as killed")
    options = parser.parse_args(arguments)
    path = ROOT / ".full" / "mutants.json"
    if options.restart:
        path.unlink(missing_ok=True)
    reasons = Explained(EXPLAINED)
    known = Known(path, tree_hash(*READ))
    known.load(keep=options.keep_killed)
    trial = Trial(options.only, options.minutes, known, reasons)
    left_out = [*(f"--ignore={file}" for file in BREAK_RULES_THEMSELVES), *(f"--deselect=tests/history/{test}" for test in LONG)]
    quiet = ("-q", "--capture=no", "--tb=no", "--hypothesis-profile=mutants")
    plugins = ("no:nbval", "no:xdist", "no:cacheprovider")
    os.chdir(ROOT)
    tests = [f"tests/{floor}" for floor in FLOORS if not options.only or any(each.startswith(floor) for each in options.only)]
    code = pytest.main([*quiet, *(f"-p{plugin}" for plugin in plugins), *left_out, *tests], plugins=[trial])
    if trial.broken or code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        print(f"These tests fail without any mutant (pytest ended with {code!r}):", *trial.broken, sep="\n  ")
        return 1
    return report([mutant.name for mutant in trial.mutants], known.verdicts, reasons)


if __name__ == "__main__":
    sys.exit(main())
