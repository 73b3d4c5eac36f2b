"""What the tests of the command look at: everything in a folder."""

from pathlib import Path

MY_WORK = b"my own work, two hours of it"


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below it, hidden ones too."""
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
