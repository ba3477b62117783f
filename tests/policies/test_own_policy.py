"""A policy of one's own goes wherever sqlbench's go: runs, worker processes, files, replays."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from own_policy import Restless

import sqlbench as sb
from sqlbench.episodes.repair import ARMS
from sqlbench.evidence.collect import collect
from sqlbench.evidence.offpolicy import evaluate_policies
from sqlbench.evidence.offpolicy_logs import LoggedDecisions
from sqlbench.evidence.repair_table import TableError
from sqlbench.evidence.replay import replay
from sqlbench.evidence.synthetic import synthetic_table
from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.grids.compare import compare
from sqlbench.grids.grid import processes
from sqlbench.policies import registry


@pytest.fixture(autouse=True)
def restless(monkeypatch):
    monkeypatch.setattr(registry, "_OWN", {})
    sb.register_policy("restless", Restless)


def test_a_run_with_it_is_resumed_saved_and_evaluated(tmp_path):
    spec = "restless?shy=2&epsilon=0.3"
    options = {"policy": spec, "episodes": 150, "progress": False, "out": tmp_path / "run"}
    run = asyncio.run(sb.run_experiment(**options))
    repairs = run.steps[run.steps["context_error_class"].notna()]
    again = asyncio.run(sb.run_experiment(**options))
    assert again.policy.spec == sb.Run.open(tmp_path / "run").policy.spec == spec
    assert sb.Run.open(tmp_path / "run").policy.updates == len(repairs) > 20
    found, _ = evaluate_policies(LoggedDecisions.from_runs([run]), run, ["restless", "learned"])
    assert found.groupby("estimator")["value"].nunique().eq(1).all(), "they choose alike"


def test_worker_processes_know_it(tmp_path):
    configs = {name: sb.RunConfig(policy=name, episodes=6) for name in ("restless", "random")}
    compared = compare(configs, [0, 1], tmp_path, workers=processes(1), progress=False)
    assert compared.names == ["restless", "random"] and len(compared.episodes) == 24


def test_it_is_replayed_on_a_table_and_learns_from_each_decision(tmp_path):
    table = asyncio.run(
        collect("marketplace", "simulated", tmp_path, task="simple_queries", progress=False)
    )
    found = replay(table, ["restless", "random"], [0, 1], 40)
    columns = found.chosen["restless"]
    assert {table.arms[c] for c in columns.flat} <= {*map(str, ARMS)}
    assert len(np.unique(columns)) > 4
    assert (columns == replay(table, ["restless"], [0, 1], 40).chosen["restless"]).all()


def test_a_table_of_other_arms_is_refused():
    chances = {c: dict.fromkeys(map(str, ARMS), 0.5) for c in ("other", "timeout")}
    table = synthetic_table(chances, {"other": 1.0}, 10, np.random.default_rng(0))
    object.__setattr__(table, "contexts", ("raised",) * 10)
    with pytest.raises(TableError, match="'restless' chooses among the 8 repairs"):
        replay(table, ["restless"], [0, 1])


@pytest.mark.parametrize(
    ("name", "builder", "said"),
    [
        ("linucb", Restless, "is taken"),
        ("oracle", Restless, "is taken"),
        ("Rest less", Restless, "'Rest less'"),
        ("", Restless, "not ''"),
        (3, Restless, "not 3"),
        ("fine", Restless(), "needs a class or function"),
    ],
)
def test_a_name_that_will_not_do_is_refused(name, builder, said):
    with pytest.raises(ConfigError, match=said):
        sb.register_policy(name, builder)


def test_what_makes_no_policy_is_named_when_it_is_made():
    sb.register_policy("idle", object)
    with pytest.raises(ConfigError, match=r"'idle' is no .*lacks select, update, "):
        sb.make_policy("idle")


def test_an_object_or_an_unknown_parameter_is_refused_by_name():
    with pytest.raises(ConfigError, match="register_policy"):
        asyncio.run(sb.run_experiment(policy=Restless(), progress=False))
    with pytest.raises(UnknownNameError, match=r"'shi'.*Did you mean 'shy'"):
        sb.make_policy("restless?shi=1")
    with pytest.raises(UnknownNameError, match="Did you mean 'restless'"):
        sb.make_policy("restles")


def test_a_policy_whose_init_forgets_its_parents_is_refused_by_name():
    class Forgetful(Restless):
        def __init__(self):
            self.shy = 1.0

    sb.register_policy("forgetful", Forgetful)
    with pytest.raises(ConfigError, match=r"'forgetful' has an __init__ that does not call super"):
        registry.make_policy("forgetful")
