"""The marketplace on DuckDB: SQLite's answers, its own faults, the same bytes of a run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from sqlbench.databases import QueryError
from sqlbench.episodes.errors import ErrorClass, classify_error
from sqlbench.episodes.repair import FailedAttempt, Prompts, RepairAction
from sqlbench.exceptions import ConfigError
from sqlbench.grading import Golds, compare
from sqlbench.models.simulated.simulated import SimulatedModel
from sqlbench.runs.experiment import run_experiment
from sqlbench.runs.run import Run
from sqlbench.suites import Suite, load_suite
from sqlbench.suites.marketplace.duckdb import database_path

pytest.importorskip("duckdb", reason="needs the extra duckdb")


@pytest.fixture(scope="module")
def suite() -> Iterator[Suite]:
    suite = load_suite("marketplace", "duckdb")
    yield suite
    suite.close()


@pytest.fixture(scope="module")
def model(suite: Suite) -> SimulatedModel:
    return SimulatedModel(suite)


def test_all_sixty_golds_agree_with_sqlites(suite: Suite) -> None:
    lite = load_suite("marketplace")
    here, there = Golds(suite), Golds(lite)
    differing = []
    for question in lite:
        want, got = there.get(question), here.get(suite.question(question.id))
        assert want is not None and got is not None
        agree = want.ordered == got.ordered and want.tie == got.tie
        agree = agree and compare(want, got.result).match and compare(got, want.result).match
        if not agree:
            differing.append(question.id)
    assert len(lite) == len(suite) == 60
    assert differing == []
    assert suite.content_hash != lite.content_hash


def test_tables_columns_keys_and_rows_are_those_of_sqlite(suite: Suite) -> None:
    mine = {t.name: t for t in suite.databases["marketplace"].schema().tables}
    others = load_suite("marketplace").databases["marketplace"].schema().tables
    assert set(mine) == {t.name for t in others}
    for table in others:
        own = mine[table.name]
        assert [(c.name, c.primary_key) for c in own.columns] == [
            (c.name, c.primary_key) for c in table.columns
        ]
        assert own.row_count == table.row_count
        assert {(k.columns, k.ref_table, k.ref_columns) for k in own.foreign_keys} == {
            (k.columns, k.ref_table, k.ref_columns) for k in table.foreign_keys
        }
    comments = {c.name: c.comment for c in mine["vendors"].columns}
    assert comments["tier"] == "gold, silver or bronze"


def test_the_file_is_made_once(suite: Suite) -> None:
    before = database_path().stat()
    load_suite("marketplace", "duckdb").close()
    assert database_path().stat() == before
    with pytest.raises(ConfigError, match="duckdb"):
        load_suite("marketplace", "duck.db")


# ---- prompts


def _told(suite: Suite) -> str:
    attempt = FailedAttempt("generate", "SELECT julianday(ordered_on) FROM orders", "no")
    told = Prompts.load().repair(
        RepairAction.CHANGE_DIALECT, attempts=[attempt], token=None, question="?", evidence="",
        schema=suite.schema_text(suite.question("simple_15")), dialect="duckdb",
    )  # fmt: skip
    return told[0]["content"]


@pytest.mark.parametrize(
    "advice",
    [
        "strftime(d::date, '%Y-%m')", "extract(year FROM d::date)", "date_trunc('month', d::date)",
        "d::date + INTERVAL 7 DAY", "date_diff('day', b::date, a::date)", "string_agg(x, ',')",
        "coalesce()", "x::type", "try_cast(x AS type)", "round(x, 2)", "any_value(x)", "a // b",
        "GROUP BY ALL", "ILIKE",
    ],
)  # fmt: skip
def test_what_the_dialects_note_advises_runs(suite: Suite, advice: str) -> None:
    assert advice in _told(suite)
    run = advice.replace("coalesce()", "coalesce(x, 0)").replace("x::type", "x::DOUBLE")
    run = run.replace("AS type", "AS DOUBLE").replace("a // b", "x // 2")
    run = {"GROUP BY ALL": "x", "ILIKE": "d ILIKE '20%'"}.get(run, run)
    end = " GROUP BY ALL" if advice == "GROUP BY ALL" else ""
    rows = suite.databases["marketplace"].execute(
        f"SELECT {run} FROM (SELECT joined_on AS d, joined_on AS a, '2020-01-01' AS b, "
        f"loyalty_points AS x FROM customers) AS c{end}"
    )
    assert rows.rows and rows.rows[0][0] is not None


@pytest.mark.parametrize(
    ("sql", "error_class"),
    [
        ("SELECT julianday(joined_on) FROM customers", "no_such_function"),
        ("SELECT to_char(joined_on, 'YYYY') FROM customers", "no_such_function"),
        ("SELECT datetime(joined_on) FROM customers", "no_such_function"),
        ("SELECT nvl(name, '') FROM customers", "no_such_function"),
        ("SELECT TOP 3 name FROM customers", "syntax_error"),
        ("SELECT strftime(joined_on, '%Y') FROM customers", "datatype_mismatch"),
        ("SELECT extract(year FROM joined_on) FROM customers", "datatype_mismatch"),
        ('SELECT name FROM customers WHERE segment = "business"', "no_such_column"),
        ("SELECT segment, name, count(*) FROM customers GROUP BY segment", "aggregation_error"),
        ("SELECT name FROM customers WHERE loyalty_points LIKE '1%'", "datatype_mismatch"),
    ],
)
def test_what_the_note_warns_of_fails(suite: Suite, sql: str, error_class: str) -> None:
    with pytest.raises(QueryError) as caught:
        suite.databases["marketplace"].execute(sql)
    assert classify_error(caught.value) == error_class


# ---- faults

PLANTABLE = [c for c in ErrorClass if c != ErrorClass.TIMEOUT]


def test_faults_fail_as_they_claim_and_are_duckdbs_own(suite: Suite, model: SimulatedModel) -> None:
    database = suite.databases["marketplace"]
    words = set()
    for question_id in ("simple_15", "join_05", "complex_17"):
        planted = model.faults.get(suite.question(question_id))
        missing = {c for c in PLANTABLE if not planted.variants(c)}
        assert missing <= {ErrorClass.AMBIGUOUS_COLUMN}
        assert planted.is_right(planted.answer)
        for error_class in set(PLANTABLE) - missing:
            for sql in planted.variants(error_class):
                try:
                    rows = database.execute(sql).rows
                except QueryError as error:
                    assert classify_error(error) == error_class
                    words.add(" ".join(error.message.split()[:3]))
                else:
                    silent = ErrorClass.WRONG_RESULT if rows else ErrorClass.EMPTY_RESULT
                    assert error_class == silent
    # types, grouping, cardinality: what SQLite lets pass
    assert words >= {"Binder Error: No", "Binder Error: column", "Invalid Input Error:"}
    assert words & {"Conversion Error: Could", "Conversion Error: invalid"}


# ---- runs


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.name not in ("timings.jsonl", "calls.jsonl")  # when what was called
    }


async def test_a_run_is_the_same_bytes_at_every_concurrency(
    suite: Suite, model: SimulatedModel, tmp_path: Path
) -> None:
    settings = {"episodes": 40, "lag": 7, "progress": False, "seed": 3, "task": "simple_queries"}
    for name, concurrency in (("one", 1), ("eight", 8)):
        run = await run_experiment(
            suite, model, "linucb", out=tmp_path / name, concurrency=concurrency, **settings
        )
    assert _digests(tmp_path / "one") == _digests(tmp_path / "eight")
    assert run.meta["versions"]["duckdb"] >= "2.0" and "on duckdb" in run.label


@pytest.mark.slow
async def test_a_policy_learns_on_duckdb_as_on_sqlite(suite: Suite, model: SimulatedModel) -> None:
    settings = {"episodes": 240, "progress": False, "seed": 0}
    learned = await run_experiment(suite, model, "linucb", **settings)
    drawn = await run_experiment(suite, model, "random", **settings)
    there = await run_experiment("marketplace", "simulated", "linucb", **settings)

    def repaired(run: Run) -> float:
        return float(run.summary["rates"]["repaired"]["rate"])

    assert repaired(learned) > repaired(drawn) + 0.05
    assert abs(repaired(learned) - repaired(there)) < 0.05
