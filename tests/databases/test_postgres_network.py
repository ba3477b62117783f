"""PostgreSQL over TCP with passwords: right, wrong, from the environment, and never shown."""

from __future__ import annotations

import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from postgres_server import SECRET, new_postgres

from sqlbench.cli import main
from sqlbench.databases.postgres import PostgresDatabase
from sqlbench.exceptions import DatabaseFailure


@dataclass(frozen=True)
class Network:
    port: int

    def url(self, password: str | None, user: str = "shopper") -> str:
        secret = "" if password is None else f":{quote(password, safe='')}"
        return f"postgresql://{user}{secret}@127.0.0.1:{self.port}/postgres"


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A server on a port of loopback that asks every role for its password (SCRAM)."""
    with new_postgres(tmp_path_factory.getbasetemp().parent) as (server, data):
        handle = server.handle
        with psycopg.connect(handle.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE ROLE shopper LOGIN PASSWORD '{SECRET}'")
            connection.execute("CREATE TABLE products (id int PRIMARY KEY, title text)")
            connection.execute("INSERT INTO products VALUES (1, 'Kettle'), (2, 'Lamp')")
            connection.execute("GRANT SELECT ON products TO shopper")
        control = [str(handle.bin_path / "pg_ctl"), "-w", "-D", str(data)]
        as_user = {"user": handle.system_user, "stdout": subprocess.DEVNULL}
        handle.stop()
        (data / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
        log = str(data / "log")
        started, port = 1, 0
        for _ in range(3):  # another process may take the port in between
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            options = ["-o", f"-h 127.0.0.1 -p {port} -k ''", "-l", log]
            started = subprocess.run(
                [*control, "-t", "60", *options, "start"], **as_user
            ).returncode
            if started == 0:
                break
        assert started == 0, Path(log).read_text()
        yield Network(port)
        subprocess.run([*control, "-m", "immediate", "stop"], **as_user)


@pytest.fixture(autouse=True)
def no_password_around(monkeypatch, tmp_path):
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))


def titles(url: str) -> list[tuple[object, ...]]:
    database = PostgresDatabase(url)
    try:
        return database.execute("SELECT title FROM products ORDER BY id").rows
    finally:
        database.close()


def test_a_password_in_the_url_opens_the_database(network):
    assert titles(network.url(SECRET)) == [("Kettle",), ("Lamp",)]


def test_a_password_may_come_from_the_environment_or_a_file(network, monkeypatch, tmp_path):
    monkeypatch.setenv("PGPASSWORD", SECRET)
    assert titles(network.url(None)) == [("Kettle",), ("Lamp",)]
    monkeypatch.delenv("PGPASSWORD")
    file = tmp_path / "pgpass"
    file.write_text(f"127.0.0.1:{network.port}:postgres:shopper:{SECRET}\n")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    assert titles(network.url(None)) == [("Kettle",), ("Lamp",)]


@pytest.mark.parametrize("password", ["wr0ng/p@ss", None])
def test_a_wrong_or_missing_password_is_one_sentence_that_shows_none(network, password):
    with pytest.raises(DatabaseFailure, match="cannot be reached") as caught:
        titles(network.url(password))
    assert "wr0ng" not in str(caught.value) and "\n" not in str(caught.value)
    assert f"127.0.0.1:{network.port}" in str(caught.value)


def test_the_command_line_says_it_in_one_line_with_exit_code_two(network, monkeypatch, capsys):
    url = network.url("wr0ng/p@ss")
    arguments = ["sqlbench", "ask", "--database", url, "--model", "simulated", "How many?"]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert ended.value.code == 2 and len(said.err.strip().splitlines()) == 1
    assert "password authentication failed" in said.err and "wr0ng" not in said.out + said.err


def test_a_server_that_restarts_in_between_is_connected_to_again(network):
    """The reader's first query after the break runs: a connection that breaks is replaced once."""
    database = PostgresDatabase(network.url(SECRET))
    assert database.execute("SELECT count(*) FROM products").rows == [(2,)]
    with psycopg.connect(network.url(SECRET), autocommit=True) as other:
        ended = other.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE usename = 'shopper' AND pid <> pg_backend_pid()"
        ).fetchone()
    assert ended is not None and ended[0] >= 1
    assert database.execute("SELECT count(*) FROM products").rows == [(2,)]
    database.close()
