"""The lessons as a learner meets them: a real JupyterLab in a real browser, buttons pressed, the page read."""

import contextlib
import re
import shutil
from pathlib import Path

import pytest

from tests.widgets.browser import Notebook, browser_page, jupyterlab

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
ARTEFACTS = Path(__file__).resolve().parents[2] / "artefacts"

CUT, RESTORE = "cut {}'s connection now (RST) and keep it cut", "make {}'s link work again"


@contextlib.contextmanager
def opened(browser, scratch, name):
    """A lesson in a JupyterLab of its own: the page, and the notebook in it."""
    folder = scratch / "notebooks"
    shutil.copytree(NOTEBOOKS, folder)
    ARTEFACTS.mkdir(exist_ok=True)
    with jupyterlab(folder, scratch) as address, browser_page(browser, scratch) as page:
        yield page, Notebook(page, address, name)


@pytest.mark.browser
def test_notebook_00_a_learner_cuts_a_connection_and_reads_what_was_lost(browser, tmp_path):
    with opened(browser, tmp_path, "00_start_here.ipynb") as (page, notebook):
        notebook.run_through("control_room(lab)")
        notebook.press(RESTORE.format("alice"))
        notebook.sees("alice.link.restore()")
        room = page.locator(".jp-OutputArea-output", has_text="the same in code").first
        _row(room, "alice", "connected")
        page.locator('button[title="alice sends one message"]').first.focus()
        page.keyboard.press("Enter")  # everything works without a mouse
        notebook.sees('alice.emit("chat message", 12)')
        _score(room, "alice → server", "12 sent", "7 arrived", "5 lost", "#7 #8 #9 #10 #11")
        notebook.press(CUT.format("bob"))
        _row(room, "bob", "cut")
        notebook.press("alice sends 5 messages")
        _score(room, "server → bob", "12 sent", "7 arrived", "5 lost", "#13 #14 #15 #16 #17")
        notebook.press("bob sends one message")
        notebook.sees("NotConnected")
        notebook.press(RESTORE.format("bob"))
        _row(room, "bob", "connected")
        notebook.press("alice sends one message")
        _score(room, "server → bob", "13 sent", "8 arrived", "5 lost")
        picture = room.locator("svg").first
        assert "lost #13 #14 #15 #16 #17" in re.sub(r"\s+", " ", picture.text_content() or "") + (picture.get_attribute("aria-label") or "")
        _fits_one_screen(page, room)
        page.screenshot(path=ARTEFACTS / "00_control_room.png")
        notebook.run_all()
        notebook.sees("<Lab 'lab': closed>")
        page.screenshot(path=ARTEFACTS / "00_end.png")
        assert page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']").count() == 0
        assert notebook.errors == []


@pytest.mark.full
@pytest.mark.browser
def test_notebook_07_a_learner_sees_what_is_stored_who_has_it_and_how_it_is_replayed(browser, tmp_path):
    with opened(browser, tmp_path, "07_offset_replay.ipynb") as (page, notebook):
        notebook.run_through("control_room(lab)")
        room = page.locator(".jp-OutputArea-output", has_text="latency").first
        notebook.press("server sends 5 messages")
        _score(room, "server → bob", "5 sent", "5 arrived")
        notebook.press(CUT.format("bob"))
        _row(room, "bob", "cut")
        notebook.press("server sends one message")
        notebook.sees('await lab.publish("chat message", 6)')
        room.locator("tr", has_text=re.compile(r"^\s*6\s*6\s*·\s*✓")).first.wait_for(timeout=10_000)
        notebook.press(RESTORE.format("bob"))
        room.locator("tr", has_text=re.compile(r"^\s*6\s*6\s*✓\s*✓")).first.wait_for(timeout=10_000)
        room.get_by_text("replayed", exact=True).first.wait_for(timeout=10_000)
        notebook.press("the log forgets everything that it has now")
        room.get_by_text("everything up to 6 was trimmed").wait_for(timeout=10_000)
        page.screenshot(path=ARTEFACTS / "07_the_log.png")
        assert notebook.errors == []


def _row(room, name, word):
    room.get_by_text(re.compile(rf"^\s*{name}\s*\S\s*{word}")).first.wait_for(timeout=10_000)


def _score(room, *cells):
    row = room.locator("tr")
    for cell in cells:
        row = row.filter(has_text=cell)
    row.first.wait_for(timeout=10_000)


def _fits_one_screen(page, room):
    """Controls and picture are visible together on a screen of 1280 x 800."""
    height = page.evaluate("() => document.querySelector('.jp-WindowedPanel-outer').clientHeight")
    buttons, picture = room.locator("button").first.bounding_box(), room.locator("svg").first.bounding_box()
    assert picture["y"] + picture["height"] - buttons["y"] < height
