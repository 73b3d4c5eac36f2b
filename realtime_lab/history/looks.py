"""Looks: the colours (Okabe-Ito) and shapes of a picture. Each kind of line has a dash, an end and a word besides its colour.

Text, lanes and background take JupyterLab's theme where they find it.
"""

from dataclasses import dataclass

BLUE, SKY, VERMILLION, PURPLE, GREEN, ORANGE = "#0072B2", "#56B4E9", "#D55E00", "#CC79A7", "#009E73", "#E69F00"
TEXT = "var(--jp-ui-font-color1,#1f2328)"
PALE = "var(--jp-ui-font-color2,#6e7781)"
LANE = "var(--jp-ui-font-color3,#8c959f)"
PAPER = "var(--jp-layout-color0,#ffffff)"


@dataclass(frozen=True)
class Style:
    """How a kind of arrow looks: a colour, a dash, what stands at its end, and the word for it in the legend."""

    colour: str
    dash: str
    end: str
    word: str


ARROWS = {
    "arrived": Style(BLUE, "", "head", "arrived"),
    "replayed": Style(SKY, "9 2 2 2", "head", "replayed"),
    "again": Style(ORANGE, "", "head", "sent again"),
    "twice": Style(VERMILLION, "", "double", "handled again"),
    "repeat": Style(ORANGE, "", "ring", "not handled"),
    "skip": Style(PALE, "4 3", "head", "given up"),
    "lost": Style(VERMILLION, "6 3", "cross", "lost"),
    "held": Style(PURPLE, "2 3", "bars", "held by the link"),
    "in flight": Style(PALE, "1.5 4", "", "still on the way"),
    "refused": Style(VERMILLION, "", "diamond", "refused by emit"),
    "ack": Style(GREEN, "1 3", "small head", "ack"),
    "lost ack": Style(VERMILLION, "1 3", "cross", "ack lost"),
}

