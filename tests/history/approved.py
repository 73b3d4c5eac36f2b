"""What the stories look like, as somebody has looked at it and approved it: `approved.txt`.

For every story its picture in words, its verdict, the whole fate of each message, and its drawings, of which only digests are kept:
whether a drawing is right is tested elsewhere; here it is only seen that it has not changed unnoticed. So it is for some fate matrices.

After a change that is meant: `python -m tests.history.approved` writes the file anew. Look at its difference before you commit it.
"""

import hashlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from realtime_lab.history.journeys import Journeys
from realtime_lab.history.live_picture import LivePicture
from realtime_lab.history.matrix_svg import matrix_svg
from realtime_lab.history.picture import Picture
from realtime_lab.history.space_time import layout
from realtime_lab.history.svg import svg
from realtime_lab.history.twin import text
from realtime_lab.history.verdict import verdict
from realtime_lab.history.whole_fate import whole_fates
from tests.history.test_judge import RUNS
from tests.history.test_matrix_svg import DESIGNS, matrix

FILE = Path(__file__).with_name("approved.txt")
HEADING = "==== "
LAST = (None, 3)
"""How many steps are drawn: all of them, or the last ones."""
LONG = ((1, 10**6), (1, 9))
"""After how many events a chapter ends, at rest and at any time."""
POINTS = {f"a fate matrix of {points} break points": points for points in (9, 63, 300)}
NAMES = (*RUNS, *POINTS)


def seen(name: str) -> str:
    """The story, or the matrix, as it looks now."""
    lines = _story(name) if name in RUNS else [_digest("drawing", matrix_svg(*matrix(DESIGNS, POINTS[name])))]
    return "\n".join(line.rstrip() for line in "\n".join(lines).splitlines())


def _story(name: str) -> Iterator[str]:
    events = RUNS[name]().events
    fates = whole_fates(Journeys(events))
    yield from chain([text(layout(events)), str(verdict(events))], fates.values())
    for last in LAST:
        yield _digest("drawing", svg(layout(events, last=last)))
    for long, too_long in LONG:
        chapters = Picture(10**6, events, long=long, too_long=too_long).layout()
        yield _digest("drawing of chapters", svg(chapters), text(chapters))
    live = LivePicture(layout(events, last=18), fates)
    yield _digest("live picture", live.svg, *live.keys)


def _digest(word: str, *drawn: str) -> str:
    return f"{word} {hashlib.sha256(''.join(drawn).encode()).hexdigest()[:16]}"


def approved() -> dict[str, str]:
    """Name -> how it looked when somebody approved it."""
    sections = FILE.read_text(encoding="utf-8").split(HEADING)[1:]
    return {name: rest.strip("\n") for name, _, rest in (section.partition("\n") for section in sections)}


if __name__ == "__main__":
    FILE.write_text("\n\n".join(f"{HEADING}{name}\n{seen(name)}" for name in NAMES) + "\n", encoding="utf-8")
