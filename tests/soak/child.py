"""A program in a process of its own, as its parent sees it: it is given orders, heard, killed and started again. See orders.py."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any


class Child:
    """`heard` is called with the words of each line that it says."""

    def __init__(self, heard: Callable[..., None], *command: object) -> None:
        self.command = [sys.executable, "-m", *map(str, command)]
        self.heard = heard
        self.kills = 0
        self.wrong: list[str] = []
        """What it reported, and how it ended by itself."""
        self._last_words = ""
        """Of its errors, when it has ended."""
        self._process: asyncio.subprocess.Process
        self._reading: asyncio.Task[None]
        self._ready: asyncio.Future[None]

    async def start(self) -> None:
        """Begin, and wait for its first line."""
        pipes: dict[str, Any] = {"stdin": -1, "stdout": -1, "stderr": -1}
        self._ready = asyncio.get_running_loop().create_future()
        self._process = await asyncio.create_subprocess_exec(*self.command, **pipes)
        self._reading = asyncio.create_task(self._read())
        await self._ready

    def order(self, *words: object) -> None:
        """It obeys one after the other. Raises ChildProcessError if it has ended by itself."""
        assert self._process.stdin is not None
        if self._reading.done():
            raise ChildProcessError(f"{self.command[2]} has ended by itself: {self._last_words}")
        self._process.stdin.write((" ".join(map(str, words)) + "\n").encode())

    async def kill(self) -> None:
        """kill -9. What it has said is heard all the same."""
        self.kills += 1
        self._process.kill()
        await self._end(good={-9, 1})  # 1: on Windows

    async def stop(self) -> None:
        """There are no more orders, so it ends."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._end(good={0})

    async def _end(self, good: set[int]) -> None:
        await self._reading
        code = await self._process.wait()
        if code not in good:
            self.wrong.append(f"ended with {code}: {self._last_words}")

    async def _read(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        async for line in self._process.stdout:
            if not line.endswith(b"\n"):
                break  # killed in the middle of a word
            if not self._ready.done():
                self._ready.set_result(None)
            words = line.decode().split()
            if words[0] == "reported":
                self.wrong.append(" ".join(words))
            else:
                self.heard(*words)
        self._last_words = (await self._process.stderr.read())[-2000:].decode(errors="replace")
        if not self._ready.done():
            self._ready.set_result(None)
