"""The choice among several answers."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from sqlbench.databases import QueryError, QueryResult
from sqlbench.exceptions import ConfigError
from sqlbench.signals.choice import Candidate, agreement, choose, choose_among, repeats
from sqlbench.signals.choice_fit import Group, fit_choice
from sqlbench.signals.choice_weights import (
    FIT_NAMES,
    ChoiceWeights,
    load_choice_weights,
    save_choice_weights,
)


def answer(rows, doubt=None, strength=0.0, sql="SELECT 1"):
    outcome = QueryError("no such table: x") if rows is None else QueryResult(("a",), rows)
    return Candidate(sql, outcome, doubt, strength)


PLAIN = ChoiceWeights(
    (), (), (), 1.0,
    {"strength": 1.0, "agreeing": 0.0, "order_repeated": 0.0, "order_distinct": 1.0,
     "first_distinct": 0.0},
)  # fmt: skip


def test_results_agree_as_multisets_whatever_the_order_of_rows_and_columns():
    same = agreement(
        [
            QueryResult(("a", "b"), [(1, "x"), (2, "y")]),
            QueryResult(("b", "a"), [("y", 2.0), ("x", True)]),
            QueryResult(("a", "b"), [(1, "x"), (2, "y"), (2, "y")]),
            QueryResult(("a", "b"), [("1", "x"), ("2", "y")]),
            QueryError("no such column: z"),
        ]
    )
    assert same.tolist() == [
        [True, True, False, False, False],
        [True, True, False, False, False],
        [False, False, True, False, False],
        [False, False, False, True, False],
        [False, False, False, False, False],
    ]


def test_first_takes_the_first_that_ran():
    assert choose([answer(None), answer([(1,)]), answer([(2,)])], "first").index == 1


def test_agreement_takes_what_most_have_and_of_ties_the_earlier():
    answers = [answer([(1,)]), answer([(2,)]), answer(None), answer([(2,)]), answer([(1,)])]
    assert choose(answers, "agreement").index == 0
    assert choose(answers[1:], "agreement").index == 0
    assert choose([answer([(1,)]), *answers[1:4]], "agreement").agreeing == (1, 2, 0, 2)


def test_doubt_takes_the_strongest_answer_and_never_one_that_raised():
    answers = [answer([(1,)], 0.6, 0.1), answer(None, 0.9, 9.0), answer([(2,)], 0.2, 1.5)]
    choice = choose(answers, "doubt", weights=PLAIN)
    assert choice.index == 2 and choice.scores[1] == -np.inf
    assert choice.reason() == "Answer 3 of 3: 1 of them have its result, and its doubt is 0.20."


def test_the_models_order_counts_among_statements_that_do_not_repeat_themselves():
    distinct = [answer([(i,)], 0.5, 0.5 * i, sql=f"SELECT {i}") for i in range(3)]
    assert choose(distinct, "doubt", weights=PLAIN).index == 0
    repeated = [replace(a, sql="SELECT 1") for a in distinct]
    assert choose(repeated, "doubt", weights=PLAIN).index == 2


def test_how_much_statements_repeat_themselves():
    assert repeats(["SELECT 1", "select  1;", "SELECT 1 "]) == 1.0
    assert repeats(["SELECT 1", "SELECT 2", "SELECT 3"]) == 0.0
    assert repeats(["SELECT 1"]) == 1.0


def test_where_nothing_ran_the_first_is_taken():
    choice = choose([answer(None), answer(None)], "agreement")
    assert choice.index == 0
    assert choice.reason() == "None of the 2 answers ran; the first is taken."


@pytest.mark.parametrize(
    ("answers", "rule", "said"),
    [
        ([], "first", "There is no answer to choose from"),
        ([answer([(1,)])], "best", "no rule of choice 'best'; valid are: first, agreement, doubt"),
        ([answer([(1,)])], "doubt", "needs each answer's doubt"),
    ],
)
def test_a_choice_that_cannot_be_made_says_why(answers, rule, said):
    with pytest.raises(ConfigError, match=said):
        choose(answers, rule)


def test_statements_run_in_the_sandbox_and_are_chosen(either):
    statements = ["SELECT nothing FROM products", "SELECT 2", "SELECT 1", "SELECT 1"]
    choice = choose_among("", statements, either, "agreement")
    assert choice.chosen.sql == "SELECT 1" and choice.index == 2
    hostile = choose_among("", ["DROP TABLE products", "SELECT 1"], either, "first")
    assert hostile.index == 1 and hostile.candidates[0].raised


def groups(seed=0):
    """Questions whose right answer has the larger first input."""
    generator = np.random.default_rng(seed)
    for i in range(60):
        rows = np.zeros((4, 2 + len(FIT_NAMES)))
        rows[:, 0] = generator.normal(size=4)
        right = rows[:, 0] == rows[:, 0].max()
        same = np.eye(4, dtype=bool)
        yield Group(f"db{i % 6}", rows, np.full(4, 0.5), right, np.ones(4), same, 0.0)


def test_weights_are_learned_from_what_differs_inside_a_question(tmp_path):
    fitted = fit_choice(list(groups()), ("telling", "constant"))
    assert fitted.inputs == ("telling",) and fitted.weight[0] > 0.2
    hits = 0
    for g in groups(seed=1):
        strength = fitted.strength(g.rows, g.doubts, ("telling", "constant"))
        hits += g.right[fitted.scores(strength, g.same, g.repeated).argmax()]
    assert hits >= 55
    save_choice_weights(fitted, tmp_path / "w.json")
    again = load_choice_weights(tmp_path / "w.json")
    assert again == fitted


def test_without_ordered_questions_nothing_is_learned():
    with pytest.raises(ConfigError, match="right and wrong answers in an order"):
        fit_choice([replace(g, same=None) for g in groups()], ("telling", "constant"))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 99}'])
def test_a_file_of_no_or_of_other_weights_is_refused(tmp_path, text):
    (tmp_path / "w.json").write_text(text)
    with pytest.raises(ConfigError, match=r"w\.json' holds"):
        load_choice_weights(tmp_path / "w.json")


def test_weights_that_read_an_unknown_signal_are_refused():
    weights = ChoiceWeights(("gone",), (1.0,), (1.0,), 1.0, {})
    with pytest.raises(ConfigError, match="read 'gone', which is no signal"):
        weights.strength(np.zeros((1, len(FIT_NAMES))), np.array([0.5]), ())


def test_the_weights_of_the_package_rest_on_signals_and_on_no_name_of_a_schema():
    from sqlbench.signals.registry import NAMES

    weights = load_choice_weights()
    assert set(weights.inputs) <= {*NAMES, *FIT_NAMES}
    assert json.dumps(weights.about)
