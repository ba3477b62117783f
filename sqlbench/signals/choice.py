"""Among several answers to one question, the one to take: no gold and no model call.

Three rules. ``first`` takes the first that ran. ``agreement`` takes the result that most answers
have (self-consistency, Wang et al. 2023; on results, as in Shi et al. 2022). ``doubt`` weighs what
the signals say of each answer, how many answers agree with it, and the model's own order: by
weights that were learned from real answers (`sqlbench.signals.choice_fit`). The order counts the
more, the fewer of the answers are repeated: samples of a model repeat themselves and come in no
order, the beams of a search never do and come in the order of their probability.

Results agree if they have the same rows as multisets, whatever the order of rows and columns.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from sqlbench.databases.base import Database, Outcome, QueryError, outcome_of
from sqlbench.exceptions import ConfigError
from sqlbench.signals.catalogue import as_text
from sqlbench.signals.choice_weights import ChoiceWeights, load_choice_weights
from sqlbench.signals.diagnose import inputs_of
from sqlbench.signals.doubt import Weights, load_weights
from sqlbench.signals.reading import Reading
from sqlbench.signals.registry import measure

Rule = Literal["first", "agreement", "doubt"]
RULES: tuple[str, ...] = get_args(Rule)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One answer among several.

    Attributes
    ----------
    sql : str
        The statement.
    outcome : QueryResult or QueryError
        What its run gave.
    doubt : float or None
        The probability that it is wrong; None where no rule asked for it.
    strength : float
        What speaks for it among answers to the same question: higher is likelier to be right.
    """

    sql: str
    outcome: Outcome
    doubt: float | None = None
    strength: float = 0.0

    @property
    def raised(self) -> bool:
        """Whether it did not run."""
        return isinstance(self.outcome, QueryError)


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen of several answers, and why.

    Attributes
    ----------
    index : int
        Its place among the answers, from 0.
    candidates : tuple of Candidate
        All of them, in the model's order.
    scores : tuple of float
        Of each by the rule; what raised has −inf.
    agreeing : tuple of int
        How many answers have each one's result, itself included; 0 for what raised.
    """

    index: int
    candidates: tuple[Candidate, ...]
    scores: tuple[float, ...]
    agreeing: tuple[int, ...]

    @property
    def chosen(self) -> Candidate:
        """The answer to take."""
        return self.candidates[self.index]

    def reason(self) -> str:
        """Return one sentence that says why."""
        n = len(self.candidates)
        if self.chosen.raised:
            return f"None of the {n} answers ran; the first is taken."
        text = (
            f"Answer {self.index + 1} of {n}: {self.agreeing[self.index]} of them have its result"
        )
        if self.chosen.doubt is not None:
            text += f", and its doubt is {self.chosen.doubt:.2f}"
        return text + "."


def choose(
    candidates: Sequence[Candidate], rule: str = "doubt", *, weights: ChoiceWeights | None = None
) -> Choice:
    """Choose among answers that were run and, for ``doubt``, weighed.

    Parameters
    ----------
    candidates : sequence of Candidate
        In the model's order; at least one.
    rule : {"first", "agreement", "doubt"}
        Ties go to the earlier answer.
    weights : ChoiceWeights, optional
        By default those that come with the package.

    Raises
    ------
    ConfigError
        If there is no answer, the rule is unknown, or ``doubt`` is asked for where no doubt is.
    """
    check_rule(rule)
    if not candidates:
        raise ConfigError("There is no answer to choose from.")
    same = agreement([c.outcome for c in candidates])
    if rule == "first":
        scores = -np.arange(len(candidates), dtype=np.float64)
    elif rule == "agreement":
        scores = same.sum(axis=1).astype(np.float64)
    else:
        if any(c.doubt is None for c in candidates):
            raise ConfigError("The rule 'doubt' needs each answer's doubt: see `weigh`.")
        known = weights if weights is not None else load_choice_weights()
        strength = np.array([c.strength for c in candidates])
        scores = known.scores(strength, same, repeats([c.sql for c in candidates]))
    scores = np.where([c.raised for c in candidates], -np.inf, scores)
    index = int(np.argmax(scores))
    counts = tuple(int(n) for n in same.sum(axis=1))
    return Choice(index, tuple(candidates), tuple(scores.tolist()), counts)


def weigh(
    question: str,
    sql: str,
    database: Database,
    outcome: Outcome,
    *,
    weights: Weights | None = None,
    choice_weights: ChoiceWeights | None = None,
) -> Candidate:
    """Return an answer with its doubt and its strength, for `choose`.

    Parameters
    ----------
    question, sql, database, outcome
        As for `diagnose`.
    weights : Weights, optional
        Of the doubt; by default those that come with the package.
    choice_weights : ChoiceWeights, optional
        By default those that come with the package.
    """
    known = weights if weights is not None else load_weights()
    choosing = choice_weights if choice_weights is not None else load_choice_weights()
    reading = Reading(question, sql, database, outcome)
    row = inputs_of(reading, measure(reading), known)
    doubt = float(known.probability(row[None])[0])
    strength = choosing.strength(row[None], np.array([doubt]), known.signals)
    return Candidate(sql, outcome, round(doubt, 6), float(strength[0]))


def choose_among(
    question: str, statements: Sequence[str], database: Database, rule: str = "doubt"
) -> Choice:
    """Run several answers in the sandbox and choose one of them.

    Parameters
    ----------
    question : str
        The question in words; it may be empty.
    statements : sequence of str
        The answers in the model's order.
    database : Database
        Where they run. Equal statements run once.
    rule : {"first", "agreement", "doubt"}
        See `choose`.
    """
    check_rule(rule)
    run: dict[str, Candidate] = {}
    for sql in statements:
        if sql not in run:
            outcome = outcome_of(database, sql)
            weighed = rule == "doubt"
            run[sql] = (
                weigh(question, sql, database, outcome) if weighed else Candidate(sql, outcome)
            )
    return choose([run[sql] for sql in statements], rule)


async def achoose_among(
    question: str, statements: Sequence[str], database: Database, rule: str = "doubt"
) -> Choice:
    """Do as `choose_among` in a worker thread, so that the event loop is never blocked."""
    return await asyncio.to_thread(choose_among, question, statements, database, rule)


def check_rule(rule: str) -> None:
    """Raise `ConfigError` if there is no such rule."""
    if rule not in RULES:
        raise ConfigError(f"There is no rule of choice {rule!r}; valid are: {', '.join(RULES)}.")


def agreement(outcomes: Sequence[Outcome]) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Return which answers have the same result, shape (answers, answers).

    What raised agrees with nothing, not even with itself.
    """
    keys = [None if isinstance(o, QueryError) else _result_key(o.rows) for o in outcomes]
    return np.array([[a is not None and a == b for b in keys] for a in keys], dtype=np.bool_)


def repeats(statements: Sequence[str]) -> float:
    """Return how much several statements repeat themselves: 1 if all are one, 0 if none is."""
    if len(statements) < 2:
        return 1.0
    texts = {" ".join(sql.lower().rstrip("; \n").split()) for sql in statements}
    return 1.0 - (len(texts) - 1) / (len(statements) - 1)


def _result_key(rows: Sequence[Sequence[object]]) -> Hashable:
    """Return what equal results share: the multiset of rows, each a multiset of cells."""
    return frozenset(Counter(tuple(sorted(map(_cell, row))) for row in rows).items())


def _cell(value: object) -> str:
    if value is None:
        return "n"
    if isinstance(value, bool):
        value = int(value)
    kind = "s" if isinstance(value, str) else "v"
    return kind + (f"{value:.9g}" if isinstance(value, float) else as_text(value))
