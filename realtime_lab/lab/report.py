"""What a check says: what was promised, whether it was kept, the shortest case that broke it, and what was not checked."""

import html
from dataclasses import dataclass
from typing import Any, Literal

from realtime_lab.lab.figure import Figure

Outcome = Literal["kept", "broken", "unknown", "not written yet"]

MARKS: dict[Outcome, tuple[str, str]] = {
    "kept": ("✓", "#009E73"),
    "broken": ("✗", "#FF7F2A"),
    "unknown": ("?", "#c8c8c8"),
    "not written yet": ("…", "#c8c8c8"),
}
"""A sign and a background for black words (after Okabe and Ito; a contrast of 5:1 at least, in a light and in a dark theme)."""


@dataclass(frozen=True)
class Report:
    """Returned by every check; a cell shows it, `print(report)` is the same in words. A kept promise is kept in these cases, no more."""

    name: str
    promise: str
    not_checked: str
    outcome: Outcome
    tried: int = 0
    """How many cases were tried, ..."""
    of: int = 0
    """... of how many."""
    words: str = ""
    """What is wrong."""
    case: str = ""
    """The case that was broken, in words, ..."""
    line: str = ""
    """... and the line of code that makes its fault."""
    figure: Figure | None = None
    """Its picture."""

    @property
    def count(self) -> str:
        """How many cases were tried, in words."""
        if self.outcome == "kept":
            return f"in all {self.of} cases" if self.of > 1 else "in the only case"
        return f"in case {self.tried} of {self.of}, the shortest first" if self.tried else ""

    def __str__(self) -> str:
        head = f"{self.name}: {self.outcome}" + (f" {self.count}" if self.count else "")
        lines = [head, f"Promise: {self.promise}"]
        lines += [f"Case: {self.case}"] if self.case else []
        lines += [f"      {self.line}"] if self.line else []
        lines += [self.words] if self.words else []
        lines += [str(self.figure).rstrip("\n")] if self.figure else []
        return "\n".join([*lines, f"Not checked: {self.not_checked}"])

    __repr__ = __str__

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self._html(), "text/plain": str(self)}

    def _html(self) -> str:
        sign, colour = MARKS[self.outcome]
        badge = (
            f'<span style="background:{colour};color:#000;padding:1px 8px;border-radius:3px;font-weight:bold">{sign} {self.outcome}</span>'
        )
        parts = [f"{badge} <b>{html.escape(self.name)}</b> {html.escape(self.count)}", _row("Promise", self.promise)]
        if self.case:
            parts.append(_row("Case", self.case) + (f"<br><code>{html.escape(self.line)}</code>" if self.line else ""))
        if self.words:
            parts.append(f'<span style="white-space:pre-wrap">{html.escape(self.words)}</span>')
        if self.figure:
            parts.append(str(self.figure._repr_mimebundle_()["text/html"]))
        parts.append(_row("Not checked", self.not_checked))
        body = "".join(f'<div style="margin:4px 0">{part}</div>' for part in parts)
        return f'<div style="border-left:6px solid {colour};padding:2px 0 2px 10px;line-height:1.45">{body}</div>'


def _row(label: str, text: str) -> str:
    return f"<b>{label}:</b> {html.escape(text)}"
