"""How things look in a notebook: a card is described once, and written as HTML and as plain text.

SQL, rows, names and messages are hostile: all text goes through `escape`, and nothing else makes
HTML of it. Colours are inherited or translucent, so that a card reads in a light and a dark theme.
"""

from __future__ import annotations

import difflib
import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape as _escape

# What a terminal or a browser would act on, not show; and what would turn text around.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_LINE = "rgba(128,128,128,.35)"
_CELL = f"text-align:left;vertical-align:top;padding:2px 10px 2px 0;border-bottom:1px solid {_LINE}"
# The font is named: what nbconvert exports would set code like prose.
_PRE = (
    "margin:4px 0;padding:6px 8px;white-space:pre-wrap;word-break:normal;overflow-wrap:anywhere;"
    "font-family:var(--jp-code-font-family,monospace);background:rgba(128,128,128,.12)"
)
_MARK = "background:rgba(230,159,0,.4);color:inherit;border-bottom:2px solid #D55E00"
_ADDED, _REMOVED = "background:rgba(0,158,115,.25)", "background:rgba(213,94,0,.25)"
# MathJax would set what stands between two dollars.
_CLASS = 'class="sqlbench mathjax_ignore tex2jax_ignore"'
# An interval, of shares or of points: [82.7%, 98.1%].
_END = r"(?:[-+]?[\d.]+%?|unknown)"
_INTERVAL = re.compile(rf"\[{_END}, {_END}\]")
LONGEST = 300


def escape(value: object) -> str:
    """Return any value as HTML that shows exactly its text.

    Parameters
    ----------
    value : object
        Characters that cannot be seen are shown as their code.
    """
    return _escape(_visible(str(value)), quote=True)


def code(sql: str, token: str | None = None) -> str:
    """Return SQL as HTML, with every occurrence of the offending token marked.

    Parameters
    ----------
    sql : str
        The statement.
    token : str or None
        What the error's message names, see `sqlbench.episodes.errors.extract_offending_token`.
    """
    parts = _split_at(sql, token) if token else [sql]
    marked = (
        f'<mark style="{_MARK}">{escape(part)}</mark>' if i % 2 else escape(part)
        for i, part in enumerate(parts)
    )
    return f'<pre style="{_PRE}">{"".join(marked)}</pre>'


def diff(before: str, after: str) -> str:
    """Return what changed between two statements as HTML, line by line; '+' is new, '-' is gone."""
    changes = [d for d in difflib.ndiff(_lines(before), _lines(after)) if d[0] != "?"]
    styles = {"+": _ADDED, "-": _REMOVED}
    lines = (
        f'<span style="{styles[d[0]]}">{escape(d)}</span>' if d[0] in styles else escape(d)
        for d in changes
    )
    return f'<pre style="{_PRE}">{chr(10).join(lines)}</pre>'