MARKS = {  # what a mark looks like around (0, 0), and its colour
    "connected": ('<circle r="4" fill="{}"/>', GREEN),
    "disconnected": (f'<circle r="4" fill="{PAPER}" stroke="{{}}" stroke-width="2"/>', VERMILLION),
    "connecting": (f'<circle r="4" fill="{PAPER}" stroke="{{}}" stroke-width="1.5" stroke-dasharray="2 2"/>', PALE),
    "done": ('<path d="M-5 -2l4 5l7 -10" fill="none" stroke="{}" stroke-width="2.4"/>', GREEN),
    "failed": ('<path d="M0 -7l6.5 11h-13z" fill="{}"/>', VERMILLION),
    "hung up": (f'<circle r="3.5" fill="{PAPER}" stroke="{{}}" stroke-width="2"/>', VERMILLION),
    "cut": ('<path d="M2 -11l-8 12h5l-2 10l9 -13h-5z" fill="{}"/>', VERMILLION),
    "close": ('<path d="M0 -8v16" stroke="{}" stroke-width="3"/>', VERMILLION),
    "stall": ('<path d="M-3 -7v14M3 -7v14" stroke="{}" stroke-width="3"/>', PURPLE),
    "resume": ('<path d="M-4 -6l10 6l-10 6z" fill="{}"/>', GREEN),
    "restore": ('<circle r="4" fill="{}"/>', GREEN),
    "refuse": (
        '<path d="M-4 0h8" stroke="{0}" stroke-width="2"/><circle r="6" fill="none" stroke="{0}" stroke-width="2"/>',
        VERMILLION,
    ),
    "accept": ('<circle r="4" fill="{}"/>', GREEN),
    "crash": (
        '<path d="M0 -9l2.6 5.4l6 -1.6l-3.4 5.2l3.4 5.2l-6 -1.6l-2.6 5.4l-2.6 -5.4l-6 1.6l3.4 -5.2l-3.4 -5.2l6 1.6z" fill="{}"/>',
        VERMILLION,
    ),
    "restart": ('<circle r="5" fill="{}"/>', GREEN),
    "buffered": (f'<rect x="-5" y="-5" width="10" height="10" fill="{PAPER}" stroke="{{}}" stroke-width="2"/>', ORANGE),
    "restored": ('<rect x="-5" y="-5" width="10" height="10" fill="{}"/>', GREEN),
    "forgotten": ('<path d="M-5 -5h10v10h-10zM-8 8L8 -8" fill="none" stroke="{}" stroke-width="2"/>', VERMILLION),
    "discarded": ('<path d="M-4 -4l8 8m0 -8l-8 8" stroke="{}" stroke-width="2.4"/>', VERMILLION),
    "timeout": ('<path d="M-5 -6h10l-10 12h10z" fill="none" stroke="{}" stroke-width="2"/>', ORANGE),
    "unknown": ('<circle r="5.5" fill="none" stroke="{}" stroke-width="2" stroke-dasharray="3 2"/>', VERMILLION),
    "rejected": ('<path d="M0 -6l6 6l-6 6l-6 -6z" fill="none" stroke="{}" stroke-width="2"/>', VERMILLION),
    "trim": ('<path d="M-5 -7l10 14M5 -7l-10 14" stroke="{}" stroke-width="2.4"/>', VERMILLION),
    "new database": ('<path d="M-6 -6v12h12v-12z" fill="{}"/>', VERMILLION),
    "recovered": (f'<circle r="5" fill="{PAPER}" stroke="{{}}" stroke-width="2.4"/>', GREEN),
    "not recovered": ('<path d="M0 -7l6.5 11h-13z" fill="{}"/>', VERMILLION),
    "halted": ('<rect x="-5" y="-5" width="10" height="10" fill="{}"/>', VERMILLION),
    "resumed": ('<path d="M-4 -6l10 6l-10 6z" fill="{}"/>', GREEN),
    "skipped": ('<path d="M-6 -5l6 5l-6 5zM1 -5l6 5l-6 5z" fill="{}"/>', ORANGE),
    "undone": ('<path d="M5 4a5.5 5.5 0 1 0 -9 -4m-3 -4l3 4l5 -1" fill="none" stroke="{}" stroke-width="2"/>', VERMILLION),
}
OTHER = ('<path d="M0 -4.5l4.5 4.5l-4.5 4.5l-4.5 -4.5z" fill="{}"/>', PALE)


def line_end(end: str, dx: float, dy: float, x: float, y: float) -> str:
    """What stands at the end of a line that goes in direction (dx, dy)."""
    if end == "double":
        return line_end("head", dx, dy, x, y) + line_end("head", dx, dy, x - 7 * dx / _length(dx, dy), y - 7 * dy / _length(dx, dy))
    if end.endswith("head"):
        size = (5 if end == "small head" else 8) / _length(dx, dy)
        ux, uy = dx * size, dy * size
        points = (x, y), (x - ux - uy * 0.45, y - uy + ux * 0.45), (x - ux + uy * 0.45, y - uy - ux * 0.45)
        return '<path d="M' + "L".join(f"{px:.1f} {py:.1f}" for px, py in points) + 'z" stroke="none"/>'
    if end == "ring":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" stroke-width="2" style="fill:{PAPER}"/>'
    if end == "cross":
        return f'<path d="M{x - 4.5:.1f} {y - 4.5:.1f}l9 9m0 -9l-9 9" stroke-width="2.4"/>'
    if end == "bars":
        return f'<path d="M{x - 2.5:.1f} {y - 4.5:.1f}v9m5 0v-9" stroke-width="2"/>'
    return f'<path d="M{x:.1f} {y - 5.5:.1f}l5.5 5.5l-5.5 5.5l-5.5 -5.5z" style="fill:{PAPER}"/>' if end == "diamond" else ""


def _length(dx: float, dy: float) -> float:
    return (dx * dx + dy * dy) ** 0.5 or 1
