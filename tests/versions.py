"""The same tests with other versions: `python -m tests.versions NAME` makes an environment in .versions/, and runs there what they touch.

`make versions` runs all of them, in pieces of 30 minutes, and prints the table. A Python that is not installed is left out, and says so.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.kept import ROOT

FOLDER = ROOT / ".versions"
NOT_THERE = 4
"""Exit code: nothing was run."""

TWO = ("-n", "2", "--dist", "loadfile")
LIFE = (*TWO, "-p", "no:nbval", "-m", "full or not full", "tests/lab/test_kernel_life.py")
LIBRARY = (*TWO, "-p", "no:nbval", "tests/rules", "tests/net", "tests/lab")
WIDGETS = (*TWO, "-p", "no:nbval", "tests/widgets")
KERNEL = (*WIDGETS, "tests/lab/test_kernel.py", "tests/lab/test_check_in_kernel.py")
NOTEBOOKS = (*TWO, "-p", "tests.over_ipc", "--nbval", "--nbval-current-env", "--nbval-cell-timeout=60", "notebooks")


@dataclass(frozen=True)
class Row:
    """One row of the table: a Python, the versions that differ from constraints.txt, and what is run."""

    python: str
    packages: Mapping[str, str] = field(default_factory=dict)
    suites: tuple[tuple[str, ...], ...] = (KERNEL, LIFE, NOTEBOOKS)

    @property
    def name(self) -> str:
        """As it is chosen."""
        return " ".join([f"python{self.python}", *(f"{package}=={version}" for package, version in self.packages.items())])

    @property
    def left_out(self) -> str:
        """Why it cannot be run here."""
        return "" if interpreter(self.python) else f"there is no Python {self.python} here"


ROWS = (
    Row("3.11", {"ipykernel": "6.29.5"}),
    Row("3.11", {"ipykernel": "7.0.1"}),
    Row("3.11", {"ipykernel": "7.3.0"}),
    Row("3.11", {"ipykernel": "7.4.0"}),
    Row("3.11", {"python-socketio": "5.18.0", "aiohttp": "3.11.0", "aiosqlite": "0.20.0", "multidict": "6.7.0"}, (LIBRARY,)),
    Row("3.12", {}, (LIBRARY, KERNEL, LIFE, NOTEBOOKS)),
    Row("3.13", {}, (LIBRARY, KERNEL, LIFE, NOTEBOOKS)),
    Row("3.14", {}, (LIBRARY, KERNEL, LIFE, NOTEBOOKS)),
)


@cache
def interpreter(version: str) -> str | None:
    """A Python of this version: on the path, or among those of pyenv."""
    pyenv = sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob(f"versions/{version}.*/bin/python"))
    for found in [*map(str, reversed(pyenv)), shutil.which(f"python{version}")]:
        said = found and subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
        if found and said and said.split()[1].startswith(f"{version}."):
            return found
    return None


def made(row: Row, python: str) -> Path:
    """Its interpreter. Raises CalledProcessError if something cannot be installed."""
    folder = FOLDER / re.sub(r"[^\w.=]+", "_", row.name)
    own = folder / "bin" / "python"
    if not (folder / "installed").exists():
        subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
        others = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.partition("==")[0] not in row.packages]
        constraints = folder / "constraints.txt"
        constraints.write_text("\n".join([*others, *(f"{package}=={version}" for package, version in row.packages.items()), ""]))
        install = [own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--constraint", constraints]
        subprocess.run([*install, "--editable", ".[lab,test]"], cwd=ROOT, check=True)
        (folder / "installed").touch()
    return own


def run(row: Row) -> int:
    """Run its suites; print what came of them."""
    python = interpreter(row.python)
    if python is None:
        print(f"figure: not run: {row.left_out}")
        return NOT_THERE
    own = made(row, python)
    sums, suites = list[str](), row.suites
    if KERNEL in suites:
        code, said = outcome_of(own, "tests.lost_cells")
        if code:  # what runs in such a kernel fails by chance
            sums.append(f"{said.removeprefix('figure: ')} in this kernel without realtime_lab, so only what needs none is run")
            suites = (*(suite for suite in suites if suite not in (KERNEL, LIFE, NOTEBOOKS)), WIDGETS)
    for suite in suites:
        code, said = outcome_of(own, "pytest", "-q", *suite)
        sums.append(said)
        if code:
            break
    print(f"figure: {'; '.join(sums)}")
    return code


def outcome_of(python: Path, *module: str) -> tuple[int, str]:
    """Run a module; its exit code, and its last line."""
    environment = {**os.environ, "REALTIME_LAB_TAB": "windowless"}
    done = subprocess.run([python, "-m", *module], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    print(done.stdout, flush=True)
    return done.returncode, done.stdout.strip().splitlines()[-1].strip("= ") if done.stdout.strip() else done.stderr[-300:]


def main(names: list[str]) -> int:
    """Run the row of this name."""
    for row in ROWS:
        if row.name == " ".join(names):
            return run(row)
    print(f"there is no {' '.join(names)!r}. There is: {', '.join(row.name for row in ROWS)}.")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
