"""A browser's tab as a participant: the official client, without a window, in Node.js. (In a browser: ../widgets/test_browser_tab.py.)"""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from realtime_lab import Lab
from realtime_lab.errors import InvalidSetting, NameTaken, NoBrowser, NotConnected, UnknownFault
from realtime_lab.history.journal import Event, Journal
from realtime_lab.lab.side_channel import PAGE
from realtime_lab.lab.tab import Tab
from realtime_lab.lab.tab_client import REFRESHED, TabClient
from realtime_lab.lab.tabs import CHROMIUM
from tests.lab.storm import retrying, storm
from tests.net.harness import until
from tests.net.javascript import FOLDER, INSTALLED, needs_node

CHAT = "chat message"

pytestmark = pytest.mark.skipif(not shutil.which("node") and not os.environ.get("CI"), reason="needs Node.js 20 (in CI it must run)")


@asynccontextmanager
async def carol_in(server: dict[str, Any] | None = None, **settings: Any) -> AsyncIterator[tuple[Lab, Tab]]:
    async with Lab.start(name="tabs", **(server or {})) as lab:
        carol = await lab.open_tab("carol", **settings)
        await lab.open_without_window(carol)
        yield lab, carol
        lab.check()


def of(lab: Lab, *kinds: str) -> list[Event]:
    return [event for event in lab.journal if event.node == "carol" and event.kind in kinds]


def story(lab: Lab, since: int = 0) -> list[tuple[str, str]]:
    """What carol did with her messages, and what she was told."""
    own = ("emitted", "buffered", "sent", "acked", "timed_out", "discarded", "settled", "forgotten")
    return [(event.kind, event.reason) for event in lab.journal.since(since) if event.node == "carol" and event.kind in own]


async def test_what_the_official_client_does_is_on_record_as_what_ours_does() -> None:
    async with carol_in() as (lab, carol):
        assert {event.transport for event in lab.wire("carol")} == {"polling", "websocket"}, "its upgrade is done"
        bob = await lab.join("bob")
        carol.emit(CHAT, 1)
        carol.emit(CHAT, {"n": 2}, ack_timeout=5)
        await lab.settle()
        bob.emit(CHAT, "hi")
        await lab.settle()
        verdict = lab.verdict()
        assert verdict.leg("carol", "server").received == ("#1", "#2")
        assert verdict.leg("server", "carol").received == ("#1",)
        assert not verdict.leg("carol", "server").wire_only
        assert [(event.event, event.text) for event in of(lab, "received")] == [(CHAT, "hi")]
        assert story(lab) == [
            ("emitted", ""), ("sent", ""), ("settled", "unknown"), ("emitted", ""), ("sent", ""), ("acked", "ok"), ("settled", "acked"),
        ]  # fmt: skip
        crossed = [event for event in lab.wire("carol") if event.event == CHAT]
        assert [(event.direction, event.text) for event in crossed] == [("upstream", "1"), ("upstream", '{"n": 2}'), ("downstream", "hi")]
        assert {event.transport for event in lab.wire("carol")} == {"polling", "websocket"}
        assert "carol was a tab of a browser: it is not part of it" in lab.schedule
        assert all(sent.seq < wire.seq for sent, wire in zip(of(lab, "sent"), crossed, strict=False))


async def test_the_buffer_survives_a_cut_and_not_a_refresh() -> None:
    async with carol_in() as (lab, carol):
        for refreshed in (False, True):
            attempts = len(of(lab, "connecting"))
            carol.link.cut()
            await until(lambda attempts=attempts: len(of(lab, "connecting")) > attempts)  # until then volatile ones are kept, too
            assert not carol.connected
            before = len(lab.journal)
            carol.emit(CHAT, 1)
            carol.emit(CHAT, 2, volatile=True)
            carol.emit(CHAT, 3)
            await lab.settle()
            if refreshed:
                await carol.refresh()
            carol.link.restore()
            await lab.settle()
            assert carol.connected
            dropped = [("discarded", "volatile, and not connected"), ("settled", "rejected")]
            kept = [
                ("emitted", ""),
                ("buffered", "not connected"),
                ("emitted", "volatile"),
                *dropped,
                ("emitted", ""),
                ("buffered", "not connected"),
            ]
            gone = [("forgotten", "the tab was refreshed, or closed")] * 2
            assert story(lab, before) == [*kept, *(gone if refreshed else [("sent", ""), ("settled", "unknown")] * 2)]
        leg = lab.verdict().leg("carol", "server")
        assert leg.received == ("#1", "#3")
        assert [label for label, _ in leg.lost] == ["#2", "#4", "#5", "#6"]


