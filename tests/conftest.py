"""Fixtures that several test files share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from folders import SHARED
from postgres_server import SECRET, new_postgres

from sqlbench.databases.postgres_url import PostgresURL

if TYPE_CHECKING:
    from serving import Served


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
