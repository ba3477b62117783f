"""A first suite for a database: questions that work as they are, to be replaced by real ones."""

from __future__ import annotations

import json
import os
from pathlib import Path
from shlex import quote

from sqlbench.databases.base import Table, quote_name
from sqlbench.exceptions import SuiteError
from sqlbench.paths import located
from sqlbench.suites.adhoc import open_database

_HEAD = """\
# Questions about {name}. Look at every line, put your own questions in, then:
#   sqlbench suites check {file}
#   sqlbench run --suite {file} --model openai:NAME
database: {database}
tasks:
- id: simple_queries
  difficulty: easy
  questions:
"""
_QUESTION = """\
  - id: {id}
    text: {text}
    gold: |
      {gold}
"""
_TAIL = """\
  # A question without a gold query: success then means that the query ran and returned rows.
  # - id: simple_{next:02d}
  #   text: What do you want to know?
  #   evidence: A hint that belongs to the question, if it needs one.
"""
_MAX_QUESTIONS = 3


def write_template(database: str | Path, out: str | Path | None = None) -> Path:
    """Write a suite's file with a few questions that a database can answer.

    Parameters
    ----------
    database : path
        A SQLite or DuckDB file, or a folder of Parquet and CSV files.
    out : path or None
        The file to write; None takes the database's name in the working directory.

    Raises
    ------
    SuiteError
        If the database cannot be read or has no rows, or the file exists.
    """
    source = located(database)
    target = located(out if out is not None else f"{source.stem}.yaml")
    opened = open_database(str(source))
    try:
        tables = [t for t in opened.schema().tables if t.row_count]
    finally:
        opened.close()
    if not tables:
        raise SuiteError(f"The database {str(source)!r} has no table with rows.")
    text = _HEAD.format(
        name=source.name,
        file=quote(str(target)),
        database=json.dumps(os.path.relpath(source, target.parent), ensure_ascii=False),
    )
    pairs = [_count(t) for t in tables[: _MAX_QUESTIONS - 1]] + _joins(tables)[:1]
    for number, (question, gold) in enumerate(pairs, start=1):
        quoted = json.dumps(question, ensure_ascii=False)  # a JSON string is a YAML string
        text += _QUESTION.format(id=f"simple_{number:02d}", text=quoted, gold=gold)
    text += _TAIL.format(next=len(pairs) + 1)
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise SuiteError(f"{str(target)!r} exists; name another file with --out.") from None
    except OSError as error:
        raise SuiteError(f"{str(target)!r} cannot be written: {error.strerror}.") from error
    return target


def _count(table: Table) -> tuple[str, str]:
    return (
        f"How many rows does the table {table.name} have?",
        f"SELECT COUNT(*) FROM {quote_name(table.name)}",
    )


def _joins(tables: list[Table]) -> list[tuple[str, str]]:
    """Return a question for each foreign key: how many rows refer to a row of the other table."""
    found = []
    names = {t.name for t in tables}
    for table in tables:
        for key in table.foreign_keys:
            if key.ref_table in names and key.ref_table != table.name:
                pairs = zip(key.columns, key.ref_columns, strict=True)
                on = " AND ".join(f"a.{quote_name(c)} = b.{quote_name(r)}" for c, r in pairs)
                found.append(
                    (
                        f"How many rows of {table.name} refer to a row of {key.ref_table}?",
                        f"SELECT COUNT(*) FROM {quote_name(table.name)} AS a "
                        f"JOIN {quote_name(key.ref_table)} AS b ON {on}",
                    )
                )
    return found
