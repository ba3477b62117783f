"""A run's folder that something has damaged: one sentence that names the file, never a guess."""

from __future__ import annotations

import asyncio
import json
import shutil

import pytest

import sqlbench as sb
from sqlbench.episodes.repair import ARMS
from sqlbench.evidence.offpolicy_logs import LoggedDecisions
from sqlbench.exceptions import ConfigError, RunFolderError, SQLBenchError, UnknownNameError
from sqlbench.reports.transcript import transcript
from sqlbench.runs.experiment import run_experiment
from sqlbench.runs.run import Run

POLICY = "linucb?epsilon=0.3"
EPISODES = 6


def run(out):
    return run_experiment(
        "marketplace", "simulated", POLICY, episodes=EPISODES, out=out, progress=False
    )


READERS = {
    "log": lambda folder: Run.open(folder).log,
    "steps": lambda folder: Run.open(folder).steps,
    "summary": lambda folder: Run.open(folder).summary,
    "card": lambda folder: str(Run.open(folder).card()),
    "policy": lambda folder: Run.open(folder).policy,
    "calls": lambda folder: list(Run.open(folder).calls()),
    "failed": lambda folder: Run.open(folder).failed,
    "prices": lambda folder: Run.open(folder).prices,
    "decisions": lambda folder: LoggedDecisions.from_runs([Run.open(folder)]),
    "transcript": lambda folder: transcript(
        Run.open(folder), 0, sb.load_suite("marketplace"), prompts=True
    ),
    "resume": lambda folder: asyncio.run(run(folder)),
}
DAMAGES = {
    "removed": lambda path: path.unlink(),
    "emptied": lambda path: path.write_bytes(b""),
    "halved": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "overwritten": lambda path: path.write_bytes(b"\xff\x00 garbage\n" * 9),
    "replaced": lambda path: path.write_text("{}\n"),
}
FILES = ("run.json", "episodes.jsonl", "failures.jsonl", "timings.jsonl", "calls.jsonl",
         "prompts.json", "policy.npz", "summary.json")  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged") / "whole"
    asyncio.run(run(folder))
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "run")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_whatever_is_damaged_is_read_or_refused_in_a_sentence(folder, name, damage):
    DAMAGES[damage](folder / name)
    for reader in READERS.values():
        try:
            reader(folder)
        except SQLBenchError as error:
            assert str(error).endswith(".")


@pytest.mark.parametrize("name", ["episodes.jsonl", "timings.jsonl", "policy.npz", "summary.json"])
def test_what_a_run_can_make_again_it_makes_again(whole, folder, name):
    (folder / name).unlink()
    asyncio.run(run(folder))
    assert (folder / "episodes.jsonl").read_bytes() == (whole / "episodes.jsonl").read_bytes()
    assert (folder / "summary.json").read_text() == (whole / "summary.json").read_text()


@pytest.mark.parametrize("field", ["episode", "question_id", "steps"])
def test_a_line_that_lacks_something_is_named(folder, field):
    path = folder / "episodes.jsonl"
    first, second, *rest = map(json.loads, path.read_text().splitlines())
    del second[field]
    path.write_text("".join(json.dumps(r) + "\n" for r in (first, second, *rest)))
    for reader in ("log", "summary", "resume", *(["steps"] if field != "question_id" else [])):
        with pytest.raises(RunFolderError, match=f"line 2, is damaged: it has no '{field}'"):
            READERS[reader](folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema_version": 2}, "schema version 2; this sqlbench reads version 1"),
        ({"config": {"flux": 1}}, "from a newer sqlbench: flux=1"),
        ({"config": {"episodes": "many"}}, "episodes='many'"),
        ({"notes": None}, "its notes is None"),
        ({"simulated": "perhaps"}, "its simulated is 'perhaps'"),
    ],
)
def test_a_run_json_that_this_version_cannot_read_is_refused(folder, change, said):
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(RunFolderError, match=said):
        Run.open(folder)


def test_a_damaged_policy_is_no_policy(folder):
    path = folder / "policy.npz"
    for content in (b"", b"PK", path.read_bytes()[:-40]):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match="is no saved policy"):
            _ = Run.open(folder).policy


def test_a_file_is_not_taken_for_a_folder(folder):
    with pytest.raises(RunFolderError, match="is a file; name the folder of a run"):
        Run.open(folder / "run.json")
    with pytest.raises(RunFolderError, match="there is no such folder"):
        Run.open(folder / "nowhere")


def test_a_near_miss_is_shown_as_it_would_be_typed():
    assert str(UnknownNameError("repair action", "fix_colum", ARMS)).endswith(
        "Did you mean 'fix_column'?"
    )


def test_the_folder_of_a_sweep_says_that_it_holds_runs_and_where(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "run.json").write_text("{}")
    with pytest.raises(RunFolderError, match=r"no run itself, but holds 2 runs") as caught:
        Run.open(tmp_path)
    assert str(tmp_path / "runs" / "a") in str(caught.value)
    assert f"sqlbench runs {tmp_path}" in str(caught.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunFolderError, match=r"run\.json is missing"):
        Run.open(tmp_path / "empty")
