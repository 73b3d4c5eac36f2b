"""The call of a handler of a client with replay: there is one at a time, and what it starts knows that it belongs to it."""

from contextvars import ContextVar
from dataclasses import dataclass

from realtime_lab.net.arrived import Arrived


@dataclass(eq=False, slots=True)
class Call:
    """One call of a handler: of a stored event, or (None) of a session."""

    item: Arrived | None = None
    transacting: bool = False
    """Is it inside of `async with client.transaction()`?"""
    kept: bool = False
    """Has its transaction kept the offset of the event, so that this is never given to the handler again?"""
    closing: bool = False
    """Has it closed its own client?"""


_inside: ContextVar[object] = ContextVar("realtime_lab_handling", default=None)
"""What the call inside which this runs is known by; the tasks that a handler starts inherit it."""


class Calls:
    """Of one client. Most handlers ask nothing about their call, so one that returns at once is noted down only if somebody does."""

    def __init__(self) -> None:
        self._known_by: Call | Arrived | None = None
        """The handler that is running."""
        self._call: Call | None = None

    @property
    def idle(self) -> bool:
        """Has every handler returned?"""
        return self._known_by is None

    @property
    def own(self) -> Call | None:
        """The running handler, for what runs inside it: itself, and every task that it has started."""
        if self._known_by is None or _inside.get() is not self._known_by:
            return None
        if isinstance(self._known_by, Arrived):
            self._call = self._call or Call(self._known_by)
        return self._call

    @property
    def kept(self) -> bool:
        """Has the transaction of the last one kept its offset?"""
        return self._call is not None and self._call.kept

    def begin(self, item: Arrived | None) -> None:
        """The handler of this (None: of a session) is called here and now."""
        self._known_by = self._call = Call(item)
        _inside.set(self._call)

    def begin_first(self, item: Arrived) -> None:
        """As `begin`, for the first call for this event, at less than half the price."""
        self._known_by, self._call = item, None
        _inside.set(item)

    def end(self) -> None:
        """It has returned."""
        self._known_by = None
