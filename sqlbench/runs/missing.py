"""The episodes that a run has lost, to its model or its database: how many, and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sqlbench.words import counted

if TYPE_CHECKING:
    from sqlbench.runs.run import Run

# From this share of lost episodes on, rates say little about the questions that were asked.
SURVIVORS = 0.1
SHOWN = 3


def survivors_note(run: Run) -> str | None:
    """Return what a table must say where many episodes are lost, with their share; else None."""
    return lost_note(len(run.failed), len(run.log))


def lost_note(lost: int, left: int) -> str | None:
    """Return the same of so many episodes that are lost and left."""
    if lost <= SURVIVORS * (lost + left):
        return None
    if not left:
        return (
            f"{lost} of {counted(lost, 'episode')} (100%) are missing, lost to the model or the "
            "database: nothing is left that a rate could be of."
        )
    return (
        f"{lost} of {counted(lost + left, 'episode')} ({lost / (lost + left):.0%}) are missing, "
        "lost to the model or the database: the rates are those of survivors."
    )


def failure_lines(failed: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return why episodes are missing: at most three reasons, each with its count.

    Parameters
    ----------
    failed : iterable of mapping
        Their notes, as `Run.failed` has them.
    """
    groups: dict[str, list[str]] = {}
    for record in failed:
        # Numbers tell one request from another, and not one reason.
        key = f"{record['kind']}: " + re.sub(r"\d+", "0", record["message"])
        groups.setdefault(key, []).append(record["message"])
    ranked = sorted(groups.values(), key=len, reverse=True)
    lines = [f"{len(messages)} × {messages[0]}" for messages in ranked[:SHOWN]]
    if rest := sum(map(len, ranked[SHOWN:])):
        lines.append(f"{rest} × other reasons (see failures.jsonl)")
    return lines


def why_missing(run: Run, index: int) -> str | None:
    """Return why an episode of the run's plan is not in its log; None if it is no such episode."""
    lost: dict[str, Any] | None = next((r for r in run.failed if r["episode"] == index), None)
    head = f"Episode {index} of {run.label}{run.mark}"
    if lost is not None:
        who = "model" if lost["error_class"] == "model_error" else "database"
        return (
            f"{head} is missing: at attempt {lost['attempt']} on question {lost['question_id']} "
            f"its {who} failed ({lost['kind']}): {lost['message']}\n"
            "It was not scored. Repeat the command that made the run to try it again."
        )
    if 0 <= index < run.config.episodes and all(e.index != index for e in run.log):
        return f"{head} has not run yet. Repeat the command that made the run to go on with it."
    return None
