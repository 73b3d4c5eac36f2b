"""What a client still keeps and has under way, what it was told, and where it stands in the log: one line for its row."""

from collections.abc import Sequence

from realtime_lab.history.outboxes import Outbox, Pile
from realtime_lab.lab.member import MemberClient

KEPT: tuple[tuple[str, Pile], ...] = (("keeps", "waiting"), ("under way", "under way"))
MOST = 6
"""Ids that are named; of more only the number is said."""


def outbox_line(outbox: Outbox, *, asks: bool) -> str:
    """For example "keeps #4 #5 · under way #3 (try 2) · 2 acknowledged, unknown #1".

    Who does not ask for acknowledgements (`asks`) never learns a fate, so there is none to tell.
    """
    piles = {pile: _ids(shelf.items) for pile, shelf in outbox.piles.items() if len(shelf)}
    acked = len(outbox.piles["acked"])
    told: tuple[Pile, ...] = ("rejected", "unknown") if asks else ()
    fates = [f"{acked} acknowledged"] * bool(acked) + [f"{word} {piles[word]}" for word in told if word in piles]
    kept = [f"{word} {piles[pile]}" for word, pile in KEPT if pile in piles]
    return " · ".join(kept + [", ".join(fates)] * bool(fates)) or "keeps nothing"


def offset_line(client: MemberClient) -> str:
    """For example "offset 7 (truncated)"; empty for a client without replay, or that was not told yet."""
    if client.offset is None:
        return ""
    reason = client.session.reason if client.session else ""
    notes = [f"halted at {client.halted}"] * (client.halted is not None) + [reason] * (reason not in ("", "new"))
    return f"offset {client.offset}" + (f" ({', '.join(notes)})" if notes else "")


def _ids(labels: Sequence[str]) -> str:
    return " ".join(labels) if len(labels) <= MOST else f"{' '.join(labels[:MOST])} … ({len(labels)})"
