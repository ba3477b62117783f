"""The head of a report: what ran, with whom, when, and how far it came."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlbench.runs.run import Run
from sqlbench.words import counted


def title_text(run: Run) -> str:
    """Return a report's title as Markdown: suite, model, policy and date, and the run's state."""
    c = run.config
    model = f"{c.model} + {c.repair_model}" if c.repair_model else c.model
    done, failed = len(run.log), len(run.failed)
    state = f"{done:,} of {counted(c.episodes, 'episode')}"
    state += f", {failed:,} failed by the model or the database" if failed else ""
    if done + failed < c.episodes:
        state += "; **stopped before its end**: the figures show what there is"
    options = f"seed {c.seed}, feedback {c.feedback}, metric {c.metric}, lag {c.lag}"
    options += f", {counted(c.max_attempts, 'attempt')}, {counted(c.samples, 'sample')}"
    return "\n\n".join(
        [
            f"# {c.suite}{f' on {c.database}' if c.database else ''}: {model} with {c.policy}"
            f"{run.mark}",
            f"{_when(run)}{state}. {options[0].upper()}{options[1:]}.",
        ]
    )


def _when(run: Run) -> str:
    """Return the day of a run in a folder, by the last file that was written."""
    if run.folder is None:
        return ""
    files = [run.folder / name for name in ("episodes.jsonl", "run.json")]
    seconds = max(f.stat().st_mtime for f in files if f.exists())
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d · ")
