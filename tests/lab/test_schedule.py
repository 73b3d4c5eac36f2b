"""A run as a text: what it says, that reading and writing are inverse, and that a replay ends as the original did."""

import asyncio
import json
import math
import re
import threading
import time
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_lab import InvalidSetting, Lab, NotConnected
from realtime_lab.lab.schedule import Schedule, Step, parse
from realtime_lab.lab.verbs import CODE, verbs_of
from tests.course import cells
from tests.examples import examples

SANDBOX = Path(__file__).resolve().parents[2] / "notebooks" / "sandbox.ipynb"
SURE = {"retries": math.inf, "ack_timeout": 1.0}

# -- the text -----------------------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["alice", "bob", "zoë", "the phone", 'say "hi"; then # go', "it's", "a.b", "true", "back\\slash"])
PAYLOADS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3),
    max_leaves=6,
)
EVENTS = st.text(st.characters(codec="utf-8")) | st.just("chat message")
DIRECTIONS = st.sampled_from([[], [("direction", "upstream")], [("direction", "downstream")]])
WHERE = st.sampled_from(
    [[("before", "chat message #3"), ("attempt", 2)], [("after", "say hi #1")], [("before", 7), ("direction", "upstream")]]
)
CLIENT_OPTIONS = st.sampled_from(
    [
        [],
        [("retries", math.inf), ("ack_timeout", 1)],
        [("replay", True), ("store", "alice.db"), ("on_error", "skip")],
        [("send_buffer", False), ("transports", ["polling"]), ("auth", {"name": "a b"}), ("max_age", None)],
        [("auth", CODE), ("retries", 3), ("ack_timeout", 0.25), ("store", "true")],
    ]
)


def sends(who, verb):
    several = st.integers(-9, 9).flatmap(
        lambda first: st.tuples(EVENTS, st.integers(first + 1, first + 9)).map(lambda each: Step(verb, who, (each[0], first), last=each[1]))
    )
    return several | st.builds(lambda event, data: Step(verb, who, (event, *data)), EVENTS, st.lists(PAYLOADS, max_size=3))


def of_participant(name):
    plain = ("connect", "start", "close", "refuse", "accept", "restore", "disarm", "refresh")
    return st.one_of(
        sends(name, "emit"),
        sends(name, "volatile"),
        st.sampled_from(plain).map(lambda verb: Step(verb, name)),
        WHERE.map(lambda options: Step("cut", name, options=tuple(options))) | st.just(Step("cut", name)),
        DIRECTIONS.map(lambda options: Step("stall", name, options=tuple(options))),
        DIRECTIONS.map(lambda options: Step("resume", name, options=tuple(options))),
        st.tuples(st.sampled_from(["latency", "jitter", "bandwidth"]), st.sampled_from([1, 0.25])).map(lambda x: Step(x[0], name, x[1:])),
    )


OTHERS = st.one_of(
    st.just(Step("settle")),
    st.sampled_from([0.1, 3, 60]).map(lambda seconds: Step("wait", values=(seconds,))),
    sends("server", "publish"),
    sends("server", "emit"),
    st.sampled_from(["disarm", "restart", "new_database", "crash"]).map(lambda verb: Step(verb, "server")),
    st.just(Step("crash", "server", options=(("at", "after_commit"), ("nth", 2)))),
    st.integers(0, 99).map(lambda offset: Step("trim", "server", (offset,))),
)


@st.composite
def schedules(draw):
    names = draw(st.lists(NAMES, unique=True, max_size=3))
    start = draw(st.sampled_from([[], [Step("start", "server", options=(("log", True), ("ping_interval", 2)))]]))
    verbs = st.sampled_from(["join", "prepare"])
    joins = [Step(draw(verbs), name, options=tuple(draw(CLIENT_OPTIONS))) for name in names]
    rest = st.lists(st.one_of(OTHERS, *(of_participant(name) for name in names)), max_size=8)
    notes = draw(st.lists(st.sampled_from(["handlers of bob are not part of it", "x"]), max_size=2))
    return Schedule((*start, *joins, *draw(rest)), tuple(notes))


