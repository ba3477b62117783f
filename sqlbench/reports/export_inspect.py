"""A run as a log of Inspect, written by ``inspect_ai`` itself: a sample an episode."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlbench.episodes.episode import Episode
from sqlbench.exceptions import MissingExtraError, SQLBenchError
from sqlbench.reports.transcript import sent_messages
from sqlbench.runs.run import Run
from sqlbench.runs.summary import rates
from sqlbench.suites import Suite

_SCORES = ("first", "field", "any")


def write_inspect(run: Run, folder: Path) -> Path:
    """Write a run as one Inspect log (``.eval``), which ``inspect view --log-dir`` lists.

    Each episode is a sample: the question, the gold as its target, the conversation as it was
    sent, the last answer, and the scores ``first``, ``field`` and ``any``.

    Raises
    ------
    MissingExtraError
        If ``inspect_ai`` is not installed.
    """
    try:
        from inspect_ai import log
    except ImportError:
        raise MissingExtraError("Inspect's log format", "inspect") from None
    try:
        suite: Suite | None = run.suite
    except (SQLBenchError, OSError):
        suite = None  # the log is then without texts and golds
    c, name = run.config, run.folder.name if run.folder is not None else "run"
    when = _when(run)
    samples = [_sample(run, suite, e) for e in sorted(run.log, key=lambda e: e.index)]
    scores = []
    for key, found in rates(run).items():
        parts = {"accuracy": found.rate, "low": found.low, "high": found.high}
        metrics = {n: log.EvalMetric(name=n, value=v) for n, v in parts.items() if v is not None}
        if key in _SCORES:
            scores.append(log.EvalScore(name=key, scorer=key, metrics=metrics))
    written = log.EvalLog(
        status="success" if run.finished else "cancelled",
        eval=log.EvalSpec(
            created=when,
            task=f"sqlbench {c.suite}",
            task_args=c.model_dump(),
            dataset=log.EvalDataset(name=c.suite, samples=len(samples)),
            model=c.model + run.mark,
            config=log.EvalConfig(),
            metadata={"run": name, "label": run.label, "caveat": run.caveat},
        ),
        results=log.EvalResults(
            total_samples=c.episodes, completed_samples=len(samples), scores=scores
        ),
        stats=log.EvalStats(
            started_at=when, completed_at=when, model_usage=_usage(run.config.model, run.log)
        ),
        samples=samples,
    )
    target = folder / f"{when[:19].replace(':', '-')}_{name}.eval"
    log.write_eval_log(written, str(target))
    return target


def _sample(run: Run, suite: Suite | None, episode: Episode) -> Any:
    from inspect_ai import log, model, scorer

    question = suite.question(episode.question_id) if suite is not None else None
    last = episode.steps[-1]
    right = {"first": episode.first, "field": episode.field, "any": episode.any}
    return log.EvalSample(
        id=episode.question_id,
        epoch=episode.repeat + 1,
        input=question.text if question is not None else episode.question_id,
        target=(question.gold or "") if question is not None else "",
        messages=_conversation(run, suite, episode),
        output=model.ModelOutput.from_content(run.config.model, last.answer or last.sql),
        scores={
            name: scorer.Score(
                value=scorer.CORRECT if value else scorer.INCORRECT,
                answer=last.sql,
                explanation=last.reason if last.success else f"{last.reason}: {last.error_message}",
            )
            for name, value in right.items()
        },
        metadata={
            "episode": episode.index,
            "task_id": episode.task_id,
            "db_id": episode.db_id,
            "total_reward": episode.total_reward,
            "attempts": [
                {"action": s.action, "error_class": s.error_class, "reason": s.reason} for s in
                episode.steps
            ],
        },
        model_usage=_usage(run.config.model, [episode]),
    )  # fmt: skip


def _usage(name: str, episodes: Sequence[Episode]) -> dict[str, Any]:
    from inspect_ai import model

    sent, got = (sum(e.tokens(kind) for e in episodes) for kind in ("prompt", "completion"))
    used = model.ModelUsage(input_tokens=sent, output_tokens=got, total_tokens=sent + got)
    return {name: used}


def _conversation(run: Run, suite: Suite | None, episode: Episode) -> list[Any]:
    """Return what was sent and answered; the gold is in none of it."""
    from inspect_ai import model

    kinds = {"system": model.ChatMessageSystem, "user": model.ChatMessageUser}
    messages: list[Any] = []
    for step in episode.steps:
        sent = sent_messages(run, suite, episode, step) if suite is not None else ()
        messages += [kinds[m["role"]](content=m["content"]) for m in sent if m["role"] in kinds]
        messages.append(model.ChatMessageAssistant(content=step.answer or step.sql))
    return messages


def _when(run: Run) -> str:
    if run.folder is None:
        return datetime.now(UTC).isoformat()
    seconds = (run.folder / "run.json").stat().st_mtime
    return datetime.fromtimestamp(seconds, UTC).isoformat()
