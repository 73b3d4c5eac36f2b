"""What lesson 09 says about connection state recovery, a feature of the official server: each sentence is a test that runs it.

Server and client are the official ones, in one process of Node.js. The client hears "first", its connection ends, the server emits
"missed", the client comes back and hears "last".
"""

import asyncio
import json
from typing import Any

import pytest

from tests.examples import every_fourth
from tests.net.javascript import FOLDER, INSTALLED, NODE, needs_node

pytestmark = needs_node


async def told(story: str) -> dict[str, Any]:
    assert NODE and INSTALLED, "Node.js and tests/js/node_modules are needed, and in CI this test must run"
    process = await asyncio.create_subprocess_exec(NODE, "recover.mjs", story, cwd=FOLDER, stdout=asyncio.subprocess.PIPE)
    try:
        out, _ = await asyncio.wait_for(process.communicate(), 20)
    finally:
        if process.returncode is None:
            process.kill()
    found: dict[str, Any] = json.loads(out)
    return found


async def test_after_a_short_break_what_was_missed_is_sent() -> None:
    assert await told("a break") == {"recovered": True, "got": ["first", "missed", "last"]}


@pytest.mark.parametrize("story", every_fourth(["a refresh", "disconnect()", "the server is restarted", "too long"]))
async def test_it_does_not_survive(story: str) -> None:
    assert await told(story) == {"recovered": False, "got": ["first", "last"]}


async def test_a_client_that_has_heard_nothing_yet_is_not_recovered() -> None:
    assert await told("nothing heard before") == {"recovered": False, "got": ["last"]}


@pytest.mark.parametrize("story", ["volatile", "with an acknowledgement"])
async def test_recovered_is_true_although_an_event_is_lost_that_was(story: str) -> None:
    assert await told(story) == {"recovered": True, "got": ["first", "last"]}