@settings(max_examples=examples(300), deadline=None)
@given(schedules())
def test_what_is_written_is_read_again(schedule):
    text = str(schedule)
    assert parse(text) == schedule
    assert "\n" not in text
    assert str(parse(text)) == text


PIECES = ["alice.emit", "alice", "join", '"x"', "1..3;#[{true\n=\\", "server", "settle", "wait", *'";.#=[]{}\\\n 19-é']


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_any_text_is_read_or_refused_with_a_position(text):
    try:
        parse(text)
    except InvalidSetting as error:
        assert re.match(r"character \d+ of the schedule: ", str(error)) and int(str(error).split()[1]) <= len(text) + 1


EACH = {
    "": ["settle", "wait 0.5"],
    "server": [
        "start log dedupe ping_interval=2 ping_timeout=3",
        'publish "x" 1..3', 'emit "x" null', "crash at=before_ack nth=2", "disarm", "restart",
        "trim 3", "new_database",
    ],
    "alice": [
        "join", 'prepare retries=inf ack_timeout=0.5 auth={"a": 1}', "connect", "start", 'emit "x"', 'volatile "x" [1, 2] "y"',
        'cut after="say hi #2" attempt=2', "close", "stall direction=upstream before=3",
        "resume direction=both", "refuse", "accept", "restore",
        "disarm", "latency 0.1", "jitter 0", "bandwidth null", "refresh",
    ],
}  # fmt: skip


@pytest.mark.parametrize("who", EACH)
def test_every_verb_has_a_text(who):
    assert [line.split()[0] for line in EACH[who]] == list(verbs_of(who))
    for line in EACH[who]:
        before = "alice.join; " if who == "alice" and not line.startswith(("join", "prepare")) else ""
        text = before + (f"{who}.{line}" if who else line)
        assert str(parse(text)) == text


@pytest.mark.parametrize(
    ("text", "position", "found", "expected"),
    [
        ("alice", 6, "it ends there", 'a "."'),
        ("alice.join; alice.sing", 13, "'alice.sing'", "one of these for alice: join"),
        ("alice.join; alice.join", 13, "'alice.join'", "joined already"),
        ("alice.emit", 1, "'alice.emit'", "alice.join first"),
        ("server.sing", 1, "'server.sing'", "one of these for server: start"),
        ("settle; server.start log", 9, "'server.start log'", "the first one"),
        ("settle settle", 8, "'settle'", 'a ";"'),
        ("server.restart now", 16, "'now'", "no options"),
        ("alice.join colour=1", 12, "'colour=1'", "one of these options"),
        ("alice.join replay replay", 19, "'replay'", "one of these options"),
        ('alice.join store="../../x"', 12, "'store=", "without a folder"),
        ('alice.join store="/etc/x"', 12, "'store=", "without a folder"),
        ("alice.join store", 12, "'store'", "the name of a file"),
        ("alice.join; alice.emit chat", 24, "'chat'", "double quotes"),
        ('alice.join; alice.emit "x" 5..3', 29, "'..3'", "the second one larger"),
        ('alice.join; alice.emit "x" 1..999999', 29, "'..999999'", "10,000 messages"),
        ('alice.join; alice.emit "x" [1', 28, "'[1'", "a value"),
        ('alice.join; alice.emit "x" -Infinity', 28, "'-Infinity'", "a value"),
        ("wait", 5, "it ends there", "seconds, up to 60"),
        ("wait 61", 6, "'61'", "seconds, up to 60"),
        ("wait -1", 6, "'-1'", "seconds, up to 60"),
        ("server.trim 1.5", 13, "'1.5'", "an offset"),
        ("server.crash at=lunch", 14, "'at=lunch'", "before_apply"),
        ("alice.join; alice.stall direction=left", 25, "'direction=left'", "upstream"),
        ("alice.join; alice.cut before=3", 13, "", "which direction"),
        ('alice.join; alice.cut before="hello"', 13, "", "names no message"),
        ("alice.join; __import__('os')", 23, "\"('os')\"", 'a "."'),
    ],
)
def test_a_bad_text_says_where_it_goes_wrong(text, position, found, expected):
    with pytest.raises(InvalidSetting) as error:
        parse(text)
    said = str(error.value)
    assert said.startswith(f"character {position} of the schedule: ") and found in said and expected in said, said


