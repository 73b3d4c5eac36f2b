"""A message that was given up before its client started anew: only its tombstone is sent, and the history knows whose it is."""

from realtime_lab import Lab
from tests.net.harness import until


async def test_a_tombstone_that_the_store_kept_is_drawn_and_the_lab_comes_to_rest():
    async with Lab.start(dedupe=True) as lab:
        bob = await lab.join("bob", store="bob.db", retries=0, ack_timeout=0.1)
        bob.link.stall()
        bob.emit("chat message", 1)
        await until(lambda: [event for event in lab.journal if event.kind == "settled"])
        await bob.refresh()
        bob.link.restore()
        await lab.settle()
        bob.emit("chat message", 2)
        await lab.settle()
        lines = str(lab.figure()).splitlines()
        assert [line.strip() for line in lines[-2:]] == ["bob -> server  #1 skip  its sender has given it up", "bob -> server  #2  arrived"]
        leg = lab.verdict().leg("bob", "server")
        assert (leg.sent, leg.received, leg.lost) == (("#1", "#2"), ("#2",), (("#1", "given up after 1 try"),))
