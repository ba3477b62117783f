"""What README and docs/ tell a reader to type."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from folders import ROOT

PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "notebooks" / "README.md",
]
_FENCE = re.compile(r"^ *```(\S*)[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:(?<=\n\n)|\A)((?:(?: {4}|\t)[^\n]*\n|\n(?= {4}))+)")
_SHELL = ("", "sh", "bash", "console")


@dataclass(frozen=True)
class Piece:
    """A piece of code, and the page that it stands on."""

    page: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {self.text}"


def python_cells() -> list[Piece]:
    """Return the fenced Python of every page."""
    return [
        Piece(page.name, text)
        for page in PAGES
        for language, text in _FENCE.findall(page.read_text(encoding="utf-8"))
        if language == "python"
    ]


def shell_lines() -> list[Piece]:
    """Return every command, of blocks and of code within sentences, without its comment."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = [code for language, code in _FENCE.findall(text) if language in _SHELL]
        prose = _FENCE.sub("\n", text)
        blocks += [re.sub(r"^ {4}", "", b, flags=re.MULTILINE) for b in _INDENTED.findall(prose)]
        spans = [" ".join(s.split()) for s in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose)]
        for block in blocks:
            found += [Piece(page.name, line) for line in re.sub(r"\\\n *", "", block).splitlines()]
        found += [Piece(page.name, span) for span in spans]
    return found


def words(line: str) -> list[str]:
    """Split a line as a shell does, and drop its comment; nothing where it is no shell's line."""
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return []
