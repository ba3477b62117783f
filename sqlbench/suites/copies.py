"""A SQLite database's rows in another engine, so that a translated query can be tried there.

SQLite keeps what it is given: a column of integers may hold a text. So a column's type is what its
values are, and its declared type only where it has none: BIGINT if all are integers, DOUBLE if all
are numbers, BLOB if one is bytes, and else text.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from sqlbench.databases.base import Row
from sqlbench.databases.sqlite_file import open_readonly
from sqlbench.exceptions import MissingExtraError


@dataclass(frozen=True, slots=True)
class Copied:
    """A table to be copied; ``nested`` where a key of its own refers to it."""

    name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[Row]
    nested: bool = False


def tables_of(path: Path) -> Iterator[Copied]:
    """Yield the tables of a SQLite file in the order of their creation.

    Parameters
    ----------
    path : Path
        The file.
    """
    with closing(open_readonly(path)) as connection:
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
            r" AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY rowid"
        ).fetchall()
        for (name,) in names:
            listed = quoted(name)
            # As `*` has them: with the generated ones, without a virtual table's hidden ones.
            declared = connection.execute(
                "SELECT name, type FROM pragma_table_xinfo(?) WHERE hidden <> 1", (name,)
            ).fetchall()
            columns = tuple(column for column, _ in declared)
            rows = connection.execute(f"SELECT * FROM {listed}").fetchall()
            types = tuple(_type(kind, (r[j] for r in rows)) for j, (_, kind) in enumerate(declared))
            keys = connection.execute(f"PRAGMA foreign_key_list({listed})").fetchall()
            nested = any(key[2].lower() == name.lower() for key in keys)
            yield Copied(name, columns, types, rows, nested)


def write_duckdb(path: Path, tables: Sequence[Copied], script: str = "") -> None:
    """Make a DuckDB file, beside the target and moved into place: nobody sees half of one.

    Parameters
    ----------
    path : Path
        Where to.
    tables : sequence of Copied
        What is in it.
    script : str
        Makes the tables; empty makes them from their columns.

    Raises
    ------
    MissingExtraError
        If DuckDB is not installed.
    """
    try:
        import duckdb
    except ImportError:
        raise MissingExtraError("DuckDB", "duckdb") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with duckdb.connect(str(temporary), config={"threads": 1}) as connection:
            if script:
                connection.execute(script)
            for table in tables:
                if not script:
                    listed = ", ".join(
                        f"{quoted(column)} {type_}"
                        for column, type_ in zip(table.columns, table.types, strict=True)
                    )
                    connection.execute(f"CREATE TABLE {quoted(table.name)} ({listed})")
                if script and table.nested:
                    marks = ", ".join("?" * len(table.columns))
                    # DuckDB looks for what a key refers to among the rows that were there before.
                    insert = f"INSERT INTO {quoted(table.name)} VALUES ({marks})"
                    connection.begin()
                    connection.executemany(insert, table.rows)
                    connection.commit()
                else:
                    _fill(connection, table)
        os.replace(temporary, path)
    finally:
        for left in (temporary, Path(f"{temporary}.wal")):
            with suppress(OSError):
                left.unlink()


def write_postgres(connection: Any, schema: str, tables: Sequence[Copied]) -> None:
    """Make a schema with some tables, whose names and columns' are in small letters.

    Parameters
    ----------
    connection : psycopg.Connection
        Of a role that may create a schema.
    schema : str
        The schema's name.
    tables : sequence of Copied
        What is in it.
    """
    types = {"TEXT": 'TEXT COLLATE "C"', "BLOB": "BYTEA", "DOUBLE": "DOUBLE PRECISION"}
    connection.execute(f"CREATE SCHEMA {quoted(schema)}")
    for table in tables:
        name = f"{quoted(schema)}.{quoted(table.name.lower())}"
        listed = ", ".join(
            f"{quoted(column.lower())} {types.get(type_, type_)}"
            for column, type_ in zip(table.columns, table.types, strict=True)
        )
        connection.execute(f"CREATE TABLE {name} ({listed})")
        with connection.cursor().copy(f"COPY {name} FROM STDIN") as copy:
            for row in table.rows:
                copy.write_row(
                    [_plain(v, t) for v, t in zip(row, table.types, strict=True)],
                )
    connection.commit()


def quoted(name: str) -> str:
    """Return a name in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def _fill(connection: Any, table: Copied) -> None:
    """Insert rows through a file of JSON lines: one by one they would take minutes."""
    if not table.rows:
        return
    keys = [f"c{j}" for j in range(len(table.columns))]
    with tempfile.TemporaryDirectory() as made:
        lines = Path(made) / "rows.json"
        with lines.open("wb") as file:
            for row in table.rows:
                cells = {k: _json(v, t) for k, v, t in zip(keys, row, table.types, strict=True)}
                file.write(orjson.dumps(cells) + b"\n")
        kinds = ", ".join(
            f"{k}: '{'VARCHAR' if t in ('BLOB', 'TEXT') else t}'"
            for k, t in zip(keys, table.types, strict=True)
        )
        chosen = ", ".join(
            f"from_hex({k})" if t == "BLOB" else k for k, t in zip(keys, table.types, strict=True)
        )
        connection.execute(
            f"INSERT INTO {quoted(table.name)} SELECT {chosen} FROM read_json(?, "
            f"format = 'newline_delimited', columns = {{{kinds}}})",
            [str(lines)],
        )


def _json(value: Any, type_: str) -> Any:
    if value is None:
        return None
    if type_ == "TEXT":
        return value if isinstance(value, str) else str(value)
    if type_ == "BLOB":
        return (value if isinstance(value, bytes) else str(value).encode()).hex()
    return value


def _plain(value: Any, type_: str) -> Any:
    if type_ == "TEXT" and value is not None:
        return str(value).replace("\0", "")  # which PostgreSQL has in no text
    return value.encode() if type_ == "BLOB" and isinstance(value, str) else value


def _type(declared: str, values: Iterator[Any]) -> str:
    kinds = {type(v) for v in values} - {type(None)}
    if not kinds:
        upper = declared.upper()
        number = "INT" in upper or any(w in upper for w in ("REAL", "FLOA", "DOUB", "NUM", "DEC"))
        return "BIGINT" if "INT" in upper else "DOUBLE" if number else "TEXT"
    if bytes in kinds:
        return "BLOB"
    if str in kinds:
        return "TEXT"
    return "DOUBLE" if float in kinds else "BIGINT"
