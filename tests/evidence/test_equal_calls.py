"""Repairs and samples at equal calls, and the map of real repairs: counted by hand."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from folders import DATA

from sqlbench.evidence.equal_calls import (
    SampledQuestion,
    read_samples,
    repair_rate,
    repairs_table,
    resample_rate,
    samples_table,
)
from sqlbench.evidence.repair_map import Mended, chain_map, map_table
from sqlbench.exceptions import ConfigError
from sqlbench.models.simulated.profile import load_profile
from sqlbench.suites import load_suite


@pytest.mark.parametrize("name", ["default", "llama3-8b", "dail-sql"])
def test_a_new_samples_rate_is_that_of_drawn_questions(name):
    profile, rng = load_profile(name), np.random.default_rng(0)
    p = np.array([profile.p_success(z) for z in rng.standard_normal(40_000)])
    first, again = rng.random(len(p)) < p, rng.random(len(p)) < p
    assert resample_rate(profile) == pytest.approx(again[~first].mean(), abs=0.015)
    assert resample_rate(profile) < profile.success, "what failed once is harder"


def test_a_repairs_rate_is_the_matrix_weighed_by_the_failures():
    profile = load_profile("chatgpt")
    rates, flat = repair_rate(profile), repair_rate(profile, 0.0)
    shares = {c: w for c, w in profile.first_attempt.items() if w}
    best = sum(w * max(profile.repair[c].values()) for c, w in shares.items())
    assert rates["oracle"] == pytest.approx(best / sum(shares.values()))
    assert rates["random"] < rates["rules"] < rates["oracle"]
    assert flat["random"] == pytest.approx(flat["oracle"]) == pytest.approx(rates["random"])


def test_samples_are_counted_for_each_number_of_calls():
    drawn = [
        SampledQuestion("m", "a", (False, True, True), (0, 0, 1), (0, 1, 1)),
        SampledQuestion("m", "b", (True, False, False), (0, 0, 1), (0, 0, 0)),
    ]
    frame = samples_table(drawn).set_index("calls")
    assert frame["pass"].tolist() == [0.5, 1.0, 1.0]
    assert frame["majority"].tolist() == [0.5, 0.5, 0.5]
    assert frame["doubt_gain"].tolist() == pytest.approx([0.0, 50.0, 50.0])


def test_stored_candidates_are_run_and_chosen_among(tmp_path):
    suite = load_suite(f"spider:{DATA / 'small_spider'}")
    path = tmp_path / "candidates.jsonl"
    row = {
        "source": "m", "index": 0, "official_exec": [0, 1, 1],
        "candidates": ["SELECT 99", "SELECT count(*) FROM baker", "SELECT count(name) FROM baker"],
    }  # fmt: skip
    path.write_text(json.dumps(row))
    (found,) = read_samples(path, suite)
    assert found.right == (False, True, True)
    assert found.majority[0] == 0 and found.majority[2] in (1, 2), "two agree"
    path.write_text(json.dumps(row | {"official_exec": [0]}))
    with pytest.raises(ConfigError, match="Line 1"):
        read_samples(path, suite)


def test_real_repairs_that_were_always_made_are_netted():
    rows = [("right", "kept_right")] * 90 + [("right", "broke")] * 10
    rows += [("wrong_result", "fixed")] * 15 + [("wrong_result", "same_class")] * 85
    frame = pd.DataFrame(rows, columns=["before_class", "outcome"]).assign(
        model="m", method="always", prompt_kind="k", repair=1, question_index=range(200)
    )
    seldom = frame[frame["before_class"] != "right"].assign(method="triggered")
    (row,) = repairs_table(pd.concat([frame, seldom])).to_dict("records")
    assert (row["fixed"], row["broken"], row["first"]) == (15, 10, 0.5)
    assert row["net"] == pytest.approx(2.5) and row["net_low"] < 2.5 < row["net_high"]


def test_the_map_counts_what_was_fixed_and_broken_by_what_was_seen():
    became = [
        *(Mended("c", f"q{i}", "rows", frozenset({"joins"}), 0.8, False, i < 5) for i in range(25)),
        *(Mended("c", f"r{i}", "rows", frozenset(), 0.1, True, i > 0) for i in range(10)),
        Mended("d", "q0", "syntax_error", frozenset({"result", "joins"}), 0.9, False, True),
    ]
    seen = map_table(became).set_index("what")
    assert seen.loc["rows", ["wrong", "fixed", "right", "broken", "net"]].tolist() == [
        25, 5, 10, 1, 4,
    ]  # fmt: skip
    assert seen.loc["rows", "fix_rate"] == pytest.approx(0.2)
    assert bool(seen.loc["rows", "enough"]) and not seen.loc["syntax_error", "enough"]
    assert seen.loc["syntax_error", "fix_low"] < 0.3, "one of one is no certainty"
    assert np.isnan(seen.loc["syntax_error", "break_rate"])
    speaks = map_table(became, "speaks").set_index("what")
    assert speaks.loc["joins", "wrong"] == 26 and speaks.loc["result", "wrong"] == 1
    assert speaks.loc["none speaks", "broken"] == 1
    assert map_table(became, "doubt")["answers"].tolist() == [26, 10]
    counts = chain_map(became).to_numpy().tolist()
    assert counts == [["c", "rows", 25, 5, 10, 1], ["d", "syntax_error", 1, 1, 0, 0]]
