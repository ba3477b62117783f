"""Prediction files: every form pairs rightly, every misfit is refused with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_spider import QUESTIONS, write

from sqlbench.grading.predictions import PredictionFileError, read_predictions
from sqlbench.suites import Suite, load_suite

GOLDS = [gold for _, _, gold, _, _ in QUESTIONS]
DBS = [q[0] for q in QUESTIONS]
IDS = [f"dev_{i:04d}" for i in range(len(QUESTIONS))]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    folder = tmp_path_factory.mktemp("small")
    write(folder)
    return load_suite(f"spider:{folder}")


def read(folder: Path, text: str, suite: Suite) -> dict[str, str]:
    path = folder / "answers"
    path.write_text(text, encoding="utf-8")
    return dict(read_predictions(path, suite).sql)


def bird(sqls: list[str], keys: list[str] | None = None) -> str:
    keys = keys or [str(i) for i in range(len(sqls))]
    rows = zip(keys, sqls, DBS, strict=True)
    return json.dumps({k: f"{sql}\t----- bird -----\t{db}" for k, sql, db in rows}, indent=1)


FORMS = {
    "text": "\n".join(GOLDS),
    "text with db_id": "".join(f"{s}\t{d}\n" for s, d in zip(GOLDS, DBS, strict=True)),
    "text with Windows line ends and a byte order mark": "\ufeff" + "\r\n".join(GOLDS) + "\r\n\r\n",
    "bird": bird(GOLDS),
    "jsonl by index": "\n".join(
        json.dumps({"index": i, "pred": sql}) for i, sql in enumerate(GOLDS)
    ),
    "jsonl by question_id, in any order": "\n".join(
        json.dumps({"question_id": i, "sql": sql})
        for i, sql in reversed(list(zip(IDS, GOLDS, strict=True)))
    ),
    "jsonl by number": "\n".join(
        json.dumps({"question_id": i, "sql": sql, "db_id": DBS[i]}) for i, sql in enumerate(GOLDS)
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_pairs_each_answer_with_its_question(
    tmp_path: Path, suite: Suite, form: str
) -> None:
    assert read(tmp_path, FORMS[form], suite) == dict(zip(IDS, GOLDS, strict=True))


def test_an_empty_line_is_an_empty_answer(tmp_path: Path, suite: Suite) -> None:
    lines = [*GOLDS[:3], "", *GOLDS[4:]]
    assert read(tmp_path, "\n".join(lines) + "\n", suite)["dev_0003"] == ""


@pytest.mark.parametrize("form", ["jsonl", "bird", "list"])
def test_null_is_an_empty_answer(tmp_path: Path, suite: Suite, form: str) -> None:
    answers = [None, *GOLDS[1:]]
    text = {
        "jsonl": "\n".join(json.dumps({"index": i, "pred": a}) for i, a in enumerate(answers)),
        "bird": json.dumps({str(i): a for i, a in enumerate(answers)}),
        "list": json.dumps(answers),
    }[form]
    assert read(tmp_path, text, suite) == dict(zip(IDS, ["", *GOLDS[1:]], strict=True))


def test_a_tab_inside_a_query_is_no_database(tmp_path: Path, suite: Suite) -> None:
    lines = ["SELECT count(*)\tFROM baker b", *GOLDS[1:]]
    assert read(tmp_path, "\n".join(lines), suite)["dev_0000"] == lines[0]


def jsonl(*records: object) -> str:
    rest = [{"index": i, "pred": GOLDS[i]} for i in range(len(records), len(GOLDS))]
    return "\n".join(r if isinstance(r, str) else json.dumps(r) for r in [*records, *rest])


WRONG_ORDER = [f"{s}\t{d}" for s, d in zip(GOLDS, [DBS[-1], *DBS[:-1]], strict=True)]
MISFITS = {
    "a line too few": ("\n".join(GOLDS[1:]), 19, r"has 19 lines, expected 20 predictions"),
    "a line too many": ("\n".join([*GOLDS, "SELECT 1"]), 20, r"has 21 lines"),
    "a gap in the middle": ("\n".join([*GOLDS[:5], "", *GOLDS[5:]]), 20, r"line 6 is empty"),
    "another order": ("\n".join(WRONG_ORDER), 1, r"for the database 'club'.*about 'bakery'"),
    "an unknown index": (jsonl({"index": 20, "pred": "x"}), 1, r"unknown index 20.*0 to 19"),
    "an index that is no number": (jsonl({"index": True, "pred": "x"}), 1, "unknown index True"),
    "an unknown question_id": (
        jsonl({"question_id": "dev_9999", "pred": "x"}),
        1,
        r"unknown question_id 'dev_9999'.*dev_0000",
    ),
    "a broken line": (jsonl({"index": 0, "pred": "x"}, '{"index": 1, "pr'), 2, "is no JSON"),
    "no query": (jsonl({"index": 0}), 1, r'no text field "pred"'),
    "an answer twice": (
        jsonl({"index": 0, "pred": "x"}, {"index": 0, "pred": "y"}),
        2,
        "predicts question dev_0000 again, as 1",
    ),
    "an answer missing": (jsonl().rsplit("\n", 1)[0], None, r"19 predictions.*missing is index 19"),
    "jsonl of another database": (
        jsonl({"index": 0, "pred": "x", "db_id": "club"}),
        1,
        "asks about 'bakery'",
    ),
    "bird: another order": (
        bird(GOLDS).replace('-\\tbakery"', '-\\tclub"', 1),
        2,
        "another order, or of another benchmark",
    ),
    "bird: unknown key": (
        bird(GOLDS, [str(i) for i in range(1, 21)]),
        21,
        r"unknown question '20'",
    ),
    "bird: too few": (bird(GOLDS).replace('"19":', '"18":'), None, "has 19 predictions"),
    "bird: a key twice": (
        bird(GOLDS)[:-2] + ',\n"0": "SELECT 1"}',
        2,
        "predicts question '0' twice",
    ),
    "bird: broken": (bird(GOLDS)[:-9], 21, "is no JSON"),
    "several samples: jsonl": (
        jsonl({"index": 0, "pred": GOLDS[0]}, {"index": 1, "pred": GOLDS[1:4]}),
        2,
        r"line 2: 'pred' is a list, expected one statement.*`sqlbench choose`",
    ),
    "several samples: bird": (
        json.dumps({str(i): [sql, sql] for i, sql in enumerate(GOLDS)}, indent=1),
        2,
        r"question '0' is a list, expected one statement a question",
    ),
    "several samples: records in a list": (
        json.dumps([{"question_id": i, "pred": [sql]} for i, sql in enumerate(GOLDS)], indent=1),
        1,
        r"item 1: 'pred' is a list",
    ),
    "several samples: a list": (json.dumps([GOLDS[0], *([s] for s in GOLDS[1:])]), 2, "item 2"),
    "an object for a query": (
        json.dumps({str(i): GOLDS[i] if i < 19 else {"sql": "x"} for i in range(20)}, indent=1),
        21,
        "question '19' is an object",
    ),
    "jsonl that names no question": (
        "\n".join(json.dumps({"pred": sql}) for sql in GOLDS),
        1,
        'has no "index" ',
    ),
    "a short list": ("[1, 2]", None, "the list has 2 predictions, expected 20"),
    "a number": ("[1, 2", 1, "is no JSON"),
    "nothing": (" \n", None, "is empty; expected 20 predictions"),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_a_misfit_is_refused_with_its_line(tmp_path: Path, suite: Suite, misfit: str) -> None:
    text, line, message = MISFITS[misfit]
    with pytest.raises(PredictionFileError, match=message) as caught:
        read(tmp_path, text, suite)
    assert caught.value.line == line


def test_a_missing_file_and_bytes_that_are_no_text_are_named(tmp_path: Path, suite: Suite) -> None:
    with pytest.raises(PredictionFileError, match="No such file"):
        read_predictions(tmp_path / "none.txt", suite)
    (tmp_path / "latin").write_bytes("SELECT 1\nSELECT 'é'\n".encode("latin-1"))
    with pytest.raises(PredictionFileError, match=r"line 2: is not UTF-8"):
        read_predictions(tmp_path / "latin", suite)


def test_left_out_questions_keep_their_place(tmp_path: Path) -> None:
    folder = tmp_path / "half"
    write(folder)
    (folder / "database" / "bakery" / "bakery.sqlite").unlink()
    suite = load_suite(f"spider:{folder}")
    assert len(suite) == 8
    assert len(suite.entries) == 20
    sql = read(tmp_path, "\n".join(GOLDS), suite)
    assert sql == {i: g for i, g, d in zip(IDS, GOLDS, DBS, strict=True) if d == "club"}
    with pytest.raises(PredictionFileError, match="the 12 left-out questions included"):
        read(tmp_path, "\n".join(GOLDS[12:]), suite)
