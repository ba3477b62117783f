import asyncio
from pathlib import Path

import pytest

import sqlbench as sb
from sqlbench.evidence.collect import collect
from sqlbench.runs.files import is_free


class Killed(BaseException):
    """What nothing cleans up after, like a kill."""


def killed_before(n, monkeypatch, work):
    """Do work up to the n-th file that is put in place."""
    replace, seen = Path.replace, []

    def counting(self, target):
        seen.append(target)
        if len(seen) == n:
            raise Killed
        return replace(self, target)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Path, "replace", counting)
        work()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_run_that_was_killed_as_it_took_its_folder_is_begun_anew(tmp_path, monkeypatch, n):
    def play(out=tmp_path / "r"):
        asyncio.run(sb.run_experiment(policy="random", episodes=3, out=out, progress=False))

    killed_before(n, monkeypatch, play)
    play()
    play(tmp_path / "undisturbed")
    for name in ("run.json", "prompts.json", "episodes.jsonl", "policy.npz", "summary.json"):
        whole = (tmp_path / "undisturbed" / name).read_bytes()
        assert (tmp_path / "r" / name).read_bytes() == whole, name


def test_a_collection_that_was_killed_as_it_took_its_folder_is_begun_anew(tmp_path, monkeypatch):
    def gather():
        asyncio.run(
            collect("marketplace", "simulated", tmp_path, task="simple_queries", progress=False)
        )

    killed_before(1, monkeypatch, gather)
    gather()
    assert (tmp_path / "table.json").exists()


def test_a_folder_with_anything_else_in_it_is_not_free(tmp_path):
    for name in ("lock", "run.json.partial"):
        (tmp_path / name).touch()
        assert is_free(tmp_path, "run.json")
    (tmp_path / "prompts.json").touch()
    assert not is_free(tmp_path, "run.json")
    (tmp_path / "run.json").touch()
    assert is_free(tmp_path, "run.json")
    assert is_free(tmp_path / "absent", "run.json")
