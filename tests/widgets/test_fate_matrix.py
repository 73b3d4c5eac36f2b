"""The buttons of a fate matrix and the progress of a sweep: without a browser, in a real kernel, and in a real browser."""

import html
import inspect
import math
import re
import threading
import time
from pathlib import Path

import ipywidgets
import pytest
from IPython.core.interactiveshell import ExecutionResult

from realtime_lab.history.fates import FATES
from realtime_lab.lab.sweep import sweep
from realtime_lab.lab.trial import Design
from realtime_lab.widgets import explore, progress_bar
from tests.lab.test_kernel import running_kernel
from tests.widgets.browser import Notebook, browser_page, jupyterlab, write_notebook
from tests.widgets.test_accessible import Keyboard, assert_accessible

ARTEFACTS = Path(__file__).resolve().parents[2] / "artefacts"
WIDGET = "application/vnd.jupyter.widget-view+json"


async def chat(trial):
    alice = await trial.join("alice")
    await trial.join("bob")
    for n in range(1, 3):
        alice.emit("chat message", n)


def two_designs():
    return [Design("bare"), Design("retry", client={"retries": math.inf, "ack_timeout": 1.0})]


SETUP = f"""import math
from realtime_lab.lab.sweep import sweep
from realtime_lab.lab.trial import Design
from realtime_lab.widgets import explore, progress_bar
{inspect.getsource(chat)}
{inspect.getsource(two_designs)}
designs = two_designs()
"""


@pytest.fixture(scope="module")
def matrix():
    return sweep(chat, two_designs(), faults=["cut"]).run()


# -- the buttons --------------------------------------------------------------------------------------------------------------------------


class Opened:
    """The parts of an explorer, found as a learner would."""

    def __init__(self, matrix):
        *self.grid, steps, self.said, self.picture = explore(matrix)._box.children
        self.choice, self.previous, self.following = steps.children
        self.steps = steps

    def cells(self):
        return {re.sub("<.*?>", "", row.children[0].value): row.children[1:] for row in self.grid}

    def press(self, design, fate):
        next(cell for cell in self.cells()[design] if getattr(cell, "description", "").endswith(f" {fate}")).click()


def test_every_design_has_a_row_and_every_fate_a_column_with_its_count(matrix):
    shown = [fate for fate in FATES if matrix.runs(fate=fate)]
    for design, cells in Opened(matrix).cells().items():
        counts = [f"{len(matrix.runs(design, fate=fate))} {fate}" for fate in shown]
        assert [getattr(cell, "description", "") or re.sub("<.*?>", "", cell.value) for cell in cells] == counts
        assert [isinstance(cell, ipywidgets.Button) for cell in cells] == [not count.startswith("0 ") for count in counts]


def test_a_pressed_number_shows_the_runs_behind_it_the_shortest_first(matrix):
    opened = Opened(matrix)
    assert opened.steps.layout.display == "none"
    assert "Press a number" in opened.said.value
    opened.press("retry", "duplicated")
    runs = matrix.examples("retry", "duplicated")
    assert opened.steps.layout.display == ""
    assert list(opened.choice.options) == [f"{n} of {len(runs)} · {run.point.name}" for n, run in enumerate(runs, 1)]
    _shows(opened, runs[0])


def test_next_and_previous_step_through_the_runs_and_around(matrix):
    opened, runs = Opened(matrix), matrix.examples("bare", "lost")
    opened.press("bare", "lost")
    seen = []
    for _ in runs:
        seen.append(opened.choice.index)
        _shows(opened, runs[seen[-1]])
        opened.following.click()
    assert seen == list(range(len(runs)))
    _shows(opened, runs[0])
    opened.previous.click()
    _shows(opened, runs[-1])
    opened.choice.index = 1
    _shows(opened, runs[1])


def test_another_number_begins_with_its_own_shortest_run(matrix):
    opened = Opened(matrix)
    opened.press("bare", "lost")
    opened.following.click()
    opened.press("bare", "kept")
    _shows(opened, matrix.examples("bare", "kept")[0])
    opened.press("retry", "lost")
    _shows(opened, matrix.examples("retry", "lost")[0])


def _shows(opened, run):
    said = re.sub("<.*?>", "", opened.said.value)
    assert all(html.escape(line) in said for line in (str(run.point), *run.verdict.sentences))
    assert f"{run.fate} {run.design}, {opened.choice.index + 1} of " in said
    assert 'role="alert"' in opened.said.value
    assert opened.picture.value.startswith(run.figure.svg)


def test_a_viewer_without_a_kernel_reads_the_matrix(matrix):
    bundle = explore(matrix)._repr_mimebundle_()
    assert WIDGET in bundle
    assert bundle["text/plain"].startswith(str(matrix))


def test_only_a_matrix_can_be_explored():
    with pytest.raises(TypeError, match=r"what a sweep returns.*given list"):
        explore([])


# -- the progress of a sweep --------------------------------------------------------------------------------------------------------------


def _told(bar):
    """Every word that the bar has said, and what it says."""
    said = [bar._words.value]
    bar._words.observe(lambda change: said.append(change["new"]), "value")
    return said


def test_a_bar_says_ten_times_a_second_at_most_how_far_it_is_and_the_last_number_always():
    bar = progress_bar()
    said, began = _told(bar), time.monotonic()
    worker = threading.Thread(target=lambda: [bar(done, 50_000) for done in range(1, 50_001)])
    worker.start()
    worker.join()
    assert 3 <= len(said) <= (time.monotonic() - began) / 0.1 + 3
    assert said[0] == "looking for the break points …"
    assert re.fullmatch(r"\d+ of 50000 runs", said[1])
    assert ">50000 of 50000 runs<" in said[-1]
    assert (bar._bar.value, bar._bar.max) == (50_000, 50_000)


