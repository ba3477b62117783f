"""Grids and comparisons: the same cells once, whatever dies on the way; pairs stay pairs."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from sqlbench.cli import main
from sqlbench.cli.compare import parse_policies
from sqlbench.exceptions import ConfigError, RunFolderError, UnknownNameError, WorkerError
from sqlbench.grids.compare import Comparison, compare, comparison_table, outcomes
from sqlbench.grids.grid import processes, run_grid
from sqlbench.plots import compare as plots_compare
from sqlbench.runs.config import RunConfig, parse_seeds
from sqlbench.runs.experiment import run_experiment
from sqlbench.runs.run import Run

EPISODES = 40


def threads():
    """Two workers in this process: no start-up to pay."""
    return ThreadPoolExecutor(2)


def variants(*policies, **options):
    return {p: RunConfig(policy=p, **{"episodes": EPISODES} | options) for p in policies}


def log_bytes(run: Run) -> tuple[str, bytes]:
    return run.folder.name, (run.folder / "episodes.jsonl").read_bytes()


def die_once(run: Run) -> tuple[str, bytes]:
    """Kill the worker that finishes the first cell, as the kernel does when memory runs out."""
    marker = run.folder.parent / "died"
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return log_bytes(run)


def die_always(run: Run) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail(run: Run) -> None:
    raise AssertionError("nothing should have been run")


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    return compare(
        variants("linucb", "random", "oracle", "resample"),
        [0, 1, 2],
        tmp_path_factory.mktemp("grid"),
        workers=threads,
        progress=False,
    )


def test_a_grid_gives_the_same_bytes_in_processes_and_threads_and_after_a_killed_worker(tmp_path):
    configs = [RunConfig(policy="rules", episodes=EPISODES, seed=s) for s in range(3)]
    calm = run_grid(configs, tmp_path / "a", log_bytes, workers=threads, progress=False)
    killed = run_grid(configs, tmp_path / "b", die_once, workers=processes(2), progress=False)
    assert (tmp_path / "b" / "died").exists()
    assert calm == killed
    assert len({name for name, _ in calm}) == 3


def test_a_finished_cell_is_read_and_not_run_again(tmp_path):
    configs = [RunConfig(policy="rules", episodes=10)]
    first = run_grid(configs, tmp_path, log_bytes, workers=threads, progress=False)
    folder = next(tmp_path.iterdir())
    before = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    again = run_grid(configs * 2, tmp_path, log_bytes, workers=threads, progress=False)
    assert again == first * 2
    assert before == {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}


def test_workers_that_die_again_and_again_end_the_grid_with_a_sentence(tmp_path):
    with pytest.raises(WorkerError, match="memory"):
        run_grid(
            [RunConfig(policy="rules", episodes=3)],
            tmp_path,
            die_always,
            workers=processes(1),
            progress=False,
        )


@pytest.mark.parametrize("change", [{"policy": "no"}, {"suite": "no"}, {"model": "no"}])
def test_a_cell_that_cannot_run_is_refused_before_anything_runs(change, tmp_path):
    configs = [RunConfig(), RunConfig(**change)]
    with pytest.raises(UnknownNameError, match="'no'"):
        run_grid(configs, tmp_path / "grid", fail, workers=threads, progress=False)
    assert not (tmp_path / "grid").exists()


def test_first_answers_are_common_to_all_policies(comparison):
    table = comparison.episodes.pivot(index=["seed", "episode"], columns="policy", values="first")
    assert (table.nunique(axis=1) == 1).all()
    assert comparison.runs.groupby("seed")["first"].nunique().eq(1).all()


def test_summary_is_sorted_and_its_intervals_hold_the_means(comparison):
    summary = comparison.summary
    assert summary["repair_rate"].is_monotonic_decreasing
    for rate in (*comparison.rates, "model_calls", "tokens"):
        assert (summary[f"{rate}_low"] <= summary[rate]).all()
        assert (summary[rate] <= summary[f"{rate}_high"]).all()
    baseline = summary[summary["policy"] == "random"].iloc[0]
    assert (baseline[["difference", "difference_low", "difference_high"]] == 0).all()


def test_a_paired_difference_is_the_difference_of_the_rates(comparison):
    rates = comparison.summary.set_index("policy")["repair_rate"]
    found = comparison.difference("oracle", "random")
    assert found.estimate == pytest.approx(rates["oracle"] - rates["random"])
    assert found.low < found.estimate < found.high


def test_the_gap_closed_is_0_for_one_end_and_1_for_the_other(comparison):
    whole = range(EPISODES)
    assert comparison.gap_closed("random", episodes=whole).estimate == 0
    assert comparison.gap_closed("oracle", episodes=whole).estimate == 1
    r, o, mine = (
        comparison.summary.set_index("policy")["repair_rate"][p]
        for p in ("random", "oracle", "linucb")
    )
    found = comparison.gap_closed("linucb", episodes=whole, by="seed")
    assert found.estimate == pytest.approx((mine - r) / (o - r))
    assert found.clusters == 3


@pytest.mark.filterwarnings("error")
def test_a_tiny_comparison_says_what_is_unknown_instead_of_nan(comparison):
    first = comparison.episodes[comparison.episodes["episode"] == 0]
    solved = first.assign(success=True)
    tiny = Comparison(solved, comparison.config.model_copy(update={"episodes": 1}), "random")
    text = comparison_table(tiny)
    assert "unknown" in text and "nan" not in text
    assert text.endswith("More episodes tell.") and "More episodes tell." in str(tiny.card())
    assert plots_compare.final_rates(tiny).get_title("left")
    full = comparison_table(comparison)
    assert "unknown" not in full and "nan" not in full and "More episodes tell." not in full


def test_regret_is_0_for_the_oracle_and_unknown_for_resample(comparison):
    regret = comparison.runs.groupby("policy")["regret"]
    assert regret.max()["oracle"] == 0
    assert regret.min()["random"] > 0
    assert regret.count()["resample"] == 0
    assert comparison.label("resample") == "resample (pass@5)"
    assert " regret " in comparison_table(comparison)


@pytest.mark.parametrize(
    ("first", "repairs", "known"),
    [("simulated:measured", "simulated", True), ("simulated", "simulated:measured", False)],
)
def test_regret_is_taken_on_the_model_that_repairs(first, repairs, known, tmp_path):
    """All arms of `measured` are alike: where it repairs, nobody can choose wrongly."""
    options = {"policy": "random", "episodes": 20, "out": tmp_path / "run", "progress": False}
    run = asyncio.run(run_experiment(model=first, repair_model=repairs, **options))
    assert (outcomes(run)["regret"].sum() > 0) == known


def test_curves_have_a_column_a_seed_and_end_at_the_windows_rate(comparison):
    curve = comparison.curves("linucb", window=20)
    assert curve.shape == (EPISODES - 19, 3)
    mine = comparison.episodes.query("policy == 'linucb' and seed == 1 and episode >= 20")
    assert curve[1].iloc[-1] == pytest.approx(mine[~mine["first"].astype(bool)]["success"].mean())
    assert (comparison.area("linucb", window=20) == curve.mean()).all()
    assert comparison.regret_curves("random").diff().dropna().ge(-1e-12).all(axis=None)


def test_always_feedback_gives_fixed_broken_and_net(tmp_path):
    found = compare(
        variants("rules", "random", feedback="always"),
        [0, 1],
        tmp_path,
        workers=threads,
        progress=False,
    )
    for row in found.summary.to_dict("records"):
        mine = found.episodes[found.episodes["policy"] == row["policy"]]
        first, last = mine["first"].astype(bool), mine["success"].astype(bool)
        assert row["fixed"] == pytest.approx(last[~first].mean())
        assert row["broken"] == pytest.approx(1 - last[first].mean())
        assert row["net"] == pytest.approx(last.mean() - first.mean())
    assert (found.episodes["attempts"] == 2).all()


def test_variants_that_say_the_same_are_one_run_and_compare_alike(tmp_path):
    """Two folders of the same prompts, for example: their hash is one."""
    alike = {name: RunConfig(policy="rules", episodes=30) for name in ("one", "other")}
    found = compare(alike, seeds=[0, 1], out=tmp_path, baseline="one")
    assert len(list(tmp_path.glob("*/episodes.jsonl"))) == 2, "a run a seed"
    summary = found.summary.set_index("policy")
    assert summary.loc["one", "repair_rate"] == summary.loc["other", "repair_rate"]
    assert summary.loc["other", "difference"] == 0 and not found.failed


def test_what_cannot_be_compared_is_refused(tmp_path):
    two = variants("rules", "random")
    with pytest.raises(ConfigError, match="at least two seeds"):
        compare(two, [3, 3], tmp_path)
    with pytest.raises(UnknownNameError, match="baseline 'table'"):
        compare(two, [0, 1], tmp_path, baseline="table")
    with pytest.raises(ConfigError, match="pair up"):
        compare(two | {"x": RunConfig(episodes=1)}, [0, 1], tmp_path)
    assert not any(tmp_path.iterdir())
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(RunFolderError, match="the folder of one run"):
        compare(two, [0, 1], tmp_path)


def test_seeds_and_policies_are_read_from_the_command_line():
    assert parse_seeds("0-3,7") == [0, 1, 2, 3, 7]
    assert "oracle" in parse_policies("all")
    assert "oracle" not in parse_policies("all", simulated=False)
    assert parse_policies("table, rules,table") == ["table", "rules"]
    for text in ("0-x", "5-1", "", "1,", "-1", "1-"):
        with pytest.raises(ConfigError, match=f"not {text!r}"):
            parse_seeds(text)
    for text in ("0-1000000", "0-9,0-999999", "7,0-99999999999999999999"):
        with pytest.raises(ConfigError, match="at most 1,000,000 seeds"):
            parse_seeds(text)


@pytest.fixture
def sqlbench(monkeypatch, capsys, tmp_path):
    """Run the command line in this process; return exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def command(line: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sqlbench", *line.split()])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()

    return command


def test_the_command_writes_both_tables_and_prints_the_best_first(sqlbench, tmp_path):
    code, shown, _ = sqlbench(
        "compare --policies rules,random,oracle --seeds 0,1 --episodes 30 --out cmp"
    )
    assert code == 0
    assert "(simulated model)" in shown
    assert shown.index("oracle") < shown.index("random |")
    header = (tmp_path / "cmp" / "runs.csv").read_text().splitlines()[0]
    assert header == "policy,seed,repair_rate,first,field,any,model_calls,tokens,regret"
    summary = (tmp_path / "cmp" / "summary.csv").read_text().splitlines()[0].split(",")
    assert {"repair_rate_low", "difference_high"} <= set(summary)


@pytest.mark.parametrize(
    ("options", "heading"),
    [
        ("--policies rules,random", "policy"),
        ("--vary policy=rules,random", "policy"),
        ("--vary max_attempts=1,2", "variant"),
        ("--vary max_attempts=1,2 --policies rules,random", "variant"),
        ("--vary max_attempts=3", "variant"),
    ],
)
def test_the_first_column_is_headed_by_what_varies(sqlbench, options, heading):
    code, shown, _ = sqlbench(f"compare {options} --seeds 0,1 --episodes 5 --workers 1 --out cmp")
    assert code == 0
    (first, *_) = [line for line in shown.splitlines() if line.startswith("|")]
    assert first.split()[1] == heading


def test_the_command_passes_hindsight_on_to_every_run(sqlbench, tmp_path):
    code, _, _ = sqlbench(
        "compare --policies rules,random --seeds 0,1 --episodes 5 --hindsight 0 --out cmp"
    )
    assert code == 0
    folders = [f for f in (tmp_path / "cmp" / "runs").iterdir() if f.is_dir()]
    assert len(folders) == 4
    assert all(Run.open(folder).config.hindsight == 0.0 for folder in folders)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--seeds 4", "at least two seeds"),
        ("--policies linucb,tabel", "Did you mean 'table'"),
        ("--policies linucb?alhpa=1", "alhpa"),
        ("--feedback never", "never"),
        ("--baseline ucb1", "ucb1"),
        ("--seeds 1..3", "1..3"),
        ("--workers 0", "workers is at least 1, not 0"),
        ("--workers -1", "workers is at least 1, not -1"),
        ("--hindsight nan", "hindsight=nan will not do"),
        ("--policies fixed:fix_colum", "Did you mean 'fix_column'?"),
        ("--out /dev/null", "'/dev/null' is a file"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(arguments, said, sqlbench):
    code, _, error = sqlbench(f"compare --episodes 5 {arguments}")
    assert code == 2
    assert said in error
    assert error.strip().count("\n") == 0
