"""What is done with runs from the command line: shown, listed, compared, exported, gone on from."""

from __future__ import annotations

import csv
import json
import sys

import pytest

from sqlbench.cli import main
from sqlbench.reports.export import latex_table
from sqlbench.runs.questions import never_solved
from sqlbench.runs.run import Run
from sqlbench.runs.summary import rates


@pytest.fixture
def sqlbench(monkeypatch, capsys):
    """Run the command line in this process; return exit code, output and errors."""

    def command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sqlbench", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, *capsys.readouterr()

    return command


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two runs, made by the command itself."""
    root = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        for policy in ("linucb", "random"):
            given = ["run", "--episodes", "40", "--max-attempts", "2", "--policy", policy]
            patch.setattr(sys, "argv", ["sqlbench", *given, "--out", str(root / policy)])
            with pytest.raises(SystemExit) as ended:
                main()
            assert not ended.value.code
    return root


def listed(text: str) -> list[str]:
    """The first column of a table."""
    return [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")][1:]


def test_show_has_a_line_a_question(sqlbench, folder):
    run = Run.open(folder / "linucb")
    code, shown, _ = sqlbench("show", run.folder, "--questions")
    assert code == 0 and listed(shown) == [q.id for q in run.suite]
    row = next(line for line in shown.splitlines() if f"| {run.log[0].question_id} " in line)
    assert run.suite.question(run.log[0].question_id).text[:40] in row


def test_show_has_the_never_solved_alone(sqlbench, folder):
    run = Run.open(folder / "linucb")
    unsolved = never_solved(run.questions)["question_id"].tolist()
    assert 0 < len(unsolved) < len(run.suite)
    for options in (["--questions", "--never-solved"], ["--never-solved"]):
        code, shown, _ = sqlbench("show", run.folder, *options)
        assert code == 0 and listed(shown) == unsolved
    assert f"{len(unsolved)} never solved" in shown


def test_show_has_the_gold_beside_a_wrong_answer_and_beside_no_right_one(sqlbench, folder):
    run = Run.open(folder / "linucb")
    wrong = next(e for e in run.log if not e.success and e.steps[-1].reason == "row_count")
    code, shown, _ = sqlbench("show", run.folder, wrong.index)
    gold = run.suite.question(wrong.question_id).gold
    after = shown.partition("The gold query:")[2]
    assert code == 0 and all(line.strip() in after for line in gold.splitlines())
    assert "  gold: " in after and "  answer: " in after
    assert "missing: (" in after or "extra: (" in after
    right = next(e for e in run.log if e.success)
    code, shown, _ = sqlbench("show", run.folder, right.index)
    assert code == 0 and "The gold query" not in shown


def test_runs_are_listed_and_tagged(sqlbench, folder):
    code, shown, _ = sqlbench("runs", folder)
    assert code == 0 and listed(shown) == ["linucb", "random"] and "40 of 40" in shown
    assert "(simulated model)" in shown and "baseline" not in shown
    code, said, _ = sqlbench("runs", folder, "tag", "random", "baseline")
    assert code == 0 and said == "random: baseline\n"
    row = sqlbench("runs", folder)[1].splitlines()[-1]
    assert row.startswith("| random") and "| baseline" in row
    assert sqlbench("runs", folder, "--", "tag", "random", "-baseline")[1] == "random: no tags\n"


def test_two_runs_are_set_side_by_side(sqlbench, folder):
    code, shown, _ = sqlbench("runs", folder, "diff", "linucb", "random")
    what, results = shown.split("Results:")
    assert code == 0 and listed(what) == ["policy"]
    a, b = (Run.open(folder / n).episodes["any"].mean() for n in ("linucb", "random"))
    assert f"{100 * (b - a):+.1f} [" in results and "Only linucb gets" in results
    code, _, error = sqlbench("runs", folder, "diff", "linucb")
    assert code == 2 and "takes diff RUN RUN" in error
    code, _, error = sqlbench("runs", folder, "diff", "linucb", "linux")
    assert code == 2 and "'linux' is no run" in error


def test_runs_are_exported_as_tables_and_as_latex(sqlbench, folder, tmp_path):
    code, said, _ = sqlbench("export", folder, "--format", "csv", "--out", tmp_path / "csv")
    written = [tmp_path / "csv" / f"{n}.csv" for n in ("questions", "episodes", "steps")]
    assert code == 0 and said.split() == [str(path) for path in written]
    with written[1].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["run"] for r in rows] == ["linucb"] * 40 + ["random"] * 40
    code, said, _ = sqlbench("export", folder, "--format", "latex", "--out", tmp_path)
    assert code == 0 and said.strip() == str(tmp_path / "rates.tex")
    runs = [Run.open(folder / n) for n in ("linucb", "random")]
    assert (tmp_path / "rates.tex").read_text() == latex_table(runs)
    code, _, error = sqlbench("export", folder, "--format", "cvs")
    assert code == 2 and "Did you mean 'csv'" in error


def test_a_run_below_its_threshold_ends_with_2_and_is_kept(sqlbench, folder):
    run = Run.open(folder / "linucb")
    again = ["run", "--episodes", "40", "--max-attempts", "2", "--out", run.folder, "--fail-under"]
    rate = rates(run)["any"].rate
    code, _, error = sqlbench(*again, f"any={rate + 0.01:.3f}")
    assert code == 2 and "The rate any is" in error and "(--fail-under)" in error
    assert sqlbench(*again, f"any={rate - 0.01:.3f}")[0] == 0
    code, _, error = sqlbench(*again, "any=70")
    assert code == 2 and "--fail-under takes" in error


def test_grades_below_their_threshold_end_with_2(sqlbench, folder, tmp_path):
    questions = list(Run.open(folder / "linucb").suite)
    answers = [q.gold if i % 2 else "SELECT 1" for i, q in enumerate(questions)]
    right = sum(i % 2 for i in range(len(questions))) / len(questions)
    lines = [
        json.dumps({"question_id": q.id, "sql": sql})
        for q, sql in zip(questions, answers, strict=True)
    ]
    (tmp_path / "half.jsonl").write_text("\n".join(lines))
    grade = ["grade", "--suite", "marketplace", "--predictions", tmp_path / "half.jsonl"]
    grade += ["--workers", "1", "--out", tmp_path / "graded", "--fail-under"]
    code, shown, error = sqlbench(*grade, f"right={right + 0.02:.3f}")
    assert code == 2 and "The rate right is" in error and "Verdicts: " in shown
    assert sqlbench(*grade, f"right={right - 0.02:.3f}")[0] == 0


def test_a_run_starts_from_what_another_learned(sqlbench, folder, tmp_path):
    given = ["run", "--episodes", "5", "--seed", "1", "--start-from"]
    for name, start in (("folder", folder / "linucb"), ("file", folder / "linucb" / "policy.npz")):
        code, _, error = sqlbench(*given, start, "--out", tmp_path / name)
        assert code == 0, error
    made = [Run.open(tmp_path / name) for name in ("folder", "file")]
    assert made[0].meta["start_hash"] == made[1].meta["start_hash"]
    learned = Run.open(folder / "linucb").policy.state()["b"]
    assert learned.any() and (made[0].untaught().state()["b"] == learned).all()
    code, _, error = sqlbench(*given, folder / "random", "--out", tmp_path / "other")
    assert code == 2 and "cannot start a run of 'linucb'" in error
