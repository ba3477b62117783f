"""Does a query fix its own answer? What cannot be told is not taken for a no."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
import sqlglot

from sqlbench.databases import Limits, SQLiteDatabase
from sqlbench.grading import Gold, Golds, compare
from sqlbench.grading.check import check_suite
from sqlbench.grading.determined import cuts_tie, has_open_columns, leaves_order_open
from sqlbench.grading.written import written
from sqlbench.suites import Question, Suite, Task


@pytest.fixture
def database(tmp_path):
    with closing(sqlite3.connect(tmp_path / "n.sqlite")) as connection:
        connection.execute("CREATE TABLE n (x int, y int)")
        connection.executemany("INSERT INTO n VALUES (?, ?)", [(i // 2, i) for i in range(20_000)])
        connection.commit()
    with SQLiteDatabase(tmp_path / "n.sqlite", "n", limits=Limits(vm_steps=150_000)) as opened:
        yield opened


CHEAP = "SELECT x, y FROM n LIMIT 1"  # as it is; refined, it must sort the whole table


def test_a_tie_is_unknown_where_the_refined_query_does_not_run(database):
    assert cuts_tie("SELECT x FROM n WHERE y < 4 ORDER BY x LIMIT 2", database) is False
    assert cuts_tie("SELECT y FROM n WHERE y < 4 ORDER BY x LIMIT 1", database) is True
    assert database.execute(CHEAP).rows == [(0, 0)]
    assert cuts_tie(CHEAP, database) is None
    assert cuts_tie("SELEC x LIMIT 1", database) is None


def test_a_check_names_a_gold_whose_ties_cannot_be_told(database):
    asked = Question("q", "Which?", CHEAP, "n", "t")
    suite = Suite("own", {"t": Task("t", "easy", (asked,))}, {"n": database}, {"n": "n"})
    assert Golds(suite).get(asked).tie is None
    finding, *_ = check_suite(suite)
    assert "cannot be told whether the gold query's LIMIT cuts through a tie" in finding.problem


@pytest.fixture
def groups(tmp_path):
    with closing(sqlite3.connect(tmp_path / "t.sqlite")) as connection:
        connection.executescript(
            "CREATE TABLE t (name, a, v); CREATE TABLE u (a, b);"
            "INSERT INTO t VALUES ('x', 1, 1), ('y', 1, 1), ('z', 1, 0);"
            "INSERT INTO u VALUES (1, 2);"
        )
    with SQLiteDatabase(tmp_path / "t.sqlite", "t") as opened:
        yield opened


@pytest.mark.parametrize(
    ("sql", "open_"),
    [
        ("SELECT name, count(*) FROM t GROUP BY a", True),
        ("SELECT name AS n, count(*) FROM t GROUP BY a", True),
        ("SELECT t.name, max(v), min(v) FROM t GROUP BY a", True),
        ("SELECT name, (SELECT max(v) FROM t) FROM t GROUP BY a", True),
        ("SELECT name FROM t GROUP BY a HAVING min(v) < max(v)", True),
        ("SELECT name FROM t GROUP BY a HAVING max(v) >= 0", True),
        ("SELECT name, count(*) FROM t", True),
        ("SELECT *, count(*) FROM t GROUP BY a", True),
        ("SELECT t.* FROM t JOIN u ON t.a = u.a GROUP BY t.a", True),
        ("SELECT name, b FROM t, u WHERE t.a = u.a GROUP BY t.a", True),
        ("SELECT a FROM (SELECT a, name FROM t GROUP BY a) AS s", False),
        ("SELECT name, max(v) FROM t GROUP BY a", False),  # SQLite takes the row of the maximum
        ("SELECT name, count(*) FROM t GROUP BY name", False),
        ("SELECT t.name, count(*) FROM t GROUP BY name", False),
        ("SELECT name, count(*) FROM t GROUP BY 1", False),
        ("SELECT a, count(*) FROM t", False),  # of one value
        ("SELECT name FROM t", False),
        ("SELECT rank() OVER (ORDER BY v), name FROM t", False),
        ("SELECT count(*) OVER (), name FROM t", False),
    ],
)
def test_a_column_that_its_group_does_not_fix_is_found(groups, sql, open_):
    assert has_open_columns(sql, groups) is open_


def test_what_cannot_be_told_of_columns_and_of_order_stays_unknown(database):
    assert has_open_columns("SELEC count(*)", database) is None
    assert leaves_order_open("SELEC x ORDER BY x", database) is None
    few = "SELECT y FROM n WHERE y < 4 ORDER BY "
    assert leaves_order_open(f"{few} x", database) is True
    assert leaves_order_open(f"{few} y", database) is False


def test_a_comma_join_is_refined_without_losing_its_plan(tmp_path):
    """As a CROSS JOIN it is joined in the order in which it stands: a hundred times the steps."""
    with closing(sqlite3.connect(tmp_path / "j.sqlite")) as connection:
        connection.executescript("CREATE TABLE big (k, v); CREATE TABLE small (k PRIMARY KEY, w);")
        connection.executemany("INSERT INTO big VALUES (?, ?)", [(i, i) for i in range(3_000)])
        connection.executemany("INSERT INTO small VALUES (?, ?)", [(i, i) for i in range(3_000)])
        connection.execute("CREATE INDEX big_k ON big (k)")
        connection.commit()
    sql = (
        "SELECT a.v FROM big a, big b, small c WHERE c.k = 7 AND b.k = c.k AND a.v = b.v "
        "ORDER BY a.v LIMIT 1"
    )
    limits = Limits(vm_steps=200_000)
    with SQLiteDatabase(tmp_path / "j.sqlite", "j", limits=limits) as opened:
        assert opened.execute(sql).rows == [(7,)]
        assert cuts_tie(sql, opened) is False
        for comma in ("a, big b, small c", "a , big b,small c"):
            changed = sql.replace("a, big b, small c", comma)
            tree = sqlglot.parse_one(changed, read="sqlite")
            assert "CROSS" not in written(tree, "sqlite", changed)
        assert "CROSS" in written(tree, "sqlite", sql.replace(", big", " CROSS JOIN big"))


@pytest.fixture
def loose(tmp_path):
    with closing(sqlite3.connect(tmp_path / "k.sqlite")) as connection:
        connection.executescript(
            "CREATE TABLE museum (id INT PRIMARY KEY, name TEXT, town TEXT);"
            "CREATE TABLE visit (museum_id TEXT REFERENCES museum (id), cost INT);"
            "INSERT INTO museum VALUES (3, 'A', 'X'), (4, 'B', 'X'), (5, 'C', 'Y');"
            "INSERT INTO visit VALUES ('3', 7), ('4', 8), ('3', 7);"
        )
    with SQLiteDatabase(tmp_path / "k.sqlite", "k") as opened:
        yield opened


def checked(database, gold):
    asked = Question("q", "Which?", gold, "k", "t")
    suite = Suite("own", {"t": Task("t", "easy", (asked,))}, {"k": database}, {"k": "k"})
    return [str(f) for f in check_suite(suite)]


@pytest.mark.parametrize(
    ("gold", "problem"),
    [
        ("SELECT town FROM museum", "loose gold"),
        ("SELECT name, count(*) FROM museum GROUP BY town", "the order of the rows"),
        ("SELECT name FROM museum ORDER BY town", "the order of the rows"),
        ("SELECT town, count(*) FROM museum GROUP BY town", None),
        ("SELECT name FROM museum ORDER BY town, name", None),
        ("SELECT name FROM museum", None),
    ],
)
def test_a_check_finds_golds_that_leave_their_answer_open(loose, gold, problem):
    key, *found = checked(loose, gold)
    assert key.startswith("k: the key visit.museum_id holds texts, museum.id numbers")
    assert len(found) == (problem is not None)
    assert problem is None or problem in found[0]


def test_a_number_that_is_spelt_as_text_is_a_difference_of_type(loose):
    def verdict(gold, pred):
        return compare(Gold(gold, loose.execute(gold), loose), loose.execute(pred))

    gold = "SELECT DISTINCT museum_id FROM visit"
    found = verdict(gold, "SELECT id FROM museum WHERE id < 5")
    assert (found.match, found.reason) == (False, "type")
    assert verdict(gold, "SELECT id FROM museum WHERE id > 3").reason == "values"
    nothing = "SELECT name FROM museum WHERE 0"
    assert verdict(nothing, "SELECT name, id FROM museum WHERE 0").reason == "column_count"
    assert verdict(nothing, nothing).vacuous
    twice = verdict("SELECT town FROM museum", "SELECT DISTINCT town FROM museum")
    assert (twice.reason, twice.loose) == ("duplicates", True)
    once = verdict("SELECT DISTINCT town FROM museum", "SELECT town FROM museum")
    assert (once.reason, once.loose) == ("duplicates", False)
