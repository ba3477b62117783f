"""Runs for other tools: tables, LaTeX, MLflow, Inspect, and a rate that CI insists on."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from sqlbench.episodes.repair import ARMS
from sqlbench.exceptions import ConfigError, MissingExtraError, UnknownNameError
from sqlbench.grids.sweep import make_grid, run_sweep
from sqlbench.models import load_model
from sqlbench.reports.export import export, latex_table, tables
from sqlbench.reports.run_list import find_runs
from sqlbench.runs.experiment import run_experiment
from sqlbench.runs.run import Run
from sqlbench.runs.summary import rates
from sqlbench.runs.threshold import BelowThresholdError, check_threshold, parse_threshold
from sqlbench.suites import load_suite


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("export")
    suite = load_suite("marketplace")
    model = load_model("simulated", suite)
    for policy in ("linucb", "random"):
        asyncio.run(
            run_experiment(suite, model, policy, episodes=20, out=root / policy, progress=False)
        )
    return root


def test_the_tables_hold_what_the_runs_hold(folder, tmp_path):
    written = export(folder, "csv", tmp_path)
    assert [p.name for p in written] == ["questions.csv", "episodes.csv", "steps.csv"]
    questions, episodes, steps = (pd.read_csv(p) for p in written)
    runs = [Run.open(folder / n) for n in ("linucb", "random")]
    assert len(episodes) == 40 and len(questions) == 2 * len(runs[0].suite)
    assert len(steps) == sum(len(e.steps) for r in runs for e in r.log)
    assert set(episodes["policy"]) == {"linucb", "random"} and episodes["simulated"].all()
    needed = {"text", "difficulty", "reason", "row_count", "prompt_tokens", "model_seconds"}
    needed |= {"query_seconds", "cost", "model", "policy", "seed"}
    needed |= {f"score_{arm}" for arm in ARMS}
    assert needed <= set(steps.columns)
    logged = [s.scores for e in runs[0].log for s in e.steps if s.scores]
    shown = steps[(steps["policy"] == "linucb") & steps["propensity"].notna()]
    assert shown["score_fix_column"].tolist() == pytest.approx([s["fix_column"] for s in logged])
    assert (steps["query_seconds"] > 0).all()


def test_the_latex_table_has_every_rate_with_its_interval_and_no_bare_sign(folder):
    text = latex_table([Run.open(folder / "linucb"), Run.open(folder / "random")])
    found = rates(Run.open(folder / "linucb"))["any"]
    assert f"{100 * found.rate:.1f} [{100 * found.low:.1f}, {100 * found.high:.1f}]" in text
    assert text.count("\\begin{tabular}") == text.count("\\end{tabular}") == 1
    body = text[text.index("\\midrule") : text.index("\\bottomrule")]
    assert not re.search(r"(?<!\\)[_%#]", body) and "simulated model" in body
    assert all(line.count("&") == 7 for line in body.splitlines() if "&" in line)


def test_no_two_rows_of_the_latex_table_are_alike(folder, tmp_path):
    given = {"policy": "linucb", "progress": False}
    one = asyncio.run(run_experiment(episodes=20, max_attempts=1, **given))
    two = asyncio.run(run_experiment(episodes=20, repair_model="simulated:measured", **given))
    text = latex_table([Run.open(folder / "linucb"), one, two])
    head, body = text[text.index("\\toprule") : text.index("\\bottomrule")].split("\\midrule")
    assert "repair model & max attempts & first" in head
    rows = [[c.strip() for c in line.split("&")] for line in body.splitlines() if "&" in line]
    assert [row[4:6] for row in rows] == [["--", "5"], ["--", "1"], ["simulated:measured", "5"]]


@pytest.fixture(scope="module")
def measured():
    """A run with doubts, whose policy scores `keep` beside the repairs."""
    running = run_experiment(
        "marketplace", "simulated", "linucb?arms=rewrite_full,fix_column,keep", episodes=20,
        feedback="always", signals=True, progress=False,
    )  # fmt: skip
    return asyncio.run(running)


def test_doubts_and_the_score_of_keeping_are_in_the_steps(measured):
    steps = tables([measured])["steps"]
    logged = [s for e in measured.log for s in e.steps]
    assert steps["doubt"].tolist() == [s.known.doubt for s in logged]
    kept = [s.scores["keep"] for s in logged if s.scores]
    assert kept and steps["score_keep"].dropna().tolist() == kept


def test_the_latex_table_has_each_rate_that_a_run_has_in_the_order_of_its_own_table(
    folder, measured
):
    text = latex_table([Run.open(folder / "linucb"), measured])
    head = text[text.index("\\toprule") : text.index("\\midrule")]
    shown = [c.strip(" \\\n") for c in head.split("&")]
    of_both = ["first", "field", "gated", "any", "repaired", "fixed", "broken"]
    assert shown[shown.index("first") :] == [*of_both, "audited fixed", "audited broken"]
    assert {n.replace("_", " ") for n in rates(measured)} <= {*shown}


def test_a_format_that_is_refused_leaves_no_folder(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setitem(sys.modules, "inspect_ai", None)
    monkeypatch.setattr("pandas.DataFrame.to_parquet", _without_pyarrow)
    for form in ("mlflow", "inspect", "parquet"):
        with pytest.raises(MissingExtraError):
            export(folder, form, tmp_path / "new")
        assert not (tmp_path / "new").exists()
        with pytest.raises(MissingExtraError):
            export(folder, form, tmp_path)
        assert tmp_path.exists(), "a folder that was there stays"


def _without_pyarrow(*_, **__):
    raise ImportError("pyarrow")


def test_the_latex_table_compiles(folder, tmp_path):
    if shutil.which("pdflatex") is None or not _has_booktabs():
        pytest.skip("needs pdflatex and booktabs (texlive-latex-recommended)")
    (table,) = export(folder, "latex", tmp_path)
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs}\\usepackage[landscape]{geometry}\n"
        f"\\begin{{document}}\\input{{{table.name}}}\\end{{document}}\n"
    )
    done = subprocess.run(
        ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "paper.tex"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, errors="replace",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "paper.pdf").read_bytes().startswith(b"%PDF")


def _has_booktabs() -> bool:
    found = subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True, timeout=60)
    return found.returncode == 0


def test_what_cannot_be_exported_is_refused(folder, tmp_path):
    with pytest.raises(UnknownNameError, match="Did you mean 'csv'"):
        export(folder, "cvs")
    with pytest.raises(ConfigError, match="no run in"):
        export(tmp_path, "csv")


def test_parquet_keeps_the_tables(folder, tmp_path):
    """`make test` runs this once more where pyarrow can be imported."""
    pytest.importorskip("pyarrow")
    written = export(folder / "linucb", "parquet", tmp_path)
    kept = tables([Run.open(folder / "linucb")])
    assert [p.name for p in written] == [f"{name}.parquet" for name in kept]
    for path, frame in zip(written, kept.values(), strict=True):
        assert len(frame) and pd.read_parquet(path).to_csv() == frame.to_csv()


def test_a_sweeps_folder_is_exported_run_by_run(tmp_path):
    configs = make_grid({"policy": ["random", "rules"], "seed": "0-1", "episodes": 6})
    run_sweep(configs, tmp_path, workers=lambda: ThreadPoolExecutor(2), progress=False)
    runs = [Run.open(path) for path in find_runs(tmp_path)]
    for _ in range(2):  # what was exported is no part of the sweep
        written = export(tmp_path, "csv")
        assert written[1] == tmp_path / "export" / "episodes.csv"
        _, episodes, steps = (pd.read_csv(path) for path in written)
        cells = {(r.folder.name, r.config.policy, r.config.seed): len(r.log) for r in runs}
        found = episodes.groupby(["run", "policy", "seed"]).size().to_dict()
        assert found == cells and len(cells) == 4 and set(found.values()) == {6}
        assert len(steps) == sum(len(e.steps) for r in runs for e in r.log)
    text = export(tmp_path, "latex")[0].read_text()
    body = text[text.index("\\midrule") : text.index("\\bottomrule")]
    rows = [[c.strip() for c in line.split("&")] for line in body.splitlines() if "&" in line]
    shown = sorted((row[2], int(row[3])) for row in rows)
    assert shown == sorted((r.config.policy, r.config.seed) for r in runs)


def test_mlflow_has_parameters_metrics_and_the_report(folder, tmp_path, monkeypatch):
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (folder / "linucb" / "report.html").write_text("<html></html>")
    (note,) = export(folder / "linucb", "mlflow", tmp_path)
    address, _, experiment, _, run_id = note.read_text().split()
    client = mlflow.MlflowClient(tracking_uri=address)
    logged = client.get_run(run_id)
    assert logged.info.experiment_id == experiment
    assert logged.data.params["policy"] == "linucb" and logged.data.tags["simulated"] == "True"
    any_rate = rates(Run.open(folder / "linucb"))["any"]
    assert logged.data.metrics["any"] == pytest.approx(any_rate.rate, abs=1e-6)
    assert {a.path for a in client.list_artifacts(run_id)} >= {"report.html", "summary.json"}


def test_what_mlflow_keeps_is_no_run_to_export_again(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run = shutil.copytree(folder / "random", tmp_path / "run")
    for _ in range(2):
        assert [p.name for p in export(run, "mlflow")] == ["mlflow-run.txt"]
    assert list((run / "export" / "mlruns").rglob("run.json")), "its copy is there"
    assert find_runs(run) == [run]


def test_inspect_reads_the_log_with_its_samples(folder, tmp_path):
    log = pytest.importorskip("inspect_ai.log")
    (path,) = export(folder / "linucb", "inspect", tmp_path)
    listed = log.list_eval_logs(str(tmp_path))
    assert len(listed) == 1 and listed[0].name.endswith(path.name)
    read = log.read_eval_log(str(path))
    run = Run.open(folder / "linucb")
    assert read.status == "success" and len(read.samples) == 20
    assert "simulated" in read.eval.model
    first = {e.question_id: e.first for e in run.log}
    assert all((s.scores["first"].value == "C") == first[s.id] for s in read.samples)
    golds = {q.id: q.gold for q in run.suite}
    wrong = next(s for s in read.samples if s.scores["any"].value != "C")
    assert all(golds[wrong.id] not in str(m.content) for m in wrong.messages)


@pytest.mark.parametrize("text", ["any", "any=", "any=1.2", "=0.5", "any=x"])
def test_a_threshold_of_another_form_is_refused(text):
    with pytest.raises(ConfigError, match="--fail-under takes"):
        parse_threshold(text)


def test_a_rate_below_its_threshold_is_an_error_that_names_both(folder):
    found = rates(Run.open(folder / "linucb"))
    check_threshold(found, *parse_threshold("any=0.05"))
    with pytest.raises(BelowThresholdError, match=r"The rate first is .* below 99\.0%"):
        check_threshold(found, *parse_threshold("first=0.99"))
    with pytest.raises(UnknownNameError, match="rate 'all'"):
        check_threshold(found, "all", 0.5)
