"""A simulator profile from anybody's first answers, as TOML that says what was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from sqlbench.episodes.errors import ErrorClass
from sqlbench.evidence.first_answers import FirstAnswers, difficulty_spread
from sqlbench.exceptions import ConfigError
from sqlbench.paths import located
from sqlbench.stats import wilson


def profile_text(answers: FirstAnswers, who: str | None = None) -> str:
    """Return the profile of a model whose first answers were graded, as TOML.

    Measured are P(right), how failures fail and, where there are several answers to a question,
    how far questions lie apart. Everything else is taken from `default` and stays an assumption.

    Parameters
    ----------
    answers : FirstAnswers
        The graded answers; at least one must be wrong.
    who : str or None
        What it stands for; None takes the files' names.

    Raises
    ------
    ConfigError
        If no answer is wrong: nothing tells how the model fails.
    """
    counts, n = answers.counts(), len(answers)
    failures = len(answers.failures)
    named = who or ", ".join(answers.names)
    if not failures:
        raise ConfigError(f"All {n:,} answers of {named} are right: nothing tells how they fail.")
    raised = int(answers.raised.sum())
    spread = _spread(answers)
    about = f"{named}: first attempts as measured; repairs as `default` has them."
    lines = [
        "# Written by `sqlbench profile`.",
        f"description = {json.dumps(about)}",
        f"source = {json.dumps(_origin(answers, named, spread))}",
        'base = "default"',
        "",
        f"# Of {failures} failing first answers {raised} raised an error.",
        f"success = {(n - failures) / n:.4f} # {_share(n - failures, n)}",
        *_spread_lines(spread),
        "",
        "# How failing first answers fail.",
        "[first_attempt]",
        *(
            f"{c} = {counts.get(str(c), 0) / failures:.4f} # {counts.get(str(c), 0)} of {failures}"
            for c in ErrorClass
        ),
    ]
    return "\n".join(lines) + "\n"


def write_profile(text: str, path: str | Path) -> Path:
    """Write a profile, and return where.

    Raises
    ------
    ConfigError
        If the file has another ending, by which no spec would find it, or cannot be written.
    """
    check_place(path)
    place = located(path)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"The profile {str(path)!r} cannot be written: {error}.") from None
    return place


def check_place(path: str | Path) -> None:
    """Refuse a file by whose name no spec would find the profile.

    Raises
    ------
    ConfigError
        If it does not end in ``.toml``.
    """
    if not str(path).endswith(".toml"):
        raise ConfigError(
            f"A profile is a .toml file, so that 'simulated:FILE.toml' finds it, not {str(path)!r}."
        )


def _spread(answers: FirstAnswers) -> float | None:
    by_question: dict[str, list[bool]] = {}
    for question, right in zip(answers.question_ids, answers.right.tolist(), strict=True):
        by_question.setdefault(question, []).append(right)
    return difficulty_spread(by_question)


def _spread_lines(spread: float | None) -> list[str]:
    if spread is None:
        return [
            "# difficulty_spread: assumed (`default`). One answer a question does not tell it;",
            "# give several files of answers by the same model.",
        ]
    return [f"difficulty_spread = {spread:.4f} # fitted to several answers a question"]


def _origin(answers: FirstAnswers, named: str, spread: float | None) -> str:
    questions = len(set(answers.question_ids))
    measured = "first attempts" if spread is None else "first attempts and the spread of difficulty"
    suite = Path(answers.suite.partition(":")[2] or answers.suite).name
    return (
        f"{measured}: measured on {len(answers):,} stored answers ({named}) to {questions:,} "
        f"questions of {suite} with sqlbench's sandbox, classifier and `{answers.metric}`; "
        "everything else: assumption (`default`)"
    )


def _share(count: int, n: int) -> str:
    low, high = wilson(count, n)
    return f"{count} of {n}, 95% [{low:.3f}, {high:.3f}]"


def class_shares(counts: Mapping[str, int]) -> dict[str, float]:
    """Return how failures fail, as shares by class; right answers are none."""
    failures = {str(c): counts.get(str(c), 0) for c in ErrorClass}
    total = sum(failures.values())
    return {c: count / total for c, count in failures.items() if count}
