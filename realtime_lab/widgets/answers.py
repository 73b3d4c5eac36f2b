"""What a guess may be written as, and what equals what. Pure: text and values in, answers out.

- A number: `3`, `-1`, `0.5`. A lone `0` is the same as nothing.
- Ids, with `#` or without: `#2 #3`, `2, 3`, `#2,#3`, `#2 and #3`, `[2, 3]`, `#2-#3`, `2 to 3`. They equal `["#2", "#3"]`, `[2, 3]`
  and `("#2", "#3")`. A single id equals its number: `#3` is `3`. The order counts, unless a comparison says that it does not.
- Nothing: `none`, `nothing`, `-` or `[]`. It equals `0`, an empty list and None.
- Yes and no: `yes`, `true`, `no`, `false`. They equal True and False.
- Any other words are text, compared without case and surrounding space. Several of them equal a list: `tea, soup` is `["tea", "soup"]`.
"""

import re
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

from realtime_lab.errors import InvalidSetting

NOTHING = ("", "-", "\u2013", "—", "none", "nothing")
TRUTH = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}
MOST = 1000
"""Ids that a range such as 2-6 may stand for."""

_SEPARATOR = re.compile(r"[,;&]|\band\b")
_RANGE = re.compile(r"(?<![\w.#])(#?)(\d{1,9})\s*(?:-|\u2013|—|…|\.{2,3}|\bto\b)\s*(#?)(\d{1,9})(?![\w.])")
_NUMBER = re.compile(r"#?-?\d+(?:\.\d+)?")
_LIKE_A_NUMBER = re.compile(r"[#-]?\.?\d|#")
_BRACKETS = str.maketrans("[](){}", "      ")


@dataclass(frozen=True)
class Answer:
    """`shown` is how a person reads it, `items` what is compared."""

    shown: str
    items: tuple[str, ...]

    def equals(self, other: "Answer", *, ordered: bool = True) -> bool:
        """See the top of this file."""
        if ordered:
            return " ".join(self.items) == " ".join(other.items)
        return Counter(self.items) == Counter(other.items)


def read(text: str) -> Answer:
    """What a learner wrote. Raises InvalidSetting, with a sentence for the learner, if it cannot be understood."""
    if not text.strip(" \t\n?!."):
        raise InvalidSetting("Write your guess here. If you think of nothing, write none.")
    plain = " ".join(text.translate(_BRACKETS).casefold().split())
    if plain in NOTHING:
        return Answer("none", ())
    pieces = [_tokens(piece) for piece in _SEPARATOR.split(_RANGE.sub(_counted, plain))]
    tokens = [token for piece in pieces for token in piece]
    if tokens and all(_NUMBER.fullmatch(token) for token in tokens):
        return _number(tokens[0]) if len(tokens) == 1 else Answer(" ".join(tokens), tuple(_bare(token) for token in tokens))
    if not tokens or any(_LIKE_A_NUMBER.match(token) for token in tokens):
        raise InvalidSetting(f'"{text.strip()}" cannot be read. Write a number (5), ids (#2 #3), words without numbers, or none.')
    words = tuple(" ".join(piece) for piece in pieces if piece) if len(pieces) > 1 else tuple(tokens)
    return Answer(" ".join(text.split()), (TRUTH.get(words[0], words[0]),) if len(words) == 1 else words)


def answer(value: object) -> Answer:
    """A value of a program. Raises TypeError if it is not a number, a text, True, False, None, or a list or tuple of these."""
    match value:
        case None:
            return Answer("none", ())
        case bool():
            return Answer(*(("yes", ("yes",)) if value else ("no", ("no",))))
        case int() | float():
            return _number(str(value))
        case str():
            return _text(value)
        case list() | tuple():
            parts = [answer(each) for each in value]
            items = tuple(" ".join(part.items) or part.shown for part in parts)
            separator = ", " if any(" " in part.shown for part in parts) else " "
            return Answer(separator.join(part.shown for part in parts) or "none", items)
    raise TypeError(f"a number, a text, True, False, None, or a list of these can be compared; this is {type(value).__name__}: {value!r}")


def _text(value: str) -> Answer:
    """A program may also say what a learner could not write, such as "alice #1"."""
    try:
        return read(value)
    except InvalidSetting:
        return Answer(value.strip() or "none", tuple(value.casefold().split()))


def _number(token: str) -> Answer:
    return Answer(token, () if not token.startswith("#") and float(token) == 0 else (_bare(token),))


def _bare(token: str) -> str:
    """Without "#", and 3.0 as 3."""
    return format(Decimal(token.lstrip("#")).normalize(), "f")


def _tokens(piece: str) -> list[str]:
    return [token for word in piece.split() if (token := word.strip("\"'`\u2018\u2019“”.!?:"))]


def _counted(found: re.Match[str]) -> str:
    """The range "2-4" as "2 3 4"; left as it is, and so unreadable, if it goes down or is too long."""
    mark, first, last = found[1] or found[3], int(found[2]), int(found[4])
    return " ".join(f"{mark}{n}" for n in range(first, last + 1)) if first < last < first + MOST else found[0]
