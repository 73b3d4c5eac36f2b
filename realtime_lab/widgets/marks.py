"""What all widgets draw alike: text as HTML, and a word on a colour."""

import html
import re

GOOD, BAD, ODD, LATE, PLAIN = "#009E73", "#FF7F2A", "#CC79A7", "#E69F00", "#c8c8c8"
"""Backgrounds for black words, after Okabe and Ito: a contrast of 5:1 at least, and the same in a light and in a dark theme."""


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
