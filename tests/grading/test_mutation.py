"""Mutants: that they are made, that they are graded, and that marketplace notices them."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing

import pytest
import sqlglot
import yaml
from folders import DATA
from typer.testing import CliRunner

import sqlbench as sb
from sqlbench.cli import app
from sqlbench.databases.sqlite import SQLiteDatabase
from sqlbench.grading.edits import Query
from sqlbench.grading.mutation import KINDS, mutate_suite, variants

EXPLAINED = DATA / "marketplace_survivors.yaml"


@pytest.fixture
def shop(tmp_path):
    with closing(sqlite3.connect(tmp_path / "shop.sqlite")) as connection:
        connection.executescript(
            """
            CREATE TABLE makers (id INTEGER PRIMARY KEY, name TEXT, town TEXT);
            CREATE TABLE products (id INTEGER PRIMARY KEY, title TEXT, price INTEGER, cost INTEGER,
              maker_id INTEGER);
            INSERT INTO makers VALUES (1, 'Ada', 'Rome'), (2, 'Bo', 'Oslo');
            INSERT INTO products VALUES (1, 'pen', 10, 4, 1), (2, 'cup', 12, 8, 1),
              (3, 'pen', 10, 9, NULL);
            """
        )
    return tmp_path


@pytest.fixture
def made(shop):
    """A function that returns a query's variants of one kind, on one line each."""
    schema = SQLiteDatabase(shop / "shop.sqlite").schema()

    def of(kind, sql):
        assert kind in KINDS
        found = [text for k, text in variants(Query(sql, schema)) if k == kind]
        return [" ".join(text.split()) for text in found]

    return of


@pytest.mark.parametrize(
    ("kind", "gold", "expected"),
    [
        ("dropped condition", "SELECT title FROM products WHERE price > 9 AND cost < 9",
         ["SELECT title FROM products WHERE cost < 9",
          "SELECT title FROM products WHERE price > 9"]),
        ("dropped condition", "SELECT title FROM products WHERE price > 9",
         ["SELECT title FROM products"]),
        ("other aggregate", "SELECT SUM(price) FROM products",
         ["SELECT AVG(price) FROM products", "SELECT MAX(price) FROM products"]),
        ("other aggregate", "SELECT COUNT(maker_id) FROM products",
         ["SELECT COUNT(*) FROM products"]),
        ("dropped DISTINCT", "SELECT DISTINCT title FROM products", ["SELECT title FROM products"]),
        ("dropped DISTINCT", "SELECT COUNT(DISTINCT title) FROM products",
         ["SELECT COUNT(title) FROM products"]),
        ("dropped DISTINCT", "SELECT 1 UNION SELECT 1", ["SELECT 1 UNION ALL SELECT 1"]),
        ("dropped DISTINCT", "SELECT 1 IN (SELECT DISTINCT price FROM products)", []),
        ("added DISTINCT", "SELECT title FROM products", ["SELECT DISTINCT title FROM products"]),
        ("added DISTINCT", "SELECT id, title FROM products", []),
        ("added DISTINCT", "SELECT MAX(price) FROM products", []),
        ("added DISTINCT", "SELECT title, COUNT(*) FROM products GROUP BY title", []),
        ("added DISTINCT", "SELECT COUNT(*) FROM products GROUP BY title",
         ["SELECT DISTINCT COUNT(*) FROM products GROUP BY title"]),
        ("added DISTINCT", "SELECT COUNT(title) FROM products",
         ["SELECT COUNT(DISTINCT title) FROM products"]),
        ("added DISTINCT", "SELECT COUNT(id) FROM products", []),
        ("other join", "SELECT 1 FROM products p JOIN makers m ON p.maker_id = m.id",
         ["SELECT 1 FROM products AS p LEFT JOIN makers AS m ON p.maker_id = m.id"]),
        ("other join", "SELECT 1 FROM products p LEFT JOIN makers m ON p.maker_id = m.id",
         ["SELECT 1 FROM products AS p JOIN makers AS m ON p.maker_id = m.id"]),
        ("off by one", "SELECT 1 FROM products WHERE price >= 10",
         ["SELECT 1 FROM products WHERE price > 10"]),
        ("off by one", "SELECT 1 FROM products WHERE price BETWEEN 1 AND 2",
         ["SELECT 1 FROM products WHERE ( price > 1 AND price <= 2 )",
          "SELECT 1 FROM products WHERE ( price >= 1 AND price < 2 )"]),
        ("off by one", "SELECT title FROM products LIMIT 1",
         ["SELECT title FROM products LIMIT 2"]),
        ("reversed order", "SELECT title FROM products ORDER BY title, id DESC",
         ["SELECT title FROM products ORDER BY title DESC, id DESC",
          "SELECT title FROM products ORDER BY title, id ASC"]),
        ("reversed order", "SELECT 1 FROM (SELECT title FROM products ORDER BY title)", []),
        ("dropped HAVING", "SELECT title FROM products GROUP BY title HAVING COUNT(*) > 1",
         ["SELECT title FROM products GROUP BY title"]),
        ("swapped column", "SELECT price FROM products", ["SELECT cost FROM products",
         "SELECT maker_id FROM products"]),
        ("swapped column", "SELECT name FROM makers", ["SELECT town FROM makers"]),
        ("swapped column", "SELECT COUNT(*) FROM makers GROUP BY makers.id, makers.name",
         []),
    ],
)  # fmt: skip
def test_a_kind_makes_these_variants(made, kind, gold, expected):
    assert sorted(made(kind, gold)) == sorted(expected)


