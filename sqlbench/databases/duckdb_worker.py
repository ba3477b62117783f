"""The process that runs one database's statements: it may read that database, and nothing else.

It speaks over one socket: a length of four bytes, and JSON. Its parent kills it when a statement's
time is up; it has an alarm of its own that ends it a little later, whatever the parent does. The
walls, in the order in which DuckDB takes them: opened read-only on one thread, no temporary files,
no extensions, no files but those of the views that were made here, the configuration locked; no
file may be written and no more memory taken than its limit says. It imports little: what is
imported is forked (`duckdb_nursery`).
"""

from __future__ import annotations

import contextlib
import resource
import shutil
import signal
import socket
import struct
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import orjson

from sqlbench.databases.base import Row
from sqlbench.databases.duckdb_safety import NoSuchTable, Refused, Safety
from sqlbench.databases.duckdb_values import (
    NeedsText,
    load,
    loaders,
    needs_text,
    specials,
    weight,
)
from sqlbench.databases.sqlite_authorizer import first_word

_BATCH = 500
_GRACE = 1.0  # seconds beyond its time after which a statement ends this process
_LENGTH = struct.Struct("!I")
_SEEDED = ("random", "uuid", "sample", "shuffle")
_OPEN = {
    "threads": 1,
    "temp_directory": "",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
}
_LOCK = (
    "SET TimeZone = 'UTC'",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


def send(connection: socket.socket, message: Any) -> None:
    """Send one message."""
    data = orjson.dumps(message)
    connection.sendall(_LENGTH.pack(len(data)) + data)


def receive(connection: socket.socket) -> Any:
    """Return the next message; raises EOFError where there is none."""
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    return orjson.loads(_exactly(connection, length))


def main(connection: socket.socket) -> None:
    """Serve statements until the parent is gone."""
    with contextlib.suppress(EOFError, OSError):
        setup = receive(connection)
        try:
            session = Session(setup)
        except Exception as error:  # whatever a file makes DuckDB trip over
            send(connection, {"error": type(error).__name__, "message": str(error)})
            return
        send(connection, {"ready": duckdb.__version__, "facts": session.safety.facts})
        while True:
            send(connection, session.answer(receive(connection)))


class Session:
    """One database, opened and locked.

    Parameters
    ----------
    setup : dict
        ``path``, or ``views`` (name and statement) with the ``files`` that they read; ``limits``;
        ``facts``, where another process has read them (`Safety.facts`).
    """

    def __init__(self, setup: dict[str, Any]) -> None:
        self._limits = setup["limits"]
        config = _OPEN | {"memory_limit": f"{self._limits['max_memory_bytes'] // 2}B"}
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        self._connection = _opened(setup, config)
        if setup["files"]:
            listed = ", ".join("'" + f.replace("'", "''") + "'" for f in setup["files"])
            self._connection.execute(f"SET allowed_paths = [{listed}]")
        for statement in _LOCK:
            self._connection.execute(statement)
        # Opened once for all: what a statement's cursor runs is what it says.
        self._trees = self._connection.cursor()
        self._trees.execute("PREPARE tree AS SELECT json_serialize_sql(?)")
        self.safety = Safety(self._read, setup["facts"])
        _no_more(self._limits["max_memory_bytes"])

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return what came of a statement; of whatever it does wrong, an error."""
        signal.setitimer(signal.ITIMER_REAL, self._limits["wall_clock"] + _GRACE)
        try:
            trusted = request.get("trusted", False)
            return self._trusted(request["sql"]) if trusted else self._run(request["sql"])
        except Refused as refused:
            return {"error": "Refused", "message": str(refused)}
        except NoSuchTable as missing:
            name = str(missing)
            return {
                "error": "CatalogException",
                "message": f"Catalog Error: Table with name {name} does not exist!",
            }
        except RecursionError:
            return {"error": "Refused", "message": "the statement is nested too deeply"}
        except MemoryError:
            return {"error": "MemoryError", "message": ""}
        except Exception as error:  # DuckDB's own, and what its values make Python raise
            return {"error": type(error).__name__, "message": str(error)}
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _trusted(self, sql: str) -> dict[str, Any]:
        return self._fetched(self._connection.cursor(), sql)

    def _run(self, sql: str) -> dict[str, Any]:
        quoted = sql.replace("'", "''")
        (serialized,) = self._trees.execute(f"EXECUTE tree('{quoted}')").fetchone() or ("",)
        if serialized.startswith('{"error":true'):
            self._refuse(sql)
        self.safety.check(serialized)
        cursor = self._connection.cursor()
        text = sql.lower()
        if any(word in text for word in _SEEDED):
            cursor.execute("SELECT setseed(0)")
        return self._fetched(cursor, sql)

    def _refuse(self, sql: str) -> None:
        """Raise what is wrong with a statement that has no tree of a SELECT."""
        found = self._connection.extract_statements(sql)  # raises what its parser says, with place
        if len(found) > 1:
            raise Refused("only one statement may be run at a time")
        try:
            kind = str(found[0].type).rpartition(".")[2] if found else ""
        except ValueError:  # a type that DuckDB's Python does not know
            kind = first_word(sql)
        hint = ""
        if kind == "MULTI":
            kind, hint = "PIVOT", " without its values: write ON column IN (…)"
        raise Refused(f"only SELECT statements may be run ({kind} is not allowed{hint})")

    def _fetched(self, cursor: duckdb.DuckDBPyConnection, sql: str) -> dict[str, Any]:
        """Run a statement and fetch its rows in a stream, up to the caps."""
        try:
            cursor.execute(sql)
            described = cursor.description or []
            columns = [str(c[0]) for c in described]
            types = [str(c[1]) for c in described]
            printed = any(map(needs_text, types))
            if not printed:
                try:
                    return self._rows(cursor, columns, types, printed=False)
                except NeedsText:
                    pass
            cursor.execute(_with_text(sql, types))
            types = [t if _as_is(t) else "VARCHAR" for t in types]
            return self._rows(cursor, columns, types, printed=True)
        finally:
            cursor.close()

    def _rows(
        self, cursor: duckdb.DuckDBPyConnection, columns: list[str], types: list[str], printed: bool
    ) -> dict[str, Any]:
        limits, through = self._limits, loaders(types, printed=printed)
        rows: list[Row] = []
        size, truncated = 0, False
        while not truncated:
            batch = load(cursor.fetchmany(_BATCH), through)
            for row in batch:
                own = weight(row)
                if own > limits["max_row_bytes"]:
                    raise _RowTooLarge(own, limits["max_row_bytes"])
                size += own
                if size > limits["max_bytes"] or len(rows) == limits["max_rows"]:
                    truncated = True
                    break
                rows.append(row)
            if len(batch) < _BATCH:
                break
        rows, found = specials(rows, types)
        return {"columns": columns, "rows": rows, "specials": found, "truncated": truncated}

    def _read(self, sql: str) -> list[Row]:
        return self._connection.execute(sql).fetchall()


class _RowTooLarge(Exception):
    def __str__(self) -> str:
        size, most = self.args
        return (
            f"the result has a row of {size} bytes; at most {most} are allowed "
            "(DuckDBLimits.max_row_bytes of sqlbench, which DuckDBDatabase(path, limits=...) sets)"
        )


def _opened(setup: dict[str, Any], config: dict[str, Any]) -> duckdb.DuckDBPyConnection:
    """Open a database read-only; one of views is made first, in a file that nobody sees."""
    if not setup["views"]:
        return duckdb.connect(setup["path"], read_only=True, config=config)
    folder = Path(tempfile.mkdtemp(prefix="sqlbench-"))
    try:
        path = folder / "files.duckdb"
        with duckdb.connect(str(path), config=config) as connection:
            for name, source in setup["views"]:
                quoted = name.replace('"', '""')
                connection.execute(f'CREATE VIEW "{quoted}" AS {source}')
        return duckdb.connect(str(path), read_only=True, config=config)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _with_text(sql: str, types: list[str]) -> str:
    """Return a statement that has DuckDB print the columns whose values Python cannot hold."""
    cells = [
        f"#{j}" if _as_is(t) else f"CAST(#{j} AS VARCHAR)" for j, t in enumerate(types, start=1)
    ]
    end = next(
        (
            at
            for at, kind in duckdb.tokenize(sql)
            if kind == duckdb.token_type.operator and sql.encode()[at : at + 1] == b";"
        ),
        None,
    )
    body = sql if end is None else sql.encode()[:end].decode()
    return f"SELECT {', '.join(cells)} FROM (\n{body}\n) AS sqlbench_rows"


def _as_is(type_: str) -> bool:
    return not needs_text(type_) and not type_.startswith(("DATE", "TIMESTAMP"))


def _no_more(memory: int) -> None:
    """Take no more address space than this beyond what there is, and write no file."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    with contextlib.suppress(OSError):  # another system than Linux
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _exactly(connection: socket.socket, count: int) -> bytes:
    parts: list[bytes] = []
    while count:
        part = connection.recv(min(count, 2**20))
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