def test_what_a_message_carries_is_what_emit_takes():
    sent = [parse(f'alice.join; alice.emit "x"{values}').steps[1].payloads for values in ("", " null", " 1", " [1]", " 1 2", " 1..3")]
    assert sent == [(None,), ((None,),), (1,), ([1],), ((1, 2),), (1, 2, 3)]


def test_new_lines_blanks_and_notes_are_read():
    assert parse('\n alice.join\t; \n\n alice . emit "x" 1 .. 3 # why\nsettle # a # b\n') == Schedule(
        (Step("join", "alice"), Step("emit", "alice", ("x", 1), last=3), Step("settle")), ("why", "a", "b")
    )
    assert parse("").steps == ()


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 10_000])
def test_a_monstrous_text_is_refused(text):
    with pytest.raises(InvalidSetting, match="expected a value"):
        parse(f'alice.join; alice.emit "x" {text}')


def test_what_is_no_text_is_refused():
    with pytest.raises(InvalidSetting, match=r"a text, not Lab"):
        Lab.replay(Lab.__new__(Lab))


# -- from a lab, and back -----------------------------------------------------------------------------------------------------------


async def lose(lab):
    alice, _ = await lab.join("alice"), await lab.join("bob")
    await lab.settle()
    alice.link.cut(before="chat message #3")
    for n in range(1, 6):
        alice.emit("chat message", n)
    await lab.settle()
    with pytest.raises(NotConnected):
        alice.emit("chat message", 6)
    await lab.settle()
    alice.link.restore()


async def repeat(lab):
    alice, bob = await lab.join("alice", **SURE), await lab.join("bob", replay=True, store="bob.db")
    await lab.settle()
    alice.link.cut(after="chat message #1")
    alice.emit("chat message", {"text": 'it\'s # ; "x"', "to": ["bob", None]})
    await lab.settle()
    alice.link.restore()
    await lab.settle()
    bob.link.stall("downstream", before="tick #2")
    await lab.publish("tick")
    await lab.publish("tick", (1, 2))
    await lab.settle()
    bob.link.restore()
    await lab.settle()
    alice.link.latency, alice.link.bandwidth, alice.link.bandwidth = 0.02, 100_000, None
    alice.volatile.emit("chat message", 1)
    await lab.settle()
    alice.link.cut()
    await lab.settle()
    alice.volatile.emit("chat message", 2)
    await lab.settle()
    bob.link.close()
    await lab.settle()
    alice.link.restore()


async def crash(lab):
    alice, bob = await lab.join("alice", **SURE, store="alice.db"), await lab.join("bob", replay=True)
    alice.emit("chat message", 1)
    await lab.settle()
    bob.link.cut()  # who of two comes back first is left to chance, so only one does
    await lab.settle()
    lab.server.crash(at="after_commit", nth=2)
    for n in (2, 3):
        alice.emit("chat message", n)
    await lab.settle()
    await alice.refresh()
    await lab.settle()
    await lab.server.restart()
    await lab.settle()
    bob.link.restore()
    await lab.settle()
    bob.link.cut()
    await lab.settle()
    await lab.publish("chat message", 1)
    await lab.settle()
    await lab.trim(4)
    await lab.settle()
    await lab.new_database()
    await lab.settle()
    bob.link.restore()
    await lab.settle()
    await lab.publish("chat message", 2)
    await lab.settle()
    lab.server.crash()


async def handshake(lab):
    bob, alice = await lab.join("bob"), await lab.prepare("alice", send_buffer=True)
    for n in (3, 4, 6, True, "7", 8):
        bob.emit("note", n)
    alice.link.cut(after=1, direction="upstream")
    await alice.start()
    await lab.settle()
    alice.emit("chat message", "hello")
    await lab.settle()
    bob.link.stall("upstream")
    bob.link.resume("upstream")
    bob.link.refuse()
    bob.link.accept()
    await lab.settle()
    alice.link.restore()


