"""The live picture: the same drawing, in which every message can be pointed at or reached by Tab, and says its whole fate.

Everything that belongs to a message has the class of its place among the messages of the picture, and one group of it takes the focus. What
is about several messages has the classes of all of them. Colours, the sentence and the legend are up to the page (widgets/live_view.py).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from html import escape

from realtime_lab.history.looks import PALE, line_end
from realtime_lab.history.plan import Arrow, Layout
from realtime_lab.history.svg import NOTE, Drawing

Owners = tuple[int, ...]
"""The messages that something in the picture is about."""


def shown(layout: Layout) -> list[int]:
    """The messages of a picture, in the order in which they appear in it."""
    first: dict[int, float] = {}
    places = [(arrow.start, arrow.message) for arrow in layout.arrows]
    places += [(mark.step, message) for mark in layout.marks for message in mark.messages]
    for step, message in sorted(places):
        first.setdefault(message, step)
    return list(first)


class LivePicture(Drawing):
    """`fates`: for each message that is shown, its sentence. The legend stands outside, where it may take more than one line."""

    below = 0
    role = "group"  # for a screen reader an image has nothing inside

    def __init__(self, layout: Layout, fates: Mapping[int, str]) -> None:
        super().__init__(layout)
        self.fates = fates
        self.messages = shown(layout)
        self._places = {message: place for place, message in enumerate(self.messages)}

    @property
    def svg(self) -> str:
        """The picture."""
        return "\n".join(self.lines())

    def things(self) -> Iterator[str]:
        """Message by message, then what is about several or none, then the words, so that no line crosses a word."""
        lines: dict[Owners, list[str]] = defaultdict(list)
        words: dict[Owners, list[str]] = defaultdict(list)
        for arrow in self.layout.arrows:
            lines[arrow.message,].append(self.within_reach(arrow) + self.arrow(arrow))
        for mark in self.layout.marks:
            lines[mark.messages].append(self.mark(mark))
        for owners, word in self.words():
            words[owners].append(word)
        for message in self.messages:
            yield self.focusable(message, lines.pop((message,), []))
        for owners, drawn in [*lines.items(), *words.items()]:
            yield f'<g class="{self.classes(owners)}">{"".join(drawn)}</g>'

    def focusable(self, message: int, lines: list[str]) -> str:
        """The one group of a message that takes the focus. It is there even if the message shares all its marks with others."""
        sentence = escape(self.fates.get(message, ""))
        return f'<g class="{self.classes((message,))} rl-message" tabindex="0" role="img" aria-label="{sentence}">{"".join(lines)}</g>'

    def classes(self, owners: Owners) -> str:
        """Of a group. Few names, which come again in every picture: a browser is slow with rules that are new (measured)."""
        places = [f"rl-{self._places[message]}" for message in owners]
        return " ".join(["rl-thing"] * bool(owners) + ["rl-one"] * (len(owners) == 1) + places)

    def within_reach(self, arrow: Arrow) -> str:
        """An unseen broad line below the arrow, so that one need not hit it exactly."""
        x1, y1, x2, y2 = self.ends(arrow)
        return f'<path d="M{x1:g} {y1:g}L{x2 + 0.1:.1f} {y2:.1f}" stroke="transparent" stroke-width="12" stroke-linecap="round"/>'

    def legend(self) -> Iterator[str]:
        """None in the picture itself."""
        yield from ()

    @property
    def keys(self) -> list[str]:
        """The legend, entry by entry, as HTML: what was left out, each kind of line that is there, and what the axis is."""
        left_out = [f"… {self.layout.left_out} earlier steps"] * bool(self.layout.left_out)
        note = NOTE if self.layout.steps else "nothing has happened yet"
        return [*map(_pale, left_out), *self._samples(), _pale(note)]

    def _samples(self) -> Iterator[str]:
        for style in self.styles().values():
            line = "" if style.end == "diamond" else f'<path d="M1 7h24" stroke-dasharray="{style.dash}"/>'
            end = line_end(style.end, 24, 0, 25, 7)
            yield (
                f'<span><svg width="32" height="14" aria-hidden="true" style="fill:{style.colour};stroke:{style.colour}" '
                f'stroke-width="1.8">{line}{end}</svg>{escape(style.word)}</span>'
            )


def _pale(words: str) -> str:
    return f'<span style="color:{PALE}">{escape(words)}</span>'
