"""Where tests keep files when the disk is not what they are about."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")
"""Linux: a file system in memory."""


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """Where there is one: a log waits for the disk at every commit, and a client's store at every event. Nobody pulls the plug here."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None, ignore_cleanup_errors=True) as folder:
        yield Path(folder)
