"""The control room without a browser: what its buttons do and what it says. A real lab behind it."""

import ast
import asyncio
import itertools
import math
import queue
import re
import threading
import time
from contextvars import ContextVar

import ipywidgets
import pytest

from realtime_lab import Lab
from realtime_lab.history.picture import Picture
from realtime_lab.widgets import control_room
from realtime_lab.widgets.live_view import STEPS, LiveView
from realtime_lab.widgets.painter import PICTURE, Painter
from realtime_lab.widgets.rows import Rows
from tests.history.stories_of_retries import offline

RETRIES = {"retries": math.inf, "ack_timeout": 1.0}


class Room:
    """Finds the parts of a room as a learner would: by row and by label."""

    def __init__(self, room):
        self.head, self.said, self.picture, self.bar, self.score, self.run = room._box.children

    def row(self, name):
        """Its state, then its buttons."""
        return next(row.children[0] for row in self.head.children if f"<b>{name}</b>" in row.children[0].children[0].value)

    def outbox(self, name):
        """What its client keeps, in words."""
        row = next(row for row in self.head.children if f"<b>{name}</b>" in row.children[0].children[0].value)
        return row.children[1].children[0].value

    def labels(self, name):
        return [child.description for child in self.row(name).children if isinstance(child, ipywidgets.Button)]

    def press(self, name, label):
        button = next(child for child in self.row(name).children if getattr(child, "description", "") == label)
        button.click()

    def bar_button(self, label):
        return next(child for child in self.bar.children if getattr(child, "description", "") == label)

    async def until(self, condition):
        deadline = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < deadline, (self.said.value, self.score.value)
            await asyncio.sleep(0.01)

    async def shows(self, name, *words):
        await self.until(lambda: any(row.children[0].children[0].value for row in self.head.children))
        await self.until(lambda: all(word in self.row(name).children[0].value for word in words))


def in_a_room(work, *, dedupe=False, log=False, **options):
    async def main():
        async with Lab.start(dedupe=dedupe, log=log) as lab:
            await lab.join("alice", **options)
            await lab.join("bob")
            room = Room(control_room(lab))
            await room.until(lambda: len(room.head.children) == 3)
            await work(lab, room)

    asyncio.run(main())


def test_each_button_says_the_line_of_code_that_does_the_same():
    async def work(lab, room):
        lines = {
            ("alice", "Send"): "alice.emit(&quot;chat message&quot;, 1)",
            ("alice", "Send 5"): "for n in range(2, 7): alice.emit(&quot;chat message&quot;, n)",
            ("server", "Send"): "await lab.publish(&quot;chat message&quot;, 1)",
            ("bob", "Stall"): "bob.link.stall()",
            ("bob", "Restore"): "bob.link.restore()",
            ("bob", "Cut"): "bob.link.cut()",
        }
        for (name, label), code in lines.items():
            room.press(name, label)
            await room.until(lambda code=code: code in room.said.value)
        done = [event.reason for event in lab.journal if event.kind == "fault"]
        assert done == ["bob.link.stall()", "bob.link.restore()", "bob.link.cut()"]
        await lab.settle()
        assert lab.verdict().leg("alice", "server").received == ("#1", "#2", "#3", "#4", "#5", "#6")

    in_a_room(work)


def test_clicks_that_come_faster_than_the_picture_have_numbers_of_their_own():
    async def work(lab, room):
        for label in ("Send", "Send 5", "Send"):
            room.press("alice", label)
        await room.until(lambda: "alice.emit(&quot;chat message&quot;, 7)" in room.said.value)
        await lab.settle()
        assert [event.data for event in lab.journal if event.kind == "emitted" and event.node == "alice"] == [*range(1, 8)]

    in_a_room(work)


@pytest.mark.parametrize(("name", "verb", "next_one"), [("alice", "Send", 2), ("server", "Publish", 1)])
def test_what_is_refused_has_used_a_number_where_it_counts_as_handed_in(name, verb, next_one):
    async def work(lab, room):
        lab.links["alice"].cut()
        lab.server.crash()
        await lab.settle()
        room.press(name, f"{verb} 5")
        await room.until(lambda: "NotConnected" in room.said.value or "AlreadyClosed" in room.said.value)
        room.press(name, verb)
        await room.until(lambda: f"(&quot;chat message&quot;, {next_one})" in room.said.value)

    in_a_room(work, log=True)


