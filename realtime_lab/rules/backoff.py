"""Rule: after a failed attempt wait a random time between nothing and a limit; the limit doubles up to a cap.

Source: Socket.IO, "Client options" (`reconnectionDelay`, `reconnectionDelayMax`); the shape is "full jitter": many clients that
lost the same server come back spread out instead of all at once.
Difference from python-socketio: its `randomization_factor` is absolute seconds, so short delays become negative and the client
storms (measured); here chance only ever shortens the wait.

Never sleeps and never draws a random number: the caller passes `draw`, a number from 0 up to 1.
"""


def delay(attempt: int, draw: float, *, initial: float = 1.0, maximum: float = 5.0) -> float:
    """Seconds to wait after the `attempt`-th failure in a row (1 is the first)."""
    if attempt < 1:
        raise ValueError(f"attempt counts from 1, not {attempt}")
    doublings = min(attempt - 1, 60)  # beyond this a float has no room, and every cap has long been reached
    return draw * min(maximum, initial * 2.0**doublings)