async def test_a_timeout_takes_an_offline_message_out_of_the_buffer() -> None:
    async with carol_in() as (lab, carol):
        carol.link.cut()
        await lab.settle()
        carol.emit(CHAT, 1, ack_timeout=0.2)
        await lab.settle()  # it will not stay in the buffer, so nothing is at rest before
        assert of(lab, "settled")
        carol.link.restore()
        await lab.settle()
        assert story(lab)[1:] == [
            ("buffered", "not connected"), ("discarded", "its timeout took it out of the buffer"), ("settled", "unknown"),
        ]  # fmt: skip
        assert lab.verdict().leg("carol", "server").lost


def test_a_page_is_not_at_rest_before_it_has_told_what_became_of_it_and_of_its_messages() -> None:
    for queues in (False, True):
        client = TabClient("carol", Journal(clock=lambda: 0.0), lambda queues=queues: {"settings": {"retries": 3 * queues}})
        life = client.begin("one")
        assert not client.idle  # else nobody would wait for its first attempt to connect
        client.obeyed(1)
        assert client.idle
        for kind in ("upgrading", "upgraded"):  # a cut before the upgrade is noticed in another way, and later
            client.told(life, {"kind": kind})
            assert client.idle == (kind == "upgraded")
        sent = {"kind": "sent", "message": 0, "sid": "x", "index": 0}
        for report in ({"kind": "connected", "sid": "x"}, {"kind": "emitted", "message": 0, "event": CHAT}, sent):
            client.told(life, report)
            assert client.idle == (report["kind"] == "connected")
        client.told(life, {"kind": "disconnected", "sid": "x", "reason": "transport error"})
        assert client.idle == queues  # a queue keeps it; else its fate is told next
        client.told(life, {"kind": "settled", "message": 0, "reason": "unknown"})
        assert client.idle


async def test_retries_send_again_after_a_lost_acknowledgement_and_ids_make_it_once() -> None:
    for ids in (False, True):
        async with carol_in({"dedupe": True}, retries=3, ack_timeout=5.0, ids=ids) as (lab, carol):
            carol.link.cut(packet=3, direction="downstream")  # connected, session, the first answer
            carol.emit(CHAT, 1)
            carol.emit(CHAT, 2)
            await until(lambda: carol.proxy.state == "down")
            carol.link.restore()
            await lab.settle()
            leg = lab.verdict().leg("carol", "server")
            assert leg.received == (("#1", "#2") if ids else ("#1", "#1", "#2"))
            assert [event.attempt for event in of(lab, "sent")] == [1, 2, 1]
            assert [event.reason for event in of(lab, "settled")] == ["acked", "acked"]


async def test_a_retried_message_that_is_under_way_is_forgotten_with_the_page() -> None:
    async with carol_in(retries=3, ack_timeout=5) as (lab, carol):
        carol.link.stall("downstream")  # the answer does not come
        carol.emit(CHAT, "kept")
        await until(lambda: of(lab, "sent"))
        await carol.refresh()
        await until(lambda: of(lab, "forgotten"))
        assert [event.reason for event in of(lab, "forgotten")] == [REFRESHED]
        assert not of(lab, "settled")


async def test_retries_without_a_timeout_send_each_acknowledged_message_again_and_again() -> None:
    async with carol_in(retries=3) as (lab, carol):
        carol.emit(CHAT, 1)
        await lab.settle()
        assert lab.verdict().leg("carol", "server").received == ("#1",) * 4
        assert story(lab)[-1] == ("settled", "unknown")
        assert of(lab, "settled")[-1].text == "given up after 4 tries: each acknowledgement was taken for an error"


async def test_a_budget_of_retries_is_burnt_by_connections_that_break() -> None:
    async with carol_in(retries=2, ack_timeout=5.0) as (lab, carol):
        for attempt in (1, 2, 3):
            carol.link.cut(before="chat message #1", attempt=attempt)
        carol.emit(CHAT, 1)
        for n in (1, 2, 3):
            await until(lambda: carol.proxy.state == "down")
            carol.link.restore()
            await until(lambda n=n: len(of(lab, "connected")) == n + 1)
        await lab.settle()
        assert of(lab, "settled")[-1].text.startswith("given up after 3 tries")
        assert lab.verdict().leg("carol", "server").lost


