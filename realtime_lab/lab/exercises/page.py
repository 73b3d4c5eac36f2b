"""Lesson 09: a page that loses nothing over a refresh. A class that decides what is kept in localStorage, and under which keys."""

import json
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from realtime_lab.errors import FaultPending
from realtime_lab.lab.exercise import Case, Exercise, Finding
from realtime_lab.lab.guard import Guard, brief
from realtime_lab.lab.lab import Lab
from realtime_lab.lab.participant import Participant
from realtime_lab.lab.starting import CALM
from realtime_lab.lab.trial import SWIFT

EVENT = "message"
NUMBERS = ("one", "two", "three", "four")
"""What the messages of a user say."""


class Page(Protocol):
    """What a learner writes. Each loading of the page makes a new one."""

    def __init__(self, storage: "Storage") -> None:
        """The page was loaded. `storage` is the same one after a refresh; nothing else is."""

    def emit(self, text: str) -> None:
        """The user has written a message. Perhaps there is no connection."""

    def waiting(self) -> list[tuple[str, str]]:
        """What the server has not acknowledged, in order: (key, text). There is a connection, and the first of them is sent."""

    def acknowledged(self, key: str) -> None:
        """The server has stored the message with this key, now or earlier."""


class Storage(MutableMapping[str, Any]):
    """As localStorage with JSON: what is read is a copy, and to change what is stored it must be stored again."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def __getitem__(self, name: str) -> Any:
        return json.loads(self._texts[name])

    def __setitem__(self, name: str, value: Any) -> None:
        self._texts[name] = json.dumps(value)

    def __delitem__(self, name: str) -> None:
        del self._texts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


@dataclass
class _User:
    """Somebody with a browser. The page's client is bare: what it is given leaves at once, or is refused."""

    guard: Guard
    lab: Lab
    answer: Any
    client: Participant
    storage: Storage = field(default_factory=Storage)
    written: list[str] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    sends: int = 0
    wrong: str = ""

    def load(self) -> None:
        self.page = self.guard.call(self.answer, self.storage)

    async def does(self, step: str) -> None:
        """One of STEPS."""
        match step.split():
            case ["emits"]:
                self.written.append(f"{self.client.name}'s {NUMBERS[len(self.written)]}")
                self.guard.call(self.page.emit, self.written[-1])
            case ["offline"]:
                self.client.link.cut()
            case ["cut", side]:
                self.client.link.cut(**{side: f"{EVENT} #{self.sends + 1}"})
            case ["online"]:
                self.client.link.restore()
            case ["refresh"]:
                await self.client.refresh()
                self.load()
        await self._send()

    async def _send(self) -> None:
        """As long as something waits, and the connection holds."""
        await self._rest()
        while not self.wrong and self.client.connected and (waiting := self._waiting()):
            key, text = waiting[0]
            if text in self.acknowledged:
                self.wrong = f"{text}: given out again, although it was acknowledged."
                return
            self.sends += 1
            if (await self.client.emit(EVENT, {"key": key, "text": text})).outcome != "acked":
                await self._rest()
                return
            self.acknowledged.append(text)
            self.guard.call(self.page.acknowledged, key)

    async def _rest(self) -> None:
        """Every break is noticed, and who can be connected is."""
        with suppress(FaultPending):  # nothing has left yet
            await self.lab.settle()

    def _waiting(self) -> list[tuple[str, str]]:
        said = self.guard.call(self.page.waiting)
        if not isinstance(said, (list, tuple)) or not all(_is_pair(each) for each in said):
            raise self.guard.fail(f'waiting() returned {brief(said)}. Return a list of pairs (key, text), both texts: [("a1", "hello")].')
        for _, text in said:
            if text not in self.written:
                raise self.guard.fail(f"waiting() returned {brief(said)}, but {brief(text)} was never emitted.")
        return [(key, text) for key, text in said]


def _is_pair(each: Any) -> bool:
    return isinstance(each, (list, tuple)) and len(each) == 2 and all(isinstance(part, str) and part for part in each)