RUNS = {
    lose: (
        {},
        'alice.join; bob.join; settle; alice.cut before="chat message #3"; alice.emit "chat message" 1..5; settle; '
        'alice.emit "chat message" 6; settle; alice.restore; settle',
    ),
    repeat: (
        {"log": True},
        'server.start log; alice.join retries=inf ack_timeout=1.0; bob.join replay store="bob.db"; settle; '
        'alice.cut after="chat message #1"; '
        'alice.emit "chat message" {"text": "it\'s # ; \\"x\\"", "to": ["bob", null]}; settle; alice.restore; settle; '
        'bob.stall direction=downstream before="tick #2"; server.publish "tick"; server.publish "tick" 1 2; settle; '
        "bob.restore; settle; alice.latency 0.02; alice.bandwidth 100000; alice.bandwidth null; "
        'alice.volatile "chat message" 1; settle; alice.cut; settle; alice.volatile "chat message" 2; settle; '
        "bob.close; settle; alice.restore; settle",
    ),
    crash: (
        {"log": True, "dedupe": True, "ping_interval": 2},
        'server.start log dedupe ping_interval=2; alice.join retries=inf ack_timeout=1.0 store="alice.db"; bob.join replay; '
        'alice.emit "chat message" 1; settle; bob.cut; settle; server.crash at=after_commit nth=2; alice.emit "chat message" 2..3; settle; '
        "alice.refresh; settle; server.restart; settle; bob.restore; settle; bob.cut; settle; "
        'server.publish "chat message" 1; settle; server.trim 4; settle; server.new_database; settle; bob.restore; settle; '
        'server.publish "chat message" 2; settle; server.crash; settle',
    ),
    handshake: (
        {},
        'bob.join; alice.prepare send_buffer; bob.emit "note" 3..4; bob.emit "note" 6; bob.emit "note" true; bob.emit "note" "7"; '
        'bob.emit "note" 8; alice.cut direction=upstream after=1; alice.start; settle; '
        'alice.emit "chat message" "hello"; settle; bob.stall direction=upstream; bob.resume direction=upstream; bob.refuse; bob.accept; '
        "settle; alice.restore; settle",
    ),
}


def check_steps(text, expected):
    """A slow machine may have rested between two lines of this file that follow each other at once: more pauses say nothing."""
    steps = list(parse(text).steps)
    for step in parse(expected).steps:
        while steps and steps[0] != step and steps[0].verb in ("settle", "wait"):
            del steps[0]
        assert steps and steps.pop(0) == step, (step, text)
    assert steps == [], text


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.__name__)
def test_a_replay_ends_as_the_original_did(run):
    options, expected = RUNS[run]

    async def main():
        async with Lab.start(name="original", **options) as lab:
            await run(lab)
            await lab.settle()
            text, verdict, figure = lab.schedule, str(lab.verdict()), str(lab.figure())
        check_steps(text, expected)
        async with Lab.replay(text, name="replay") as again:
            assert str(again.verdict()) == verdict
            if run in (lose, handshake):  # in the others a cut runs against the server, and why something was lost may be said otherwise
                assert str(again.figure()) == figure
            check_steps(again.schedule, expected)
            again.check()

    asyncio.run(main())


def test_where_something_was_under_way_there_is_a_wait():
    async def main():
        async with Lab.start() as lab:
            alice = await lab.join("alice", **SURE)
            await lab.settle()
            alice.link.stall()
            alice.emit("chat message", 1)
            await asyncio.sleep(0.4)  # not waiting for something: the pause is what is measured
            alice.link.resume()
            await lab.settle()
            found = re.fullmatch(
                r'alice.join .*; settle; alice.stall; alice.emit "chat message" 1; wait (0\.\d); alice.resume; settle', lab.schedule
            )
            assert found, lab.schedule
            assert 0.4 <= float(found[1]) <= 0.8

    asyncio.run(main())


def test_without_any_settle_the_lab_itself_sees_that_it_is_at_rest():
    async def main():
        async with Lab.start() as lab:
            alice = await lab.join("alice")
            for n in (1, 2):
                alice.emit("chat message", n)
                deadline = time.monotonic() + 5
                while not lab.schedule.endswith(f'alice.emit "chat message" {n}; settle'):
                    assert time.monotonic() < deadline, lab.schedule
                    await asyncio.sleep(0.005)
            assert lab.schedule.endswith('alice.emit "chat message" 1; settle; alice.emit "chat message" 2; settle')

    asyncio.run(main())


