"""The official JavaScript client works through a link, polling, upgrade and all, and every packet of it is seen."""

import asyncio
from pathlib import Path

import pytest

from realtime_lab.net.event_log import EventLog
from tests.examples import every_fourth
from tests.net.harness import CHAT, stack, until
from tests.net.javascript import javascript, needs_node

pytestmark = needs_node


@pytest.mark.parametrize("transports", every_fourth(["polling,websocket", "polling", "websocket"]))
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
        assert it.at_server == [1, 2, 3, 4, 5, 11]  # 6 to 10 were handed to the connection: the buffer had forgotten them
        assert len(set(js.said("connect"))) == 2


async def test_it_can_number_its_events_by_hand_and_they_are_applied_once(tmp_path: Path) -> None:
    """The wire of realtime_lab in plain Socket.IO: the id is the client's, whatever its connection is called."""
    announced = {"realtime_lab": {"client_id": "js-1", "nack": True}}
    async with stack(log=EventLog(tmp_path / "log.db"), dedupe=True) as it, javascript(it, "websocket", auth=announced) as js:
        for count, (n, data) in enumerate(((1, "a"), (1, "a"), (3, "c"), (2, "b"), (1, "other")), 1):
            await js.did("say", data={"id": f"js-1:{n}", "data": data}, ack="callback")
            await until(lambda: len(js.said("acked")) == count)  # noqa: B023  # awaited in the same round
        assert it.at_server == ["a", "b"]
        answers = [acked[1] for acked in js.said("acked")]
        assert answers[:2] == [{"ok": True}, {"ok": True, "duplicate": True}]
        assert (answers[2]["ok"], answers[2]["retryable"], answers[2]["expected"]) == (False, True, 2)
        assert answers[3] == {"ok": True}
        assert (answers[4]["ok"], answers[4]["retryable"]) == (False, False)


async def test_without_an_announcement_it_is_served_as_usual_by_a_server_that_dedupes(tmp_path: Path) -> None:
    async with stack(log=EventLog(tmp_path / "log.db"), dedupe=True) as it, javascript(it, "websocket") as js:
        looks_like_ours = {"id": "js-1:1", "data": "a"}
        for _ in range(2):
            await js.did("say", data=looks_like_ours, ack="callback")
        await until(lambda: len(js.said("acked")) == 2)
        assert it.at_server == [looks_like_ours, looks_like_ours]
