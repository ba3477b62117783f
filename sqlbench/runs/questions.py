"""A run question by question: how often each was asked, how it went, and what was answered last."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sqlbench.episodes.episode import Episode
from sqlbench.suites.base import Suite

if TYPE_CHECKING:
    import pandas as pd

    from sqlbench.runs.run import Run

QUESTION_COLUMNS = [
    "question_id",
    "task_id",
    "db_id",
    "difficulty",
    "text",
    "asked",
    "first",
    "solved",
    "attempts",
    "classes",
    "last_sql",
    "reason",
    "gold",
]


def question_frame(run: Run, suite: Suite | None) -> pd.DataFrame:
    """Return a row a question, in the suite's order.

    Parameters
    ----------
    run : Run
        The run.
    suite : Suite or None
        Its suite. Without one there are only the questions that were asked, and no texts, no
        difficulties and no golds.

    Returns
    -------
    DataFrame
        Columns: question_id, task_id, db_id, difficulty, text; asked (episodes), first and solved
        (how many of them were right at attempt 1, and in the end: an attempt that was right before,
        or a sample that was not chosen, solves nothing), attempts (mean), classes (of all failures,
        the most frequent first), last_sql and reason (of the last episode's last attempt), gold.
    """
    import pandas as pd

    episodes: dict[str, list[Episode]] = defaultdict(list)
    for episode in sorted(run.log, key=lambda e: e.index):
        episodes[episode.question_id].append(episode)
    rows = []
    if suite is None:
        for question_id, asked in episodes.items():
            where = {"task_id": asked[0].task_id, "db_id": asked[0].db_id}
            rows.append({"question_id": question_id, **where, **_seen(asked)})
    else:
        invalid = run.meta["invalid_questions"]
        for question in suite.questions([run.config.task] if run.config.task else None):
            if question.id not in invalid:
                rows.append(
                    {
                        "question_id": question.id,
                        "task_id": question.task_id,
                        "db_id": question.db_id,
                        "difficulty": suite.task(question.task_id).difficulty,
                        "text": question.text,
                        **_seen(episodes.get(question.id, [])),
                        "gold": question.gold,
                    }
                )
    return pd.DataFrame(rows, columns=QUESTION_COLUMNS)


def never_solved(questions: pd.DataFrame) -> pd.DataFrame:
    """Return the questions that were asked and never ended right."""
    return questions[(questions["asked"] > 0) & (questions["solved"] == 0)]


def _seen(asked: list[Episode]) -> dict[str, Any]:
    classes: dict[str, int] = defaultdict(int)
    for episode in asked:
        for step in episode.steps:
            if step.error_class is not None:
                classes[str(step.error_class)] += 1
    last = asked[-1].steps[-1] if asked else None
    n = len(asked)
    return {
        "asked": n,
        "first": sum(e.first for e in asked),
        "solved": sum(e.success for e in asked),
        "attempts": sum(len(e.steps) for e in asked) / n if n else None,
        "classes": ", ".join(sorted(classes, key=lambda c: -classes[c])),
        "last_sql": last.sql if last else None,
        "reason": last.reason if last else None,
    }
