"""The audit of a repair."""

from __future__ import annotations

import pytest

from sqlbench.databases import QueryError, QueryResult
from sqlbench.exceptions import ConfigError
from sqlbench.signals.audit import audit, audit_chain
from sqlbench.signals.choice import Candidate


def answer(rows, doubt=None):
    outcome = QueryError("no such table: x") if rows is None else QueryResult(("a",), rows)
    return Candidate("SELECT 1", outcome, doubt)


@pytest.mark.parametrize(
    ("old", "new", "taken"),
    [
        (answer([(1,)], 0.6), answer([(2,)], 0.3), True),
        (answer([(1,)], 0.3), answer([(2,)], 0.6), False),
        (answer([(1,)], 0.30), answer([(2,)], 0.29), False),  # not by enough
        (answer([(1,)], 0.9), answer([(1,)], 0.1), False),  # the same result
        (answer(None), answer([(2,)], 0.99), True),
        (answer([(1,)], 0.99), answer(None), False),
        (answer(None), answer(None), True),
    ],
)
def test_a_repair_is_taken_if_it_is_less_doubtful(old, new, taken):
    assert audit(old, new).takes_new is taken


def test_inertia_is_a_margin_in_log_odds():
    old, new = answer([(1,)], 0.5), answer([(2,)], 0.4)
    assert audit(old, new, margin=0.4).takes_new
    assert not audit(old, new, margin=0.5).takes_new
    assert audit(old, new).gain == pytest.approx(0.405, abs=1e-3)


def test_each_repair_of_a_chain_is_held_against_what_stood_before():
    chain = [answer([(1,)], 0.5), answer([(2,)], 0.8), answer([(3,)], 0.6), answer([(4,)], 0.2)]
    assert audit_chain(chain) == 3
    assert audit_chain(chain[:3]) == 0
    assert audit_chain(chain[:1]) == 0


def test_an_audit_needs_doubts_and_a_chain_an_answer():
    with pytest.raises(ConfigError, match="needs the doubt of both"):
        audit(answer([(1,)]), answer([(2,)]))
    with pytest.raises(ConfigError, match="no answer to audit"):
        audit_chain([])
