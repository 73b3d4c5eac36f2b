"""All tabs of a lab: the side channel that serves their pages, begun when the first one is wanted, and the browsers without a window."""

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from importlib.resources import as_file

from realtime_lab.errors import NoBrowser
from realtime_lab.lab.side_channel import PAGE, SideChannel
from realtime_lab.lab.tab import Tab

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
CHROMIUM_OPTIONS = ("--headless=new", "--no-first-run", "--disable-gpu", "--disable-extensions", "--mute-audio")
ANSWER_LIMIT = 20.0
"""Seconds that a browser without a window has to load the page."""
FOLDER = "{folder}"
"""Stands for a program's own empty folder."""
NOTHING = (
    "this tab has no window here, and neither Node.js (20 or newer) nor Chromium runs here without one. Open this notebook in JupyterLab, "
    "where the tab is shown, or install Node.js."
)


class Tabs:
    """To be used on the lab's loop."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._side: SideChannel | None = None
        self._running: list[tuple[asyncio.subprocess.Process, tempfile.TemporaryDirectory[str]]] = []

    def welcomes(self, origin: str) -> bool:
        """May a page of this origin connect to the lab's server?"""
        return self._side is not None and origin == self._side.origin

    async def serve(self, tab: Tab) -> None:
        """Its page can be loaded from now on."""
        if self._side is None:
            side = SideChannel(self._token)
            await side.start()
            self._side = side
        tab.serve(self._side)

    async def open_without_window(self, tab: Tab) -> None:
        """Run its page in Node.js, or in a browser that shows no window. Raises NoBrowser if neither is installed, or none answers."""
        before = tab.client.life
        with as_file(PAGE) as page:
            for program in _programs(tab.address, str(page / "node.mjs")):
                process = await self._run(program)
                opened = asyncio.ensure_future(tab.until_opened(ANSWER_LIMIT, but=before))
                ended = asyncio.ensure_future(process.wait())  # such as a Node.js that is too old
                try:
                    await asyncio.wait({opened, ended}, return_when=asyncio.FIRST_COMPLETED)
                    if opened.done() and opened.result():
                        return
                finally:
                    opened.cancel()
                    ended.cancel()
        raise NoBrowser(NOTHING)

    async def _run(self, program: list[str]) -> asyncio.subprocess.Process:
        folder = tempfile.TemporaryDirectory(prefix="realtime_lab_tab_", ignore_cleanup_errors=True)
        null = asyncio.subprocess.DEVNULL
        filled = [part.replace(FOLDER, folder.name) for part in program]
        process = await asyncio.create_subprocess_exec(*filled, stdin=null, stdout=null, stderr=null, start_new_session=True)
        self._running.append((process, folder))
        return process

    async def stop(self) -> None:
        """End every page and every process."""
        if self._side is not None:
            await self._side.stop()
        for process, folder in self._running:
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                process.kill()
            await process.wait()
            folder.cleanup()


def _programs(address: str, script: str) -> Iterator[list[str]]:
    """What can be tried, the lightest first."""
    if node := shutil.which("node"):
        yield [node, "--experimental-websocket", "--no-warnings", script, address]
    if browser := next(filter(None, map(shutil.which, CHROMIUM)), None):
        sandbox = ["--no-sandbox"] * (hasattr(os, "geteuid") and os.geteuid() == 0)
        yield [browser, *CHROMIUM_OPTIONS, *sandbox, f"--user-data-dir={FOLDER}", address]
