"""What the steps of a schedule may say: for whom there is which verb, and what each of them takes."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

from realtime_lab.history.copies import SERVER
from realtime_lab.net.client import Client
from realtime_lab.net.crash import CRASHES
from realtime_lab.rules.faults import DIRECTIONS

MOST = 10_000
"""Messages of one step at most."""
LONGEST = 60.0
"""Seconds of one wait at most."""
START = (SERVER, "start")
"""Who, and which verb, says how the server is started."""


class _Code(Enum):
    CODE = "code"


CODE: Final = _Code.CODE
"""Stands for a function that was an option: a text cannot carry it."""

Check = tuple[Callable[[Any], bool], str]
"""Is this value possible? And which would be, in words."""


@dataclass(frozen=True)
class Shape:
    """`value`: "event" (a name and a payload), or the one value that it takes, in words; `takes` checks that. `options`: by name."""

    value: str = ""
    takes: Callable[[Any], bool] = bool
    options: Mapping[str, Check] = field(default_factory=lambda: MappingProxyType({}))


def is_count(value: Any) -> bool:
    """A whole number from 1 on?"""
    return type(value) is int and value >= 1


def is_seconds(value: Any) -> bool:
    """A duration?"""
    return type(value) in (int, float) and 0 <= value < float("inf")


def _is_file_name(value: Any) -> bool:
    """Without any folder: a text that somebody has sent must not choose where it writes."""
    return value is None or (isinstance(value, str) and value.strip(". ") != "" and not set(value) & set("/\\:\0"))


_FLAG: Check = (lambda value: isinstance(value, bool), "true or false")
_COUNT: Check = (is_count, "a whole number from 1 on")
_DIRECTION: Check = (lambda value: value in (*DIRECTIONS, "both"), " or ".join(DIRECTIONS))
_PLACE: Check = (lambda value: is_count(value) or isinstance(value, str), 'the number of a packet, or a message such as "chat message #3"')
_ANYTHING: Check = (lambda value: True, "anything")
_STORE: Check = (_is_file_name, 'the name of a file, without a folder, such as "alice.db"')

_EVENT = Shape("event")
_PLACES = {"before": _PLACE, "after": _PLACE, "direction": _DIRECTION, "attempt": _COUNT}
_CLIENT = {name: _ANYTHING for name in inspect.signature(Client).parameters if name not in ("url", "observer")} | {"store": _STORE}
_SECONDS = Shape("seconds, 0 or more", is_seconds)

_LAB: dict[str, Shape] = {
    "settle": Shape(),
    "wait": Shape(f"seconds, up to {LONGEST:g}", lambda value: is_seconds(value) and value <= LONGEST),
}
_SERVER: dict[str, Shape] = {
    "start": Shape(options={"log": _FLAG, "dedupe": _FLAG, "ping_interval": _COUNT, "ping_timeout": _COUNT}),
    "publish": _EVENT,
    "emit": _EVENT,
    "crash": Shape(options={"at": (lambda value: value in CRASHES, " or ".join(CRASHES)), "nth": _COUNT}),
    "disarm": Shape(),
    "restart": Shape(),
    "trim": Shape("an offset", lambda value: type(value) is int and value >= 0),
    "new_database": Shape(),
}
_PARTICIPANT: dict[str, Shape] = {
    "join": Shape(options=_CLIENT),
    "prepare": Shape(options=_CLIENT),
    "connect": Shape(),
    "start": Shape(),
    "emit": _EVENT,
    "volatile": _EVENT,
    "cut": Shape(options=_PLACES),
    "close": Shape(),
    "stall": Shape(options=_PLACES),
    "resume": Shape(options={"direction": _DIRECTION}),
    "refuse": Shape(),
    "accept": Shape(),
    "restore": Shape(),
    "disarm": Shape(),
    "latency": _SECONDS,
    "jitter": _SECONDS,
    "bandwidth": Shape("bytes per second, or null", lambda value: value is None or (is_seconds(value) and value > 0)),
    "refresh": Shape(),
}


def verbs_of(who: str) -> Mapping[str, Shape]:
    """What there is for the lab itself (""), the server, or a participant."""
    return _LAB if not who else _SERVER if who == SERVER else _PARTICIPANT