def test_no_variant_is_the_gold_or_stands_there_twice_and_all_parse(made, shop):
    schema = SQLiteDatabase(shop / "shop.sqlite").schema()
    query = Query(
        "SELECT m.name, COUNT(*) FROM products p JOIN makers m ON p.maker_id = m.id "
        "WHERE p.price > 3 AND p.cost < 100 GROUP BY m.id, m.name HAVING COUNT(*) > 1 "
        "ORDER BY m.name LIMIT 5",
        schema,
    )
    found = list(variants(query))
    texts = [sql for _, sql in found]
    assert len(set(texts)) == len(texts) and query.sql not in texts
    assert {kind for kind, _ in found} == set(KINDS) - {"other aggregate", "dropped DISTINCT"}
    assert all(sqlglot.parse_one(text, read="sqlite") for text in texts)
    assert list(variants(query)) == found, "the tree is left as it was"


SUITE = """\
database: shop.sqlite
tasks:
- id: simple_queries
  difficulty: easy
  questions:
  - {id: dull, text: x, gold: SELECT title FROM products WHERE price >= 10}
  - {id: sharp, text: x, gold: SELECT title FROM products WHERE price > 10 AND cost < 9}
  - {id: without, text: x}
  - {id: broken, text: x, gold: SELECT nope FROM products}
"""


@pytest.fixture
def suite(shop):
    (shop / "shop.yaml").write_text(SUITE)
    return sb.load_suite(str(shop / "shop.yaml"))


def test_what_the_data_do_not_show_survives(suite):
    mutation = mutate_suite(suite)
    assert mutation.skipped == ("without", "broken")
    alive = {(m.question.id, m.kind) for m in mutation.survivors}
    # Every product costs at least 10, so the condition cannot be missed.
    assert ("dull", "dropped condition") in alive
    dead = {(m.question.id, m.kind) for m in mutation.valid if m.killed}
    assert ("dull", "off by one") in dead and ("dull", "added DISTINCT") in dead
    # Of its two conditions the data need one.
    assert ("sharp", "dropped condition") in dead & alive
    assert mutation.rate.count + len(mutation.survivors) == mutation.rate.n == len(mutation.valid)
    assert sum(r.n for r in mutation.by(lambda m: m.kind).values()) == mutation.rate.n


CASTS = """\
database: shop.sqlite
tasks:
- id: simple_queries
  difficulty: easy
  questions:
  - {id: plain, text: x, gold: SELECT SUM(price) / COUNT(*) FROM products WHERE price > 9}
  - id: decimal
    text: x
    gold: SELECT CAST(SUM(price) AS DECIMAL) / COUNT(*) FROM products WHERE price > 9
  - {id: text, text: x, gold: SELECT CAST(price AS STRING) FROM products WHERE price > 10}
"""


