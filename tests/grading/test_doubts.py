"""Doubts beside predictions, and risk against coverage."""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import closing

import numpy as np
import pytest
from folders import DATA
from plain_weights import plain_weights, write_plain_weights

from sqlbench.cli import main
from sqlbench.grading.doubts import doubt_all, doubts_text, risk_coverage
from sqlbench.signals import doubt
from sqlbench.suites import load_suite

SMALL = DATA / "small_spider"


def test_risk_is_the_share_of_wrong_answers_among_those_kept():
    coverage, risk = risk_coverage([0.1, 0.9, 0.5, 0.3], [0, 1, 1, 0])
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert risk.tolist() == [0, 0, pytest.approx(1 / 3), 0.5]


def test_answers_of_equal_doubt_are_kept_together():
    coverage, risk = risk_coverage([0.5, 0.5, 0.5, 0.2], [1, 0, 1, 0])
    assert coverage.tolist() == [0.25, 1.0]
    assert risk.tolist() == [0.0, 0.5]


def test_every_prediction_has_its_doubt_and_no_gold_is_read(tmp_path):
    folder = tmp_path / "blind"
    shutil.copytree(SMALL, folder)
    questions = json.loads((folder / "dev.json").read_text())
    for question in questions:
        question["query"] = "SELECT gold"  # it would raise
    (folder / "dev.json").write_text(json.dumps(questions))
    with (
        closing(load_suite(f"spider:{SMALL}")) as seen,
        closing(load_suite(f"spider:{folder}")) as blind,
    ):
        found = doubt_all(blind, SMALL / "hasty.jsonl", weights=plain_weights())
        assert found == doubt_all(seen, SMALL / "hasty.jsonl", weights=plain_weights())
        assert len(found) == len(seen)
    raised = [d for d in found if any("raised" in e.lower() or "no such" in e for e in d.evidence)]
    assert {round(d.doubt, 2) for d in found} <= {0.12, 0.88}
    assert all(d.doubt > 0.5 for d in raised)
    assert "answers; by their doubts" in doubts_text("hasty", found)


def test_the_command_writes_doubts_and_draws_what_they_are_worth(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(doubt, "DEFAULT", write_plain_weights(tmp_path / "weights.npz"))
    out = tmp_path / "out"
    line = ["sqlbench", "grade", "--suite", f"spider:{SMALL}", "--without-gold", "--out", str(out)]
    files = [str(SMALL / "careful.txt"), str(SMALL / "hasty.jsonl")]
    for file in files:
        line += ["--predictions", file]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert "By the golds" in capsys.readouterr().out
    doubts = [json.loads(x) for x in (out / "hasty" / "doubts.jsonl").read_text().splitlines()]
    assert np.isfinite([d["doubt"] for d in doubts]).all()
    assert (out / "risk_coverage.png").stat().st_size > 5_000
    assert (out / "doubts.md").exists()