@pytest.mark.parametrize(("error", "words"), [(KeyError("x"), "stopped by an error after 37 of 180 runs"),
                                             (KeyboardInterrupt(), "interrupted after 37 of 180 runs")])  # fmt: skip
def test_the_end_of_its_cell_says_why_a_sweep_has_ended_early(error, words):
    bar, result = progress_bar(), ExecutionResult(None)
    bar(36, 180)
    bar(37, 180)
    bar._cell_ended(result)
    assert "36 of 180 runs" in bar._words.value, "the cell is over, and its sweep goes on"
    result.error_in_exec = error
    bar._cell_ended(result)
    assert f">{words}<" in bar._words.value
    assert bar._bar.value == 37


def test_a_bar_that_is_full_says_nothing_about_later_cells():
    bar = progress_bar()
    bar(2, 2)
    bar._cell_ended(None)
    assert ">2 of 2 runs<" in bar._words.value


def test_what_a_stored_notebook_keeps_of_a_bar_is_always_the_same():
    bundles = [progress_bar()._repr_mimebundle_() for _ in range(2)]
    assert all(WIDGET in bundle for bundle in bundles)
    assert {bundle["text/plain"] for bundle in bundles} == {"A progress bar. Run this cell to see it."}


@pytest.fixture(scope="module")
def kernel():
    with running_kernel() as kernel:
        kernel.run(SETUP)
        yield kernel


@pytest.mark.parametrize(("code", "error"), [("await sweep(chat, designs, progress=bar)", "CancelledError"),
                                            ("sweep(chat, designs, progress=bar).run()", "KeyboardInterrupt")])  # fmt: skip
def test_interrupt_ends_a_sweep_soon_closes_every_lab_and_the_bar_says_when(kernel, code, error):
    kernel.run("from tests.ports import connections; await sweep(chat, designs[:1], faults=['cut']); before = connections()")
    request = kernel.start(f"bar = progress_bar()\n{code}")
    _until_some_runs_are_done(kernel, request)
    began = time.monotonic()
    kernel.manager.interrupt_kernel()
    assert kernel.finish(request)[1] == error
    assert time.monotonic() - began < 5.0  # mostly 1.1 s; 2.7 s on a machine with five times as much to do as it can
    assert re.search(r">interrupted after \d+ of \d\d+ runs<", kernel.run("bar._words.value"))
    assert kernel.run("import threading; [t.name for t in threading.enumerate() if 'realtime_lab' in t.name]") == "[]"
    assert int(kernel.run("connections() - before")) <= 0, "a lab that is not closed keeps its sockets open"


def _until_some_runs_are_done(kernel, request):
    words = ""
    while not re.match(r"\d+ of \d+ runs", words):
        message = kernel.client.get_iopub_msg(timeout=30)
        state = message["content"].get("data", {}).get("state", {}) if message["msg_type"] == "comm_msg" else {}
        words = str(state.get("value", ""))


def test_a_bar_forgets_its_cell_when_it_is_full(kernel):
    kernel.run("bar = progress_bar(); found = await sweep(chat, designs[:1], faults=['cut'], progress=bar)")
    assert "16 of 16 runs" in kernel.run("bar._words.value")
    kernel.finish(kernel.start("raise KeyError('later')"))
    assert "16 of 16 runs" in kernel.run("bar._words.value")
    assert kernel.run("[each for each in get_ipython().events.callbacks['post_run_cell'] if 'Progress' in repr(each)]") == "[]"


# -- in a browser -------------------------------------------------------------------------------------------------------------------------


CELLS = (SETUP + "matrix = await sweep(chat, designs, faults=['cut'], progress=progress_bar())", "matrix", "explore(matrix)")


@pytest.mark.full  # notebook 00 is what every run opens in a browser
@pytest.mark.browser
def test_a_matrix_is_seen_and_explored_with_the_keyboard_alone_and_axe_finds_no_serious_fault(browser, axe, tmp_path):
    folder = tmp_path / "notebooks"
    write_notebook(folder / "lesson.ipynb", CELLS)
    ARTEFACTS.mkdir(exist_ok=True)
    with jupyterlab(folder, tmp_path) as address, browser_page(browser, tmp_path, height=1700) as page:
        notebook, keyboard = Notebook(page, address, "lesson.ipynb"), Keyboard(page)
        page.evaluate("() => window.jupyterapp.shell.currentWidget.content.activate()")
        notebook.run_all()
        notebook.sees(re.compile(r"^(\d+) of \1 runs$"))
        image = page.locator("img[alt^='What became of the messages']")
        assert image.evaluate("image => image.complete && image.naturalWidth") >= 600
        page.locator("button", has_text="duplicated").focus()
        keyboard.press("Enter")
        notebook.sees('alice.link.cut(before=2, direction="downstream")')
        notebook.sees(re.compile("at most once: refuted, duplicated #1"))
        keyboard.tab_to("Next")
        keyboard.press("Enter")
        notebook.sees('alice.link.cut(after=2, direction="upstream")')
        keyboard.tab_to("Broken at", "Shift+Tab")
        keyboard.press("Home")
        notebook.sees('alice.link.cut(before=2, direction="downstream")')
        assert_accessible(page, axe, "fate_matrix", contrasts=30)
        assert notebook.errors == []
