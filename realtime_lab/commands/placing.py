"""Puts files into a folder in which somebody may have worked: what they changed is never written over.

A file is theirs as soon as it differs from what we wrote. What we wrote is remembered as a hash, in a hidden file of that folder.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from realtime_lab.commands.course import CommandFailed

RECORD = ".realtime-lab.json"


@dataclass(slots=True)
class Placed:
    """What became of each file, by name.

    new: was not there. updated: nobody had changed it, and ours is newer now. kept: somebody changed it, so it stays.
    newer: those of `kept` of which there is a version that the folder does not have. beside: where `fresh` has put ours.
    """

    new: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    newer: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)


def place(files: Mapping[str, bytes], folder: Path, *, fresh: bool = False) -> Placed:
    """Put `files` into `folder`, which is made if it is missing; `fresh` puts ours beside each file that somebody has changed.

    All files are written before the first one appears under its name. Raises CommandFailed, and OSError for what the system refuses.
    """
    with _made(folder), tempfile.TemporaryDirectory(dir=folder, prefix=".realtime-lab-") as staging:
        record = _read_record(folder)
        placed, todo = _plan(files, folder, record, fresh=fresh)
        for name, content in todo.items():
            _write(Path(staging) / name, content)
        record |= {name: _digest(content) for name, content in todo.items()}
        _write(Path(staging) / RECORD, json.dumps(record, indent=1, sort_keys=True).encode())
        for name in (*todo, RECORD):
            (Path(staging) / name).replace(folder / name)
    return placed


def _plan(files: Mapping[str, bytes], folder: Path, record: dict[str, str], *, fresh: bool) -> tuple[Placed, dict[str, bytes]]:
    """What will have become of each file, and what has to be written for that."""
    placed, todo = Placed(), {}
    for name, ours in files.items():
        theirs = _read(folder / name)
        if theirs is None:
            placed.new.append(name)
            todo[name] = ours
        elif theirs == ours:
            record[name] = _digest(ours)
        elif _digest(theirs) == record.get(name):
            placed.updated.append(name)
            todo[name] = ours
        else:
            placed.kept.append(name)
            other, there = _beside(name, ours, folder, record)
            if fresh:
                placed.beside.append(other)
                todo |= {} if there else {other: ours}
            elif not there and record.get(name) != _digest(ours):
                placed.newer.append(name)
    return placed, todo


def _beside(name: str, ours: bytes, folder: Path, record: dict[str, str]) -> tuple[str, bool]:
    """The name for our version beside a changed file, and whether it is there already. It is nobody's work, either."""
    stem, suffix = Path(name).stem, Path(name).suffix
    for n in count(1):
        other = f"{stem}.new{n if n > 1 else ''}{suffix}"
        theirs = _read(folder / other)
        if theirs is None or theirs == ours or _digest(theirs) == record.get(other):
            return other, theirs == ours
    raise AssertionError("count() has no end")


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """The folder exists. If what follows fails, the folders that were made for it are taken away again."""
    if folder.exists() and not folder.is_dir():
        raise CommandFailed(f"{folder} is a file. Name a folder, or one that does not exist yet.")
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for each in missing:
            with suppress(OSError):  # never made, or somebody else has put something into it
                each.rmdir()
        raise


def _read_record(folder: Path) -> dict[str, str]:
    content = _read(folder / RECORD)
    try:
        record = json.loads(content or b"{}")
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise CommandFailed(f"{folder / RECORD} is damaged. Delete it: then every notebook that differs from ours is left as it is.")
    return record


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
