"""A client in a process of its own: python -m tests.soak.storm_client URL NAME STORE. Orders come as lines.

deposit FIRST COUNT, tell FIRST COUNT    emit so many; says "kept NUMBERS", "acked NUMBERS" ... as it is told so
                                         and "because NUMBER WORDS", where that is a surprise
full BYTES, room                         its store may not be written beyond this size; as large as it likes
settle                                   says "settled" when everything that was emitted is finished

What it is given it writes into a table of its own store, together with the offset.
"""

import asyncio
import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from realtime_lab.net.client import Client
from realtime_lab.net.delivery import Delivery
from tests.soak.listener import EVENTS, EVERY, NEWS, NOTE, PATIENT, SURPRISING, answer_to, keep, outcome_of, words_of
from tests.soak.orders import Disk, obey, run, say

PIECE = 50
"""Events about which it speaks at once."""


class StormClient:
    """A client and what it is told to do."""

    def __init__(self, url: str, name: str, store: Path) -> None:
        self.name, self.store = name, store
        self.client = Client(url, store=store, replay=True, retries=math.inf, batch=True, auth={"name": name}, **PATIENT)
        self.client.on(NEWS)(self._news)
        self.client.on("session")(lambda said: say("session", said["offset"], said["reason"]))
        self.disk = Disk()
        self.watching: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        await self.client.start()
        say("started")
        await obey(self._order)
        await self.client.close()

    async def _news(self, name: str) -> None:
        async with self.client.transaction() as tx:
            await keep(tx, name)

    async def _order(self, what: str, *words: str) -> None:
        match what:
            case "deposit" | "tell":
                first, count = map(int, words)
                self._emit(EVENTS[what], range(first, first + count))
            case "full":
                self.disk.full(int(words[0]))
            case "room":
                self.disk.room()
            case "settle":
                if self.client.settled and self.client.idle and not self.watching:
                    say("settled")
            case _:
                raise AssertionError(what)

    def _emit(self, event: str, numbers: range) -> None:
        names = {n: f"{self.name} {n}" for n in numbers}
        deliveries = []
        for n, name in names.items():
            deliveries.append((n, answer_to(event, name), self.client.emit(event, name)))
            if n % EVERY == 0:
                self.client.emit(NOTE, name)
        for at in range(0, len(deliveries), PIECE):
            task = asyncio.create_task(_watch(deliveries[at : at + PIECE]))
            self.watching.add(task)
            task.add_done_callback(self.watching.discard)


async def _watch(deliveries: list[tuple[int, str | None, Delivery]]) -> None:
    _tell("kept", [n for n, _, delivery in deliveries if await delivery.kept()])
    fates: dict[str, list[Any]] = {}
    for n, answer, delivery in deliveries:
        fate = await delivery
        fates.setdefault(outcome_of(fate, answer), []).append(n)
        if outcome_of(fate, answer) in SURPRISING:
            say("because", n, words_of(fate))
    for outcome, numbers in fates.items():
        _tell(outcome, numbers)


def _tell(word: str, numbers: Iterable[int]) -> None:
    say(word, *numbers)


if __name__ == "__main__":
    url, name, store = sys.argv[1:]
    client = StormClient(url, name, Path(store))
    run(client.run, client.disk)
