"""The fate matrix as one standalone SVG: above, how the runs of each design ended; below, one mark for each run, at its break point.

A mark has a shape besides its colour (Okabe-Ito), and the head of the table above is its legend. Places stand in blocks, like the words
of a paragraph, so hundreds of break points fit a page. No scripts and no ids, so many pictures may share one page.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Literal

from realtime_lab.history.fates import FATES, Fate
from realtime_lab.history.looks import BLUE, GREEN, ORANGE, PAPER, PURPLE, TEXT, VERMILLION
from realtime_lab.history.words import width

WIDEST = 960
"""Pixels, unless a design has a very long name. A picture that is wider than its page is shown smaller, and its words with it."""
EDGE, AIR, LINE = 16, 14, 15
"""Pixels: around the picture, between two places, from one line of a heading to the next."""
BAR, COLUMN = 170, 98
"""Pixels: the bar of a design, and a column of counts."""
LEAST, SMALL = 74, 11
"""Pixels: a place with one break point has a heading too; the letters of the notes."""
BAND, SOFT = "#f3f5f7", "#57606a"
"""Behind every second design; words that are not the first to be read."""

KINDS = {"cut": "the connection breaks", "stall": "one direction is held", "crash": "the server dies"}


@dataclass(frozen=True)
class Look:
    """A mark around (0, 0) that fills a square of 2 by 2, how it is drawn, and what it means."""

    path: str
    colour: str
    how: Literal["line", "area", "outlined"]
    meaning: str


LOOKS: dict[Fate, Look] = {
    "lost": Look("m-.8 -.8l1.6 1.6m0 -1.6l-1.6 1.6", VERMILLION, "line", "a message never arrived"),
    "duplicated": Look("m-1 -.9h.8v1.8h-.8zm1.2 0h.8v1.8h-.8z", PURPLE, "outlined", "a message was handled twice"),
    "reordered": Look("m0 -1l1 1.8h-2z", ORANGE, "outlined", "a message came after a later one"),
    "unknown": Look("m-.8 0a.8 .8 0 1 0 1.6 0a.8 .8 0 1 0 -1.6 0", BLUE, "line", "all arrived, but a sender does not know it"),
    "refused": Look("m0 -.9l.9 .9l-.9 .9l-.9 -.9z", SOFT, "line", "emit raised an error, nothing was promised"),
    "kept": Look("m-.6 0a.6 .6 0 1 0 1.2 0a.6 .6 0 1 0 -1.2 0", GREEN, "area", "every message arrived once, in order"),
}

PAINT = {
    "line": 'fill="none" stroke="{}" stroke-width=".5"',
    "area": 'fill="{}"',
    "outlined": f'fill="{{}}" stroke="{SOFT}" stroke-width=".2"',  # colours that are too pale on white
}

Fates = Mapping[tuple[str, str], Fate]
"""(design, break point) -> fate."""
Places = Mapping[str, Sequence[str]]
"""Place, such as "cut: alice to the server" -> its break points, in order."""


def matrix_svg(designs: Sequence[str], places: Places, fates: Fates) -> str:
    """The picture."""
    return "\n".join(_Picture(designs, places, fates).lines())


def summary(designs: Sequence[str], fates: Fates) -> str:
    """The picture in one paragraph, for who cannot see it."""
    counts = count(designs, fates)
    each = [f"{design}: {in_words(counts[design])}" for design in designs]
    return f"What became of the messages in {len(fates)} runs, each with one fault. {'. '.join(each)}."


def count(designs: Iterable[str], fates: Fates) -> dict[str, Counter[Fate]]:
    """Design -> fate -> how many runs ended so."""
    counts: dict[str, Counter[Fate]] = {design: Counter() for design in designs}
    for (design, _), fate in fates.items():
        counts[design][fate] += 1
    return counts


def in_words(total: Counter[Fate]) -> str:
    """Such as "7 lost, 5 kept": the worst first."""
    if total and set(total) == {"kept"}:
        return f"all {total.total()} kept"
    return ", ".join(f"{total[fate]} {fate}" for fate in FATES if total[fate]) or "no runs"


@dataclass(frozen=True)
class _Group:
    """The break points of one place, or some of them, and the lines of its heading."""

    kind: str
    heading: list[str]
    points: Sequence[str]
    wide: float


class _Picture:
    def __init__(self, designs: Sequence[str], places: Places, fates: Fates) -> None:
        self.designs, self.fates = designs, fates
        self.counts = count(designs, fates)
        self.shown = [fate for fate in FATES if any(total[fate] for total in self.counts.values())] or ["kept"]
        many = sum(len(points) for points in places.values())
        self.pitch = 20 if many <= 40 else 16 if many <= 120 else 12
        self.row = max(self.pitch, 14) + 6
        self.left = EDGE + max(map(width, designs), default=0) + 16
        self.blocks = list(self.wrapped(places))
        table = self.left + BAR + COLUMN * len(self.shown) + 2 * EDGE
        blocks = [self.left + sum(group.wide + AIR for group in block) for block in self.blocks]
        self.wide = max(table, *blocks, 600)

    def lines(self) -> Iterator[str]:
        said = escape(summary(self.designs, self.fates))
        table, y = list(self.table()), EDGE + 44.0 + 28 * len(self.designs)
        blocks = []
        for block in self.blocks:
            y += 22
            lines, y = self.block(block, y)
            blocks += lines
        notes = self.notes()
        tall = y + 18 + LINE * len(notes) + 8
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{said}" width="{self.wide:g}" height="{tall:g}" '
            f'viewBox="0 0 {self.wide:g} {tall:g}" font-family="system-ui,-apple-system,\'Segoe UI\',Roboto,sans-serif" font-size="12">'
        )
        yield f"<title>{said}</title>"
        yield f'<rect width="100%" height="100%" rx="6" style="fill:{PAPER}"/>'
        yield from table
        yield from blocks
        for number, line in enumerate(notes, 1):
            yield _text(EDGE, y + 14 + LINE * number, line, colour=SOFT, size=SMALL)
        yield "</svg>"

    # -- how the runs of each design ended ----------------------------------------------------------------------------------------------

    def table(self) -> Iterator[str]:
        """A bar for each design, and its counts. The head of a column is the legend of its mark."""
        x, top = self.left + BAR + 20, EDGE + 14
        yield _text(EDGE, top, f"What became of the messages: {len(self.fates)} runs, each with one fault", bold=True, size=13)
        for column, fate in enumerate(self.shown):
            yield self.marks(fate, [(x + column * COLUMN + 7, top + 20)], 5.5)
            yield _text(x + column * COLUMN + 20, top + 24, fate, bold=True)
        for number, design in enumerate(self.designs):
            y, total = top + 30 + 28 * number, self.counts[design]
            yield from self.band(number, y, 28)
            yield _text(EDGE, y + 18, design, bold=True)
            start = float(self.left)
            for column, fate in enumerate(self.shown):
                some = total[fate] > 0
                yield _text(x + column * COLUMN + 20, y + 18, str(total[fate]), colour=TEXT if some else SOFT, bold=some)
                if some:
                    wide = BAR * total[fate] / total.total()
                    yield f'<path d="M{start:.1f} {y + 14}h{max(wide - 1.5, 1):.1f}" stroke="{LOOKS[fate].colour}" stroke-width="14"/>'
                    start += wide

    # -- one mark for each run ----------------------------------------------------------------------------------------------------------

    def wrapped(self, places: Places) -> Iterator[list[_Group]]:
        """Places beside each other as long as there is room, then the next block."""
        room = max(WIDEST - self.left - EDGE, 4 * LEAST)
        block: list[_Group] = []
        for group in self.groups(places, int(room // self.pitch)):
            if block and sum(each.wide + AIR for each in block) + group.wide > room:
                yield block
                block = []
            block.append(group)
        if block:
            yield block

    def groups(self, places: Places, most: int) -> Iterator[_Group]:
        """At most `most` break points in each: a longer one goes on in the next block."""
        for place, points in places.items():
            kind, _, where = place.partition(": ")
            for start in range(0, len(points), most):
                part = points[start : start + most]
                heading = _folded(where + " (goes on)" * (start > 0), max(LEAST, len(part) * self.pitch))
                yield _Group(kind, heading, part, max(len(part) * self.pitch, *map(width, heading), width(kind, bold=True)))

    def block(self, block: list[_Group], top: float) -> tuple[list[str], float]:
        """The lines, and where it ends."""
        head = top + 24 + LINE * max(len(group.heading) for group in block)
        lines, x = [], self.left
        for number, design in enumerate(self.designs):
            y = head + number * self.row
            lines += [*self.band(number, y, self.row), _text(EDGE, y + self.row / 2 + 4, design)]
        for kind, run in groupby(block, lambda group: group.kind):
            groups = list(run)
            wide = sum(group.wide + AIR for group in groups) - AIR
            long = f"{kind}: {KINDS[kind]}" if kind in KINDS else kind
            lines.append(_text(x, top + 10, long if width(long, bold=True) <= wide else kind, bold=True))
            lines.append(f'<path d="M{x:g} {top + 16:g}h{wide:g}" stroke="{SOFT}" stroke-width="1.5"/>')
            for group in groups:
                lines += self.group(group, x, top + 30, head)
                x += group.wide + AIR
        return lines, head + self.row * len(self.designs)

    def group(self, group: _Group, x: float, y: float, head: float) -> Iterator[str]:
        for number, words in enumerate(group.heading):
            yield _text(x, y + LINE * number, words, colour=SOFT)
        for row, design in enumerate(self.designs):
            middle = head + self.row * (row + 0.5)
            spots: dict[Fate, list[tuple[float, float]]] = {}
            for column, point in enumerate(group.points):
                spot = x + self.pitch * (column + 0.5), middle
                if fate := self.fates.get((design, point)):
                    spots.setdefault(fate, []).append(spot)
            for fate, places in spots.items():
                yield self.marks(fate, places, self.pitch / 2 - 2)

    def marks(self, fate: Fate, places: Iterable[tuple[float, float]], radius: float) -> str:
        """All marks of a fate as one path: a thousand of them are small."""
        look = LOOKS[fate]
        path = "".join(f"M{x / radius:.2f} {y / radius:.2f}{look.path}" for x, y in places)
        return f'<path transform="scale({radius:g})" d="{path}" {PAINT[look.how].format(look.colour)}/>'

    def band(self, number: int, y: float, tall: float) -> Iterator[str]:
        if number % 2 == 0:
            yield f'<path d="M{EDGE - 6} {y:g}H{self.wide - EDGE + 6:g}v{tall:g}H{EDGE - 6}z" fill="{BAND}"/>'

    def notes(self) -> list[str]:
        """What the words mean, in lines that fit."""
        meanings = [f"{fate}: {LOOKS[fate].meaning}" for fate in self.shown]
        said = f"{'; '.join(meanings)}. A run that shows several is marked with the worst."
        return _folded(f"{said} No mark: the design has no such packet, or it was not tried there.", (self.wide - 2 * EDGE) * 12 / SMALL)


def _folded(words: str, room: float) -> list[str]:
    """In lines that are as wide as the room, or as one word."""
    lines = [""]
    for word in words.split():
        if lines[-1] and width(f"{lines[-1]} {word}") > room:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _text(x: float, y: float, words: str, *, colour: str = TEXT, bold: bool = False, size: int = 12) -> str:
    weight = ' font-weight="700"' * bold
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}"{weight} style="fill:{colour}">{escape(words)}</text>'
