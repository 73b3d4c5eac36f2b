"""The control room as learners look at it: dense histories, small and large pages, light and dark; pointed at, paused, stepped."""

import re
from pathlib import Path

import pytest

from tests.widgets.browser import Notebook, browser_page, jupyterlab, write_notebook
from tests.widgets.test_accessible import assert_accessible

ARTEFACTS = Path(__file__).resolve().parents[2] / "artefacts"
CUT, RESTORE = "cut {}'s connection now (RST) and keep it cut", "make {}'s link work again"

ROOM, BURST, HISTORY, AGAIN = range(4)
CELLS = (
    "import math\n"
    "from realtime_lab import Lab\n"
    "from realtime_lab.widgets import control_room\n"
    "lab = await Lab.start(log=True, dedupe=True)\n"
    'alice = await lab.join("alice", retries=math.inf, ack_timeout=1.0)\n'
    'bob = await lab.join("bob", replay=True)\n'
    "await lab.settle()\n"
    "control_room(lab)",
    'alice.link.cut(before="chat message #8")\n'
    'for n in range(20): alice.emit("chat message", n)\n'
    "await lab.settle()\n"
    "bob.link.cut()\n"
    "await lab.settle()\n"
    "alice.link.restore()\n"
    "await lab.settle()\n"
    "bob.link.restore()\n"
    "await lab.settle()",
    'for n in range(500): alice.emit("chat message", n)\nawait lab.settle()',
    'bob.link.stall()\nfor n in range(20): alice.emit("chat message", n)',
)

LABELS = """room => [...room.querySelectorAll('.rl-picture text, .rl-keys > span')].map(text => {
  const box = text.getBoundingClientRect();
  return {text: text.textContent, left: box.left, right: box.right, top: box.top, bottom: box.bottom};
})"""

STEADY = """room => [...room.querySelectorAll('button, input, summary, .rl-line, .rl-picture')].map(part => {
  const box = part.getBoundingClientRect();
  return [part.title || part.className, ...[box.x, box.y, box.width, box.height].map(Math.round)].join(' ');
})"""

BEYOND = """room => [...room.querySelectorAll('button, summary, input')]
  .filter(part => part.getBoundingClientRect().right > room.closest('.jp-Cell-outputWrapper').getBoundingClientRect().right)
  .map(part => part.title)"""
"""The buttons that one has to scroll to."""

PALE = "room => [...room.querySelectorAll('.rl-thing')].filter(thing => Number(getComputedStyle(thing).opacity) < 0.5).length"
TOLD = "room => [...room.querySelectorAll('.rl-fate')].filter(fate => fate.offsetHeight).map(fate => fate.textContent)"


@pytest.fixture
def opened(browser, tmp_path):
    """The page, the notebook and its room, of which nothing was pressed yet."""
    ARTEFACTS.mkdir(exist_ok=True)
    write_notebook(tmp_path / "notebooks" / "lesson.ipynb", CELLS)
    with jupyterlab(tmp_path / "notebooks", tmp_path) as address, browser_page(browser, tmp_path) as page:
        notebook = Notebook(page, address, "lesson.ipynb")
        notebook.run(ROOM)
        room = page.locator(".rl-room").first
        room.locator(".rl-picture > * > svg").wait_for()
        yield page, notebook, room
        assert notebook.errors == []
        assert page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']").count() == 0


@pytest.mark.full  # notebook 00 is what every run opens in a browser
@pytest.mark.browser
def test_the_room_is_readable_and_steady_and_tells_fates_at_any_density(opened, axe):
    page, notebook, room = opened
    steady_while_buttons_are_pressed(notebook, room)
    notebook.run(BURST)
    sees_line(room, "alice → server", "21 arrived")
    dense_but_readable(page, room, "burst")
    told_by_pointer_and_by_keyboard(page, room)
    assert_accessible(page, axe, "live_picture", contrasts=20)
    notebook.run(HISTORY)
    sees_line(room, "alice → server", "521 arrived")
    dense_but_readable(page, room, "500")
    paused_and_stepped(page, notebook, room)
    shortcuts_open_over_the_picture(page, room)


def steady_while_buttons_are_pressed(notebook, room):
    """The picture grows to the right and words change; nothing that one presses or reads moves, and the score is on the first screen."""
    into_view(room)
    before = room.evaluate(STEADY)
    for tooltip, then in (
        (CUT.format("bob"), "bob.link.cut()"),
        ("alice sends one message", 'alice.emit("chat message", 1)'),
        (RESTORE.format("bob"), "bob.link.restore()"),
        ("stop picture and score while the lab goes on; again: see it live", "Paused at event"),
        ("go one step back in the history", "Paused at event"),
        ("go one step forward in the history", "Paused at event"),
        ("stop picture and score while the lab goes on; again: see it live", "bob.link.restore()"),
    ):
        notebook.press(tooltip)
        notebook.sees(then)
        assert room.evaluate(STEADY) == before, tooltip
    room.get_by_text("Paused at event").wait_for(state="detached")


