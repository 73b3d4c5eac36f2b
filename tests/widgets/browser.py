"""A real JupyterLab in a real browser: started on a free port with settings of its own, stopped afterwards."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import ConsoleMessage, Page, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},  # else cells off the screen are not in the page
}

READY = """async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  await panel.context.ready;
  await panel.context.sessionContext.ready;
  await panel.context.sessionContext.session.kernel.info;
}"""
"""The toolbar says idle before the kernel's WebSocket is open, and a "run all" is then silently lost."""


def write_notebook(file: Path, cells: Iterable[str]) -> None:
    """A notebook of these cells. It names its kernel, else JupyterLab asks which one it should start."""
    import nbformat as untyped  # it takes three seconds, and every worker imports every file of tests

    nbformat: Any = untyped
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata={"kernelspec": kernel})
    file.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, file)


def find_browser() -> str | None:
    """The path of an installed Chromium or Chrome."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


@contextlib.contextmanager
def jupyterlab(folder: Path, scratch: Path, theme: str = "JupyterLab Light") -> Iterator[str]:
    """JupyterLab on a folder; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = scratch / "app"
    (app / "settings").mkdir(parents=True, exist_ok=True)
    overrides = {**SETTINGS, "@jupyterlab/apputils-extension:themes": {"theme": theme}}
    (app / "settings" / "overrides.json").write_text(json.dumps(overrides))
    names = (
        *("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"),
        *("JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR"),
    )
    places = {name: str(scratch / name.lower()) for name in names}
    options = [
        "--no-browser", "--allow-root", f"--ServerApp.port={port}", "--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=",
        "--ServerApp.password=", "--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly", f"--LabApp.app_settings_dir={app / 'settings'}", "--LabApp.expose_app_in_browser=True",
    ]  # fmt: skip
    with (scratch / "jupyterlab.log").open("w") as log:
        command = [sys.executable, "-m", "jupyterlab", *options]
        environment = {**os.environ, **places}
        environment.pop("REALTIME_LAB_TAB", None)  # here somebody looks
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            address = f"http://127.0.0.1:{port}"
            _until_it_answers(address, server, scratch / "jupyterlab.log")
            yield address
        finally:
            server.terminate()
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _until_it_answers(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"{address}/api", timeout=2):
                return
        except OSError:
            assert server.poll() is None, f"JupyterLab ended by itself:\n{log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, f"JupyterLab does not answer:\n{log.read_text()[-2000:]}"
            time.sleep(0.1)


@contextlib.contextmanager
def browser_page(browser: str, scratch: Path, width: int = 1280, height: int = 800) -> Iterator[Page]:
    """A page of a fresh browser. Its console errors are collected in `page.console_errors`."""
    flags = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            scratch / "profile", executable_path=browser, headless=True, args=flags, viewport={"width": width, "height": height}
        )
        try:
            yield context.pages[0]
        finally:
            context.close()


class Notebook:
    """One notebook, open in the page."""

    def __init__(self, page: Page, address: str, name: str) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.errors.append(str(error)))  # nobody has caught it; the console shows it, too
        page.goto(f"{address}/lab/tree/{name}?reset")
        page.locator(".jp-Notebook").first.wait_for(timeout=60_000)
        page.evaluate(READY)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} at {message.location['url']}")

    @property
    def cells(self) -> list[str]:
        """What stands in each cell."""
        sources = "() => window.jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.sharedModel.source)"
        return list(self.page.evaluate(sources))

    def run_all(self) -> None:
        """Run every cell, and see that each one got its number."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
        cells = "window.jupyterapp.shell.currentWidget.content.widgets.filter(cell => cell.model.type === 'code')"
        counts = self.page.evaluate(f"() => {cells}.map(cell => cell.model.executionCount)")  # a hidden cell shows no prompt
        assert all(counts), f"{counts}, since the run ends at an error: {self.faults()}"

    def faults(self) -> list[str]:
        """What cells show that went wrong."""
        kinds = [f"[data-mime-type='application/vnd.jupyter.{kind}']" for kind in ("error", "stderr")]
        return self.page.locator(", ".join(kinds)).all_inner_texts()

    def run_through(self, text: str) -> None:
        """Run the cells from the top up to and including the first one that contains `text`."""
        last = next(number for number, source in enumerate(self.cells) if text in source)
        for number in range(last + 1):
            self.run(number)

    def run(self, number: int, *, to_the_end: bool = True) -> None:
        """Run this cell, the first one being 0, and wait until it has ended, if it is to end."""
        self.page.evaluate(
            """async ([number, toTheEnd]) => {
              const notebook = window.jupyterapp.shell.currentWidget.content;
              notebook.deselectAll();
              notebook.activeCellIndex = number;
              const end = window.jupyterapp.commands.execute('notebook:run-cell');
              await (toTheEnd && end);
            }""",
            [number, to_the_end],
        )

    def press(self, tooltip: str) -> None:
        """Press the button with this tooltip (it names the participant)."""
        self.page.locator(f'button[title="{tooltip}"]').first.click()

    def sees(self, text: str, timeout: float = 10.0) -> Any:
        """Wait until the page shows this text."""
        found = self.page.get_by_text(text).first
        found.wait_for(timeout=timeout * 1000)
        return found
