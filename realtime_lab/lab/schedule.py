"""A run as a short text that a person can read: what the applications did, what was broken, and where the lab came to rest in between.

    server.start log dedupe; alice.join retries=inf ack_timeout=1; bob.join replay; alice.cut before="chat message #3";
    alice.emit "chat message" 1..5; settle; alice.restore; settle  # and a note

    text       steps, separated by ";" or a new line. From "#" to the end of the line: notes, which a replay shows as warnings
    step       [who.]verb values options
    who        "server", or a participant: a word, or a string in double quotes
    value      JSON. After an event's name: what is sent with it, nothing, one value or several; 1..5 sends five messages
    option     name=value, or name alone for true. A value is JSON, a word, inf, or code: a function, which a text cannot carry

Nothing here is ever executed: a text can do what the table of verbs says, and nothing else.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

from realtime_lab.errors import InvalidSetting, UnknownFault
from realtime_lab.lab.verbs import CODE, MOST, START, Shape, verbs_of
from realtime_lab.rules.cut_point import cut_point

WORD = re.compile(r"[^\W\d]\w*")
BLANK = re.compile(r"[ \t\r]*")
CONSTANTS: dict[str, Any] = {"true": True, "false": False, "null": None}
SPECIAL: dict[str, Any] = {**CONSTANTS, "inf": float("inf"), "code": CODE}


@dataclass(frozen=True)
class Step:
    """One thing that is done. `values` begin with the event's name where something is sent; `last` is the 5 of 1..5."""

    verb: str
    who: str = ""
    values: tuple[Any, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()
    last: int | None = None

    def __str__(self) -> str:
        name = f"{_name(self.who)}." if self.who else ""
        values = "".join(f" {_json(value)}" for value in self.values)
        until = "" if self.last is None else f"..{self.last}"
        return f"{name}{self.verb}{values}{until}" + "".join(f" {option_text(*option)}" for option in self.options)

    @property
    def payloads(self) -> tuple[Any, ...]:
        """What each of its messages carries, as emit() takes it."""
        arguments = self.values[1:]
        if self.last is not None:
            return tuple(range(arguments[0], self.last + 1))
        return (arguments[0] if len(arguments) == 1 and arguments[0] is not None else arguments or None,)


@dataclass(frozen=True)
class Schedule:
    """Steps, and notes about what they leave out. `str()` is the text, `parse` reads it."""

    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return in_one_line(map(str, self.steps), self.notes)


def in_one_line(steps: Iterable[str], notes: Iterable[str]) -> str:
    """The text of a schedule."""
    return "".join(["; ".join(steps), *(f" # {note}" for note in notes)]).strip()


def parse(text: str) -> Schedule:
    """The schedule that a text describes. Raises InvalidSetting, saying where it goes wrong, what is there and what was expected."""
    if not isinstance(text, str):
        raise InvalidSetting(f"a schedule is a text, not {type(text).__name__}: copy it from lab.schedule.")
    return _Reader(text).schedule()


def option_text(name: str, value: Any) -> str:
    """An option as it is written; a function, or what else a text cannot carry, is written as "code"."""
    if value is True:
        return name
    if value is CODE or callable(value):
        return f"{name}=code"
    if value == float("inf"):
        return f"{name}=inf"
    try:
        return f"{name}={value if _is_word(value) and value not in SPECIAL else _json(value)}"
    except TypeError:  # an object of the application's
        return f"{name}=code"


def _name(who: str) -> str:
    return who if _is_word(who) else _json(who)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and WORD.fullmatch(value) is not None


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


class _Reader:
    """Reads one text, from left to right."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._decoder = json.JSONDecoder(parse_constant=_refuse_constant)
        self._joined: set[str] = set()

    def schedule(self) -> Schedule:
        steps: list[Step] = []
        notes: list[str] = []
        while (found := self._next()) or self._at < len(self._text):
            if found in ";\n":
                self._at += 1
            elif found == "#":
                end = self._text.find("\n", self._at)
                note = self._text[self._at + 1 : end if end >= 0 else len(self._text)]
                self._at += 1 + len(note)
                notes += [each.strip() for each in note.split(" # ")]
            else:
                steps.append(self._step(first=not steps))
                if self._next() not in ("", ";", "\n", "#"):
                    self._fail(self._at, 'a ";" before the next step')
        return Schedule(tuple(steps), tuple(notes))

    def _step(self, *, first: bool) -> Step:
        start = self._at
        who, verb = self._head()
        shape = self._shape(who, verb, start)
        if (who, verb) == START and not first:
            self._fail(start, "a step: server.start can only be the first one")
        self._who(who, verb, start)
        values = self._values(shape)
        last = self._until(shape, values)
        options = self._options(shape)
        if verb in ("cut", "stall") and who:
            self._check_place(options, start, stall=verb == "stall")
        return Step(verb, who, values, options, last)

    def _head(self) -> tuple[str, str]:
        name = self._json_value(str, "the name of a participant") if self._next() == '"' else self._word("a step, such as settle")
        if self._next() != ".":
            if name not in verbs_of(""):
                self._fail(self._at, 'a "." and what is done, such as alice.emit' if _is_word(name) else 'a "."')
            return "", name
        self._at += 1
        return name, self._word("what is done")

    def _shape(self, who: str, verb: str, start: int) -> Shape:
        verbs = verbs_of(who)
        if verb not in verbs:
            self._fail(start, f"one of these for {who or 'the lab'}: {', '.join(verbs)}")
        return verbs[verb]

    def _who(self, who: str, verb: str, start: int) -> None:
        """A participant joins once, and before everything else that it does."""
        if who in ("", "server"):
            return
        if (verb in ("join", "prepare")) == (who in self._joined) or not who.strip():
            joins = "another name: this one has joined already" if who in self._joined else f"{_name(who)}.join first"
            self._fail(start, joins)
        self._joined.add(who)

    def _values(self, shape: Shape) -> tuple[Any, ...]:
        if shape.value == "event":
            values = [self._json_value(str, "the name of an event in double quotes")]
            while self._begins_value():
                values.append(self._json_value(object, "a value"))
            return tuple(values)
        if not shape.value:
            return ()
        start = self._skip()
        value = self._json_value(object, shape.value)
        if not shape.takes(value):
            self._fail(start, shape.value)
        return (value,)

    def _until(self, shape: Shape, values: tuple[Any, ...]) -> int | None:
        if shape.value != "event" or not self._text.startswith("..", self._skip()):
            return None
        start = self._at
        self._at += 2
        last: int = self._json_value(int, "the last number")
        if len(values) != 2 or type(values[1]) is not int or not values[1] < last < values[1] + MOST:
            self._fail(start, f"two whole numbers, the second one larger, and {MOST:,} messages at most")
        return last

    def _options(self, shape: Shape) -> tuple[tuple[str, Any], ...]:
        options: dict[str, Any] = {}
        while WORD.match(self._text, self._skip()):
            start = self._at
            name = self._word("an option")
            if name not in shape.options or name in options:
                left = ", ".join(each for each in shape.options if each not in options)
                self._fail(start, f"one of these options, each once: {left}" if left else 'a ";", because this step has no options')
            value = self._option_value()
            takes, expected = shape.options[name]
            if not takes(value):
                self._fail(start, f"{name}={expected}")
            options[name] = value
        return tuple(options.items())

    def _option_value(self) -> Any:
        if self._next() != "=":
            return True
        self._at += 1
        match = WORD.match(self._text, self._skip())
        if match is None:
            return self._json_value(object, "a value")
        self._at = match.end()
        return SPECIAL.get(match[0], match[0])

    def _check_place(self, options: tuple[tuple[str, Any], ...], start: int, *, stall: bool) -> None:
        place = dict(options)
        if stall and place.keys() <= {"direction"}:
            return
        try:
            cut_point(**place)
        except UnknownFault as error:
            raise InvalidSetting(f"{self._where(start)}: {error}") from None

    # -- the smallest pieces ----------------------------------------------------------------------------------------------------------

    def _skip(self) -> int:
        match = BLANK.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._at

    def _next(self) -> str:
        """The next character that is not blank; "" at the end."""
        return self._text[self._skip() : self._at + 1]

    def _word(self, expected: str) -> str:
        match = WORD.match(self._text, self._skip())
        if match is None:
            self._fail(self._at, expected)
        self._at = match.end()
        return match[0]

    def _begins_value(self) -> bool:
        found, word = self._next(), WORD.match(self._text, self._at)
        return bool(found) and (found in '"[{-' or found.isdecimal() or (word is not None and word[0] in CONSTANTS))

    def _json_value(self, kind: type, expected: str) -> Any:
        start = self._skip()
        try:
            value, self._at = self._decoder.raw_decode(self._text, start)
        except (ValueError, RecursionError):
            self._fail(start, expected)
        if not isinstance(value, kind):
            self._fail(start, expected)
        return value

    def _where(self, position: int) -> str:
        return f"character {position + 1} of the schedule"

    def _fail(self, position: int, expected: str) -> NoReturn:
        rest = self._text[position:].split("\n")[0]
        found = f"found {rest[:24]!r}{'…' if len(rest) > 24 else ''}" if rest else "it ends there"
        raise InvalidSetting(f"{self._where(position)}: {found}, expected {expected}.")
