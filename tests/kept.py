"""What a long check has found out so far: kept in a file, and valid for one content of the tree."""

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def tree_hash(*places: str) -> str:
    """Name the content of the tree, or of these places in it: every file that git knows or would add.

    But not what is only read, *.md: figures are written down there, and are to be those of this tree.
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *places]
    listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    digest = hashlib.sha256()
    for name in sorted(set(listing.stdout.split(b"\0")) - {b""}):
        file = ROOT / os.fsdecode(name)
        if file.is_file() and file.suffix != ".md":
            digest.update(name + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def read(path: Path) -> dict[str, Any]:
    """What was kept; "tree" says of which content."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"tree": ""}


def write(path: Path, tree: str, **content: Any) -> None:
    """Keep it. Whoever stops this has the old file, or the new one."""
    path.parent.mkdir(exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"tree": tree, **content}, indent=1), encoding="utf-8")
    new.replace(path)