@pytest.mark.parametrize("kind", ["DECIMAL", "DECIMAL(10, 2)", "DATE", "DATETIME", "BOOLEAN"])
def test_a_cast_keeps_its_type_in_every_variant(shop, kind):
    schema = SQLiteDatabase(shop / "shop.sqlite").schema()
    query = Query(f"SELECT CAST(price AS {kind}) / 4 FROM products WHERE price > 9", schema)
    texts = [query.sql, *(sql for _, sql in variants(query))]
    assert len(texts) > 3 and all(f" AS {kind})" in sql for sql in texts), texts


def test_a_variant_differs_by_its_change_alone_and_a_gold_that_cannot_be_written_is_named(shop):
    (shop / "casts.yaml").write_text(CASTS)
    suite = sb.load_suite(str(shop / "casts.yaml"))
    mutation = mutate_suite(suite)
    alive = {"plain": set(), "decimal": set()}
    for mutant in mutation.survivors:
        alive[mutant.question.id].add(mutant.kind)
    # A DECIMAL of SQLite's divides whole numbers as whole ones: what survives there survives here.
    assert alive["plain"] == alive["decimal"] >= {"dropped condition", "off by one"}
    # STRING is a number's type in SQLite, and would be written as TEXT.
    assert mutation.skipped == ("text",)
    said = CliRunner().invoke(app, ["suites", "mutate", suite.spec]).stdout
    assert "when it is written anew: text" in said


def test_variants_of_a_comma_join_keep_its_plan(shop):
    """A CROSS JOIN is joined in the order in which it stands, however slow that is."""
    schema = SQLiteDatabase(shop / "shop.sqlite").schema()
    gold = (
        "SELECT DISTINCT m.name, SUM(p.price) FROM products AS p, makers AS m WHERE "
        "p.maker_id = m.id AND p.price > 3 AND p.id IN (SELECT q.id FROM products q, makers n) "
        "GROUP BY m.name HAVING COUNT(*) >= 1 ORDER BY m.name LIMIT 5"
    )
    query = Query(gold, schema)
    made = list(variants(query))
    assert {kind for kind, _ in made} >= set(KINDS) - {"added DISTINCT", "other join"}
    assert not [sql for sql in (query.sql, *(sql for _, sql in made)) if "CROSS" in sql.upper()]
    said = Query(gold.replace(", makers AS m", " CROSS JOIN makers AS m"), schema)
    assert "CROSS JOIN" in said.sql, "where it was asked for it stays"


def test_a_metric_judges_variants_as_it_judges_answers(suite):
    """The metric `spider` strips DISTINCT from both queries, so it can notice none."""
    for metric, noticed in [("exact", True), ("spider", False), ("spider-keep-distinct", True)]:
        made = mutate_suite(suite, metric).valid
        (added,) = [m for m in made if (m.question.id, m.kind) == ("dull", "added DISTINCT")]
        assert added.killed is noticed, metric


def test_the_command_prints_shares_and_survivors_with_both_queries(suite):
    spec = suite.spec
    result = CliRunner().invoke(app, ["suites", "mutate", spec])
    assert result.exit_code == 0
    assert "| dropped condition |" in result.stdout and "| dull " in result.stdout
    assert "Left out, without a gold query that runs, and runs the same" in result.stdout
    assert "written anew: without, broken" in result.stdout
    first = result.stdout.index("Survivor 1, dull, dropped condition")
    assert "gold:\nSELECT title FROM products WHERE price >= 10\nvariant:" in result.stdout[first:]
    assert CliRunner().invoke(app, ["suites", "mutate", spec, "--at-least", "0.99"]).exit_code == 1
    few = CliRunner().invoke(app, ["suites", "mutate", spec, "--survivors", "0"])
    assert "Survivor" not in few.stdout


@pytest.mark.slow
def test_marketplace_tells_95_of_100_variants_apart_and_every_survivor_is_explained():
    mutation = mutate_suite(sb.load_suite("marketplace"))
    assert not mutation.skipped and mutation.rate.n > 800
    assert mutation.rate.rate >= 0.95
    assert set(mutation.by(lambda m: m.kind)) == set(KINDS)
    explained = yaml.safe_load(EXPLAINED.read_text(encoding="utf-8"))
    counted = {(e["question"], e["kind"]): e["count"] for e in explained}
    assert Counter((m.question.id, m.kind) for m in mutation.survivors) == counted
    genuine = sum(e["count"] for e in explained if not e["equivalent"])
    assert genuine <= 15
