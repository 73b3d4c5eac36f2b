"""Coroutine tests run on a loop of their own. What goes wrong in the background of a test fails it."""

import asyncio
import gc
import inspect
from collections import Counter
from typing import Any

import pytest
from hypothesis import Phase, settings

from tests.examples import ALL

settings.register_profile("thorough", settings(), max_examples=ALL, deadline=None)  # how long an example takes says how busy the machine is
settings.register_profile("quick", settings.get_profile("thorough"), max_examples=ALL // 4)
settings.register_profile(
    "mutants",
    settings.get_profile("thorough"),
    max_examples=ALL // 10,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
settings.register_profile("fuzz", settings.get_profile("thorough"), max_examples=ALL * 10)
settings.load_profile("quick")

LIMIT = 30.0


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files with few tests come first: theirs are the long ones. Files with many short ones fill what time is left on each processor."""
    if config.pluginmanager.hasplugin("randomly"):
        return
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: tests[item.path])


def pytest_collection_finish() -> None:
    """What was collected stays: the garbage collector need not look at it after each test."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    background: list[dict[str, Any]] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: background.append(context))
        await asyncio.wait_for(pyfuncitem.obj(**arguments), LIMIT)
        gc.collect(1)  # a task's error that nobody looked at is reported when the task is freed

    asyncio.run(run())
    assert not background, "\n".join(f"{each['message']}: {each.get('exception')!r}" for each in background)
    return True
