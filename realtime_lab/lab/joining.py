"""Who takes part in a lab: each gets a link of its own, and leaves again. On the lab's thread."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from realtime_lab.errors import InvalidSetting, NameTaken
from realtime_lab.history.copies import SERVER
from realtime_lab.history.lanes import LOG
from realtime_lab.lab.loop_thread import LoopThread
from realtime_lab.lab.on_thread import OnThread
from realtime_lab.lab.participant import LINK, Outgoing, Participant
from realtime_lab.lab.recorded import Recorded
from realtime_lab.lab.scheduling import joined_text
from realtime_lab.lab.starting import client_options
from realtime_lab.lab.tab import Tab, TabSettings
from realtime_lab.lab.tabs import Tabs
from realtime_lab.net.link import Link


class Joining:
    """`record` is the lab's: its journal, its links and its participants. `port`: where the server listens."""

    def __init__(
        self, record: Recorded, thread: LoopThread, outgoing: Outgoing, *, token: str, port: Callable[[], int], folder: Callable[[], Path]
    ) -> None:
        self._record, self._thread, self._outgoing = record, thread, outgoing
        self._token, self._port, self._folder = token, port, folder
        self.tabs = Tabs(token)

    def for_cells(self, link: Link) -> OnThread:
        """The link as a cell gets it."""
        return OnThread(link, self._thread, f"{link.name}.link", LINK, before=self._outgoing.flush)

    async def link(self, name: str, how: str, options: str = "") -> Link:
        """A new link; `how` the one who uses it takes part (the `reason` of "joined"). Raises NameTaken, InvalidSetting."""
        links, journal = self._record.links, self._record.journal
        if not isinstance(name, str) or not name.strip():
            raise InvalidSetting(f'a participant needs a name, not {name!r}. For example: await lab.join("alice").')
        if name in (SERVER, LOG, *links):
            raise NameTaken(f"{name!r} is taken. Choose another name (taken: {', '.join([SERVER, LOG, *links])}).")
        observer = partial(journal.record, name)
        link = links[name] = Link("127.0.0.1", self._port(), token=self._token, name=name, observer=observer, witness=self._record)
        journal.record(name, "joined", reason=how, text=options)
        await link.start()
        return link

    async def client(self, name: str, options: dict[str, Any]) -> Participant:
        """A client of ours, not connected yet. Raises NameTaken, InvalidSetting."""
        link = await self.link(name, "", joined_text(options))
        try:
            ours = client_options(options, self._folder)
            participant = Participant(
                name, link, self.for_cells(link), ours, journal=self._record.journal, thread=self._thread, outgoing=self._outgoing
            )
        except BaseException:
            await self.leave(name)
            raise
        self._record.seat(participant)
        return participant

    async def tab(self, name: str, settings: TabSettings) -> Tab:
        """A tab of a browser, whose page can be loaded now. Raises NameTaken, InvalidSetting."""
        link = await self.link(name, "tab")
        tab = Tab(name, link, self.for_cells(link), settings, journal=self._record.journal, thread=self._thread)
        await self.tabs.serve(tab)
        self._record.seat(tab)
        return tab

    async def leave(self, name: str) -> None:
        """It could not join after all."""
        if participant := self._record.participants.pop(name, None):
            await participant.client.close()
        self._record.journal.record(name, "left")
        await self._record.links.pop(name).stop()

    async def close(self) -> None:
        """Everybody leaves."""
        for participant in self._record.participants.values():
            await participant.client.close()
        await self.tabs.stop()
        for link in self._record.links.values():
            await link.stop()
