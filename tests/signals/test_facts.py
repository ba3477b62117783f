"""The facts of an answer, and the sentences that say them."""

from __future__ import annotations

import pytest
from shop import make_shop

from sqlbench.databases import QueryError, SQLiteDatabase
from sqlbench.signals import diagnose
from sqlbench.signals.catalogue import catalogue_of
from sqlbench.signals.facts import gather_facts, sentences
from sqlbench.signals.statement import Statement


def facts_of(sql, database, question="", *, parsed=True):
    known = catalogue_of(database)
    try:
        outcome = database.execute(sql)
    except QueryError as error:
        outcome = error
    statement = Statement(sql, known) if parsed else None
    return gather_facts(statement, known, question, outcome)


def test_a_sound_answer_has_no_facts(either):
    assert not facts_of("SELECT title FROM products WHERE category = 'Light'", either)


def test_an_unknown_column_has_its_nearest_names_and_the_way_to_their_table(either):
    facts = facts_of("SELECT quantity FROM customers", either)
    (names,) = facts.names
    assert (names.name, names.kind, names.nearest[0]) == (
        "quantity", "column", "order_lines.quantity",
    )  # fmt: skip
    (path,) = facts.paths
    assert path.missing == ("orders",)
    assert sentences(facts)[0].startswith("There is no column quantity; the nearest: order_lines.")


def test_an_unknown_table_has_its_nearest_names(either):
    (names,) = facts_of("SELECT * FROM customer", either).names
    assert (names.kind, names.nearest[0]) == ("table", "customers")


@pytest.mark.parametrize(
    "sql",
    ["SELECT rowid FROM notes", "SELECT body FROM notes WHERE notes MATCH 'hello'",
     "SELECT n FROM (SELECT rowid AS n FROM notes)", "SELECT name FROM sqlite_master"],
)  # fmt: skip
def test_what_runs_names_nothing_that_is_missing(tmp_path, sql):
    setup = "CREATE VIRTUAL TABLE notes USING fts5 (body); INSERT INTO notes VALUES ('hello you');"
    with SQLiteDatabase(make_shop(tmp_path / "notes.sqlite", setup)) as database:
        assert not facts_of(sql, database)
        outcome = database.execute(sql)
        assert diagnose("", sql, database, outcome).value("unknown_names") == 0


def test_a_view_on_a_table_that_is_gone_is_there(tmp_path):
    setup = "CREATE VIEW Late AS SELECT due FROM gone; CREATE TABLE loans (due text);"
    with SQLiteDatabase(make_shop(tmp_path / "loans.sqlite", setup)) as database:
        assert not facts_of("SELECT due FROM late", database)
        (names,) = facts_of("SELECT due FROM lates", database).names
        assert (names.name, names.kind) == ("lates", "table")


def test_an_absent_literal_and_the_condition_that_empties_are_said(either):
    facts = facts_of("SELECT title FROM products WHERE category = 'light'", either)
    said = sentences(facts)
    assert said[0].startswith("products.category does not hold 'light'; the nearest that it holds")
    assert "'Light'" in said[0]
    assert said[-1] == "No row meets the condition category = 'light'; without it there are 3 rows."


def test_a_statement_that_does_not_parse_has_what_its_error_names(shop):
    facts = facts_of("SELECT fullname FROM customers", shop, parsed=False)
    assert facts.names[0].nearest[0] == "customers.full_name"
    assert not facts_of("SELECT ((", shop, parsed=False)


@pytest.mark.parametrize("question", ["", "?", "no such words " * 500])
def test_any_question_will_do(shop, question):
    assert facts_of("SELECT fullname FROM customers", shop, question).names
