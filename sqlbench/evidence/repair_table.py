"""Repair tables: what every arm would have made of each failing first answer.

With such a table a policy's choice of the first repair is replayed exactly and without a model
call. Arms are names and not `RepairAction`: a table of somebody else's records has its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sqlbench.episodes.context import parse_blocks
from sqlbench.episodes.repair import KEEP as KEEP
from sqlbench.exceptions import ConfigError
from sqlbench.html import Card, Grid, Shown, Text, facts
from sqlbench.stats import share

TABLE_VERSION = 1
RESAMPLE = "resample"


class TableError(ConfigError):
    """Raised when a repair table is damaged, or lacks what is asked of it."""


@dataclass(frozen=True)
class RepairTable(Shown):
    """Outcomes of all arms for n first answers.

    Attributes
    ----------
    name : str
        Where it comes from.
    arms : tuple of str
        K names, in the order of the outcome arrays. `resample`, if there, is a baseline: bandits
        do not choose it.
    question_ids, db_ids : tuple of str
        Of each row. Several rows may share a question: they are one cluster.
    contexts : tuple of str
        What a table of means looks up: the error class that was seen, or ``none``.
    features : ndarray of shape (n, d)
        What linear policies see. Nothing in it comes from the gold query.
    feature_names : tuple of str
        d names.
    successes, rewards : ndarray of shape (n, K, S)
        The outcomes of S samples of each arm.
    simulated : bool
        Whether a simulated model made them.
    suite_hash : str or None
        The hash of the suite that was asked.
    model : str
        Who answered.
    rules : mapping of str to str, or None
        What the policy `rules` does in each context.
    notes : tuple of str
        What a reader must know, for example rows that were left out.
    expected : ndarray of shape (n, K), or None
        P(right) of each arm, where it is known.
    signals : ndarray of shape (n, 14), or None
        The block ``signals`` of each row (`sqlbench.episodes.context.SIGNAL_FEATURES`), where it
        was measured.
    tokens : ndarray of shape (n, K, S), or None
        What the calls used, in and out together, where it is known; `keep` uses none.
    only : tuple of str, or None
        The arms that a bandit may choose, where they are fewer than all.
    """

    name: str
    arms: tuple[str, ...]
    question_ids: tuple[str, ...]
    db_ids: tuple[str, ...]
    contexts: tuple[str, ...]
    features: NDArray[np.float64]
    feature_names: tuple[str, ...]
    successes: NDArray[np.bool_]
    rewards: NDArray[np.float64]
    simulated: bool = False
    suite_hash: str | None = None
    model: str = ""
    rules: Mapping[str, str] | None = None
    notes: tuple[str, ...] = ()
    expected: NDArray[np.float64] | None = field(default=None, repr=False)
    signals: NDArray[np.float64] | None = field(default=None, repr=False)
    tokens: NDArray[np.float64] | None = field(default=None, repr=False)
    only: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        n, k = len(self.question_ids), len(self.arms)
        if n == 0:
            raise TableError(f"The repair table {self.name!r} has no row: no first answer failed.")
        for label in ("successes", "rewards"):
            shape = getattr(self, label).shape
            if len(shape) != 3 or shape[:2] != (n, k):
                raise TableError(
                    f"The repair table's {label} have shape {shape}; expected ({n}, {k}, samples)."
                )
        if not np.isfinite(self.rewards).all():
            raise TableError(
                f"The repair table {self.name!r} holds rewards that are not finite numbers."
            )
        seen = [self.features] if self.signals is None else [self.features, self.signals]
        if not all(np.isfinite(block).all() for block in seen):
            raise TableError(
                f"The repair table {self.name!r} holds features that are not finite numbers."
            )

    @property
    def label(self) -> str:
        """One line that says what it is, and whether a simulated model made it."""
        who = "simulated model" if self.simulated else self.model
        return f"{self.name} ({who}): {len(self):,} rows, {len(self.choices)} arms"

    def card(self) -> Card:
        """Return what a notebook shows of it: how often each arm ends right."""
        rows = [
            (arm, f"{share(mean, self.question_ids)}")
            for arm, mean in zip(self.arms, self.means.T, strict=True)
        ]
        about = facts(
            {
                "questions": f"{len(set(self.question_ids)):,}",
                "databases": f"{len(set(self.db_ids)):,}",
                "samples of each arm": self.rewards.shape[2],
            }
        )
        notes = [Text(f"Note: {note}") for note in self.notes]
        grid = Grid(("arm", "ends right [95% interval, by question]"), rows)
        return Card(f"Repair table {self.label}", [grid, about, *notes])

    def __len__(self) -> int:
        return len(self.question_ids)

    @property
    def choices(self) -> tuple[str, ...]:
        """The arms that a bandit chooses from: all but `resample`, or those of ``only``."""
        return self.only or tuple(a for a in self.arms if a != RESAMPLE)

    @cached_property
    def means(self) -> NDArray[np.float64]:
        """P(right) of each arm in each row, shape (n, K): known, or the mean of the samples."""
        if self.expected is not None:
            return self.expected
        means: NDArray[np.float64] = self.successes.mean(axis=2)
        return means

    @cached_property
    def groups(self) -> tuple[tuple[str, ...], NDArray[np.intp]]:
        """The distinct contexts, sorted, and the number of each row's."""
        labels, codes = np.unique(np.array(self.contexts), return_inverse=True)
        return tuple(str(label) for label in labels), codes

    def arm(self, name: str, asked_by: str) -> int:
        """Return an arm's column.

        Raises
        ------
        TableError
            If the table has no such arm: the message names who asks, and what there is.
        """
        if name not in self.arms:
            raise TableError(
                f"The policy {asked_by!r} asks for the arm {name!r}, which the repair table "
                f"{self.name!r} lacks; it has: {', '.join(self.arms)}."
            )
        return self.arms.index(name)

    def take(self, rows: Iterable[int]) -> RepairTable:
        """Return the table of some rows, in the order given; a row may come more than once."""
        index = np.fromiter(rows, dtype=np.intp)
        return replace(
            self,
            question_ids=tuple(self.question_ids[i] for i in index),
            db_ids=tuple(self.db_ids[i] for i in index),
            contexts=tuple(self.contexts[i] for i in index),
            features=self.features[index],
            successes=self.successes[index],
            rewards=self.rewards[index],
            expected=None if self.expected is None else self.expected[index],
            signals=None if self.signals is None else self.signals[index],
            tokens=None if self.tokens is None else self.tokens[index],
        )

    def changes(self) -> RepairTable:
        """Return the same outcomes, learned from as what a repair changed.

        Each reward less that of `keep`, of the same sample: whether the first answer was right is
        known once it is graded, whatever was chosen, and most of a reward's variance is whether the
        question is one that the model gets right at all (a control variate; Greensmith, Bartlett
        and Baxter 2004, "Variance Reduction Techniques for Gradient Estimates in Reinforcement
        Learning"). What is measured stays what ends right.

        Raises
        ------
        TableError
            If the table has no arm `keep`: then it holds failing first answers alone.
        """
        if KEEP not in self.arms:
            raise TableError(
                f"To learn from changes, a repair table needs the outcomes of {KEEP!r}, which "
                f"{self.name!r} lacks; it has: {', '.join(self.arms)}. In a table of failing first "
                "answers every outcome is a change."
            )
        before = self.rewards[:, self.arms.index(KEEP)]
        rewards = self.rewards - before[:, None]
        return replace(self, name=f"{self.name}, learned from changes", rewards=rewards)

    def block(self, features: str, asked_by: str) -> NDArray[np.float64] | None:
        """Return the signals where the features ask for them, and None where they do not.

        Raises
        ------
        TableError
            If the table has none.
        ConfigError
            If the features are no blocks.
        """
        if "signals" not in parse_blocks(features, asked_by):
            return None
        if self.signals is None:
            raise TableError(
                f"The features of {asked_by} ask for signals, which the repair table "
                f"{self.name!r} was loaded without: load_table(…, signals=True) reads them."
            )
        return self.signals

    def best_in_context(self) -> NDArray[np.intp]:
        """Return, for each row, the arm of the best mean outcome over the rows of its context.

        This is the best policy that sees the context alone. Ties go to the first arm.
        """
        labels, codes = self.groups
        columns = [self.arms.index(a) for a in self.choices]
        sums = np.zeros((len(labels), len(columns)))
        np.add.at(sums, codes, self.means[:, columns])
        sizes = np.bincount(codes, minlength=len(labels))[:, None]
        best = np.argmax(np.round(sums / sizes, 12), axis=1)
        chosen: NDArray[np.intp] = np.array(columns)[best][codes]
        return chosen

    def best_fixed(self) -> int:
        """Return the arm of the best mean outcome over all rows; ties go to the first."""
        columns = [self.arms.index(a) for a in self.choices]
        return columns[best_column(self.means[:, columns])]

    def optimum(self) -> NDArray[np.float64]:
        """Return each row's best mean outcome over the arms, shape (n,).

        It is the maximum of noisy outcomes: no policy can know beforehand which arm will be
        lucky, so this bounds what can be reached and is not itself within reach.
        """
        columns = [self.arms.index(a) for a in self.choices]
        best: NDArray[np.float64] = self.means[:, columns].max(axis=1)
        return best


def best_column(outcomes: NDArray[np.float64]) -> int:
    """Return the column of the best mean over the rows; ties go to the first."""
    return int(np.argmax(np.round(outcomes.mean(axis=0), 12)))


def obvious_rules() -> dict[str, str]:
    """Return the policy `rules` by context, for the eight repair actions."""
    from sqlbench.policies.simple import OBVIOUS_ARM

    return {str(c) if c else "none": str(a) for c, a in OBVIOUS_ARM.items()}


def static_choice(table: RepairTable, spec: str) -> NDArray[np.intp]:
    """Return the column of the arm that the table's rules give for each row.

    Raises
    ------
    TableError
        If a row's context has no rule.
    """
    for context in sorted(set(table.contexts)):
        if table.rules is None or context not in table.rules:
            raise TableError(
                f"The policy {spec!r} asks for a rule for the context {context!r}, which the "
                f"repair table {table.name!r} lacks."
            )
    assert table.rules is not None
    return np.array([table.arm(table.rules[c], spec) for c in table.contexts])
