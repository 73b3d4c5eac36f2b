"""The space-time picture as one standalone SVG. It draws what `space_time.py` has laid out and decides nothing.

Every kind of line has a dash, an end and a word besides its colour (Okabe-Ito); every arrow and mark has its sentence as a tooltip. Text,
lanes and background take JupyterLab's theme where they find it. No scripts and no ids, so many pictures may share one page.
"""

from collections.abc import Iterable, Iterator
from html import escape

from realtime_lab.history.copies import SERVER
from realtime_lab.history.lanes import LOG
from realtime_lab.history.looks import ARROWS, LANE, MARKS, OTHER, PALE, PAPER, PURPLE, TEXT, VERMILLION, Style, line_end
from realtime_lab.history.plan import Arrow, Barrier, Lane, Layout, Mark
from realtime_lab.history.words import Place, Words, width

STEP, ROW = 40, 13
"""Pixels: one step to the right, one row of labels."""
BOX = 8
"""Pixels: half as high as an event in the log."""
TOP, BOTTOM, LEGEND = 46, 44, 26
NOTE = "steps, not seconds →"
FULL = 5
"""Words in a legend that leave room for the note."""


def svg(layout: Layout) -> str:
    """The picture."""
    return "\n".join(Drawing(layout).lines())


class Drawing:
    """The lasting picture; live_picture.py has the one that answers to a pointer."""

    below = LEGEND
    """Pixels that are kept free for a legend."""
    role = "img"
    """What it is for a screen reader."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.rows = layout.rows
        self.left = 30 + max((width(lane.name) for lane in layout.lanes), default=40)
        self.gap = 60 if len(layout.lanes) <= 3 + (LOG in self.rows) else 80
        """Pixels from lane to lane. A lane that others look past has words beside it and needs more room."""
        words = [style.word for style in self.styles().values()] + [NOTE] * bool(layout.left_out)  # as wide as what was left out
        self.spare = len(words) > FULL
        """Is the legend so full that the note on the steps can be spared?"""
        legend = sum(width(word) + 56 for word in words + [NOTE] * (not self.spare)) if self.below else 0
        self.plot = max(layout.steps * STEP + 30, legend - self.left, 280)
        self.begin = -12 if layout.left_out else 8
        self.height = TOP + self.gap * max(self.rows.values(), default=0) + BOTTOM + self.below
        self.taken = Words((-9, 1, self.plot - 1, self.height - self.below))

    def lines(self) -> Iterator[str]:
        yield self.opening()
        yield f'<rect width="100%" height="100%" rx="6" style="fill:{PAPER}"/>'
        for lane in self.layout.lanes:
            yield self.name(lane)
        yield from self.inside()
        yield from self.legend()
        yield "</svg>"

    def opening(self) -> str:
        """The first line, and what the whole shows, in words."""
        wide, summary = self.left + self.plot, escape(self.layout.summary)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="{self.role}" aria-label="{summary}" width="{wide:g}" height="{self.height:g}" '
            f'viewBox="0 0 {wide:g} {self.height:g}" font-family="system-ui,-apple-system,\'Segoe UI\',Roboto,sans-serif" font-size="12">\n'
            + f"<title>{summary}</title>"
            * (self.role == "img")
        )

    def inside(self) -> Iterator[str]:
        """What stands right of the names."""
        # an <svg> inside an <svg> clips: what began before the window ends at its left edge
        yield f'<svg x="{self.left - 12:g}" width="{self.plot + 12:g}" height="{self.height - self.below:g}" style="overflow:hidden">'
        yield '<g transform="translate(12)" stroke-linecap="butt" stroke-linejoin="round">'
        for lane in self.layout.lanes:
            yield from self.lane(lane)
        for barrier in self.layout.barriers:
            yield self.barrier(barrier)
        yield from self.things()
        yield "</g></svg>"

    def things(self) -> Iterator[str]:
        """Arrows, marks and their words, which stand above all lines."""
        for arrow in self.layout.arrows:
            yield self.arrow(arrow)
        for mark in self.layout.marks:
            yield self.mark(mark)
        for _, word in self.words():
            yield word

    # -- where things are -----------------------------------------------------------------------------------------------------------

    def x(self, step: float) -> float:
        return 8 + STEP * step

    def y(self, lane: str) -> float:
        return TOP + self.gap * self.rows[lane]

    def outward(self, lane: str) -> int:
        """-1 up, 1 down: away from the server. The server's own words stand below it."""
        return -1 if self.rows[lane] < self.rows[SERVER] else 1

    def link(self, lane: str) -> float:
        return self.y(lane) - self.outward(lane) * self.gap / 2

    def ends(self, arrow: Arrow) -> tuple[float, float, float, float]:
        """From (x, y) to (x, y)."""
        y = self.y(arrow.sender)
        return self.x(arrow.start), y, self.x(arrow.end), y + (self.y(arrow.receiver) - y) * arrow.reach

    # -- what is drawn --------------------------------------------------------------------------------------------------------------

    def name(self, lane: Lane) -> str:
        y, weight = self.y(lane.name), 700 if lane.name in (SERVER, LOG) else 500
        note = f'<tspan x="{self.left - 20:g}" dy="13" font-size="10" font-weight="400">link only</tspan>' if lane.note == "wire" else ""
        name = escape(lane.name or "somebody")
        return (
            f'<text x="{self.left - 20:g}" y="{y + 4:g}" text-anchor="end" font-weight="{weight}" style="fill:{TEXT}">{name}{note}</text>'
        )

    def lane(self, lane: Lane) -> Iterator[str]:
        y, end = self.y(lane.name), self.plot - 16
        if lane.name == LOG:
            yield f'<path d="M{self.begin} {y:g}H{end:g}" stroke-width="{2 * BOX}" opacity="0.15" style="stroke:{PALE}"/>'
            return
        if lane.name == SERVER:
            for start, stop in lane.online or [(-1.0, float(self.layout.steps))]:
                left = max(self.x(start), self.begin)
                right = end if stop >= self.layout.steps else self.x(stop)
                yield f'<path d="M{left:g} {y:g}H{right:g}" stroke-width="2.5" style="stroke:{PALE}"/>'
            if lane.online:
                yield f'<path d="M{self.begin} {y:g}H{end:g}" stroke-width="1.2" stroke-dasharray="2 5" style="stroke:{LANE}"/>'
            return
        yield f'<path d="M{self.begin} {y:g}H{end:g}" stroke-width="1.2" stroke-dasharray="2 5" style="stroke:{LANE}"/>'
        for start, stop in lane.online:
            right = end if stop >= self.layout.steps else self.x(stop)
            yield f'<path d="M{max(self.x(start), -12):g} {y:g}H{right:g}" stroke-width="2" style="stroke:{LANE}"/>'

    def barrier(self, barrier: Barrier) -> str:
        y, left = self.link(barrier.lane), max(self.x(barrier.start), -12)
        right = self.plot - 16 if barrier.end >= self.layout.steps else self.x(barrier.end)
        if barrier.style == "cut":
            zigzag = "".join("l4 -6l4 6" for _ in range(int((right - left) // 8)))
            return f'<path d="M{left:g} {y + 3:g}{zigzag}" fill="none" stroke="{VERMILLION}" stroke-width="1.2" opacity="0.75"/>'
        dash, colour = ("2 4", PURPLE) if barrier.style == "stall" else ("8 4", VERMILLION)
        return f'<path d="M{left:g} {y:g}H{right:g}" stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dash}" opacity="0.75"/>'

    def arrow(self, arrow: Arrow) -> str:
        style = ARROWS[arrow.style]
        x1, y1, x2, y2 = self.ends(arrow)
        return (
            f'<g style="stroke:{style.colour};fill:{style.colour}" stroke-width="1.8"><title>{escape(arrow.sentence)}</title>'
            + (f'<path d="M{x1:g} {y1:g}L{x2:.1f} {y2:.1f}" stroke-dasharray="{style.dash}"/>' if arrow.reach else "")
            + (f'<circle cx="{x1:g}" cy="{y1:g}" r="2.2" stroke="none"/>' if arrow.reach else "")
            + line_end(style.end, x2 - x1, y2 - y1, x2, y2)
            + "</g>"
        )

    def box(self, mark: Mark) -> str:
        """An event in the log, with a stroke down from the server."""
        half, up = self.half(mark), self.y(SERVER) - self.y(LOG)
        outline = f'x="-{half:g}" y="-{BOX}" width="{2 * half:g}" height="{2 * BOX}" rx="2" stroke-width="1.5"'
        return (
            f'<g transform="translate({self.x(mark.step):g} {self.y(LOG):g})"><title>{escape(sentence_of(mark))}</title>'
            f'<path d="M0 {up:g}V-{BOX}" stroke-width="1.5" style="stroke:{PALE}"/>'
            f'<rect {outline} style="fill:{PAPER};stroke:{PALE}"/></g>'
        )

    def half(self, mark: Mark) -> float:
        """Half as wide as an event in the log."""
        return max(width(mark.word) / 2 + 4, BOX)

    def mark(self, mark: Mark) -> str:
        if mark.style == "stored":
            return self.box(mark)
        shape, colour = MARKS.get(mark.style, OTHER)
        y = self.link(mark.lane) if mark.on_link else self.y(mark.lane)
        if "var(" in colour:
            shape = shape.replace('fill="{}"', f'style="fill:{colour}"').replace('stroke="{}"', f'style="stroke:{colour}"')
        return f'<g transform="translate({self.x(mark.step):g} {y:g})"><title>{escape(sentence_of(mark))}</title>{shape.format(colour)}</g>'

    # -- words ----------------------------------------------------------------------------------------------------------------------

    def words(self) -> Iterator[tuple[tuple[int, ...], str]]:
        """Each with the messages that it is about."""
        self.symbols()
        for mark in self.layout.marks:
            if mark.style == "stored":
                yield mark.messages, self.word(mark.word, [Place(self.x(mark.step), self.y(LOG) + 4)])
        for arrow in self.layout.arrows:
            if arrow.style != "ack":
                bold = arrow.style not in ("arrived", "replayed", "skip")
                yield (arrow.message,), self.word(arrow.label, self.beside_arrow(arrow), bold=bold)
        for word in self.refusals():
            yield (), word
        for mark in sorted(self.layout.marks, key=lambda mark: mark.on_link):
            if mark.style != "stored" and (mark.step > 0 or mark.style != "connected" or self.layout.left_out):
                places = self.beside_link(mark) if mark.on_link else self.beside_lane(mark.lane, self.x(mark.step))
                yield mark.messages, self.word(f"{_range(mark.labels)} {mark.word}".strip(), places, lines=mark.on_link)

    def word(self, words: str, places: Iterable[Place], *, bold: bool = False, lines: bool = False) -> str:
        place = self.taken.put(words, places, bold=bold, lines=lines)
        return _text(place, words, TEXT, bold=bold) if place else ""

    def symbols(self) -> None:
        """What words should not cover."""
        for mark in self.layout.marks:
            self.taken.symbol(self.x(mark.step), self.link(mark.lane) if mark.on_link else self.y(mark.lane), 7)
        for bar in self.layout.barriers:
            self.taken.line(self.x(bar.start), self.link(bar.lane), self.x(bar.end), self.link(bar.lane))
        for arrow in self.layout.arrows:
            x1, y1, x2, y2 = self.ends(arrow)
            self.taken.line(x1, y1, x2, y2)
            if arrow.style not in ("arrived", "replayed", "again", "skip", "ack"):
                self.taken.symbol(x2, y2, 5)

    def beside_arrow(self, arrow: Arrow) -> Iterator[Place]:
        """At the client's end, or beside the point where it stopped on the way to a client, or where it comes into the window."""
        x1, y1, x2, y2 = self.ends(arrow)
        upstream = arrow.sender not in (SERVER, LOG)
        if upstream and x1 < 0 < x2:
            y = y1 + (y2 - y1) * -x1 / (x2 - x1)
            yield from (Place(-9, y + off, "start") for off in (-4, 13))
        elif upstream:
            yield from self.beside_lane(arrow.sender, x1)
        elif arrow.reach == 1:
            yield from self.beside_lane(arrow.receiver, x2)
        else:
            yield from (Place(x2 + 8, y2 + 4, "start"), Place(x2 - 8, y2 + 4, "end"))
            yield from (Place(x2, y2 + off) for off in (17, -9, 30, -22))

    def beside_lane(self, lane: str, x: float) -> Iterator[Place]:
        """Outside, away from the server; the server's own words stand below it, or above."""
        rows = 3 if self.rows[lane] in (0, max(self.rows.values())) else 2
        sides = (1, -1) if lane in (SERVER, LOG) else (self.outward(lane),)
        for side in sides:
            yield from (Place(x, self.y(lane) + side * (8 + ROW * row) + 9 * (side > 0)) for row in range(rows))

    def beside_link(self, mark: Mark) -> Iterator[Place]:
        x, y, out = self.x(mark.step), self.link(mark.lane), self.outward(mark.lane)
        for side in (out, -out):
            for shift in (0, -8, 8, -16, 16, -24, 24):
                yield Place(x + shift, y + side * 12 + 9 * (side > 0))
        yield from (Place(x + 10, y + 4, "start"), Place(x - 10, y + 4, "end"))

    def refusals(self) -> Iterator[str]:
        """One word for a row of refused emits."""
        said: dict[str, float] = {}
        for arrow in self.layout.arrows:
            if arrow.style == "refused":
                if said.get(arrow.sender) != arrow.start - 1:
                    x, inward = self.x(arrow.start), -self.outward(arrow.sender)
                    y = self.y(arrow.sender) + inward * 10 + 9 * (inward > 0)
                    yield self.word("refused", [Place(x, y), *self.beside_lane(arrow.sender, x)])
                said[arrow.sender] = arrow.start

    def styles(self) -> dict[str, Style]:
        """The styles that this picture needs, in the order of ARROWS."""
        present = {arrow.style for arrow in self.layout.arrows}
        return {name: style for name, style in ARROWS.items() if name in present}

    def legend(self) -> Iterator[str]:
        x, y = 14.0, self.height - 13
        if self.layout.left_out:
            left_out = f"… {self.layout.left_out} earlier steps"
            yield _text(Place(x, y + 4, "start"), left_out, PALE)
            x += width(left_out) + 22
        for style in self.styles().values():
            yield f'<g style="stroke:{style.colour};fill:{style.colour}" stroke-width="1.8">'
            if style.end != "diamond":
                yield f'<path d="M{x:g} {y}h24" stroke-dasharray="{style.dash}"/>'
            yield line_end(style.end, 24, 0, x + 24, y) + "</g>"
            yield _text(Place(x + 34, y + 4, "start"), style.word, TEXT)
            x += width(style.word) + 56
        if self.spare:
            return
        note = NOTE if self.layout.steps else "nothing has happened yet"
        yield _text(Place(self.left + self.plot - 14, y + 4, "end"), note, PALE)


def sentence_of(mark: Mark) -> str:
    """What a mark says: for a tooltip, and for who steps through a history."""
    about = f"{mark.labels} " if mark.labels else ""
    return f"{mark.lane}: {about}{mark.sentence}" + (f" ({mark.reason})" if mark.reason else "")


def _range(labels: str) -> str:
    """Many labels in little room: the first and the last."""
    each = labels.split()
    return labels if len(each) < 4 or any(not label.startswith("#") for label in each) else f"{each[0]}…{each[-1]}"


def _text(place: Place, words: str, colour: str, *, bold: bool = False) -> str:
    """With a halo, so that a line that it crosses does not make it hard to read."""
    extra = ' font-weight="700"' * bold
    halo = f"fill:{colour};stroke:{PAPER};stroke-width:4px;paint-order:stroke"
    return f'<text x="{place.x:.1f}" y="{place.y:.1f}" text-anchor="{place.anchor}"{extra} style="{halo}">{escape(words)}</text>'
