"""Reads a schedule out of a journal: what people did, and not what followed from it by itself.

What is promised: exact faults, and what is done by hand while the lab is at rest, come out with equal fates. Times are coarse: a step that
came while something was under way follows after a `wait` of tenths of a second. Races by hand inside a few milliseconds are not repeated.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from realtime_lab.history.copies import SERVER
from realtime_lab.history.journal import Event
from realtime_lab.lab.schedule import Schedule, Step, option_text, parse
from realtime_lab.lab.verbs import LONGEST, MOST, START

PASSED_ON = "chat message"
"""What the lab's own handler passes on."""

_CALL = re.compile(
    r'(?P<verb>\w+)\((?:"(?P<stalled>\w+)"(?:, )?)?(?:(?P<side>before|after)=(?:(?P<packet>\d+)|"(?P<message>.*#\d+)"))?'
    r'(?:, direction="(?P<direction>\w+)")?(?:, attempt=(?P<attempt>\d+))?\)'
)
_SETTING = re.compile(r"(?P<verb>\w+) = (?P<value>.+)")
_CRASH = re.compile(r'lab\.server\.crash\(at="(?P<at>\w+)"(?:, nth=(?P<nth>\d+))?\)')


def joined_text(options: Mapping[str, Any]) -> str:
    """The options of a join, for the record. A store is named without its folder."""
    store = options.get("store")
    named = {} if store is None else {"store": re.sub(r"[:\0]", "_", re.split(r"[/\\]", str(store))[-1])}
    return " ".join(option_text(name, value) for name, value in {**options, **named}.items())


def schedule_of(events: Sequence[Event], rests: Sequence[int], server: Mapping[str, Any], notes: Iterable[str] = ()) -> Schedule:
    """The schedule of a journal. `rests`: how long the journal was whenever the lab was at rest; `server`: options of `server.start`."""
    reader = _Reader(events)
    done: list[Step] = [Step("start", SERVER, options=tuple(server.items()))] if server else []
    before: Event | None = None
    for event, step in reader.steps:
        pause = [] if before is None or _begins(done, step) else _pause(before, event, rests)
        done += pause
        before = event
        merged = None if pause or not done else _merged(done[-1], step)
        done[-1:] = [done[-1], step] if merged is None and done else [merged or step]
    if before is not None:
        done += _pause(before, events[-1], rests, last=True)
    return Schedule(tuple(done), tuple(dict.fromkeys([*notes, *reader.notes])))


def _begins(done: Sequence[Step], step: Step) -> bool:
    """Have all only joined so far? How long that took is of no interest."""
    return all(each.verb in ("join", "prepare") or (each.who, each.verb) == START for each in (*done, step))


def _pause(before: Event, event: Event, rests: Sequence[int], *, last: bool = False) -> list[Step]:
    """What to wait for between two steps."""
    found = bisect_right(rests, before.seq)
    end = event.seq + 1 if last else event.seq
    if found < len(rests) and rests[found] <= end:
        return [Step("settle")]
    gap = event.time - before.time
    return [Step("wait", values=(min(max(0.1, round(gap, 1)), LONGEST),))] if gap >= 0.05 else []


def _merged(one: Step, two: Step) -> Step | None:
    """Two sends as one, if the second one sends the next number."""
    if (one.verb, one.who, one.values[:1], len(one.values), len(two.values)) != (two.verb, two.who, two.values[:1], 2, 2):
        return None
    first, latest, number = one.values[1], one.values[1] if one.last is None else one.last, two.values[1]
    if type(latest) is not int or type(number) is not int or number != latest + 1 or number - first >= MOST:
        return None
    return Step(one.verb, one.who, one.values, last=number)


