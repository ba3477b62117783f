from __future__ import annotations

import pytest
from ducks import duckdb_file

from sqlbench.databases import duckdb_process
from sqlbench.databases.duckdb import DuckDBDatabase
from sqlbench.databases.memo import no_memo


def test_ctrl_c_as_a_worker_is_forked_leaves_no_answer_for_the_next(tmp_path, monkeypatch):
    path = duckdb_file(tmp_path / "d.duckdb", "CREATE TABLE t (x INTEGER)")
    read = duckdb_process._exactly

    def interrupted(connection, count, deadline):
        if connection is duckdb_process.NURSERY._orders:
            monkeypatch.undo()
            raise KeyboardInterrupt  # before the answer is read
        return read(connection, count, deadline)

    with (
        DuckDBDatabase(path, "a") as a,
        DuckDBDatabase(path, "b") as b,
        DuckDBDatabase(path, "d") as d,
        no_memo(),
    ):
        assert d.execute("SELECT 1").rows == [(1,)]  # of the nursery that is let go
        monkeypatch.setattr(duckdb_process, "_exactly", interrupted)
        with DuckDBDatabase(path, "c") as c, pytest.raises(KeyboardInterrupt):
            c.execute("SELECT 2")
        assert a.execute("SELECT 3").rows == b.execute("SELECT 3").rows == [(3,)]
        assert d.execute("SELECT 3").rows == [(3,)]
        (of_a,), (of_b,) = a._idle, b._idle
        assert of_a.pid != of_b.pid
        of_b.kill()
        assert a.execute("SELECT 4").rows == [(4,)], "another's worker was ended"
        assert b.execute("SELECT 5").rows == d.execute("SELECT 5").rows == [(5,)]
