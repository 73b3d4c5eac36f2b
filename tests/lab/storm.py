"""The official client with offsets and retries, in bad weather: 500 messages each way, and ten cuts."""

import math
from typing import Any

from realtime_lab import Lab
from realtime_lab.lab.tab import Tab
from tests.net.harness import until

CHAT = "chat message"


def retrying(*, ids: bool) -> dict[str, Any]:
    """The settings of the tab: it never gives up."""
    return {"retries": math.inf, "ack_timeout": 1.0, "ids": ids}


async def storm(lab: Lab, carol: Tab, *, ids: bool) -> None:
    """Nothing is lost in either direction, and with unique ids nothing is applied twice; every packet is in the journal."""
    await lab.publish(CHAT, 0)
    await lab.settle()
    for round_ in range(10):
        exact = not round_ % 2
        if exact:
            carol.link.cut(after=f"{CHAT} #{50 * round_ + 25}", direction="downstream")
        for n in range(50):
            carol.emit("work", 50 * round_ + n)
            await lab.publish(CHAT, 50 * round_ + n + 1)
        if not exact:
            carol.link.cut()
        await until(lambda: carol.proxy.state == "down" and not carol.connected, 60)
        carol.link.restore()
    await lab.settle(300)  # one message after the other, each on record before it leaves: a busy computer needs a while
    up, down = lab.verdict().leg("carol", "server"), lab.verdict().leg("server", "carol")
    assert (len(up.sent), up.lost, up.reordered) == (500, (), ())
    assert not up.duplicated or not ids
    assert (len(down.sent), down.lost, down.duplicated, down.reordered) == (501, (), (), ())
    came = [event for event in lab.journal if event.node == "carol" and event.kind == "received"]
    assert [event.text for event in came] == [str(n) for n in range(501)]
    assert sum(event.kind == "fault" and event.event == "cut" for event in lab.journal) == 10
    for direction in ("upstream", "downstream"):
        packets = [event for event in lab.journal if event.node == "carol" and event.kind in ("wire", "dropped") and event.packet]
        positions = {event.packet for event in packets if event.direction == direction}
        assert positions == set(range(1, len(positions) + 1))
    lab.check()
