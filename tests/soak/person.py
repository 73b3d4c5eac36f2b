"""One participant of labs that are started again and again: what its application handed in, was told and was given."""

import math
from pathlib import Path
from typing import Any

from realtime_lab import Lab
from realtime_lab.lab.participant import Participant, Sent
from tests.soak.down_judge import Life
from tests.soak.down_schedule import Role
from tests.soak.listener import DEPOSIT, NEWS, PATIENT, SURPRISING, answer_to, head_of, keep, outcome_of, words_of
from tests.soak.storm_judge import Voice


class Person:
    """The same one in all the labs, because it has a store."""

    def __init__(self, role: Role, folder: Path) -> None:
        self.role, self.store = role, folder / f"{role.name}.db"
        self.voice, self.life = Voice(role), Life(role.name)
        self.sent: dict[int, tuple[str | None, Sent]] = {}
        """Of the present lab: number -> what is to be answered, and what is."""
        self.inside: Participant

    async def join(self, lab: Lab, log: Path) -> None:
        """Take part in this lab."""
        self.life.runs.append([])
        options = {
            "store": self.store,
            "replay": True,
            "retries": math.inf,
            "batch": self.role.batch,
            "transports": self.role.transports,
        }
        self.inside = inside = await lab.prepare(self.role.name, **PATIENT, **options)

        @inside.on("session")
        def told(said: dict[str, Any]) -> None:
            self.life.told(said["offset"], said["reason"], least=0, head=head_of(log), trims=[])

        @inside.on(NEWS)
        async def news(name: str) -> None:
            async with inside.transaction() as tx:
                await keep(tx, name)

        await inside.start()

    def emit(self, count: int) -> None:
        """Hand so many to the lab."""
        for _ in range(count):
            self.voice.emitted += 1
            name = f"{self.role.name} {self.voice.emitted}"
            self.sent[self.voice.emitted] = answer_to(DEPOSIT, name), self.inside.emit(DEPOSIT, name)

    @property
    def told(self) -> bool:
        """Was it told what became of everything that it has handed to this lab?"""
        return all(sent.fate is not None for _, sent in self.sent.values())

    def outcomes(self) -> None:
        """What it was told about it."""
        for n, (answer, sent) in self.sent.items():
            outcome = outcome_of(sent.fate, answer)
            if sent.fate is not None and outcome in SURPRISING:
                self.voice.because[n] = words_of(sent.fate)
            self.voice.told.setdefault(outcome, set()).add(n)
        self.sent.clear()
