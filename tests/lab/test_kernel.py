"""The lab inside a real Jupyter kernel: Interrupt, running cells again, blocking cells, scripts pasted into a cell."""

import contextlib
import queue
import time

import pytest

from tests.over_ipc import manager_over_ipc

SETUP = """
from realtime_lab import Lab, allow_asyncio_run
lab = await Lab.start()
alice = await lab.join("alice")
"""


class Kernel:
    def __init__(self, manager):
        self.manager = manager
        self.client = manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def start(self, code):
        return self.client.execute(code, store_history=False)

    def finish(self, request, timeout=30):
        """(what was printed or shown, the error's name or "")"""
        text, error = "", ""
        deadline = time.monotonic() + timeout
        while True:
            message = self.client.get_iopub_msg(timeout=max(0.01, deadline - time.monotonic()))
            if message["parent_header"].get("msg_id") != request:
                continue
            content = message["content"]
            if message["msg_type"] == "stream":
                text += content["text"]
            elif message["msg_type"] == "execute_result":
                text += content["data"]["text/plain"]
            elif message["msg_type"] == "error":
                error = content["ename"]
                self.traceback = content["traceback"]
            elif message["msg_type"] == "status" and content["execution_state"] == "idle":
                return text, error

    def sees(self, request, kind):
        """Wait for a message of this kind about a request."""
        while True:
            message = self.client.get_iopub_msg(timeout=30)
            if message["parent_header"].get("msg_id") == request and message["msg_type"] == kind:
                return

    def run(self, code):
        text, error = self.finish(self.start(code))
        assert not error, (error, text)
        return text


@contextlib.contextmanager
def running_kernel():
    manager = manager_over_ipc(kernel_name="python3")
    manager.start_kernel()
    kernel = Kernel(manager)
    try:
        yield kernel
    finally:
        kernel.client.stop_channels()
        manager.shutdown_kernel(now=True)
        with contextlib.suppress(queue.Empty):
            manager.cleanup_resources()


@pytest.fixture
def kernel():
    with running_kernel() as kernel:
        yield kernel


INTERRUPTED = [
    "await lab.settle(timeout=60)",
    "await alice.emit('never', 1)",
    "lab.run(lab.settle(timeout=60))",
]


def test_interrupt_ends_every_await_and_the_lab_goes_on(kernel):
    kernel.run(SETUP + "import asyncio\nlab.server.on('never')(lambda sid, data: asyncio.get_running_loop().create_future())\n")
    kernel.run("slow = await lab.join('slow', ack_timeout=60)\nalice = slow\nalice.emit('never', 0)")
    for code in INTERRUPTED:
        request = kernel.start(code)
        _until_busy(kernel, request)
        began = time.monotonic()
        kernel.manager.interrupt_kernel()
        _, error = kernel.finish(request)
        assert error in ("KeyboardInterrupt", "CancelledError"), (code, error)
        assert time.monotonic() - began < 5.0, code  # mostly 0.1 s; the cell itself would go on for a minute
    assert kernel.run("lab.participants['alice'].emit('chat message', 1); alice.connected") == "True"
    assert kernel.run("await lab.close(); lab") == "<Lab 'lab': closed>"


def _until_busy(kernel, request):
    """The cell is executing, and has had a moment to reach its await."""
    kernel.sees(request, "execute_input")
    time.sleep(0.3)  # there is no message that says "the cell now awaits"


def test_a_blocking_cell_disconnects_nobody_and_a_setup_cell_can_be_run_again(kernel):
    kernel.run(SETUP)
    kernel.run("import time; time.sleep(5)")
    assert kernel.run("[event.kind for event in lab.journal].count('disconnected')") == "0"
    kernel.run("old = lab" + SETUP)
    assert kernel.run("old.closed, lab.closed, alice.connected") == "(True, False, True)"
    threads = kernel.run("import threading; sorted(t.name for t in threading.enumerate() if 'realtime_lab' in t.name)")
    assert threads == "['realtime_lab lab', 'realtime_lab lab watchdog']"


def test_all_emits_of_one_cell_are_handed_over_together_also_without_an_await(kernel):
    kernel.run(SETUP)
    slowly = "import time\nfor n in range(1, 6):\n    alice.emit('chat message', n)\n    time.sleep(0.03)  # time enough to notice the cut"
    kernel.run(f"alice.link.cut(before='chat message #3')\n{slowly}")
    kernel.run("await lab.settle()")
    assert kernel.run("lab.verdict().leg('alice', 'server').sent") == "('#1', '#2', '#3', '#4', '#5')"
    assert kernel.run("lab.verdict().lost") == "('#3', '#4', '#5')"


def test_a_script_pasted_into_a_cell_works_after_allow_asyncio_run_and_only_then(kernel):
    script = "import asyncio\nfrom tests.lab.script import script\nasyncio.run(script()).lost"
    _, error = kernel.finish(kernel.start(script))
    assert error == "RuntimeError"
    assert "asyncio.run() now works" in kernel.run("from realtime_lab import allow_asyncio_run\nallow_asyncio_run()")
    assert kernel.run(script) == "('#6', '#7', '#8', '#9', '#10')"


def test_without_a_browser_a_notebook_says_what_to_install_and_shows_no_traceback(kernel):
    kernel.run(SETUP)
    kernel.run('import os\nos.environ |= {"PATH": "", "REALTIME_LAB_TAB": "windowless"}\nfrom realtime_lab.widgets import browser_tab')
    assert kernel.finish(kernel.start('await browser_tab(lab, "carol")'))[1] == "NoBrowser"
    [sentence] = kernel.traceback
    assert sentence.startswith("NoBrowser: this tab has no window here") and "install Node.js" in sentence
