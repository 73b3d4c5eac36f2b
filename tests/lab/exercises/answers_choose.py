"""Answers to the two exercises of lesson 11: the solutions, the stubs, and typical mistakes."""

import math

from realtime_lab import Design

RETRY = {"retries": math.inf, "ack_timeout": 1.0}
DESIGNS = [
    Design("bare"),
    Design("buffer", client={"send_buffer": True, "ack_timeout": 1.0}),
    Design("retry", client=RETRY),
    Design("retry, once", server={"dedupe": True}, client=RETRY),
    Design("retry, once, replay", server={"dedupe": True, "log": True}, client={**RETRY, "replay": True}),
]

SOLUTION = {
    "chat": ("retry, once, replay", {"ordered", "at least once"}),
    "cursor": ("bare", {"ordered", "at most once"}),
    "payment": ("retry, once", {"exactly once"}),
    "ticker": ("bare", {"ordered", "at most once"}),
}

STUB = {"chat": ("bare", set()), "cursor": ("bare", set()), "payment": ("bare", set()), "ticker": ("bare", set())}

WRONG = {
    "who sends again is safe": (
        {**SOLUTION, "chat": ("retry, once", {"ordered", "at least once"})},
        'You promise "at least once" for the chat',
    ),
    "retries are exactly once": ({**SOLUTION, "payment": ("retry", {"exactly once"})}, 'You promise "exactly once" for the payment'),
    "TCP is reliable": ({**SOLUTION, "ticker": ("bare", {"ordered", "at least once"})}, 'You promise "at least once" for the ticker'),
    "too little for a payment": ({**SOLUTION, "payment": ("bare", {"at most once"})}, 'need "exactly once", and you do not promise it'),
    "order alone": ({**SOLUTION, "chat": ("retry, once, replay", {"ordered"})}, 'need "at least once", and you do not promise it'),
}
"""The misconception -> the claims, and what is said."""


async def found(lab, alice):
    """The solution of the bug hunt: more breaks than B has tries."""
    alice.emit("deposit", 0)
    await lab.settle()
    for attempt in range(1, 5):
        alice.link.cut(before="deposit #2", attempt=attempt)
        if attempt == 1:
            alice.emit("deposit", 1)
        else:
            alice.link.restore()
        await lab.settle()


async def one_cut(lab, alice):
    """One break is not enough."""
    alice.link.cut(before="deposit #1")
    alice.emit("deposit", 1)
    await lab.settle()


async def one_crash(lab, alice):
    """A crash is not enough either."""
    lab.server.crash(at="after_commit")
    alice.emit("deposit", 1)
    await lab.settle()


async def forgotten(lab, alice):
    """A client that starts anew forgets what it kept, whatever its guarantees: that tells nobody from another."""
    alice.link.cut()
    await lab.settle()
    alice.emit("deposit", 1)
    await alice.refresh()


async def nothing(lab, alice):
    """The stub."""
