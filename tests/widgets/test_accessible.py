"""A learner without a mouse: prediction, question and control room in a real browser, by keyboard alone, and judged by axe-core."""

import re
from pathlib import Path

import pytest

from tests.widgets.browser import Notebook, browser_page, jupyterlab, write_notebook

ARTEFACTS = Path(__file__).resolve().parents[2] / "artefacts"

CELLS = (
    "from realtime_lab import Lab\n"
    "from realtime_lab.widgets import control_room, predict, quiz\n"
    'guess = predict("Ten messages, and a cut before `#6`. How many does the server get, and which are lost?", arrived=None, lost=None)',
    'guess.compare(arrived=5, lost=["#6", "#7", "#8", "#9", "#10"], look="the arrows that end at a cross")',
    'quiz("once in effect")',
    "lab = await Lab.start(log=True, dedupe=True)\n"
    'alice = await lab.join("alice", send_buffer=True)\n'
    'bob, carol = await lab.join("bob", replay=True), await lab.join("carol")\n'
    "carol.link.cut()\n"
    "await lab.settle()\n"
    "control_room(lab)",
)

FOCUS = """() => {
  const at = document.activeElement;
  return (at.labels?.length ? at.labels[0].textContent : at.textContent).trim() + (at.title ? ` (${at.title})` : '');
}"""
"""The name of what has the focus, as a screen reader says it."""

JUDGED = """async () => {
  document.body.style.height = '100vh';  // JupyterLab's body has no height, and for axe everything in it is then hidden
  const ours = [...document.querySelectorAll('.jp-OutputArea-output')];
  const result = await axe.run(ours);
  const nodes = rules => rules.flatMap(rule => rule.nodes.map(node => `${rule.impact} ${rule.id}: ${node.html} ${node.failureSummary}`));
  return {
    faults: nodes(result.violations.filter(rule => ['serious', 'critical'].includes(rule.impact))),
    stumbled: result.incomplete.filter(rule => rule.error).map(rule => `${rule.id}: ${rule.error.message}`),
    contrasts: result.passes.filter(rule => rule.id === 'color-contrast').flatMap(rule => rule.nodes).length,
  };
}"""


class Keyboard:
    """Hands on the keys: nothing is clicked."""

    def __init__(self, page):
        self.page = page

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def write(self, text):
        self.press("Control+a")
        self.page.keyboard.type(text)

    def tab_to(self, name, key="Tab"):
        passed = []
        while not passed or not passed[-1].startswith(name):
            assert len(passed) < 30, f"{name} is not on the way of {key}: {passed}"
            self.press(key)
            passed.append(self.page.evaluate(FOCUS))


def written(folder):
    """A notebook with these cells."""
    write_notebook(folder / "lesson.ipynb", CELLS)
    return folder


@pytest.mark.full  # notebook 00 is what every run opens in a browser
@pytest.mark.browser
def test_prediction_question_and_control_room_work_with_the_keyboard_alone_and_axe_finds_no_serious_fault(browser, axe, tmp_path):
    ARTEFACTS.mkdir(exist_ok=True)
    with jupyterlab(written(tmp_path / "notebooks"), tmp_path) as address, browser_page(browser, tmp_path, height=1900) as page:
        notebook, keyboard = Notebook(page, address, "lesson.ipynb"), Keyboard(page)
        page.evaluate("() => window.jupyterapp.shell.currentWidget.content.activate()")
        predicted(notebook, keyboard)
        answered(notebook, keyboard)
        broken_by_hand(notebook, keyboard)
        assert_accessible(page, axe, "predict_and_quiz", contrasts=50)
        assert notebook.errors == []
        assert page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']").count() == 0


def assert_accessible(page, axe, name, contrasts):
    """axe finds no serious fault in what the page shows of our widgets, in light and in dark. Leaves a screenshot of each, under `name`."""
    page.evaluate(axe + "; 0")
    for theme in ("Light", "Dark"):
        page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme: `JupyterLab ${theme}`})", theme)
        page.wait_for_function("light => document.body.dataset.jpThemeLight === light", arg=str(theme == "Light").lower())
        page.locator("#jupyterlab-splash").wait_for(state="detached")
        page.screenshot(path=ARTEFACTS / f"{name}_{theme.lower()}.png")
        judged = page.evaluate(JUDGED)
        assert judged["faults"] == judged["stumbled"] == []
        assert judged["contrasts"] > contrasts, "axe has seen next to nothing of our widgets"


def predicted(notebook, keyboard):
    keyboard.press("Control+Enter")
    notebook.sees("Predict.")
    keyboard.tab_to("arrived")
    keyboard.write("5 of them")
    keyboard.tab_to("lost")
    keyboard.write("#6 to #9")
    keyboard.tab_to("Commit")
    keyboard.press("Enter")
    problem = notebook.sees('"5 of them" cannot be read. Write a number (5)')
    keyboard.tab_to("arrived", "Shift+Tab")
    keyboard.write("5")
    keyboard.tab_to("Commit")
    problem.wait_for(state="hidden")  # the kernel has the new text
    keyboard.press("Enter")
    notebook.sees("Your prediction: arrived 5 · lost #6 #7 #8 #9")
    assert notebook.page.get_by_label("lost", exact=True).is_disabled()
    keyboard.press("ArrowDown", "Control+Enter")
    table = notebook.page.locator("table", has_text="predicted").first
    notebook.sees("Look at: the arrows that end at a cross")
    assert [re.sub(r"\s+", " ", row).strip() for row in table.locator("tr").all_inner_texts()] == [
        "predicted measured", "arrived 5 5 ✓ as predicted", "lost #6 #7 #8 #9 #6 #7 #8 #9 #10 ✕ different"
    ]  # fmt: skip
    keyboard.press("ArrowDown")


def answered(notebook, keyboard):
    keyboard.press("Control+Enter")
    notebook.sees("One question.")
    keyboard.tab_to("b) ")
    keyboard.press("Space")
    keyboard.tab_to("Check")
    keyboard.press("Enter")
    wrong = notebook.sees("Look again at: Predict: the key from the tutorial")
    assert wrong.locator("xpath=ancestor-or-self::*[@role='alert']").count() == 1
    keyboard.tab_to("d) ", "Shift+Tab")
    keyboard.press("Space")
    wrong.wait_for(state="hidden")
    keyboard.tab_to("Check")
    keyboard.press("Enter")
    notebook.sees("Is it acknowledged after that commit?")
    notebook.sees("✓ right")
    keyboard.press("ArrowDown")


def broken_by_hand(notebook, keyboard):
    keyboard.press("Control+Enter")
    notebook.sees("Press a button: the line of code that does the same appears here.")
    keyboard.tab_to("Cut (cut alice")
    keyboard.press("Enter")
    notebook.sees("alice.link.cut()")
    keyboard.tab_to("Send 5 (alice", "Shift+Tab")
    keyboard.press("Enter")
    notebook.sees("keeps #1 #2 #3 #4 #5")
    keyboard.tab_to("Restore (make alice")
    keyboard.press("Enter")
    notebook.sees("5 lost")
    keyboard.tab_to("Refresh (start bob")
    keyboard.tab_to("latency")
    keyboard.press("ArrowUp")
    notebook.sees("bob.link.latency = 0.05")