async def test_an_acknowledgement_without_a_timeout_that_is_lost_never_calls_back() -> None:
    async with carol_in() as (lab, carol):
        carol.link.cut(packet=2, direction="downstream")
        carol.emit(CHAT, 1, ack=True)
        await until(lambda: of(lab, "disconnected"))
        await lab.settle()
        assert of(lab, "settled")[-1].text.endswith("the callback is never called")


async def test_the_offset_lives_in_memory_or_in_local_storage() -> None:
    for keep in (False, True):
        async with carol_in({"log": True}, keep_offset=keep) as (lab, carol):
            await lab.publish(CHAT, 1)
            await lab.settle()
            assert carol.offset == 1
            carol.link.cut()
            await lab.settle()
            await lab.publish(CHAT, 2)
            carol.link.restore()
            await lab.settle()
            assert carol.offset == 2  # what it missed was replayed
            carol.link.cut()
            await lab.settle()
            await lab.publish(CHAT, 3)
            await carol.refresh()
            carol.link.restore()
            await lab.settle()
            assert [event.text for event in of(lab, "received")] == (["1", "2", "3"] if keep else ["1", "2"])


async def test_a_page_that_is_opened_elsewhere_is_the_one_that_counts() -> None:
    async with carol_in() as (lab, carol):
        carol.emit(CHAT, 1)
        await lab.settle()
        await lab.open_without_window(carol)
        await lab.settle()
        assert len(of(lab, "refreshed")) == 1
        carol.emit(CHAT, 2)
        await lab.settle()
        assert len(lab.server.sids) == 1
        assert lab.verdict().leg("carol", "server").received == ("#1", "#2")


async def test_settings_may_change_with_a_refresh_and_bad_ones_change_nothing() -> None:
    async with carol_in() as (lab, carol):
        await carol.refresh(retries=2, ack_timeout=1.0)
        carol.emit(CHAT, 1)
        await lab.settle()
        assert story(lab)[-2:] == [("acked", "ok"), ("settled", "acked")]
        with pytest.raises(InvalidSetting, match="retries=0"):
            await carol.refresh(retries=0)
        with pytest.raises(InvalidSetting, match="ack_timeout"):
            await lab.open_tab("dora", ack_timeout=-1)
        with pytest.raises(NameTaken):
            await lab.open_tab("carol")
        with pytest.raises(UnknownFault, match="never halts"):
            carol.resume()


async def test_without_a_page_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Lab.start(name="tabs") as lab:
        carol = await lab.open_tab("carol")
        assert not carol.opened
        with pytest.raises(NotConnected, match="not open"):
            carol.emit(CHAT, 1)
        await lab.settle()
        monkeypatch.setenv("PATH", "")
        with pytest.raises(NoBrowser, match="Node"):
            await lab.open_without_window(carol)


@pytest.mark.skipif(os.name != "posix", reason="its Node.js is a shell script")
async def test_where_node_is_too_old_a_browser_without_a_window_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\nexit 9\n")
    node.chmod(0o755)
    async with Lab.start(name="tabs") as lab:
        carol = await lab.open_tab("carol")
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(NoBrowser, match=r"Node.js \(20 or newer\) nor Chromium"):
            await lab.open_without_window(carol)
        if browser := next(filter(None, (shutil.which(name, path=os.defpath) for name in CHROMIUM)), None):
            (tmp_path / "chromium").symlink_to(browser)
            monkeypatch.setenv("PATH", str(tmp_path) + os.pathsep + os.defpath)
            await lab.open_without_window(carol)
            carol.emit(CHAT, 1)
            await lab.settle()
            assert lab.verdict().leg("carol", "server").received == ("#1",)


