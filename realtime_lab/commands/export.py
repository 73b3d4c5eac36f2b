"""Two copies of a notebook for a class: one without the solutions, one that shows them.

A solution is a cell with the tag "solution", hidden in the course; a "solution-note" says that one follows. Text may also carry one that
opens with a click, in `<details>`.
"""

import json
import re
from collections.abc import Callable
from typing import Any

Cell = dict[str, Any]

SOLUTION, NOTE, CHECK = "solution", "solution-note", "exercise-check"
_IN_TEXT = re.compile(r"<details>(\s*<summary>\s*(?:Solution|One answer)\s*</summary>.*?</details>)\s*", re.DOTALL | re.IGNORECASE)


def for_students(notebook: bytes) -> bytes:
    """Without solutions. The stored outputs stay, so that it can be read without a kernel; only the exercises' checks have not been run."""

    def change(cell: Cell) -> bool:
        if {SOLUTION, NOTE} & set(_tags(cell)):
            return False
        if CHECK in _tags(cell):
            cell |= {"outputs": [], "execution_count": None}
        return _replace_text(cell, "")

    return _each_cell(notebook, change)


def with_solutions(notebook: bytes) -> bytes:
    """With every solution in plain sight, and its output."""

    def change(cell: Cell) -> bool:
        if NOTE in _tags(cell):
            return False
        if SOLUTION in _tags(cell):
            jupyter = cell["metadata"].get("jupyter", {})
            jupyter.pop("source_hidden", None)
            if not jupyter:
                cell["metadata"].pop("jupyter", None)
        return _replace_text(cell, r"<details open>\1\n\n")

    return _each_cell(notebook, change)


def _each_cell(notebook: bytes, change: Callable[[Cell], bool]) -> bytes:
    content = json.loads(notebook)
    content["cells"] = [cell for cell in content["cells"] if change(cell)]
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def _tags(cell: Cell) -> list[str]:
    tags: list[str] = cell["metadata"].get("tags", [])
    return tags


def _replace_text(cell: Cell, solution: str) -> bool:
    """Put `solution` in place of each one in a cell of text. Whether something is left."""
    before = "".join(cell["source"])
    if cell["cell_type"] != "markdown" or not _IN_TEXT.search(before):
        return True
    after = _IN_TEXT.sub(solution, before).rstrip()
    cell["source"] = after.splitlines(keepends=True)
    return bool(after)
