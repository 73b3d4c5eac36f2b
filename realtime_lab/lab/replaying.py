"""Performs a schedule on a new lab, as the cells did that it was taken from."""

import asyncio
import warnings
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from realtime_lab.errors import AlreadyClosed, BufferFull, FaultPending, NotConnected
from realtime_lab.history.copies import SERVER
from realtime_lab.lab.participant import Participant
from realtime_lab.lab.schedule import Schedule, Step, parse
from realtime_lab.lab.starting import Starting
from realtime_lab.lab.verbs import CODE, START

if TYPE_CHECKING:
    from realtime_lab.lab.lab import Lab

SETTINGS = ("latency", "jitter", "bandwidth")


def replaying(start: Callable[..., Starting["Lab"]], text: str, name: str) -> Starting["Lab"]:
    """A lab in which the schedule has been performed. Raises InvalidSetting at once if the text says nothing that can be."""
    schedule = parse(text)
    options = next((dict(step.options) for step in schedule.steps[:1] if (step.who, step.verb) == START), {})

    for note in [*schedule.notes, *_functions(schedule)]:
        warnings.warn(note, stacklevel=3)

    async def begin() -> "Lab":
        lab = await start(name=name, **options)
        try:
            await perform(lab, schedule)
        except BaseException:
            await lab.close()
            raise
        return lab

    return Starting(begin)


def _functions(schedule: Schedule) -> list[str]:
    """What a text cannot carry."""
    return [
        f"{step.who}'s {name} was a function: it is left out" for step in schedule.steps for name, value in step.options if value is CODE
    ]


async def perform(lab: "Lab", schedule: Schedule) -> None:
    """Do each of its steps. What a client refused then it may refuse again; anything else that fails raises here."""
    for step in schedule.steps:
        if (step.who, step.verb) != START:
            await (_of_lab(lab, step) if not step.who else _of_server(lab, step) if step.who == SERVER else _of_participant(lab, step))


async def _of_lab(lab: "Lab", step: Step) -> None:
    if step.verb == "wait":
        await asyncio.sleep(step.values[0])
        return
    with suppress(FaultPending):  # it comes later in the schedule
        await lab.settle()


async def _of_server(lab: "Lab", step: Step) -> None:
    match step.verb:
        case "publish" | "emit":
            send: Callable[[str, Any], Awaitable[object]] = lab.publish if step.verb == "publish" else lab.server.emit
            for data in step.payloads:
                with suppress(AlreadyClosed):  # a server that has crashed sends nothing
                    await send(step.values[0], data)
        case "trim":
            await lab.trim(step.values[0])
        case "new_database":
            await lab.new_database()
        case "restart":
            await lab.server.restart()
        case _:
            getattr(lab.server, step.verb)(**dict(step.options))


async def _of_participant(lab: "Lab", step: Step) -> None:
    name, verb = step.who, step.verb
    options = {key: value for key, value in step.options if value is not CODE}
    if verb == "join":
        await lab.join(name, **options)
        return
    if verb == "prepare":
        await lab.prepare(name, **options)
        return
    participant = lab.participants[name]
    assert isinstance(participant, Participant), "a schedule has clients of ours only"
    match verb:
        case "connect" | "start" | "refresh":
            await getattr(participant, verb)()
        case "emit" | "volatile":
            for data in step.payloads:
                with suppress(NotConnected, BufferFull):
                    (participant.volatile if verb == "volatile" else participant).emit(step.values[0], data)
        case _ if verb in SETTINGS:
            setattr(participant.link, verb, step.values[0])
        case _:
            getattr(participant.link, verb)(**options)