async def test_a_stranger_gets_neither_the_page_nor_anything_else_and_a_report_is_checked() -> None:
    async with carol_in() as (lab, carol), aiohttp.ClientSession() as http:
        root = carol.address.rsplit("/", 3)[0]
        token = carol.address.split("/")[3]
        life = carol.client.life.name if carol.client.life else ""
        for path in ("/", "/x/carol/", f"/{token}x/carol/", f"/{token}/dora/", f"/{token[:-1]}/carol/tab.mjs", "/x/carol/commands"):
            async with http.get(root + path) as answer:
                assert answer.status in (403, 404)
        async with http.post(f"{root}/x/carol/report?life={life}", json={"kind": "connecting"}) as answer:
            assert answer.status == 403
        for path in ("../lab.py", "node.mjs", "..%2flab.py"):
            async with http.get(f"{carol.address}{path}") as answer:
                assert answer.status in (403, 404)
        before = len(lab.journal)
        first = {"kind": "emitted", "message": 0, "event": CHAT}
        sent = {"kind": "sent", "message": 99, "sid": "x", "index": 0}
        told = {"kind": "connected", "sid": "x", "node": "server"}
        wrong = [{**first, "message": "0"}, {**first, "message": True}, {"kind": "emitted"}, {"kind": "crash"}]
        reports: list[object] = [[], 7, {}, *wrong, sent, told, {"ask": "everything"}]
        for report in reports:
            async with http.post(f"{carol.address}report?life={life}", data=json.dumps(report)) as answer:
                assert answer.status == 400, report
        async with http.post(f"{carol.address}report?life=older", json={"kind": "connecting"}) as answer:
            assert answer.status == 409
        assert len(lab.journal) == before
        assert len(lab.errors) == len(reports)
        lab.errors.clear()
        assert not [event for event in lab.journal if token in repr(event)]


async def test_everything_that_was_started_is_stopped() -> None:
    async with carol_in() as (lab, carol):
        processes = [process for process, _ in lab._joining.tabs._running]
        address = carol.address
    assert all(process.returncode is not None for process in processes)
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.get(address)
    assert not carol.client.connected


@pytest.mark.full
@pytest.mark.parametrize("ids", [False, True])
async def test_five_hundred_messages_each_way_over_ten_cuts_lose_nothing(ids: bool) -> None:
    async with Lab.start(name="tabs", log=True, dedupe=ids) as lab:
        carol = await lab.open_tab("carol", **retrying(ids=ids))
        await lab.open_without_window(carol)
        await storm(lab, carol, ids=ids)


@pytest.mark.skipif(
    not INSTALLED and not os.environ.get("CI"), reason="needs, in tests/js: npm install --no-package-lock --no-audit --no-fund"
)
def test_the_official_client_is_the_file_of_its_package_untouched() -> None:
    package = FOLDER / "node_modules" / "socket.io-client"
    assert json.loads((package / "package.json").read_text(encoding="utf-8"))["version"] == "4.8.4"
    for ours, theirs in (("socket.io.esm.min.mjs", "dist/socket.io.esm.min.js"), ("socket.io.LICENSE", "LICENSE")):
        assert hashlib.sha256((PAGE / ours).read_bytes()).digest() == hashlib.sha256((package / theirs).read_bytes()).digest()


def test_node_is_new_enough() -> None:
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    assert int(version.lstrip("v").split(".")[0]) >= 20


async def test_a_lab_is_interrupted_while_a_page_is_awaited() -> None:
    async with Lab.start(name="tabs") as lab:
        carol = await lab.open_tab("carol")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(carol.until_opened(30), 0.1)
        assert await carol.until_opened(0.05) is False


def script(*command: str) -> Any:
    """What a script in tests/js prints."""
    file, *arguments = command
    path = Path(__file__).parents[1] / "js" / file
    done = subprocess.run(["node", "--experimental-websocket", path, *arguments], capture_output=True, text=True, check=True, timeout=20)
    return json.loads(done.stdout)


@needs_node
def test_a_try_that_waits_in_the_buffer_is_not_said_to_be_late() -> None:
    """It was not sent, although the client still thinks that it is connected: no ping came for too long."""
    reports = script("late_try.mjs")
    kinds = [report["kind"] for report in reports]
    assert kinds[:2] == ["emitted", "buffered"] and kinds[-2:] == ["acked", "settled"]
    assert ("not connected", "its timeout is running") in [(each.get("reason"), each.get("text")) for each in reports]
    assert "timed_out" not in kinds[: kinds.index("sent")]
    assert all("sid" in report for report in reports if report["kind"] == "timed_out")
    assert kinds[: kinds.index("sent")] == ["emitted", "buffered", "buffered"]  # in the queue, and then in the send buffer


@needs_node
def test_the_official_bundle_loses_a_message_if_the_one_before_it_is_acknowledged_twice() -> None:
    """`retries: Infinity`, and yet. A line of the client's source is missing in what browsers get."""
    assert script("twice.mjs", "bundle") == {"stored": [1, 1, 3, 4, 5], "told": [1, 1, 3, 4, 5]}


@needs_node
@pytest.mark.parametrize("whose", ["node", "tab"])
def test_neither_the_client_of_node_nor_a_tab_does(whose: str) -> None:
    assert script("twice.mjs", whose) == {"stored": [1, 1, 2, 3, 4, 5], "told": [1, 2, 3, 4, 5]}
