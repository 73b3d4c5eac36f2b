"""The link under fire: traffic that is almost right, so that its parsers get deep before they fail. Not a byte of it is changed."""

import asyncio
import gzip
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_lab.net.link import Link
from realtime_lab.rules.faults import DIRECTIONS, Direction
from tests.examples import examples
from tests.net.harness import until
from tests.net.test_wire import DOWN, HANDSHAKE, POLL, UP, Talk, chunked, frame, http, per_direction, unchanged, watch

# -- what a peer might say --------------------------------------------------------------------------------------------------------------

SCALARS = st.sampled_from(["null", "true", "0", "-1", "1e999", "NaN", '"a"', '"\\ud800"', "9" * 120, '{"_placeholder":true,"num":0}'])
JSON = st.recursive(
    SCALARS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3).map(lambda each: f"[{','.join(each)}]") | inner.map('{{"k":{}}}'.format),
    max_leaves=5,
) | st.integers(0, 3000).map(lambda depth: "[" * depth + "]" * depth)
PACKETS = st.builds(
    "4{}{}{}{}{}".format,
    st.sampled_from("012345679²"),
    st.sampled_from(["", "", "1-", "2-", "0-", "99999999999-"]),
    st.sampled_from(["", "", "/admin,", "/?x=1,", "/"]),
    st.sampled_from(["", "1", "0", "9" * 101, "²"]),
    st.one_of(JSON.map('["chat message",{}]'.format), JSON.map('["disconnect",{}]'.format), JSON),
)
GOOD = st.sampled_from(
    [
        *(
            '42["chat message",1]',
            '421["chat message",{"id":"c:1","data":[]}]',
            '431[{"ok":true}]',
            '40{"sid":"s1"}',
            '40/admin,{"token":"x"}',
        ),
        *('451-["a",{"_placeholder":true,"num":0}]', '461-1[{"_placeholder":true,"num":0}]', "bAAE=", "2", "3", "2probe", "5"),
    ]
)
ODD = st.sampled_from(["1", "6", "", '0{"sid":"e1"}', "0{}", '0{"sid":[]}', "b?", "ä" * 100])
MESSAGES = st.one_of(GOOD, GOOD, GOOD, PACKETS, ODD)


def framed(direction: Direction) -> st.SearchStrategy[bytes]:
    """A message in one frame, in several with a control frame between them, or in one with a head of any two bytes."""

    def pieces(message: str, at: int) -> bytes:
        ping = b"\x89\x80\0\0\0\0" if direction == UP else b"\x89\x00"
        head, rest = message[:at].encode("utf-8", "replace"), message[at:].encode("utf-8", "replace")
        return frame(direction, head.decode(), fin=False) + ping + b"\x80" + frame(direction, rest.decode())[1:]

    whole = MESSAGES.map(lambda message: frame(direction, message.encode("utf-8", "replace").decode()))
    return st.one_of(
        whole,
        whole,
        st.binary(max_size=20).map(lambda data: frame(direction, data)),
        st.builds(pieces, MESSAGES, st.integers(0, 5)),
        st.builds(lambda head, rest: head + rest[2:], st.binary(min_size=2, max_size=2), whole),
    )


def payload(messages: list[str]) -> bytes:
    return "\x1e".join(messages).encode("utf-8", "replace")


def in_pieces(body: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:]) if part) + b"0\r\n\r\n"


