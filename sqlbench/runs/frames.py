"""A run's records as DataFrames, made column by column: 10⁵ episodes in about a second.

Records are those of `Episode.record`, from memory or straight from the log's lines.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sqlbench.words import carried

if TYPE_CHECKING:
    import pandas as pd

EPISODE_COLUMNS = [
    "episode",
    "question_id",
    "task_id",
    "db_id",
    "success",
    "attempts",
    "first",
    "field",
    "any",
    "total_reward",
    "model_calls",
    "prompt_tokens",
    "completion_tokens",
    "simulated",
]
STEP_COLUMNS = [
    "episode",
    "attempt",
    "action",
    "context_error_class",
    "error_class",
    "propensity",
    "score",
    "base",
    "attempt_penalty",
    "severity_bonus",
    "change_bonus",
    "reward",
    "success",
    "sql",
    "error_message",
    "ucb_scores",
]
_AS_LOGGED = (
    "attempt",
    "action",
    "error_class",
    "propensity",
    "score",
    "success",
    "sql",
    "error_message",
)


class _Texts(dict[str, str]):
    """Texts as a table carries them; equal ones are one object: the same questions come often."""

    def __missing__(self, text: str) -> str:
        self[text] = made = carried(text)
        return made


def step_frame(records: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Return a row an attempt, in order of its episode's number.

    A column ``doubt`` is there where the signals were measured.

    Parameters
    ----------
    records : iterable of dict
        Of episodes.
    """
    import pandas as pd

    columns: dict[str, list[Any]] = {name: [] for name in STEP_COLUMNS}
    one = _Texts().__getitem__
    logged = [(columns[name], name) for name in _AS_LOGGED]
    episodes, contexts, scores = (
        columns["episode"],
        columns["context_error_class"],
        columns["ucb_scores"],
    )
    parts = [columns[n] for n in ("base", "attempt_penalty", "severity_bonus", "change_bonus")]
    rewards = columns["reward"]
    doubts: list[float | None] = []
    for record in records:
        number = record["episode"]
        for step in record["steps"]:
            episodes.append(number)
            for column, name in logged:
                value = step[name]
                column.append(one(value) if type(value) is str else value)
            context, breakdown = step["context"], step["breakdown"]
            seen = None if context is None else context[0]
            contexts.append(None if seen is None else one(seen))
            for column, part in zip(parts, breakdown, strict=True):
                column.append(part)
            base, attempt, severity, change = breakdown
            rewards.append(round(base + attempt + severity + change, 10))
            scores.append(step["scores"])
            known = step.get("known")
            doubts.append(None if known is None else known["doubt"])
    frame = pd.DataFrame(columns)
    if any(doubt is not None for doubt in doubts):
        frame.insert(STEP_COLUMNS.index("sql"), "doubt", pd.Series(doubts, dtype=float))
    return frame.sort_values(["episode", "attempt"], kind="stable", ignore_index=True)
