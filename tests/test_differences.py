"""The README's table of differences says what the tests say."""

import ast
from pathlib import Path

import pytest

from tests.differences import LAB, NONE, ROWS, STORED, TABLE, Row

ROOT = Path(__file__).resolve().parent.parent


def test_the_table_in_the_readme_is_the_one_behind_which_the_tests_stand() -> None:
    assert TABLE in (ROOT / "README.md").read_text(encoding="utf-8"), "copy it there: python -m tests.differences"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.topic)
def test_every_test_that_a_row_names_exists(row: Row) -> None:
    for name in row.tests:
        file, _, test = name.partition("::")
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert test in {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}, name


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.topic)
def test_what_a_row_says_of_our_own_client_has_a_test(row: Row) -> None:
    assert row.realtime_lab != NONE
    assert any(name.startswith((LAB, STORED, "tests/net/")) for name in row.tests)
