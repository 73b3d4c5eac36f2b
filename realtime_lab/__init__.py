"""Delivery guarantees on the real Socket.IO stack. What is listed here is public; units are seconds.

Lab, allow_asyncio_run                    the laboratory, for notebooks and scripts
check                                     the exercises of the lessons: check.lost(lost)
sweep, Design, Trial, FateMatrix          a scenario, broken at every place where it can break
Client, Server, EventLog, Link, Delivery, Fate    the library under it; needs no Jupyter
Journal, Verdict, verdict                 the record, and what it refutes
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from realtime_lab.errors import (
    AlreadyClosed,
    BufferFull,
    ConnectionRejected,
    ConnectTimeout,
    FaultPending,
    InvalidSetting,
    LabBusy,
    LabTrouble,
    NameTaken,
    NotConnected,
    NotSerialisable,
    NotSettled,
    PayloadTooLarge,
    PortInUse,
    RealtimeLabError,
    Rejected,
    ReservedName,
    StoreFailed,
    StoreInUse,
    TryAgain,
    UnknownFault,
)

if TYPE_CHECKING:
    from realtime_lab.history.journal import Journal
    from realtime_lab.history.verdict import Verdict, verdict
    from realtime_lab.lab import checks as check
    from realtime_lab.lab.asyncio_run import allow_asyncio_run
    from realtime_lab.lab.fate_matrix import FateMatrix
    from realtime_lab.lab.lab import Lab
    from realtime_lab.lab.sweep import sweep
    from realtime_lab.lab.trial import Design, Trial
    from realtime_lab.net.client import Client
    from realtime_lab.net.delivery import Delivery, Fate
    from realtime_lab.net.event_log import EventLog
    from realtime_lab.net.link import Link
    from realtime_lab.net.server import Server

__all__ = [
    "AlreadyClosed",
    "BufferFull",
    "Client",
    "ConnectTimeout",
    "ConnectionRejected",
    "Delivery",
    "Design",
    "EventLog",
    "Fate",
    "FateMatrix",
    "FaultPending",
    "InvalidSetting",
    "Journal",
    "Lab",
    "LabBusy",
    "LabTrouble",
    "Link",
    "NameTaken",
    "NotConnected",
    "NotSerialisable",
    "NotSettled",
    "PayloadTooLarge",
    "PortInUse",
    "RealtimeLabError",
    "Rejected",
    "ReservedName",
    "Server",
    "StoreFailed",
    "StoreInUse",
    "Trial",
    "TryAgain",
    "UnknownFault",
    "Verdict",
    "allow_asyncio_run",
    "check",
    "sweep",
    "verdict",
]

_WHERE = {
    "Client": "realtime_lab.net.client",
    "Delivery": "realtime_lab.net.delivery",
    "Design": "realtime_lab.lab.trial",
    "EventLog": "realtime_lab.net.event_log",
    "Fate": "realtime_lab.net.delivery",
    "FateMatrix": "realtime_lab.lab.fate_matrix",
    "Journal": "realtime_lab.history.journal",
    "Lab": "realtime_lab.lab.lab",
    "Link": "realtime_lab.net.link",
    "Server": "realtime_lab.net.server",
    "Trial": "realtime_lab.lab.trial",
    "Verdict": "realtime_lab.history.verdict",
    "allow_asyncio_run": "realtime_lab.lab.asyncio_run",
    "sweep": "realtime_lab.lab.sweep",
    "verdict": "realtime_lab.history.verdict",
}
"""Each is loaded when it is asked for: a program that only wants the client does not wait for the laboratory."""


def __getattr__(name: str) -> Any:
    if name == "check":
        return import_module("realtime_lab.lab.checks")
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return [*__all__]
