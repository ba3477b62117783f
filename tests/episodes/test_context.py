"""What a policy sees, and the vector that it becomes."""

from __future__ import annotations

import numpy as np
import pytest

from sqlbench.episodes.context import (
    DIMENSION,
    FEATURE_NAMES,
    SIGNAL_FEATURES,
    Context,
    feature_names,
    featurize,
    parse_blocks,
)
from sqlbench.episodes.errors import ErrorClass as E
from sqlbench.episodes.repair import RepairAction as A
from sqlbench.exceptions import ConfigError


def test_a_vector_has_23_named_features():
    assert DIMENSION == len(FEATURE_NAMES) == len(set(FEATURE_NAMES)) == 23
    assert FEATURE_NAMES[0] == "error=no_such_column"
    assert FEATURE_NAMES[11] == "attempt"
    assert FEATURE_NAMES[12] == "previous=rewrite_full"
    assert FEATURE_NAMES[-3:] == ("error_changed", "consecutive", "bias")


def test_features_say_what_the_context_says():
    context = Context(E.AMBIGUOUS_COLUMN, 4, A.FIX_SYNTAX, True, 2)
    x = featurize(context)
    named = {n: v for n, v in zip(FEATURE_NAMES, x, strict=True) if v}
    assert x.dtype == np.float64
    assert named == {
        "error=ambiguous_column": 1.0,
        "attempt": 0.8,
        "previous=fix_syntax": 1.0,
        "error_changed": 1.0,
        "consecutive": 0.4,
        "bias": 1.0,
    }


@pytest.mark.parametrize("error_class", list(E))
def test_every_error_class_has_a_feature_of_its_own(error_class):
    x = featurize(Context(error_class, 2))
    assert x[:11].sum() == 1
    assert FEATURE_NAMES[int(x[:11].argmax())] == f"error={error_class}"


def test_no_visible_error_is_no_error_feature():
    assert featurize(Context(None, 2))[:11].sum() == 0


def test_consecutive_errors_are_capped():
    assert featurize(Context(E.OTHER, 5, consecutive_same_error=9))[-2] == 1.0


def test_history_becomes_the_context_of_the_next_attempt():
    history = [("generate", E.SYNTAX_ERROR)]
    assert Context.from_history(history) == Context(E.SYNTAX_ERROR, 2, None, False, 1)
    history.append(("fix_syntax", E.SYNTAX_ERROR))
    assert Context.from_history(history) == Context(E.SYNTAX_ERROR, 3, A.FIX_SYNTAX, False, 2)
    history.append(("rewrite_cte", E.OTHER))
    assert Context.from_history(history) == Context(E.OTHER, 4, A.REWRITE_CTE, True, 1)
    history.append(("custom", E.OTHER))
    assert Context.from_history(history) == Context(E.OTHER, 5, None, False, 2)


def test_attempt_1_has_no_context():
    with pytest.raises(ValueError, match="attempt 1 has none"):
        Context.from_history([])


def test_the_block_of_signals_stands_behind_the_block_of_the_class():
    signals = tuple(i / 20 for i in range(len(SIGNAL_FEATURES)))
    context = Context(E.EMPTY_RESULT, 2, signals=signals)
    seen = featurize(context, ("class", "signals"))
    assert seen.tolist() == [*featurize(context), *signals]
    assert feature_names(("class", "signals")) == (*FEATURE_NAMES, *SIGNAL_FEATURES)
    assert parse_blocks("signals,class", "x") == ("class", "signals")


@pytest.mark.parametrize("text", ["", "signals", "class,class", "class,colour", "class, signals"])
def test_features_that_are_no_blocks_are_refused_by_name(text):
    with pytest.raises(ConfigError, match="blocks joined by commas"):
        parse_blocks(text, "the policy")


def test_a_context_without_signals_gives_no_block_of_them():
    with pytest.raises(ValueError, match="has no signals"):
        featurize(Context(E.EMPTY_RESULT, 2), ("class", "signals"))
