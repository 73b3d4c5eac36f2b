"""The client of a storm in a process of its own (storm_client.py), as its parent sees it: what it was told to emit, and what it said."""

from pathlib import Path

from tests.soak.child import Child
from tests.soak.down_judge import Life
from tests.soak.listener import effects_of, head_of
from tests.soak.storm_judge import Voice
from tests.soak.storm_schedule import FINN
from tests.soak.watched_link import WatchedLink


class Finn:
    """The client with its link. What he was not told to be safe when he was killed may be lost."""

    def __init__(self, folder: Path, port: int, log: Path) -> None:
        self.store, self.log = folder / f"{FINN.name}.db", log
        self.voice, self.life = Voice(FINN), Life(FINN.name, FINN.red)
        self.link = WatchedLink(port)
        self.child: Child
        self.kept: set[int] = set()
        self._born = 0
        """The last number before his present process."""
        self._known: set[int] | None = None
        """What was known to be safe, or settled, when he was left without disk space; None: he was not."""
        self.settled = False

    async def start(self) -> None:
        await self.link.start()
        self.child = Child(self.heard, "tests.soak.storm_client", self.link.url, FINN.name, self.store)
        await self.child.start()

    async def kill(self) -> None:
        await self.child.kill()
        self._has_room()
        self._born = self.voice.emitted
        await self.child.start()

    async def stop(self) -> None:
        await self.child.stop()
        await self.link.stop()
        self.life.runs = [effects_of(self.store)]
        self.voice.excused = self._emitted - self._safe

    def emit(self, what: str, count: int) -> None:
        self.child.order(what, self.voice.emitted + 1, count)
        self.voice.emitted += count
        self.settled = False

    def full(self, size: int) -> None:
        """His store cannot grow beyond this size. What was not kept by now, and what follows until there is room, may be rejected."""
        self.child.order("full", size)
        self._known = self._safe

    def room(self) -> None:
        """There is space again: he obeys in order, so what follows is kept."""
        self.child.order("room")
        self._has_room()

    def outcomes(self) -> None:
        """What his present process was not told by now."""
        self.voice.told[""] = {n for n in self._emitted if n > self._born}.difference(*self.voice.told.values())

    @property
    def _emitted(self) -> set[int]:
        return set(range(1, self.voice.emitted + 1))

    @property
    def _safe(self) -> set[int]:
        return self.kept.union(*self.voice.told.values())

    def _has_room(self) -> None:
        if self._known is not None:
            self.voice.full |= self._emitted - self._known
            self._known = None

    def mend(self) -> None:
        """Nothing is in his way any more. He says so when everything that he emitted is finished."""
        self.link.disarm()
        self.link.latency = 0
        self.link.restore()
        self.room()
        self.child.order("settle")

    @property
    def moved(self) -> tuple[int, int, int]:
        """How far he is."""
        return len(self.kept), sum(map(len, self.voice.told.values())), len(effects_of(self.store))

    def heard(self, what: str, *words: str) -> None:
        """He has said so."""
        match what:
            case "session":
                self.life.told(int(words[0]), words[1] if len(words) > 1 else "", least=0, head=head_of(self.log), trims=[])
            case "settled":
                self.settled = True
            case "kept":
                self.kept |= set(map(int, words))
            case "because":
                self.voice.because[int(words[0])] = " ".join(words[1:])
            case "acked" | "misanswered" | "rejected" | "unknown":
                self.voice.told.setdefault(what, set()).update(map(int, words))
