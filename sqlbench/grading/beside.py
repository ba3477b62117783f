"""What can be measured beside a verdict, each where it is asked for; no verdict changes.

BIRD's Soft-F1 (see `sqlbench.grading.soft_f1`); its R-VES, which is a timing of this machine; other
queries that are accepted besides the gold; and a reading that forgives columns too many.

R-VES is the rule of ``evaluation_ves.py`` in bird-bench/mini_dev (Li et al. 2023): a right answer
earns the root of a step function of the gold's time over its own, a wrong one nothing.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from sqlbench.databases.base import Database, QueryError, QueryResult
from sqlbench.databases.sqlite_limits import Limits
from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.grading.compare import compare
from sqlbench.grading.gold import Gold, run_gold
from sqlbench.grading.graded import Graded
from sqlbench.grading.grader import GRADING_LIMITS, with_limits
from sqlbench.grading.leaderboard import share
from sqlbench.grading.metrics import find_metric
from sqlbench.grading.predictions import Predictions
from sqlbench.grading.soft_f1 import soft_f1
from sqlbench.paths import located, shown
from sqlbench.suites.base import Suite
from sqlbench.words import markdown_table

if TYPE_CHECKING:
    import pandas as pd

REPEATS = 5
# How the columns of a result may be chosen to be tried, before it is given up.
MOST_CHOICES = 500
# The gold's time over the prediction's, from which on it earns so much.
_REWARDS = ((2.0, 1.25), (1.0, 1.0), (0.5, 0.75), (0.25, 0.5), (0.0, 0.25))
_TEXT = "tag:yaml.org,2002:str"


@dataclass(frozen=True)
class Asked:
    """What is to be measured beside the verdicts; by default nothing.

    Attributes
    ----------
    soft_f1, r_ves, extra_columns : bool
        Soft-F1; R-VES; whether an answer is right but for columns too many.
    accepted : mapping of str to sequence of str
        By question, the queries that are accepted besides its gold.
    """

    soft_f1: bool = False
    r_ves: bool = False
    extra_columns: bool = False
    accepted: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def anything(self) -> bool:
        """Whether anything is asked for."""
        return self.soft_f1 or self.r_ves or self.extra_columns or bool(self.accepted)


def load_accepted(path: str | Path, suite: Suite) -> dict[str, list[str]]:
    """Read the queries that are accepted besides the golds.

    Parameters
    ----------
    path : path
        YAML or JSON: question ids, each with a query or a list of queries.
    suite : Suite
        Whose questions they are.

    Raises
    ------
    ConfigError
        If the file cannot be read, or has another form.
    UnknownNameError
        If it names a question that the suite lacks.
    """
    try:
        root = yaml.compose(located(path).read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"The accepted queries {shown(path)} cannot be read: {reason}") from None
    pairs = root.value if isinstance(root, yaml.MappingNode) else ()
    found = {str(name.value): _texts(node) for name, node in pairs}  # an id like 003 is no number
    if not found or not all(found.values()):
        raise ConfigError(
            f"The accepted queries {shown(path)} are question ids, each with a query or a list of "
            "queries, for example  q1: SELECT name FROM singer"
        )
    known = [q.id for q in suite.questions()]
    for name in found:
        if name not in known:
            raise UnknownNameError("question", name, known)
    return found


def _texts(node: yaml.Node) -> list[str]:
    """Return a query or a list of them; none where anything else stands there."""
    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    texts = [n.value for n in nodes if n.tag == _TEXT and n.value.strip()]
    return texts if len(texts) == len(nodes) else []


def measure(
    graded: Graded,
    suite: Suite,
    predictions: Predictions,
    asked: Asked,
    limits: Limits = GRADING_LIMITS,
) -> pd.DataFrame:
    """Run the graded answers again, and return what was asked for.

    Parameters
    ----------
    graded : Graded
        The verdicts.
    suite : Suite
        What was asked.
    predictions : Predictions
        The answers that were graded.
    asked : Asked
        What is to be measured.
    limits : Limits
        What one statement may cost.

    Returns
    -------
    DataFrame
        A row a verdict: index, question_id, db_id, correct, and of soft_f1 (0 to 1), extra_columns
        and accepted (right in that reading, too), time_ratio (the gold's over its own) and r_ves (0
        to 112) those that were asked for.
    """
    import pandas as pd

    metric = find_metric(graded.metric)
    doors: dict[str, Database] = {}
    rows = []
    try:
        for grade in graded.grades:
            if grade.correct is None:
                continue
            question = suite.question(grade.question_id)
            if question.db_id not in doors:
                doors[question.db_id] = with_limits(suite.database(question), limits)
            database = doors[question.db_id]
            sql = metric.prepare(predictions.sql[question.id])
            assert question.gold is not None
            gold = run_gold(metric.prepare_gold(question.gold), database)
            try:
                pred = database.execute(sql)
            except QueryError:
                pred = None
            row: dict[str, Any] = {
                "index": grade.index,
                "question_id": question.id,
                "db_id": question.db_id,
                "correct": grade.correct,
            }
            if asked.soft_f1:
                row["soft_f1"] = 0.0 if pred is None else soft_f1(gold.result, pred)
            if asked.extra_columns:
                row["extra_columns"] = grade.correct or (
                    pred is not None and right_but_for_columns(gold, pred, graded.metric)
                )
            if asked.accepted:
                others = asked.accepted.get(question.id, ())
                row["accepted"] = grade.correct or (
                    pred is not None and _accepted(others, database, pred, graded.metric)
                )
            if asked.r_ves:
                ratio = time_ratio(gold.sql, sql, database) if grade.correct else math.nan
                row |= {"time_ratio": ratio, "r_ves": 100 * math.sqrt(reward(ratio))}
            rows.append(row)
    finally:
        for db_id, door in doors.items():
            if door is not suite.databases[db_id]:
                door.close()
    return pd.DataFrame(rows)


def beside_text(table: pd.DataFrame, asked: Asked) -> str:
    """Return what was measured as a Markdown table."""
    rows: list[tuple[str, object]] = []
    if not len(table):
        return "Beside the verdicts: nothing, for there is none."
    for name, label in (
        ("extra_columns", "right, columns too many forgiven"),
        ("accepted", f"right, other queries accepted ({sum(map(len, asked.accepted.values()))})"),
    ):
        if name in table:
            rows.append((label, share(int(table[name].sum()), len(table))))
    if "soft_f1" in table:
        rows.append(("Soft-F1, mean", f"{table['soft_f1'].mean():.1%}"))
    if "r_ves" in table:
        rows.append(("R-VES, a timing of this machine", f"{table['r_ves'].mean():.1f}"))
    return "Beside the verdicts:\n\n" + markdown_table(["", "[95% interval] (count/n)"], rows)


def right_but_for_columns(gold: Gold, pred: QueryResult, metric: str) -> bool:
    """Whether some of a result's columns, in some order, agree with the gold's result."""
    width = len(gold.result.columns)
    if len(pred.columns) <= width or pred.truncated:
        return False
    for chosen in itertools.islice(_choices(gold.result, pred), MOST_CHOICES):
        kept = [tuple(row[i] for i in chosen) for row in pred.rows]
        names = tuple(pred.columns[i] for i in chosen)
        if compare(gold, replace(pred, columns=names, rows=kept), metric).match:
            return True
    return False


def _choices(gold: QueryResult, pred: QueryResult) -> Iterator[tuple[int, ...]]:
    """Yield for each column of the gold one of the result that holds the same values."""
    have = [_values(pred, i) for i in range(len(pred.columns))]
    alike = [
        [i for i, values in enumerate(have) if values == _values(gold, j)]
        for j in range(len(gold.columns))
    ]
    return (c for c in itertools.product(*alike) if len({*c}) == len(c))


def _values(result: QueryResult, column: int) -> set[str]:
    cells = (row[column] for row in result.rows)
    return {f"{c:.6g}" if isinstance(c, int | float) else str(c) for c in cells}


def _accepted(sqls: Sequence[str], database: Database, pred: QueryResult, metric: str) -> bool:
    """Whether a result agrees with that of one of several queries.

    Raises
    ------
    ConfigError
        If one of them fails.
    """
    prepare = find_metric(metric).prepare_gold
    for sql in sqls:
        try:
            gold = run_gold(prepare(sql), database)
        except QueryError as error:
            said = " ".join(error.message.split())
            raise ConfigError(f"The accepted query {sql!r} fails: {said}") from None
        if compare(gold, pred, metric).match:
            return True
    return False


def time_ratio(gold: str, sql: str, database: Database) -> float:
    """Return the time of a gold over that of an answer: the mean of five pairs, outliers left out.

    It is the wall-clock time of this machine, with whatever else it was doing.
    """
    ratios = []
    for _ in range(REPEATS):
        try:
            theirs, mine = database.execute(gold).elapsed, database.execute(sql).elapsed
        except QueryError:
            return math.nan  # it was near a limit
        ratios.append(theirs / max(mine, 1e-9))
    kept = np.array(ratios)
    kept = kept[np.abs(kept - kept.mean()) <= 3 * kept.std()]
    return float(kept.mean())


def reward(ratio: float) -> float:
    """Return what a ratio of times earns; 0 for NaN, which is a wrong answer."""
    return next((earned for least, earned in _REWARDS if ratio >= least), 0.0)
