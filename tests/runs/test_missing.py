"""A run that lost episodes says how many, why, and what its rates are worth."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from answering import answering, whole
from failing import Failing
from folders import ROOT

import sqlbench as sb
from sqlbench.exceptions import UnknownNameError
from sqlbench.models import ModelError
from sqlbench.models.simulated.simulated import SimulatedModel
from sqlbench.reports.transcript import transcript
from sqlbench.runs.missing import failure_lines, survivors_note, why_missing


class Losing(SimulatedModel):
    """Fails at every nth question's episode, with a reason of its own."""

    def __init__(self, suite, every, reasons=1):
        super().__init__(suite)
        self.every, self.reasons, self.asked = every, reasons, 0

    async def complete(self, request):
        if request.attempt == 1:
            self.asked += 1
            if self.asked % self.every == 0:
                which = "abcde"[self.asked // self.every % self.reasons]
                raise ModelError(f"request {self.asked}: {which} broke", "refused")
        return await super().complete(request)


@pytest.fixture(scope="module")
def suite():
    return sb.load_suite("marketplace")


def run(model, episodes, **more):
    return asyncio.run(
        sb.run_experiment("marketplace", model, "random", episodes=episodes, progress=False, **more)
    )


@pytest.mark.parametrize(("every", "says"), [(5, True), (10, False), (100, False)])
def test_rates_of_survivors_are_called_so_above_a_tenth(suite, every, says):
    finished = run(Losing(suite, every), 20, max_attempts=1)
    assert len(finished.failed) == 20 // every
    assert ("survivors" in sb.analysis.run_table(finished)) is says
    assert ("survivors" in repr(finished.card())) is says or not says
    assert (survivors_note(finished) is not None) is says


def test_three_reasons_are_told_with_their_counts_and_the_others_counted(suite):
    lines = failure_lines(run(Losing(suite, 1, reasons=5), 14, max_attempts=1).failed)
    assert [line.split(" × ")[0] for line in lines] == ["3", "3", "3", "5"]
    assert lines[0].endswith("broke") and "other reasons" in lines[-1]


def test_an_episode_that_is_missing_says_why(suite):
    lost = run(Losing(suite, 2), 4, max_attempts=1)
    index = lost.failed[0]["episode"]
    text = transcript(lost, index, suite)
    assert "is missing: at attempt 1" in text and "(refused): request 2: a broke" in text
    assert "Repeat the command" in text
    assert why_missing(lost, lost.log[0].index) is None
    with pytest.raises(UnknownNameError, match="Unknown episode '4'"):
        transcript(lost, 4, suite)


def test_an_episode_that_has_not_run_says_so(suite, tmp_path):
    with pytest.raises(Exception, match="too long"):
        run(Failing(suite, 3, "setup"), 9, out=tmp_path)
    begun = sb.Run.open(tmp_path)
    assert "has not run yet" in transcript(begun, 8, suite)


def sqlbench(*arguments, url):
    return subprocess.run(
        [sys.executable, "-m", "sqlbench", *map(str, arguments)], capture_output=True, text=True,
        cwd=ROOT, timeout=120, env={"OPENAI_BASE_URL": url, "PATH": "", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_a_run_whose_calls_all_failed_ends_with_an_exit_code_and_its_reasons(tmp_path):
    with answering(lambda request: (200, whole("", "length", reasoning="Hm."))) as endpoint:
        asked = ("run", "--model", "openai:m", "--episodes", 3, "--out", tmp_path)
        out = sqlbench(*asked, url=endpoint.url)
        assert out.returncode == 1, out.stderr
        assert "3 of 3 episodes failed. Repeat the command" in out.stdout
        assert "3 × The model only thought" in out.stdout and "(100%) are missing" in out.stdout
        shown = sqlbench("show", tmp_path, 0, url=endpoint.url)
        assert shown.returncode == 0 and "is missing" in shown.stdout
        assert "Unclosed" not in out.stderr + shown.stderr


def test_an_answer_that_was_cut_off_is_counted_and_shown(suite):
    with answering(lambda request: (200, whole("SELECT COUNT(*) FR", "length"))) as endpoint:
        cut = run(endpoint.model(), 2, max_attempts=2)
    assert cut.summary["cut_answers"] == 4 and "| answers cut off " in sb.analysis.run_table(cut)
    assert all(step.cut and step.record()["cut"] for e in cut.log for step in e.steps)
    assert "cut off at its limit of tokens" in transcript(cut, 0, suite)
    assert "cut_answers" not in run("simulated", 2).summary


def test_a_run_that_lost_everything_has_no_survivors_to_speak_of(suite):
    text = sb.analysis.run_table(run(Losing(suite, 1), 4, max_attempts=1))
    assert "4 of 4 episodes (100%) are missing" in text and "survivors" not in text
