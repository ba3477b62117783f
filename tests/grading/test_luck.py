"""Neighbour databases catch predictions that are right by luck, and no gold."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from small_spider import write

from sqlbench import load_suite
from sqlbench.databases import SQLiteDatabase
from sqlbench.exceptions import ConfigError
from sqlbench.grading.grade import grade
from sqlbench.grading.literals import literals_by_column
from sqlbench.grading.luck import Neighbourhood
from sqlbench.grading.neighbour_rows import Kind, kind_of
from sqlbench.grading.neighbours import _read
from sqlbench.grading.predictions import Predictions
from sqlbench.grading.report import grade_text
from sqlbench.suites import Suite

# The index of the question in small_spider.QUESTIONS, and a query that is right there by luck.
LUCKY = {
    "a constant instead of max": (1, "SELECT 9.5"),
    "count(*) for count(distinct)": (2, "SELECT count(town) FROM baker"),
    "a dropped filter that happens to be always true": (
        3,
        "SELECT title FROM cake WHERE kind = 'tart'",
    ),
    "a constant instead of a count": (0, "SELECT 6"),
    "a boundary taken in": (10, "SELECT DISTINCT day FROM sale WHERE pieces >= 3"),
    "the row that happens to be the largest": (15, "SELECT moves FROM game WHERE game_id = 7"),
    "the first row for the smallest": (19, "SELECT name FROM member WHERE member_id = 1"),
    "another filter with the same rows": (4, "SELECT name FROM baker WHERE born = 1965"),
    "another table, empty as well": (11, "SELECT name FROM baker WHERE born > 2100"),
    "a filter too many that keeps every row": (
        12,
        "SELECT count(*) FROM member WHERE joined > '2011'",
    ),
}


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    folder = tmp_path_factory.mktemp("small")
    write(folder)
    return load_suite(f"spider:{folder}")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SQLBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def neighbourhood(suite: Suite) -> Iterator[Neighbourhood]:
    from sqlbench.grading.grader import GRADING_LIMITS

    with closing(Neighbourhood(suite, "exact", 8, 0, GRADING_LIMITS)) as made:
        yield made


def answers(suite: Suite, changed: dict[int, str]) -> Predictions:
    sql = {
        str(e.question_id): changed.get(e.position) or str(suite.question(str(e.question_id)).gold)
        for e in suite.entries
    }
    return Predictions(Path("answers"), sql, "hash")


def test_hand_made_lucky_predictions_are_caught(suite: Suite) -> None:
    graded = grade(suite, answers(suite, dict(LUCKY.values())), neighbours=8, progress=False)
    verdicts = {g.index: g for g in graded.grades}
    matched = [name for name, (i, _) in LUCKY.items() if verdicts[i].correct]
    assert matched == list(LUCKY), "each is right on the original"
    caught = [name for name, (i, _) in LUCKY.items() if verdicts[i].lucky]
    # The dates of joining all differ: they are dealt out again, and never leave their span.
    assert len(caught) >= 9, sorted(set(LUCKY) - set(caught))
    assert all(str(verdicts[i].lucky_on).startswith(tuple(Kind)) for i, _ in LUCKY.values()
               if verdicts[i].lucky)  # fmt: skip
    assert "Lucky matches (right here, wrong on one of 8 neighbour databases)" in grade_text(graded)


@pytest.mark.parametrize("metric", ["exact", "spider", "bird"])
def test_no_gold_is_lucky(suite: Suite, metric: str) -> None:
    graded = grade(suite, answers(suite, {}), metric, neighbours=8, seed=3, progress=False)
    assert not any(g.lucky for g in graded.grades)
    assert sum(g.lucky is False for g in graded.grades) >= 18


EQUIVALENT = {
    5: "SELECT avg(price), kind FROM cake GROUP BY kind ORDER BY 1",
    6: "SELECT DISTINCT name FROM baker WHERE baker_id IN (SELECT baker_id FROM cake "
    "WHERE NOT EXISTS (SELECT 1 FROM sale WHERE sale.cake_id = cake.cake_id))",
    9: "SELECT title, (SELECT sum(pieces) FROM sale s WHERE s.cake_id = c.cake_id) FROM cake c "
    "WHERE cake_id IN (SELECT cake_id FROM sale)",
    14: "SELECT name, sum(winner = 'white') FROM member JOIN game ON white = member_id "
    "GROUP BY member_id HAVING sum(winner = 'white') > 0",
    17: "SELECT sum(winner = 'draw') FROM game",
    18: "SELECT level, count(member_id) FROM member GROUP BY 1 ORDER BY 2 DESC, 1",
}


def test_an_equivalent_query_is_not_lucky(suite: Suite) -> None:
    graded = grade(suite, answers(suite, EQUIVALENT), neighbours=16, progress=False)
    assert [g.index for g in graded.grades if g.lucky or not g.correct] == []


def test_neighbours_keep_schema_keys_and_references(neighbourhood: Neighbourhood) -> None:
    for number, database in enumerate(neighbourhood.databases("bakery")):
        path = database.path  # type: ignore[attr-defined]
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            names = [n for (n,) in connection.execute("SELECT title FROM cake")]
            nulls = connection.execute("SELECT count(*) FROM cake WHERE price IS NULL").fetchone()
        assert names
        if kind_of(number) is not Kind.NAMES:
            assert len(set(names)) == len(names)
        if kind_of(number) is not Kind.NULLS:
            assert nulls == (0,)


def test_neighbours_are_seeded_cached_and_made_of_the_literals(suite: Suite, cache: Path) -> None:
    from sqlbench.grading.grader import GRADING_LIMITS

    def rows(seed: int, count: int) -> list[object]:
        with closing(Neighbourhood(suite, "exact", count, seed, GRADING_LIMITS)) as made:
            return [d.execute("SELECT * FROM sale").rows for d in made.databases("bakery")]

    first = rows(0, 4)
    files = {p: p.stat().st_mtime_ns for p in cache.rglob("*.sqlite")}
    assert len(files) == 4
    assert rows(0, 6)[:4] == first
    assert {p: p.stat().st_mtime_ns for p in files} == files
    assert rows(1, 4) != first
    assert len({str(r) for r in first}) == 4
    assert any(3 in {row[3] for row in table} for table in first), "pieces > 3 asks about 3"


def test_tables_are_made_in_the_same_order_in_every_process(tmp_path: Path) -> None:
    """Else the n-th neighbour, and with it what is lucky, would differ from process to process."""
    names = [f"parent_{n}" for n in range(12)]
    columns = ", ".join(f"{name}_id REFERENCES {name} (id)" for name in names)
    with closing(sqlite3.connect(tmp_path / "family.sqlite")) as connection:
        connection.execute(f"CREATE TABLE child (id INTEGER PRIMARY KEY, {columns})")
        for name in names:
            connection.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY)")
    with closing(SQLiteDatabase(tmp_path / "family.sqlite")) as database:
        referred_to = [key.ref_table for key in database.schema().tables[0].foreign_keys]
        assert list(_read(database, []).tables) == [*referred_to, "child"]


def test_literals_come_with_values_that_tell_neighbouring_conditions_apart() -> None:
    queries = [
        "SELECT a FROM t WHERE n > 5 AND name = 'x'",
        'SELECT a FROM t WHERE name LIKE "%Hey%" OR n BETWEEN -2 AND 1.5',
        "SELECT a FROM t JOIN u ON t.n = u.a WHERE a IN ('p', 'q') HAVING count(*) > 9",
        "not SQL at all (",
    ]
    assert literals_by_column(queries, ["a", "n", "name"]) == {
        "a": ["p", "q"],
        "n": [-3, -2, -1, 0.5, 1.5, 2.5, 4, 5, 6],
        "name": ["Hey", "qHeyq", "x"],
    }


def test_a_tie_or_an_open_order_on_a_neighbour_is_no_luck(suite: Suite) -> None:
    # By price alone the order of cakes of one price is open; the question asks for no more.
    same = {
        8: "SELECT name FROM (SELECT b.name, c.price FROM cake c JOIN baker b USING (baker_id)) "
        "ORDER BY price DESC LIMIT 1"
    }
    graded = grade(suite, answers(suite, same), neighbours=16, progress=False)
    assert graded.grades[8].correct
    assert not graded.grades[8].lucky


def test_neighbours_of_other_databases_are_refused(suite: Suite) -> None:
    from dataclasses import replace

    class Postgres:
        dialect = "postgres"

    other = replace(suite, databases={"bakery": Postgres(), "club": Postgres()})
    made = Neighbourhood(other, "exact", 2, 0, None)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="Neighbours are made of SQLite files only"):
        made.databases("bakery")
