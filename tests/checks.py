"""The long checks: what is run, for how long, how often. The runner of them is full.py."""

import sys
from dataclasses import dataclass

from tests.versions import ROWS


@dataclass(frozen=True)
class Check:
    """One long check: a command that must succeed `runs` times in a row."""

    name: str
    sentence: str
    command: tuple[str, ...]
    minutes: float  # what one run may take at most; a longer run has failed
    runs: int = 1
    busy_loops: int = 0  # this many processes compute beside it
    left_out: str = ""  # why it cannot be run here


PYTEST = (sys.executable, "-m", "pytest")
PROPERTIES = (
    *("tests/history", "tests/rules", "tests/lab/test_schedule.py"),
    *("tests/net/test_wire.py", "tests/net/test_body.py", "tests/widgets/test_answers.py"),
)
FUZZ = tuple(f"tests/net/test_fuzz_{what}.py" for what in ("link", "server", "client", "stores"))

COVERAGE = (
    *("--cov=realtime_lab.rules", "--cov=realtime_lab.history", "--cov-branch"),
    *("--cov-report=term-missing:skip-covered", "--cov-fail-under=100"),
)

CHECKS = (
    Check(
        name="nbval x 20 under load",
        sentence="Every notebook gives its committed outputs, twenty times in a row, with two busy loops beside it.",
        command=(*PYTEST, "-q", "-p", "tests.over_ipc", "--nbval", "--nbval-current-env", "--nbval-cell-timeout=60", "notebooks"),
        minutes=5,
        runs=20,
        busy_loops=2,
    ),
    Check(
        name="soak",
        sentence="Half an hour of cuts, crashes, kill -9, full disks and labs started anew, all designs: every promise is kept.",
        command=(sys.executable, "-m", "tests.soak", "--minutes", "10"),
        minutes=24,  # if something hangs at the end, it is waited for, and then the schedule is made shorter
        runs=3,
    ),
    Check(
        name="exercises x 20",
        sentence="Every solution of an exercise is kept, and every wrong answer is broken by its case, twenty times in a row.",
        command=(*PYTEST, "-q", "-n", "2", "--dist", "loadfile", "-m", "full or not full", "tests/lab/exercises"),
        minutes=5,
        runs=20,
    ),
    Check(
        name="the whole sweep of lesson 11",
        sentence="Five designs, at least 150 break points each, less than two minutes, the same fates twice.",
        command=(sys.executable, "-m", "tests.full_sweep"),
        minutes=6,
    ),
    Check(
        name="every property, thoroughly",
        sentence="What holds for every run, record and chunking is tried with four times as many examples as in make test.",
        command=(*PYTEST, "-q", "-n", "2", "-m", "full or not full", "--hypothesis-profile=thorough", *PROPERTIES),
        minutes=10,
    ),
    Check(
        name="every branch of the pure floors",
        sentence="The tests of rules/ and history/ go through every branch of these two floors.",
        command=(*PYTEST, "-qq", "-n", "2", *COVERAGE, "tests/rules", "tests/history"),
        minutes=10,
    ),
    Check(
        name="fuzz",
        sentence="Hostile peers, hostile servers and damaged files, with forty times as many examples as in make test.",
        command=(*PYTEST, "-q", "-n", "2", "--dist", "worksteal", "--hypothesis-profile=fuzz", *FUZZ),
        minutes=15,
    ),
    Check(
        name="leaks",
        sentence="500 labs, 10,000 connections that are cut, 1,000,000 messages: threads, tasks, sockets, files, memory stay as they were.",
        command=(sys.executable, "-m", "tests.leaks"),
        minutes=25,
    ),
    Check(
        name="pytest -m full",
        sentence="The tests that are too long for make test: many labs in one process, the same script many times.",
        command=(*PYTEST, "-q", "-m", "full and not browser", "tests"),
        minutes=20,
    ),
    Check(
        name="in a browser",
        sentence="Every lesson in JupyterLab and Chromium: all its cells, and by hand what its text asks for. Pictures are in artefacts/.",
        command=(*PYTEST, "-q", "-m", "full and browser", "tests/widgets"),
        minutes=20,
    ),
)

FLAKES = (
    Check(
        name="the whole suite, shuffled, under load",
        sentence="Every test passes, 20 times in a row, each time in another order, with a busy loop beside it. What fails is a defect.",
        command=(*PYTEST, "-q", "-n", "2", "-p", "no:nbval", "-p", "randomly", "tests"),
        minutes=28,
        runs=20,
        busy_loops=1,
    ),
)

VERSIONS = tuple(
    Check(
        name=row.name,
        sentence="What these versions touch works with them.",
        command=(sys.executable, "-m", "tests.versions", *row.name.split()),
        minutes=28,
        left_out=row.left_out,
    )
    for row in ROWS
)

LISTS = {"checks": CHECKS, "flakes": FLAKES, "versions": VERSIONS}
