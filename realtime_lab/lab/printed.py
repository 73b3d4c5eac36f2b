"""What a learner's code prints during a check goes to its guard, and is shown with the report: labs run side by side, on other threads."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from realtime_lab.lab.watch import running


class _Routed:
    """Stands in for sys.stdout."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """To the guard of the piece that runs on this thread, or else to where it always went."""
        if (piece := running()) is None:
            return int(self._stream.write(text))
        piece.printed(text)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def routed() -> Iterator[None]:
    """While a check runs."""
    before, sys.stdout = sys.stdout, _Routed(sys.stdout)
    try:
        yield
    finally:
        sys.stdout = before
