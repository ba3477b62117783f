"""Which question of a suite a record of a file answers: by its place, or by the question's id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlbench.suites import Suite
from sqlbench.suites.base import Entry

KEYS = {"index", "question_id"}


class PlaceError(LookupError):
    """Raised when a record names no question of the suite, or two that differ."""


class Places:
    """The questions of a suite, by what a file may call them.

    Parameters
    ----------
    suite : Suite
        Whose questions.

    Attributes
    ----------
    by_id : dict of str to list of Entry
        By their ids here.
    by_number : dict of int to list of Entry
        By the benchmark's own numbers, of which BIRD's mini_dev has two twice.
    """

    def __init__(self, suite: Suite) -> None:
        self.spec, self.entries = suite.spec, suite.entries
        self.by_id = {e.question_id: [e] for e in self.entries if e.question_id is not None}
        self.by_number: dict[int, list[Entry]] = {}
        for entry in self.entries:
            self.by_number.setdefault(entry.number, []).append(entry)
        # Where ids look like numbers, another number is no question's: never a place by chance.
        self._ids_are_numbers = any(name.isdecimal() for name in self.by_id)

    def of(self, record: Mapping[str, Any]) -> list[Entry]:
        """Return the entries that a record may be about: one, but for BIRD's two numbers.

        Raises
        ------
        PlaceError
            If it names none, or two that differ.
        """
        if "index" not in record:
            found = self._of_id(record["question_id"])
            if not found:
                raise self._unknown("question_id", record["question_id"])
            return found
        place = _whole(record["index"])
        if type(place) is not int or not 0 <= place < len(self.entries):
            raise self._unknown("index", record["index"])
        entry = self.entries[place]
        named = self._of_id(record.get("question_id"))
        if named and entry not in named:
            raise PlaceError(
                f"says index {place}, which is question {name_of(entry)} of {self.spec!r}, and "
                f"question_id {record['question_id']!r}, which is another: leave one of them out."
            )
        return [entry]

    def _of_id(self, value: object) -> list[Entry]:
        if type(value) not in (str, int):
            return []
        found = self.by_id.get(str(value), [])
        number = _whole(value)
        if not found and type(number) is int and not self._ids_are_numbers:
            found = self.by_number.get(number, [])
        return found

    def _unknown(self, field: str, value: object) -> PlaceError:
        first, last = self.entries[0], self.entries[-1]
        valid = f"0 to {len(self.entries) - 1}"
        if field == "question_id":
            valid = f"for example {name_of(first)} or {name_of(last)}"
        return PlaceError(f"unknown {field} {value!r} in {self.spec!r}; valid: {valid}.")


def name_of(entry: Entry) -> str:
    """Return what an entry is called: its question's id, or its number where it is left out."""
    return str(entry.number) if entry.question_id is None else entry.question_id


def _whole(value: object) -> object:
    """Return the number of a text of digits: tools write either."""
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        return int(value)
    return value
