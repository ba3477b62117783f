"""Real SQL comes out whole from every wrapping that models give it."""

import random

import pytest
from wrapped_sql import WRAPPINGS, as_taken, mutated, parses, real_statements, take_all

from sqlbench.models import extract_sql


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