async def _play(guard: Guard, answer: Any, scripts: dict[str, tuple[str, ...]]) -> Finding | None:
    _separate(guard, answer)
    async with guard.lab(log=True, **CALM) as lab:
        await lab.query("CREATE TABLE messages (key TEXT UNIQUE, text TEXT)")

        @lab.server.on(EVENT)  # type: ignore[untyped-decorator]
        async def store(sid: str, data: dict[str, str], tx: Any) -> None:
            await tx.execute("INSERT INTO messages VALUES (?, ?) ON CONFLICT DO NOTHING", (data["key"], data["text"]))

        users = []
        for name, script in scripts.items():
            user = _User(guard, lab, answer, await lab.join(name, ack_timeout=10.0, **SWIFT))
            users.append(user)
            user.load()
            for step in script:
                await user.does(step)
        rows = [text for (text,) in await lab.query("SELECT text FROM messages ORDER BY rowid")]
        wrong = next(filter(None, (_judged(user, rows) for user in users)), "")
        return Finding(f"In the database: {', '.join(rows) or 'nothing'}.\n{wrong}", lab.figure()) if wrong else None


def _separate(guard: Guard, answer: Any) -> None:
    """Whoever keeps something in the class, or in a global variable, would find it again after a refresh here, and not in a browser."""
    guard.call(guard.call(answer, Storage()).emit, "hello")
    if guard.call(guard.call(answer, Storage()).waiting):
        raise guard.fail("a page whose storage is empty knows the message of another page. Only what is in `storage` may survive.")


def _judged(user: _User, rows: list[str]) -> str:
    if user.wrong:
        return user.wrong
    own = [text for text in rows if text in user.written]
    if missing := [text for text in user.written if text not in own]:
        lost, known = "never stored, and nobody will send it any more", "acknowledged, and not stored: its key was there already"
        return f"{missing[0]}: {known if missing[0] in user.acknowledged else lost}."
    if twice := [text for text in user.written if own.count(text) > 1]:
        return f"{twice[0]}: stored twice, under two keys."
    return "That is not the order in which they were emitted." if own != user.written else ""


WORDS = {
    "emits": "she emits a message", "offline": "her link is cut", "online": "it comes back", "refresh": "she refreshes the page",
    "cut before": "her link will break before the next message", "cut after": "her link will break after the next message",
}  # fmt: skip
"""A step -> what happens."""
SCRIPTS = (
    ("emits",),
    ("offline", "emits", "online"),
    ("emits", "refresh", "emits"),
    ("offline", "emits", "refresh", "online"),
    ("cut before", "emits", "online"),
    ("cut after", "emits", "online"),
    ("cut before", "emits", "refresh", "online"),
    ("cut after", "emits", "refresh", "online"),
    ("offline", "emits", "emits", "online"),
    ("offline", "emits", "emits", "refresh", "online"),
    ("offline", "emits", "refresh", "emits", "online"),
    ("offline", "emits", "refresh", "refresh", "online"),
    ("offline", "emits", "emits", "cut before", "online", "refresh", "online"),
    ("offline", "emits", "emits", "cut after", "online", "refresh", "online"),
    ("emits", "offline", "emits", "refresh", "emits", "online", "emits"),
)


def _case(*scripts: tuple[str, ...]) -> Case:
    told = [f"{name}: {'; '.join(WORDS[step] for step in script)}" for name, script in zip(("carol", "dora"), scripts, strict=False)]
    return Case(". ".join(told), "", partial(_play, scripts=dict(zip(("carol", "dora"), scripts, strict=False))))


PAGE = Exercise(
    "page",
    promise="over every break and every refresh, each message is stored once, in order; what was acknowledged is not sent again.",
    not_checked="what the server sends (lesson 07), two tabs of one user, a storage that is full or cleared, and the JavaScript client.",
    shape=Page,
    cases=(*(_case(script) for script in SCRIPTS), _case(("offline", "emits", "online"), ("offline", "emits", "online"))),
    together=6,
)
