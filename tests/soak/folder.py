"""Where a schedule keeps its files."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")
"""Linux: a file system in memory."""


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """Where there is one, as nobody pulls the plug here, and a client's store waits for the disk at every event."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None, ignore_cleanup_errors=True) as folder:
        yield Path(folder)
