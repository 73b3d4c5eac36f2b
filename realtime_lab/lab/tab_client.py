"""The client of a browser's tab, as the lab knows it: what its page reports goes into the record, and commands go to the page.

A page lives until it is refreshed or closed. Each life has a name of its own, and only the latest one is listened to.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from realtime_lab.errors import InvalidSetting, NotConnected
from realtime_lab.history.journal import Journal
from realtime_lab.net.packets import brief, check_data, check_event
from realtime_lab.rules.replay import Session

REFRESHED = "the tab was refreshed, or closed"
BROKEN = "the connection ended before an acknowledgement came"

FIELDS: dict[str, type] = {
    "message": int, "event": str, "data": object, "reason": str, "text": str, "sid": str, "index": int, "attempt": int, "offset": int,
}  # fmt: skip
"""What a report may say."""
KINDS = {
    "connecting": (), "connected": ("sid",), "disconnected": ("sid", "reason"), "emitted": ("message", "event"), "buffered": ("message",),
    "sent": ("message", "sid", "index"), "acked": ("message", "sid", "index"), "timed_out": ("message", "sid", "index"),
    "discarded": ("message",), "settled": ("message", "reason"), "recovered": ("sid", "index"), "received": ("message", "sid", "index"),
    "handled": ("message",), "upgrading": (), "upgraded": (),
}  # fmt: skip
"""What it may be about, and what it has to say then. The last two are not for the record: the link sees the upgrade."""
TIMED = "its timeout is running"
"""The `text` of a message in the send buffer that will not stay there."""
FOR_GOOD = ("io server disconnect", "io client disconnect")
"""Reasons after which the official client does not come back by itself."""
OWN = ("emitted", "buffered", "sent", "acked", "timed_out", "discarded", "settled")
"""About messages that the tab emitted."""


@dataclass(slots=True)
class Life:
    """One loading of the page."""

    name: str
    earlier: int
    """How long the record was when it began: its running numbers go on from there."""
    commands: "asyncio.Queue[dict[str, Any] | None]" = field(default_factory=asyncio.Queue)
    """None ends the page."""
    kept: dict[int, str] = field(default_factory=dict)
    """The messages whose fate it does not know -> what it did last with them."""


class TabClient:
    """`record` writes into the journal. `opening` is what a page is told first; `broken` calls what it asks of its link."""

    halted: int | None = None
    session: Session | None = None

    def __init__(self, name: str, journal: Journal, opening: Callable[[], dict[str, Any]]) -> None:
        self.name = name
        self.sid = ""
        self.state = "disconnected"
        self.offset: int | None = None
        self.life: Life | None = None
        self.upgrading = False
        """Is its transport about to become a WebSocket? What breaks a connection before that is noticed in another way."""
        self.emissions = 0
        """Messages emitted in all its lives."""
        self.changed = asyncio.Event()
        """Something of this was told anew; who waits clears it."""
        self._journal, self._opening = journal, opening
        self._given = 0
        self._obeyed = 0
        self._queues = False

    @property
    def connected(self) -> bool:
        """Does the page believe that it is connected?"""
        return self.state == "connected"

    @property
    def idle(self) -> bool:
        """Has the page done all that it was told, and is nothing of it under way?"""
        if self.life is None:
            return True
        stays = set() if self.connected else {"buffered", "sent"} if self._queues else {"buffered"}
        return self._obeyed == self._given and not self.upgrading and stays.issuperset(self.life.kept.values())

    # -- to the page ----------------------------------------------------------------------------------------------------------------

    def emit(self, event: str, data: Any = None, *, volatile: bool = False, ack: bool = False, ack_timeout: float | None = None) -> None:
        """The page emits. Raises NotConnected if it is not open, ReservedName, NotSerialisable."""
        options = {"volatile": volatile, "ack": ack, "ackTimeout": round(1000 * (ack_timeout or 0))}
        self._command("emit", event=check_event(event), data=check_data(data), options=options)

    def refresh(self) -> None:
        """The page is loaded anew. Raises NotConnected if it is not open."""
        self._command("refresh")

    def _command(self, verb: str, **details: Any) -> None:
        if self.life is None:
            raise NotConnected(f"{self.name}'s tab is not open. Run the cell with browser_tab() again, or open its address in a browser.")
        self._given += 1
        self.life.commands.put_nowait({"n": self._given, "do": verb, **details})

    # -- from the page --------------------------------------------------------------------------------------------------------------

    def begin(self, name: str) -> Life:
        """A page was loaded; one that is open elsewhere ends."""
        if self.life is not None:
            self.life.commands.put_nowait({"do": "moved"})
            self.life.commands.put_nowait(None)
            self.end(self.life)
        self._obeyed = self._given
        self.life = life = Life(name, len(self._journal))
        opening = self._opening()
        self._queues = bool(opening["settings"].get("retries"))
        self._command("open", name=self.name, **opening)
        self.changed.set()
        return life

    def end(self, life: Life) -> None:
        """It is gone, and with it everything that only its memory held."""
        if life is not self.life:
            return
        self._journal.record(self.name, "refreshed")
        if self.connected:
            self._journal.record(self.name, "disconnected", sid=self.sid, reason="the page is gone")
        for number, last in life.kept.items():
            if last == "sent" and not self._queues:
                self._journal.record(self.name, "settled", message=number, reason="unknown", text=BROKEN)
            else:
                self._journal.record(self.name, "forgotten", message=number, reason=REFRESHED)
        self.life, self.state, self.upgrading = None, "disconnected", False
        self._obeyed = self._given
        self.changed.set()

    def obeyed(self, number: int) -> None:
        """It has done what it was told."""
        self._obeyed = max(self._obeyed, number)
        self.changed.set()

    def told(self, life: Life, report: Mapping[str, Any]) -> None:
        """Write down what the page says. Raises InvalidSetting if that cannot be."""
        kind, details = _checked(report)
        if kind in ("upgrading", "upgraded"):
            self.upgrading = kind == "upgrading"
            self.changed.set()
            return
        if "message" in details:
            details["message"] += life.earlier
        if kind in OWN:
            self._keep(life, kind, details["message"], timed=details.get("text") == TIMED)
        self._journal.record(self.name, kind, **details)
        match kind:
            case "connecting":
                self.state = "connecting"
            case "connected":
                self.state, self.sid = "connected", details["sid"]
            case "disconnected":
                self.state = "disconnected" if details["reason"] in FOR_GOOD else "connecting"
            case "received" | "recovered":
                self.offset = details.get("offset", self.offset)
        self.changed.set()

    def _keep(self, life: Life, kind: str, number: int, *, timed: bool) -> None:
        if kind == "emitted":
            life.kept[number] = kind
            self.emissions += 1
        elif number not in life.kept and kind in ("buffered", "sent", "settled", "discarded"):
            raise InvalidSetting(f"{kind!r} of message {number - life.earlier}: that was never emitted, or its fate is known.")
        elif kind == "settled":
            del life.kept[number]
        elif kind in ("buffered", "sent"):
            life.kept[number] = TIMED if kind == "buffered" and timed else kind

    async def close(self) -> None:
        """The lab ends: the page is told, and says nothing more."""
        if self.life is not None:
            self.life.commands.put_nowait(None)
        self.life, self.state = None, "closed"
        self.changed.set()


def _checked(report: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The kind of a report, and the fields of its event."""
    kind = report.get("kind")
    if kind not in KINDS:
        raise InvalidSetting(f"{kind!r} is no report. There are: {', '.join(KINDS)}.")
    details = {name: value for name, value in report.items() if name != "kind"}
    wrong = [name for name, value in details.items() if name not in FIELDS or not isinstance(value, FIELDS[name]) or value is True]
    if wrong or any(name not in details for name in KINDS[kind]):
        raise InvalidSetting(f"a report of {kind!r} needs {', '.join(KINDS[kind]) or 'nothing more'}; it has {details!r:.200}.")
    for name in ("event", "reason", "text", "sid"):
        if name in details:
            details[name] = brief(details[name], 200)
    if kind in ("emitted", "received"):
        data = details.pop("data", None)
        details["text"] = brief(data)
        details |= {"data": data} if kind == "emitted" else {}
    return kind, details
