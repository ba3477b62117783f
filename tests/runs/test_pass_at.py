"""Several first answers a question: drawn once, kept, graded, and counted as pass@k."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from sqlbench.exceptions import ConfigError, ModelSetupError, RunFolderError
from sqlbench.grids.cells import plan
from sqlbench.models import Calling, load_model
from sqlbench.runs.config import RunConfig
from sqlbench.runs.experiment import run_experiment
from sqlbench.runs.pass_at import _chance, pass_at_k
from sqlbench.runs.run import Run
from sqlbench.runs.summary import costs, rates, summarize
from sqlbench.suites import load_suite

SUITE = load_suite("marketplace")
MODEL = load_model("simulated", SUITE)  # it keeps the faults that it has verified


async def sampled(out=None, model=MODEL, **options):
    options = {"episodes": 16, "samples": 4, "max_attempts": 2, "progress": False} | options
    return await run_experiment(SUITE, model, out=out, **options)


@pytest.mark.parametrize(("n", "c"), [(1, 0), (4, 0), (4, 1), (5, 3), (6, 6)])
def test_pass_at_k_is_the_mean_over_all_choices_of_k(n, c):
    answers = [True] * c + [False] * (n - c)
    for k in range(1, n + 1):
        choices = list(itertools.combinations(answers, k))
        share = sum(any(chosen) for chosen in choices) / len(choices)
        assert _chance(np.array([c]), n, k)[0] == pytest.approx(share)


async def test_samples_are_independent_kept_and_counted(tmp_path):
    run = await sampled(tmp_path / "run")
    assert all(len(e.samples) == 4 and e.chosen == 0 for e in run.log)
    for episode in run.log:
        assert episode.samples[0].sql == episode.steps[0].sql
        assert episode.samples[0].success == episode.first
    assert len({s.sql for e in run.log for s in e.samples}) > len(run.log)
    table = pass_at_k(run)
    assert table["rate"].is_monotonic_increasing and list(table.index) == [1, 2, 3, 4]
    right = sum(s.success for e in run.log for s in e.samples) / (4 * len(run.log))
    assert table.loc[1, "rate"] == pytest.approx(right)
    assert table.loc[4, "rate"] == np.mean([any(s.success for s in e.samples) for e in run.log])
    assert (table["low"] <= table["rate"]).all() and (table["rate"] <= table["high"]).all()
    assert rates(run)["any"].rate >= table.loc[4, "rate"]
    assert summarize(run)["pass_at"]["4"][0] == pytest.approx(table.loc[4, "rate"], abs=1e-6)
    calls = sum(len(e.steps) + 3 for e in run.log)
    assert summarize(run)["model_calls"] == calls == run.episodes["model_calls"].sum()
    used = sum(s.prompt_tokens for e in run.log for s in (*e.steps, *e.samples[1:]))
    assert costs(run)["prompt_tokens"] == used == run.episodes["prompt_tokens"].sum()


async def test_the_log_brings_the_samples_back(tmp_path):
    run = await sampled(tmp_path / "run")
    opened = Run.open(tmp_path / "run")
    assert [e.samples for e in opened.log] == [e.samples for e in run.log]
    assert [e.record() for e in opened.log] == [e.record() for e in run.log]


async def test_a_run_with_samples_resumes_to_the_same_bytes(tmp_path):
    whole = (await sampled(tmp_path / "whole")).folder
    torn = (await sampled(tmp_path / "torn")).folder
    log = (torn / "episodes.jsonl").read_bytes()
    (torn / "episodes.jsonl").write_bytes(log[: len(log) // 2])
    await sampled(torn)
    assert (torn / "episodes.jsonl").read_bytes() == (whole / "episodes.jsonl").read_bytes()


async def test_samples_are_stored_like_all_calls(tmp_path):
    calling = Calling(cache=tmp_path / "store.sqlite")
    first = await sampled(calling=calling)
    replayed = await sampled(calling=Calling(cache=calling.cache, cache_mode="replay"))
    assert [e.record() for e in first.log] == [e.record() for e in replayed.log]


async def test_one_sample_is_the_run_that_it_always_was(tmp_path):
    """A configuration that does not set them has neither the field nor another first answer."""
    one, four = await sampled(tmp_path / "one", samples=1), await sampled()
    assert [e.steps[0].sql for e in one.log] == [e.steps[0].sql for e in four.log]
    written = json.loads((tmp_path / "one" / "run.json").read_text())["config"]
    assert not {"samples", "prompts", "start_from"} & written.keys()
    assert not any("samples" in e.record() for e in one.log)
    with pytest.raises(ConfigError, match="one first answer"):
        pass_at_k(one)


async def test_a_file_of_first_answers_cannot_be_sampled(tmp_path):
    lines = [json.dumps({"index": i, "pred": q.gold}) for i, q in enumerate(SUITE)]
    (tmp_path / "answers.jsonl").write_text("\n".join(lines))
    spec = f"predictions:{tmp_path / 'answers.jsonl'}"
    with pytest.raises(ModelSetupError, match="one answer a question"):
        await sampled(model=spec, max_attempts=1)
    with pytest.raises(ModelSetupError, match="one answer a question"):
        plan([RunConfig(model=spec, max_attempts=1, samples=2)], tmp_path / "grid")


async def test_another_number_of_samples_is_another_run(tmp_path):
    await sampled(tmp_path / "run")
    with pytest.raises(RunFolderError, match=r"samples was 4, now None|samples was 4, now 3"):
        await sampled(tmp_path / "run", samples=3)
