"""Deeds: reads out of a journal what people did, and not what followed from it by itself."""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

from realtime_lab.history.copies import SERVER
from realtime_lab.history.journal import Event
from realtime_lab.lab.schedule import Step, option_text, parse

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


class Deeds:
    """`steps`: each with the event of the journal that tells of it."""

    def __init__(self) -> None:
        self.notes: dict[str, None] = {}
        self.steps: list[tuple[Event, Step]] = []
        self._connected: dict[str, list[int]] = defaultdict(list)
        """Client -> when it said that it was connected."""
        self._halted: set[str] = set()
        self._prepared: set[str] = set()
        self._foreign: set[str] = set()
        """Who takes part in another way than our clients."""
        self._erased = False

    def feed(self, event: Event) -> bool:
        """Take in the next journal event. True: something that had been taken for a step is none."""
        before = len(self.steps)
        if event.kind == "left":
            self._never_came(event.node)
            return True
        if event.kind == "connected" and event.node != SERVER:
            self._connected[event.node].append(event.seq)
        if event.node not in self._foreign and (step := self._step(event)) is not None:
            self.steps.append((event, step))
            return len(self.steps) <= before
        return False

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

    def _say(self, note: str) -> None:
        self.notes[note] = None

    def _note(self, event: Event) -> None:
        match event.kind:
            case "halted":
                self._halted.add(event.node)
            case "resumed" | "skipped" if event.node in self._halted:
                self._halted.discard(event.node)
                self._say(f"{event.node} had halted, and went on: that is not part of it")
            case "disconnected" if event.node != SERVER and event.reason == "server disconnect":
                self._say(f"{event.node}'s connection was ended by the server: that is not part of it")

    def _joins(self, event: Event) -> Step | None:
        if event.reason:
            what = {"wire": "a client of its own", "tab": "a tab of a browser"}[event.reason]
            self._say(f"{event.node} was {what}: it is not part of it")
            self._foreign.add(event.node)
            return None
        self._prepared.add(event.node)
        return Step("prepare", event.node, (f"x.prepare {event.text}",))

    def _never_came(self, name: str) -> None:
        self.steps = [(event, step) for event, step in self.steps if step.who != name]
        self._prepared.discard(name)
        self._say(f"{name} tried to join, and could not: that is not part of it")

    def _sends(self, event: Event) -> Step | None:
        if event.node != SERVER:
            return Step("volatile" if event.reason == "volatile" else "emit", event.node, (event.event, *self._arguments(event)))
        if event.cause >= 0:
            if event.event != PASSED_ON or event.room:
                self._say("handlers of the server are not part of it")
            return None
        if event.room:
            self._say(f"what the server sent to {event.room!r} only is not part of it")
            return None
        return Step("publish" if event.kind == "stored" else "emit", SERVER, (event.event, *self._arguments(event)))

    def _arguments(self, event: Event) -> tuple[Any, ...]:
        data = self._without_bytes(event.data)
        return () if data is None else data if isinstance(data, tuple) else (data,)

    def _without_bytes(self, data: Any) -> Any:
        """A text carries JSON only."""
        match data:
            case bytes() | bytearray():
                self._say("bytes were sent: the text has a description in their place")
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
                own = max(n for n, (_, step) in enumerate(self.steps) if (step.who, step.verb, step.options) == (SERVER, "crash", ()))
                del self.steps[own]
                return Step("new_database", SERVER)
            case "restart" if self._erased:
                self._erased = False
            case "restart" | "disarm":
                return Step(event.event, SERVER)
            case "trim":
                return Step("trim", SERVER, (event.offset + 1,))
        return None

    def with_joins(self, first: int, end: int) -> Iterator[tuple[Event, Step]]:
        """Some of the steps. A client that is connected before the next one was waited for; with nothing between, it has joined."""
        for n in range(first, end):
            event, step = self.steps[n]
            if step.verb == "prepare" and n + 1 < len(self.steps) and self._waited(n + 1, step.who):
                continue
            if step.verb == "prepare":
                yield event, Step("prepare", step.who, options=_options(step))
            elif step.verb == "start" and self._waited(n, step.who):
                prepared = self.steps[n - 1][1] if n else step
                joined = (prepared.verb, prepared.who) == ("prepare", step.who)
                yield event, Step("join", step.who, options=_options(prepared)) if joined else Step("connect", step.who)
            else:
                yield event, step

    def _waited(self, n: int, who: str) -> bool:
        """Does this step start this client, and was it connected before the next step?"""
        event, step = self.steps[n]
        after = bisect_right(self._connected[who], event.seq)
        ends = self.steps[n + 1][0].seq if n + 1 < len(self.steps) else inf
        return (step.verb, step.who) == ("start", who) and after < len(self._connected[who]) and self._connected[who][after] < ends


def _options(prepare: Step) -> tuple[tuple[str, Any], ...]:
    return parse(str(prepare.values[0])).steps[0].options


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
