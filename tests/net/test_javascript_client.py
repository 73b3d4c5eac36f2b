"""The official JavaScript client works through a link, polling, upgrade and all, and every packet of it is seen."""

import asyncio

import pytest

from tests.net.harness import CHAT, stack, until
from tests.net.javascript import javascript, needs_node

pytestmark = needs_node


@pytest.mark.parametrize("transports", ["polling,websocket", "polling", "websocket"])
async def test_a_hundred_messages_each_way_arrive_in_order_and_each_is_on_record(transports: str) -> None:
    async with stack() as it:

        @it.server.on("connect")
        async def begin(sid: str) -> None:
            for number in range(100):
                await it.server.emit(CHAT, number, to=sid)
                await asyncio.sleep(0.001)

        async with javascript(it, transports) as js:
            js.do("emit", **{"from": 0, "to": 10})  # emitted before it is connected: it keeps them
            await until(lambda: js.said("connect"))
            for start in range(10, 100, 10):
                await until(lambda: len(it.at_server) >= start)  # noqa: B023  # awaited in the same round
                js.do("emit", **{"from": start, "to": start + 10})  # over polling the server takes no more than 16 at once
            await until(lambda: len(it.at_server) == len(js.said("got")) == 100)
            await until(lambda: js.said("transport") == transports.split(","))
            assert it.at_server == js.said("got") == list(range(100))
            for direction in ("upstream", "downstream"):
                crossed = it.of("wire", direction=direction, event=CHAT)
                assert [event.text for event in crossed] == [str(number) for number in range(100)]
                assert [event.index for event in crossed] == list(range(100))
                assert {event.sid for event in crossed} == set(js.said("connect"))
                assert {event.transport for event in crossed} <= set(transports.split(","))
            engine = [event.text for event in it.of("wire", type="engine")]
            assert engine == (["open", "2probe", "3probe", "5"] if "," in transports else ["open"])


async def test_its_acknowledgement_is_our_envelope() -> None:
    async with stack() as it:
        it.server.on("double")(lambda sid, data: data * 2)
        async with javascript(it) as js:
            js.do("ask", event="double", data=21)
            js.do("ask", event="nobody's", data=None)
            await until(lambda: len(js.said("answer")) == 2)
            assert js.said("answer") == [
                {"ok": True, "result": 42},
                {"ok": False, "error": 'nobody handles "nobody\'s"', "retryable": False},
            ]


async def test_it_comes_back_after_a_cut_at_an_exact_message() -> None:
    async with stack() as it, javascript(it) as js:
        await until(lambda: js.said("transport") == ["polling", "websocket"])
        it.link.cut(before=f"{CHAT} #6", direction="upstream")
        js.do("emit", **{"from": 1, "to": 11})
        await until(lambda: js.said("disconnect"))
        assert js.said("disconnect") == ["transport close"]
        assert it.at_server == [1, 2, 3, 4, 5]
        assert it.chats("dropped", "upstream")[:1] == ["6"]
        it.link.restore()
        await until(lambda: len(js.said("connect")) == 2)
        js.do("emit", **{"from": 11, "to": 12})
        await until(lambda: it.at_server[-1:] == [11])
        await it.server.emit(CHAT, "welcome back")
        await until(lambda: js.said("got") == ["welcome back"])
        assert len(set(js.said("connect"))) == 2
