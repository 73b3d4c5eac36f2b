"""Copies for students have no solution, copies with solutions show each of them, and both are sound notebooks."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from realtime_lab.commands.course import course
from realtime_lab.commands.export import for_students, with_solutions


def notebook(*cells: nbformat.NotebookNode) -> bytes:
    return (nbformat.writes(nbformat.v4.new_notebook(cells=list(cells))) + "\n").encode()


def code(source: str, *tags: str, **metadata: Any) -> nbformat.NotebookNode:
    outputs = [nbformat.v4.new_output("stream", text=f"output of {source}")]
    return nbformat.v4.new_code_cell(source, metadata={"tags": list(tags), **metadata}, outputs=outputs, execution_count=1)


QUESTION = "## One question\n\n<details><summary>a) yes</summary>\n\nNo.\n</details>"
TEXT = f"## A heading\n\n<details><summary>Solution</summary>\n\nthe answer is 42\n</details>\n\n{QUESTION}"
HIDDEN = {"source_hidden": True, "outputs_hidden": True}
LESSON = notebook(
    nbformat.v4.new_markdown_cell(TEXT),
    nbformat.v4.new_markdown_cell(
        "<details><summary>solution </summary>this</details>\n<details><summary>One answer</summary>that</details>"
    ),
    code("a demonstration"),
    code("check.lost(lost)", "exercise-check"),
    code("right = 42\ncheck.lost(right)", "solution", jupyter={"source_hidden": True}),
    code("more = 43", "solution", jupyter=HIDDEN),
)


def read(content: bytes) -> nbformat.NotebookNode:
    result = nbformat.reads(content.decode(), as_version=4)
    nbformat.validate(result)
    return result


def test_student_copies_have_no_solution_and_unrun_checks() -> None:
    cells = read(for_students(LESSON)).cells
    assert [cell.source for cell in cells] == [
        f"## A heading\n\n{QUESTION}", "a demonstration", "check.lost(lost)",
    ]  # fmt: skip
    assert [len(cell.outputs) for cell in cells[1:]] == [1, 0]
    assert cells[2].execution_count is None


def test_solution_copies_show_every_solution_and_keep_all_outputs() -> None:
    cells = read(with_solutions(LESSON)).cells
    assert cells[0].source == TEXT.replace("<details><summary>Solution", "<details open><summary>Solution")
    assert [cell.metadata.get("jupyter") for cell in cells[4:]] == [None, {"outputs_hidden": True}]
    assert [cell.source for cell in cells[2:]] == ["a demonstration", "check.lost(lost)", "right = 42\ncheck.lost(right)", "more = 43"]
    assert all(len(cell.outputs) == 1 for cell in cells[2:])


def test_a_notebook_without_a_solution_is_exported_byte_for_byte() -> None:
    plain = notebook(nbformat.v4.new_markdown_cell("# Ä ∞ title\n\ntext"), code("x = 1"))
    assert for_students(plain) == with_solutions(plain) == plain


@pytest.mark.full
@pytest.mark.parametrize("name", [name for name in course() if name.endswith(".ipynb")])
def test_a_student_copy_runs_from_top_to_bottom_before_anything_is_solved(name: str, tmp_path: Path) -> None:
    copy = read(for_students(course()[name]))
    NotebookClient(copy, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()
