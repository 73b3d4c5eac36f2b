"""Each mutant is tried in a process of its own: a fork of one in which pytest has collected the tests already.

It gets the tests that run its function, until one of them fails: the sharpest ones first, then those of its file, then the shortest. The
one that noticed a mutant is asked first about the next one of this function.
"""

import os
import resource
import signal
import sys
import time
from bisect import bisect_right
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from tests.kept import read, write
from tests.mutants.making import Mutant, Name, files, mutants_of

KILLED, SURVIVED, TIMEOUT, UNTESTED = "killed", "survived", "timeout", "untested"
SHARP = "test_approved.py"
"""In little time it notices more than any other."""

PATIENCE = 8.0
"""Seconds of tests that a mutant gets, by what they take without it. What only a longer test would notice has survived."""

UNUSABLE = 3
"""The exit code of a process in which no test was run: to take that for a kill would be a lie."""

MEMORY = 4 << 30
"""Bytes: a mutant that collects for ever is killed before the machine suffers."""


@dataclass
class Known:
    """What was found out so far: the verdict on each mutant, and which test killed it."""

    path: Path
    tree: str
    verdicts: dict[Name, tuple[str, str]] = field(default_factory=dict)

    def load(self, *, keep: bool) -> None:
        """Go on where an earlier call stopped. keep: after a change, what was killed before counts as killed."""
        kept = read(self.path)
        for name, verdict, test in kept.get("verdicts", ()):
            if kept["tree"] == self.tree or (keep and verdict == KILLED):
                self.verdicts[Name(*name)] = (verdict, test)

    def save(self) -> None:
        write(self.path, self.tree, verdicts=[[name, *verdict] for name, verdict in self.verdicts.items()])


class Trial:
    """A plugin of pytest: in the place of running the tests once, they are run for each mutant."""

    def __init__(self, only: Sequence[str], minutes: float, known: Known, explained: Container[Name] = ()) -> None:
        """`explained`: what has long been known to survive is tried last, because to see it survive again takes longest."""
        self.only, self.known, self.explained = only, known, explained
        self.end = time.monotonic() + minutes * 60
        self.mutants: list[Mutant] = []
        self.broken: list[str] = []
        """Tests that fail without any mutant."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.mutants = [mutant for path in _chosen(self.only) for mutant in mutants_of(path)]
        names = {mutant.name for mutant in self.mutants}
        if not names <= self.known.verdicts.keys():
            tests = Tests(session.items, {mutant.code: mutant.name.file for mutant in self.mutants}, self.broken)
            try:
                self._try_all(tests)
            except KeyboardInterrupt:
                print("\nStopped. What was found out is kept.")
            self.known.save()
        return True

    def _try_all(self, tests: "Tests") -> None:
        if self.broken:
            return
        saved = time.monotonic()
        for mutant in sorted(self.mutants, key=lambda mutant: mutant.name in self.explained):
            if time.monotonic() > self.end:
                break
            if mutant.name not in self.known.verdicts:
                self.known.verdicts[mutant.name] = tests.verdict(mutant)
            if time.monotonic() > saved + 10:
                self.known.save()
                saved = time.monotonic()
                print(f"{len(self.known.verdicts)} tried, now {mutant.name.file}", flush=True)


class Tests:
    """The tests, what each of them runs, and how long it takes (seconds of the processor)."""

    def __init__(self, items: Sequence[pytest.Item], codes: Mapping[CodeType, str], broken: list[str]) -> None:
        """`codes`: function -> its file."""
        self.items = list(items)
        self.seconds: dict[int, float] = {}
        self.of: dict[CodeType, list[int]] = {code: [] for code in codes}
        for index, item in enumerate(self.items):
            seen: set[CodeType] = set()
            with _seeing(codes, seen):
                passed = _passes(item)
            started = time.process_time()
            passed &= _passes(item)  # once more, because to be watched takes more than twice the time
            self.seconds[index] = time.process_time() - started
            broken += [] if passed else [item.nodeid]
            for code in seen:
                self.of[code].append(index)
        for code, each in self.of.items():
            first = (SHARP, f"test_{Path(codes[code]).name}")  # what sees most, then what is named after the file, then what is short
            each.sort(key=lambda index: (*(self.items[index].path.name != name for name in first), self.seconds[index]))
            del each[bisect_right(list(accumulate(self.seconds[index] for index in each)), PATIENCE) :]

    def verdict(self, mutant: Mutant) -> tuple[str, str]:
        """The verdict on a mutant, and the test that was the first to fail."""
        indices = self.of[mutant.code]
        if not indices:
            return UNTESTED, ""
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            _run_in_child(mutant, [(self.items[index], self.seconds[index], index) for index in indices], writer)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            told = pipe.read().decode().split()
        _, status = os.waitpid(child, 0)
        test = self.items[int(told[-1])].nodeid if told else ""
        if os.WIFSIGNALED(status):
            return (TIMEOUT if os.WTERMSIG(status) == signal.SIGPROF else KILLED), test
        if os.WEXITSTATUS(status) == UNUSABLE:
            raise RuntimeError(f"this could not be tried: {mutant.name}")
        if os.WEXITSTATUS(status) == 0:
            return SURVIVED, ""
        indices.insert(0, indices.pop(indices.index(int(told[-1]))))
        return KILLED, test


def _run_in_child(mutant: Mutant, tests: Sequence[tuple[pytest.Item, float, int]], writer: int) -> None:
    """Never returns: it ends with 0 when no test fails, with 1 when one does, and by a signal when one does not end."""
    try:
        sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  # nothing of a fork is to be closed
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        mutant.put_in()
    except BaseException:  # noqa: BLE001  # the parent says it
        os._exit(UNUSABLE)
    try:
        for item, seconds, index in tests:
            os.write(writer, f"{index} ".encode())
            signal.setitimer(signal.ITIMER_PROF, 2 + 10 * seconds)
            if not _passes(item):
                os._exit(1)
        os._exit(0)
    except BaseException:  # noqa: BLE001  # a mutant breaks anything
        os._exit(1)


def _passes(item: pytest.Item) -> bool:
    return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))


class _seeing:
    """Within it, notes which of the `codes` are run."""

    def __init__(self, codes: Mapping[CodeType, str], seen: set[CodeType]) -> None:
        self.codes, self.seen = codes, seen

    def __enter__(self) -> None:
        def note(frame: FrameType, event: str, _: Any) -> None:  # of each call, and of nothing within it: it returns None
            if frame.f_code in self.codes:
                self.seen.add(frame.f_code)

        sys.settrace(note)

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)


def _chosen(only: Sequence[str]) -> list[Path]:
    """The files whose names begin so, in that order; all of them if nothing is asked for."""
    return [path for each in only or ("",) for path in files() if f"{path.parent.name}/{path.stem}".startswith(each)]
