"""The fate of a whole run in one word: the worst thing that its verdict shows.

lost         a message never arrived on some leg, and nothing is under way that could still bring it
duplicated   nothing was lost, and a handler was given a message more than once (for good: what was rolled back does not count)
reordered    nothing was lost or duplicated, and a message came after one that was sent later
unknown      everything arrived once and in order, but a sender does not know it, or something is still under way
refused      emit() raised an error for a message, so nothing was promised; the others are kept
kept         every message arrived once, in order, and nobody is in doubt
"""

from typing import Literal, get_args

from realtime_lab.history.verdict import Verdict

Fate = Literal["lost", "duplicated", "reordered", "unknown", "refused", "kept"]

FATES: tuple[Fate, ...] = get_args(Fate)
"""From the worst to the best."""


def fate_of(verdict: Verdict) -> Fate:
    """The worst that happened on any leg."""
    if verdict.lost:
        return "lost"
    if verdict.duplicated:
        return "duplicated"
    if verdict.reordered:
        return "reordered"
    if verdict.in_flight or any(leg.unknown for leg in verdict.legs):
        return "unknown"
    return "refused" if any(leg.refused for leg in verdict.legs) else "kept"
