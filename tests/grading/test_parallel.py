"""Grading in several processes: the same bytes, whoever grades, and whatever becomes of them."""

from __future__ import annotations

import json
import os
import pickle
import signal
from contextlib import closing
from pathlib import Path

import pytest
from small_spider import QUESTIONS, write
from typer.testing import CliRunner

from sqlbench import load_suite
from sqlbench.cli import app
from sqlbench.exceptions import ConfigError
from sqlbench.grading import parallel
from sqlbench.grading.grade import grade_many
from sqlbench.grading.parallel import Work


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two files for a small suite, which are worth a second process here."""
    monkeypatch.setattr(parallel, "_ENOUGH", 1)
    monkeypatch.setattr(parallel, "_PART", 2)
    write(tmp_path)
    golds = [q[2] for q in QUESTIONS]
    turned = [golds[-1 - i] if i % 3 else gold for i, gold in enumerate(golds)]
    paths = []
    for name, answers in {"right": golds, "turned": turned}.items():
        paths.append(tmp_path / f"{name}.jsonl")
        lines = [json.dumps({"index": i, "pred": sql}) for i, sql in enumerate(answers)]
        paths[-1].write_text("\n".join(lines) + "\n")
    return paths


def verdicts(files: list[Path], out: str, workers: int, neighbours: int = 0) -> list[bytes]:
    folder = files[0].parent
    grade_many(
        f"spider:{folder}",
        files,
        out=folder / out,
        workers=workers,
        neighbours=neighbours,
        progress=False,
    )
    return [(folder / out / f.stem / "verdicts.jsonl").read_bytes() for f in files]


def is_killed(part: list[Work]) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def is_not_needed(part: list[Work]) -> None:
    raise AssertionError("a second process was asked")


@pytest.mark.parametrize("neighbours", [0, 2])
def test_two_processes_write_what_one_writes(files: list[Path], neighbours: int) -> None:
    alone = verdicts(files, "alone", 1, neighbours)
    assert verdicts(files, "both", 2, neighbours) == alone
    assert len(alone[0].splitlines()) == len(QUESTIONS)


def test_what_a_killed_process_had_is_graded_here(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = verdicts(files, "alone", 1)
    monkeypatch.setattr(parallel, "_grade", is_killed)
    with pytest.warns(UserWarning, match="was ended from outside"):
        assert verdicts(files, "killed", 2) == alone


def test_an_error_of_another_process_is_raised_here(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "_grade", is_not_needed)
    with pytest.raises(AssertionError, match="a second process was asked"):
        verdicts(files, "asked", 2)


def test_few_pairs_start_no_other_process(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "_ENOUGH", 3000)
    monkeypatch.setattr(parallel, "_grade", is_not_needed)
    assert verdicts(files, "few", 2) == verdicts(files, "alone", 1)


def test_a_database_is_opened_anew_by_the_process_that_it_is_sent_to(files: list[Path]) -> None:
    with closing(load_suite(f"spider:{files[0].parent}")) as suite:
        question = next(iter(suite))
        before = suite.database(question)
        sent = pickle.loads(pickle.dumps(suite))
        after = sent.database(question)
        assert after is not before and repr(after) == repr(before)
        assert after.execute(question.gold).rows == before.execute(question.gold).rows
        assert sent.content_hash == suite.content_hash
        sent.close()


def test_a_number_of_processes_that_is_none_is_named(files: list[Path]) -> None:
    with pytest.raises(ConfigError, match="workers is a whole number of at least 1, not 0"):
        verdicts(files, "none", 0)
    command = ["grade", "--suite", f"spider:{files[0].parent}", "--predictions", str(files[0])]
    result = CliRunner().invoke(app, [*command, "--workers", "0"])
    assert result.exit_code == 1 or isinstance(result.exception, ConfigError)
    assert "workers is a whole number of at least 1, not 0" in result.output + str(result.exception)
