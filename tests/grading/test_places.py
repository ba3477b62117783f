import json

import pytest

from sqlbench.grading.chosen import read_candidates
from sqlbench.grading.places import PlaceError, Places
from sqlbench.grading.predictions import PredictionFileError, read_predictions
from sqlbench.suites import load_suite
from sqlbench.suites.base import Entry


@pytest.fixture
def make_suite(tmp_path):
    """Make a suite of questions with these ids, in this order."""
    import sqlite3

    with sqlite3.connect(tmp_path / "d.sqlite") as connection:
        connection.execute("CREATE TABLE t (x)")

    def make(ids):
        questions = [{"id": i, "text": f"Which is {i}?", "gold": f"SELECT '{i}'"} for i in ids]
        task = {"id": "a", "difficulty": "easy", "questions": questions}
        path = tmp_path / "suite.yaml"
        path.write_text(json.dumps({"database": "d.sqlite", "tasks": [task]}))
        return load_suite(str(path))

    return make


def written(tmp_path, records, name="p.jsonl"):
    path = tmp_path / name
    if name.endswith(".json"):
        path.write_text(json.dumps(records))
    else:
        path.write_text("".join(json.dumps(r) + "\n" for r in records))
    return path


@pytest.mark.parametrize("ids", [["3", "1", "0", "2"], ["1", "2", "3", "4"], ["001", "b", "002"]])
@pytest.mark.parametrize("form", ["texts", "numbers", "an object"])
def test_an_id_of_the_suite_is_that_questions_wherever_it_stands(make_suite, tmp_path, ids, form):
    suite, given = make_suite(ids), {i: f"SELECT '{i}' -- {i}" for i in sorted(ids)}
    if form == "an object":
        path = written(tmp_path, given, "p.json")
    else:
        records = [
            {"question_id": int(i) if form == "numbers" and str(int(i)) == i else i, "pred": sql}
            if i.isdecimal()
            else {"question_id": i, "pred": sql}
            for i, sql in given.items()
        ]
        path = written(tmp_path, records)
        candidates = [{"question_id": r["question_id"], "candidates": [r["pred"]]} for r in records]
        chosen = read_candidates(written(tmp_path, candidates, "c.jsonl"), suite)
        assert {c.question_id: c.statements[0] for c in chosen} == given
    assert read_predictions(path, suite).sql == given


def test_a_number_that_is_no_id_is_no_place_where_ids_are_numbers(make_suite):
    numbered, named = Places(make_suite(["1", "2", "3", "4"])), Places(make_suite(["a", "b"]))
    with pytest.raises(PlaceError, match=r"unknown question_id 0 .*for example 1 or 4"):
        numbered.of({"question_id": 0})
    assert [e.position for e in named.of({"question_id": 1})] == [1]
    assert [e.position for e in numbered.of({"index": "0"})] == [0]


def test_a_place_and_an_id_that_differ_are_refused(make_suite):
    places = Places(make_suite(["1", "2", "3"]))
    assert [e.question_id for e in places.of({"index": 0, "question_id": 1})] == ["1"]
    with pytest.raises(PlaceError, match=r"index 1, which is question 2 .* question_id 1"):
        places.of({"index": 1, "question_id": 1})
    assert [e.position for e in places.of({"index": 1, "question_id": "theirs"})] == [1]


def test_a_number_that_occurs_twice_may_be_either(make_suite):
    suite = make_suite(["a", "b", "c"])
    object.__setattr__(
        suite, "entries", tuple(Entry(i, "d", q, n) for i, (q, n) in enumerate(
            [("a", 7), ("b", 7), ("c", 8)]
        ))
    )  # fmt: skip
    assert [e.question_id for e in Places(suite).of({"question_id": 7})] == ["a", "b"]


def test_a_source_that_answers_a_question_twice_is_refused(make_suite, tmp_path):
    suite = make_suite(["a", "b"])
    one = {"question_id": "a", "candidates": ["SELECT 1"]}
    both = written(tmp_path, [one, one | {"source": "other"}])
    assert len(read_candidates(both, suite)) == 2
    with pytest.raises(PredictionFileError, match=r"line 2.*question a of the source 'p' again"):
        read_candidates(written(tmp_path, [one, one]), suite)


def test_a_question_that_is_predicted_twice_is_called_by_its_id(make_suite, tmp_path):
    suite = make_suite(["a", "b"])
    one = {"question_id": "a", "pred": "SELECT 1"}
    with pytest.raises(PredictionFileError, match=r"line 2.*predicts question a again, as 1"):
        read_predictions(written(tmp_path, [one, one]), suite)
