"""Training weights of doubt from prediction files, and looking into them."""

from __future__ import annotations

import json

import pytest
from small_spider import QUESTIONS, write
from typer.testing import CliRunner

from sqlbench.cli import app
from sqlbench.signals.doubt import load_weights


def test_the_packages_weights_say_what_they_were_learned_from():
    done = CliRunner().invoke(app, ["signals", "show"])
    assert done.exit_code == 0 and "data_sha256" in done.output and "answers" in done.output


@pytest.mark.slow
def test_weights_are_trained_on_ones_own_files_and_read_back(tmp_path):
    pytest.importorskip("sklearn")
    folder = tmp_path / "spider"
    write(folder)
    files = []
    for number in range(3):
        path = tmp_path / f"answers{number}.jsonl"
        lines = [
            {"index": i, "pred": gold if (i + number) % 2 else "SELECT count(*) FROM nope"}
            for i, (_, _, gold, _, _) in enumerate(QUESTIONS)
        ]
        path.write_text("\n".join(map(json.dumps, lines)) + "\n", "utf-8")
        files.append(str(path))
    out = tmp_path / "weights.npz"
    spec = f"spider:{folder}"
    done = CliRunner().invoke(app, ["signals", "train", *files, "--suite", spec, "--out", str(out)])
    assert done.exit_code == 0, done.output
    about = load_weights(out).about
    assert about["suite"] == spec and about["files"] == 3
