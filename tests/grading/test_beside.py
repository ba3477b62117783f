"""What is measured beside a verdict: it is off unless asked for, and changes none."""

from __future__ import annotations

import json
import math
import sqlite3

import pandas as pd
import pytest
from typer.testing import CliRunner

from sqlbench.cli import app
from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.grading.beside import load_accepted, reward, right_but_for_columns, time_ratio
from sqlbench.grading.gold import run_gold
from sqlbench.suites import load_suite

QUESTIONS = {
    "names": ("Which singers are above 40?", "SELECT name FROM singer WHERE age > 40"),
    "both": ("Names and ages?", "SELECT name, age FROM singer"),
    "count": ("How many?", "SELECT COUNT(*) FROM singer"),
}
ANSWERS = {
    "names": "SELECT age, name, id FROM singer WHERE age > 40",  # right but for columns
    "both": "SELECT name FROM singer",  # another reading
    "count": "SELECT COUNT(*) FROM singer",
}


@pytest.fixture
def shop(tmp_path, monkeypatch):
    with sqlite3.connect(tmp_path / "shop.sqlite") as database:
        database.execute("CREATE TABLE singer (id INTEGER PRIMARY KEY, name TEXT, age REAL)")
        database.executemany(
            "INSERT INTO singer VALUES (?, ?, ?)", [(1, "Joe", 52), (2, "Rose", 41), (3, "Ann", 9)]
        )
    lines = "".join(
        f"  - {json.dumps({'id': k, 'text': t, 'gold': g})}\n" for k, (t, g) in QUESTIONS.items()
    )
    (tmp_path / "shop.yaml").write_text(
        "database: shop.sqlite\ntasks:\n- id: simple_queries\n  difficulty: easy\n  questions:\n"
        + lines
    )
    (tmp_path / "one.jsonl").write_text(
        "".join(json.dumps({"question_id": k, "pred": v}) + "\n" for k, v in ANSWERS.items())
    )
    (tmp_path / "accept.yaml").write_text("both: [SELECT name FROM singer]\n")
    monkeypatch.chdir(tmp_path)
    return load_suite(str(tmp_path / "shop.yaml"))


def grade(*options):
    asked = ["grade", "--suite", "shop.yaml", "--metric", "exact", "--out", "out", *options]
    done = CliRunner().invoke(app, asked, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_nothing_is_measured_unless_it_is_asked_for(shop, tmp_path):
    assert "Beside" not in grade("--predictions", "one.jsonl")
    assert not (tmp_path / "out" / "beside.csv").exists()


def test_every_measure_is_given_beside_the_same_verdicts(shop, tmp_path):
    grade("--predictions", "one.jsonl")
    verdicts = (tmp_path / "out" / "verdicts.jsonl").read_bytes()
    said = grade("--predictions", "one.jsonl", "--soft-f1", "--r-ves", "--extra-columns",
                 "--accept", "accept.yaml")  # fmt: skip
    assert (tmp_path / "out" / "verdicts.jsonl").read_bytes() == verdicts
    table = pd.read_csv(tmp_path / "out" / "beside.csv").set_index("question_id")
    assert table["correct"].to_dict() == {"names": False, "both": False, "count": True}
    assert table["extra_columns"].to_dict() == {"names": True, "both": False, "count": True}
    assert table["accepted"].to_dict() == {"names": False, "both": True, "count": True}
    # names: all of the gold's cell in each row, two too many: 2 * (1/3) / (1/3 + 1)
    assert table.loc["names", "soft_f1"] == pytest.approx(0.5)
    assert table.loc["both", "soft_f1"] == pytest.approx(2 / 3)
    assert table.loc["names", "r_ves"] == 0 and math.isnan(table.loc["names", "time_ratio"])
    assert 50 <= table.loc["count", "r_ves"] <= 112
    assert "66.7% [20.8%, 93.9%] (2/3)" in said and "a timing of this machine" in said
    assert "Soft-F1, mean" in said and "other queries accepted (1)" in said


def test_several_files_have_a_table_each(shop, tmp_path):
    (tmp_path / "two.jsonl").write_bytes((tmp_path / "one.jsonl").read_bytes())
    said = grade("--predictions", "one.jsonl", "--predictions", "two.jsonl", "--extra-columns")
    assert "one. Beside the verdicts" in said and "two. Beside the verdicts" in said
    assert (tmp_path / "out" / "two" / "beside.csv").exists()


@pytest.mark.parametrize(
    ("gold", "pred", "right"),
    [
        ("SELECT 1, 2", "SELECT 2, 3, 1", True),
        ("SELECT 1, 1", "SELECT 1, 3", False),  # a column is not taken twice
        ("SELECT 1, 1", "SELECT 1, 3, 1", True),
        ("SELECT name, age FROM singer", "SELECT age, id, name FROM singer", True),
        # the same values in each column, and in other rows
        ("SELECT name, age FROM singer",
         "SELECT a.name, b.age, 0 FROM singer a JOIN singer b ON a.id % 3 + 1 = b.id", False),
        ("SELECT name FROM singer ORDER BY age",
         "SELECT age, name FROM singer ORDER BY age DESC", False),
        ("SELECT 0.1 + 0.2", "SELECT 'x', 0.3", True),
        ("SELECT name FROM singer", "SELECT name, age FROM singer LIMIT 2", False),
        ("SELECT name FROM singer", "SELECT name FROM singer", False),  # nothing to forgive
    ],
)  # fmt: skip
def test_columns_too_many_are_forgiven_and_nothing_else(shop, gold, pred, right):
    database = next(iter(shop.databases.values()))
    found = right_but_for_columns(run_gold(gold, database), database.execute(pred), "exact")
    assert found is right


def test_times_earn_as_the_evaluator_has_it(shop):
    ratios = (0.1, 0.25, 0.5, 0.99, 1.0, 1.99, 2.0, 9.0, math.nan)
    assert [*map(reward, ratios)] == [0.25, 0.5, 0.75, 0.75, 1.0, 1.0, 1.25, 1.25, 0.0]
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) " \
           "SELECT COUNT(*) FROM n"  # fmt: skip
    database = next(iter(shop.databases.values()))
    assert time_ratio(slow, "SELECT 50000", database) > 2
    assert time_ratio("SELECT 50000", slow, database) < 0.5


@pytest.mark.parametrize(
    "text", ["", "- a", "names: 7", "names: []", "names: [1]", "a: b: c", "names: ''"]
)
def test_accepted_queries_of_another_form_are_refused(shop, tmp_path, text):
    (tmp_path / "accept.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"accepted queries .*accept\.yaml"):
        load_accepted(tmp_path / "accept.yaml", shop)


def test_an_id_that_looks_like_a_number_is_a_text(shop, tmp_path):
    (tmp_path / "accept.yaml").write_text("003: SELECT 1\n3: [SELECT 2]\n")
    with pytest.raises(UnknownNameError, match="question '003'"):
        load_accepted(tmp_path / "accept.yaml", shop)


def test_an_accepted_query_of_a_strange_question_or_that_fails_is_named(shop, tmp_path):
    (tmp_path / "accept.yaml").write_text("name: SELECT 1")
    with pytest.raises(UnknownNameError, match="Did you mean 'names'"):
        load_accepted(tmp_path / "accept.yaml", shop)
    (tmp_path / "accept.yaml").write_text("both: SELECT x FROM singer")
    with pytest.raises(ConfigError, match="The accepted query 'SELECT x FROM singer' fails"):
        grade("--predictions", "one.jsonl", "--accept", "accept.yaml")
