"""Real SQL comes out whole from every wrapping that models give it."""

import random
import re

import pytest
from wrapped_sql import QUOTES, WRAPPINGS, as_taken, mutated, parses, real_statements, take_all

from sqlbench.models import extract_sql
from sqlbench.suites import load_suite


@pytest.mark.slow
@pytest.mark.shared
def test_golds_and_predictions_come_out_whole_from_every_wrapping(spider_dir):
    # A seeded tenth, each in a seeded change, too; `bench_answers.py` takes all of them.
    golds, predictions = real_statements(spider_dir)
    rng = random.Random(0)
    chosen = [sql for sql in (*golds, *predictions) if rng.random() < 0.1]
    taken = take_all(chosen, rng, wrappings=3)
    assert taken.failures == []
    assert len(chosen) > 2_900 and taken.left_out / len(chosen) < 0.04


EVERYTHING = """WITH /* first; */ "older ones" AS (SELECT a, 100. * b AS [it is], t . c FROM `t` t

WHERE note <> 'it''s; so. This' AND b > 30. AND a IN (1., 2)), x AS (SELECT 1)
-- then
SELECT "older ones".a, CASE WHEN b > 1. THEN 'yes' ELSE 'no' END said

FROM "older ones", x ORDER BY 1 DESC, a LIMIT 3"""


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_a_statement_with_everything_comes_out_whole(wrapping):
    rng = random.Random(1)
    for sql in (EVERYTHING, mutated(EVERYTHING, rng), mutated(EVERYTHING, rng)):
        taken = extract_sql(WRAPPINGS[wrapping](sql)).replace("\r", "")
        assert taken == as_taken(sql)


def test_a_changed_statement_still_parses():
    rng = random.Random(2)
    sql = "SELECT T1.name, 10 / 4 FROM singer AS T1 WHERE T1.age > 30 AND name = 'x. y' ORDER BY 1"
    changed = {mutated(sql, rng) for _ in range(50)}
    assert len(changed) > 40
    assert all(parses(c) for c in changed)


def test_names_are_quoted_in_each_manner_and_types_and_functions_never():
    rng = random.Random(3)
    sql = (
        "WITH x AS MATERIALIZED (SELECT 1 AS one) SELECT T1.name AS who, CAST(T1 . age AS INTEGER),"
        " count(T1.id) FROM singer AS T1 JOIN x AS T2 ON T1.id = T2.one"
    )
    changed = [mutated(sql, rng) for _ in range(300)]
    assert all(parses(c) for c in changed)
    for name in ("name", "who", "age", "T1", "T2", "one"):
        for quoted in (f'"{name}"', f"[{name}]", f"`{name}`"):
            assert any(quoted in c for c in changed), quoted
    never = ("MATERIALIZED", "INTEGER", "count", "SELECT", "FROM", "ON", "JOIN", "singer", "AS")
    assert not [w for w in never for c in changed if re.search(rf'["`\[]{w}["`\]]', c, re.I)]


@pytest.mark.parametrize("quotes", QUOTES)
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_quoted_names_at_a_statements_end_come_out_whole(wrapping, quotes):
    name, who = quotes.format("name"), quotes.format("who is it")
    for sql in (
        f"SELECT T1.{name} FROM singer AS {quotes.format('T1')}",
        f"SELECT {quotes.format('T1')} . {name} AS {who} FROM singer AS T1 ORDER BY {who}",
        f"SELECT T1.name\nFROM singer AS T1\nORDER BY T1.\n{name}",
    ):
        assert extract_sql(WRAPPINGS[wrapping](sql)).replace("\r", "") == sql


def test_every_gold_of_the_marketplace_still_parses_when_it_is_changed():
    rng = random.Random(4)
    for question in load_suite("marketplace").questions():
        assert parses(changed := mutated(question.gold, rng)), changed


@pytest.mark.parametrize(
    "gap", ["\n\n", "\n", " -- of it.\n", "\n\n-- of it.\n", " /* it. */ \n\n"], ids=repr
)
def test_a_name_may_be_split_behind_its_dot_on_both_sides_of_an_operator(gap):
    sql = (
        "SELECT\nt1.code, T1.land FROM flight AS T1 JOIN flight AS T2 ON T1."
        f"{gap}number = T2.{gap}number\nGROUP -- so.\nBY T2 .  number"
    )
    for name in ("bare", "SQL in bold", "English after", "thoughts in <think>"):
        assert extract_sql(WRAPPINGS[name](sql)) == as_taken(sql), name


def test_a_sentence_behind_a_dot_is_left_out_where_an_alias_is_named():
    sql = "SELECT T1.name FROM singer AS T1"
    for after in (
        "This takes T1.",
        "T1 is the singer.\n\nIts name is T1's.",
        "\nTake T1.",
    ):
        assert extract_sql(f"{sql}.\n{after}") == sql


def test_what_stands_behind_a_semicolon_makes_a_text_no_statement():
    assert not parses("SELECT name FROM singer; \\end{code} Comment: it's what you want")
    assert not parses("SELECT a FROM t LIMIT (" * 60)
