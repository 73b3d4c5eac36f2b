"""Opens the course in JupyterLab, which replaces this program: it asks, reports and ends as `jupyter lab` does."""

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from realtime_lab.commands.course import FIRST, CommandFailed

NEEDED = ("jupyterlab", "ipykernel", "ipywidgets")


def need_jupyter() -> None:
    """Raise CommandFailed unless everything that the notebooks run in is installed here."""
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise CommandFailed(f'Not installed: {", ".join(missing)}. Install the course with: pip install "realtime-lab[lab]"')


def open_lab(folder: Path, options: Sequence[str]) -> None:
    """Run JupyterLab on `folder`, until it is ended. `options` are JupyterLab's own, and win over ours."""
    from jupyterlab.labapp import LabApp  # noqa: PLC0415 - the other commands do not need it

    LabApp.launch_instance(
        [
            f"--ServerApp.root_dir={folder.resolve()}",
            f"--LabApp.default_url=/lab/tree/{FIRST}",
            "--LabApp.news_url=None",  # nothing leaves this computer, and nobody is asked about news in the first minute
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            *_for_root(),
            *options,
        ]
    )


def _for_root() -> list[str]:
    """JupyterLab refuses to start for root, and in a container everybody is root."""
    return ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
