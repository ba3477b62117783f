"""Run hostile statements without the sandbox: what a guard is tested with must itself be harmless.

As a script it reads statements from standard input (a JSON list), runs each on a copy of a SQLite
or DuckDB file with the engine's own module and nothing else, and prints processor seconds and
megabytes of each as JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

SECONDS, MEGABYTES = 2.0, 256
_CAP = 2 * 2**30  # of address space: what would take more fails, and is told
_OUTSIDE = Path("/tmp/evil.sqlite")  # where one of the statements would write


def _peak() -> int:
    """Return the most kilobytes that this process has had since the last call."""
    text = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM"))
    Path("/proc/self/clear_refs").write_text("5")
    return peak


def harmful(path: Path, statements: Sequence[str]) -> list[tuple[str, float, float]]:
    """Return the statements that take too long or too much, with seconds and megabytes.

    Parameters
    ----------
    path : Path
        A database file: DuckDB's if it ends so, else SQLite's. Each statement has a copy of it.
    statements : sequence of str
        They run in a process of their own.
    """
    done = subprocess.run(
        [sys.executable, __file__, str(path)],
        input=json.dumps(list(statements)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    taken = json.loads(done.stdout)
    assert len(taken) == len(statements)
    return [
        (sql[:100], round(seconds, 1), round(megabytes))
        for sql, (seconds, megabytes) in zip(statements, taken, strict=True)
        if seconds > SECONDS or megabytes > MEGABYTES
    ]


def _run_duckdb(path: Path, sql: str) -> None:
    import duckdb

    # Without the network, which no statement is to reach from a test.
    offline = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "custom_extension_repository": "/nowhere",
        "threads": 1,
    }
    with duckdb.connect(str(path), config=offline) as connection:
        too_long = threading.Timer(10 * SECONDS, connection.interrupt)
        too_long.start()
        try:
            # The oldest raises a fault of its own as a RuntimeError: an error, too.
            with contextlib.suppress(duckdb.Error, RuntimeError, ValueError, UnicodeError):
                connection.execute(sql)
                while connection.description and connection.fetchmany(1000):
                    pass
        finally:
            too_long.cancel()


def _run_sqlite(path: Path, sql: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    too_long = threading.Timer(10 * SECONDS, connection.interrupt)
    too_long.start()
    try:
        with contextlib.suppress(sqlite3.Error, sqlite3.Warning, ValueError, UnicodeError):
            for _ in connection.execute(sql):
                pass
    finally:
        too_long.cancel()
        connection.close()


def main(source: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_CAP, _CAP))
    statements = json.load(sys.stdin)
    run: Callable[[Path, str], None] = _run_sqlite
    if source.suffix == ".duckdb":
        run = _run_duckdb
        run(source, "SELECT 1")  # what is loaded once is no statement's
    was_there = _OUTSIDE.exists()
    taken = []
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        for sql in statements:
            copy = Path(scratch) / f"copy{source.suffix}"
            for left in Path(scratch).iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            shutil.copyfile(source, copy)
            before = _peak()
            started = time.process_time()
            run(copy, sql)
            taken.append((time.process_time() - started, max(0, _peak() - before) / 1024))
        os.chdir("/")
    if not was_there:
        _OUTSIDE.unlink(missing_ok=True)
    print(json.dumps(taken))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
