"""SECURITY.md says nothing that no test shows."""

import ast
import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

from realtime_lab.lab.lab import Lab
from realtime_lab.net.gate import shown

ROOT = Path(__file__).resolve().parent.parent
NOTES = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TOKEN = re.compile(r"token=[\w%-]{8,}|(:\d+|proxy/\d+|&quot;|[\"'])/[\w-]{22}/")
"""In an address: in its query, or at the beginning of its path."""
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def names_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {each.name for each in tree.body if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)) and each.name.startswith("test_")}


def lines(notes: str) -> list[str]:
    """What is said, point by point."""
    return re.findall(r"^- .*?(?=^- |^## |\Z)", notes, re.MULTILINE | re.DOTALL)


def test_each_line_names_tests_and_each_of_them_exists() -> None:
    assert len(lines(NOTES)) > 30
    assert [line for line in lines(NOTES) if not NAMED.search(line)] == []
    named = NAMED.findall(NOTES)
    assert len(named) == NOTES.count("::")
    assert [f"{file}::{name}" for file, name in named if not (ROOT / file).exists() or name not in names_in(file)] == []


def test_a_line_without_a_test_and_a_test_that_is_not_there_would_be_seen() -> None:
    assert [bool(NAMED.search(line)) for line in lines("- One.\n  `tests/a.py::test_a`\n- Two.\n\n## Next\n\n- Three.\n")] == [
        True,
        False,
        False,
    ]
    assert "test_nonsense" not in names_in("tests/test_security.py")


def test_jupyterlab_is_started_with_its_own_protection() -> None:
    (start,) = [line for line in MAKEFILE.splitlines() if "-m jupyterlab" in line]
    assert not re.search(r"token|password|ip=|allow_origin|disable_check_xsrf|allow_remote", start)


async def test_a_lab_has_a_token_that_nobody_can_guess() -> None:
    tokens: set[Any] = set()
    for name in ("one", "two"):
        lab = await Lab.start(name=name)
        tokens.add(lab._server._gate.token)
        assert f"token={lab._server._gate.token}" in await lab.thread.run(_address(lab))
        await lab.close()
    assert len(tokens) == 2
    assert all(len(token) >= 22 for token in tokens)  # 128 bits in base64


async def _address(lab: Lab) -> str:
    return str(lab._server.url)


@pytest.mark.parametrize("file", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda file: file.stem)
def test_no_stored_output_has_a_token(file: Path) -> None:
    assert not TOKEN.search(file.read_text(encoding="utf-8"))


async def test_a_token_in_an_output_would_be_seen() -> None:
    """That of a server's address is in the query, and that of a tab's page in the path, also behind a proxy and in the frame of a cell."""
    async with Lab.start(name="tokens") as lab:
        url, page = await lab.thread.run(_address(lab)), (await lab.open_tab("carol")).address
    port, _, path = page.removeprefix("http://127.0.0.1:").partition("/")
    in_a_frame = html.escape(json.dumps("/" + path))
    for text in (url, page, page + "tab.mjs", f"https://hub.example/user/a/proxy/{port}/{path}", in_a_frame, in_a_frame + "#dark"):
        assert TOKEN.search(json.dumps(text))
    assert not TOKEN.search(json.dumps([shown(url), "http://127.0.0.1:8888/lab/tree/00_start_here.ipynb"]))


def test_the_audit_asks_about_every_pin_and_takes_no_silence_for_an_answer() -> None:
    (audit,) = [line for line in MAKEFILE.splitlines() if "pip_audit" in line]
    assert {"--strict", "--no-deps", "--disable-pip", "constraints.txt"} <= {*audit.split()}
    assert "--ignore-vuln" not in audit
