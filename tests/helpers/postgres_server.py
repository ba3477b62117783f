"""A PostgreSQL server of the tests' own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlbench.databases.postgres_embedded import EmbeddedServer, embedded_server

SECRET = "s3cr3t/p@ss"


@contextmanager
def new_postgres(shared: Path) -> Iterator[tuple[EmbeddedServer, Path]]:
    """Make a PostgreSQL server, and the folder that holds its data.

    Parameters
    ----------
    shared : path
        A folder of all processes that run tests: one at a time makes a server, as the first one of
        a machine adds the user that they run as.
    """
    import fasteners

    # Not in pytest's folder, which is closed to the user that the server runs as under root.
    folder = Path(tempfile.mkdtemp(prefix="sqlbench-pg-"))
    folder.chmod(0o755)
    with fasteners.InterProcessLock(shared / "postgres.lock"):
        server = embedded_server(folder / "data")
    yield server, folder / "data"
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)
