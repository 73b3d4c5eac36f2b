"""Every lesson as a learner does it: open it, run all its cells, press what its text asks for by hand, and read what the page says."""

import re
import time
from pathlib import Path

import pytest

from tests.widgets.browser import Notebook, browser_page, jupyterlab

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
ARTEFACTS = Path(__file__).resolve().parents[2] / "artefacts"

FRAME = "the frame"

BROKEN_LINK = r"(Failed to load resource: net::ERR_|WebSocket connection to '\S+' failed).* at http://127\.0\.0\.1:\d+/(socket\.io|[\w-]{22}/carol)/.*"
"""What the console says of a link that the lesson cuts, and of a lab that is closed while a page shows a tab of it."""

BY_HAND = {
    "00_start_here": (
        ("alice", "Restore", "^alice ● connected$"),
        ("bob", "Cut", "^bob ✕ cut$"),
        ("alice", "Send 5", "^server → bob .* 5 lost #12 #13 #14 #15 #16$"),
        ("bob", "Restore", "^bob ● connected$"),
        ("alice", "Stall", "^alice ‖ stalled"),
        ("alice", "Send 5", "^alice → server .* 10 lost #7 #8 #9 #10 #11 #17 #18 #19 #20 #21$"),
        ("alice", "Restore", "^alice ● connected$"),
    ),
    "01_ordering": (
        ("alice", "latency 0.30", "alice.link.latency = 0.30"),
        ("alice", "Send 5", "^alice → server 11 sent 11 arrived$"),
        ("alice", "Send", "^alice → server 12 sent 12 arrived$"),
        ("alice", "Stall", "^alice ‖ stalled"),
        ("alice", "Send 5", "^alice → server 17 sent"),
        ("alice", "Restore", "^alice ● connected$"),
        ("alice", "Send", "^alice → server 18 sent (?!.*reordered)"),
    ),
    "02_at_most_once": (
        ("bob", "Stall", "^bob ‖ stalled"),
        ("server", "Send 5", "^server → bob .* 5 lost"),
        ("bob", "Restore", "^bob ● connected$"),
        ("carol", "Cut", "^carol ✕ cut$"),
        ("alice", "Send 5", "^server → carol .* 5 lost"),
        ("carol", "Restore", "^carol ● connected$"),
    ),
    "03_offline_client": (
        ("alice", "Cut", "^alice ✕ cut$"),
        ("carol", "Cut", "^carol ✕ cut$"),
        ("alice", "Send 5", "^keeps #1 #2 #3 #4 #5$"),
        ("carol", "Send 5", "^carol → server 5 sent 0 arrived 5 on the way"),
        ("alice", "Restore", "^alice → server 5 sent 5 arrived"),
        ("carol", "Restore", "^carol → server 5 sent 5 arrived"),
        ("alice", "Cut", "^alice ✕ cut$"),
        ("carol", "Cut", "^carol ✕ cut$"),
        ("alice", "Send 5", "^keeps #6 #7 #8 #9 #10"),
        ("carol", "Send 5", "^carol → server 10 sent 5 arrived 5 on the way"),
        ("alice", "Refresh", "^keeps #6 #7 #8 #9 #10"),
        ("carol", "Refresh", "^carol → server .* 5 lost #6 #7 #8 #9 #10"),
        ("alice", "Restore", "^alice → server 10 sent 10 arrived"),
        ("carol", "Restore", "^carol ● connected$"),
        ("carol", "Stall", "^carol ‖ stalled"),
        ("carol", "Send", "^carol → server .* 6 lost"),
        ("carol", "Restore", "^carol ● connected$"),
    ),
    "04_ack_and_timeout": (
        ("alice", "Lose acks", "^alice ‖ stalled"),
        ("alice", "Send", "unknown #1"),
        ("alice", "Restore", "^alice ● connected$"),
        ("alice", "Stall", "^alice ‖ stalled"),
        ("alice", "Send", "^alice → server 2 sent 1 arrived 1 lost #2"),
        ("alice", "Restore", "^alice ● connected$"),
        ("alice", "Cut", "^alice ✕ cut$"),
        ("alice", "Send", "NotConnected"),
    ),
    "05_retry": (
        ("alice", "Cut", "^alice ✕ cut$"),
        ("alice", "Send 5", "^keeps #1 #2 #3 #4 #5$"),
        ("alice", "Restore", "^alice → server 5 sent 5 arrived$"),
        ("alice", "Lose acks", "^alice ‖ stalled"),
        ("alice", "Send", r"^alice ‖ stalled\n(?!but)"),
        ("alice", "Restore", "^alice → server 6 sent 6 arrived 1 duplicated #6$"),
        ("server", "Crash", "^server ✕ crashed$"),
        ("alice", "Send 5", "keeps #7 #8 #9 #10 #11"),
        ("server", "Restart", "^alice → server 11 sent 11 arrived 1 duplicated #6$"),
    ),
    "06_once_in_effect": (
        ("alice", "Lose acks", "^alice ‖ stalled"),
        ("alice", "Send", "#1"),
        ("alice", "Cut", "^alice ✕ cut$"),
        ("alice", "Send", "keeps"),
        ("server", "Crash", "^server ✕ crashed$"),
        ("alice", "Send", "keeps"),
        ("alice", "Refresh", "keeps"),
        ("server", "Restart", "^server ● listening$"),
        ("alice", "Restore", "^alice → server 3 sent 3 arrived$"),
    ),
    "07_offset_replay": (
        ("server", "Publish 5", "^server → bob 5 sent 5 arrived$"),
        ("bob", "Cut", "^bob ✕ cut$"),
        ("server", "Publish 5", "^10 10 ·"),
        ("bob", "Restore", "^server → bob 10 sent 10 arrived$"),
        ("server", "Crash", "^server ✕ crashed$"),
        ("server", "Restart", "^server ● listening$"),
        ("server", "Every second", "^11 "),
        ("bob", "Stall", "^bob ‖ stalled"),
        ("bob", "Refresh", r"await bob\.refresh\(\)$"),
        ("bob", "Restore", "^bob ● connected$"),
        ("server", "Every second", r"publish_every\(None\)$"),
    ),
    "08_races_in_replay": (
        ("server", "Publish 5", "^server → bob 5 sent 5 arrived$"),
        ("bob", "Cut", "^bob ✕ cut$"),
        ("server", "Publish 5", "^10 10 ✓ ·$"),
        ("server", "Trim", "everything up to 10 was trimmed"),
        ("bob", "Restore", r"^offset 10 \(truncated\)$"),
        ("server", "New database", r"^offset 0 \(epoch-changed\)$"),
        ("server", "Publish", r"^offset 1 \(epoch-changed\)$"),
    ),
    "09_in_the_browser": (
        (FRAME, "Go offline", "^disconnected"),
        (FRAME, "Emit", "^#1$"),
        (FRAME, "Emit", "^#2$"),
        (FRAME, "Refresh the tab", "^disconnected"),
        (FRAME, "Go online", "^connected$"),
        ("carol", "Send", "^carol → server 3 sent 1 arrived 2 lost #1 #2$"),
        (FRAME, "retries", "^connected$"),
        (FRAME, "unique ids", "^connected$"),
        ("carol", "Lose acks", "^carol ‖ stalled"),
        (FRAME, "Emit", "^#4"),
        ("carol", "Restore", "^carol → server 4 sent 2 arrived 2 lost #1 #2$"),
        (FRAME, "retries", "^connected$"),
        (FRAME, "Go offline", "^disconnected"),
        (FRAME, "Emit, 1 s for an ack", "^#5 unknown$"),
        (FRAME, "Go online", "^connected$"),
        ("server", "Publish", "offset"),
        (FRAME, "Go offline", "^disconnected"),
        ("server", "Publish", "offset"),
        (FRAME, "Refresh the tab", "^disconnected"),
        (FRAME, "Go online", "^connected$"),
    ),
    "11_choose_and_defend": (("bare", "lost", "^lost bare, 1 of "), ("retry", "duplicated", "^duplicated retry, 1 of ")),
    "sandbox": (("alice", "Send 5", "^server → carol 5 sent 5 arrived"),),
}
"""Whose row, the button in it, and a line that the page then shows. What stands between the lines of a lesson is not said twice."""


