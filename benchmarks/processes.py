"""Processes for a benchmark: programs in Python, anchors in JavaScript, a Redis server. They end with the stage on which they stand.

A program is an async context manager. It gives what others need to know about it (an address, say), and a function that answers
requests. In a process of its own it speaks JSON lines: first what it gives, then a line for each that it is sent. So do those in
JavaScript.
"""

import asyncio
import json
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent
JAVASCRIPT = Path(__file__).resolve().parent / "anchors"
MODULES = ROOT / "tests" / "js" / "node_modules"
PATIENCE = 300.0
"""Seconds for one answer."""

Answer = Callable[[Any], Awaitable[Any]]
Program = Callable[..., AbstractAsyncContextManager[tuple[Any, Answer]]]

NEEDS: dict[str, tuple[Callable[[], object], str]] = {
    "node": (lambda: shutil.which("node"), "apt-get install nodejs npm"),
    "socket.io": (
        lambda: (MODULES / "socket.io").is_dir() and (MODULES / "socket.io-client").is_dir(),
        "npm install --prefix tests/js --no-package-lock --no-audit --no-fund",
    ),
    "redis-server": (lambda: shutil.which("redis-server"), "apt-get install redis-server"),
    "redis": (lambda: find_spec("redis"), 'pip install -c constraints.txt -e ".[bench]"'),
    "linux": (lambda: Path("/proc/self/clear_refs").exists(), "run it on Linux"),
}
"""What a contender may need: whether it is there, and how one gets it."""
NODE = ("node", "socket.io")
REDIS = ("redis-server", "redis")


async def silent(request: Any) -> None:
    """The answer of a program that is only there."""


def timed(work: Callable[[int], Awaitable[object]]) -> Answer:
    """The answer is how many seconds each of so many events took."""

    async def answer(events: int) -> float:
        began = time.perf_counter()
        await work(events)
        return (time.perf_counter() - began) / events

    return answer


def in_thread(work: Callable[[int], None]) -> Callable[[int], Awaitable[None]]:
    """For what blocks."""
    return lambda events: asyncio.to_thread(work, events)


class Asked:
    """A program that runs. `ready` is what it gave first."""

    def __init__(self, name: str, ready: Any, answer: Answer) -> None:
        self.ready = ready
        self._name = name
        self._answer = answer

    async def ask(self, request: Any = None) -> Any:
        """Send a request and give the answer. Raises TimeoutError and RuntimeError, with the program's name."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._answer(request)
        except TimeoutError:
            raise TimeoutError(f"{self._name} did not answer in {PATIENCE:.0f} s.") from None


class Stage(AsyncExitStack):
    """`async with Stage() as stage:`; at its end everything that was started on it ends, the last first.

    inline      True: programs in Python run in this process, on this loop: for a test that is in a hurry
    """

    def __init__(self, *, inline: bool = False) -> None:
        super().__init__()
        self.inline = inline

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        return self

    async def python(self, program: Program, **options: Any) -> Asked:
        """Start a program of one of our modules."""
        name = f"{program.__module__}:{program.__qualname__}"
        if self.inline:
            return Asked(name, *await self.enter_async_context(program(**options)))
        return await self._speaking(name, sys.executable, "-m", "benchmarks.child", name, json.dumps(options))

    async def node(self, file: str, **options: Any) -> Asked:
        """Start a program of the folder anchors."""
        return await self._speaking(file, "node", str(JAVASCRIPT / file), json.dumps(options))

    async def redis(self, fsync: str) -> int:
        """Start a Redis server that writes every command to a file, and give its port. fsync: Redis' appendfsync."""
        port = free_port()
        options = {"port": port, "bind": "127.0.0.1", "dir": self.folder(), "save": "", "appendonly": "yes", "appendfsync": fsync}
        process = await self._start("redis-server", *(word for name, value in options.items() for word in (f"--{name}", str(value))))
        assert process.stdout is not None
        while b"Ready to accept" not in (line := await process.stdout.readline()):
            if not line:
                raise RuntimeError("redis-server did not start.")
        return port

    def folder(self) -> Path:
        """A new folder, on the disk where temporary files are."""
        return Path(self.enter_context(tempfile.TemporaryDirectory(prefix="benchmark_", ignore_cleanup_errors=True)))

    async def _speaking(self, name: str, *command: str) -> Asked:
        process = await self._start(*command)

        async def line() -> Any:
            assert process.stdout is not None
            if said := await process.stdout.readline():
                return json.loads(said)
            raise RuntimeError(f"{name} has ended, with code {await process.wait()}.")

        async def answer(request: Any) -> Any:
            assert process.stdin is not None
            process.stdin.write(json.dumps(request).encode() + b"\n")
            return await line()

        return Asked(name, await line(), answer)

    async def _start(self, *command: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        # A session of its own: Ctrl-C reaches only us, and we end it.
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=pipe, stdout=pipe, start_new_session=True)
        self.push_async_callback(_end, process)
        return process


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()  # nothing that it holds is wanted any more
    await process.communicate()


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