def test_the_rows_say_what_the_link_is_and_what_the_client_believes():
    async def work(lab, room):
        await room.shows("alice", "connected")
        room.press("alice", "Cut")
        await room.shows("alice", "cut")
        room.press("alice", "Restore")
        await room.shows("alice", "connected")
        room.press("alice", "Stall")
        await room.shows("alice", "stalled", "believes it is connected")
        await lab.settle()
        await room.until(lambda: "believes" not in room.row("alice").children[0].value)

    in_a_room(work)


def test_the_words_of_a_row_do_not_wait_for_a_picture_that_takes_long(monkeypatch):
    painting, go_on = threading.Event(), threading.Event()

    async def work(lab, room):
        paint = LiveView.paint

        def slowly(view, history):
            painting.set()
            go_on.wait(10)
            paint(view, history)

        monkeypatch.setattr(LiveView, "paint", slowly)
        try:
            lab.participants["alice"].emit("chat message", 1)
            await room.until(painting.is_set)
            room.press("bob", "Cut")
            await room.shows("bob", "cut")
            assert "bob.link.cut()" not in room.said.value
        finally:
            go_on.set()
        await room.until(lambda: "bob.link.cut()" in room.said.value)

    in_a_room(work)


def test_a_painter_paints_in_the_context_of_who_made_it():
    cell, seen = ContextVar("cell"), queue.Queue()
    cell.set("the cell")
    Painter(lambda: seen.put(cell.get("nobody's")), 0.01)
    assert seen.get(timeout=5) == "the cell"


@pytest.mark.parametrize(("owner", "method", "what"), [(LiveView, "paint", "picture"), (Rows, "paint", "rows")])
def test_what_cannot_be_drawn_is_said_and_the_painter_goes_on(monkeypatch, owner, method, what):
    async def work(lab, room):
        def fail(*_):
            raise ValueError("no ink")

        with monkeypatch.context() as broken:
            broken.setattr(owner, method, fail)
            lab.participants["alice"].emit("chat message", 1)
            await room.until(lambda: f"the {what} cannot be drawn: ValueError: no ink" in room.said.value)
        room.press("bob", "Cut")
        await room.shows("bob", "cut")
        await room.until(lambda: "bob.link.cut()" in room.said.value and "no ink" not in room.said.value)

    in_a_room(work)


def test_the_score_and_the_picture_name_what_was_lost():
    async def work(lab, room):
        room.press("bob", "Cut")
        await room.shows("bob", "cut")
        room.press("alice", "Send 5")
        await room.until(lambda: "5 lost" in room.score.value and "#1 #2 #3 #4 #5" in room.score.value)
        await room.until(lambda: "lost #1 #2 #3 #4 #5" in room.picture.value)

    in_a_room(work)


def test_the_field_sets_the_latency_of_the_link():
    async def work(lab, room):
        field = next(child for child in room.row("bob").children if isinstance(child, ipywidgets.BoundedFloatText))
        field.value = 0.25
        await room.until(lambda: lab.links["bob"].latency == 0.25)
        await room.until(lambda: "bob.link.latency = 0.25" in room.said.value)

    in_a_room(work)


def test_an_error_of_a_button_and_trouble_in_a_handler_are_shown_in_the_room():
    async def work(lab, room):
        room.press("alice", "Cut")
        await room.shows("alice", "cut")
        await lab.settle()
        room.press("alice", "Send")
        await room.until(lambda: "NotConnected" in room.said.value)
        assert lab.errors == []  # it was the learner's doing, not trouble

        @lab.server.on("chat message")
        def broken(sid, data):
            raise ValueError("<b>no</b>")

        room.press("bob", "Send")
        await room.until(lambda: "broken()" in room.said.value and "&lt;b&gt;no&lt;/b&gt;" in room.said.value)

    in_a_room(work)


