"""What becomes of an emitted event, as far as its sender can know."""

import asyncio
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Literal

Outcome = Literal["acked", "rejected", "unknown"]


@dataclass(frozen=True)
class Fate:
    """How it ended for the sender. "unknown" is not "failed": the event may have been handled, or not."""

    outcome: Outcome
    result: Any = None
    """What the server's handler returned, if it was acknowledged."""
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.outcome} ({self.reason})" if self.reason else self.outcome


class Delivery:
    """Returned by `emit`. `await delivery` gives its `Fate`; `delivery.fate` is None until it is settled."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._future: asyncio.Future[Fate] = loop.create_future()
        self._then: list[Callable[[], object]] = []
        self._timer: asyncio.TimerHandle | None = None

    @property
    def fate(self) -> Fate | None:
        """The fate, or None while it is open."""
        return self._future.result() if self._future.done() else None

    @property
    def outcome(self) -> Outcome | Literal[""]:
        """The fate in one word; empty while it is open."""
        return self._future.result().outcome if self._future.done() else ""

    def __await__(self) -> Generator[Any, None, Fate]:
        return asyncio.shield(self._future).__await__()

    def when_settled(self, call: Callable[[], object]) -> None:
        """Call this as soon as the fate is known."""
        self._then.append(call)

    def expire_after(self, seconds: float) -> None:
        """Without an acknowledgement in this time the fate is unknown."""
        self._timer = self._future.get_loop().call_later(seconds, self.settle, Fate("unknown", reason=f"no acknowledgement in {seconds} s"))

    def acknowledged(self, *answer: Any) -> None:
        """The server answered: our own envelope {"ok", "result", "error"}, or anything that another server's handler returned."""
        value = answer[0] if len(answer) == 1 else (answer or None)
        if isinstance(value, dict) and value.get("ok") is False:
            self.settle(Fate("rejected", reason=str(value.get("error", "the server refused it"))))
        elif isinstance(value, dict) and value.get("ok") is True:
            self.settle(Fate("acked", value.get("result")))
        else:
            self.settle(Fate("acked", value))

    def settle(self, fate: Fate) -> None:
        """The first fate counts."""
        if self._future.done():
            return
        if self._timer is not None:
            self._timer.cancel()
        self._future.set_result(fate)
        for call in self._then:
            call()

    def __repr__(self) -> str:
        return f"<Delivery: {self.fate or 'not settled yet'}>"
