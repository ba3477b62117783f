"""What was said of an answer is not worked out twice, and is said anew once anything differs."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from sqlbench.databases import QueryError, QueryResult, SQLiteDatabase
from sqlbench.databases.base import outcome_of
from sqlbench.databases.memo import no_memo
from sqlbench.signals import adiagnose, diagnose, kept

QUESTION = "Which singers are older than 40?"
SQL = "SELECT name FROM singer WHERE age > 40 AND country = 'Frence'"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "singers.sqlite"
    with closing(sqlite3.connect(found)) as connection, connection:
        connection.execute("CREATE TABLE singer (name TEXT, age INTEGER, country TEXT)")
        rows = [("Ann", 52, "France"), ("Bob", 31, "Chile"), ("Cy", 44, "Chile")]
        connection.executemany("INSERT INTO singer VALUES (?, ?, ?)", rows)
    return found


@pytest.fixture
def worked_out(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that were measured."""
    seen: list[str] = []
    where = sys.modules["sqlbench.signals.diagnose"]  # the function has the module's name
    real = where.measure

    def measure(reading):
        seen.append(reading.sql)
        return real(reading)

    monkeypatch.setattr(where, "measure", measure)
    return seen


def test_the_same_answer_is_measured_once_and_said_to_be_the_same(path, worked_out):
    with SQLiteDatabase(path) as database:
        outcome = outcome_of(database, SQL)
        first = diagnose(QUESTION, SQL, database, outcome)
        assert diagnose(QUESTION, SQL, database, outcome_of(database, SQL)) == first
        assert worked_out == [SQL]
        with no_memo():
            assert diagnose(QUESTION, SQL, database, outcome) == first
        assert worked_out == [SQL, SQL]
    with SQLiteDatabase(path) as opened_again:
        assert diagnose(QUESTION, SQL, opened_again, outcome_of(opened_again, SQL)) == first
    assert worked_out == [SQL, SQL]


async def test_what_was_said_before_is_said_without_another_thread(path, worked_out, monkeypatch):
    with SQLiteDatabase(path) as database:
        outcome = outcome_of(database, SQL)
        first = await adiagnose(QUESTION, SQL, database, outcome)
        monkeypatch.setattr("asyncio.to_thread", None)
        assert await adiagnose(QUESTION, SQL, database, outcome) is first
        assert worked_out == [SQL]


def test_another_question_outcome_or_content_is_measured_anew(path, worked_out):
    with SQLiteDatabase(path) as database:
        outcome = outcome_of(database, SQL)
        first = diagnose(QUESTION, SQL, database, outcome)
        diagnose("How many singers are there?", SQL, database, outcome)
        one, same = (QueryResult(("name",), [(v,)], False, 0.0) for v in (1, 1.0))
        diagnose(QUESTION, SQL, database, one)
        diagnose(QUESTION, SQL, database, same)
        diagnose(QUESTION, SQL, database, QueryError("no such column: age"))
        assert len(worked_out) == 5
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("INSERT INTO singer VALUES ('Di', 60, 'Frence')")
        again = diagnose(QUESTION, SQL, database, outcome_of(database, SQL))
        assert len(worked_out) == 6 and again != first


def test_what_a_clock_has_stopped_is_not_kept(path, worked_out, monkeypatch):
    late = QueryError("timeout: the query was stopped", timeout=True, reproducible=False)
    with SQLiteDatabase(path) as database:
        for _ in range(2):
            diagnose(QUESTION, SQL, database, late)
        assert len(worked_out) == 2
        outcome, real = outcome_of(database, SQL), kept.Catalogue.ask

        def stopped(self, sql):
            self.given_up += 1
            return real(self, sql)

        monkeypatch.setattr(kept.Catalogue, "ask", stopped)
        for _ in range(2):
            diagnose(QUESTION, SQL, database, outcome)
        assert len(worked_out) == 4
