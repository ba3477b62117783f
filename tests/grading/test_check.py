"""What `suites check` finds in a real benchmark, beside what is found by definition alone."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

import sqlbench as sb
from sqlbench.grading.check import check_suite


def shuffled(path: Path, seed: int) -> sqlite3.Connection:
    """Return a copy in memory: the same tables without keys, their rows in another order."""
    rng, copy = random.Random(seed), sqlite3.connect(":memory:")
    with closing(connected(path)) as old:
        tables = old.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in tables:
            if name.startswith("sqlite_"):
                continue
            columns = old.execute("SELECT name, type FROM pragma_table_info(?)", (name,))
            copy.execute(f'CREATE TABLE "{name}" ({", ".join(f"`{n}` {t}" for n, t in columns)})')
            rows = old.execute(f'SELECT * FROM "{name}"').fetchall()
            rng.shuffle(rows)
            if rows:
                copy.executemany(
                    f'INSERT INTO "{name}" VALUES ({",".join("?" * len(rows[0]))})', rows
                )
    copy.text_factory = lenient
    return copy


def connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    connection.text_factory = lenient
    return connection


def lenient(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def answer(connection: sqlite3.Connection, gold: str) -> list[tuple]:
    """Return the rows, without the last digits of sums, which any order of adding changes."""
    return [
        tuple(float(f"{v:.6g}") if isinstance(v, float) else v for v in row)
        for row in connection.execute(gold)
    ]


@pytest.mark.shared
def test_golds_that_leave_their_answer_open_are_all_found_in_spiders_dev_set(spider_dir):
    suite = sb.load_suite(f"spider:{spider_dir}")
    problems: dict[str, str] = {}
    for finding in check_suite(suite):
        if finding.question is not None:
            problems[finding.question.id] = f"{problems.get(finding.question.id)} {finding.problem}"
    kinds = {"loose gold", "the order of the rows in its tables", "cuts through a tie"}
    found = {kind: {q for q, text in problems.items() if kind in text} for kind in kinds}
    repeating, changing = set(), set()
    with ExitStack() as stack:
        opened = {
            db_id: [
                stack.enter_context(closing(c))
                for c in (connected(db.path), *(shuffled(db.path, seed) for seed in range(11, 16)))
            ]
            for db_id, db in suite.databases.items()
        }
        for question in suite:
            rows, *others = (answer(c, question.gold) for c in opened[question.db_id])
            if len(set(rows)) < len(rows):
                repeating.add(question.id)
            ordered = "order by" in question.gold.lower()
            if any(Counter(o) != Counter(rows) or (ordered and o != rows) for o in others):
                changing.add(question.id)
    order, ties = found["the order of the rows in its tables"], found["cuts through a tie"]
    assert found["loose gold"] == repeating and len(repeating) == 37
    assert changing <= order | ties and len(order) == 16 and len(ties) == 46
    assert order <= changing and len(changing) == 34, "the other 18 cut a tie with a LIMIT"
