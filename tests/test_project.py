"""The files around the code agree with each other, and keep the promises of the README."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import realtime_lab

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")

MOST_LINES = 300
LONGER_FOR_A_REASON: dict[str, str] = {}  # "realtime_lab/...py": why it is not two files

# The brackets keep this file from containing what it forbids.
INDEX_ADDRESS = re.compile(r"p[y]pi\.org|p[y]thonhosted\.org|n[p]mjs\.(?:org|com)|y[a]rnpkg\.com|--(?:extra-)?i[n]dex-url|--f[i]nd-links")
MACHINE_PATH = re.compile(r"(?<![\w.~:/-])/(?:work|root|tmp|home/\w+|Users/\w+)(?![\w-])|[A-Z]:\\Users\\")


def requirements(*extras: str) -> list[Requirement]:
    lists = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in extras)]
    return [Requirement(line) for lines in lists for line in lines]


def pins() -> dict[str, Requirement]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {canonicalize_name(pin.name): pin for pin in (Requirement(line) for line in lines if line and not line.startswith("#"))}


def committed() -> list[Path]:
    """Every file that git knows or would add."""
    listing = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True)
    return [file for name in sorted(set(listing.stdout.split("\0")) - {""}) if (file := ROOT / name).is_file()]


def text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""  # not a text file


def test_conda_and_pip_install_the_same_packages_in_the_same_ranges() -> None:
    entries = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    from_pip = next(entry["pip"] for entry in entries if isinstance(entry, dict))
    assert from_pip[-1] == "-e .", "the package itself comes last"
    conda = [Requirement(entry) for entry in entries if isinstance(entry, str)] + [Requirement(line) for line in from_pip[:-1]]

    ours = {str(canonicalize_name(r.name)): (r.specifier, str(r.marker)) for r in requirements("lab")}
    theirs = {str(canonicalize_name(r.name)): (r.specifier, str(r.marker)) for r in conda}
    assert str(theirs.pop("python")[0]) == PROJECT["requires-python"]
    assert theirs.pop("pip")
    assert theirs == ours


def test_every_requirement_is_pinned_to_a_version_that_it_allows() -> None:
    pinned = pins()
    for requirement in requirements("lab", "test", "bench", "mutants", "flakes"):
        (pin,) = pinned[canonicalize_name(requirement.name)].specifier
        assert pin.operator == "=="
        assert requirement.specifier.contains(pin.version), f"{requirement} excludes the pin {pin.version}"


def test_every_package_that_an_install_brings_in_is_pinned() -> None:
    pinned, seen = pins(), set()
    waiting = [(canonicalize_name(r.name), tuple(r.extras)) for r in requirements("lab", "test", "bench", "mutants", "flakes")]
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            needs = [Requirement(line) for line in distribution(name).requires or []]
        except PackageNotFoundError:
            continue  # for another system or another Python
        wanted = [r for r in needs if r.marker is None or any(r.marker.evaluate({"extra": extra}) for extra in (*extras, ""))]
        waiting += [(canonicalize_name(r.name), tuple(r.extras)) for r in wanted]
    assert not {name for name, _ in seen} - set(pinned)


def test_no_file_names_a_package_index_or_a_path_of_one_machine() -> None:
    found = []
    for file in committed():
        for number, line in enumerate(text_of(file).splitlines(), 1):
            for pattern in (INDEX_ADDRESS, MACHINE_PATH):
                if match := pattern.search(line):
                    found.append(f"{file.relative_to(ROOT).as_posix()}:{number}: {match.group()}")
    assert not found


def code_lines(text: str) -> list[str]:
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def test_the_readme_opens_with_the_two_commands() -> None:
    assert [line.split("#")[0].strip() for line in code_lines(README)[:2]] == ["make lab", "make test"]


def test_every_make_command_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"^make ([a-z]+)", "\n".join(code_lines(README)), re.MULTILINE)) | set(re.findall(r"`make ([a-z]+)", README))
    for file in [
        ROOT / ".ci/run",
        *(ROOT / ".github").rglob("*.yml"),
        *(ROOT / "tests").rglob("*.py"),
        *(ROOT / "notebooks").glob("*.ipynb"),
    ]:
        named |= set(re.findall(r"(?:`|^)make ([a-z]+)", file.read_text(encoding="utf-8"), re.MULTILINE))
    assert {"lab", "test", "full"} <= named <= targets


def test_every_file_that_the_readme_links_to_exists() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", README) if "://" not in link]
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


def test_what_testing_md_names_is_there() -> None:
    text = (ROOT / "TESTING.md").read_text(encoding="utf-8")
    files, targets = set(re.findall(r"`(tests/[\w/]+(?:\.py)?)/?`", text)), set(re.findall(r"`make (\w+)", text))
    modules = set(re.findall(r"`python -m ([\w.]+)", text))
    assert len(files) > 40 and len(targets) > 5 and len(modules) > 3
    assert [name for name in files if not (ROOT / name).exists()] == []
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert [name for name in targets if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []
    assert [name for name in modules if not list(ROOT.glob(f"{name.replace('.', '/')}*"))] == []


def test_the_code_is_mit_and_the_lessons_are_cc_by() -> None:
    code, lessons = (ROOT / name for name in PROJECT["license-files"])
    assert code.read_text(encoding="utf-8").startswith("MIT License")
    assert "CC BY 4.0" in lessons.read_text(encoding="utf-8")
    assert PROJECT["license"] == "MIT AND CC-BY-4.0"


def test_no_module_is_longer_than_a_reader_can_hold() -> None:
    lengths = {file.relative_to(ROOT).as_posix(): len(text_of(file).splitlines()) for file in (ROOT / "realtime_lab").rglob("*.py")}
    longer = {name for name, lines in lengths.items() if lines > MOST_LINES}
    assert longer == set(LONGER_FOR_A_REASON)


def test_every_committed_cell_has_been_run() -> None:
    """Strict nbval compares nothing for a cell without an execution count."""
    for file in (file for file in committed() if file.suffix == ".ipynb"):
        code = [cell for cell in json.loads(text_of(file))["cells"] if cell["cell_type"] == "code" and "".join(cell["source"]).strip()]
        assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1)), f"{file.name}: restart, run all, save"


WITHOUT_JUPYTER = """
import sys

class NoJupyter:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top.startswith(("IPython", "ipy", "jupyter", "nest_asyncio", "traitlets", "nbformat")):
            raise SystemExit(f"{name} was imported")  # not an ImportError: `try: import` must not hide it

sys.meta_path.insert(0, NoJupyter())
from realtime_lab import *
"""


def test_the_library_imports_without_jupyter() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_JUPYTER], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", ["https://" + "py" + "pi.org/simple", "pip install --index" + "-url x"])
def test_an_index_address_would_be_seen(line: str) -> None:
    assert INDEX_ADDRESS.search(line)


@pytest.mark.parametrize(("line", "seen"), [("open('/" + "tmp/x')", True), ("https://example.org/tmp/x", False), ("GET /workers", False)])
def test_a_machine_path_would_be_seen(line: str, seen: bool) -> None:
    assert bool(MACHINE_PATH.search(line)) is seen


def test_every_public_name_is_there_and_costs_nothing_before_it_is_used() -> None:
    for name in realtime_lab.__all__:
        assert getattr(realtime_lab, name) is not None
    assert {*dir(realtime_lab)} == {*realtime_lab.__all__}
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = realtime_lab.nonsense
    code = "import sys, realtime_lab; print([name for name in ('socketio', 'aiohttp', 'aiosqlite', 'ipywidgets') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
