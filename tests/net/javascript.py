"""The official JavaScript client in a process of its own, for the tests of this folder."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.net.harness import Stack, until

FOLDER = Path(__file__).resolve().parent.parent / "js"
NODE = shutil.which("node")
INSTALLED = (FOLDER / "node_modules" / "socket.io-client").is_dir()

needs_node = pytest.mark.skipif(
    not (NODE and INSTALLED) and not os.environ.get("CI"),
    reason="needs Node.js, and in tests/js: npm install --no-package-lock --no-audit --no-fund (in CI it must run)",
)


class JavaScript:
    """A running tests/js/talk.mjs, or another program there."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._commands = 0
        self.reports: list[dict[str, Any]] = []

    def said(self, word: str) -> list[Any]:
        return [report[word] for report in self.reports if word in report]

    def do(self, name: str, **options: Any) -> None:
        assert self._process.stdin is not None
        self._commands += 1
        self._process.stdin.write(json.dumps([name, options]).encode() + b"\n")

    async def did(self, name: str, **options: Any) -> None:
        """Do it, and wait until it is done there."""
        self.do(name, **options)
        await until(lambda: len(self.said("did")) == self._commands)

    async def connected(self, times: int = 1) -> None:
        await until(lambda: len(self.said("connect")) >= times)

    async def disconnected(self, times: int = 1) -> None:
        await until(lambda: len(self.said("disconnect")) >= times)

    async def listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.reports.append(json.loads(line))


@asynccontextmanager
async def javascript(
    it: Stack, transports: str = "polling,websocket", *, program: str = "talk.mjs", **options: Any
) -> AsyncIterator[JavaScript]:
    """Run it against `it`; the options are the JavaScript client's own, in milliseconds."""
    assert NODE, "Node.js is not installed, and in CI this test must run"
    assert INSTALLED, "tests/js/node_modules is missing, and in CI this test must run"
    pipe = asyncio.subprocess.PIPE
    arguments = (it.link.url, transports, json.dumps(options))
    process = await asyncio.create_subprocess_exec(NODE, program, *arguments, cwd=FOLDER, stdin=pipe, stdout=pipe)
    it_speaks = JavaScript(process)
    listening = asyncio.create_task(it_speaks.listen())
    try:
        yield it_speaks
        it_speaks.do("end")
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await listening
