r"""Prediction files in the forms that benchmarks use, paired with a suite's questions.

Three forms: Spider's text (a query a line in the benchmark's order, an optional tab and db_id),
BIRD's JSON (``{"0": "SQL\t----- bird -----\tdb_id"}``) and JSONL (``{"index": 0, "pred": "…"}``,
or ``question_id``). A prediction is never paired by guess: a file that does not fit the suite as a
whole is refused, with the line that shows it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlbench.exceptions import SQLBenchError
from sqlbench.grading.places import KEYS, PlaceError, Places, name_of
from sqlbench.paths import located, shown
from sqlbench.suites.base import Entry, Suite

BIRD_SEPARATOR = "\t----- bird -----\t"
_NAMED = re.compile(r"\t *\w+ *$")
_SQL_FIELDS = ("pred", "sql", "SQL")


class PredictionFileError(SQLBenchError, ValueError):
    """Raised when a prediction file cannot be read, or does not belong to the suite.

    Parameters
    ----------
    path : Path
        The file.
    line : int or None
        The line that shows it, from 1; in a JSON list the item.
    message : str
        What is wrong, and what to do.
    unit : str
        What ``line`` counts.
    """

    def __init__(self, path: Path, line: int | None, message: str, unit: str = "line") -> None:
        self.path, self.line = path, line
        super().__init__(f"{shown(path)}{f', {unit} {line}' if line else ''}: {message}")


@dataclass(frozen=True)
class Predictions:
    """One prediction for each question of a suite.

    Attributes
    ----------
    path : Path
        Where they were read.
    sql : mapping of str to str
        By question id; an empty text where the model gave none.
    hash : str
        SHA-256 of the file.
    """

    path: Path
    sql: Mapping[str, str]
    hash: str

    @property
    def name(self) -> str:
        """A short name for tables: the file's, without its suffix."""
        return self.path.stem


def read_predictions(path: str | Path, suite: Suite) -> Predictions:
    """Read a prediction file and pair it with a suite's questions.

    Parameters
    ----------
    path : path-like
        The file; its form is seen from its contents.
    suite : Suite
        Whose questions it answers. Predictions for questions that the suite leaves out (a missing
        database) must be there and are not used.

    Raises
    ------
    PredictionFileError
        If the file is missing, broken, of another length, or of another benchmark.
    """
    path = located(path)
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror or str(error)
        raise PredictionFileError(path, None, f"cannot be read: {reason}.") from None
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise PredictionFileError(path, line, "is not UTF-8 text.") from None
    reader = _Reader(path, suite)
    if not text.strip():
        raise PredictionFileError(path, None, f"is empty; expected {reader.expected}.")
    if not text.lstrip().startswith(("{", "[")):
        sql = reader.text(text)
    elif reader.is_jsonl(text):
        sql = reader.jsonl(reader.lines(text))
    else:
        sql = reader.bird(text)
    return Predictions(path, sql, hashlib.sha256(raw).hexdigest())


