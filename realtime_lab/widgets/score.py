"""The score of a run, and the table of its log, as HTML: drawn from the record, and deciding nothing."""

import html
from collections.abc import Iterable
from itertools import islice

from realtime_lab.history.leg import Leg
from realtime_lab.history.log_table import LogTable
from realtime_lab.history.verdict import Verdict
from realtime_lab.widgets.marks import BAD, LATE, TWICE, on_colour

NAMED = 12
"""Messages that are named in a cell or a sentence; of more only the number is said."""
ROWS = 6
"""Stored events that the table shows: the newest ones."""


def score(judged: Verdict) -> str:
    """One row for each leg, and what the run refutes."""
    rows = "".join(f"<tr>{''.join(_cells(leg))}</tr>" for leg in judged.legs)
    sentences = "<br>".join(html.escape(sentence) for sentence in judged.said(NAMED))
    return f'<table style="line-height:17px;border-collapse:collapse">{rows}</table><div style="line-height:18px">{sentences}</div>'


def _cells(leg: Leg) -> list[str]:
    note = " <small>end to end</small>" if leg.end_to_end else " <small>on the wire</small>" if leg.wire_only else ""
    cells = [f"{html.escape(leg.sender)} → {html.escape(leg.receiver)}{note}", f"{len(leg.sent)} sent", f"{leg.arrived} arrived"]
    lost = [label for label, _ in leg.lost]
    for word, labels, colour in (
        ("lost", lost, BAD), ("duplicated", leg.duplicated, TWICE), ("reordered", leg.reordered, LATE),
        ("on the way", leg.in_flight, ""), ("refused", leg.refused, ""),
    ):  # fmt: skip
        if labels:
            ids = html.escape(" ".join(labels[:NAMED])) + (" …" if len(labels) > NAMED else "")
            count = f"{len(labels)} {word}"
            cells.append(f"{on_colour(count, colour) if colour else f'<b>{count}</b>'} {ids}")
    breaks = ["nowrap"] * 3 + ["normal"] * (len(cells) - 3)  # a long list of messages has more lines, and squeezes nothing
    return [f'<td style="padding:0 14px 0 0;white-space:{how}">{cell}</td>' for cell, how in zip(cells, breaks, strict=True)]


def log_table(log: LogTable, clients: Iterable[str]) -> str:
    """The newest stored events: offset, data, and which of these clients has each."""
    names = list(clients)
    head = "".join(f'<th scope="col" style="padding:0 12px;font-weight:500">{html.escape(name)}</th>' for name in names)
    newest = [*islice(reversed(log.rows.values()), ROWS)][::-1]
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
        f'<table style="line-height:17px;border-collapse:collapse"><caption style="{style}">{caption}</caption>'
        f'<tr><th scope="col" style="padding:0 12px;font-weight:500">offset</th>'
        f'<th scope="col" style="padding:0 12px;font-weight:500;text-align:left">data</th>{head}</tr>{rows}</table>'
    )


def _tick(has: bool) -> str:
    return '<b title="handled">✓</b>' if has else '<span title="not yet">·</span>'
