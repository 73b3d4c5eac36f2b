"""The mutants: each is one function of a pure floor with one small change of mutmut's (a number, an operator, a text, an argument ...).

A mutant is put into the functions that are there already, so that the tests need neither a copy of the package nor a new interpreter.
What mutmut does not change is left out: code outside of functions, calls of len and isinstance, annotations.
"""

import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

import libcst as cst
from mutmut.mutation.file_mutation import create_mutations, deep_replace

from tests.kept import ROOT

PACKAGE = ROOT / "realtime_lab"
FLOORS = ("rules", "history")

PROPERTY = re.compile(r"^ +@(property|\w+\.setter)$", re.MULTILINE)


class Name(NamedTuple):
    """What a mutant is called, also when other lines of the file change."""

    file: str
    function: str
    before: str
    """The changed lines of the function as they are, without the blanks around them."""
    after: str
    count: int = 1
    """The how-many-th change of this function that reads like this."""

    def __str__(self) -> str:
        again = f" ({self.count})" if self.count > 1 else ""
        return f"{self.file} {self.function}{again}\n    - {self.before}\n    + {self.after}"


@dataclass(frozen=True)
class Mutant:
    """One change, and where it goes."""

    name: Name
    function: FunctionType
    source: str
    """The function as it would be."""
    owner: str
    """Its class, or "" for a function of the module."""

    @property
    def code(self) -> CodeType:
        """By which it is seen that a test runs the function."""
        return self.function.__code__

    def put_in(self) -> None:
        """From now on the function is the mutant, for everybody who has it."""
        source = f"class {self.owner}:\n{textwrap.indent(self.source, '    ')}" if self.owner else self.source
        space = dict(self.function.__globals__)
        exec(compile(source, f"a mutant of {self.name.file}", "exec"), space)
        where = vars(space[self.owner]) if self.owner else space
        made = where[self.function.__name__]
        made = made.__func__ if isinstance(made, staticmethod) else made
        self.function.__code__, self.function.__defaults__ = made.__code__, made.__defaults__
        self.function.__kwdefaults__ = made.__kwdefaults__


def files() -> list[Path]:
    """The files of the floors."""
    return [path for floor in FLOORS for path in sorted((PACKAGE / floor).glob("*.py")) if path.name != "__init__.py"]


def mutants_of(path: Path) -> Iterator[Mutant]:
    """Every mutant of a file, in the order of its lines."""
    file = path.relative_to(PACKAGE).as_posix()
    module = importlib.import_module(f"realtime_lab.{file.removesuffix('.py').replace('/', '.')}")
    source = PROPERTY.sub("", path.read_text(encoding="utf-8"))  # mutmut leaves out what is decorated; here a property is a function too
    tree, mutations, _, _ = create_mutations(str(path), source)
    functions = {id(node): (owner, function) for node, owner, function in _functions(tree, module)}
    originals: dict[int, str] = {}
    counts: dict[Name, int] = {}
    for mutation in mutations:
        node = mutation.contained_by_top_level_function
        if id(node) not in functions:
            continue
        assert node is not None
        owner, function = functions[id(node)]
        if id(node) not in originals:
            originals[id(node)] = _text(node)
        changed = _text(deep_replace(node, mutation.original_node, mutation.mutated_node))
        name = Name(file, f"{owner}.{function.__name__}" if owner else function.__name__, *_difference(originals[id(node)], changed))
        counts[name] = counts.get(name, 0) + 1
        yield Mutant(name._replace(count=counts[name]), function, changed, owner)


def _functions(tree: cst.Module, module: ModuleType) -> Iterator[tuple[cst.FunctionDef, str, FunctionType]]:
    """Each function of the file, with its class and with what it has become in the module."""
    known = _known_functions(module)
    for statement in tree.body:
        if isinstance(statement, cst.FunctionDef):
            yield statement, "", known[statement.name.value].pop(0)
        elif isinstance(statement, cst.ClassDef) and isinstance(statement.body, cst.IndentedBlock):
            owner = statement.name.value
            for each in statement.body.body:
                if isinstance(each, cst.FunctionDef) and not _is_overload(each):
                    yield each, owner, known[f"{owner}.{each.name.value}"].pop(0)


def _is_overload(node: cst.FunctionDef) -> bool:
    """It only says a type; nothing is left of it in the module."""
    return any(isinstance(each.decorator, cst.Name) and each.decorator.value == "overload" for each in node.decorators)


def _known_functions(module: ModuleType) -> dict[str, list[FunctionType]]:
    """Name -> the functions of the module that are called so, in the order of the lines: a property with a setter has two."""
    found: list[FunctionType] = []
    for value in vars(module).values():
        for each in vars(value).values() if inspect.isclass(value) and value.__module__ == module.__name__ else [value]:
            found += [function for function in _behind(each) if function.__module__ == module.__name__]
    known: dict[str, list[FunctionType]] = {}
    for function in sorted(found, key=lambda function: function.__code__.co_firstlineno):
        known.setdefault(function.__qualname__, []).append(function)
    return known


def _behind(value: Any) -> list[FunctionType]:
    if isinstance(value, property):
        return [function for function in (value.fget, value.fset) if isinstance(function, FunctionType)]
    value = value.__func__ if isinstance(value, (staticmethod, classmethod)) else value
    return [value] if isinstance(value, FunctionType) else []


def _text(node: Any) -> str:
    return textwrap.dedent(cst.Module([]).code_for_node(node)).strip() + "\n"


def _difference(original: str, changed: str) -> tuple[str, str]:
    """The lines that are gone and those that came instead: a change is in one place."""
    before, after = original.splitlines(), changed.splitlines()
    for end in (0, -1):
        while before and after and before[end] == after[end]:
            del before[end], after[end]
    return tuple("\n".join(line.strip() for line in lines) for lines in (before, after))
