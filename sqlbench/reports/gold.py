"""The gold query beside a wrong answer: both results, and the rows in which they differ.

For whoever reads a run. It runs both queries anew, in the sandbox; nothing of it is in a log or
reaches a prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlbench.databases.base import QueryError, QueryResult, Row
from sqlbench.episodes.episode import Episode
from sqlbench.grading.metrics import find_metric
from sqlbench.grading.rows import RowDifference, row_difference
from sqlbench.runs.run import Run
from sqlbench.suites import Suite

SHOWN_ROWS = 5


@dataclass(frozen=True, slots=True)
class Beside:
    """A wrong answer and the gold.

    Attributes
    ----------
    gold_sql : str
        The gold query.
    gold : QueryResult or QueryError
        What it returns now.
    found : QueryResult or QueryError
        What the answer returns now.
    difference : RowDifference or None
        Where they differ; None if one of them did not run.
    """

    gold_sql: str
    gold: QueryResult | QueryError
    found: QueryResult | QueryError
    difference: RowDifference | None


def beside_gold(run: Run, episode: Episode, suite: Suite) -> Beside | None:
    """Run an episode's last answer and its gold; None if it is right, or has no gold.

    Parameters
    ----------
    run : Run
        The run, whose metric says how queries are prepared.
    episode : Episode
        One of its episodes.
    suite : Suite
        Its suite.
    """
    question = suite.question(episode.question_id)
    if question.gold is None or episode.success or not episode.steps:
        return None
    prepare, database = find_metric(run.config.metric).prepare, suite.database(question)
    outcomes: list[QueryResult | QueryError] = []
    for sql in (question.gold, episode.steps[-1].sql):
        try:
            outcomes.append(database.execute(prepare(sql)))
        except QueryError as error:
            outcomes.append(error)
    gold, found = outcomes
    both = isinstance(gold, QueryResult) and isinstance(found, QueryResult)
    return Beside(
        question.gold, gold, found,
        row_difference(gold, found) if both else None,  # type: ignore[arg-type]
    )  # fmt: skip


def gold_text(run: Run, episode: Episode, suite: Suite) -> str:
    """Return the gold beside an episode's last, wrong answer as text; empty where there is none."""
    beside = beside_gold(run, episode, suite)
    if beside is None:
        return ""
    lines = ["", "The gold query:", *(f"    {line}" for line in beside.gold_sql.splitlines())]
    for name, outcome in (("gold", beside.gold), ("answer", beside.found)):
        if isinstance(outcome, QueryError):
            lines.append(f"  {name}: {outcome.message}")
        else:
            lines.append(
                f"  {name}: {len(outcome.rows):,} rows, columns {', '.join(outcome.columns)}"
            )
    if beside.difference is not None:
        lines.append(f"  {beside.difference}")
        lines += _rows("missing", beside.difference.missing)
        lines += _rows("extra", beside.difference.extra)
    return "\n".join(lines)


def _rows(name: str, rows: Sequence[Row]) -> list[str]:
    lines = [f"    {name}: {row!r}" for row in rows[:SHOWN_ROWS]]
    more = len(rows) - SHOWN_ROWS
    return lines + ([f"    … and {more:,} more {name}"] if more > 0 else [])
