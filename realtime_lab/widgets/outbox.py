"""What a client still keeps and has under way, what it was told, and where it stands in the log: one line for its row."""

from collections.abc import Sequence

from realtime_lab.history.journeys import Journeys
from realtime_lab.lab.member import MemberClient

MOST = 6
"""Ids that are named; of more only the number is said."""


def outbox_line(journeys: Journeys, name: str, *, asks: bool) -> str:
    """For example "keeps #4 #5 · under way #3 (try 2) · 2 acknowledged, unknown #1".

    Who does not ask for acknowledgements (`asks`) never learns a fate, so there is none to tell.
    """
    own = [message for message in tuple(journeys.messages) if message.origin == name and message.root is None]
    kept = [message for message in own if message.kept]
    waiting = [message.label for message in kept if not message.tries]
    under_way = [f"{message.label} (try {message.tries})" if message.tries > 1 else message.label for message in kept if message.tries]
    told = {word: [message.label for message in own if message.settled == word] for word in ("rejected", "unknown") if asks}
    acked = sum(message.settled == "acked" for message in own)
    fates = [f"{acked} acknowledged"] * bool(acked) + [f"{word} {_ids(labels)}" for word, labels in told.items() if labels]
    parts = (
        [f"keeps {_ids(waiting)}"] * bool(waiting) + [f"under way {_ids(under_way)}"] * bool(under_way) + [", ".join(fates)] * bool(fates)
    )
    return " · ".join(parts) or "keeps nothing"


def offset_line(client: MemberClient) -> str:
    """For example "offset 7 (truncated)"; empty for a client without replay, or that was not told yet."""
    if client.offset is None:
        return ""
    reason = client.session.reason if client.session else ""
    notes = [f"halted at {client.halted}"] * (client.halted is not None) + [reason] * (reason not in ("", "new"))
    return f"offset {client.offset}" + (f" ({', '.join(notes)})" if notes else "")


def _ids(labels: Sequence[str]) -> str:
    return " ".join(labels) if len(labels) <= MOST else f"{' '.join(labels[:MOST])} … ({len(labels)})"