BODIES = st.lists(MESSAGES, max_size=3).map(payload)
REQUESTS = st.one_of(
    st.sampled_from([POLL, POLL + "&EIO=4", "/socket.io/?EIO=4&transport=polling", "/other", "*"]).map(
        lambda path: http(f"GET {path} HTTP/1.1")
    ),
    BODIES.map(lambda body: http(f"POST {POLL} HTTP/1.1", body)),
    BODIES.map(lambda body: http(f"POST {POLL} HTTP/1.1", body, Expect="100-continue")),
    BODIES.map(lambda body: http(f"GET {POLL} HTTP/1.1", Transfer_Encoding="chunked") + in_pieces(body)),
    st.sampled_from([HANDSHAKE[0][1], http(f"GET {POLL} HTTP/1.0"), http(f"HEAD {POLL} HTTP/1.1"), http("CONNECT x:1 HTTP/1.1")]),
)
ANSWERS = st.one_of(
    BODIES.map(lambda body: http("HTTP/1.1 200 OK", body)),
    BODIES.map(lambda body: http("HTTP/1.1 200 OK", gzip.compress(body, mtime=0), Content_Encoding="gzip")),
    BODIES.map(lambda body: http("HTTP/1.1 200 OK", body, Content_Encoding="gzip")),
    BODIES.map(lambda body: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + in_pieces(body)),
    st.sampled_from([http("HTTP/1.1 200 OK", b"OK"), b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", HANDSHAKE[1][1]]),
    st.sampled_from(
        [b"HTTP/1.1 304 Not Modified\r\n\r\n", http("HTTP/1.1 400 No", b"x", Connection="close"), b"HTTP/1.1 103 Early\r\n\r\n"]
    ),
)
EXCHANGES = st.tuples(REQUESTS.map(lambda raw: (UP, raw)), ANSWERS.map(lambda raw: (DOWN, raw))).map(list)
POLLING: st.SearchStrategy[Talk] = st.lists(EXCHANGES, max_size=4).map(lambda each: [part for exchange in each for part in exchange])
FRAMES: st.SearchStrategy[Talk] = st.lists(
    st.sampled_from(DIRECTIONS).flatmap(lambda which: framed(which).map(lambda raw: (which, raw))), max_size=6
)
TALKS = st.one_of(
    POLLING, FRAMES.map(lambda frames: [*HANDSHAKE, *frames]), st.tuples(POLLING, FRAMES).map(lambda two: [*two[0], *HANDSHAKE, *two[1]])
)

# -- and what becomes of it on the way --------------------------------------------------------------------------------------------------

Change = Callable[[bytes, int, bytes], bytes]
CHANGES: list[Change] = [
    lambda raw, at, more: raw[:at] + more + raw[at:],
    lambda raw, at, more: raw[:at] + raw[at + len(more) :],
    lambda raw, at, more: raw[:at] + bytes(byte ^ 0x80 for byte in raw[at : at + len(more)]) + raw[at + len(more) :],
    lambda raw, at, more: raw[:at] + more + raw[at + len(more) :],
    lambda raw, at, more: raw[:at] + raw[: at + 1],
]


@st.composite
def changed(draw: st.DrawFn) -> Talk:
    """Such a talk, in which a few parts have suffered, were said twice, or have changed places."""
    talk = list(draw(TALKS))
    for _ in range(draw(st.sampled_from([0, 0, 1, 2])) if talk else 0):
        at = draw(st.integers(0, len(talk) - 1))
        direction, raw = talk[at]
        match draw(st.sampled_from(["bytes", "bytes", "bytes", "twice", "places", "direction"])):
            case "bytes":
                change = draw(st.sampled_from(CHANGES))
                talk[at] = direction, change(raw, draw(st.integers(0, len(raw))), draw(st.binary(min_size=1, max_size=4)))
            case "twice":
                talk.insert(at, talk[at])
            case "places":
                talk.insert(draw(st.integers(0, len(talk))), talk.pop(at))
            case "direction":
                talk[at] = DOWN if direction == UP else UP, raw
    return talk


@settings(max_examples=examples(150), deadline=None)
@given(data=st.data(), talk=changed())
def test_whatever_is_said_passes_unchanged_and_is_seen_alike_in_any_chunks(data: st.DataObject, talk: Talk) -> None:
    out, packets = watch(talk)
    assert out == unchanged(talk)
    again, seen = watch(data.draw(chunked(talk)))
    assert again == out
    assert per_direction(seen) == per_direction(packets)


# -- over real sockets ------------------------------------------------------------------------------------------------------------------


async def through(
    link: Link, front: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]], talk: Talk
) -> dict[Direction, bytes]:
    """What comes out at the two ends of a link."""
    up = await asyncio.open_connection("127.0.0.1", int(link.url.rpartition(":")[2]))
    down = await front.get()
    for direction, raw in talk:
        writer = (up if direction == UP else down)[1]
        writer.write(raw)
        await writer.drain()
    for _, writer in (up, down):
        writer.write_eof()
    out = await asyncio.gather(down[0].read(), up[0].read())
    for _, writer in (up, down):
        writer.close()
    await until(lambda: link.connections == 0)
    return dict(zip((UP, DOWN), out, strict=True))


def test_whatever_is_said_passes_a_real_link_to_its_end() -> None:
    with asyncio.Runner() as runner:
        errors: list[object] = []
        runner.get_loop().set_exception_handler(lambda loop, context: errors.append(context))
        front: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        server = runner.run(asyncio.start_server(lambda *end: front.put_nowait(end), "127.0.0.1", 0))
        link = Link("127.0.0.1", server.sockets[0].getsockname()[1])
        runner.run(link.start())

        @settings(max_examples=examples(100), deadline=None)
        @given(talk=changed())
        def passes(talk: Talk) -> None:
            assert runner.run(asyncio.wait_for(through(link, front, talk), 8)) == unchanged(talk)
            assert errors == []

        passes()
        runner.run(link.stop())
        server.close()


@pytest.mark.parametrize("levels", [101, 900, 100_000])
def test_a_packet_that_is_nested_deeply_does_not_end_the_watching(levels: int) -> None:
    talk = [*HANDSHAKE, (UP, frame(UP, f'42["a",{"[" * levels}{"]" * levels}]')), (UP, frame(UP, '42["b"]'))]
    out, packets = watch(talk)
    assert out == unchanged(talk)
    assert [packet.event for _, packet in packets][-1] == "b"
