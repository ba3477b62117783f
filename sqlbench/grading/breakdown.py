"""Graded predictions by what the gold is made of, and the questions that only one file gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sqlbench.databases.base import QueryError
from sqlbench.grading.compare import compare
from sqlbench.grading.gold import run_gold
from sqlbench.grading.leaderboard import share
from sqlbench.grading.metrics import find_metric
from sqlbench.grading.rows import row_difference
from sqlbench.html import Grid
from sqlbench.suites.base import Suite
from sqlbench.suites.shapes import FEATURES, TIERS, Shape, read_shapes
from sqlbench.words import markdown_table

if TYPE_CHECKING:
    import pandas as pd

    from sqlbench.grading.graded import Graded
    from sqlbench.grading.predictions import Predictions

SHOWN = 10
_RIGHT = "right [95% interval] (count/n)"


def by_tier(graded: Graded, suite: Suite) -> pd.DataFrame:
    """Return the share of right predictions by Spider's own tier of the gold.

    Index: the tiers that occur. Columns: correct, n, rate, low, high (Wilson).
    """
    shapes = _shapes(graded, suite)
    groups = {name: {q for q, s in shapes.items() if s.tier == name} for name in TIERS}
    return _shares(graded, groups)


def by_feature(graded: Graded, suite: Suite) -> pd.DataFrame:
    """Return the share of right predictions among golds with each SQL feature, and with none.

    A gold with two features counts for both. Index and columns as in `by_tier`.
    """
    found = {q: shape.features for q, shape in _shapes(graded, suite).items()}
    groups = {name: {q for q, f in found.items() if name in f} for name in FEATURES}
    return _shares(graded, groups | {"none of them": {q for q, f in found.items() if not f}})


def breakdown_text(graded: Graded, suite: Suite) -> str:
    """Return both tables as Markdown."""
    parts = []
    for title, table in (
        ("By Spider's own tier of the gold:", by_tier(graded, suite)),
        ("By SQL feature of the gold:", by_feature(graded, suite)),
    ):
        rows = [(i, share(int(r["correct"]), int(r["n"]))) for i, r in table.iterrows()]
        parts += [title, markdown_table(["", _RIGHT], rows)]
    return "\n\n".join(parts)


def only_one(graded: Sequence[Graded]) -> pd.DataFrame:
    """Return the questions that exactly one of several files answers right.

    Columns: question_id, db_id, hardness, predictions (the file that does).
    """
    import pandas as pd

    frame = pd.concat([g.frame for g in graded], ignore_index=True)
    right = frame[frame["correct"]]
    alone = right.groupby("question_id")["predictions"].transform("size") == 1
    columns = ["question_id", "db_id", "hardness", "predictions"]
    return right.loc[alone, columns].reset_index(drop=True)


def only_one_text(
    graded: Sequence[Graded], suite: Suite, predictions: Sequence[Predictions]
) -> str:
    """Return the questions that only one file gets, with a counterexample for each shown.

    The counterexample is the first other file's answer, run again: what its rows lack and what they
    have too many, or its error.
    """
    alone = only_one(graded)
    counts = alone["predictions"].value_counts()
    lines = [f"Only {g.name} gets {int(counts.get(g.name, 0))} questions." for g in graded]
    by_name = {p.name: p for p in predictions}
    rows = []
    for row in alone.head(SHOWN).itertuples():
        other = next(g.name for g in graded if g.name != row.predictions)
        said = counterexample(suite, str(row.question_id), by_name[other].sql, graded[0].metric)
        rows.append((row.question_id, row.predictions, other, said))
    if rows:
        grid = Grid(["question", "right", "wrong", "how"], rows)
        lines += ["", markdown_table(list(map(str, grid.header)), grid.rows)]
    return "\n".join(lines)


def counterexample(suite: Suite, question_id: str, answers: Mapping[str, str], metric: str) -> str:
    """Return in words how an answer's result differs from the gold's."""
    question = suite.question(question_id)
    database, prepare = suite.database(question), find_metric(metric).prepare
    assert question.gold is not None
    try:
        gold = run_gold(prepare(question.gold), database)
        found = database.execute(prepare(answers[question_id]))
    except QueryError as error:
        return " ".join(error.message.split())
    difference = row_difference(gold.result, found)
    said = [f"{compare(gold, found, metric).reason}: {difference}"]
    for name, rows in (("missing", difference.missing), ("extra", difference.extra)):
        said += [f"{name} {rows[0]!r}"] if rows else []
    return " ".join(said).replace("|", "¦")


def _shapes(graded: Graded, suite: Suite) -> dict[str, Shape]:
    golds = {}
    for question_id in graded.frame["question_id"]:
        question = suite.question(str(question_id))
        if question.gold is not None:
            golds[question.id] = question.gold, suite.database(question).dialect
    return dict(zip(golds, read_shapes(golds.values()), strict=True))


def _shares(graded: Graded, groups: dict[str, set[str]]) -> pd.DataFrame:
    import pandas as pd

    frame = graded.frame
    rows = {}
    for name, questions in groups.items():
        part = frame[frame["question_id"].isin(questions)]
        if len(part):
            r = share(int(part["correct"].sum()), len(part))
            rows[name] = (r.count, r.n, r.rate, r.low, r.high)
    columns = ["correct", "n", "rate", "low", "high"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)
