"""Arrows: how each copy and each acknowledgement of a history looks: its style, how far it got, and the sentence about it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from realtime_lab.history.copies import SERVER, Copy
from realtime_lab.history.hops import TURNED_AWAY
from realtime_lab.history.labels import full_name
from realtime_lab.history.lanes import LOG, Spot
from realtime_lab.history.plan import FATES, Arrow
from realtime_lab.history.steps import Steps


def arrows_of(copies: Iterable[Copy], steps: Steps, rows: dict[str, float], at: Callable[[Spot | None], int]) -> Iterator[Arrow]:
    """What was sent, or should have been."""
    crowded: Counter[tuple[int, str, str]] = Counter()
    for copy in copies:
        lane = LOG if copy.from_log else copy.sender
        style = _style(copy)
        start, reach = at(steps.tails[id(copy)]), _reach(copy, abs(rows[lane] - rows[copy.receiver]))
        if copy.fate == "arrived":
            end: float = at(steps.heads[id(copy)])
        else:
            end = start + reach + 0.3 * crowded[start, lane, copy.receiver]
            crowded[start, lane, copy.receiver] += reach > 0
        reason = TURNED_AWAY.get(copy.turned_away, copy.turned_away) if style == "repeat" else copy.reason
        sentence = f"{full_name(copy)}: {_fate(style, reason)}"
        yield Arrow(lane, copy.receiver, style, steps.labels.on_arrow(copy), start, end, reach, reason, sentence, copy.message.source.seq)


def _style(copy: Copy) -> str:
    if copy.fate != "arrived":
        return "held" if copy.fate == "in flight" and copy.held >= 0 > copy.wire else str(copy.fate)
    if copy.tombstone:
        return "skip"
    if copy.turned_away:
        return "repeat"
    if copy.delivered and _given_before(copy) and (copy.sender != SERVER or copy.message.offset >= 0):
        return "twice"
    if copy.replayed:
        return "replayed"
    return "again" if copy.attempt > 1 else "arrived"


def _given_before(copy: Copy) -> bool:
    """Was a handler of this receiver given an earlier copy?"""
    copies = copy.message.copies
    return any(other.delivered and other.receiver == copy.receiver for other in copies[: copies.index(copy)])


def acks_of(copies: Iterable[Copy], steps: Steps, rows: dict[str, float], at: Callable[[Spot | None], int]) -> Iterator[Arrow]:
    """The way back. What is still on it shows only where the link holds it."""
    for copy in copies:
        tail, ack = steps.acks.tails.get(id(copy)), copy.ack
        if tail is None or ack is None or (ack.fate == "in flight" and ack.held < 0):
            continue
        style = {"arrived": "ack", "lost": "lost ack"}.get(ack.fate, "held")
        head = steps.acks.heads.get(id(copy)) if style == "ack" else None
        start, far = at(tail), abs(rows[copy.sender] - rows[SERVER])
        reach = 1.0 if head else (far - 0.5) / far
        label = f"ack {steps.labels.on_arrow(copy)}"
        sentence = f"acknowledgement of {full_name(copy)}: {_fate(style, ack.reason)}"
        end = at(head) if head else start + reach
        yield Arrow(SERVER, copy.sender, style, label, start, end, reach, ack.reason, sentence, copy.message.source.seq)


def _reach(copy: Copy, rows: float) -> float:
    """How far between the lanes: a link ends half a row before its client."""
    if copy.fate in ("arrived", "refused"):
        return float(copy.fate == "arrived")
    if copy.from_log and copy.connection is None and copy.seq != copy.message.born:  # it never left
        return 0.33 / rows
    if copy.connection is None and not copy.why:
        return (rows - 0.68) / rows
    if copy.wire >= 0 and copy.fate == "lost":
        return (rows - 0.15) / rows
    return (0.5 if copy.direction == "upstream" else rows - 0.5) / rows


def _fate(style: str, reason: str) -> str:
    return ", ".join(filter(None, [FATES.get(style, style), reason]))