@pytest.fixture(scope="module")
def jupyter(browser, tmp_path_factory):
    """The address of one JupyterLab for all lessons, on a copy of them."""
    folder = tmp_path_factory.mktemp("course")
    for lesson in NOTEBOOKS.glob("*.ipynb"):
        (folder / lesson.name).write_bytes(lesson.read_bytes())
    ARTEFACTS.mkdir(exist_ok=True)
    with jupyterlab(folder, tmp_path_factory.mktemp("jupyter")) as address:
        yield address


@pytest.mark.full
@pytest.mark.browser
@pytest.mark.parametrize("lesson", sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb")))
def test_a_lesson_runs_and_its_buttons_do_what_its_text_says(browser, jupyter, tmp_path, lesson):
    with browser_page(browser, tmp_path) as page:
        notebook = Notebook(page, jupyter, f"{lesson}.ipynb")
        notebook.run_all()
        number, source = next((n, source) for n, source in enumerate(notebook.cells) if re.search(r"control_room\(lab\)|explore\(", source))
        cell = page.locator(".jp-Notebook > .jp-WindowedPanel-outer .jp-Cell").nth(number)
        everything_is_shown(page, notebook)
        leave_picture(page, cell, f"{lesson}_run_all")
        if "Lab.start(" in source:
            notebook.run(number)
        elif "explore" not in source:
            notebook.run_through(source)
        for who, button, line in BY_HAND.get(lesson, ()):
            place = cell.frame_locator("iframe").locator("body") if who == FRAME else cell
            act(place if who == FRAME else row(cell, who), button)
            reads(place, line)
        leave_picture(page, cell, f"{lesson}_by_hand")
        assert [error for error in notebook.errors if not re.fullmatch(BROKEN_LINK, error)] == []


def everything_is_shown(page, notebook):
    """No cell shows an error, every picture has words, and every control room its picture and its score."""
    assert notebook.faults() == []
    assert page.get_by_text("Error displaying widget").count() == 0
    for picture in page.locator(".jp-Notebook img").all():
        words = picture.get_attribute("alt") or ""
        assert words not in ("", "Image"), picture.evaluate("picture => picture.outerHTML.slice(0, 300)")  # JupyterLab fills in "Image"
    for room in page.locator(".rl-room").all():
        assert room.locator(".rl-picture > * > svg").get_attribute("aria-label")
        reads(room, "^This lab is closed")  # by the last cell: what was painted before is not the end
        reads(room, r"^\S+ → \S+ .*\d+ sent|Nothing was sent")


def act(place, button):
    """Press this button, or write into the field."""
    if button.startswith("latency "):
        place.get_by_role("spinbutton").fill(button.removeprefix("latency "))
        place.get_by_role("spinbutton").press("Enter")
    else:
        kinds = [place.get_by_role(kind, name=re.compile(rf"^(\d+ )?{re.escape(button)}$")) for kind in ("button", "checkbox")]
        kinds[0].or_(kinds[1]).click()


def row(cell, who):
    """The row of buttons that begins with this name."""
    return cell.locator(".widget-hbox").filter(has=cell.page.locator(f"b:text-is('{who}')")).last


def reads(place, line, seconds=15.0):
    """Wait until the page shows a line like this one here; a row of a table is one line."""
    deadline = time.monotonic() + seconds
    while True:
        text = "\n".join(re.sub(r"\s+", " ", each).strip() for each in place.inner_text().splitlines())
        if re.search(line, text, re.MULTILINE):
            return
        assert time.monotonic() < deadline, f"no line like {line!r} in:\n{text}"
        place.page.wait_for_timeout(50)


def leave_picture(page, cell, name):
    cell.evaluate("cell => cell.scrollIntoView({block: 'start'})")
    page.screenshot(path=ARTEFACTS / f"lesson_{name}.png")
