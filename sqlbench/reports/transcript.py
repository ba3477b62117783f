"""One episode as a person reads it: what was sent, written, run, told and rewarded."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlbench.environment.asking import make_messages
from sqlbench.episodes.episode import Episode, Step
from sqlbench.episodes.errors import extract_offending_token
from sqlbench.episodes.repair import ARMS, GENERATE, FailedAttempt, Message
from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.runs.missing import why_missing
from sqlbench.runs.run import Run
from sqlbench.suites import Suite
from sqlbench.words import counted


def find_episode(run: Run, index: int) -> Episode:
    """Return an episode by its number.

    Raises
    ------
    UnknownNameError
        If the run has no such episode.
    """
    found = next((e for e in run.log if e.index == index), None)
    if found is None:
        known = sorted(e.index for e in run.log)
        valid = [f"{known[0]} to {known[-1]}"] if known else []
        raise UnknownNameError("episode", str(index), valid)
    return found


def sent_messages(run: Run, suite: Suite, episode: Episode, step: Step) -> tuple[Message, ...]:
    """Return exactly what was sent for one attempt; nothing for custom SQL.

    It is made again from the log, the run's prompts and the suite.
    """
    question = suite.question(episode.question_id)
    database = suite.database(question)
    if step.action not in (GENERATE, *ARMS):
        return ()
    earlier = episode.steps[: step.attempt - 1]
    last = earlier[-1] if earlier else None
    raised = last is not None and last.row_count is None
    return make_messages(
        run.prompts,
        step.action,
        question,
        suite.schema_text(question),
        database.dialect,
        [FailedAttempt(s.action, s.sql, s.error_message or "") for s in earlier],
        extract_offending_token(last.error_message or "", last.sql) if last and raised else None,
        last.known if last else None,
    )


def transcript(run: Run, index: int, suite: Suite, *, prompts: bool = False) -> str:
    """Return one episode as readable text.

    Parameters
    ----------
    run : Run
        The run.
    index : int
        The episode's number.
    suite : Suite
        The run's suite.
    prompts : bool
        Whether to print exactly what was sent at each attempt.

    An episode that the run has lost, or not come to, says why it is missing.

    Raises
    ------
    UnknownNameError
        If the run has no such episode.
    """
    if (missing := why_missing(run, index)) is not None:
        return missing
    episode = find_episode(run, index)
    question = suite.question(episode.question_id)
    lines = [
        f"Episode {episode.index} of {run.label}{run.mark}",
        f"Question {question.id} ({episode.task_id}, {episode.db_id}): {question.text}",
    ]
    if question.evidence:
        lines.append(f"Evidence: {question.evidence}")
    for step in episode.steps:
        sent = sent_messages(run, suite, episode, step) if prompts else ()
        lines += ["", step_text(step, sent)]
        if step.attempt == 1 and episode.samples:
            lines += ["", samples_text(episode)]
    outcome = "success" if episode.success else "failure"
    lines += ["", f"{outcome} after {counted(len(episode.steps), 'attempt')}, "
              f"total reward {episode.total_reward:+.2f}"]  # fmt: skip
    return "\n".join(lines)


def samples_text(episode: Episode) -> str:
    """Return the other first answers of an episode as readable text."""
    lines = [f"Other samples of the first answer ({len(episode.others)}):"]
    for sample in episode.others:
        verdict = "right" if sample.success else f"{sample.error_class} ({sample.reason})"
        rows = "" if sample.row_count is None else f", {counted(sample.row_count, 'row')}"
        lines += [_indented(sample.sql or "(no SQL in the answer)", 4), f"  -> {verdict}{rows}"]
    return "\n".join(lines)


def step_text(step: Step, messages: Sequence[Message] = (), *, reward: bool = True) -> str:
    """Return one attempt as readable text: why, what was sent, the SQL, what came of it."""
    lines = _step_lines(step)
    for message in messages:
        lines += [f"  --- {message['role']} ---", _indented(message["content"], 4)]
    if messages:
        lines.append("  --- end of prompt ---")
    lines.append(_indented(step.sql or "(no SQL in the answer)", 4))
    if step.answer is not None:
        lines += ["  --- answer ---", _indented(step.answer, 4), "  --- end of answer ---"]
    if step.cut:
        lines.append("  (the answer was cut off at its limit of tokens)")
    return "\n".join([*lines, *_outcome_lines(step)[: None if reward else -1]])


def repair_story(run: Run, episode: Episode) -> str:
    """Return an episode's last failing query, its error, and the query that mended it, as Markdown.

    Parameters
    ----------
    run : Run
        The run.
    episode : Episode
        One of its episodes that was repaired.

    Raises
    ------
    ConfigError
        If it was not.
    """
    if episode.mended is None:
        raise ConfigError(f"Episode {episode.index} was not repaired.")
    before, after = episode.mended
    mark = f", {run.caveat}" if run.caveat else ""
    return "\n\n".join(
        [
            f"**Episode {episode.index}**, question `{episode.question_id}`{mark}. "
            f"Attempt {before.attempt} (`{before.action}`):",
            _fenced(before.sql),
            f"failed: `{before.error_class}`, {_code((before.error_message or '').rstrip('.'))}. "
            f"`{after.action}` gave:",
            _fenced(after.sql),
            f"which {_verdict(after, 'is right')} ({counted(after.row_count, 'row')}).",
        ]
    )


def _fenced(text: str) -> str:
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}sql\n{text}\n{fence}"


def _code(text: str) -> str:
    """Quote hostile text as inline code: a fence longer than any run of backticks in it."""
    fence = "`" * (_longest_run(text) + 1)
    return f"{fence} {' '.join(text.split())} {fence}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def _step_lines(step: Step) -> list[str]:
    lines = [f"Attempt {step.attempt}: {step.action}"]
    if step.context is not None:
        seen = step.context.error_class or "no error seen"
        chance = f", propensity {step.propensity:.3f}" if step.propensity is not None else ""
        lines.append(f"  chosen for: {seen}{chance}")
    if step.scores:
        ranked = sorted(step.scores.items(), key=lambda item: -item[1])
        lines.append("  scores: " + ", ".join(f"{arm} {score:.3f}" for arm, score in ranked))
    return lines


def _outcome_lines(step: Step) -> list[str]:
    b = step.breakdown
    if step.success:
        result = f"{_verdict(step)}, {counted(step.row_count, 'row')}"
    else:
        message = (step.error_message or "").replace("\n", "\n     ")
        result = f"{step.error_class} ({step.reason}): {message}"
    return [
        f"  -> {result}",
        *_known_lines(step),
        f"  reward {step.reward:+.2f} = base {b.base:+.2f}, attempt {b.attempt_penalty:+.2f}, "
        f"severity {b.severity_bonus:+.2f}, change {b.change_bonus:+.2f}; "
        f"task score {step.score:.3f}",
    ]


def _known_lines(step: Step) -> list[str]:
    """Return what the signals said of an attempt, where they were measured."""
    if step.known is None:
        return []
    told = [f"     {line}" for line in (*step.known.evidence, *step.known.facts)]
    return [f"  doubt {step.known.doubt:.0%}", *told]


def _verdict(step: Step, right: str = "right") -> str:
    """Return what success means: without a gold query nobody knows that it is right."""
    return "ran" if step.reason == "no_gold" else right


def _indented(text: str, by: int) -> str:
    return "\n".join(" " * by + line for line in text.splitlines())
