"""Tells the record what went into the log: only when it is committed, and with the reception whose handler appended it."""

from collections.abc import Callable
from typing import Any

from realtime_lab.net.packets import Observer, brief
from realtime_lab.net.receptions import cause


class Appended:
    """What is in the open transaction. `number` gives the server's next running number."""

    def __init__(self, observe: Observer, number: Callable[[], int]) -> None:
        self._observe, self._number = observe, number
        self._open: dict[int, tuple[str, str, Any, str, int]] = {}

    def append(self, offset: int, event: str, data: Any, room: str) -> None:
        """Something was appended. The offset of one that was rolled back is given again, and the later one counts."""
        self._open[offset] = (event, brief(data), data, room, cause.get())

    def commit(self, head: int) -> None:
        """Everything up to here is committed; what is beyond was rolled back."""
        for offset in sorted(offset for offset in self._open if offset <= head):
            event, text, data, room, why = self._open[offset]
            self._observe("stored", message=self._number(), event=event, text=text, data=data, offset=offset, room=room, cause=why)
        self._open.clear()
