"""The link of one client of a soak. It counts the cuts, of connections that live: nothing is broken by any other."""

from contextlib import suppress
from typing import Any

from realtime_lab.errors import UnknownFault
from realtime_lab.net.link import Link


class WatchedLink(Link):
    """To a server on this machine."""

    def __init__(self, port: int) -> None:
        super().__init__("127.0.0.1", port, observer=self._on_link)
        self.cuts = 0
        self.packets: dict[str, int] = {"upstream": 0, "downstream": 0}
        """How many have come so far."""

    def cut_at(self, packet: int, direction: str) -> None:
        """Cut before this packet, counted from the first one. Nothing happens if it has come already."""
        with suppress(UnknownFault):
            self.cut(packet=packet, direction=direction)

    def _on_link(self, kind: str, **details: Any) -> None:
        if kind == "wire":
            self.packets[details["direction"]] = max(self.packets[details["direction"]], details["packet"])
        elif kind == "fault" and details["event"] == "cut":
            self.cuts += self.connections > 0
