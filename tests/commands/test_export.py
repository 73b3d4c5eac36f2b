"""Copies for students have no solution, copies with solutions show each of them, and both are sound notebooks."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from realtime_lab.commands.course import course
from realtime_lab.commands.export import for_students, with_solutions
from tests.course import parsed


def notebook(*cells: dict[str, Any]) -> bytes:
    """As nbformat writes it."""
    about = {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return (json.dumps(about, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


def words(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": uuid4().hex, "metadata": {}, "source": source.splitlines(keepends=True)}


def code(source: str, *tags: str, **metadata: Any) -> dict[str, Any]:
    outputs = [{"name": "stdout", "output_type": "stream", "text": [f"output of {source}"]}]
    about = {"metadata": {"tags": list(tags), **metadata}, "outputs": outputs, "execution_count": 1}
    return {**words(source), "cell_type": "code", **about}


QUESTION = "## One question\n\n<details><summary>a) yes</summary>\n\nNo.\n</details>"
TEXT = f"## A heading\n\n<details><summary>Solution</summary>\n\nthe answer is 42\n</details>\n\n{QUESTION}"
HIDDEN = {"source_hidden": True, "outputs_hidden": True}
LESSON = notebook(
    words(TEXT),
    words("<details><summary>solution </summary>this</details>\n<details><summary>One answer</summary>that</details>"),
    code("a demonstration"),
    code("check.lost(lost)", "exercise-check"),
    code("right = 42\ncheck.lost(right)", "solution", jupyter={"source_hidden": True}),
    code("more = 43", "solution", jupyter=HIDDEN),
)


def test_student_copies_have_no_solution_and_unrun_checks() -> None:
    cells = parsed(for_students(LESSON)).cells
    assert [cell.source for cell in cells] == [
        f"## A heading\n\n{QUESTION}", "a demonstration", "check.lost(lost)",
    ]  # fmt: skip
    assert [len(cell.outputs) for cell in cells[1:]] == [1, 0]
    assert cells[2].execution_count is None


def test_solution_copies_show_every_solution_and_keep_all_outputs() -> None:
    cells = parsed(with_solutions(LESSON)).cells
    assert cells[0].source == TEXT.replace("<details><summary>Solution", "<details open><summary>Solution")
    assert [cell.metadata.get("jupyter") for cell in cells[4:]] == [None, {"outputs_hidden": True}]
    assert [cell.source for cell in cells[2:]] == ["a demonstration", "check.lost(lost)", "right = 42\ncheck.lost(right)", "more = 43"]
    assert all(len(cell.outputs) == 1 for cell in cells[2:])


def test_a_notebook_without_a_solution_is_exported_byte_for_byte() -> None:
    plain = notebook(words("# Ä ∞ title\n\ntext"), code("x = 1"))
    assert for_students(plain) == with_solutions(plain) == plain


@pytest.mark.full
@pytest.mark.parametrize("name", [name for name in course() if name.endswith(".ipynb")])
def test_a_student_copy_runs_from_top_to_bottom_before_anything_is_solved(name: str, tmp_path: Path) -> None:
    from nbclient import NotebookClient  # as in tests/course.py

    copy = parsed(for_students(course()[name]))
    NotebookClient(copy, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()
