"""DuckDB wherever a database is named: a file, a folder or pattern of Parquet and CSV files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from ducks import duckdb_file

import sqlbench as sb
from sqlbench.databases.base import QueryError
from sqlbench.databases.duckdb import DuckDBDatabase
from sqlbench.exceptions import SuiteError
from sqlbench.grading.check import check_suite
from sqlbench.grading.grade import grade
from sqlbench.signals.diagnose import diagnose
from sqlbench.signals.facts import sentences
from sqlbench.suites.adhoc import adhoc_suite, fingerprint, open_database
from sqlbench.suites.template import write_template

SHOP = """
CREATE TABLE products (id INTEGER PRIMARY KEY, title VARCHAR, price INTEGER);
CREATE TABLE lines (product_id INTEGER REFERENCES products (id), pieces INTEGER, day DATE);
INSERT INTO products VALUES (1, 'Kettle', 20), (2, 'Lamp', NULL), (3, 'Chair', 70);
INSERT INTO lines VALUES (1, 2, '2024-01-02'), (3, 1, '2024-02-03');
"""
SUITE = """\
database: {database}
tasks:
- id: simple_queries
  difficulty: easy
  questions:
  - id: q1
    text: How many products are there?
    gold: SELECT count(*) FROM products
  - id: q2
    text: What was sold when?
    gold: SELECT p.title, l.day FROM products p JOIN lines l ON l.product_id = p.id
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a Parquet and a CSV file, and beside it `shop.duckdb`."""
    files = tmp_path / "files"
    files.mkdir()
    export = (
        f"COPY products TO '{files / 'products.parquet'}';"
        f"COPY lines TO '{files / 'lines.csv'}' (HEADER)"
    )
    duckdb_file(tmp_path / "shop.duckdb", f"{SHOP}; {export}")
    (files / "notes.txt").write_text("not a table")
    return files


@pytest.mark.parametrize(
    "database", ["shop.duckdb", "files", "files/*", "files/[pl]*.[pc]*", "./files/"]
)
def test_a_suite_file_names_a_database_or_files(folder: Path, database: str) -> None:
    path = folder.parent / "shop.yaml"
    path.write_text(SUITE.format(database=json.dumps(database)))
    suite = sb.load_suite(str(path))
    try:
        (opened,) = suite.databases.values()
        assert isinstance(opened, DuckDBDatabase) and opened.dialect == "duckdb"
        assert {t.name for t in opened.schema().tables} == {"products", "lines"}
        assert check_suite(suite) == []
        assert opened.execute(str(suite.question("q2").gold)).rows == [
            ("Kettle", "2024-01-02"), ("Chair", "2024-02-03"),
        ]  # fmt: skip
    finally:
        suite.close()


def test_files_are_typed_counted_and_sampled(folder: Path) -> None:
    with DuckDBDatabase(folder) as database:
        tables = {t.name: t for t in database.schema().tables}
        assert [(c.name, c.type) for c in tables["products"].columns] == [
            ("id", "INTEGER"), ("title", "VARCHAR"), ("price", "INTEGER"),
        ]  # fmt: skip
        assert [c.type for c in tables["lines"].columns] == ["BIGINT", "BIGINT", "DATE"]
        assert tables["products"].row_count == 3
        assert tables["products"].samples["title"] == ("Kettle", "Lamp", "Chair")
        assert database.db_id == "files"
        with pytest.raises(QueryError, match="does not exist"):
            database.execute(f"SELECT * FROM '{folder / 'products.parquet'}'")
        with pytest.raises(QueryError, match="not authorized"):
            database.execute(f"SELECT * FROM read_parquet('{folder / 'products.parquet'}')")


def test_one_file_is_a_database_too(folder: Path) -> None:
    database = open_database(str(folder / "products.parquet"))
    assert database.db_id == "products"
    assert database.execute("SELECT count(*) FROM products").rows == [(3,)]
    database.close()


def test_names_with_quotes_are_names_and_patterns_are_refused(folder: Path) -> None:
    odd = folder.parent / "it's 1"
    shutil.copytree(folder, odd)
    shutil.copy(odd / "products.parquet", odd / "2024 'sales'.parquet")
    with DuckDBDatabase(odd) as database:
        assert database.execute("SELECT count(*) FROM \"2024 'sales'\"").rows == [(3,)]
        assert database.execute("SELECT count(*) FROM lines").rows == [(2,)]
    shutil.copy(odd / "products.parquet", odd / "a [1].parquet")
    with pytest.raises(SuiteError, match=r"a \[1\]\.parquet for a pattern"):
        DuckDBDatabase(odd)


def test_two_files_of_one_name_are_one_sentence(folder: Path) -> None:
    shutil.copy(folder / "lines.csv", folder / "Products.csv")
    with pytest.raises(SuiteError, match="would both be the table") as caught:
        DuckDBDatabase(folder)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_gone_is_one_sentence(folder: Path) -> None:
    with DuckDBDatabase(folder) as database:
        assert database.execute("SELECT count(*) FROM lines").rows == [(2,)]
        (folder / "lines.csv").unlink()
        with pytest.raises(SuiteError, match=r"lines\.csv is gone"):
            database.execute("SELECT count(*) FROM lines")


def test_a_file_that_is_damaged_is_one_sentence(folder: Path) -> None:
    (folder / "products.parquet").write_bytes(b"no parquet at all" * 100)
    told = pytest.raises(SuiteError, match=r"cannot be opened with DuckDB: .*products")
    with DuckDBDatabase(folder) as database, told:
        database.execute("SELECT 1")


def test_fingerprints_follow_the_content(folder: Path) -> None:
    prints = set()
    for path in (folder.parent / "shop.duckdb", folder, folder / "lines.csv"):
        database = open_database(str(path))
        assert fingerprint(database) == fingerprint(database)
        prints.add(fingerprint(database))
        database.close()
    (folder / "lines.csv").write_text("product_id,pieces,day\n1,3,2024-01-02\n")
    database = open_database(str(folder))
    prints.add(fingerprint(database))
    database.close()
    assert len(prints) == 4


def test_an_adhoc_suite_asks_files(folder: Path) -> None:
    suite = adhoc_suite(str(folder), ["What do we sell?"])
    assert suite.spec == "ask:files" and "CREATE TABLE products" in suite.schema_text(
        suite.question("q1")
    )
    suite.close()


def test_a_first_suite_is_written_for_a_duckdb_file(folder: Path) -> None:
    written = write_template(folder.parent / "shop.duckdb", folder.parent / "new.yaml")
    suite = sb.load_suite(str(written))
    assert len(suite) == 3 and check_suite(suite) == []
    suite.close()


def test_signals_look_into_duckdb(folder: Path) -> None:
    with DuckDBDatabase(folder.parent / "shop.duckdb") as database:
        sql = "SELECT title FROM products WHERE title = 'kettle'"
        found = diagnose("Is there a kettle?", sql, database, database.execute(sql))
        assert any("Kettle" in sentence for sentence in sentences(found.facts))
        assert 0 < found.doubt <= 1


def test_grading_takes_duckdb_databases_beside_sqlite_ones(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "spider"
    (root / "database" / "shop").mkdir(parents=True)
    shutil.copy(folder.parent / "shop.duckdb", root / "database" / "shop" / "shop.duckdb")
    golds = ["SELECT count(*) FROM products", "SELECT title FROM products ORDER BY price DESC"]
    asked = [{"db_id": "shop", "question": f"q{i}", "query": g} for i, g in enumerate(golds)]
    (root / "dev.json").write_text(json.dumps(asked))
    predictions = tmp_path / "pred.txt"
    predictions.write_text(
        "SELECT COUNT(id) FROM products\nSELECT title FROM products ORDER BY price\n"
    )
    graded = grade(f"spider:{root}", predictions, progress=False)
    assert [g.correct for g in graded.grades] == [True, False]
