"""How what fails in the background reaches somebody: through the loop's exception handler (asyncio: `loop.set_exception_handler`)."""

import asyncio
from typing import Any


def report(message: str, error: BaseException) -> None:
    """Tell the application, or the lab, what went wrong."""
    asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})


def failure(task: "asyncio.Task[Any]") -> BaseException | None:
    """What ended a task that is done; None: it came to its end, or was cancelled."""
    return None if task.cancelled() else task.exception()
