"""`sqlbench choose`: among stored answers, the one to take."""

from __future__ import annotations

import gzip
import json
import sys

import pytest
from folders import DATA

from sqlbench.cli import main

SUITE = f"spider:{DATA / 'small_spider'}"
LINES = [
    # bakers are counted: a wrong first answer, and two that agree
    {
        "source": "one", "index": 0,
        "candidates": ["SELECT nothing FROM baker", "SELECT 0", "SELECT count(*) FROM baker",
                       "SELECT count(baker_id) FROM baker"],
    },
    {"source": "two", "index": 1, "candidates": ["SELECT max(price) FROM cake", "SELECT 1"]},
]  # fmt: skip


@pytest.fixture
def choose(tmp_path, monkeypatch, capsys):
    def run(*arguments, lines=LINES, name="answers.jsonl"):
        text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        monkeypatch.setattr(sys, "argv", ["sqlbench", "choose", str(path), "--suite", SUITE,
                                          *arguments])  # fmt: skip
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return run


@pytest.mark.parametrize("name", ["answers.jsonl", "answers.jsonl.gz"])
def test_the_result_that_most_have_is_chosen(choose, name):
    code, out, _ = choose("--choose", "agreement", name=name)
    first, second = map(json.loads, out.splitlines())
    assert code == 0
    assert first["pred"] == "SELECT count(*) FROM baker"
    assert (first["chosen"], first["agreeing"], first["of"]) == (2, 2, 4)
    assert second["chosen"] == 0


def test_first_takes_the_first_that_ran(choose):
    _, out, _ = choose("--choose", "first")
    assert json.loads(out.splitlines()[0])["pred"] == "SELECT 0"


def test_figures_are_of_each_source_and_made_after_the_choice(choose, tmp_path):
    out_file = tmp_path / "chosen.jsonl"
    code, out, _ = choose("--choose", "agreement", "--metric", "exact", "--out", str(out_file))
    assert code == 0
    one, two = (line.split("|") for line in out.splitlines()[2:4])
    unknown = "[interval unknown]"  # of one question there is none
    assert [cell.strip() for cell in one[1:7]] == [
        "one", "1", f"0.0% {unknown}", f"100.0% {unknown}", f"100.0% {unknown}",
        f"100.0% {unknown}",
    ]  # fmt: skip
    assert [cell.strip() for cell in two[1:4]] == ["two", "1", f"100.0% {unknown}"]
    assert len(out_file.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1: Expected a JSON object a line"),
        ({"index": 0, "candidates": []}, "line 1: Expected a JSON object a line"),
        ({"index": 0, "candidates": "SELECT 1"}, "line 1: Expected a JSON object a line"),
        ({"index": 999, "candidates": ["SELECT 1"]}, "line 1: unknown index 999 in 'spider:"),
        ("", "it has no candidates"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_its_line(choose, line, said):
    code, _, err = choose("--choose", "first", lines=[line])
    assert code == 2 and said in err


def test_an_unknown_rule_is_refused(choose):
    code, _, err = choose("--choose", "best")
    assert code == 2 and "no rule of choice 'best'; valid are: first, agreement, doubt" in err
