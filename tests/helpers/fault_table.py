"""The faults of tests/data/faults.tsv: what each is called, and how each engine raises it.

A row a fault: its name, the class and the token that an expert would give it, and a column an
engine. A cell of an engine is a statement; `=` the statement of SQLite's; `-` nothing: the
engine lets it pass, or has another fault for it. A statement ends in ` --> TOKEN` where the
engine's message can say less, or another thing, than the table's token. A token `-` is none.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass

from folders import DATA

# What the statements are about, in the SQL of every engine.
TABLES = """
CREATE TABLE singer (id INTEGER PRIMARY KEY, name TEXT, age INTEGER, born TEXT);
CREATE TABLE concert (id INTEGER PRIMARY KEY, singer_id INTEGER, year INTEGER);
CREATE TABLE person (id INTEGER PRIMARY KEY, "first name" TEXT);
CREATE INDEX singer_name ON singer (name);
INSERT INTO singer VALUES (1, 'Joe', 52, '1970-01-01'), (2, 'Rose', 41, '1980-02-01');
INSERT INTO concert VALUES (1, 1, 2020), (2, 2, 2021);
INSERT INTO person VALUES (1, 'Ann');
"""


@dataclass(frozen=True)
class Fault:
    """A fault on one engine: the statement that has it, and what is to come of it."""

    name: str
    sql: str
    error_class: str
    token: str | None


def faults(engine: str) -> list[Fault]:
    """Return the faults that an engine raises.

    Parameters
    ----------
    engine : str
        A column of the table.
    """
    with open(DATA / "faults.tsv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    found = []
    for row in rows:
        cell, token = row[engine], row["token"]
        if cell == "-":
            continue
        if cell == "=":
            sql = row["sqlite"].partition(" --> ")[0]
        else:
            sql, arrow, own = cell.partition(" --> ")
            token = own if arrow else token
        found.append(Fault(row["fault"], sql, row["class"], None if token == "-" else token))
    return found
