"""The texts in a JSON answer, those first whose key says that they are the query."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, NamedTuple

OPENS = re.compile(r"[{\[]\s*[\"'{\[]")
# So many readings of what is no JSON are tried: each may take the whole text's length.
TRIES = 8

_TELLING = re.compile(r"sql|query|queries|statement", re.IGNORECASE)
_LIKELY = frozenset(
    ["code", "answer", "finalanswer", "output", "result", "response", "final", "arguments", "input"]
)
_EXPLAINS = re.compile(
    r"expla|reason|thought|think|rationale|analysis|comment|note|descri|step|plan|idea|question|"
    r"evidence|schema|draft|previous|wrong|original|error|chain|approach|logic|summary|title|example",
    re.IGNORECASE,
)
_NOT_THE_ONE = re.compile(
    r"original|wrong|incorrect|previous|failed|faulty|old_|draft|user|natural|input_q",
    re.IGNORECASE,
)
_END = r"\s*(?:[}\])]|,\s*(?:[\"'][\w $-]+[\"']\s*[:=]|[}\]{])|\Z)"
_PAIR = re.compile(
    r"(?P<mark>[\"']?)(?P<key>[A-Za-z_][\w $-]{0,60})(?P=mark)\s*[:=]\s*(?:"
    rf"\"(?P<double>(?:[^\\\"]|\\.|\"(?!{_END}))*+)|'(?P<single>(?:[^\\']|\\.|'(?!{_END}))*+))",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


class Says(IntEnum):
    """What a key says about its text."""

    QUERY = 0
    NOTHING = 1
    EXPLANATION = 2


class Field(NamedTuple):
    """A text in a JSON value, and what its key says about it."""

    says: Says
    text: str


def fields_at(text: str, i: int) -> tuple[list[Field], int]:
    """Return the texts of a JSON value that begins at a place, and where it ends.

    What is no JSON but meant to be (single quotation marks, a comma too many, quotation marks
    that are not escaped, an end that is missing) is read pair by pair. Without any text the end
    is the place itself.

    Parameters
    ----------
    text : str
        The text.
    i : int
        Where a bracket opens.
    """
    try:
        value, end = json.JSONDecoder(strict=False).raw_decode(text, i)
        found = list(_strings(value))
    except (ValueError, RecursionError):
        found, end = _pairs(text, i)
    return sorted(found, key=lambda field: field.says), end


def says(key: str) -> Says:
    """Return what a key says about its text."""
    if _NOT_THE_ONE.search(key):
        return Says.EXPLANATION
    plain = re.sub(r"[^a-z]", "", key.lower())
    if _EXPLAINS.search(key) and not re.search(r"sql\Z|query\Z", plain):
        return Says.EXPLANATION
    return Says.QUERY if _TELLING.search(key) or plain in _LIKELY else Says.NOTHING


def unescaped(text: str) -> str:
    """Return a text without the backslashes of a JSON string."""
    plain = _ESCAPE.sub(_character, text)
    if "\\u" not in text:
        return plain
    # What lies beyond 16 bits is written as two of them.
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _character(escape: re.Match[str]) -> str:
    code, letter = escape.groups()
    return chr(int(code, 16)) if code else _ESCAPED.get(letter, letter)


def json_text_at(text: str, i: int) -> tuple[str, int] | None:
    """Return the JSON string that begins at a place, where it holds escapes, and its end."""
    try:
        value, end = json.JSONDecoder(strict=False).raw_decode(text, i)
    except ValueError:
        return None
    return (value, end) if isinstance(value, str) and "\\" in text[i:end] else None


def _strings(value: Any, key: str = "") -> Iterator[Field]:
    if isinstance(value, str):
        yield Field(says(key), value)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _strings(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, key)


def _pairs(text: str, i: int) -> tuple[list[Field], int]:
    found: list[Field] = []
    end = i
    for pair in _PAIR.finditer(text, i + 1):
        if found and text.find("\n\n", end, pair.start()) >= 0:
            break  # prose has begun
        if not found and text[i + 1 : pair.start()].strip(" \t\r\n[{"):
            break
        value = pair["double"] if pair["double"] is not None else pair["single"]
        found.append(Field(says(pair["key"]), unescaped(value)))
        end = min(pair.end() + 1, len(text))
    return found, end