def test_the_server_can_be_crashed_and_restarted():
    async def work(lab, room):
        room.press("server", "Crash")
        await room.shows("server", "crashed")
        await room.until(lambda: "lab.server.crash()" in room.said.value)
        await lab.settle()
        room.press("server", "Restart")
        await room.shows("server", "listening")
        await room.until(lambda: "await lab.server.restart()" in room.said.value)
        await room.shows("alice", "connected")
        room.press("server", "Restart")
        await room.until(lambda: "there is nothing to restart" in room.said.value)

    in_a_room(work)


def test_a_client_with_guarantees_shows_what_it_keeps_what_is_under_way_and_what_it_was_told():
    async def work(lab, room):
        assert room.labels("alice") == ["Send", "Send 5", "Cut", "Stall", "Lose acks", "Restore", "Refresh"]
        assert "Lose acks" not in room.labels("bob")
        await room.until(lambda: "keeps nothing" in room.outbox("alice"))
        room.press("alice", "Lose acks")
        await room.until(lambda: "alice.link.stall(&quot;downstream&quot;)" in room.said.value)
        room.press("alice", "Send")
        await room.until(lambda: "under way #1" in room.outbox("alice"))
        await room.until(lambda: "1 arrived" in room.score.value)
        room.press("alice", "Cut")
        room.press("alice", "Send 5")
        await room.until(lambda: "keeps #2 #3 #4 #5 #6" in room.outbox("alice") and "under way #1" in room.outbox("alice"))
        room.press("alice", "Restore")
        await room.until(lambda: "6 acknowledged" in room.outbox("alice") and "keeps" not in room.outbox("alice"))
        assert lab.verdict().leg("alice", "server").duplicated == ()

    in_a_room(work, dedupe=True, retries=math.inf, ack_timeout=1.0)


@pytest.mark.parametrize(("options", "arrived"), [({"send_buffer": True}, "0 arrived"), ({"store": "alice.db", **RETRIES}, "5 arrived")])
def test_refresh_loses_a_buffer_and_keeps_a_store(options, arrived):
    async def work(lab, room):
        room.press("alice", "Cut")
        await room.shows("alice", "cut")
        await lab.settle()
        room.press("alice", "Send 5")
        await room.until(lambda: "keeps #1 #2 #3 #4 #5" in room.outbox("alice"))
        room.press("alice", "Refresh")
        await room.until(lambda: "await alice.refresh()" in room.said.value)
        if arrived == "0 arrived":
            await room.until(lambda: "keeps nothing" in room.outbox("alice"))
        room.press("alice", "Restore")
        await room.shows("alice", "connected")
        await lab.settle()
        await room.until(lambda: arrived in room.score.value)

    in_a_room(work, dedupe=True, **options)


def test_a_blocking_handler_is_named_while_it_blocks():
    async def work(lab, room):
        @lab.server.on("chat message")
        def sleepy(sid, data):
            time.sleep(1.8)

        room.press("alice", "Send")
        await room.until(lambda: "sleepy()" in room.said.value)
        await lab.settle()

    in_a_room(work)


def test_who_joins_later_gets_a_row_and_a_foreign_client_has_no_send_button():
    async def work(lab, room):
        await lab.join("carol")
        await lab.open_link("dave")
        await room.until(lambda: len(room.head.children) == 5)
        assert {"Send", "Refresh"} <= set(room.labels("carol"))
        assert room.labels("dave") == ["Cut", "Stall", "Restore"]

    in_a_room(work)


def test_a_closed_lab_says_so_and_its_buttons_are_off():
    async def main():
        lab = await Lab.start()
        await lab.join("alice")
        shown = control_room(lab)
        room = Room(shown)
        await room.until(lambda: len(room.head.children) == 2)
        await lab.close()
        await room.until(lambda: "This lab is closed" in room.said.value)
        await room.until(lambda: all(child.disabled for child in room.row("alice").children[1:]))
        await room.until(lambda: not any(each._thread.is_alive() for each in (shown._painter, shown._painter_of_rows)))

    asyncio.run(main())


def test_a_room_needs_a_started_lab_and_reads_as_text_where_widgets_cannot_show():
    with pytest.raises(TypeError, match=r"await Lab\.start"):
        control_room(Lab.start())

    async def work(lab, room):
        bundle = control_room(lab)._repr_mimebundle_()
        assert bundle["text/plain"].startswith("The control room.")
        assert "application/vnd.jupyter.widget-view+json" in bundle

    in_a_room(work)


