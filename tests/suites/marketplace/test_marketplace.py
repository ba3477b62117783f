"""The built-in benchmark: its data, its cached file, and its 60 questions."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from sqlbench.databases.sqlite import Limits, SQLiteDatabase
from sqlbench.exceptions import SuiteError
from sqlbench.suites import marketplace
from sqlbench.suites.base import DIFFICULTIES, Question
from sqlbench.suites.marketplace.data import build_rows

QUESTIONS = [q for task in marketplace.tasks().values() for q in task.questions]
by_id = pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: q.id)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("marketplace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SQLBENCH_CACHE", str(folder))
        return marketplace.database_path()


@pytest.fixture(scope="session")
def db(built: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"file:{built}?mode=ro", uri=True)
    yield connection
    connection.close()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SQLBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def tables(db: sqlite3.Connection) -> list[str]:
    return [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]


def same_bytes(path: Path, other: Path) -> bool:
    """One SQLite version writes the same rows as the same bytes, which are quick to compare."""
    return path.read_bytes() == other.read_bytes()


def dump_hash(path: Path) -> str:
    connection = sqlite3.connect(path)
    digest = hashlib.sha256("\n".join(connection.iterdump()).encode()).hexdigest()
    connection.close()
    return digest


def as_multiset(rows: list[tuple[object, ...]]) -> list[str]:
    return sorted(map(repr, rows))


class TestData:
    def test_there_are_16_related_tables_and_20_to_30_thousand_rows(self, db):
        names = tables(db)
        assert len(names) == 16
        counts = {t: db.execute(f"SELECT COUNT(*) FROM {t}").fetchone()[0] for t in names}
        assert 20_000 <= sum(counts.values()) <= 30_000
        assert all(counts.values())

    def test_keys_hold(self, db):
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    def test_every_foreign_key_has_an_index(self, db):
        for table in tables(db):
            first = {
                db.execute(f"PRAGMA index_info({row[1]})").fetchall()[0][2]
                for row in db.execute(f"PRAGMA index_list({table})").fetchall()
            }
            keys = {row[3] for row in db.execute(f"PRAGMA foreign_key_list({table})")}
            missing = keys - first - {"parent_id"}  # the category tree has 50 rows
            assert not missing, f"{table}: {missing}"

    def test_all_dates_are_iso_text_of_2023_and_2024(self, db):
        seen = 0
        for table in tables(db):
            for _, column, *_ in db.execute(f"PRAGMA table_info({table})").fetchall():
                if column.endswith(("_on", "_at")):
                    time_part = r" \d\d:\d\d:\d\d" if column.endswith("_at") else ""
                    for (value,) in db.execute(
                        f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL"
                    ):
                        assert re.fullmatch(r"202[34]-\d\d-\d\d" + time_part, value)
                        seen += 1
        assert seen > 10_000

    def test_events_follow_each_other_in_time(self, db):
        for later, earlier, join in [
            ("o.ordered_on", "c.joined_on", "orders o JOIN customers c USING (customer_id)"),
            ("s.shipped_on", "o.ordered_on", "shipments s JOIN orders o USING (order_id)"),
            ("s.delivered_on", "s.shipped_on", "shipments s"),
            ("p.paid_on", "o.ordered_on", "payments p JOIN orders o USING (order_id)"),
            ("r.created_on", "p.listed_on", "reviews r JOIN products p USING (product_id)"),
            ("p.listed_on", "v.joined_on", "products p JOIN vendors v USING (vendor_id)"),
        ]:
            sql = f"SELECT COUNT(*) FROM {join} WHERE {later} < {earlier}"
            assert db.execute(sql).fetchone() == (0,), sql

    def test_names_and_titles_repeat_and_popularity_is_skewed(self, db):
        assert (
            db.execute("SELECT COUNT(*) - COUNT(DISTINCT name) FROM customers").fetchone()[0] > 50
        )
        shared = db.execute(
            "SELECT COUNT(*) FROM (SELECT title FROM products GROUP BY title"
            " HAVING COUNT(DISTINCT vendor_id) > 1)"
        ).fetchone()[0]
        assert shared > 20
        sizes = sorted(n for (n,) in db.execute("SELECT COUNT(*) FROM products GROUP BY vendor_id"))
        assert sizes[-1] > 10 * statistics.median(sizes)

    def test_the_same_seed_makes_the_same_rows_and_another_seed_others(self):
        assert build_rows() == build_rows()
        assert build_rows(1)["orders"] != build_rows()["orders"]


class TestCachedFile:
    def test_two_builds_hold_the_same(self, cache, built):
        first = marketplace.database_path()
        assert first.parent == cache
        assert first != built
        assert dump_hash(first) == dump_hash(built)

    def test_the_name_holds_the_fingerprint(self, built):
        assert marketplace.fingerprint()[:16] in built.name
        assert len(marketplace.fingerprint()) == 64

    def test_the_fingerprint_covers_every_source_of_the_data(self):
        folder = Path(marketplace.__file__).parent
        files = {p.name for p in folder.iterdir() if p.suffix in (".py", ".sql")}
        # These carry the same rows into another engine, and make none.
        others = {"__init__.py", "comments.py", "duckdb.py", "postgres.py"}
        assert set(marketplace._SOURCES) == files - others

    def test_a_sound_file_is_not_built_again(self, cache):
        path = marketplace.database_path()
        before = path.stat().st_mtime_ns
        assert marketplace.database_path() == path
        assert path.stat().st_mtime_ns == before

    @pytest.mark.parametrize("damage", ["truncated", "garbage", "one_bit", "empty", "gone"])
    def test_a_damaged_file_is_built_again(self, cache, built, damage):
        path = marketplace.database_path()
        content = path.read_bytes()
        if damage == "gone":
            path.unlink()
        else:
            flipped = bytearray(content)
            flipped[len(content) // 2] ^= 1
            path.write_bytes(
                {
                    "truncated": content[: len(content) // 2],
                    "garbage": b"not a database",
                    "one_bit": bytes(flipped),
                    "empty": b"",
                }[damage]
            )
        assert same_bytes(marketplace.database_path(), built)

    @pytest.mark.parametrize("content", [None, b"", b"0" * 64, b"\xff\xfe"])
    def test_a_missing_or_damaged_checksum_leads_to_a_new_build(self, cache, built, content):
        path = marketplace.database_path()
        (sidecar,) = [p for p in cache.iterdir() if p != path]
        if content is None:
            sidecar.unlink()
        else:
            sidecar.write_bytes(content)
        assert same_bytes(marketplace.database_path(), built)
        assert sidecar.read_text().strip() == hashlib.sha256(path.read_bytes()).hexdigest()

    def test_nothing_else_is_left_in_the_folder(self, cache):
        path = marketplace.database_path()
        assert sorted(p.name for p in cache.iterdir()) == [path.name, path.name + ".sha256"]

    def test_two_processes_may_build_at_once(self, cache, built):
        code = (
            "from sqlbench.suites import marketplace as m, base; import sqlite3;"
            "p = m.database_path();"
            "print(sqlite3.connect(p).execute('SELECT COUNT(*) FROM orders').fetchone()[0])"
        )
        processes = [
            subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        answers = {p.communicate(timeout=60)[0] for p in processes}
        assert [p.returncode for p in processes] == [0, 0]
        assert len(answers) == 1
        assert same_bytes(marketplace.database_path(), built)

    def test_a_folder_that_cannot_be_written_is_one_clear_sentence(self, tmp_path, monkeypatch):
        (tmp_path / "file").write_text("in the way")
        monkeypatch.setenv("SQLBENCH_CACHE", str(tmp_path / "file" / "below"))
        with pytest.raises(SuiteError, match="SQLBENCH_CACHE"):
            marketplace.database_path()


class TestQuestions:
    def test_three_tasks_of_20_questions(self):
        tasks = marketplace.tasks()
        assert {t.id: (t.difficulty, len(t.questions)) for t in tasks.values()} == {
            "simple_queries": ("easy", 20),
            "join_queries": ("medium", 20),
            "complex_queries": ("hard", 20),
        }
        assert {t.difficulty for t in tasks.values()} <= set(DIFFICULTIES)

    def test_ids_are_unique_and_point_to_their_task_and_database(self):
        assert len({q.id for q in QUESTIONS}) == 60
        assert len({q.text for q in QUESTIONS}) == 60
        for task in marketplace.tasks().values():
            assert all(q.task_id == task.id for q in task.questions)
        assert {q.db_id for q in QUESTIONS} == {"marketplace"}

    @by_id
    def test_gold_returns_1_to_200_rows(self, db, question: Question):
        rows = db.execute(question.gold).fetchall()
        assert 1 <= len(rows) <= 200
        assert any(value is not None for row in rows for value in row)

    @by_id
    def test_gold_does_not_depend_on_the_order_in_which_rows_are_stored(self, built, question):
        """A LIMIT that cuts a tie, or an ORDER BY that is not total, would show here."""
        db = sqlite3.connect(f"file:{built}?mode=ro", uri=True)
        usual = db.execute(question.gold).fetchall()
        db.execute("PRAGMA reverse_unordered_selects = ON")
        reverse = db.execute(question.gold).fetchall()
        db.close()
        if sqlglot.parse_one(question.gold, read="sqlite").args.get("order"):
            assert usual == reverse
        assert as_multiset(usual) == as_multiset(reverse)

    @by_id
    def test_no_limit_cuts_a_tie_and_every_order_is_total(self, db, question: Question):
        """Refine each ORDER BY in two opposite ways: the answer must stay the same."""
        tree = sqlglot.parse_one(question.gold, read="sqlite")
        if not tree.args.get("order"):
            assert not list(tree.find_all(exp.Limit))
            return
        answers = []
        for desc in (False, True):
            refined = tree.copy()
            for position in range(1, len(refined.selects) + 1):
                key = exp.Ordered(this=exp.Literal.number(position), desc=desc)
                refined.args["order"].append("expressions", key)
            answers.append(db.execute(refined.sql("sqlite")).fetchall())
        assert answers[0] == answers[1] == db.execute(question.gold).fetchall()

    def test_golds_take_few_steps(self, built):
        """Steps of SQLite's virtual machine, of which it takes some 50 million a second."""
        with SQLiteDatabase(built, limits=Limits(vm_steps=600_000)) as database:
            for question in QUESTIONS:
                database.execute(question.gold)
