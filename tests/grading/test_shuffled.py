"""A shuffled copy behaves as its original in everything but the order of its rows."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sqlbench.databases import Limits, SQLiteDatabase
from sqlbench.grading.check import check_suite
from sqlbench.grading.shuffled import shuffled_copy
from sqlbench.suites import Question, Suite, Task

TABLES = """
PRAGMA encoding = 'UTF-16le';
CREATE TABLE ev (name TEXT COLLATE NOCASE UNIQUE ON CONFLICT IGNORE, code COLLATE RTRIM, n "INT");
INSERT INTO ev VALUES ('Ann', 'a ', '1'), ('bob', 'a', 2.0), ('Cy', 'b', 'x'), ('ĀŁ', 'b ', 0.5);
CREATE TABLE bought (
  id INTEGER PRIMARY KEY, price REAL, pieces INT,
  "Total Price" REAL GENERATED ALWAYS AS (price * pieces) VIRTUAL,
  total AS (price * pieces) STORED COLLATE NOCASE, "Kind Of" [of, any kind]);
INSERT INTO bought VALUES (7, 1.5, 2, '07'), (3, 2, 4, 'x'), (5, 0.25, 4, NULL);
CREATE TABLE strict (a ANY, b TEXT) STRICT;
INSERT INTO strict VALUES ('1', 'x'), (1, 'y'), (1.0, 'z');
CREATE TABLE keyed (a TEXT COLLATE NOCASE, b INT, PRIMARY KEY (a, b)) WITHOUT ROWID;
INSERT INTO keyed VALUES ('x', 1), ('Y', 2), ('X', 3), ('', 4);
CREATE TABLE sqlitelike (bytes TEXT); INSERT INTO sqlitelike VALUES (CAST(x'00d8' AS TEXT)), ('ä');
CREATE TABLE log (id INTEGER PRIMARY KEY AUTOINCREMENT, said TEXT REFERENCES nowhere (id));
INSERT INTO log VALUES (9, 'x'); DELETE FROM log;
CREATE TRIGGER ev BEFORE DELETE ON ev BEGIN SELECT RAISE(ABORT, 'kept'); END;
CREATE VIEW by_code AS SELECT code, COUNT(*) AS n FROM ev GROUP BY code;
CREATE VIEW broken AS SELECT * FROM gone;
CREATE VIRTUAL TABLE found USING fts5(said);
INSERT INTO found VALUES ('red apple'), ('green pear'), ('red pear');
"""
EXACT = [
    "SELECT COUNT(*) FROM ev WHERE name = 'ann'",
    "SELECT COUNT(DISTINCT code), MAX(rtrim(code)), SUM(n) FROM ev",
    "SELECT name FROM ev ORDER BY name",
    "SELECT hex(CAST(name AS BLOB)), typeof(n) FROM ev ORDER BY name COLLATE BINARY",
    "SELECT rtrim(code), n FROM by_code ORDER BY code",
    'SELECT SUM("Total Price"), SUM(total), COUNT(DISTINCT total) FROM bought',
    "SELECT * FROM bought ORDER BY id",
    "SELECT typeof(a), COUNT(*) FROM strict GROUP BY 1 ORDER BY 1",
    "SELECT lower(a), COUNT(*) FROM keyed GROUP BY a ORDER BY a",
    "SELECT hex(bytes) FROM sqlitelike ORDER BY 1",
    "SELECT COUNT(*) FROM found WHERE found MATCH 'red'",
    "SELECT seq FROM sqlite_sequence WHERE name = 'log'",
]
OPEN = [  # which row's values, in which order: the keys' order is the only thing that says it
    "SELECT id FROM bought",
    "SELECT total FROM bought WHERE price > 0 GROUP BY pieces > 0",
    "SELECT group_concat(b) FROM keyed",
    "SELECT code FROM by_code",
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "shop.sqlite")) as connection:
        connection.executescript(TABLES)
        connection.execute("PRAGMA journal_mode = WAL")
    return tmp_path / "shop.sqlite"


def checked(path: Path, gold: str, **limits: int) -> tuple[list[str], list[str]]:
    """Return the problems of a gold, and the notes."""
    notes: list[str] = []
    with SQLiteDatabase(path, "shop", limits=Limits(**limits)) as database:
        asked = Question("q", "?", gold, "shop", "t")
        suite = Suite("own", {"t": Task("t", "easy", (asked,))}, {"shop": database}, {"shop": ""})
        return [f.problem for f in check_suite(suite, say=notes.append)], notes


@pytest.mark.parametrize("gold", EXACT)
def test_an_exact_gold_gives_the_same_answer_on_every_copy(path, tmp_path, gold):
    with closing(sqlite3.connect(path)) as original:
        answer = original.execute(gold).fetchall()
    for seed in range(5):
        shuffled_copy(path, tmp_path / f"{seed}.sqlite", seed)
        with closing(sqlite3.connect(tmp_path / f"{seed}.sqlite")) as copy:
            assert copy.execute(gold).fetchall() == answer
    assert not [p for p in checked(path, gold)[0] if "order of the rows" in p]
    assert checked(path, gold)[1] == []


@pytest.mark.parametrize("gold", OPEN)
def test_what_only_the_order_of_the_rows_says_differs_between_copies(path, tmp_path, gold):
    answers = set()
    for seed in range(5):
        shuffled_copy(path, tmp_path / f"{seed}.sqlite", seed)
        with closing(sqlite3.connect(tmp_path / f"{seed}.sqlite")) as copy:
            answers.add(str(copy.execute(gold).fetchall()))
    assert len(answers) > 1


def test_the_same_seed_gives_the_same_order_and_leaves_the_original_as_it_is(path, tmp_path):
    before = path.read_bytes()
    for name in "ab":
        shuffled_copy(path, tmp_path / name, 3)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert path.read_bytes() == before


def test_a_database_that_cannot_be_copied_is_a_note(tmp_path):
    with closing(sqlite3.connect(tmp_path / "own.sqlite")) as connection:
        connection.create_collation("mine", lambda a, b: (a > b) - (a < b))
        connection.execute("CREATE TABLE t (a TEXT COLLATE mine)")
        connection.execute("INSERT INTO t VALUES ('x')")
        connection.commit()
    said = "shop: not tried with the rows of its tables in another order"
    assert checked(tmp_path / "own.sqlite", "SELECT COUNT(*) FROM t") == (
        [],
        [f"{said} (no such collation sequence: mine)"],
    )


def test_a_gold_that_takes_a_key_by_the_name_of_the_rowid_is_a_note(path):
    problems, (note,) = checked(path, "SELECT price FROM bought WHERE rowid = 3")
    assert problems == [] and note.endswith("(it names the rowid, which is a key)")
    (problem,), notes = checked(path, "SELECT n FROM ev ORDER BY rowid")
    assert "changes with the order of the rows" in problem and notes == []


def test_a_gold_that_does_not_run_on_a_copy_is_a_note(tmp_path):
    with closing(sqlite3.connect(tmp_path / "big.sqlite")) as connection:
        connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
        connection.executemany("INSERT INTO t VALUES (?)", [(i,) for i in range(20_000)])
        connection.commit()
    problems, (note,) = checked(
        tmp_path / "big.sqlite", "SELECT a FROM t WHERE a = 7", vm_steps=20_000
    )
    assert problems == []
    assert note.startswith("q: not tried with the rows of its tables in another order (")
