"""Run hostile statements without the sandbox: what a guard is tested with must itself be harmless.

As a script it reads statements from standard input (a JSON list), runs each on a copy of a SQLite
file with Python's own module and nothing else, and prints processor seconds and megabytes of each
as JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
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


def _run(path: Path, sql: str) -> None:
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
    was_there = _OUTSIDE.exists()
    taken = []
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        for sql in statements:
            copy = Path(scratch) / "copy.sqlite"
            for left in Path(scratch).iterdir():
                left.unlink()
            shutil.copyfile(source, copy)
            before = _peak()
            started = time.process_time()
            _run(copy, sql)
            taken.append((time.process_time() - started, max(0, _peak() - before) / 1024))
        os.chdir("/")
    if not was_there:
        _OUTSIDE.unlink(missing_ok=True)
    print(json.dumps(taken))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
