"""Where the files of the course are: inside of an installed package, beside the package in a source tree."""

from pathlib import Path

from realtime_lab.errors import RealtimeLabError

FIRST = "00_start_here.ipynb"
LICENCE = "LICENSE"

_PACKAGE = Path(__file__).resolve().parent.parent


class CommandFailed(RealtimeLabError):
    """The command could not do what it was asked for. The message says what to do."""


def course() -> dict[str, bytes]:
    """The files of the course, by name: the notebooks and the licence of their text. Raises CommandFailed if they are not installed."""
    for folder in (_PACKAGE / "notebooks", _PACKAGE.parent / "notebooks"):
        if (folder / FIRST).is_file():
            return {file.name: file.read_bytes() for file in (*sorted(folder.glob("*.ipynb")), folder / LICENCE)}
    raise CommandFailed(f'The notebooks are missing beside {_PACKAGE}. Install again: pip install --force-reinstall "realtime-lab[lab]"')
