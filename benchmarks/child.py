"""A program in a process of its own: python -m benchmarks.child MODULE:PROGRAM OPTIONS. See processes.py."""

import asyncio
import importlib
import json
import logging
import sys
from typing import Any


async def main(name: str, options: dict[str, Any]) -> None:
    """Say what the program says first, then answer a line for each line, until there are no more."""
    module, _, program = name.partition(":")
    loop = asyncio.get_running_loop()
    async with getattr(importlib.import_module(module), program)(**options) as (ready, answer):
        print(json.dumps(ready), flush=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):  # a thread waits; a server goes on serving
            print(json.dumps(await answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
