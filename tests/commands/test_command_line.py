"""`realtime-lab`: it copies the course, never over somebody's work, opens it, and exports it for a class."""

import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import time
import urllib.request
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

from realtime_lab.commands.command_line import FOLDER, main
from realtime_lab.commands.course import course
from realtime_lab.commands.placing import RECORD
from tests.commands.folder import MY_WORK, contents
from tests.ports import quiet_port

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
BIN = "Scripts" if os.name == "nt" else "bin"


def run(*arguments: str, cwd: Path, program: str = "from realtime_lab.commands.command_line import main; sys.exit(main())") -> Any:
    """The command in a process of its own; `program` is what runs in it, after `import sys`."""
    command = [sys.executable, "-c", f"import sys; {program}", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


# ------------------------------------------------------------------------------------------------------------ copying


def test_it_copies_every_notebook_and_the_licence_as_they_are(tmp_path: Path) -> None:
    done = run("--no-open", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    copied = contents(tmp_path / FOLDER)
    assert copied.pop(RECORD)
    assert copied == {name: (NOTEBOOKS / name).read_bytes() for name in [*(file.name for file in NOTEBOOKS.glob("*.ipynb")), "LICENSE"]}
    assert f"{len(copied)} new" in done.stdout


def test_it_works_as_a_module_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "realtime_lab", "a folder/of mine", "--no-open"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    assert (tmp_path / "a folder" / "of mine" / "00_start_here.ipynb").is_file()


def test_what_somebody_has_changed_stays_and_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(tmp_path), "--no-open"])
    (tmp_path / "05_retry.ipynb").write_bytes(MY_WORK)
    capsys.readouterr()
    assert main([str(tmp_path), "--no-open"]) == 0
    assert (tmp_path / "05_retry.ipynb").read_bytes() == MY_WORK
    out = capsys.readouterr().out
    assert "Left as they are, because they were changed here: 05_retry.ipynb." in out
    assert "newer" not in out, "there is no newer version, so nothing to do"


def test_a_damaged_memory_is_said_and_nothing_is_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for damaged in (b"{", b"[]", b"\xff"):
        (tmp_path / RECORD).write_bytes(damaged)
        assert main([str(tmp_path), "--no-open"]) == 2
        assert "Delete it" in capsys.readouterr().err
        assert contents(tmp_path) == {RECORD: damaged}


# -------------------------------------------------------------------------------------------------------- installing


def test_the_wheel_is_enough(tmp_path: Path) -> None:
    """Built, installed without the source tree, and run by its own command."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = ["wheel", "--no-build-isolation", "--no-deps", "--no-index", f"--wheel-dir={tmp_path}", str(ROOT)]
    subprocess.run([*pip, *build], check=True, timeout=60)
    [wheel] = tmp_path.glob("realtime_lab-*.whl")
    tracked = subprocess.run(["git", "ls-files", "realtime_lab", "notebooks"], cwd=ROOT, check=True, capture_output=True, text=True)
    wanted = {name if name.startswith("realtime_lab/") else f"realtime_lab/{name}" for name in tracked.stdout.split()}
    with zipfile.ZipFile(wheel) as archive:
        assert set(archive.namelist()) >= wanted

    venv.create(tmp_path / "venv", with_pip=False, symlinks=os.name != "nt")
    python = tmp_path / "venv" / BIN / "python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout.strip())
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))  # what it needs, but not the source tree that is installed there
    subprocess.run([*pip, f"--python={python}", "install", "--no-deps", "--no-index", str(wheel)], check=True, timeout=60)
    command = [tmp_path / "venv" / BIN / "realtime-lab", "export", "class"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    for copy in ("students", "solutions"):
        assert contents(tmp_path / "class" / copy).keys() - {RECORD} == course().keys()


# ------------------------------------------------------------------------------------------------- what can go wrong


def test_a_file_is_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "taken").write_bytes(MY_WORK)
    assert main([str(tmp_path / "taken"), "--no-open"]) == 2
    assert "is a file. Name a folder" in capsys.readouterr().err
    assert main([str(tmp_path / "taken" / "below"), "--no-open"]) == 2
    assert "taken" in capsys.readouterr().err
    assert contents(tmp_path) == {"taken": MY_WORK}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a folder in which nobody may write, not even root: Linux only")
def test_a_folder_in_which_nobody_may_write(tmp_path: Path) -> None:
    done = run("/proc/self/course", "--no-open", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("realtime-lab: ")
    assert "/proc/self/course" in done.stderr and "choose another folder" in done.stderr
    assert "Traceback" not in done.stderr


FULL_DISK = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))  # the larger notebooks do not fit
from realtime_lab.commands.command_line import main
sys.exit(main())
"""


