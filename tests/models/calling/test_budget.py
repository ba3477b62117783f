"""What calls cost, and the budget that they never pass."""

from __future__ import annotations

import asyncio

import pytest
from served import answers_for, run_on, serve

import sqlbench as sb
from sqlbench.exceptions import ConfigError
from sqlbench.models import Calling
from sqlbench.models.endpoint.openai import OpenAIModel
from sqlbench.runs.experiment import run_experiment


@pytest.fixture(scope="module")
def suite():
    return sb.load_suite("marketplace")


PRICES = """
[m]
prompt = 1.0
cached = 0.5
completion = 4.0
"""


def test_a_budget_is_never_passed_and_the_run_goes_on_with_a_larger_one(suite, tmp_path):
    prices = tmp_path / "prices.toml"
    prices.write_text(PRICES)
    with serve(tmp_path, answers_for(suite), faults={"error": 0.1}) as server:
        free = run_on(server, suite, tmp_path / "free", prices=prices)
        whole = free.summary["cost"]
        for share in (0.3, 0.6):
            with pytest.raises(Exception, match="larger --budget") as caught:
                run_on(server, suite, tmp_path / "run", budget=whole * share, prices=prices)
            assert type(caught.value).__name__ == "BudgetReachedError"
            run = sb.Run.open(tmp_path / "run")
            spent = sum(c["cost"] for c in run.calls())
            assert 0.7 * whole * share < spent <= whole * share
            assert not run.finished and not (tmp_path / "run" / "summary.json").exists()
        run_on(server, suite, tmp_path / "run", budget=whole * 2, prices=prices)
    for name in ("episodes.jsonl", "summary.json"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "free" / name).read_bytes()


def test_cost_follows_from_the_tokens_and_the_prices(suite, tmp_path):
    prices = tmp_path / "prices.toml"
    prices.write_text(PRICES)
    with serve(tmp_path, answers_for(suite)) as server:
        run_on(server, suite, tmp_path / "run", episodes=20, prices=prices)
    run = sb.Run.open(tmp_path / "run")
    steps = [s for e in run.log for s in e.steps]
    fresh = sum(s.prompt_tokens - s.cached_tokens for s in steps)
    cached, completion = (
        sum(getattr(s, f"{part}_tokens") for s in steps) for part in ("cached", "completion")
    )
    expected = (fresh * 1.0 + cached * 0.5 + completion * 4.0) / 1e6
    summary = run.summary
    assert summary["cost"] == pytest.approx(expected, abs=1e-6)
    assert sum(c["cost"] for c in run.calls()) == pytest.approx(expected, abs=1e-6)
    solved = len({e.question_id for e in run.log if e.success})
    assert summary["questions_solved"] == solved > 0
    assert summary["cost_per_solved"] == pytest.approx(expected / solved, abs=1e-6)
    assert "cost / per solved question" in sb.analysis.run_table(run)


TWO_PRICES = (
    PRICES
    + """
[n]
prompt = 10.0
cached = 3.0
completion = 50.0
"""
)


def run_two(server, suite, folder, **calling):
    """Answers by m, repairs by n."""
    options = Calling(answer_seconds=30.0, **calling)

    async def go():
        first, repairs = (OpenAIModel(name, server.environ, options) for name in "mn")
        try:
            return await run_experiment(
                suite, first, "random", repair_model=repairs, episodes=25, lag=7, concurrency=8,
                out=folder, progress=False, calling=options,
            )  # fmt: skip
        finally:
            await first.aclose()
            await repairs.aclose()

    return asyncio.run(go())