def table(header: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """Return a compact table as HTML; long cells are cut, and a wide table scrolls by itself."""
    return _table(header, [("", row) for row in rows])


def marked_rows(header: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """Return rows as HTML of which the first cell says what they are: "+" new, "−" missing."""
    styles = {"+": _ADDED, "−": _REMOVED}
    return _table(header, [(styles.get(str(row[0]), ""), row) for row in rows])


def _table(header: Sequence[object], rows: Sequence[tuple[str, Sequence[object]]]) -> str:
    def line(tag: str, values: Sequence[object], look: str = "") -> str:
        cells = (f'<{tag} style="{_CELL}">{_inside(v)}</{tag}>' for v in values)
        return f"<tr{f' style={chr(34)}{look}{chr(34)}' if look else ''}>{''.join(cells)}</tr>"

    head = f"<thead>{line('th', header)}</thead>" if any(header) else ""
    body = "".join(line("td", row, look) for look, row in rows)
    style = "border-collapse:collapse;margin:4px 0;font-size:90%"
    whole = f'<table style="{style}">{head}<tbody>{body}</tbody></table>'
    return f'<div style="overflow-x:auto">{whole}</div>'


def note(text: object) -> str:
    """Return a line of text as HTML."""
    return f'<div style="margin:2px 0">{escape(text)}</div>'


def count(n: int, thing: str) -> str:
    """Return a number of things as text."""
    return f"{n:,} {thing}" if n == 1 else f"{n:,} {thing}s"


def problem(text: object) -> str:
    """Return what went wrong as HTML, to stand beside the control that it is about."""
    style = (
        "border-left:3px solid #D55E00;background:rgba(213,94,0,.15);padding:4px 10px;"
        "line-height:1.4;max-width:960px"
    )
    return f'<div class="sqlbench-problem" style="{style}">{escape(text)}</div>'


def tiles(values: Mapping[str, object]) -> str:
    """Return names, small, above their values, side by side as far as there is room."""
    parts = (
        f'<div><div style="font-size:85%;opacity:.8">{escape(name)}</div>'
        f'<div class="sqlbench-{escape(name.replace(" ", "-"))}">{escape(value)}</div></div>'
        for name, value in values.items()
    )
    style = "display:flex;flex-wrap:wrap;gap:6px 24px;white-space:nowrap;margin:4px 0"
    return f'<div style="{style}">{"".join(parts)}</div>'


def fold(title: object, inside: str, *, opened: bool = False) -> str:
    """Return HTML that a click on its title unfolds; ``inside`` is HTML already."""
    head = f'<summary style="cursor:pointer">{escape(title)}</summary>'
    return f"<details{' open' if opened else ''}>{head}{inside}</details>"


def frame(inside: str) -> str:
    """Return HTML in the frame that every card has; ``inside`` is HTML already."""
    style = (
        f"border-left:3px solid {_LINE};padding:2px 0 2px 10px;max-width:960px;color:inherit;"
        "line-height:1.4"  # a widget's own is that of a control
    )
    return f'<div {_CLASS} style="{style}">{inside}</div>'


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text in a card."""

    text: str

    def html(self) -> str:
        """Return it as HTML."""
        return note(self.text)

    def plain(self) -> str:
        """Return it as plain text."""
        return _visible(self.text)


@dataclass(frozen=True, slots=True)
class Sql:
    """A statement in a card, with the token that its error names."""

    sql: str
    token: str | None = None

    def html(self) -> str:
        """Return it as HTML."""
        return code(self.sql, self.token)

    def plain(self) -> str:
        """Return it as plain text."""
        return "\n".join("    " + _visible(line) for line in self.sql.splitlines())


@dataclass(frozen=True, slots=True)
class Grid:
    """A table in a card; with a title it is folded away."""

    header: Sequence[object]
    rows: Sequence[Sequence[object]]
    title: str = ""
    opened: bool = False

    def html(self) -> str:
        """Return it as HTML."""
        inside = table(self.header, self.rows)
        return fold(self.title, inside, opened=self.opened) if self.title else inside

    def plain(self) -> str:
        """Return it as plain text."""
        lines = [*([self.header] if any(self.header) else []), *self.rows]
        cells = [[" ".join(_cell(v).split()) for v in line] for line in lines]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        body = (
            "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip()
            for line in cells
        )
        head = [_visible(self.title)] if self.title else []
        return "\n".join([*head, *("  " + line for line in body)])


def facts(values: Mapping[str, object]) -> Grid:
    """Return names and values as a part of a card; what is None or empty is left out."""
    return Grid((), [(k, v) for k, v in values.items() if v is not None and v != ""])


@dataclass(frozen=True, slots=True)
class Card:
    """A title and its parts: what `Shown` writes."""

    title: str
    parts: Sequence[Text | Sql | Grid]

    def html(self) -> str:
        """Return it as HTML."""
        head = f"<div><b>{escape(self.title)}</b></div>"
        return frame(head + "".join(part.html() for part in self.parts))

    def plain(self) -> str:
        """Return it as plain text."""
        return "\n".join([_visible(self.title), *(p.plain() for p in self.parts)])


class Shown:
    """What has a card: a notebook shows it as HTML, a terminal (and ``str``) as plain text."""

    __slots__ = ()

    @abstractmethod
    def card(self) -> Card:
        """Return what is shown of it."""

    def __str__(self) -> str:
        return self.card().plain()

    def _repr_html_(self) -> str:
        return self.card().html()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        # A dataclass's own __repr__ would stand before `_repr_pretty_`.
        return {"text/plain": str(self), "text/html": self._repr_html_()}


def _visible(text: str) -> str:
    return _UNSEEN.sub(lambda m: f"\\u{ord(m.group()):04x}", text)


def _together(escaped: str) -> str:
    """Keep each interval on one line."""
    return _INTERVAL.sub(r'<span style="white-space:nowrap">\g<0></span>', escaped)


def _cell(value: object) -> str:
    text = "NULL" if value is None else _visible(str(value))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _inside(value: object) -> str:
    """Return a cell as HTML, where NULL does not look like the text NULL."""
    shown = _together(escape(_cell(value)))
    if value is None:
        return f'<span style="opacity:.75;font-style:italic">{shown}</span>'
    return shown


def _lines(sql: str) -> list[str]:
    return sql.splitlines() or [""]


def _split_at(sql: str, token: str) -> list[str]:
    """Split so that every second part is the token, standing as a word of its own."""
    start = r"(?<!\w)" if token[:1].isalnum() or token[:1] == "_" else ""
    end = r"(?!\w)" if token[-1:].isalnum() or token[-1:] == "_" else ""
    parts = re.split(f"({start}{re.escape(token)}{end})", sql, flags=re.IGNORECASE)
    if len(parts) == 1 and "." in token:  # the message qualifies what the statement does not
        return _split_at(sql, token.rpartition(".")[2])
    return parts
