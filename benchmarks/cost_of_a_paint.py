"""What one paint of the control room costs with 500, 10,000 and 50,000 events in the journal: python -m benchmarks.cost_of_a_paint

After every message the room is painted once, on this thread: reading what is new, picture, score, outboxes and the line of code. What the
browser does with it is not part of it (press_to_picture.py).
"""

import asyncio
import sys
import time

from benchmarks.figures import HEAD, fill, row
from realtime_lab.lab.lab import Lab
from realtime_lab.widgets import control_room

PAINTS = 100


async def measure(events: int) -> list[float]:
    """Seconds of each paint."""
    async with Lab.start(name="paint") as lab:
        await lab.join("alice")
        await lab.join("bob")
        await fill(lab, events)
        room = control_room(lab)
        lab.changed.clear()  # after its first picture nobody paints but this loop
        while not room._score.value:
            await asyncio.sleep(0.05)
        seconds = []
        for number in range(PAINTS):
            lab.participants["alice"].emit("chat message", number)
            await lab.settle()
            began = time.perf_counter()
            room._paint_all()
            seconds.append(time.perf_counter() - began)
    return seconds


async def main() -> None:
    """Print the table."""
    print(f"one paint of the control room\n{HEAD}")
    for events in [int(each) for each in sys.argv[1:]] or [500, 10_000, 50_000]:
        print(row(events, await measure(events)), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
