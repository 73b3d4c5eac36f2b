"""The runner of the long checks counts runs in a row, goes on where it stopped, and says what it did not reach."""

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.kept import tree_hash


@pytest.fixture
def full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("realtime_lab_full", Path(__file__).with_name("full.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "FOLDER", tmp_path / ".full")
    monkeypatch.setattr(module, "tree_hash", lambda: "this tree")
    return module


def check(full: ModuleType, code: str, **options: object) -> object:
    return full.Check(**{"name": "a check", "sentence": "It holds.", "command": (sys.executable, "-c", code), "minutes": 1, **options})


def test_all_passed_is_0_and_the_figure_is_shown(full: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    checks = (check(full, "print('figure: 7 labs a second')", runs=2, busy_loops=1),)
    assert full.main(["checks"], {"checks": checks}) == 0
    assert "2 of 2 runs" in (out := capsys.readouterr().out)
    assert "7 labs a second" in out


def test_a_failure_is_1_and_stays_visible_after_a_later_success(full: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    checks = (check(full, "import pathlib, sys; sys.exit(not pathlib.Path('repaired').exists())"),)
    assert full.main(["checks"], {"checks": checks}) == 1
    (full.ROOT / "repaired").touch()
    assert full.main(["checks"], {"checks": checks}) == 0
    assert "FAILED RUNS ON THIS TREE: 1" in capsys.readouterr().out


def test_what_cannot_be_run_here_is_left_out_and_says_why(full: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    checks = (check(full, "raise SystemExit(1)", left_out="there is no Python 4 here"),)
    assert full.main(["checks"], {"checks": checks}) == 0
    assert "left out     a check: there is no Python 4 here" in (out := capsys.readouterr().out)
    assert "0 passed, 0 failed, 0 not reached, 1 left out" in out


def test_a_run_that_does_not_end_has_failed(full: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert full.main(["checks"], {"checks": (check(full, "import time; time.sleep(60)", minutes=0.01),)}) == 1
    assert "did not end within 0.01 minutes" in capsys.readouterr().out


def test_what_does_not_fit_is_not_reached_and_the_next_call_goes_on(
    full: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    counting = "import pathlib; p = pathlib.Path('runs'); p.write_text(p.read_text() + 'x' if p.exists() else 'x')"
    checks = (check(full, counting, runs=1), check(full, counting, name="another", minutes=2))
    assert full.main(["checks", "--minutes", "1.5"], {"checks": checks}) == 3
    assert "1 passed, 0 failed, 1 not reached, 0 left out" in capsys.readouterr().out
    assert full.main(["checks"], {"checks": checks}) == 0
    assert (full.ROOT / "runs").read_text() == "xx", "what had passed was not run again"
    monkeypatch.setattr(full, "tree_hash", lambda: "another tree")
    assert full.main(["checks", "--minutes", "0"], {"checks": checks}) == 3, "another tree starts anew"


def test_a_figure_that_is_written_down_makes_no_other_tree() -> None:
    assert tree_hash("README.md") == tree_hash("TESTING.md") == hashlib.sha256(b"").hexdigest()
    assert len({tree_hash(), tree_hash("tests"), tree_hash("tests/kept.py"), hashlib.sha256(b"").hexdigest()}) == 4


def test_restart_forgets(full: ModuleType) -> None:
    checks = (check(full, ""),)
    assert full.main(["checks"], {"checks": checks}) == 0
    assert full.main(["checks", "--restart", "--minutes", "0"], {"checks": checks}) == 3
