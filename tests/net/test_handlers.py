"""Handlers are always answered, and can hurt nothing but themselves."""

import asyncio
import functools
from typing import Any

import pytest

from realtime_lab.errors import Rejected, TryAgain
from realtime_lab.net.handlers import Handlers
from tests.net.harness import rounds

Said = list[tuple[str, str]]


async def call(handlers: Handlers, event: str, *arguments: Any) -> tuple[dict[str, Any], Said]:
    said: Said = []
    return await handlers.call(event, arguments, lambda kind, why: said.append((kind, why))), said


@pytest.fixture
def reported() -> list[dict[str, Any]]:
    return []


def listen(reported: list[dict[str, Any]]) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))


async def test_a_plain_function_a_coroutine_a_method_and_a_lambda_that_makes_a_coroutine_all_work() -> None:
    async def coroutine(a: int, b: int) -> int:
        await asyncio.sleep(0)
        return a + b

    class Object:
        async def method(self, a: int, b: int) -> int:
            return a + b

        def __call__(self, a: int, b: int) -> int:
            return a + b

    for handler in (lambda a, b: a + b, coroutine, Object().method, Object(), functools.partial(coroutine), lambda a, b: coroutine(b, a)):
        handlers = Handlers()
        assert handlers.register("sum")(handler) is handler
        assert await call(handlers, "sum", 1, 2) == ({"ok": True, "result": 3}, [("handled", "")])


async def test_no_result_is_a_plain_ok_and_a_false_result_is_a_result() -> None:
    handlers = Handlers()
    handlers.register("echo")(lambda value: value)
    assert (await call(handlers, "echo", None))[0] == {"ok": True}
    for value in (False, 0, "", [], {"ok": False}):
        assert (await call(handlers, "echo", value))[0] == {"ok": True, "result": value}


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_what_a_handler_raises_is_the_answer_and_reaches_the_loop(asynchronous: bool, reported: list[dict[str, Any]]) -> None:
    listen(reported)
    handlers = Handlers()

    def broken() -> None:
        raise KeyError("x")

    async def broken_later() -> None:
        await asyncio.sleep(0)
        raise KeyError("x")

    handlers.register("go")(broken_later if asynchronous else broken)
    answer, said = await call(handlers, "go")
    assert answer == {"ok": False, "error": "KeyError: 'x'", "retryable": False}
    assert said == [("failed", "KeyError: 'x'")]
    assert [type(context["exception"]) for context in reported] == [KeyError]
    assert "broken" in reported[0]["message"]
    assert "'go'" in reported[0]["message"]


async def test_the_wrong_number_of_arguments_is_a_failure_of_the_handler(reported: list[dict[str, Any]]) -> None:
    listen(reported)
    handlers = Handlers()
    handlers.register("go")(lambda a: a)
    assert (await call(handlers, "go"))[0]["error"].startswith("TypeError")


@pytest.mark.parametrize("result", [object, {1}, float("nan"), {"a": (b"1",)}], ids=str)
async def test_a_result_that_cannot_travel_is_a_failure_with_an_answer(result: Any, reported: list[dict[str, Any]]) -> None:
    listen(reported)
    handlers = Handlers()
    handlers.register("go")(lambda: result)
    answer, said = await call(handlers, "go")
    assert not answer["ok"]
    assert answer["error"].startswith("NotSerialisable")
    assert [kind for kind, _ in said] == ["failed"]


async def test_what_goes_to_nobody_may_be_anything_and_whatever_is_raised_is_reported(reported: list[dict[str, Any]]) -> None:
    listen(reported)
    handlers = Handlers()

    @handlers.register("go")
    def go(error: Exception | None) -> set[int]:
        if error is not None:
            raise error
        return {1}

    assert await handlers.call("go", (None,), lambda kind, why: None, answers=False) == {"ok": True}
    for error in (Rejected("no"), TryAgain("later")):
        await handlers.tell("go", error)
    await handlers.tell("go", None)
    await handlers.tell("nobody listens")
    assert [str(context["exception"]) for context in reported] == ["no", "later"]


async def test_a_handler_that_waited_for_something_cancelled_has_failed(reported: list[dict[str, Any]]) -> None:
    listen(reported)
    handlers = Handlers()

    @handlers.register("go")
    async def go() -> None:
        other = asyncio.ensure_future(asyncio.sleep(3600))
        asyncio.get_running_loop().call_soon(other.cancel)
        await other

    answer, said = await call(handlers, "go")
    assert not answer["ok"]
    assert [kind for kind, _ in said] == ["failed"]


async def test_a_handler_that_is_cancelled_itself_is_on_record_and_stays_cancelled() -> None:
    handlers = Handlers()
    handlers.register("go")(lambda: asyncio.sleep(3600))
    said: Said = []
    task = asyncio.ensure_future(handlers.call("go", (), lambda kind, why: said.append((kind, why))))
    await rounds(3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [kind for kind, _ in said] == ["failed"]


async def test_an_event_that_nobody_handles_is_answered() -> None:
    assert await call(Handlers(), "go", 1) == ({"ok": False, "error": "nobody handles 'go'", "retryable": False}, [("handled", "")])


async def test_the_last_handler_counts() -> None:
    handlers = Handlers()
    handlers.register("go")(lambda: 1)
    handlers.register("go")(lambda: 2)
    assert (await call(handlers, "go"))[0]["result"] == 2


async def test_a_lifecycle_handler_runs_on_its_own_and_its_error_is_reported(reported: list[dict[str, Any]]) -> None:
    listen(reported)
    handlers = Handlers()
    told: list[str] = []

    @handlers.register("connect")
    async def connect(who: str) -> None:
        await asyncio.sleep(0)
        told.append(who)
        raise RuntimeError("no")

    handlers.call_soon("disconnect", "nobody listens")
    handlers.call_soon("connect", "alice")
    assert told == []
    await rounds(5)
    assert told == ["alice"]
    assert [str(context["exception"]) for context in reported] == ["no"]


@pytest.mark.parametrize("event", [None, 3, len])
def test_the_decorator_wants_the_events_name(event: Any) -> None:
    with pytest.raises(TypeError, match="name the event"):
        Handlers().register(event)


def test_a_handler_is_a_function() -> None:
    with pytest.raises(TypeError, match="a handler is a function"):
        Handlers().register("go")(3)  # type: ignore[type-var]
