"""What is planted fails as it claims to, on the real database."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sqlbench.databases.base import Column, ForeignKey, QueryError, Schema, Table
from sqlbench.episodes.errors import ErrorClass, classify_error
from sqlbench.exceptions import ModelSetupError
from sqlbench.grading import METRICS, Gold, InvalidGoldError, compare
from sqlbench.grading.edits import Query, singular, wrong_column_names
from sqlbench.models.simulated.faults import (
    EDITS,
    MAX_VARIANTS,
    Faults,
    NotVerified,
    QuestionFaults,
)
from sqlbench.suites import Question, Suite, Task, load_suite

SHOP = Schema(
    db_id="shop",
    dialect="postgres",
    tables=(
        Table(
            "customers",
            (Column("id", "INTEGER", True), Column("name", "TEXT"), Column("joined_on", "DATE")),
            samples={"name": ("Ada",)},
        ),
        Table(
            "orders",
            (Column("id", "INTEGER", True), Column("customer_id", "INTEGER")),
            foreign_keys=(ForeignKey(("customer_id",), "customers", ("id",)),),
        ),
    ),
)
SHOP_GOLD = """SELECT c.name, COUNT(*) FROM customers AS c JOIN orders AS o ON o.customer_id = c.id
WHERE c.name = 'Ada' AND c.id > 3 GROUP BY c.name HAVING COUNT(*) > 2 ORDER BY 2 DESC LIMIT 5"""


@pytest.fixture(scope="module")
def suite() -> Suite:
    return load_suite("marketplace")


@pytest.fixture(scope="module")
def faults(suite: Suite) -> Faults:
    return Faults(suite)


def outcome(gold: Gold, sql: str) -> ErrorClass | None:
    try:
        result = gold.database.execute(sql)
    except QueryError as error:
        return classify_error(error)
    if any(compare(gold, result, metric).match for metric in METRICS):
        return None
    return ErrorClass.WRONG_RESULT if result.rows else ErrorClass.EMPTY_RESULT


def check_every_variant(faults: Faults, questions: list[Question]) -> dict[ErrorClass, int]:
    planted = dict.fromkeys(ErrorClass, 0)
    for question in questions:
        found = faults.get(question)
        assert outcome(found.gold, found.answer) is None
        for error_class in found.plantable:
            variants = found.variants(error_class)
            assert len(set(variants)) == len(variants) <= MAX_VARIANTS
            assert {outcome(found.gold, sql) for sql in variants} == {error_class}
            planted[error_class] += 1
    return planted


def test_every_variant_fails_in_its_class_when_really_run(suite: Suite, faults: Faults) -> None:
    planted = check_every_variant(faults, list(suite))
    assert planted.pop(ErrorClass.TIMEOUT) == 0
    assert planted.pop(ErrorClass.AMBIGUOUS_COLUMN) > len(suite) / 2
    assert min(planted.values()) > 0.9 * len(suite)


def test_spider_variants_fail_in_their_class(spider_dir: Path) -> None:
    suite = load_suite(f"spider:{spider_dir}")
    questions = list(suite)[::25]
    planted = check_every_variant(Faults(suite), questions)
    assert planted[ErrorClass.NO_SUCH_TABLE] == len(questions)
    assert planted[ErrorClass.WRONG_RESULT] > 0.9 * len(questions)
    assert planted[ErrorClass.AMBIGUOUS_COLUMN] > 0.2 * len(questions)


def test_variants_do_not_depend_on_the_order_of_calls(
    suite: Suite, faults: Faults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLBENCH_CACHE", str(tmp_path))  # where nothing was verified before
    questions = list(suite)[::12]
    other = Faults(suite)
    for question in reversed(questions):
        for error_class in reversed(EDITS):
            again = other.get(question).variants(error_class)
            assert again == faults.get(question).variants(error_class)


def test_nothing_is_run_for_a_caller_that_cannot_wait(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLBENCH_CACHE", str(tmp_path))  # where nothing was verified before
    found = Faults(suite).get(next(iter(suite)))
    with pytest.raises(NotVerified):
        found.variants(ErrorClass.NO_SUCH_TABLE, wait=False)
    kept = found.variants(ErrorClass.NO_SUCH_TABLE)
    assert found.variants(ErrorClass.NO_SUCH_TABLE, wait=False) == kept
    assert found.is_right(kept[0], wait=False) is False
    with pytest.raises(NotVerified):
        found.is_right("SELECT 1", wait=False)


def test_a_question_without_gold_is_refused_in_one_sentence(suite: Suite) -> None:
    question = Question("own-1", "How many?", None, "marketplace", "own")
    with pytest.raises(ModelSetupError, match="'own-1' has none; use a real model"):
        Faults(suite).get(question)


def test_a_gold_query_that_fails_is_named(suite: Suite) -> None:
    question = Question("bad-1", "How many?", "SELECT nothing FROM nowhere", "marketplace", "own")
    tasks = {"own": Task("own", "easy", (question,))}
    with pytest.raises(InvalidGoldError, match="bad-1"):
        Faults(Suite("own", tasks, suite.databases, {})).get(question)


def test_a_gold_query_that_sqlglot_cannot_parse_still_gets_a_syntax_error(suite: Suite) -> None:
    database = suite.databases["marketplace"]
    sql = "SELECT " + "(" * 45 + "1" + ")" * 45
    found = QuestionFaults(Gold(sql, database.execute(sql), database))
    found._query = Query("SELECT 1 FROM FROM", database.schema())
    assert found._query.tree is None
    assert found.variants(ErrorClass.SYNTAX_ERROR)
    assert found.variants(ErrorClass.NO_SUCH_COLUMN) == ()


def test_deep_nesting_is_no_crash() -> None:
    depth = 3_000
    query = Query("SELECT " + "(" * depth + "1" + ")" * depth, SHOP)
    assert query.tree is None
    assert [list(edit(query))[:1] for edit in EDITS.values()]


@pytest.mark.parametrize("error_class", list(EDITS))
def test_every_class_is_proposed_in_postgres_too(error_class: ErrorClass) -> None:
    query = Query(SHOP_GOLD, SHOP)
    before = query.sql
    proposals = list(EDITS[error_class](query))
    assert proposals and before not in proposals
    assert query.render() == before
    assert query.tree is not None
    for node in query.tree.walk():
        if node is not query.tree:
            assert node.parent is not None and node.arg_key is not None
            held = node.parent.args[node.arg_key]
            assert node is held or any(node is item for item in held), "a node lost its parent"


@pytest.mark.parametrize("error_class", list(EDITS))
def test_a_fault_in_a_comma_join_keeps_its_plan(error_class: ErrorClass) -> None:
    """SQLite joins a CROSS JOIN in the order in which it stands, however slow that is."""
    gold = SHOP_GOLD.replace(" JOIN orders AS o ON", ", orders AS o WHERE").replace(
        "\nWHERE", "\nAND"
    )
    query = Query(gold, replace(SHOP, dialect="sqlite"))
    proposals = list(EDITS[error_class](query))
    assert proposals and query.tree is not None
    assert not [sql for sql in (query.sql, *proposals) if "CROSS" in sql.upper()]


def test_a_join_too_many_makes_a_column_ambiguous() -> None:
    query = Query("SELECT id, name FROM customers", SHOP)
    proposals = list(EDITS[ErrorClass.AMBIGUOUS_COLUMN](query))
    assert any("JOIN orders\n  ON orders.customer_id = customers.id" in sql for sql in proposals)


def test_wrong_names_are_plausible() -> None:
    names = wrong_column_names(Column("FirstName", "TEXT"), "Customers")
    assert names == ["customer_first_name", "FirstNames", "first_name", "FirstName_name"]
    assert [singular(n) for n in ("categories", "status", "orders")] == [
        "category",
        "status",
        "order",
    ]
