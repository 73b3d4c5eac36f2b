"""Coroutine tests run on a loop of their own. What goes wrong in the background of a test fails it."""

import asyncio
import gc
import inspect
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("patient", settings(), deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("patient")

LIMIT = 30.0


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
