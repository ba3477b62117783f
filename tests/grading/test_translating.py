"""Golds in another dialect count only where both engines give the same result."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import sqlbench as sb
from sqlbench.cli.suites import translation_text
from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.grading.translating import STEPS, translate_suite
from sqlbench.suites import Suite

TABLES = """
CREATE TABLE singer (id INTEGER PRIMARY KEY, name TEXT, age INTEGER, note TEXT, photo BLOB,
  "Top" REAL, twice INT GENERATED ALWAYS AS (age * 2), "Long Note" AS (note || '!') STORED);
INSERT INTO singer VALUES (1, 'Joe', 52, '5', x'00ff', 1.5), (2, 'rose', 41, 'x', NULL, 2),
  (3, 'Max', 41, NULL, NULL, NULL);
CREATE TABLE concert (id INTEGER, singer_id INTEGER REFERENCES singer (id), year TEXT);
INSERT INTO concert VALUES (1, 1, '2020'), (2, 2, 2021);
"""
# The step with which each first agrees; of those that do not, why.
GOLDS = {
    "SELECT name FROM singer ORDER BY age, id": "as sqlglot writes it",
    'SELECT id FROM singer WHERE name = "Joe"': "strings in double quotes, bare columns, division",
    "SELECT id / 2 FROM singer": "strings in double quotes, bare columns, division",
    "SELECT name, max(age) FROM singer": "strings in double quotes, bare columns, division",
    'SELECT "Top" FROM singer WHERE "Top" > 1': "as sqlglot writes it",
    "SELECT id FROM singer WHERE name LIKE 'R%'": "LIKE",
    "SELECT id FROM singer WHERE note = 5": "types",
    "SELECT photo FROM singer": "as sqlglot writes it",
    "SELECT twice FROM singer": "as sqlglot writes it",
    'SELECT "Long Note" FROM singer': "as sqlglot writes it",
    "SELECT * FROM singer": "as sqlglot writes it",
    "SELECT id FROM concert WHERE year > 2020": "types",
    "SELECT julianday('2024-01-02') FROM singer": "no_such_function",
    "SELECT length(age) + note FROM singer": "datatype_mismatch",
    "SELECT name FROM singer WHERE age = 41 LIMIT 1": "",  # a tie: whichever comes
}


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    folder = tmp_path_factory.mktemp("golds")
    connection = sqlite3.connect(folder / "music.sqlite")
    connection.executescript(TABLES)
    connection.close()
    asked = [{"id": f"q{i}", "text": "?", "gold": gold} for i, gold in enumerate(GOLDS)]
    asked += [{"id": "without", "text": "?"}, {"id": "broken", "text": "?", "gold": "SELECT nope"}]
    tasks = [{"id": "t", "difficulty": "easy", "questions": asked}]
    path = folder / "suite.yaml"  # JSON is YAML
    path.write_text(json.dumps({"database": "music.sqlite", "tasks": tasks}))
    return sb.load_suite(str(path))


def test_each_gold_is_tried_on_duckdb_and_what_differs_is_named(suite: Suite) -> None:
    pytest.importorskip("duckdb", reason="needs the extra duckdb")
    seen: list[int] = []
    found = translate_suite(suite, "duckdb", progress=seen.append)
    for tried, wanted in zip(found.tried, GOLDS.values(), strict=True):
        if wanted:
            assert (tried.step or tried.why) == wanted, tried
        else:
            assert tried.tie
        assert (tried.sql is None) == (tried.step is None)
    assert found.without_gold == 2 and seen[-1] == len(suite)
    counts = found.agreeing()
    assert list(counts) == list(STEPS) and list(counts.values()) == sorted(counts.values())
    text = translation_text(found)
    assert f"| {len(GOLDS)}" not in text and f"/{len(GOLDS)}" in text
    assert "no_such_function" in text and "2 questions without a gold query that runs" in text


def test_each_gold_is_tried_on_postgresql_and_nothing_is_left_there(
    suite: Suite, postgres: Any
) -> None:
    import psycopg

    found = translate_suite(suite, "postgres", server=postgres.bench)
    by_sql = {t.question.gold: t for t in found.tried}
    assert by_sql["SELECT id / 2 FROM singer"].step == "as sqlglot writes it"
    assert by_sql['SELECT "Top" FROM singer WHERE "Top" > 1'].step is not None
    assert by_sql["SELECT name, max(age) FROM singer"].step is not None
    assert by_sql["SELECT id FROM singer WHERE note = 5"].step == "types"
    assert by_sql["SELECT julianday('2024-01-02') FROM singer"].why == "no_such_function"
    with psycopg.connect(postgres.owner.url) as connection:
        left = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'sqlbench_copy_%'"
        assert connection.execute(left).fetchone() == (0,)


def test_what_cannot_be_translated_is_one_sentence(suite: Suite, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="duckdb"):
        translate_suite(suite, "mysql")
    pytest.importorskip("duckdb", reason="needs the extra duckdb")
    with pytest.raises(ConfigError, match="translated from SQLite"):
        translate_suite(sb.load_suite("marketplace", "duckdb"), "postgres")
