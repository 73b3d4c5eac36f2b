"""The client under fire: whatever a server tells it about its position, it handles what the rules say, in order and once, and goes on."""

import asyncio
import json
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_lab.errors import RealtimeLabError
from realtime_lab.net.client import Client
from realtime_lab.rules.replay import REASONS, Position, Session, moved
from tests.examples import examples
from tests.net.harness import FAST, Stack, until
from tests.net.replaying import kept_offset, log_of, replaying
from tests.net.test_fuzz_server import DATA

STORED = "stored"
LAST = 10**6
"""The offset of the event that ends a run."""

OFFSETS = st.integers(1, 12)
ODD = DATA | st.sampled_from([0, -1, 2**53, 2**53 + 1, True, 1.5])
JUNK = st.dictionaries(st.sampled_from(["id", "data", "epoch", "offset", "reason", "batch"]), ODD, max_size=6) | ODD
TELL = st.fixed_dictionaries(
    {"epoch": st.sampled_from(["e", "f", ""]), "offset": st.integers(0, 12), "reason": st.sampled_from(REASONS), "batch": st.booleans()}
)
ROWS = st.lists(OFFSETS, min_size=1, max_size=4, unique=True).map(lambda offsets: [[each, STORED, each] for each in sorted(offsets)])
SHUFFLED = ROWS.flatmap(st.permutations)
ODD_ROWS = st.lists(st.tuples(OFFSETS | ODD, st.sampled_from([STORED, "batch", "disconnect", 1]) | DATA, DATA) | DATA, max_size=3) | DATA
STEPS = st.one_of(
    TELL.map(lambda said: ("session", said)),
    st.tuples(OFFSETS | ODD, DATA).map(lambda event: (STORED, {"id": event[0], "data": event[1]})),
    OFFSETS.map(lambda offset: (STORED, {"id": offset, "data": offset})),
    ROWS.map(lambda rows: ("batch", json.dumps(rows))),
    SHUFFLED.map(lambda rows: ("batch", json.dumps(rows))),
    ODD_ROWS.map(lambda rows: ("batch", json.dumps(rows).replace("Infinity", "1e999"))),
    st.tuples(st.sampled_from(["session", "batch", "plain"]), JUNK),
).filter(lambda step: "Infinity" not in json.dumps(step))  # Python would write it, and no peer can read that


def whole(value: Any, least: int) -> bool:
    return type(value) is int and least <= value <= 2**53


@dataclass
class Model:
    """What has to be handled, found out in the simplest way."""

    position: Position
    handled: list[Any] = field(default_factory=list)
    batches: bool = True
    deaf: bool = False

    def receive(self, name: str, said: Any) -> None:
        match name:
            case "session" if self.is_session(said):
                self.deaf, self.batches = False, said.get("batch") is True
                self.position = moved(self.position, Session(said["epoch"], said["offset"], said["reason"]))
            case "batch" if self.batches:
                rows = self.rows(said)
                self.deaf = self.deaf or rows is None
                for offset, event, data in rows or () if not self.deaf else ():
                    self.stored(offset, event, data)
            case "stored" if not self.deaf and whole(said["id"], 1):
                self.stored(said["id"], name, said["data"])

    def stored(self, offset: int, event: str, data: Any) -> None:
        if offset > self.position.offset:
            self.position = Position(self.position.epoch, offset)
            self.handled += [data] if event == STORED else []

    @staticmethod
    def is_session(said: Any) -> bool:
        return (
            isinstance(said, dict) and said.get("reason") in REASONS and isinstance(said.get("epoch"), str) and whole(said.get("offset"), 0)
        )

    @staticmethod
    def rows(said: Any) -> list[Any] | None:
        try:
            rows = json.loads(said)
        except (TypeError, ValueError):
            return None
        if not isinstance(rows, list) or not rows or not all(isinstance(row, list) and len(row) == 3 for row in rows):
            return None
        offsets, names = [row[0] for row in rows], [row[1] for row in rows]
        right = all(whole(each, 1) for each in offsets) and all(isinstance(each, str) for each in names)
        if not right or offsets != sorted(set(offsets)) or {"batch", "session", "disconnect"} & set(names):
            return None
        return rows


async def talk(it: Stack, file: Path, steps: list[tuple[str, Any]]) -> tuple[list[Any], Model]:
    """A server says all this to a client; what its handler was given."""
    given: list[Any] = []
    client = Client(it.server.url, replay=True, batch=True, store=file, **FAST)

    @client.on(STORED)
    def keep(data: Any = None) -> None:
        given.append(data)

    @client.on("plain")
    def ignored(*data: Any) -> None:
        pass

    await client.connect()
    (sid,) = it.server.sids
    closing = [("session", {"epoch": "the end", "offset": 0, "reason": "new"}), (STORED, {"id": LAST, "data": "the end"})]
    model = Model(Position(log_of(it).epoch, 0))
    for name, said in [*steps, *closing]:
        if name != STORED or whole(said["id"], 1):
            model.receive(name, said)
        await it.server.sio.emit(name if name != STORED or whole(said["id"], 1) else "plain", said, to=sid)
    await until(lambda: client.idle and client.offset == LAST)
    assert client.connected
    await client.close()
    assert kept_offset(file) == LAST
    await until(lambda: not it.server.sids)
    return given, model


def test_whatever_a_server_says_the_client_does_as_the_rules_say_and_goes_on(tmp_path: Path) -> None:
    errors: list[Any] = []
    files = (tmp_path / f"{number}.db" for number in count())
    with asyncio.Runner() as runner:
        runner.get_loop().set_exception_handler(lambda loop, context: errors.append(context.get("exception") or context))
        server = replaying(tmp_path)
        it = runner.run(server.__aenter__())

        @settings(max_examples=examples(60), deadline=None)
        @given(steps=st.lists(STEPS, max_size=8))
        def obeys(steps: list[tuple[str, Any]]) -> None:
            given_to_handler, model = runner.run(talk(it, next(files), steps))
            assert given_to_handler == model.handled
            assert [error for error in errors if type(error) is not RealtimeLabError] == []

        obeys()
        runner.run(server.__aexit__(None, None, None))
