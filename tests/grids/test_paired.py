"""Any fields that vary make variants, and the paired table holds what their logs hold."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
from typer.testing import CliRunner

from sqlbench.cli import app
from sqlbench.grids.compare import compare
from sqlbench.grids.paired import NAMED, only, paired_grid, solved_costs
from sqlbench.grids.variants import make_variants, parse_vary
from sqlbench.runs.config import RunConfig
from sqlbench.runs.run import Run

SEEDS = [0, 1]


def threads(*_):
    """Workers in this process: no start-up to pay."""
    return lambda: ThreadPoolExecutor(2)


def test_policy_metric_and_temperature_vary_in_every_combination():
    texts = ["policy=rules,linucb?alpha=0.5", "metric=exact,bird", "temperature=0,0.7"]
    base = RunConfig(episodes=7, max_attempts=2)
    variants = make_variants(base, parse_vary(texts))
    wanted = [
        (policy, metric, temperature)
        for policy in ("rules", "linucb?alpha=0.5")
        for metric in ("exact", "bird")
        for temperature in (0.0, 0.7)
    ]
    assert [(c.policy, c.metric, c.temperature) for c in variants.values()] == wanted
    assert list(variants)[1] == "policy=rules, metric=exact, temperature=0.7"
    rest = {"policy", "metric", "temperature"}
    assert all(
        c.model_dump(exclude=rest) == base.model_dump(exclude=rest) for c in variants.values()
    )


def test_the_command_runs_every_combination(tmp_path, monkeypatch):
    monkeypatch.setattr("sqlbench.grids.grid.processes", threads)
    vary = ["policy=rules,random", "metric=exact,spider", "temperature=0,0.7"]
    command = ["compare", "--episodes", "6", "--max-attempts", "2", "--seeds", "0", "--out"]
    command += [str(tmp_path), *(word for text in vary for word in ("--vary", text))]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    runs = [Run.open(path.parent) for path in (tmp_path / "runs").glob("*/run.json")]
    found = {(r.config.policy, r.config.metric, r.config.temperature) for r in runs}
    assert len(runs) == len(found) == 8 and all(len(r.log) == 6 for r in runs)
    summary = pd.read_csv(tmp_path / "summary.csv")
    assert set(summary["policy"]) == {
        f"policy={p}, metric={m}, temperature={t}"
        for p in ("rules", "random") for m in ("exact", "spider") for t in ("0", "0.7")
    }  # fmt: skip
    assert "nobody else gets" in done.output


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A comparison of three policies, and the log of each of them."""
    out = tmp_path_factory.mktemp("paired")
    variants = {
        p: RunConfig(policy=p, episodes=50, max_attempts=2) for p in ("rules", "random", "oracle")
    }
    found = compare(variants, SEEDS, out, baseline="random", workers=threads(), progress=False)
    logs: dict[str, list] = {name: [] for name in variants}
    for path in sorted(out.glob("*/run.json")):
        run = Run.open(path.parent)
        logs[run.config.policy] += [(run.config.seed, e) for e in run.log]
    return found, logs


def column(comparison, name: str) -> dict[str, str]:
    """A column of the paired table, by variant."""
    grid = paired_grid(comparison)
    place = list(grid.header).index(name)
    return {str(row[0]).partition(" ")[0]: str(row[place]) for row in grid.rows}


def test_the_questions_that_only_one_variant_gets_are_those_of_the_logs(compared):
    comparison, logs = compared
    solved = {name: {e.question_id for _, e in log if e.any} for name, log in logs.items()}
    shown, counts = column(comparison, "nobody else gets"), []
    for name, mine in solved.items():
        others = set().union(*(solved[n] for n in solved if n != name))
        alone = mine - others
        assert set(only(comparison, name)) == alone
        counts.append(len(alone))
        number, _, named = shown[name].partition(" (")
        assert int(number) == len(alone)
        listed = named.rstrip(")").split(", ") if named else []
        assert set(listed) - {"…"} <= alone and len(listed) == min(len(alone), NAMED + 1)
    assert any(counts), "somebody gets what nobody else gets, or this shows nothing"


def test_the_tokens_a_solved_question_are_those_of_the_logs(compared):
    comparison, logs = compared
    shown = column(comparison, "tokens a solved question")
    for name, log in logs.items():
        tokens = sum(s.prompt_tokens + s.completion_tokens for _, e in log for s in e.steps)
        solved = len({(seed, e.question_id) for seed, e in log if e.success})
        costs = solved_costs(comparison, name)
        assert costs == {"solved": solved, "tokens": pytest.approx(tokens / solved), "cost": None}
        assert shown[name] == f"{tokens / solved:,.0f}"
    assert "cost a solved question" not in paired_grid(comparison).header, "nobody knows a price"


def test_one_variant_alone_gets_nothing_that_others_do_not(tmp_path):
    alone = compare(
        {"random": RunConfig(policy="random", episodes=6)}, SEEDS, tmp_path,
        workers=threads(), progress=False,
    )  # fmt: skip
    (row,) = paired_grid(alone).rows
    assert row[-1] == "—" and row[1:6] == ["—"] * 5
