"""BIRD's layout as a suite: prompts, tiers, splits, and grading in its form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_bird import RECORDS, write

from sqlbench import SQLAgentEnv, load_suite
from sqlbench.exceptions import SuiteError, UnknownNameError
from sqlbench.grading.grade import grade
from sqlbench.grading.predictions import read_predictions
from sqlbench.grading.report import grade_text
from sqlbench.models import Completion, ModelRequest, Usage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


class Silent:
    spec, simulated, fingerprint = "silent", False, ""

    async def complete(self, request: ModelRequest) -> Completion:
        return Completion("SELECT 1", Usage())


def test_the_benchmarks_own_labels_are_the_tiers(folder: Path) -> None:
    suite = load_suite(f"bird:{folder}")
    assert [(t.id, t.difficulty, len(t.questions)) for t in suite.tasks.values()] == [
        ("simple_queries", "simple", 2),
        ("join_queries", "moderate", 1),
        ("complex_queries", "challenging", 1),
    ]
    assert suite.hardness_by == "the benchmark's own label"
    assert [e.question_id for e in suite.entries] == [
        "dev_0000",
        "dev_0001",
        "dev_0007",
        "dev_0009",
    ]


def test_descriptions_go_into_the_schema_prompt_and_evidence_into_the_question(
    folder: Path,
) -> None:
    env = SQLAgentEnv(load_suite(f"bird:{folder}"), Silent(), "random")  # type: ignore[arg-type]
    env.reset_with_question("simple_queries", "dev_0000")
    prompt = "\n".join(m["content"] for m in env.messages("generate"))
    assert "charter refers to Charter = 1" in prompt
    assert "-- Charter School (Y/N); 0: N; 1: Y; e.g. 1, 0" in prompt
    assert "-- share of pupils; commonsense evidence: Rate = Count / Enrollment; e.g." in prompt
    assert "-- the school’s county; e.g. 'Alameda'" in prompt


def test_descriptions_are_part_of_what_a_run_depends_on(folder: Path) -> None:
    before = load_suite(f"bird:{folder}").content_hash
    file = next(folder.rglob("frpm.csv"))
    file.write_text(file.read_text(encoding="utf-8").replace("share", "part"), encoding="utf-8")
    assert load_suite(f"bird:{folder}").content_hash != before


def test_mini_dev_is_found_by_its_file_and_two_splits_must_be_told_apart(tmp_path: Path) -> None:
    write(tmp_path, "mini_dev_sqlite.json")
    assert load_suite(f"bird:{tmp_path}").question("mini_dev_0007").gold == RECORDS[2]["SQL"]
    (tmp_path / "dev.json").write_text(json.dumps(RECORDS[:1]))
    with pytest.raises(SuiteError, match=r"holds dev, mini_dev: add \?split=dev"):
        load_suite(f"bird:{tmp_path}")
    assert len(load_suite(f"bird:{tmp_path}?split=dev")) == 1
    with pytest.raises(UnknownNameError, match="Unknown split 'tset'; valid are: dev"):
        load_suite(f"bird:{tmp_path}?split=tset")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"SQL": None}, r"entry 0 has no text field 'SQL'"),
        ({"question_id": "x"}, "question_id 'x', no number"),
    ],
)
def test_a_malformed_record_is_named(folder: Path, change: dict[str, object], message: str) -> None:
    (folder / "dev.json").write_text(json.dumps([RECORDS[0] | change, *RECORDS[1:]]))
    with pytest.raises(SuiteError, match=message):
        load_suite(f"bird:{folder}")


def test_a_folder_without_questions_or_databases_is_named(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"no dev\.json or mini_dev_sqlite\.json"):
        load_suite(f"bird:{tmp_path}")
    (tmp_path / "dev.json").write_text(json.dumps(RECORDS))
    with pytest.raises(SuiteError, match="has no database"):
        load_suite(f"bird:{tmp_path}")


@pytest.mark.parametrize("keys", [["0", "1", "2", "3"], ["0", "1", "7", "9"]])
def test_birds_json_is_graded_by_position_or_question_id(folder: Path, keys: list[str]) -> None:
    sqls = [
        "SELECT 2",
        "SELECT DISTINCT County FROM schools WHERE CDSCode > '01'",
        "SELECT 'Alameda'",
        "SELECT 1",
    ]
    rows = zip(keys, sqls, strict=True)
    content = {k: f"{sql}\t----- bird -----\tschools" for k, sql in rows}
    (folder / "answers.json").write_text(json.dumps(content))
    graded = grade(f"bird:{folder}", folder / "answers.json", "bird", progress=False)
    assert [g.correct for g in graded.grades] == [True, True, False, None]
    assert graded.invalid == {"dev_0009": "no such column: broken"}
    text = grade_text(graded)
    assert "By hardness (the benchmark's own label)" in text
    assert "Invalid golds, left out: 1:\n  dev_0009: no such column: broken" in text
    assert "| challenging | 0.0%" in text


def test_a_number_that_occurs_twice_is_two_questions_and_files_may_be_as_tools_write_them(
    folder: Path,
) -> None:
    # BIRD's own mini_dev holds 137 and 138 twice.
    again = [RECORDS[0], *({**record, "question_id": "7"} for record in RECORDS[1:3])]
    (folder / "dev.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(again).encode())
    suite = load_suite(f"bird:{folder}")
    ids = [entry.question_id for entry in suite.entries]
    assert ids == ["dev_0000", "dev_0007", "dev_0007_2"]
    golds = [suite.question(str(i)).gold for i in ids]
    named = [f"{gold}\t----- bird -----\tschools" for gold in golds]
    failed = [named[0], 0, " \t----- bird -----\tfinancial"]
    forms: dict[str, tuple[object, list[object]]] = {
        "positions": ({str(i): text for i, text in enumerate(named)}, golds),
        "numbers": ({"0": named[0], "7": named[1]}, [golds[0], golds[1], golds[1]]),
        "a list": (named, golds),
        "a list of records": (
            [{"question_id": "7", "sql": g} for g in golds[1:]]
            + [{"question_id": 0, "sql": golds[0]}],
            golds,
        ),
        "failures": ({str(i): text for i, text in enumerate(failed)}, [golds[0], "", ""]),
        "nothing": ([golds[0], None, {"sql": None}], [golds[0], "", ""]),
    }
    for name, (content, expected) in forms.items():
        path = folder / "answers.json"
        path.write_bytes(b"\xef\xbb\xbf" + json.dumps(content).encode())
        read = read_predictions(path, suite)
        assert [read.sql[str(i)] for i in ids] == expected, name
