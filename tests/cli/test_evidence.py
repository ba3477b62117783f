"""``sqlbench collect``, ``replay`` and ``evaluate``: tables for readers, sentences for mistakes."""

from __future__ import annotations

import json
import shlex
import sys

import pandas as pd
import pytest

from sqlbench.cli import main
from sqlbench.evidence.traces import BIRD_TABLE


def sqlbench(monkeypatch, capsys, *arguments: object) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["sqlbench", *map(str, arguments)])
    try:
        main()
        code = 0
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.fixture
def call(monkeypatch, capsys):
    return lambda *arguments: sqlbench(monkeypatch, capsys, *arguments)


def test_collect_then_replay(call, tmp_path):
    folder, csv = tmp_path / "table", tmp_path / "out" / "replay.csv"
    code, out, _ = call("collect", "--task", "simple_queries", "--out", folder)
    assert code == 0
    assert "at most" in out and "(simulated model)" in out and "Next: sqlbench replay" in out
    code, out, _ = call(
        "replay", folder, "--policies", "linucb,resample,oracle", "--seeds", "0-3", "--csv", csv
    )
    assert code == 0
    assert "simulated model" in out and "regret" in out and "not attainable" in out
    frame = pd.read_csv(csv)
    assert set(frame["policy"]) == {"linucb", "resample", "oracle"}
    for mistake, said in (
        (("--seeds", "0"), "seeds"),
        (("--policies", "fixed:llm_exe"), "'llm_exe'"),
        (("--policies", "linucbb"), "linucbb"),
        (("--hold-out-databases",), "'marketplace' alone"),
        (("--decisions", "0"), "decisions"),
    ):
        code, _, err = call("replay", folder, *mistake)
        assert code == 2
        assert err.startswith("sqlbench: ") and said in err and err.count("\n") == 1


def test_the_next_commands_quote_a_path_with_blanks(call, tmp_path):
    folder, taught = tmp_path / "a table", tmp_path / "it's.npz"
    _, out, _ = call("collect", "--task", "simple_queries", "--out", folder)
    line = out.partition("Next: sqlbench ")[2]
    assert shlex.split(line)[:2] == ["replay", str(folder)]
    _, out, _ = call("teach", folder, "--out", taught)
    assert shlex.split(out.partition("Next: sqlbench ")[2])[-1] == str(taught)


def test_a_run_starts_from_what_a_table_taught(call, tmp_path):
    folder, taught = tmp_path / "table", tmp_path / "learned" / "hybrid.npz"
    call("collect", "--answers", 2, "--out", folder)
    code, out, _ = call("teach", folder, "--out", taught)
    assert code == 0 and "(simulated model)" in out
    assert f"--policy 'hybrid' --start-from {taught}" in out
    rates = {}
    for name, start in (("fresh", ()), ("taught", ("--start-from", taught))):
        run = tmp_path / name
        code, *_ = call("run", "--policy", "hybrid", "--episodes", 120, "--out", run, *start)
        assert code == 0
        rates[name] = json.loads((run / "summary.json").read_text())["rates"]["repaired"]["rate"]
    assert rates["taught"] > rates["fresh"]
    code, _, err = call("teach", folder, "--out", tmp_path / "hybrid")
    assert code == 2 and "ends in .npz" in err


def test_earlier_records_are_named_where_they_were_told(call, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    call("collect", "--task", "simple_queries", "--answers", 3, "--out", one)
    call("collect", "--model", "simulated:chatgpt", "--answers", 3, "--out", other)
    code, out, _ = call("replay", one, "--earlier", other, "--policies", "ucb1", "--seeds", "0-1")
    assert code == 0
    assert f"Told before the first decision: {other} (simulated model)" in out
    code, _, err = call("replay", one, "--earlier", one, "--seeds", "0-1")
    assert code == 2 and "answered by the same model" in err and err.count("\n") == 1


def test_evaluate_gives_four_estimates_and_refuses_a_log_that_cannot_answer(call, tmp_path):
    explored, certain = tmp_path / "explored", tmp_path / "certain"
    call("run", "--policy", "linucb?epsilon=0.5", "--episodes", 120, "--out", explored)
    call("run", "--policy", "rules", "--episodes", 20, "--out", certain)
    code, out, _ = call("evaluate", explored, "--policies", "learned,random")
    assert code == 0 and "(simulated model)" in out
    assert [out.count(f"| {e} ") for e in ("ips", "snips", "dm", "dr")] == [2, 2, 2, 2]
    for arguments, said in (
        ((certain,), "propensity 1"),
        ((explored, "--policies", "resample"), "resample"),
        ((explored, "--outcome", "joy"), "'joy'"),
        ((tmp_path,), "no run"),
    ):
        code, _, err = call("evaluate", *arguments)
        assert code == 2 and said in err


@pytest.mark.shared
def test_the_command_of_the_finding_runs(call, traces_dir):
    code, out, _ = call(
        "replay", traces_dir / BIRD_TABLE, "--hold-out-databases", "--seeds", "0-1",
        "--policies", "table,rules",
    )  # fmt: skip
    assert code == 0
    assert "each of 8 databases held out once" in out and "gap closed" in out
    assert "54.8% [51.7%, 57.8%]" in out, "the best fixed arm, as in the README"
    assert "learned from changes" not in out
    code, out, _ = call(
        "replay", traces_dir / BIRD_TABLE, "--hold-out-databases", "--seeds", "0-1",
        "--policies", "halving?budget=800", "--changes",
    )  # fmt: skip
    assert code == 0 and "learned from changes" in out
    assert "54.8% [51.7%, 57.8%]" in out, "what is measured is the same"
