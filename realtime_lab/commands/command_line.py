"""The command `realtime-lab`: its arguments, its words, its exit codes (0: done, 2: not done, and why)."""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from realtime_lab.commands.course import CommandFailed, course
from realtime_lab.commands.export import for_students, with_solutions
from realtime_lab.commands.opening import need_jupyter, open_lab
from realtime_lab.commands.placing import Placed, place

PROGRAM = "realtime-lab"
FOLDER = Path("realtime-lab-course")

COURSE_HELP = """\
Copy the course into a folder and open it in JupyterLab.

A notebook in which you have worked is never written over. One that you have not touched is replaced by a newer version.
"""
COURSE_EXAMPLES = f"""\
examples:
  {PROGRAM}                      copy to ./{FOLDER}, and open it
  {PROGRAM} my-course            the same in another folder
  {PROGRAM} my-course --fresh    put an unchanged copy beside each notebook that you have changed
  {PROGRAM} -- --no-browser      what follows -- goes to JupyterLab

for teachers:
  {PROGRAM} export FOLDER        copies for students, without the solutions, and copies that show them
  {PROGRAM} export --help        more about this
"""
EXPORT_HELP = """\
Write two copies of the course: FOLDER/students without the solutions, and FOLDER/solutions, where each solution is shown.

Both keep the stored outputs, so that they can be read without running them; in the students' copies the checks of the exercises
have not been run yet. A notebook that you have changed there is never written over.
"""
FRESH_HELP = "put an unchanged copy beside each notebook that was changed, as NAME.new.ipynb"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says (or `arguments`), print what was done, return the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    own, for_jupyter = (given[: given.index("--")], given[given.index("--") + 1 :]) if "--" in given else (given, [])
    try:
        if own[:1] == ["export"]:
            _export(own[1:], for_jupyter)
        else:
            _start(own, for_jupyter)
    except CommandFailed as error:
        return _failed(str(error))
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        return _failed(f"{error.strerror or error}{where}. No notebook was changed. Make room, or choose another folder.")
    return 0


def _start(own: Sequence[str], for_jupyter: Sequence[str]) -> None:
    parser = _parser(PROGRAM, COURSE_HELP, COURSE_EXAMPLES)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, metavar="FOLDER", help=f"where to (default: {FOLDER})")
    parser.add_argument("--fresh", action="store_true", help=FRESH_HELP)
    parser.add_argument("--no-open", action="store_true", help="only copy, do not open JupyterLab")
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {version(PROGRAM)}")
    options = parser.parse_args(own)
    if options.no_open and for_jupyter:
        parser.error("--no-open does not start JupyterLab, so nothing can be passed on to it after --")
    if not options.no_open:
        need_jupyter()
    files = course()
    _tell(options.folder, len(files), place(files, options.folder, fresh=options.fresh), again=f"{PROGRAM} {options.folder}")
    if not options.no_open:
        print("JupyterLab opens in your browser. To end it, press Ctrl+C here.", flush=True)  # noqa: T201
        open_lab(options.folder, for_jupyter)


def _export(own: Sequence[str], for_jupyter: Sequence[str]) -> None:
    parser = _parser(f"{PROGRAM} export", EXPORT_HELP, "")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where to")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--students", action="store_true", help="only the copies for students")
    which.add_argument("--solutions", action="store_true", help="only the copies with the solutions")
    parser.add_argument("--fresh", action="store_true", help=FRESH_HELP)
    options = parser.parse_args(own)
    if for_jupyter:
        parser.error("export does not start JupyterLab, so nothing can be passed on to it after --")
    copies: dict[str, Callable[[bytes], bytes]] = {"students": for_students, "solutions": with_solutions}
    for name, change in copies.items():
        if options.students == options.solutions or getattr(options, name):
            folder = options.folder / name
            files = {each: change(content) if each.endswith(".ipynb") else content for each, content in course().items()}
            _tell(folder, len(files), place(files, folder, fresh=options.fresh), again=f"{PROGRAM} export {options.folder}")


def _parser(program: str, description: str, examples: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog=program, description=description, epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )


def _tell(folder: Path, total: int, placed: Placed, *, again: str) -> None:
    print(f"{folder.resolve()}: {total} files, {len(placed.new)} new, {len(placed.updated)} updated.")  # noqa: T201
    if placed.kept:
        print(f"Left as they are, because they were changed here: {', '.join(placed.kept)}.")  # noqa: T201
    if placed.newer:
        print(f"There is a newer version of {', '.join(placed.newer)}. To get it beside yours: {again} --fresh")  # noqa: T201
    if placed.beside:
        print(f"An unchanged copy is in {', '.join(placed.beside)}.")  # noqa: T201


def _failed(why: str) -> int:
    print(f"{PROGRAM}: {why}", file=sys.stderr)  # noqa: T201
    return 2