class _Reader:
    """`steps`: each with the event of the journal that tells of it."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.notes: list[str] = []
        self._steps: list[tuple[Event, Step]] = []
        self._halted: set[str] = set()
        self._prepared: set[str] = set()
        self._foreign: set[str] = set()
        """Who takes part in another way than our clients."""
        self._erased = False
        for event in events:
            if event.kind == "left":
                self._never_came(event.node)
            elif event.node not in self._foreign and (step := self._step(event)) is not None:
                self._steps.append((event, step))
        self.steps = self._with_joins(events)

    def _step(self, event: Event) -> Step | None:
        match event.kind:
            case "joined":
                return self._joins(event)
            case "connecting" if event.node in self._prepared:
                self._prepared.discard(event.node)
                return Step("start", event.node)
            case "emitted" | "stored":
                return self._sends(event)
            case "fault":
                return self._server_fault(event) if event.node == SERVER else _link_fault(event)
            case "refreshed":
                return Step("refresh", event.node)
        self._note(event)
        return None

    def _note(self, event: Event) -> None:
        match event.kind:
            case "halted":
                self._halted.add(event.node)
            case "resumed" | "skipped" if event.node in self._halted:
                self._halted.discard(event.node)
                self.notes.append(f"{event.node} had halted, and went on: that is not part of it")
            case "disconnected" if event.node != SERVER and event.reason == "server disconnect":
                self.notes.append(f"{event.node}'s connection was ended by the server: that is not part of it")

    def _joins(self, event: Event) -> Step | None:
        if event.reason:
            what = {"wire": "a client of its own", "tab": "a tab of a browser"}[event.reason]
            self.notes.append(f"{event.node} was {what}: it is not part of it")
            self._foreign.add(event.node)
            return None
        self._prepared.add(event.node)
        return Step("prepare", event.node, (f"x.prepare {event.text}",))

    def _never_came(self, name: str) -> None:
        self._steps = [(event, step) for event, step in self._steps if step.who != name]
        self._prepared.discard(name)
        self.notes.append(f"{name} tried to join, and could not: that is not part of it")

    def _sends(self, event: Event) -> Step | None:
        if event.node != SERVER:
            return Step("volatile" if event.reason == "volatile" else "emit", event.node, (event.event, *self._arguments(event)))
        if event.cause >= 0:
            if event.event != PASSED_ON or event.room:
                self.notes.append("handlers of the server are not part of it")
            return None
        if event.room:
            self.notes.append(f"what the server sent to {event.room!r} only is not part of it")
            return None
        return Step("publish" if event.kind == "stored" else "emit", SERVER, (event.event, *self._arguments(event)))

    def _arguments(self, event: Event) -> tuple[Any, ...]:
        data = self._without_bytes(event.data)
        return () if data is None else data if isinstance(data, tuple) else (data,)

    def _without_bytes(self, data: Any) -> Any:
        """A text carries JSON only."""
        match data:
            case bytes() | bytearray():
                self.notes.append("bytes were sent: the text has a description in their place")
                return f"<{len(data)} bytes>"
            case dict():
                return {key: self._without_bytes(value) for key, value in data.items()}
            case list():
                return [self._without_bytes(value) for value in data]
            case tuple():
                return tuple(self._without_bytes(value) for value in data)
        return data

    def _server_fault(self, event: Event) -> Step | None:
        """What an armed crash does when its event has come is no step; nor is what a new database does on its way."""
        crash = _CRASH.fullmatch(event.reason)
        match event.event:
            case "armed" if crash is not None:
                nth = [("nth", int(crash["nth"]))] if crash["nth"] else []
                return Step("crash", SERVER, options=(("at", crash["at"]), *nth))
            case "crash" if crash is None:
                return Step("crash", SERVER)
            case "new database":
                self._erased = True
                own = max(n for n, (_, step) in enumerate(self._steps) if (step.who, step.verb, step.options) == (SERVER, "crash", ()))
                del self._steps[own]
                return Step("new_database", SERVER)
            case "restart" if self._erased:
                self._erased = False
            case "restart" | "disarm":
                return Step(event.event, SERVER)
            case "trim":
                return Step("trim", SERVER, (event.offset + 1,))
        return None

    def _with_joins(self, events: Sequence[Event]) -> list[tuple[Event, Step]]:
        """A client that is connected before the next step was waited for; with nothing between, it has joined."""
        connected = [(event.seq, event.node) for event in events if event.kind == "connected" and event.node != SERVER]
        result: list[tuple[Event, Step]] = []
        for n, (event, step) in enumerate(self._steps):
            end = self._steps[n + 1][0].seq if n + 1 < len(self._steps) else len(events)
            waited = step.verb == "start" and any(node == step.who and event.seq < seq < end for seq, node in connected)
            before = result[-1][1] if result else step
            if waited and (before.verb, before.who) == ("prepare", step.who):
                result[-1] = (event, Step("join", step.who, options=before.options))
            elif step.verb == "prepare":
                result.append((event, Step("prepare", step.who, options=parse(str(step.values[0])).steps[0].options)))
            else:
                result.append((event, Step("connect", step.who) if waited else step))
        return result


def _link_fault(event: Event) -> Step | None:
    """What an armed fault does when its packet has come is no step."""
    code = event.reason.removeprefix(f"{event.node}.link.")
    if setting := _SETTING.fullmatch(code):
        value = None if setting["value"] == "None" else float(setting["value"])
        return Step(setting["verb"], event.node, (int(value) if value is not None and value.is_integer() else value,))
    call = _CALL.fullmatch(code)
    if call is None:
        raise AssertionError(f"no step is known for {event.reason!r}")
    if call["side"] and event.event != "armed":
        return None
    direction = call["stalled"] or call["direction"]
    options: dict[str, Any] = {"direction": direction} if direction else {}
    if call["side"]:
        options[call["side"]] = int(call["packet"]) if call["packet"] else call["message"]
    if call["attempt"]:
        options["attempt"] = int(call["attempt"])
    return Step(call["verb"], event.node, options=tuple(options.items()))
