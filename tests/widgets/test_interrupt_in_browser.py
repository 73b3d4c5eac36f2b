"""After a learner has interrupted cells, and restarted the kernel: the buttons work, no port is taken, and what was kept is there."""

import re

import pytest

from tests.lab.test_kernel_life import until
from tests.ports import refused
from tests.widgets.browser import READY, Notebook, browser_page, jupyterlab, write_notebook

ROOM, BLOCKING, WAITING, SWEEP, SCORE = range(5)
CELLS = (
    "import math, time\n"
    "from pathlib import Path\n"
    "from realtime_lab import Design, Lab, sweep\n"
    "from realtime_lab.widgets import control_room, progress_bar\n"
    "lab = await Lab.start()\n"
    'alice = await lab.join("alice", retries=math.inf, ack_timeout=1.0, store=Path("alice.db").resolve())\n'
    'print("port", lab.server.port)\n'
    "control_room(lab)",
    "print('begun')\ntime.sleep(600)",
    "alice.link.cut()\nprint('begun')\nawait alice.emit('chat message', 'waits')",
    "async def chat(trial):\n"
    '    (await trial.join("alice")).emit("chat message", 1)\n'
    "    await trial.rest()\n"
    "print('begun')\n"
    "while True:\n"
    '    await sweep(chat, [Design("bare")], progress=progress_bar())',
    'await lab.settle()\nleg = lab.verdict().leg("alice", "server")\nprint("score", len(leg.sent), leg.arrived, leg.lost)',
)


@pytest.mark.full
@pytest.mark.browser
def test_after_interrupts_and_a_restart_the_notebook_works_as_before(browser, tmp_path):
    write_notebook(tmp_path / "notebooks" / "lesson.ipynb", CELLS)
    with jupyterlab(tmp_path / "notebooks", tmp_path) as address, browser_page(browser, tmp_path) as page:
        notebook = Notebook(page, address, "lesson.ipynb")
        notebook.run(ROOM)
        port = _port(notebook)
        for cell in (BLOCKING, WAITING, SWEEP):
            notebook.run(cell, to_the_end=False)
            _cell(page, cell).get_by_text("begun", exact=True).wait_for()  # what comes before it has begun interrupts nothing
            page.locator('[data-command="notebook:interrupt-kernel"]').click()
            _cell(page, cell).get_by_text(re.compile("KeyboardInterrupt|CancelledError")).first.wait_for()
        notebook.press("make alice's link work again")
        notebook.press("alice sends one message")
        notebook.sees('alice.emit("chat message", 2)')
        notebook.run(SCORE)
        notebook.sees("score 2 2 ()")
        notebook.press("cut alice's connection now (RST) and keep it cut")
        notebook.press("alice sends 5 messages")
        notebook.sees(re.compile("keeps #3 #4 #5 #6 #7"))

        page.locator('[data-command="notebook:restart-kernel"]').click()
        page.locator(".jp-Dialog .jp-mod-accept").click()
        until(lambda: refused(port))
        page.evaluate(READY)
        notebook.run(ROOM)
        notebook.run(SCORE)
        notebook.sees("score 5 5 ()")


def _cell(page, number):
    return page.locator(".jp-CodeCell").nth(number)


def _port(notebook):
    return int(re.search(r"port (\d+)", notebook.sees(re.compile(r"port \d+")).inner_text())[1])