def dense_but_readable(page, room, name):
    """No two words of picture and legend share room, in both sizes of a screen, and on a small one at 200 %."""
    for size, (width, height) in {"1280": (1280, 800), "1920": (1920, 1080), "zoomed": (640, 400)}.items():
        page.set_viewport_size({"width": width, "height": height})
        if size == "zoomed":
            page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
        into_view(room)
        labels = room.evaluate(LABELS)
        assert len(labels) > 10
        assert overlapping(labels) == []
        line = room.locator(".rl-line").first
        assert line.evaluate("line => line.scrollHeight <= line.clientHeight") or size == "zoomed", "the legend does not fit"
        sideways = room.evaluate(BEYOND)
        assert sideways == [], "these buttons are beyond the edge"
        page.screenshot(path=ARTEFACTS / f"live_{name}_{size}.png")
        if size == "1280":
            fits_one_screen(page, room)
    page.set_viewport_size({"width": 1280, "height": 800})
    page.evaluate("() => window.jupyterapp.shell.expandLeft()")


def overlapping(labels):
    """Pairs of words whose boxes share more than the empty rim above and below the letters."""
    return [
        (one["text"], other["text"])
        for number, one in enumerate(labels)
        for other in labels[:number]
        if min(one["right"], other["right"]) - max(one["left"], other["left"]) > 0.5
        and min(one["bottom"], other["bottom"]) - max(one["top"], other["top"]) > 3
    ]


def fits_one_screen(page, room):
    """From the first button to the score, and the score has room for some lines."""
    visible = page.evaluate("() => document.querySelector('.jp-WindowedPanel-outer').getBoundingClientRect().bottom")
    score = room.locator("table", has_text="alice → server").first.bounding_box()
    assert score["y"] + 90 < visible


def told_by_pointer_and_by_keyboard(page, room):
    """One message stands out, and its sentence stands where the legend was."""
    into_view(room)
    keys = room.locator(".rl-keys")
    words = room.locator(".rl-one:not(.rl-message) text")
    assert room.evaluate(TOLD) == []
    words.first.hover()
    (told,) = room.evaluate(TOLD)
    assert words.first.text_content().split()[0] in told
    assert not keys.is_visible()
    page.wait_for_function(f"room => ({PALE})(room) > 5", arg=room.element_handle())
    page.screenshot(path=ARTEFACTS / "live_pointed_at.png")
    page.mouse.move(2, 2)
    keys.wait_for()
    assert room.evaluate(TOLD) == []
    room.locator(".rl-picture").focus()
    for message in room.locator(".rl-message").all()[:3]:
        page.keyboard.press("Tab")
        assert message.evaluate("message => message === document.activeElement")
        assert room.evaluate(TOLD) == [message.get_attribute("aria-label")]
    page.wait_for_function(f"room => ({PALE})(room) > 5", arg=room.element_handle())
    page.mouse.move(2, 2)
    words.last.hover()  # the pointer goes before the focus
    (told,) = room.evaluate(TOLD)
    assert words.last.text_content().split()[0] in told
    page.mouse.move(2, 2)
    page.evaluate("() => document.activeElement.blur()")


def paused_and_stepped(page, notebook, room):
    """While it is paused nothing of the picture changes, although messages flow; steps go back and forth."""
    into_view(room)
    notebook.press("stop picture and score while the lab goes on; again: see it live")
    notebook.sees("Paused at event")
    picture = room.locator(".rl-picture")
    before, total = picture.inner_html(), journal_length(room)
    notebook.run(AGAIN)
    page.wait_for_function("([room, total]) => Number(/of (\\d+)/.exec(room.textContent)[1]) > total", arg=[room.element_handle(), total])
    assert picture.inner_html() == before
    notebook.press("go one step forward in the history")
    notebook.sees("bob: the link stalled")
    page.wait_for_function("([picture, before]) => picture.innerHTML !== before", arg=[picture.element_handle(), before])
    page.screenshot(path=ARTEFACTS / "live_paused.png")
    notebook.press("go one step back in the history")
    room.locator(".rl-thing", has_text="#522").first.wait_for(state="detached")
    notebook.press("stop picture and score while the lab goes on; again: see it live")
    room.locator(".rl-thing", has_text="#541").first.wait_for()


def journal_length(room):
    return int(re.search(r"Paused at event \d+ of (\d+)", room.text_content()).group(1))


def shortcuts_open_over_the_picture(page, room):
    """A list that takes no room, opened and closed by the keyboard."""
    into_view(room)
    before = room.evaluate(STEADY)
    room.locator("summary").focus()
    page.keyboard.press("Enter")
    listed = room.get_by_text("Tab, Shift+Tab")
    listed.wait_for()
    assert room.evaluate(STEADY) == before
    box = room.locator("details > div").bounding_box()
    assert page.evaluate("([x, y]) => document.elementFromPoint(x, y).closest('details') !== null", [box["x"] + 20, box["y"] + 12])
    page.screenshot(path=ARTEFACTS / "live_shortcuts.png")
    page.keyboard.press("Enter")
    listed.wait_for(state="hidden")


def into_view(room):
    room.evaluate("room => room.closest('.jp-Cell-outputWrapper').scrollIntoView({block: 'start'})")


def sees_line(room, *cells):
    row = room.locator("tr")
    for cell in cells:
        row = row.filter(has_text=cell)
    row.first.wait_for(timeout=60_000)
