"""Another process, for the tests of what is on a disk: it runs a few lines of Python, and can be killed."""

import asyncio
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

BEGIN = """
import asyncio, os, sys
from realtime_lab.errors import *
from realtime_lab.net.client_store import ClientStore
from realtime_lab.net.event_log import EventLog

async def main(path):
    def say(*words):
        print(*words, flush=True)
"""
END = """
asyncio.run(main(sys.argv[1]))
"""


@asynccontextmanager
async def process(code: str, path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `code` as the body of main(path), with say(...) to print a line; it is killed at the end if it still runs."""
    script = BEGIN + textwrap.indent(textwrap.dedent(code), "    ") + END
    it = await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(path), stdout=-1, stderr=-1, stdin=-1)
    try:
        yield it
    finally:
        if it.returncode is None:
            it.kill()
        await it.communicate()


async def lines_of(code: str, path: Path) -> list[str]:
    """What it says, when it has ended well."""
    async with process(code, path) as it:
        out, err = await it.communicate()
        assert it.returncode == 0, err.decode()
        return out.decode().splitlines()


async def line_of(it: asyncio.subprocess.Process) -> str:
    """The next line that it says."""
    assert it.stdout is not None
    if line := await it.stdout.readline():
        return line.decode().rstrip()
    assert it.stderr is not None
    raise AssertionError((await it.stderr.read()).decode())
