"""Grading files: parity with the official evaluators, safety, resuming, comparison."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest
from sandboxed import COUNT, NUMBERS
from small_spider import QUESTIONS, write
from typer.testing import CliRunner

from sqlbench import load_suite
from sqlbench.cli import app
from sqlbench.databases import Limits
from sqlbench.exceptions import ConfigError, RunFolderError, UnknownNameError
from sqlbench.grading.grade import grade, grade_many
from sqlbench.grading.graded import Graded
from sqlbench.grading.leaderboard import accuracy, compare_pair, disagreements, leaderboard
from sqlbench.grading.official import prepare_spider
from sqlbench.grading.predictions import read_predictions
from sqlbench.grading.report import comparison_text, grade_text

OFFICIAL = {
    "spider": "official_exec",
    "spider-keep-distinct": "official_keep_distinct",
    "bird": "bird_ex",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*.sqlite"))
    }


def predict(folder: Path, changed: dict[int, str], name: str = "answers.jsonl") -> Path:
    lines = [
        json.dumps({"index": i, "pred": changed.get(i, q[2])}) for i, q in enumerate(QUESTIONS)
    ]
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize("metric", OFFICIAL)
def test_all_stored_official_verdicts_are_met(
    spider_dir: Path, tmp_path: Path, metric: str
) -> None:
    before = hashes(spider_dir)
    expected: dict[str, dict[int, int]] = defaultdict(dict)
    files: dict[str, list[str]] = defaultdict(list)
    for line in (spider_dir / "official_verdicts.jsonl").read_text().splitlines():
        record = json.loads(line)
        expected[record["source"]][record["index"]] = record[OFFICIAL[metric]]
        kept = {key: record[key] for key in ("index", "db_id", "pred")}
        files[record["source"]].append(json.dumps(kept))
    paths = []
    for source, lines in files.items():
        paths.append(tmp_path / f"{source}.jsonl")
        paths[-1].write_text("\n".join(lines))
    graded = grade_many(f"spider:{spider_dir}", paths, metric, progress=False)
    found = {g.name: {v.index: int(bool(v.correct)) for v in g.grades} for g in graded}
    assert sum(map(len, found.values())) == 6804
    assert found == expected
    assert hashes(spider_dir) == before


@pytest.mark.shared
def test_distinct_is_stripped_as_sqlparse_cuts_every_stored_query(spider_dir: Path) -> None:
    import sqlparse

    queries: set[str] = set()
    for line in (spider_dir / "official_verdicts.jsonl").read_text().splitlines():
        record = json.loads(line)
        queries |= {record["gold"], record["pred"]}
    joined = [
        q.replace("> =", ">=").replace("< =", "<=").replace("! =", "!=") for q in sorted(queries)
    ]
    chosen = [q for q in joined if "distinct" in q.lower() or ";" in q][:400]
    assert len(chosen) > 300
    for query in chosen:
        tokens = [t.value for t in sqlparse.parse(query)[0].flatten()]
        expected = "".join(t for t in tokens if t.lower() != "distinct")
        assert prepare_spider(query).rstrip("; \n") == expected.rstrip("; \n")


HOSTILE = {
    "DROP TABLE baker": "other",
    "DELETE FROM sale": "other",
    "INSERT INTO baker VALUES (9, 'x', 'y', 1)": "other",
    "ATTACH DATABASE '/tmp/x.sqlite' AS x": "other",
    "PRAGMA writable_schema = 1": "other",
    COUNT: "timeout",
    "SELECT load_extension('x')": "other",
    "SELECT 1; DROP TABLE baker": "syntax_error",
    "-- nothing": "syntax_error",
    "": "syntax_error",
}


@pytest.mark.parametrize("metric", ["exact", "spider-keep-distinct", "bird"])
def test_hostile_predictions_are_wrong_with_a_reason_and_change_nothing(
    folder: Path, metric: str
) -> None:
    before = hashes(folder)
    # Question 11's gold is empty: the official evaluators score a DROP there 1.
    changed = dict(zip([11, *range(9)], HOSTILE, strict=True))
    graded = grade(
        f"spider:{folder}",
        predict(folder, changed),
        metric,
        limits=Limits(vm_steps=1_000_000),
        progress=False,
    )
    verdicts = {g.index: g for g in graded.grades}
    for index, sql in changed.items():
        grade_ = verdicts[index]
        assert (grade_.correct, grade_.error_class) == (False, HOSTILE[sql]), sql
        assert grade_.reason == ("timeout" if HOSTILE[sql] == "timeout" else "pred_error")
        assert grade_.message
    assert hashes(folder) == before


def test_the_clock_stops_what_steps_do_not(folder: Path) -> None:
    started = time.monotonic()
    limits = Limits(vm_steps=10**12, wall_clock=0.1)
    graded = grade(f"spider:{folder}", predict(folder, {3: COUNT}), limits=limits, progress=False)
    assert graded.grades[3].reason == "timeout"
    assert time.monotonic() - started < 20


def test_a_result_of_very_many_rows_is_cut_off_with_a_reason(folder: Path) -> None:
    limits = Limits(vm_steps=500_000_000, max_rows=10_000)
    graded = grade(
        f"spider:{folder}",
        predict(folder, {0: NUMBERS.format(500_000)}),
        limits=limits,
        progress=False,
    )
    assert (graded.grades[0].correct, graded.grades[0].reason) == (False, "truncated")
    assert graded.grades[0].pred_rows == 10_000


def test_verdicts_say_what_the_tables_say(folder: Path) -> None:
    out = folder / "out"
    graded = grade(f"spider:{folder}", folder / "hasty.jsonl", "spider", out=out, progress=False)
    lines = [json.loads(line) for line in (out / "verdicts.jsonl").read_text().splitlines()]
    assert [line["index"] for line in lines] == list(range(20))
    assert {"index", "correct", "reason", "error_class", "vacuous"} <= lines[0].keys()
    assert Graded.open(out) == graded
    wrong = {line["index"]: (line["reason"], line["error_class"]) for line in lines
             if not line["correct"]}  # fmt: skip
    assert wrong[7] == ("order", "wrong_result")
    assert wrong[9] == ("pred_error", "no_such_table")
    assert wrong[18] == ("column_count", "wrong_result")
    table = accuracy(graded, "hardness")
    assert list(table.index) == ["easy", "medium", "hard", "all"]
    assert table["n"].tolist() == [13, 5, 2, 20]
    assert table.loc["all", "correct"] == sum(line["correct"] for line in lines)
    assert accuracy(graded, "db_id")["n"].to_dict() == {"bakery": 12, "club": 8, "all": 20}
    low, high = table.loc["all", ["low", "high"]]
    assert low < table.loc["all", "rate"] < high
    text = grade_text(graded)
    assert "By hardness (sqlbench's rule on the parsed gold)" in text
    assert "Vacuous matches (both results empty): 1 (dev_0011)" in text


def test_a_file_for_other_tables_is_warned_about(folder: Path) -> None:
    other = predict(folder, {i: "SELECT * FROM concert" for i in range(15)})
    text = grade_text(grade(f"spider:{folder}", other, progress=False))
    assert "75% of the predictions name tables that their database does not have" in text


def test_grading_goes_on_where_it_was_killed(folder: Path) -> None:
    whole = folder / "whole"
    grade(f"spider:{folder}", folder / "hasty.jsonl", out=whole, progress=False)
    expected = (whole / "verdicts.jsonl").read_bytes()
    for cut in (0, 1, len(expected) // 2, len(expected) - 1, len(expected)):
        part = folder / f"part{cut}"
        part.mkdir()
        (part / "grade.json").write_bytes((whole / "grade.json").read_bytes())
        (part / "verdicts.jsonl").write_bytes(expected[:cut])  # torn in a line
        grade(f"spider:{folder}", folder / "hasty.jsonl", out=part, progress=False)
        assert (part / "verdicts.jsonl").read_bytes() == expected


@pytest.mark.slow
@pytest.mark.shared
def test_a_killed_process_loses_nothing(spider_dir: Path, tmp_path: Path) -> None:
    records = map(json.loads, (spider_dir / "official_verdicts.jsonl").read_text().splitlines())
    file = tmp_path / "c3.jsonl"
    kept = [
        json.dumps({"index": r["index"], "pred": r["pred"]})
        for r in records
        if r["source"] == "c3_chatgpt"
    ]
    file.write_text("\n".join(kept))
    command = [
        *(sys.executable, "-m", "sqlbench", "grade", "--suite", f"spider:{spider_dir}"),
        *("--predictions", str(file), "--metric", "spider", "--out"),
    ]
    verdicts = tmp_path / "killed" / "verdicts.jsonl"
    process = subprocess.Popen(
        [*command, str(verdicts.parent)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not (verdicts.exists() and verdicts.stat().st_size > 50_000):
        assert process.poll() is None, "it finished before it could be killed"
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = verdicts.read_bytes().count(b"\n")
    assert 0 < done < 972
    for out in (verdicts.parent, tmp_path / "whole"):
        subprocess.run([*command, str(out)], check=True, capture_output=True)
    assert verdicts.read_bytes() == (tmp_path / "whole" / "verdicts.jsonl").read_bytes()
    assert verdicts.read_bytes().count(b"\n") == 972


def test_a_folder_with_other_verdicts_is_refused(folder: Path) -> None:
    out = folder / "out"
    suite = f"spider:{folder}"
    grade(suite, folder / "hasty.jsonl", out=out, progress=False)
    with pytest.raises(RunFolderError, match="holds verdicts with metric 'exact', not 'bird'"):
        grade(suite, folder / "hasty.jsonl", "bird", out=out, progress=False)
    with pytest.raises(RunFolderError, match="predictions_hash"):
        grade(suite, folder / "careful.txt", out=out, progress=False)
    lines = (out / "verdicts.jsonl").read_bytes().splitlines(keepends=True)
    (out / "verdicts.jsonl").write_bytes(b"".join([lines[0], b"{broken}\n", *lines[2:]]))
    with pytest.raises(RunFolderError, match="line 2 is damaged"):
        Graded.open(out)
    with pytest.raises(RunFolderError, match="holds no graded predictions"):
        Graded.open(folder)
    with pytest.raises(RunFolderError, match="holds files and no verdicts"):
        grade(suite, folder / "hasty.jsonl", out=folder, progress=False)
    assert not (folder / "verdicts.jsonl").exists()


def test_several_files_share_the_golds_and_get_the_verdicts_they_get_alone(folder: Path) -> None:
    suite = load_suite(f"spider:{folder}")
    files = [folder / "careful.txt", folder / "hasty.jsonl"]
    together = grade_many(suite, files, "spider", progress=False)
    alone = [grade(suite, f, "spider", progress=False) for f in files]
    assert [g.grades for g in together] == [g.grades for g in alone]
    copy = folder / "copy" / "hasty.jsonl"
    copy.parent.mkdir()
    copy.write_bytes(files[1].read_bytes())
    with pytest.raises(ConfigError, match="Two prediction files are named 'hasty'"):
        grade_many(suite, [files[1], copy], progress=False)


def test_two_files_are_compared_in_pairs(folder: Path) -> None:
    suite = load_suite(f"spider:{folder}")
    careful, hasty = grade_many(
        suite, [folder / "careful.txt", folder / "hasty.jsonl"], progress=False
    )
    found = compare_pair(careful, hasty)
    a, b = careful.frame["correct"], hasty.frame["correct"]
    assert found["both"] == int((a & b).sum())
    assert found["only_first"] == int((a & ~b).sum())
    assert found["n"] == 20
    assert float(str(found["low"])) <= float(str(found["difference"])) <= float(str(found["high"]))
    assert "do not differ on these 20 pairs" in str(compare_pair(hasty, hasty)["sentence"])
    assert "20 pairs are too few" in str(found["sentence"])
    assert list(leaderboard([hasty, careful]).index) == ["careful", "hasty"]
    assert "only careful" in comparison_text([hasty, careful])
    with pytest.raises(ConfigError, match="cannot be compared: their metric differ"):
        compare_pair(careful, grade(suite, folder / "hasty.jsonl", "bird", progress=False))


def test_metrics_that_disagree_are_shown_with_their_reasons(folder: Path) -> None:
    suite = load_suite(f"spider:{folder}")
    read = read_predictions(folder / "careful.txt", suite)
    table = disagreements([grade(suite, read, m, progress=False) for m in OFFICIAL])
    assert table.loc["dev_0005"].to_dict() == {
        "spider": "match",
        "spider-keep-distinct": "match",
        "bird": "values",
    }


def test_unknown_values_are_named(folder: Path) -> None:
    with pytest.raises(UnknownNameError, match="Unknown metric 'ex'"):
        grade(f"spider:{folder}", folder / "hasty.jsonl", "ex", progress=False)
    with pytest.raises(ConfigError, match="at least 0, not -1"):
        grade(f"spider:{folder}", folder / "hasty.jsonl", neighbours=-1, progress=False)


def test_the_command_line_writes_verdicts_and_tables(folder: Path) -> None:
    runner = CliRunner()
    base = ["grade", "--suite", f"spider:{folder}", "--metric", "spider"]
    one = [*base, "--predictions", str(folder / "hasty.jsonl"), "--out", str(folder / "one")]
    result = runner.invoke(app, one)
    assert result.exit_code == 0, result.output
    assert "| all      | 65.0% [43.3%, 81.9%] (13/20)   |" in result.output
    assert (folder / "one" / "report.md").read_text() in result.output + "\n"
    two = [*base, "--predictions", str(folder / "hasty.jsonl")]
    two += ["--predictions", str(folder / "careful.txt"), "--out", str(folder / "two")]
    result = runner.invoke(app, two)
    assert result.exit_code == 0, result.output
    assert "McNemar's exact p = " in result.output
    single = (folder / "one" / "verdicts.jsonl").read_bytes()
    assert (folder / "two" / "hasty" / "verdicts.jsonl").read_bytes() == single
