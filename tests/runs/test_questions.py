"""A run question by question: the frame, the table, the gold beside a wrong answer."""

from __future__ import annotations

import asyncio
from collections import Counter

import pandas as pd
import pytest

from sqlbench.databases.base import QueryResult
from sqlbench.exceptions import RunFolderError
from sqlbench.grading.rows import row_difference
from sqlbench.models import load_model
from sqlbench.reports.gold import beside_gold, gold_text
from sqlbench.reports.questions import questions_card, questions_text
from sqlbench.runs.experiment import run_experiment
from sqlbench.runs.questions import QUESTION_COLUMNS, never_solved, question_frame
from sqlbench.runs.run import Run
from sqlbench.suites import load_suite

SUITE = load_suite("marketplace")
MODEL = load_model("simulated", SUITE)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("questions") / "run"
    asyncio.run(
        run_experiment(SUITE, MODEL, "random", episodes=75, max_attempts=2, out=folder,
                       progress=False)
    )  # fmt: skip
    return Run.open(folder)


def test_every_question_has_a_row_with_what_came_of_it(run):
    frame = run.questions.set_index("question_id")
    assert len(frame) == len(SUITE) and [*QUESTION_COLUMNS[1:]] == list(frame.columns)
    assert frame["asked"].sum() == 75 and frame["solved"].sum() == sum(e.success for e in run.log)
    for episode in sorted(run.log, key=lambda e: e.index):
        row = frame.loc[episode.question_id]
        question = SUITE.question(episode.question_id)
        assert row["gold"] == question.gold and row["text"] == question.text
        last = max((e for e in run.log if e.question_id == question.id), key=lambda e: e.index)
        assert row["last_sql"] == last.steps[-1].sql and row["reason"] == last.steps[-1].reason
    unsolved = never_solved(run.questions)
    assert len(unsolved) and not unsolved["solved"].any() and unsolved["asked"].all()


def test_what_came_of_a_question_is_what_the_log_says(run):
    frame = run.questions.set_index("question_id")
    repeated = 0
    for question in SUITE:
        row = frame.loc[question.id]
        mine = [e for e in run.log if e.question_id == question.id]
        repeated += len(mine) > 1
        difficulties = {t.id: t.difficulty for t in SUITE.tasks.values()}
        where = question.task_id, question.db_id, difficulties[question.task_id]
        assert (row["task_id"], row["db_id"], row["difficulty"]) == where
        assert row["asked"] == len(mine)
        assert row["first"] == sum(e.steps[0].success for e in mine)
        assert row["solved"] == sum(any(s.success for s in e.steps) for e in mine)
        if not mine:
            assert pd.isna(row["attempts"]) and row["classes"] == ""
            assert pd.isna(row["last_sql"]) and pd.isna(row["reason"])
            continue
        assert row["attempts"] == sum(len(e.steps) for e in mine) / len(mine)
        failures = Counter(str(s.error_class) for e in mine for s in e.steps if s.error_class)
        classes = row["classes"].split(", ") if row["classes"] else []
        assert set(classes) == set(failures)
        assert [failures[c] for c in classes] == sorted(failures.values(), reverse=True)
    assert repeated and len({*frame["difficulty"]}) > 1 and frame["classes"].str.contains(",").any()


@pytest.mark.parametrize(
    "options",
    [{"feedback": "always"}, {"feedback": "signals"}, {"feedback": "signals", "samples": 4}],
)
async def test_a_question_is_solved_by_what_it_ended_with_and_by_nothing_before(options):
    ended = await run_experiment(SUITE, MODEL, "random", episodes=60, progress=False, **options)
    assert any(e.any and not e.success for e in ended.log), "or this shows nothing"
    right = {e.question_id for e in ended.log if e.success}
    frame = ended.questions.set_index("question_id")
    assert frame["solved"].sum() == sum(e.success for e in ended.log)
    asked = {e.question_id for e in ended.log}
    assert {*never_solved(ended.questions)["question_id"]} == asked - right
    assert ended.summary["questions_solved"] == len(right)


def test_the_tables_name_the_unsolved_questions_first(run):
    unsolved = never_solved(run.questions)["question_id"].tolist()
    text = questions_text(run, only_unsolved=True)
    assert "(simulated model)" in text and f"{len(unsolved)} never solved" in text
    assert all(f"| {q} " in text for q in unsolved)
    assert text.count("\n| ") == len(unsolved) + 1
    plain = questions_card(run).plain()
    assert plain.index("Never solved") < plain.index("Solved at least once")


def test_a_suite_that_has_changed_gives_no_wrong_texts(run, tmp_path):
    changed = Run(run.meta | {"suite_hash": "0" * 64}, run.folder)
    with pytest.raises(RunFolderError, match="has changed since the run"):
        changed.questions  # noqa: B018
    assert "has changed since the run" in questions_text(changed)
    assert question_frame(changed, None)["text"].isna().all()


def test_the_gold_stands_beside_a_wrong_answer_with_the_rows_that_differ(run):
    wrong = next(e for e in run.log if not e.success and e.steps[-1].reason == "row_count")
    beside = beside_gold(run, wrong, SUITE)
    assert beside.gold_sql == SUITE.question(wrong.question_id).gold
    assert beside.difference.missing or beside.difference.extra
    text = gold_text(run, wrong, SUITE)
    assert "missing" in text and beside.gold_sql.splitlines()[0] in text
    right = next(e for e in run.log if e.success)
    assert beside_gold(run, right, SUITE) is None and gold_text(run, right, SUITE) == ""


def _rows(*rows, columns=("a", "b")):
    return QueryResult(columns, list(rows))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (_rows((1, 2)), "1 row of the gold is missing, 0 are extra."),
        (_rows((5, 6), (3, 4), (1, 2)), "0 rows of the gold are missing, 1 is extra."),
    ],
)
def test_one_row_that_differs_is_one_row(found, said):
    assert str(row_difference(_rows((1, 2), (3, 4)), found)) == said


@pytest.mark.parametrize(
    ("found", "kind", "missing", "extra"),
    [
        (_rows((1, 2), (3, 4)), "same", (), ()),
        (_rows((3, 4), (1, 2)), "order", (), ()),
        (_rows((2, 1), (4, 3)), "same", (), ()),  # its columns in another order
        (_rows((1, 2)), "rows", ((3, 4),), ()),
        (_rows((1, 2), (3, 4), (3, 4)), "rows", (), ((3, 4),)),
        (_rows((1,), (3,), columns=("a",)), "columns", ((1, 2), (3, 4)), ((1,), (3,))),
    ],
)
def test_rows_that_differ(found, kind, missing, extra):
    difference = row_difference(_rows((1, 2), (3, 4)), found)
    assert (difference.kind, difference.missing, difference.extra) == (kind, missing, extra)
