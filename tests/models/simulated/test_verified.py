"""Faults that were verified once are read by the next process, and are the same to the byte."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from sqlbench.databases import SQLiteDatabase
from sqlbench.databases.kept import KeptOnDisk
from sqlbench.databases.revision import revision_of
from sqlbench.episodes.errors import ErrorClass
from sqlbench.models.simulated import verified
from sqlbench.models.simulated.faults import Faults
from sqlbench.suites import Suite, load_suite


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Suite:
    monkeypatch.setenv("SQLBENCH_CACHE", str(tmp_path / "cache"))
    return load_suite("marketplace")


def planted(suite: Suite) -> dict[tuple[str, str], tuple[str, ...]]:
    faults = Faults(suite)
    return {(q.id, c): faults.get(q).variants(c) for q in list(suite)[:4] for c in ErrorClass} | {
        (q.id, "answer"): (faults.get(q).answer,) for q in list(suite)[:4]
    }


def kept_file(tmp_path: Path) -> Path:
    [file] = (tmp_path / "cache" / "faults").glob("*.sqlite")
    return file


def test_a_second_process_runs_none_of_them_and_has_the_same(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = planted(suite)
    golds = {q.gold for q in suite}
    execute = SQLiteDatabase.execute
    ran: list[str] = []

    def counted(self: SQLiteDatabase, sql: str) -> object:
        ran.append(sql)
        return execute(self, sql)

    monkeypatch.setattr(SQLiteDatabase, "execute", counted)
    assert planted(suite) == first
    assert set(ran) <= golds  # the answers of the four, and no fault
    assert kept_file(tmp_path).stat().st_size > 0


def test_a_damaged_file_is_made_anew(suite: Suite, tmp_path: Path) -> None:
    first = planted(suite)
    file = kept_file(tmp_path)
    file.write_bytes(b"no database" * 1000)
    assert planted(suite) == first
    with sqlite3.connect(kept_file(tmp_path)) as db:
        [(rows,)] = db.execute("SELECT count(*) FROM kept")
    assert rows == len(first) - 4  # all but the timeouts, which cannot be planted
    db.close()


def test_a_folder_that_cannot_be_written_is_no_failure(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("SQLBENCH_CACHE", str(tmp_path / "file"))
    faults = Faults(suite).get(next(iter(suite)))
    assert faults.variants(ErrorClass.SYNTAX_ERROR)


def test_other_code_another_engine_and_other_data_share_no_fault(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = KeptOnDisk("faults", *verified._CODE)
    path = faults.path
    revision_of.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "sqlite_version", "3.99.0")
        assert faults.path != path
    revision_of.cache_clear()
    question = next(iter(suite))
    kept = verified.VerifiedFaults(suite).get(question)
    other = Suite("own", suite.tasks, suite.databases, {db: "other" for db in suite.fingerprints})
    assert kept is not None
    kept.keep("answer", ("SELECT 1",))
    changed = verified.VerifiedFaults(other).get(question)
    assert changed is not None and changed.answer() is None
