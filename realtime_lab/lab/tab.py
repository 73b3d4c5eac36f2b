"""A tab of a browser as a participant of a lab: the official JavaScript client, in a page that tells what its application did and saw.

The page is shown by whoever has a window for it (widgets/browser_tab.py), or runs without one (windowless.py).
"""

import asyncio
import contextlib
import math
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from realtime_lab.errors import InvalidSetting, NotConnected, UnknownFault
from realtime_lab.history.journal import Journal
from realtime_lab.lab.loop_thread import LoopThread
from realtime_lab.lab.side_channel import SideChannel
from realtime_lab.lab.tab_client import Life, TabClient
from realtime_lab.net.link import Link

SWITCHED_ON = {"retries": 3, "ack_timeout": 1.0}
"""What the page's switch for retries turns on."""
RELOAD_LIMIT = 10.0
"""Seconds that a page has to come back."""


class TabSettings:
    """What the client of a tab is made with. The words are those of `realtime_lab.Client`, the times seconds.

    retries         how often an event is sent again (socket.io-client's `retries`); None: never
    ack_timeout     socket.io-client's `ackTimeout`. None with retries: then each acknowledged event is sent again and again
    ids             True: each event has a unique id, so that a server with `dedupe` applies it once
    keep_offset     True: the offset is kept in localStorage, over a refresh
    """

    def __init__(
        self, *, retries: float | None = None, ack_timeout: float | None = None, ids: bool = False, keep_offset: bool = False
    ) -> None:
        if retries is not None and (isinstance(retries, bool) or not isinstance(retries, (int, float)) or not retries >= 1):
            raise InvalidSetting(f"retries={retries!r} is not a number of tries. Give 1 or more, math.inf, or None.")
        if ack_timeout is not None and (isinstance(ack_timeout, bool) or not 0 < ack_timeout < math.inf):
            raise InvalidSetting(f"ack_timeout={ack_timeout!r} is not a time. Give seconds, more than 0, or None.")
        self.retries, self.ack_timeout, self.ids, self.keep_offset = retries, ack_timeout, ids, keep_offset

    def for_page(self) -> dict[str, Any]:
        """In JavaScript's words and milliseconds. With `ids` the page gets a new client id: it lives and dies with the counter."""
        return {
            "retries": min(self.retries or 0, 1_000_000_000),
            "ackTimeout": round(1000 * (self.ack_timeout or 0)),
            "clientId": uuid4().hex if self.ids else None,
            "keepOffset": self.keep_offset,
        }

    def switched(self, asked: Mapping[str, Any]) -> "TabSettings":
        """As the page's switches want it."""
        now: dict[str, Any] = {"retries": self.retries, "ack_timeout": self.ack_timeout, "ids": self.ids, "keep_offset": self.keep_offset}
        if "retries" in asked:
            now |= SWITCHED_ON if asked["retries"] else dict.fromkeys(SWITCHED_ON)
        if "ids" in asked:
            now |= {"ids": bool(asked["ids"])}
        if "keep" in asked:
            now |= {"keep_offset": bool(asked["keep"])}
        return TabSettings(**now)


class Tab:
    """`carol`: emit(), refresh(), connected, and her link, with the same words as the other participants."""

    asks = has_outbox = True
    replays = False
    handles: tuple[str, ...] = ()
    halted: int | None = None

    def __init__(self, name: str, link: Link, shown_link: Any, settings: TabSettings, *, journal: Journal, thread: LoopThread) -> None:
        self.name = name
        self.proxy = link
        """The link itself; it belongs to the lab's thread."""
        self.link = shown_link
        """The link, to be used from cells."""
        self.settings = settings
        self.address = ""
        """Of its page. Whoever knows it can open the tab."""
        self._thread = thread
        self.client = TabClient(name, journal, self._opening)

    def serve(self, side: SideChannel) -> None:
        """Let its page be loaded."""
        side.add(self.client, self._asked)
        self._side = side
        self.address = f"{side.origin}{side.path(self.name)}"

    @property
    def connected(self) -> bool:
        """Does the page believe that it is connected?"""
        return self._thread.call(lambda: self.client.connected)

    @property
    def offset(self) -> int | None:
        """The offset of the last stored event that came."""
        return self._thread.call(lambda: self.client.offset)

    @property
    def opened(self) -> bool:
        """Is its page open?"""
        return self._thread.call(lambda: self.client.life is not None)

    def emit(self, event: str, data: Any = None, *, volatile: bool = False, ack: bool = False, ack_timeout: float | None = None) -> None:
        """The page emits an event; returns at once. `ack`, `ack_timeout` (seconds): it asks for an acknowledgement.

        Raises NotConnected if the page is not open, ReservedName, NotSerialisable.
        """
        options: dict[str, Any] = {"volatile": volatile, "ack": ack, "ack_timeout": ack_timeout}
        self._thread.call(partial(self.client.emit, event, data, **options))

    async def refresh(self, **settings: Any) -> None:
        """The page is loaded anew, as by F5; with other settings, if any are given. Returns when it is connected, if its link lets it.

        Raises NotConnected if it is not open, or does not come back; InvalidSetting.
        """
        await self._thread.run(self._refresh(settings))

    async def until_opened(self, timeout: float, *, but: Life | None = None) -> bool:
        """Wait for a page (not the one of this life), and until it is connected if its link lets it.

        False: none came within `timeout` seconds.
        """
        return await self._thread.run(self._until_opened(timeout, but))

    def resume(self) -> None:
        """A page never halts. Raises UnknownFault."""
        raise UnknownFault(f"{self.name} is a browser's tab: it never halts.")

    def skip(self, offset: int) -> None:
        """A page never halts. Raises UnknownFault."""
        self.resume()

    async def _refresh(self, settings: dict[str, Any]) -> None:
        if settings:
            self.settings = TabSettings(**settings)
        before = self.client.life
        self.client.refresh()
        if not await self._until_opened(RELOAD_LIMIT, before):
            raise NotConnected(f"{self.name}'s page did not come back within {RELOAD_LIMIT:.0f} s.")

    async def _until_opened(self, timeout: float, but: Life | None) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self.client.life in (None, but) or (self.proxy.state == "open" and not (self.client.connected and self.client.idle)):
                    self.client.changed.clear()
                    await self.client.changed.wait()
        return self.client.life not in (None, but)

    def _opening(self) -> dict[str, Any]:
        """What a page is told first."""
        url = urlsplit(self.proxy.url)
        link = {"port": url.port, "token": parse_qs(url.query)["token"][0], "side": self._side.port}
        return {"link": link, "settings": self.settings.for_page(), "before": self.client.emissions}

    def _asked(self, asked: Mapping[str, Any]) -> None:
        """What its page asks of the lab."""
        match asked["ask"]:
            case "offline":
                self.proxy.cut()
            case "online":
                self.proxy.restore()
            case "settings":
                self.settings = self.settings.switched(asked)
                self.client.refresh()
            case other:
                raise InvalidSetting(f"a page cannot ask for {other!r}.")

    def __repr__(self) -> str:
        return f"<{self.name}'s tab: {self.client.state}, link {self.proxy.state}>"