def test_a_painter_paints_ten_times_a_second_at_most_and_never_misses_the_last_news():
    painted, state = [], {"value": 0}

    def paint():
        painted.append((time.monotonic(), state["value"]))
        return state["value"] < 500

    painter = Painter(paint, PICTURE)
    for value in range(1, 501):
        state["value"] = value
        painter.wake()
        time.sleep(0.001)
    painter._thread.join(5)
    assert not painter._thread.is_alive()
    assert painted[-1][1] == 500
    assert min(after - before for (before, _), (after, _) in itertools.pairwise(painted)) > 0.09


def in_a_room_with_a_log(work, **options):
    async def main():
        async with Lab.start(log=True) as lab:
            await lab.join("alice")
            await lab.join("bob", replay=True, **options)
            room = Room(control_room(lab))
            await room.until(lambda: len(room.head.children) == 3)
            await work(lab, room)

    asyncio.run(main())


def holders(room):
    """The table of the log: offset -> who has it, in words."""
    rows = re.findall(r"<tr><td[^>]*>(\d+)</td><td[^>]*>([^<]*)</td>(.*?)</tr>", room.score.value)
    return {int(offset): re.findall(r'title="([^"]*)"', cells) for offset, _, cells in rows}


def test_the_buttons_of_a_log_say_their_lines_and_the_table_says_who_has_what():
    async def work(lab, room):
        assert room.labels("server") == ["Publish", "Publish 5", "Trim", "New database", "Crash", "Restart"]
        room.press("server", "Publish")
        await room.until(lambda: "await lab.publish(&quot;chat message&quot;, 1)" in room.said.value)
        await room.until(lambda: holders(room) == {1: ["handled", "handled"]})
        room.press("bob", "Cut")
        await lab.settle()
        room.press("server", "Publish 5")
        await room.until(lambda: holders(room).get(6) == ["handled", "not yet"] and len(holders(room)) == 6)
        room.press("server", "Trim")
        await room.until(lambda: "await lab.trim(7)" in room.said.value and "everything up to 6 was trimmed" in room.score.value)
        room.press("bob", "Restore")
        await room.until(lambda: room.outbox("bob").count("offset 6 (truncated)"))
        room.press("server", "New database")
        await room.until(lambda: "await lab.new_database()" in room.said.value)
        await room.until(lambda: any(event.event == "restart" for event in lab.journal))
        await lab.settle()
        room.press("server", "Publish")
        await room.until(lambda: holders(room) == {1: ["handled", "handled"]} and "offset 1 (epoch-changed)" in room.outbox("bob"))

    in_a_room_with_a_log(work)


def test_the_server_publishes_every_second_until_the_button_is_pressed_again():
    async def work(lab, room):
        every = next(child for child in room.row("server").children if getattr(child, "description", "") == "Every second")
        every.value = True
        await room.until(lambda: "lab.publish_every(1.0)" in room.said.value and holders(room))
        every.value = False
        await room.until(lambda: "lab.publish_every(None)" in room.said.value)

    in_a_room_with_a_log(work)


def test_a_halted_client_says_so_and_its_buttons_let_it_go_on():
    async def work(lab, room):
        bob = lab.participants["bob"]
        bad = [1, 2]

        @bob.on("chat message")
        def fragile(data):
            if data in bad:
                raise ValueError("what is this?")

        buttons = next(row for row in room.head.children if "<b>bob</b>" in row.children[0].children[0].value).children[1].children[1:]
        assert [button.description for button in buttons] == ["Resume", "Skip"]
        await room.until(lambda: [button.layout.display for button in buttons] == ["none", "none"])
        await lab.publish("chat message", 1)
        await lab.publish("chat message", 2)
        await room.until(lambda: "halted at 1" in room.outbox("bob") and "client.skip(1)" in room.said.value)
        assert [button.layout.display for button in buttons] == ["", ""]
        buttons[1].click()
        await room.until(lambda: "bob.skip(1)" in room.said.value and "halted at 2" in room.outbox("bob"))
        bad.clear()
        buttons[0].click()
        await room.until(lambda: "bob.resume()" in room.said.value and "offset 2" in room.outbox("bob"))
        await room.until(lambda: [button.layout.display for button in buttons] == ["none", "none"])

    in_a_room_with_a_log(work)


