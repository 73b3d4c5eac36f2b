"""The score of a run, and the table of its log, as HTML: drawn from the record, and deciding nothing."""

import html
from collections.abc import Iterable

from realtime_lab.history.leg import Leg
from realtime_lab.history.log_table import LogTable
from realtime_lab.history.verdict import Verdict

ROWS = 6
"""Stored events that the table shows: the newest ones."""


def score(judged: Verdict) -> str:
    """One row for each leg, and what the run refutes."""
    rows = "".join(f"<tr>{''.join(_cells(leg))}</tr>" for leg in judged.legs)
    sentences = "<br>".join(html.escape(sentence) for sentence in judged.sentences)
    return f'<table style="line-height:18px">{rows}</table><div style="line-height:18px">{sentences}</div>'


def _cells(leg: Leg) -> list[str]:
    note = " <small>end to end</small>" if leg.end_to_end else " <small>on the wire</small>" if leg.wire_only else ""
    cells = [f"{html.escape(leg.sender)} → {html.escape(leg.receiver)}{note}", f"{len(leg.sent)} sent", f"{leg.arrived} arrived"]
    lost = [label for label, _ in leg.lost]
    for word, labels, colour in (
        ("lost", lost, "#D55E00"), ("duplicated", leg.duplicated, "#CC79A7"), ("reordered", leg.reordered, "#E69F00"),
        ("on the way", leg.in_flight, "inherit"), ("refused", leg.refused, "inherit"),
    ):  # fmt: skip
        if labels:
            ids = html.escape(" ".join(labels[:12])) + (" …" if len(labels) > 12 else "")
            cells.append(f'<b style="color:{colour}">{len(labels)} {word}</b> {ids}')
    return [f'<td style="padding:0 14px 0 0">{cell}</td>' for cell in cells]


def log_table(log: LogTable, clients: Iterable[str]) -> str:
    """The newest stored events: offset, data, and which of these clients has each."""
    names = list(clients)
    head = "".join(f'<th style="padding:0 12px;font-weight:500">{html.escape(name)}</th>' for name in names)
    newest = list(log.rows.values())[-ROWS:]
    rows = "".join(
        f'<tr><td style="text-align:right;padding:0 12px">{row.offset}</td><td style="padding:0 12px">{html.escape(row.text)}</td>'
        + "".join(f'<td style="text-align:center">{_tick(name in row.holders)}</td>' for name in names)
        + "</tr>"
        for row in newest
    )
    older = len(log.rows) - len(newest)
    notes = [f"{older} older"] * bool(older) + [f"everything up to {log.trimmed} was trimmed"] * bool(log.trimmed)
    caption = f"the log{': ' if notes or not log.rows else ''}{', '.join(notes) or ('' if log.rows else 'empty')}"
    style = "text-align:left;caption-side:top;white-space:nowrap;padding:0 12px"
    return (
        f'<table style="line-height:18px"><caption style="{style}">{caption}</caption>'
        f'<tr><th style="padding:0 12px;font-weight:500">offset</th><th style="padding:0 12px;font-weight:500;text-align:left">data</th>'
        f"{head}</tr>{rows}</table>"
    )


def _tick(has: bool) -> str:
    return '<span style="color:#009E73" title="handled">✓</span>' if has else '<span style="opacity:.5" title="not yet">·</span>'