@pytest.mark.skipif(os.name == "nt", reason="a limit for the size of files, as a full disk, exists on POSIX")
@pytest.mark.parametrize("arguments", [("below/course", "--no-open"), ("export", "below/course")])
def test_when_the_disk_is_full_nothing_is_left_behind(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "mine").write_bytes(MY_WORK)
    done = run(*arguments, cwd=tmp_path, program=FULL_DISK)
    assert done.returncode == 2
    assert "Make room, or choose another folder" in done.stderr and "Traceback" not in done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["mine"]


@pytest.mark.skipif(os.name == "nt", reason="a limit for the size of files, as a full disk, exists on POSIX")
def test_a_full_disk_leaves_a_course_that_was_there_as_it_was(tmp_path: Path) -> None:
    old = b"an old version"
    memory = {file.name: hashlib.sha256(old).hexdigest() for file in NOTEBOOKS.glob("*.ipynb")}
    (tmp_path / RECORD).write_text(json.dumps(memory))
    for name in memory:
        (tmp_path / name).write_bytes(old)
    before = contents(tmp_path)
    assert run(str(tmp_path), "--no-open", cwd=tmp_path, program=FULL_DISK).returncode == 2
    assert contents(tmp_path) == before


def test_without_jupyter_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "jupyterlab", None)
    monkeypatch.setattr("realtime_lab.commands.opening.find_spec", lambda name: None if name == "ipywidgets" else object())
    assert main([str(tmp_path / "course")]) == 2
    assert capsys.readouterr().err == 'realtime-lab: Not installed: ipywidgets. Install the course with: pip install "realtime-lab[lab]"\n'
    assert not (tmp_path / "course").exists()
    assert main([str(tmp_path / "course"), "--no-open"]) == 0, "copying needs no Jupyter"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a", "b"], "unrecognized arguments: b"),
        (["--fre"], "unrecognized arguments: --fre"),
        (["--no-open", "--", "--no-browser"], "--no-open does not start JupyterLab"),
        (["export"], "FOLDER"),
        (["export", "x", "--students", "--solutions"], "not allowed with"),
        (["export", "x", "--", "--no-browser"], "export does not start JupyterLab"),
    ],
)
def test_a_wrong_command_line_is_explained(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for option, words in (("--version", "realtime-lab 0."), ("--help", "never written over"), ("export --help", "without the solutions")):
        with pytest.raises(SystemExit) as ended:
            main(option.split())
        assert ended.value.code == 0
        assert words in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------------------ opening


def once_it_answers(address: str, lab: "subprocess.Popen[bytes]") -> tuple[str, bytes]:
    """Where the address leads to, and what is there."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(address, timeout=20) as answer:
                return answer.url, answer.read()
        except OSError:
            if lab.poll() is not None or time.monotonic() > deadline:
                lab.kill()
                raise AssertionError(f"JupyterLab does not answer:\n{lab.communicate()[0].decode()}") from None
            time.sleep(0.05)


@pytest.mark.full
def test_jupyterlab_opens_in_the_folder_and_on_the_first_notebook(tmp_path: Path) -> None:
    port = quiet_port(11_000)
    options = ["course", "--", "--no-browser", f"--ServerApp.port={port}", "--IdentityProvider.token=", "--ServerApp.password="]
    places = {name: str(tmp_path / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}
    command = [sys.executable, "-m", "realtime_lab", *options]
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, cwd=tmp_path, env=os.environ | places, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as lab:
        try:
            landed, _ = once_it_answers(f"{address}/", lab)
            _, listing = once_it_answers(f"{address}/api/contents", lab)
        finally:
            lab.terminate()
            lab.communicate()
    names = {each["name"] for each in json.loads(listing)["content"]}
    assert names >= {"00_start_here.ipynb", "08_races_in_replay.ipynb"}
    assert landed == f"{address}/lab/tree/00_start_here.ipynb"


# ------------------------------------------------------------------------------------------------------------- export


def test_export_writes_both_or_one_and_leaves_changes_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(tmp_path / "one"), "--students"]) == 0
    assert [each.name for each in (tmp_path / "one").iterdir()] == ["students"]
    assert main(["export", str(tmp_path / "other"), "--solutions"]) == 0
    assert [each.name for each in (tmp_path / "other").iterdir()] == ["solutions"]
    (tmp_path / "one" / "students" / "05_retry.ipynb").write_bytes(MY_WORK)
    capsys.readouterr()
    assert main(["export", str(tmp_path / "one")]) == 0
    assert (tmp_path / "one" / "students" / "05_retry.ipynb").read_bytes() == MY_WORK
    assert "changed here: 05_retry.ipynb" in capsys.readouterr().out
    for copy in ("students", "solutions"):
        assert contents(tmp_path / "one" / copy).keys() - {RECORD} == course().keys()
