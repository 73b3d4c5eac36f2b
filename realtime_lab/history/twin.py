"""The text twin of a picture: the same layout in words, for screen readers, for tests, and for who reads faster than looks."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from realtime_lab.history.copies import SERVER
from realtime_lab.history.lanes import LOG
from realtime_lab.history.plan import FATES, Arrow, Layout, Mark

SAID = ("again", "twice", "repeat", "skip", "lost ack")
"""Styles that are said in the words of FATES; of the others the style is the word."""


@dataclass
class _Line:
    """Messages of one hop that met the same fate, one after the other."""

    hop: str
    fate: str
    arrows: list[Arrow]

    def __str__(self) -> str:
        arrived = sorted(self.arrows, key=lambda arrow: arrow.end)
        order = "" if arrived == self.arrows else f" in the order {_labels(arrived)}"
        return f"{self.hop}  {_labels(self.arrows)}  {self.fate}{order}"


@dataclass
class _Stored:
    """What went into the log, one after the other."""

    hop: str
    marks: list[Mark]

    def __str__(self) -> str:
        return f"{self.hop}  {' '.join(mark.labels for mark in self.marks)}  stored as {' '.join(mark.word for mark in self.marks)}"


def text(layout: Layout) -> str:
    """The picture in words: who sent what to whom, what became of it, and what happened to the connections in between.

    An acknowledgement that came is not said: what follows shows it.
    """
    width = max(map(len, layout.rows))  # the server has a lane in every picture
    both: list[Mark | Arrow] = [*layout.marks, *(arrow for arrow in layout.arrows if arrow.style != "ack")]
    lines: list[_Line | _Stored | Mark] = []
    open_lines: dict[str, dict[str, _Line]] = defaultdict(dict)
    stored: _Stored | None = None
    for thing in sorted(both, key=_when):
        if isinstance(thing, Mark) and thing.style == "stored":
            if stored is None:
                stored = _Stored(f"{SERVER:>{width}} -> {LOG:<{width}}", [])
                lines.append(stored)
            stored.marks.append(thing)
            continue
        if isinstance(thing, Mark):
            stored = None if thing.lane in (SERVER, LOG) else stored
            open_lines.pop(thing.lane, None)
            lines.append(thing)
            continue
        client = thing.receiver if thing.sender in (SERVER, LOG) else thing.sender
        hop = f"{thing.sender:>{width}} -> {thing.receiver:<{width}}"
        said = FATES[thing.style] if thing.style in SAID else thing.style
        fate = f"{said}: {thing.reason}" if thing.reason else said
        line = open_lines[client].get(hop)
        if line is None or line.fate != fate:
            line = open_lines[client][hop] = _Line(hop, fate, [])
            lines.append(line)
        line.arrows.append(thing)
    left_out = [f"… {layout.left_out} earlier steps"] if layout.left_out else []
    return "\n".join([layout.summary, *left_out, *_folded(lines)])


def _folded(lines: Iterable[_Line | _Stored | Mark]) -> Iterator[str]:
    """Marks that say the same one after the other make one line."""
    for key, group in groupby(lines, _said):
        marks = [line for line in group if isinstance(line, Mark)]
        if not marks:
            yield str(key)
        elif marks[0].style == "done":
            yield f"-- {marks[0].lane}: handlers finished in the order {' '.join(mark.word.removesuffix(' done') for mark in marks)} --"
        else:
            labels = "".join(f"{mark.labels} " for mark in marks if mark.labels)
            yield f"-- {', '.join(dict.fromkeys(mark.lane for mark in marks))}: {labels}{marks[0].sentence} --"


def _said(line: _Line | _Stored | Mark) -> object:
    if not isinstance(line, Mark):
        return line
    return line.style, line.lane if line.style == "done" or line.labels else "", "" if line.style == "done" else line.sentence


def _when(thing: Mark | Arrow) -> float:
    return thing.step if isinstance(thing, Mark) else thing.start


def _labels(arrows: Iterable[Arrow]) -> str:
    return " ".join(arrow.label for arrow in arrows)
