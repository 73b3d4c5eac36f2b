"""What the stories look like, as somebody has looked at it and approved it: `approved.txt`.

For every story its picture in words, its verdict, the whole fate of each message, and the picture's drawing, of which only a digest is
kept: whether a drawing is right is tested elsewhere; here it is only seen that it has not changed unnoticed.

After a change that is meant: `python -m tests.history.approved` writes the file anew. Look at its difference before you commit it.
"""

import hashlib
from itertools import chain
from pathlib import Path

from realtime_lab.history.journeys import Journeys
from realtime_lab.history.space_time import layout
from realtime_lab.history.svg import svg
from realtime_lab.history.twin import text
from realtime_lab.history.verdict import verdict
from realtime_lab.history.whole_fate import whole_fates
from tests.history.test_judge import RUNS

FILE = Path(__file__).with_name("approved.txt")
HEADING = "==== "
LAST = (None, 3)
"""How many steps are drawn: all of them, or the last ones."""


def seen(name: str) -> str:
    """The story as it looks now."""
    events = RUNS[name]().events
    drawings = [svg(layout(events, last=last)) for last in LAST]
    digests = [f"drawing {hashlib.sha256(drawing.encode()).hexdigest()[:16]}" for drawing in drawings]
    parts = ([text(layout(events)), str(verdict(events))], whole_fates(Journeys(events)).values(), digests)
    return "\n".join(line.rstrip() for line in "\n".join(chain(*parts)).splitlines())


def approved() -> dict[str, str]:
    """Story -> how it looked when somebody approved it."""
    sections = FILE.read_text(encoding="utf-8").split(HEADING)[1:]
    return {name: rest.strip("\n") for name, _, rest in (section.partition("\n") for section in sections)}


if __name__ == "__main__":
    FILE.write_text("\n\n".join(f"{HEADING}{name}\n{seen(name)}" for name in RUNS) + "\n", encoding="utf-8")
