"""Fixtures that several test files share."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from sqlbench.databases.postgres_embedded import EmbeddedServer, embedded_server
from sqlbench.databases.postgres_url import PostgresURL

if TYPE_CHECKING:
    from serving import Served

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from parallel import ByFile

    config.option.loadscopereorder = False  # what takes longest comes first by its name
    return ByFile(config, log)


def _shared_folder(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        text = f"no folder shared/{name} beside the checkout"
        # A skipped test proves nothing, so where it must run it may not be skipped.
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    return folder


@pytest.fixture(scope="session")
def spider_dir() -> Path:
    """Spider's dev set: questions, databases, stored official verdicts."""
    return _shared_folder("spider")


@pytest.fixture(scope="session")
def traces_dir() -> Path:
    """Stored repairs by real models."""
    return _shared_folder("traces")


@pytest.fixture(scope="session")
def server() -> Iterator[Served]:
    """`sqlbench serve` with its defaults, in a process of its own."""
    from serving import serve  # the import of openenv takes seconds

    with serve() as served:
        yield served


@dataclass(frozen=True)
class Postgres:
    """A real server: its superuser, a role that may only read, and one that may make schemas.

    The last one's URL has a password, which must never be seen anywhere.
    """

    owner: PostgresURL
    reader: PostgresURL
    bench: str


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


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A PostgreSQL server of the tests' own."""
    import psycopg

    with new_postgres(tmp_path_factory.getbasetemp().parent) as (server, _):
        with psycopg.connect(server.owner.url, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE bench LOGIN PASSWORD '{SECRET}'")
            connection.execute("GRANT CREATE ON DATABASE postgres TO bench")
        socket = server.owner.url.partition("?")[2]
        yield Postgres(
            server.owner,
            server.reader,
            f"postgresql://bench:{quote(SECRET, safe='')}@/postgres?{socket}",
        )
