"""What all widgets draw alike: text as HTML, and a word on a colour."""

import html
import re

GOOD, BAD, TWICE, LATE, SEND, PLAIN = "#009E73", "#D55E00", "#CC79A7", "#E69F00", "#56B4E9", "#C8C8C8"
"""Okabe and Ito's colours, as backgrounds for black words: a contrast of 5:1 at least, in a light and in a dark theme. (As colours of words
they would be too weak in one or the other.)"""


def in_html(text: str) -> str:
    """Escaped, and what stands between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def on_colour(words: str, colour: str) -> str:
    """Words that stand out. They say it; the colour only helps to find them."""
    return f'<span style="background:{colour};color:#000;padding:0 6px;border-radius:3px;white-space:nowrap">{html.escape(words)}</span>'


def spoken(content: str) -> str:
    """HTML that a screen reader reads out as soon as it is there.

    A widget replaces its whole content, and what is new in a page is read out when it is an alert; a new "status" mostly is not.
    """
    return f'<div role="alert" style="line-height:20px">{content}</div>'


def painted(colour: str) -> dict[str, str]:
    """The style of a button of this colour; without a colour it is the theme's own."""
    return {"button_color": colour, "text_color": "#000"} if colour else {}