def test_what_a_text_cannot_carry_is_said_and_warned_of():
    async def main():
        async with Lab.start() as lab:
            alice = await lab.join("alice", auth=lambda: {"name": "alice"})
            alice.on("chat message")(lambda data: None)
            await lab.open_link("browser")
            alice.emit("chat message", b"12345")
            await lab.server.emit("chat message", 1, to=alice.client.sid)
            await lab.settle()
            text = lab.schedule
        assert re.match(r'alice.join auth=code; (settle; |wait 0\.\d; )?alice.emit "chat message" "<5 bytes>"; settle # ', text), text
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            async with Lab.replay(text) as again:
                assert again.verdict().leg("alice", "server").arrived == 1
        said = " ".join(str(each.message) for each in seen)
        left_out = ("handlers of alice", "browser was a client of its own", "bytes", "auth was a function", "only is not part of it")
        assert all(words in said for words in left_out), said
        assert all(each.filename == __file__ for each in seen)

    asyncio.run(main())


def test_a_join_that_failed_is_left_out():
    async def main():
        async with Lab.start() as lab:
            await lab.join("alice")
            with pytest.raises(InvalidSetting):
                await lab.join("bob", colour="red")
            await lab.settle()
            assert lab.schedule == "alice.join; settle # bob tried to join, and could not: that is not part of it"

    asyncio.run(main())


def test_a_fault_may_wait_over_a_rest_for_its_packet():
    async def main():
        text = 'alice.join; alice.cut before="chat message #2"; settle; alice.emit "chat message" 1..2; settle'
        async with Lab.replay(text) as lab:
            assert lab.verdict().lost == ("#2",)
            check_steps(lab.schedule, text)

    asyncio.run(main())


def test_a_replay_that_fails_leaves_no_lab_behind():
    async def main():
        with pytest.raises(InvalidSetting):
            await Lab.replay("alice.join; bob.join retries=3", name="broken")
        assert not [thread.name for thread in threading.enumerate() if "broken" in thread.name]

    asyncio.run(main())


def test_a_store_is_carried_without_its_folder(tmp_path):
    async def main():
        async with Lab.start() as lab:
            await lab.join("alice", **SURE, store=str(tmp_path / "kept.db"))
            assert 'store="kept.db"' in lab.schedule and tmp_path.name not in lab.schedule

    asyncio.run(main())


# -- the sandbox --------------------------------------------------------------------------------------------------------------------


def answers():
    return [match[1] for cell in cells(SANDBOX) for match in re.finditer(r"```text\n(.*)\n```", cell.source)]


CHALLENGES = (
    {"lost": ("#1", "#2", "#3")},
    {"duplicated": ("#1",)},
    {"lost": ("#4",)},
    {"lost": ("#1", "#2", "#3")},
    {},
)


def test_each_challenge_has_an_answer():
    assert len(answers()) == len(CHALLENGES)


@pytest.mark.parametrize("number", range(1, 6))
def test_the_answer_to_a_challenge_does_what_it_says(number):
    expected = {"lost": (), "duplicated": (), "reordered": ()} | CHALLENGES[number - 1]

    async def main():
        async with Lab.replay(answers()[number - 1]) as lab:
            found = lab.verdict()
            assert {name: getattr(found, name) for name in expected} == expected, found
            if number in (1, 4):
                assert [leg.receiver for leg in found.legs if leg.lost and not leg.end_to_end] == ["bob"]
                assert found.leg("alice", "server").lost == ()
            if number == 4:
                assert lab.participants["bob"].session.reason == "truncated"
            if number == 5:
                assert found.refuted == () and sum(event.event == "crash" for event in lab.journal) == 1

    asyncio.run(main())


def test_the_text_that_the_sandbox_pastes_is_a_schedule():
    [cell] = [cell.source for cell in cells(SANDBOX) if "theirs =" in cell.source]
    text = re.search(r"r'''(.*?)'''", cell, re.DOTALL)[1]
    assert json.dumps(str(parse(text))) == json.dumps(text.strip())
