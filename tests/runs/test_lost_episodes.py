"""A run that loses episodes is the same wherever it is killed, and tries them again at its end."""

from __future__ import annotations

import asyncio
import shutil

import pytest

import sqlbench as sb
from sqlbench.models import ModelError
from sqlbench.models.simulated.simulated import SimulatedModel

RESULTS = ("episodes.jsonl", "policy.npz", "summary.json", "run.json")
EPISODES = 60


class Refusing(SimulatedModel):
    """Refuses every fifth question, and some arms' repairs of every other: always the same."""

    refuses = True

    async def complete(self, request):
        number = int(request.question_id.rpartition("_")[2])
        arm = number % 2 and request.action in ("rewrite_full", "fix_column", "fix_table")
        if self.refuses and (number % 5 == 0 or arm):
            raise ModelError("The prompt is refused.", "refused")
        return await super().complete(request)


@pytest.fixture(scope="module")
def suite():
    return sb.load_suite("marketplace")


def run(suite, folder, lag, *, refuses=True, episodes=EPISODES):
    model = Refusing(suite)
    model.refuses = refuses
    return asyncio.run(
        sb.run_experiment(
            suite, model, "hybrid", episodes=episodes, lag=lag, concurrency=6, seed=2, out=folder,
            progress=False,
        )
    )  # fmt: skip


def results(folder):
    return {name: (folder / name).read_bytes() for name in RESULTS}


def killed(whole, folder, finished):
    """Leave what a process leaves that is killed after so many finished episodes."""
    shutil.copytree(whole, folder)
    for name in ("policy.npz", "summary.json"):
        (folder / name).unlink()
    log = (whole / "episodes.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "episodes.jsonl").write_bytes(b"".join(log[:finished]))
    (folder / "failures.jsonl").write_bytes(b"")
    return folder


@pytest.mark.parametrize("lag", [0, 5, 15])
def test_a_killed_run_loses_the_same_and_goes_on_to_the_same_bytes(suite, tmp_path, lag):
    whole = tmp_path / "whole"
    lost = run(suite, whole, lag).failed
    assert len({record["attempt"] for record in lost}) > 1, "first answers and repairs"
    for finished in (1, 7, 16, 30):
        again = killed(whole, tmp_path / f"killed{finished}", finished)
        assert [r["episode"] for r in run(suite, again, lag).failed] == [r["episode"] for r in lost]
        assert results(again) == results(whole), f"killed after {finished}"


@pytest.mark.parametrize("lag", [0, 15])
def test_a_run_that_lost_episodes_grows_to_the_larger_one(suite, tmp_path, lag):
    run(suite, tmp_path / "large", lag)
    run(suite, tmp_path / "small", lag, episodes=35)
    run(suite, tmp_path / "small", lag)
    assert results(tmp_path / "small") == results(tmp_path / "large")


@pytest.mark.parametrize("lag", [0, 15])
def test_what_was_lost_is_tried_again_last_and_wherever_that_is_killed(suite, tmp_path, lag):
    whole = tmp_path / "whole"
    broken = run(suite, whole, lag)
    kept, last = len(broken.log), broken.log[-1].index
    lost = sorted((r["episode"] for r in broken.failed), key=lambda index: index < last)
    before = (whole / "episodes.jsonl").read_bytes()
    mended = run(suite, whole, lag, refuses=False)
    assert not mended.failed
    assert [e.index for e in mended.log[kept:]] == lost
    assert (whole / "episodes.jsonl").read_bytes().startswith(before)
    again = killed(whole, tmp_path / "killed", kept + 4)
    run(suite, again, lag, refuses=False)
    assert results(again) == results(whole)