def test_answers_and_repairs_by_two_models_have_a_price_each(suite, tmp_path):
    """With cached tokens, and with reasoning tokens, which are completion tokens already."""
    prices = tmp_path / "prices.toml"
    prices.write_text(TWO_PRICES)
    with serve(tmp_path, answers_for(suite)) as server:
        run_two(server, suite, tmp_path / "run", prices=prices)
        requests = server.stats["requests"]
        budget = sb.Run.open(tmp_path / "run").summary["cost"] * 0.5
        with pytest.raises(Exception, match="larger --budget"):
            run_two(server, suite, tmp_path / "half", prices=prices, budget=budget)
    run = sb.Run.open(tmp_path / "run")
    values = {"m": (1.0, 0.5, 4.0), "n": (10.0, 3.0, 50.0)}
    expected, by_model = 0.0, dict.fromkeys("mn", 0.0)
    for episode in run.log:
        for step in episode.steps:
            name = "m" if step.attempt == 1 else "n"
            prompt, cached, completion = values[name]
            assert 0 < step.cached_tokens < step.prompt_tokens and step.reasoning_tokens == 5
            cost = (step.prompt_tokens - step.cached_tokens) * prompt
            cost += step.cached_tokens * cached + step.completion_tokens * completion
            by_model[name] += cost / 1e6
    expected = sum(by_model.values())
    assert all(by_model.values())
    assert run.summary["cost"] == pytest.approx(expected, abs=1e-6)
    calls = list(run.calls())
    assert len(calls) == requests
    for name, cost in by_model.items():
        of_it = [c["cost"] for c in calls if c["model"] == f"openai:{name}"]
        assert sum(of_it) == pytest.approx(cost, abs=1e-9)
    # What a repair may cost is set aside before it is sent, and that is much here.
    assert 0 < sum(c["cost"] for c in sb.Run.open(tmp_path / "half").calls()) <= budget


def test_a_budget_for_two_models_needs_both_prices(suite, tmp_path):
    prices = tmp_path / "prices.toml"
    prices.write_text(PRICES)
    with serve(tmp_path, answers_for(suite)) as server:
        with pytest.raises(ConfigError, match="there is none for 'openai:n'"):
            run_two(server, suite, tmp_path / "run", prices=prices, budget=1.0)
        assert "requests" not in server.stats
    with serve(tmp_path, answers_for(suite)) as server:
        finished = run_two(server, suite, tmp_path / "free", prices=prices)
    assert finished.summary["cost"] is None, "half a cost is none"


def test_max_calls_counts_every_request_over_all_resumptions(suite, tmp_path):
    with serve(tmp_path, answers_for(suite), faults={"error": 0.2}) as server:
        for limit in (10, 25):
            with pytest.raises(Exception, match=f"{limit} of {limit} calls are made"):
                run_on(server, suite, tmp_path / "run", max_calls=limit)
            assert server.stats["requests"] == limit


def test_a_budget_without_a_price_is_refused_before_any_call(suite, tmp_path):
    with serve(tmp_path, answers_for(suite)) as server:
        with pytest.raises(ConfigError, match="there is none for 'openai:m'"):
            run_on(server, suite, tmp_path / "run", budget=1.0)
        assert "requests" not in server.stats
    assert not (tmp_path / "run").exists(), "a run that is refused leaves no folder"


@pytest.mark.parametrize(
    ("text", "match"),
    [("[m]\nprompt = 1", "needs prompt and completion"), ("[m", "cannot be read"),
     ("[m]\nprompt = -1\ncompletion = 1", "at least 0"),
     ("[m]\nprompt = 1\ncompletion = 1\noutput = 3", "needs prompt")],
)  # fmt: skip
def test_malformed_prices_are_refused_by_name(suite, tmp_path, text, match):
    (tmp_path / "prices.toml").write_text(text)
    with serve(tmp_path) as server, pytest.raises(ConfigError, match=match):
        run_on(server, suite, prices=tmp_path / "prices.toml", budget=1.0)


def test_a_dry_run_calls_nobody_and_bounds_what_comes(suite, tmp_path, monkeypatch):
    from sqlbench.runs.config import RunConfig
    from sqlbench.runs.estimate import estimate_run

    prices = tmp_path / "prices.toml"
    prices.write_text(PRICES)
    with serve(tmp_path, answers_for(suite)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        options = Calling(prices=prices)
        config = RunConfig(model="openai:m", episodes=30, lag=31)
        before = estimate_run(config, options, out=tmp_path / "run")
        assert "requests" not in server.stats and not (tmp_path / "run").exists()
        with pytest.raises(Exception, match="max-calls"):
            run_on(server, suite, tmp_path / "run", episodes=30, max_calls=20, prices=prices)
        half = estimate_run(config, options, out=tmp_path / "run")
        finished = run_on(server, suite, tmp_path / "run", episodes=30, prices=prices)
        after = estimate_run(config, options, out=tmp_path / "run")
    calls = sum(e.model_calls for e in finished.log)
    assert before.calls == (30, 150) and before.calls[0] <= calls <= before.calls[1]
    tokens = finished.summary["prompt_tokens"]
    assert before.prompt_tokens[0] <= tokens <= before.prompt_tokens[1]
    assert before.worst_cost >= finished.summary["cost"]
    assert half.stored > 0 and half.calls[0] < 30
    assert after.calls == (0, 0)
    assert "30 to 150" in before.table()