def test_the_whole_run_is_one_line_that_does_the_same_again():
    async def work(lab, room):
        await lab.settle()
        room.press("bob", "Cut")
        await room.until(lambda: "bob.cut" in room.run.value)
        await lab.settle()
        room.press("alice", "Send 5")
        await room.until(lambda: 'bob.cut; settle; alice.emit "chat message" 1..5; settle' in room.run.value)
        text = ast.literal_eval(room.run.value.removeprefix("lab = await Lab.replay(").removesuffix(")"))
        assert text == lab.schedule
        async with Lab.replay(text, name="again") as again:
            assert str(again.verdict()) == str(lab.verdict())

    in_a_room(work)


def test_a_run_that_is_too_long_to_be_copied_is_not_sent_to_the_browser_again_and_again():
    async def work(lab, room):
        for n in range(50):
            lab.participants["alice"].emit("chat message", {"n": n, "text": "x" * 500})
        await lab.settle()
        await room.until(lambda: room.run.value.startswith("print(lab.schedule)"))
        assert len(lab.schedule) > 25_000

    in_a_room(work)


def test_a_paused_room_keeps_picture_score_and_log_of_one_moment_while_the_lab_goes_on():
    async def work(lab, room):
        room.press("server", "Publish")
        await room.until(lambda: holders(room) == {1: ["handled", "handled"]})
        await lab.settle()
        assert room.bar_button("Step ▸").disabled
        room.bar_button("Pause").click()
        await room.until(lambda: "Paused at event" in room.said.value and not room.bar_button("Step ▸").disabled)
        before = room.picture.value, room.score.value
        room.press("server", "Publish")
        await lab.settle()
        await room.until(lambda: f" of {len(lab.journal)}:" in room.said.value)
        assert (room.picture.value, room.score.value) == before
        while len(holders(room)) == 1:
            said = room.said.value
            room.bar_button("Step ▸").click()
            await room.until(lambda said=said: room.said.value != said)
        assert holders(room)[2] == ["not yet", "not yet"]
        assert "#2 stored as 2" in room.said.value
        assert "2 sent" in room.score.value
        room.bar_button("◂ Back").click()
        await room.until(lambda: len(holders(room)) == 1)
        room.bar_button("Live").click()
        await room.until(lambda: holders(room) == {number: ["handled", "handled"] for number in (1, 2)} and "Paused" not in room.said.value)
        assert room.bar_button("Pause")

    in_a_room_with_a_log(work)


def test_the_picture_tells_each_message_and_the_line_below_has_the_same_sentence():
    async def work(lab, room):
        room.press("bob", "Cut")
        await room.shows("bob", "cut")
        room.press("alice", "Send")
        sentence = "alice&#x27;s chat message #1 reached the server&#x27;s handler; bob missed it: the link was cut."
        await room.until(lambda: f'aria-label="{sentence}"' in room.picture.value)
        assert f">{sentence}</div>" in room.bar.children[-1].value

    in_a_room(work)


def test_who_steps_through_a_closed_lab_still_sees_its_history():
    async def main():
        lab = await Lab.start()
        alice = await lab.join("alice")
        shown = control_room(lab)
        room = Room(shown)
        alice.emit("chat message", 1)
        await lab.settle()
        await room.until(lambda: "1 arrived" in room.score.value)
        await lab.close()
        await room.until(lambda: not shown._painter._thread.is_alive())
        while "1 arrived" in room.score.value:
            room.bar_button("◂ Back").click()
        assert "This lab is closed" in room.said.value
        assert "Paused at event" in room.said.value
        room.bar_button("Live").click()
        assert "1 arrived" in room.score.value

    asyncio.run(main())


def test_pause_keeps_what_is_on_the_screen_and_not_what_came_since():
    view, events = LiveView(lambda: None, stores=False), offline().events
    view.paint(Picture(STEPS, events[:8]))
    view.bar.children[0].click()
    assert view.step(events) == events[:8]
