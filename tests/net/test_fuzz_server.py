"""The server under fire: whatever a peer sends is answered or refused, nothing senseless is on record, and the next one is served."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_lab.errors import RealtimeLabError
from realtime_lab.net import hosting
from realtime_lab.net.body import DEPTH
from realtime_lab.net.client import Client
from realtime_lab.rules.replay import Position, welcome
from tests.examples import examples
from tests.net.harness import CHAT, FAST, RETRIES, Stack, deduping, until
from tests.net.raw_peer import raw_peer
from tests.net.replaying import log_of
from tests.net.test_fuzz_link import MESSAGES

INTO_THE_LOG = "into the log"
NAMES = [CHAT, "echo", INTO_THE_LOG, "nobody", "batch", "session", ""]

TEXT = st.text(max_size=4) | st.sampled_from(["\ud800", "\0", "c:1", "__proto__", "'; DROP TABLE log_events; --"])
DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([2**53, 2**63, 10**99, 1e308, float("inf"), -0.0]) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(TEXT | st.sampled_from(["id", "data", "gone", "_placeholder", "num"]), inner, max_size=3)
    ),
    max_leaves=8,
) | st.sampled_from([1, 50, DEPTH - 1, DEPTH, DEPTH + 1, 400, 900]).map(lambda levels: json.loads("[" * levels + "]" * levels))
NUMBERS = st.integers(0, 6) | st.sampled_from([2**53, 2**53 + 1, 10**20])


@dataclass(frozen=True)
class Single:
    """One event. `ahead`: its number is so much behind the next one; None: `content` is all that it has."""

    name: str
    content: Any
    ahead: int | None
    gone: bool = False


@dataclass(frozen=True)
class Many:
    """A batch of so many events, from so far ahead on."""

    ahead: int
    rows: tuple[Any, ...]


STEPS = st.one_of(
    st.builds(Single, st.sampled_from(NAMES), DATA, st.sampled_from([1, 1, 1, 0, -1, 2])),
    st.builds(Single, st.sampled_from(NAMES), DATA, st.none()),
    st.builds(Single, st.just(CHAT), st.none(), st.sampled_from([1, 0, 2]), st.just(True)),
    st.builds(Many, st.sampled_from([1, 1, 0, -1, 2]), st.lists(DATA, min_size=1, max_size=4).map(tuple)),
)


def depth(value: Any) -> int:
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        each, level = waiting.pop()
        if isinstance(each, (list, dict, tuple)):
            deepest = max(deepest, level)
            waiting += [(part, level + 1) for part in (each.values() if isinstance(each, dict) else each)]
    return deepest


@dataclass
class Model:
    """What the server must know about a client, counted here on its own."""

    last: int = 0
    expected: dict[int, str] = field(default_factory=dict)
    """Acknowledgement id -> "new", "repeat", "gap" or "refused"."""

    def number(self, n: int) -> str:
        if n == self.last + 1:
            self.last = n
            return "new"
        return "gap" if n > self.last else "repeat"


def packet(me: str, ack: int, step: Single | Many, model: Model) -> str:
    """The step as a packet. The model is told what to expect."""
    if isinstance(step, Many):
        first = max(1, model.last + step.ahead)
        text = json.dumps([[first + place, CHAT, row] for place, row in enumerate(step.rows)])
        if depth(step.rows) > DEPTH + 1 or "Infinity" in text:
            model.expected[ack] = "refused"
        else:
            kinds = [model.number(first + place) for place in range(len(step.rows))]
            model.expected[ack] = "new" if "new" in kinds else "batch"
        return f'42{ack}["batch",{json.dumps(text)}]'
    content = step.content
    if step.ahead is not None:
        content = {"id": f"{me}:{max(0, model.last + step.ahead)}", **({"gone": True} if step.gone else {"data": content})}
    model.expected[ack] = expectation(me, step, content, model)
    return f"42{ack}{json.dumps([step.name, content])}".replace("Infinity", "1e999")


def expectation(me: str, step: Single, content: Any, model: Model) -> str:
    sealed = isinstance(content, dict) and ("data" in content or content.get("gone") is True)
    if step.name == "batch" or not sealed or depth((content,)) > DEPTH + 2:
        return "refused"
    if "id" not in content and "data" in content:
        return "unnumbered"
    owner, _, number = content["id"].rpartition(":") if isinstance(content.get("id"), str) else ("", "", "")
    if owner != me or not number.isdecimal() or not 0 < int(number) <= 2**53:
        return "refused"
    return model.number(int(number))


def fits(kind: str, answer: Any, last: int) -> bool:
    """Is this the answer to something of this kind?"""
    assert isinstance(answer["ok"], bool), answer
    match kind:
        case "gap":
            return answer["ok"] is False and answer["retryable"] is True and answer["expected"] <= last + 1
        case "refused":
            return answer["ok"] is False and answer["retryable"] is False and "expected" not in answer
        case _:
            return answer["ok"] or answer["retryable"] is False


@asynccontextmanager
async def under_fire(folder: Path, errors: list[BaseException], **heartbeat: int) -> AsyncIterator[tuple[Stack, Client]]:
    """A server with handlers of every kind, and a client that has nothing to do with what happens."""
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: errors.append(context.get("exception") or RuntimeError(context["message"]))
    )
    async with deduping(folder, **heartbeat) as it:
        it.server.on("echo")(lambda sid, *data: data[0] if data else None)

        @it.server.on(INTO_THE_LOG)
        async def into_the_log(sid: str, *data: Any, tx: Any) -> None:
            await tx.execute("CREATE TABLE IF NOT EXISTS mine (text)")
            await tx.execute("INSERT INTO mine VALUES (?)", (json.dumps(data),))
            await tx.append(CHAT, data[0] if data else None)

        good = Client(it.server.url, replay=True, **FAST, **RETRIES)
        good.on(CHAT)(lambda data=None: it.at_client.append(data))
        it.clients.append(good)
        await good.connect()
        await until(lambda: good.offset == 0)
        yield it, good


async def is_well(it: Stack, good: Client, errors: Iterable[BaseException]) -> None:
    """The other client is served, and whatever went wrong was said by a handler, about its event."""
    assert (await good.emit(CHAT, "well?")).outcome == "acked"
    await until(lambda: good.offset == log_of(it).head and good.idle)
    assert [error for error in errors if not isinstance(error, (RealtimeLabError, TypeError))] == []


async def check_record(it: Stack, me: str, last: int) -> None:
    """What the database says about a client."""
    rows = await log_of(it).transact(lambda tx: tx.execute("SELECT last FROM log_clients WHERE client_id = ?", (me,)))
    assert rows == ([(last,)] if last else [])
    answers = await log_of(it).transact(lambda tx: tx.execute("SELECT n, answer FROM log_answers WHERE client_id = ? ORDER BY n", (me,)))
    assert [n for n, _ in answers] == list(range(1, last + 1))
    assert all(isinstance(json.loads(text)["ok"], bool) and len(text) < 10_000 for _, text in answers)


async def speak(it: Stack, me: str, steps: list[Single | Many]) -> Model:
    model = Model()
    opening = "40" + json.dumps({"realtime_lab": {"client_id": me, "nack": True, "batch": True}})
    async with raw_peer(it.server, opening) as peer:
        await until(peer.heard.__len__)
        await peer.say(*(packet(me, ack, step, model) for ack, step in enumerate(steps)))
        await until(lambda: len(peer.answers) == len(steps))
        for ack, kind in model.expected.items():
            (answer,) = peer.answers[ack]
            assert fits(kind, answer, model.last), (kind, answer)
    return model


def test_every_event_of_any_content_is_answered_and_only_what_was_its_turn_is_on_record(tmp_path: Path) -> None:
    errors: list[BaseException] = []
    names = (f"hostile-{number}" for number in count())
    with asyncio.Runner() as runner:
        stack = under_fire(tmp_path, errors)
        it, good = runner.run(stack.__aenter__())

        @settings(max_examples=examples(60), deadline=None)
        @given(steps=st.lists(STEPS, min_size=1, max_size=8))
        def answered(steps: list[Single | Many]) -> None:
            me = next(names)
            model = runner.run(speak(it, me, steps))
            runner.run(check_record(it, me, model.last))
            runner.run(is_well(it, good, errors))

        answered()
        stored = [each.data for each in runner.run(log_of(it).events())]
        assert it.at_client == stored
        runner.run(stack.__aexit__(None, None, None))


# -- what is no packet at all -----------------------------------------------------------------------------------------------------------


async def shout(it: Stack, opening: str | None, messages: list[str | bytes]) -> None:
    async with raw_peer(it.server, opening) as peer:
        await peer.say(*messages)


async def post(it: Stack, bodies: list[bytes]) -> None:
    """Over long-polling, and never asking for an answer."""
    address = f"{it.server.url}/socket.io/?EIO=4&transport=polling"
    async with aiohttp.ClientSession() as http:
        async with http.get(address) as answer:
            sid = json.loads((await answer.text())[1:])["sid"]
        for body in (b"40", *bodies):
            async with http.post(f"{address}&sid={sid}", data=body) as answer:
                assert answer.status in (200, 400, 500)  # 500: python-engineio's, for a session that has ended just now


RAW = st.one_of(
    MESSAGES.map(lambda text: text.encode("utf-8", "replace").decode()),
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.binary(max_size=20),
)


def test_whatever_a_peer_shouts_the_others_are_served_and_it_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting, "POST_LIMIT", 0.2)
    errors: list[BaseException] = []
    with asyncio.Runner() as runner:
        stack = under_fire(tmp_path, errors, ping_interval=2, ping_timeout=1)
        it, good = runner.run(stack.__aenter__())

        @settings(max_examples=examples(60), deadline=None)
        @given(
            opening=st.sampled_from([None, "40", '40{"realtime_lab":{"client_id":"c","nack":true,"batch":true,"replay":true}}']),
            messages=st.lists(RAW, max_size=6),
            polling=st.booleans(),
        )
        def served(opening: str | None, messages: list[str | bytes], polling: bool) -> None:
            bodies = [each if isinstance(each, bytes) else each.encode() for each in messages]
            runner.run(post(it, bodies) if polling else shout(it, opening, messages))
            runner.run(is_well(it, good, errors))

        served()
        runner.run(until(lambda: it.server.sids == (good.sid,)))  # those who said nothing sensible leave with their heartbeat
        assert len(list(it.server.sio.manager.get_participants("/", None))) == 1
        assert it.server.sio._binary_packet == {}
        runner.run(stack.__aexit__(None, None, None))


# -- who says where it stands -----------------------------------------------------------------------------------------------------------

OFFSETS = st.integers(-1, 5) | DATA


@st.composite
def openings(draw: st.DrawFn) -> tuple[Any, str]:
    """What is announced, and where the offset and the epoch are in it."""
    ours = draw(
        st.fixed_dictionaries(
            {}, optional={"client_id": TEXT, "first": NUMBERS | DATA, "nack": DATA, "batch": DATA, "replay": st.just(True)}
        )
    )
    place = {"offset": draw(OFFSETS), "epoch": draw(st.sampled_from(["THE EPOCH", "", None]) | DATA)}
    if draw(st.booleans()):
        return {"realtime_lab": {**ours, **place, "replay": True}, "mine": draw(DATA)}, "ours"
    return {**place, "mine": draw(DATA)}, "page"


async def announce(it: Stack, auth: Any) -> None:
    epoch, head = log_of(it).epoch, log_of(it).head
    text = json.dumps(auth).replace("THE EPOCH", epoch).replace("Infinity", "1e999")
    said = json.loads(text)
    async with raw_peer(it.server, f"40{text}") as peer:
        place = said.get("realtime_lab", said)
        if not await asyncio.wait_for(peer.accepted(), 5):
            (refusal,) = peer.heard[1:] if peer.heard[0].startswith("0") else peer.heard
            assert json.loads(refusal[2:])["message"].startswith("this server expects: ")
            return
        await until(lambda: any(text.startswith('42["session"') for text in peer.heard))
        (session,) = [json.loads(text[2:])[1] for text in peer.heard if text.startswith('42["session"')]
        known = None if place.get("offset") is None else Position(place.get("epoch") or "", place["offset"])
        expected = welcome(known, epoch=epoch, trimmed=0, head=head)
        assert (session["epoch"], session["offset"], session["reason"]) == (epoch, expected.offset, expected.reason)
        assert known is None or (type(known.offset) is int and 0 <= known.offset <= 2**53 and isinstance(known.epoch, str))


def test_whoever_says_where_it_stands_is_told_the_truth_or_what_is_expected(tmp_path: Path) -> None:
    errors: list[BaseException] = []
    with asyncio.Runner() as runner:
        stack = under_fire(tmp_path, errors)
        it, good = runner.run(stack.__aenter__())
        for number in range(3):
            runner.run(it.server.publish(CHAT, number))

        @settings(max_examples=examples(60), deadline=None)
        @given(opening=openings())
        def told(opening: tuple[Any, str]) -> None:
            runner.run(announce(it, opening[0]))
            runner.run(is_well(it, good, errors))

        told()
        runner.run(stack.__aexit__(None, None, None))
