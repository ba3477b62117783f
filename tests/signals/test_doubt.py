"""Doubt's weights: what the committed file says, what is refused, and that no gold is needed."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from plain_weights import plain_weights

from sqlbench.databases import QueryError
from sqlbench.exceptions import ConfigError
from sqlbench.signals import adiagnose, diagnose
from sqlbench.signals.doubt import DEFAULT, load_weights, save_weights
from sqlbench.signals.registry import NAMES

ASKED = "What are the full names of all customers?"


def test_committed_weights_say_where_they_come_from():
    assert DEFAULT.stat().st_size < 200_000
    weights = load_weights()
    assert set(weights.signals) == set(NAMES)
    about = weights.about
    assert len(about["data_sha256"]) == 64
    assert about["answers"] == 29265
    assert about["questions"] == 972
    assert about["databases"] == 19
    assert about["cross_validated"]["auc_all"] > 0.85
    assert about["cross_validated"]["auc_rows"] > 0.77
    assert about["cross_validated"]["calibration_error"] < 0.05


def test_no_weight_rests_on_a_name_of_a_schema():
    masks = {"<table>", "<column>", "<value>", "<number>", "<start>", "<end>"}
    for phrase in load_weights().phrases:
        for word in phrase.split(" "):
            assert word in masks or word.isalpha(), phrase
    assert not {"flight_2", "world_1", "superhero"} & set(load_weights().phrases)


def test_weights_of_another_version_are_refused(tmp_path):
    weights = plain_weights()
    path = tmp_path / "weights.npz"
    save_weights(weights, path)
    with np.load(path) as file:
        arrays = dict(file)
    about = json.loads(str(arrays["about"])) | {"version": 99}
    np.savez(path, **(arrays | {"about": np.array(json.dumps(about))}))
    with pytest.raises(ConfigError, match=r"version 99.*version 2.*signals train"):
        load_weights(path)


def test_what_holds_no_weights_is_refused(tmp_path):
    path = tmp_path / "weights.npz"
    path.write_text("no weights")
    with pytest.raises(ConfigError, match="holds no weights"):
        load_weights(path)
    with pytest.raises(ConfigError, match="holds no weights"):
        load_weights(tmp_path / "missing.npz")


def test_same_weights_same_bytes(tmp_path):
    one, two = tmp_path / "one.npz", tmp_path / "two.npz"
    save_weights(plain_weights(), one)
    save_weights(load_weights(one), two)
    assert one.read_bytes() == two.read_bytes()


def test_trees_read_what_they_say():
    weights = plain_weights()
    inputs = np.zeros((3, len(NAMES)))
    inputs[1, NAMES.index("raised")] = 1
    inputs[2, NAMES.index("raised")] = np.nan
    np.testing.assert_allclose(
        weights.probability(inputs), [1 / (1 + np.e**2), 1 / (1 + np.e**-2), 1 / (1 + np.e**2)]
    )


def test_calibration_is_a_straight_line_on_the_logit():
    weights = replace(plain_weights(), slope=0.5, offset=1.0)
    assert weights.probability(np.zeros((1, len(NAMES))))[0] == pytest.approx(0.5)


def test_error_is_more_doubtful_than_an_answer(shop):
    right = "SELECT full_name FROM customers"
    wrong = "SELECT fullname FROM customers"
    with pytest.raises(QueryError) as failure:
        shop.execute(wrong)
    certain = diagnose(ASKED, right, shop, shop.execute(right))
    doubtful = diagnose(ASKED, wrong, shop, failure.value)
    assert certain.doubt < 0.3 < 0.95 < doubtful.doubt
    assert "raised an error" in " ".join(doubtful.evidence)
    assert doubtful.value("raised") == 1
    with pytest.raises(KeyError):
        doubtful.value("nothing")


def test_most_telling_sentence_comes_first(shop):
    sql = "SELECT full_name FROM customers WHERE city = 'Rome'"
    found = diagnose(ASKED, sql, shop, shop.execute(sql), weights=plain_weights())
    assert found.evidence[0] == "The result has no rows."


async def test_from_an_event_loop(shop):
    sql = "SELECT full_name FROM customers"
    outcome = await shop.run(sql)
    assert await adiagnose(ASKED, sql, shop, outcome) == diagnose(ASKED, sql, shop, outcome)


def test_diagnosis_is_plain_values(shop):
    sql = "SELECT full_name FROM customers"
    found = diagnose(ASKED, sql, shop, shop.execute(sql))
    assert json.loads(json.dumps(found.as_dict()))["version"] == 1


def test_runs_on_a_suite_whose_golds_are_withheld(tmp_path):
    from small_spider import write

    from sqlbench.suites import load_suite

    write(tmp_path)
    suite = load_suite(f"spider:{tmp_path}")
    for question in suite.questions():
        database = suite.databases[question.db_id]
        withheld = replace(question, gold=None)
        sql = "SELECT count(*) FROM " + database.schema().tables[0].name
        found = diagnose(withheld.text, sql, database, database.execute(sql))
        assert 0 <= found.doubt <= 1


def test_no_grading_is_imported():
    import subprocess

    code = "import sys, sqlbench.signals; print([m for m in sys.modules if 'grading' in m])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
