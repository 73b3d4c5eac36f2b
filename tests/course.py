"""The course as its readers see it: the texts, their headings and links, the pictures. Parsed, not guessed."""

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parent.parent
README, INSTRUCTORS = ROOT / "README.md", ROOT / "INSTRUCTORS.md"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LESSONS = [file for file in NOTEBOOKS if file.name[0].isdigit()]
TEXTS = [README, INSTRUCTORS, *NOTEBOOKS]

MARKDOWN = MarkdownIt("commonmark").enable("table")


def parsed(content: bytes) -> Any:
    """A sound notebook."""
    import nbformat as untyped  # it takes three seconds, and every worker imports every file of tests

    nbformat: Any = untyped
    notebook = nbformat.reads(content.decode(), as_version=4)
    nbformat.validate(notebook)
    return notebook


@cache
def cells(file: Path) -> list[Any]:
    """The cells of a notebook."""
    found: list[Any] = parsed(file.read_bytes()).cells
    return found


@cache
def text(file: Path) -> str:
    """What there is to read in a text or in a notebook, as Markdown."""
    if file.suffix != ".ipynb":
        return file.read_text(encoding="utf-8")
    return "\n\n".join(cell.source for cell in cells(file) if cell.cell_type == "markdown")


@cache
def code(file: Path) -> str:
    """The code of a notebook."""
    return "\n\n".join(cell.source for cell in cells(file) if cell.cell_type == "code")


@cache
def tokens(file: Path) -> list[Token]:
    """The parts of a text."""
    return MARKDOWN.parse(text(file))


@cache
def headings(file: Path) -> list[tuple[int, str]]:
    """Level and words of each heading, in order."""
    pairs = zip(tokens(file), tokens(file)[1:], strict=False)
    return [(int(opening.tag[1]), plain(inline)) for opening, inline in pairs if opening.type == "heading_open"]


def plain(inline: Token) -> str:
    """The words of a line, without marks."""
    return "".join(child.content for child in inline.children or [] if child.type in ("text", "code_inline", "softbreak"))


def words(markdown: str) -> str:
    """A passage as one line: links are their words."""
    return " ".join(re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", markdown).split())


def links(file: Path) -> list[str]:
    """Where the links and pictures of a text lead to, those in HTML too."""
    found = []
    for token in tokens(file):
        for child in token.children or []:
            found += [str(child.attrs[name]) for name in ("href", "src") if name in child.attrs]
        for part in (token, *(token.children or [])):
            if part.type.startswith("html"):
                found += [str(tag["href"]) for tag in tags(part.content, "a") if tag.get("href")]
    return found


def anchors(file: Path) -> set[str]:
    """What may follow a # in a link to this file: as JupyterLab names it in a notebook, as Git hosts do in a text."""
    if file.suffix == ".ipynb":
        return {words.replace(" ", "-") for _, words in headings(file)}
    return {re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-") for _, words in headings(file)}


def broken(link: str, file: Path) -> bool:
    """Does a relative link lead nowhere? Addresses of other sites are not looked at."""
    path, _, anchor = unquote(link).partition("#")
    if "://" in link or link.startswith(("mailto:", "data:")):
        return False
    target = (file.parent / path) if path else file
    return not target.exists() or (bool(anchor) and anchor not in anchors(target))


def pictures(file: Path) -> list[dict[str, str | None]]:
    """The attributes of each picture in the stored outputs of a notebook."""
    outputs = [output for cell in cells(file) if cell.cell_type == "code" for output in cell.outputs]
    return [picture for output in outputs for picture in tags(output.get("data", {}).get("text/html", ""), "img")]


def tags(html: str, name: str) -> list[dict[str, str | None]]:
    """The attributes of each tag of this name."""
    found: list[dict[str, str | None]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag == name:
                found.append(dict(attrs))

    Reader().feed(html)
    return found


def section(file: Path, heading: str) -> str:
    """The Markdown below a heading, up to the next one of its level or above. An error if there is none, or more than one."""
    lines, begin, level = text(file).splitlines(), None, 0
    for token, inline in zip(tokens(file), tokens(file)[1:], strict=False):
        if token.type != "heading_open" or token.map is None:
            continue
        if begin is not None and int(token.tag[1]) <= level:
            return "\n".join(lines[begin : token.map[0]])
        if begin is None and plain(inline) == heading:
            begin, level = token.map[1], int(token.tag[1])
    assert begin is not None, f"{file.name} has no heading {heading!r}"
    return "\n".join(lines[begin:])


def table(markdown: str) -> list[list[str]]:
    """The rows of the first table of a passage, without its head; each cell as Markdown."""
    rows, row = [], []
    for token in MARKDOWN.parse(markdown):
        if token.type == "tr_open":
            row = []
        elif token.type == "inline" and token.level == 4:
            row.append(token.content)
        elif token.type == "tr_close":
            rows.append(row)
        elif token.type == "table_close":
            return rows[1:]
    raise AssertionError("there is no table here")
