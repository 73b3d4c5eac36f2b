"""The shape of an answer: what a learner must hand in, taken from a Protocol, and a sentence for what has another shape."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from realtime_lab.lab.guard import brief


def misshapen(name: str, answer: Any, protocol: type) -> str:
    """Why `answer` does not have the shape of `protocol`; empty if it has.

    A Protocol with `__call__` only asks for a function (an async one, if `__call__` is async); any other asks for a class with its
    methods, made with the parameters of its `__init__`.
    """
    methods = {key: value for key, value in vars(protocol).items() if inspect.isfunction(value) and _public(key)}
    if "__call__" in methods:
        return _function(name, answer, methods["__call__"])
    return _class(name, answer, methods)


def unkeyed(name: str, answers: Any, keys: Sequence[str]) -> str:
    """Why `answers` is not a dict with these keys; empty if it is. A key counts by its first letter."""
    expected = f"check.{name}() expects a dict with the keys {', '.join(key[0] for key in keys)}"
    if not isinstance(answers, dict):
        return f"{expected}. You gave {_given(answers)}."
    letters = [str(key)[:1] for key in answers]
    for key in keys:
        if letters.count(key[0]) != 1:
            return f"{expected}, each once. {key[0]} is there {'twice' if key[0] in letters else 'not at all'}."
    if more := [key for key in answers if str(key)[:1] not in {key[0] for key in keys}]:
        return f"{expected}. There is also {brief(more[0])}."
    return ""


def _public(name: str) -> bool:
    return name in ("__call__", "__init__") or not name.startswith("_")


def _function(name: str, answer: Any, wanted: Callable[..., Any]) -> str:
    asynchronous = inspect.iscoroutinefunction(wanted)
    how = f"{'async def' if asynchronous else 'def'} {name}({', '.join(_parameters(wanted))})"
    if inspect.isclass(answer) or not callable(answer):
        return f"check.{name}() expects a function: {how}. You gave {_given(answer)}."
    if inspect.iscoroutinefunction(answer) != asynchronous:
        return f"This must be {'an async' if asynchronous else 'a plain'} function: {how}. Yours is {'plain' if asynchronous else 'async'}."
    if problem := _cannot_take(answer, _parameters(wanted)):
        return f"Your function is called as {name}({', '.join(_parameters(wanted))}). {problem}"
    return ""


def _class(name: str, answer: Any, methods: Mapping[str, Callable[..., Any]]) -> str:
    wanted = [f"{key}({', '.join(_parameters(value))})" for key, value in methods.items() if key != "__init__"]
    expected = f"a class with the methods {', '.join(wanted)}"
    if not inspect.isclass(answer):
        return f"check.{name}() expects {expected}. You gave {_given(answer)}. Give the class itself: check.{name}(My{name.capitalize()})."
    if missing := [key for key in methods if key != "__init__" and not callable(getattr(answer, key, None))]:
        return f"check.{name}() expects {expected}. {answer.__name__} has no {', '.join(missing)}."
    for key, value in methods.items():
        if key == "__init__":
            problem, how = _cannot_take(answer, _parameters(value)), f"{answer.__name__}({', '.join(_parameters(value))})"
        else:
            problem, how = _cannot_take(getattr(answer, key), ["self", *_parameters(value)]), f"{key}({', '.join(_parameters(value))})"
            if inspect.iscoroutinefunction(getattr(answer, key)):
                problem = "Write a plain method: def, without async."
        if problem:
            return f"It is called as {how}. {problem}"
    return ""


def _parameters(wanted: Callable[..., Any]) -> list[str]:
    return [name for name in inspect.signature(wanted).parameters if name != "self"]


def _cannot_take(answer: Any, parameters: list[str]) -> str:
    try:
        signature = inspect.signature(answer)
    except ValueError:  # some built-in functions have none that can be looked at
        return ""
    try:
        signature.bind(*parameters)
    except TypeError as error:
        return f"Yours takes {signature}: {error}."
    return ""


def _given(answer: Any) -> str:
    if inspect.isclass(answer):
        return f"the class {answer.__name__}"
    return "an async function" if inspect.iscoroutine(answer) else f"{brief(answer)} ({type(answer).__name__})"
