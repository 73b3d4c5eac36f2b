"""The functions that an application registered for its events, and how they are called: always answered, never able to hurt the stack."""

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar

from realtime_lab.errors import Rejected, StoreFailed, StoreInUse, TryAgain
from realtime_lab.net.body import dump_data
from realtime_lab.net.reporting import report

H = TypeVar("H", bound=Callable[..., Any])

Said = Callable[[Literal["handled", "failed"], str], object]

MOST = 500
"""Characters of an unexpected error that are told, and kept with the answer: it may quote what the peer has sent."""

Begun = Callable[[], Any]
"""Gives, or raises, what a handler did that was called already."""


class Register(Protocol):
    """A decorator that gives back the function unchanged."""

    def __call__(self, handler: H, /) -> H:
        """Register `handler`."""


class Handlers:
    """event name -> function; the last one registered counts, as in python-socketio.

    A coroutine function that has a parameter `tx` is given the transaction of its event (realtime_lab.net.transaction).
    """

    def __init__(self) -> None:
        self._handlers: dict[str, Callable[..., Any]] = {}
        self._want_tx: set[str] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    def register(self, event: str) -> Register:
        """Decorator for the handler of one event."""
        if not isinstance(event, str):
            raise TypeError(f'name the event: @on("chat message"), not @on({event!r})')

        def decorator(handler: H) -> H:
            if not callable(handler):
                raise TypeError(f"a handler is a function, not {handler!r}")
            wants = wants_tx(handler)
            if wants and not inspect.iscoroutinefunction(handler):
                raise TypeError(f"{handler!r} takes tx, so it has to be an `async def`: its SQL is awaited")
            self._handlers[event] = handler
            (self._want_tx.add if wants else self._want_tx.discard)(event)
            return handler

        return decorator

    def has(self, event: str) -> bool:
        """Is there a handler for this event?"""
        return event in self._handlers

    def takes_tx(self, event: str) -> bool:
        """Does the handler of this event want its transaction?"""
        return event in self._want_tx

    @property
    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """Event name -> its handler."""
        return self._handlers

    async def call(
        self, event: str, arguments: Sequence[Any], said: Said, *,
        answers: bool = True, begun: Begun | None = None, **extra: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """Call the handler and make the answer for the sender: {"ok": true, "result"} or {"ok": false, "error", "retryable"}.

        A handler that raises is answered too, because a sender that gets no answer would try again for ever. What it raises refuses the
        event for good, except TryAgain, and StoreFailed or StoreInUse: they say nothing about the event. Errors other than TryAgain and
        Rejected go to the loop's exception handler as well (asyncio: `loop.set_exception_handler`).

        answers     False: the answer goes to nobody. So the result may be anything, and whatever is raised is reported
        begun       gives or raises what the handler did, if it has been called already
        """
        handler = self._handlers.get(event)
        if handler is None:
            said("handled", "")
            return {"ok": False, "error": f"nobody handles {event!r:.80}", "retryable": False}
        try:
            result = handler(*arguments, **extra) if begun is None else begun()
            if result is not None and inspect.isawaitable(result):
                result = await result
            if answers and result is not None:
                dump_data(result)
        except (Exception, asyncio.CancelledError) as error:  # whatever an application's handler raises
            said("failed", f"{type(error).__name__}: {error}")
            if (task := asyncio.current_task()) and task.cancelling():  # not something that it waited for, but the handler itself
                raise
            if answers and isinstance(error, (TryAgain, Rejected)):
                return {"ok": False, "error": str(error), "retryable": isinstance(error, TryAgain)}
            self._report(handler, event, error)
            why = f"{type(error).__name__}: {error}"[:MOST]
            return {"ok": False, "error": why, "retryable": isinstance(error, (StoreFailed, StoreInUse))}
        said("handled", "")
        return {"ok": True} if result is None or not answers else {"ok": True, "result": result}

    async def tell(self, event: str, *arguments: Any) -> None:
        """Call the handler of something that no sender waits for ("connect", "disconnect", "session"), if there is one."""
        if event in self._handlers:
            await self.call(event, arguments, lambda kind, why: None, answers=False)

    def call_soon(self, event: str, *arguments: Any) -> asyncio.Task[None] | None:
        """`tell` in a task of its own, so that it can neither delay nor break a connection. None: there is no handler."""
        if event not in self._handlers:
            return None
        task: asyncio.Task[None] = asyncio.ensure_future(self.tell(event, *arguments))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _report(self, handler: Callable[..., Any], event: str, error: BaseException) -> None:
        name = getattr(handler, "__name__", repr(handler))
        report(f"the handler {name}() of {event!r} raised {type(error).__name__}: {error}", error)


def outcome(result: Any) -> Begun | None:
    """What is to be done about the result of a handler whose event gets no answer; None: nothing, it has returned."""
    return (lambda: result) if result is not None and inspect.isawaitable(result) else None


def raising(error: BaseException) -> Begun:
    """What raises this again, in its place."""

    def again() -> Any:
        raise error

    return again


def wants_tx(handler: Callable[..., Any]) -> bool:
    """Has this function a parameter `tx`?"""
    try:
        return "tx" in inspect.signature(handler).parameters
    except (TypeError, ValueError):  # some built-in functions have no signature
        return False
