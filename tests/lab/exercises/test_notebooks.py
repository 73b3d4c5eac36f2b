"""The lessons ask for a prediction, an exercise and an answer, and what is stored with them is what a reader should find.

Only the stored outputs are read: that a run gives the same ones is what nbval tests.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from realtime_lab import check
from realtime_lab.widgets import questions
from tests.course import LESSONS, cells

EACH_LESSON = pytest.mark.parametrize("file", LESSONS, ids=lambda file: file.stem)
EXERCISES = [name for name in check.__all__ if name.islower()]


@cache
def parsed(source: str) -> list[ast.stmt]:
    return ast.parse(source).body


def statements(cell: Any) -> list[ast.stmt]:
    return parsed(cell.source) if cell.cell_type == "code" else []


def last_call(cell: Any) -> ast.Call | None:
    """The call that a cell ends with, and so shows; None if it ends with something else."""
    body = statements(cell)
    last = body[-1].value if body and isinstance(body[-1], ast.Expr) else None
    return last if isinstance(last, ast.Call) else None


def calls(file: Path, function: str) -> list[tuple[int, ast.Call]]:
    """Every call of this function or method in a notebook, with the number of its cell."""
    found = []
    for number, cell in enumerate(cells(file)):
        for node in (node for statement in statements(cell) for node in ast.walk(statement)):
            match node:
                case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name == function:
                    found.append((number, node))
    return found


def checked(cell: Any) -> tuple[str, str]:
    """The exercise, and what is given to it: ("lost", "lost") for check.lost(lost)."""
    call = last_call(cell)
    assert call is not None and re.fullmatch(r"check\.\w+", ast.unparse(call.func)), f"ends with check.name(...): {cell.source}"
    return ast.unparse(call.func).removeprefix("check."), ", ".join(ast.unparse(each) for each in call.args)


def pairs(file: Path) -> Iterator[tuple[Any, Any]]:
    """Each check of a lesson with the solution that follows it."""
    tagged = [cell for cell in cells(file) if {"exercise-check", "solution"} & set(cell.metadata.get("tags", []))]
    kinds = [cell.metadata["tags"] for cell in tagged]
    assert kinds and kinds == [["exercise-check"], ["solution"]] * (len(kinds) // 2), f"a check, then its solution: {kinds}"
    return zip(tagged[::2], tagged[1::2], strict=True)


def stored(cell: Any) -> str:
    """What is stored as the result of a cell, as text. There is nothing else: no warning, no error."""
    assert [output.output_type for output in cell.outputs] == ["execute_result"], cell.outputs
    return str(cell.outputs[0].data["text/plain"])


@EACH_LESSON
def test_a_lesson_asks_for_predictions_and_compares_each_with_what_was_measured(file: Path) -> None:
    asked = calls(file, "predict")
    assert asked
    for number, call in asked:
        assert all(isinstance(each.value, ast.Constant) and each.value.value is None for each in call.keywords), "nothing is guessed yet"
        [name] = [
            ast.unparse(each.targets[0]) for each in statements(cells(file)[number]) if isinstance(each, ast.Assign) and each.value is call
        ]
        [(later, compared)] = [(at, each) for at, each in calls(file, "compare") if ast.unparse(each.func) == f"{name}.compare"]
        assert number < later and compared is last_call(cells(file)[later]), "measured later, and shown"
        assert any(each.arg == "look" for each in compared.keywords), f"{name}: where to look when the guess was wrong"
    assert len(calls(file, "compare")) == len(asked)


@EACH_LESSON
def test_a_lesson_ends_with_its_own_question(file: Path) -> None:
    [(number, call)] = calls(file, "quiz")
    name = ast.literal_eval(call.args[0])
    assert questions()[name].notebook == file.stem
    assert call is last_call(cells(file)[number]) and len(statements(cells(file)[number])) == 1
    assert cells(file)[number - 1].source.endswith("## One question")
    assert stored(cells(file)[number]).startswith(questions()[name].text)


def test_every_exercise_is_in_the_lesson_that_it_belongs_to_and_in_no_other() -> None:
    there = Counter((file.stem[:2], checked(cell)[0]) for file in LESSONS for cell, _ in pairs(file))
    wanted = [(re.findall(r"Lesson (\d\d)\.", getattr(check, name).__doc__)[0], name) for name in EXERCISES]
    assert there == Counter(wanted)


@EACH_LESSON
def test_an_exercise_as_it_stands_is_told_what_is_missing(file: Path) -> None:
    for cell, _ in pairs(file):
        exercise, _ = checked(cell)
        assert stored(cell).startswith(f"{exercise}: not written yet\n")


@EACH_LESSON
def test_a_solution_is_hidden_has_a_name_of_its_own_and_is_kept(file: Path) -> None:
    for cell, solution in pairs(file):
        (exercise, stub), (solved, answer) = checked(cell), checked(solution)
        assert solved == exercise and answer != stub
        assert solution.metadata["jupyter"] == {"source_hidden": True}
        shown = solution.source.partition("\n")[0]  # by JupyterLab, of a hidden cell
        assert shown.startswith(("# A solution", "def ", "async def ", "class ")) or shown.endswith(" = {"), "gives nothing away"
        assert stored(solution).startswith((f"{exercise}: kept in all ", f"{exercise}: kept in the only case"))
        assert "\nNot checked: " in stored(solution)


def constants(file: Path) -> dict[str, Any]:
    """What the cells of a lesson import, and the values in capitals that they define, such as DESIGNS."""
    found: dict[str, Any] = {}
    for statement in (each for cell in cells(file) for each in statements(cell)):
        named = isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]).isupper()
        if named or isinstance(statement, (ast.Import, ast.ImportFrom)):
            exec(compile(ast.Module([statement], []), file.name, "exec"), found)
    return found


@pytest.mark.full
@EACH_LESSON
def test_the_text_of_a_solution_is_a_solution(file: Path) -> None:
    for _, solution in pairs(file):
        names = constants(file)
        *defining, checking = statements(solution)
        exec(compile(ast.Module(defining, []), file.name, "exec"), names)
        assert isinstance(checking, ast.Expr)
        report = eval(compile(ast.Expression(checking.value), file.name, "eval"), names)
        assert report.outcome == "kept", report