class _Reader:
    def __init__(self, path: Path, suite: Suite) -> None:
        self.path, self.suite = path, suite
        self.unit = "line"
        self.entries = suite.entries
        self.places = Places(suite)
        left_out = sum(e.question_id is None for e in self.entries)
        self.expected = f"{len(self.entries)} predictions, one a question of {suite.spec!r}" + (
            f" (the {left_out} left-out questions included)" if left_out else ""
        )

    def error(self, line: int | None, message: str) -> PredictionFileError:
        return PredictionFileError(self.path, line, message, self.unit)

    def text(self, text: str) -> dict[str, str]:
        # Not splitlines(): a query may hold a form feed or a line separator inside a literal.
        lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
        # An empty line in its place is a failure of the model's; behind the last it is none.
        while len(lines) > len(self.entries) and not lines[-1].strip():
            lines.pop()
        if len(lines) != len(self.entries):
            empty = next((i for i, line in enumerate(lines, 1) if not line.strip()), None)
            hint = f"; line {empty} is empty" if empty else ""
            raise self.error(
                min(len(lines), len(self.entries)),
                f"the file has {len(lines)} lines, expected {self.expected}{hint}.",
            )
        known = {e.db_id for e in self.entries}
        # A tab may also stand inside a query: a column of names is in every line.
        named = all(_NAMED.search(line) for line in lines if line.strip())
        sql = {}
        for number, (line, entry) in enumerate(zip(lines, self.entries, strict=True), 1):
            query, tab, db_id = line.rpartition("\t")
            if tab and (named or db_id.strip() in known):
                self._check_database(number, entry, db_id.strip())
            else:
                query = line
            if entry.question_id is not None:
                sql[entry.question_id] = query.strip()
        return sql

    def is_jsonl(self, text: str) -> bool:
        first = text.lstrip().split("\n", 1)[0]
        try:
            record = json.loads(first)
        except ValueError:
            record = None
        if isinstance(record, dict) and record.keys() & KEYS:
            return True
        # A JSON file that is laid out over lines begins with a bracket alone.
        return len(first.strip()) > 1 and not _parses(text)

    def lines(self, text: str) -> Iterator[tuple[int, Any]]:
        for number, line in enumerate(text.split("\n"), 1):
            if not line.strip():
                continue
            try:
                yield number, json.loads(line)
            except ValueError as error:
                raise self.error(number, f"is no JSON: {error}.") from None

    def _sql(self, line: int | None, record: dict[str, Any]) -> str:
        """Return a record's prediction."""
        field = next((f for f in _SQL_FIELDS if f in record), None)
        if field is None:
            raise self.error(line, 'has no text field "pred" (or "sql").')
        value = self._statement(line, repr(field), record[field])
        return value.rpartition(BIRD_SEPARATOR)[0] if BIRD_SEPARATOR in value else value

    def _statement(self, line: int | None, place: str, value: Any) -> str:
        """Return a prediction as it stands.

        What is no text is a model's failure, and graded as one: BIRD's own files hold 0 there. But
        a list or an object is something else than one statement.
        """
        if not isinstance(value, list | dict | _Pairs):
            return value if isinstance(value, str) else ""
        several = isinstance(value, list) and not isinstance(value, _Pairs)  # pairs are a list, too
        choose = (
            "; `sqlbench choose` takes one of several from lines like "
            '{"index": 0, "candidates": ["SELECT …", …]}'
        )
        raise self.error(
            line,
            f"{place} is {'a list' if several else 'an object'}, expected one statement a "
            f"question, or null where the model gave none{choose if several else ''}.",
        )

    def listed(self, content: list[Any]) -> dict[str, str]:
        """Read a JSON list: of records that say which question they answer, or of texts."""
        self.unit = "item"
        items = [dict(item) if isinstance(item, _Pairs) else item for item in content]
        records = [item for item in items if isinstance(item, dict)]
        if any(record.keys() & KEYS for record in records):
            return self.jsonl(enumerate(items, 1))
        if len(items) != len(self.entries):
            raise self.error(
                None, f"the list has {len(items)} predictions, expected {self.expected}."
            )
        texts = [
            self._sql(i, item)
            if isinstance(item, dict)
            else self._statement(i, "the prediction", item)
            for i, item in enumerate(items, 1)
        ]
        by_key = {str(entry.position): [entry] for entry in self.entries}
        return self._paired(by_key, list(zip(by_key, texts, strict=True)), "")

    def jsonl(self, records: Iterable[tuple[int, Any]]) -> dict[str, str]:
        found: dict[int, tuple[int, str]] = {}
        for number, record in records:
            entries = self._entries(number, record)
            sql = self._sql(number, record)
            entry = next((e for e in entries if e.position not in found), entries[0])
            if entry.position in found:
                earlier = found[entry.position][0]
                raise self.error(number, f"predicts question {name_of(entry)} again, as {earlier}.")
            if "db_id" in record:
                self._check_database(number, entry, record["db_id"])
            found[entry.position] = number, sql
        for entry in self.entries:  # one prediction for a number that occurs twice serves both
            first = self.places.by_number[entry.number][0]
            if entry.position not in found and first.position in found:
                found[entry.position] = found[first.position]
        missing = next(
            (e for e in self.entries if e.question_id is not None and e.position not in found), None
        )
        if missing is not None:
            raise self.error(
                None,
                f"the file has {len(found)} predictions, expected {self.expected}; the first that "
                f"is missing is index {missing.position}.",
            )
        return {
            e.question_id: found[e.position][1] for e in self.entries if e.question_id is not None
        }

    def bird(self, text: str) -> dict[str, str]:
        try:
            content = json.loads(text, object_pairs_hook=_Pairs)
        except ValueError as error:
            line = getattr(error, "lineno", None)
            raise self.error(line, f"is no JSON: {error}.") from None
        if isinstance(content, list) and not isinstance(content, _Pairs):
            return self.listed(content)
        if not isinstance(content, _Pairs):
            raise self.error(
                1,
                'is no prediction file: expected BIRD\'s {"0": "SQL\\t----- bird -----\\tdb_id"}.',
            )
        return self._paired(self._keys(content, text), content, text)

    def _paired(
        self, by_key: Mapping[str, list[Entry]], content: list[tuple[str, Any]], text: str
    ) -> dict[str, str]:
        sql: dict[str, str] = {}
        seen: set[str] = set()
        for key, value in content:
            line = _line_of(key, text)
            if key in seen:
                raise self.error(line, f"predicts question {key!r} twice.")
            seen.add(key)
            # For a failure BIRD's evaluator writes " " and the database "financial", whichever
            # the question's is.
            said = self._statement(line, f"question {key!r}", value)
            query, separator, db_id = said.rpartition(BIRD_SEPARATOR)
            for entry in by_key[key]:
                if separator and query.strip():
                    self._check_database(line, entry, db_id.strip())
                if entry.question_id is not None:
                    sql[entry.question_id] = (query if separator else said).strip()
        return sql

    def _keys(self, content: _Pairs, text: str) -> dict[str, list[Entry]]:
        """Return the entry of each key: BIRD counts positions, some tools write question_ids."""
        keys = {key for key, _ in content}
        positions = {str(e.position): [e] for e in self.entries}
        numbers = {str(number): entries for number, entries in self.places.by_number.items()}
        for by_key in (self.places.by_id, positions, numbers):
            if keys == by_key.keys():
                return by_key
        unknown = next((key for key, _ in content if key not in positions), None)
        if unknown is not None:
            raise self.error(
                _line_of(unknown, text), f"unknown question {unknown!r}; expected {self.expected}."
            )
        missing = next(key for key in positions if key not in keys)
        raise self.error(
            None,
            f"the file has {len(keys)} predictions, expected {self.expected}; the first that is "
            f"missing is {missing!r}.",
        )

    def _entries(self, line: int, record: Any) -> list[Entry]:
        if not isinstance(record, dict) or not record.keys() & KEYS:
            raise self.error(
                line, 'has no "index" (from 0) and no "question_id": name the question it answers.'
            )
        try:
            return self.places.of(record)
        except PlaceError as error:
            raise self.error(line, str(error)) from None

    def _check_database(self, line: int | None, entry: Entry, db_id: object) -> None:
        if db_id != entry.db_id:
            raise self.error(
                line,
                f"is for the database {db_id!r}, but question {name_of(entry)} of "
                f"{self.suite.spec!r} asks about {entry.db_id!r}: the file is in another order, or "
                "of another benchmark.",
            )


class _Pairs(list[tuple[str, Any]]):
    """A JSON object that keeps keys which occur twice."""


def _parses(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _line_of(key: str, text: str) -> int | None:
    match = re.search(rf"{re.escape(json.dumps(key))}\s*:", text)
    return text.count("\n", 0, match.start()) + 1 if match else None
