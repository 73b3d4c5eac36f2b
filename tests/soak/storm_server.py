"""The server of a storm: python -m tests.soak.storm_server FILE PORT DEDUPE. Orders come as lines.

publish FIRST COUNT [ROOM]    publish so many; says "stored NAME OFFSET", or "refused NAME": nothing was stored
flash FIRST COUNT             emit so many to everybody, without the log; says "flashed FIRST COUNT"
crash NTH [AT]                crash, now or at this point; restart says "restarted"
full BYTES, room              no file may be written beyond this size; as large as they like
calm                          take back a crash that has not happened; says "calm", and what is still to be done, if there is anything
end                           publish that it is the end
"""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from zlib import crc32

from realtime_lab.errors import AlreadyClosed, StoreFailed, TryAgain
from realtime_lab.net.event_log import EventLog
from realtime_lab.net.server import Server
from tests.soak.listener import DEPOSIT, END, FLASH, NEWS, NOT_NOW, NOTE, TELL
from tests.soak.orders import Disk, obey, run, say

EFFECT = "INSERT INTO effects (name) VALUES (?)"


class StormServer:
    """A server and what it is told to do."""

    def __init__(self, file: Path, port: int, *, dedupe: bool, red: set[str]) -> None:
        self.file, self.log = file, EventLog(file)
        self.server = Server(
            port=port, log=self.log, dedupe=dedupe, ping_interval=1, ping_timeout=1,
            authenticate=lambda auth: auth["name"], rooms=lambda name: ["red"] if name in red else [],
        )  # fmt: skip
        self.server.on(DEPOSIT)(self._deposit)
        self.server.on(TELL)(self._tell)
        self.server.on(NOTE)(self._note)
        self.refused: set[tuple[str, int]] = set()
        """What was refused for now, once."""
        self.disk = Disk()
        self.publishing: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        await self.log.open()
        table = "CREATE TABLE IF NOT EXISTS effects (position INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT)"
        await self.log.transact(lambda tx: tx.execute(table))
        await self.log.close()
        await self.server.start()
        say("listening")
        await obey(self._order)
        await self.server.close()

    async def _deposit(self, sid: str, name: str, tx: Any) -> str:
        await tx.execute(EFFECT, (name,))
        self._perhaps_refuse(name, 300)
        return name

    async def _note(self, sid: str, name: str) -> None:
        """Takes a while, in which what is before it in the batch may turn out not to be committed."""
        await asyncio.sleep(crc32(name.encode()) % 5 / 1000)
        self._perhaps_refuse(name, 3)

    def _perhaps_refuse(self, name: str, one_in: int) -> None:
        """Raises TryAgain for some, the first time that this process is asked."""
        if crc32(name.encode()) % one_in == 0 and (name, one_in) not in self.refused:
            self.refused.add((name, one_in))
            raise TryAgain(NOT_NOW)

    async def _tell(self, sid: str, name: str, tx: Any) -> None:
        await tx.execute(EFFECT, (name,))
        await tx.append(NEWS, name)

    async def _order(self, what: str, *words: str) -> None:
        await getattr(self, f"_on_{what}")(*words)

    async def _on_publish(self, first: str, count: str, *to: str) -> None:
        for n in range(int(first), int(first) + int(count)):
            task = asyncio.create_task(self._publish(" ".join([*to, "server", str(n)]), *to))
            self.publishing.add(task)
            task.add_done_callback(self.publishing.discard)

    async def _on_end(self) -> None:
        await self.server.publish(NEWS, END)

    async def _on_flash(self, first: str, count: str) -> None:
        for n in range(int(first), int(first) + int(count)):
            await self.server.emit(FLASH, n)
        say("flashed", first, count)

    async def _on_crash(self, nth: str, at: str | None = None) -> None:
        if self.server.state == "listening":
            self.server.crash(at=at, nth=int(nth))

    async def _on_restart(self) -> None:
        if self.server.state == "crashed":
            await self.server.restart()
            say("restarted")

    async def _on_full(self, size: str) -> None:
        self.disk.full(int(size))

    async def _on_room(self) -> None:
        self.disk.room()

    async def _on_calm(self) -> None:
        self.server.disarm()
        run = self.server._run
        busy = {
            "publishing": self.publishing, "handling": not run._intake.idle, "feeding": not run.guests.idle,
            "something": not self.server.idle,
        }  # fmt: skip
        say("calm", *(what for what, there_is in busy.items() if there_is))

    async def _publish(self, name: str, to: str | None = None) -> None:
        with suppress(AlreadyClosed):  # it has crashed, and nobody knows whether it was committed
            try:
                say("stored", await self.server.publish(NEWS, name, to=to), name)
            except StoreFailed as error:
                if not self.disk.explains(error):
                    raise
                say("refused", 0, name)


if __name__ == "__main__":
    file, port, dedupe, *red = sys.argv[1:]
    server = StormServer(Path(file), int(port), dedupe=dedupe == "True", red=set(red))
    run(server.run, server.disk)
