"""Earlier records: what arms made of other answers, told to a policy before it begins.

A bandit need not begin from nothing: outcomes of the same arms on other questions, databases or
models warm-start it (Zhang, Agarwal, Daumé, Langford and Negahban 2019, "Warm-starting Contextual
Bandits: Robustly Combining Supervised and Bandit Feedback", ICML).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sqlbench.evidence.repair_counts import load_counts
from sqlbench.evidence.repair_table import RepairTable, TableError
from sqlbench.evidence.stacked import StackedPolicy
from sqlbench.evidence.table_files import load_table
from sqlbench.html import Text
from sqlbench.paths import located
from sqlbench.seeds import Role, generator


def load_earlier(path: str | Path, table: RepairTable) -> RepairTable:
    """Load earlier records of a table's arms: another repair table, or a file of counts (``.csv``).

    Raises
    ------
    TableError
        If there are none, or they lack an arm of the table.
    """
    if located(path).suffix.lower() == ".csv":
        earlier = load_counts(path, table)
    else:
        earlier = load_table(path, signals=table.signals is not None)
    check_others(table, earlier)
    return earlier


def check_others(table: RepairTable, earlier: RepairTable) -> None:
    """Refuse earlier records that lack an arm of a table, or hold its own questions.

    Raises
    ------
    TableError
        If they do. The questions of another suite, and another model's answers, are others.
    """
    lacking = [arm for arm in table.choices if arm not in earlier.arms]
    if lacking:
        raise TableError(
            f"The earlier records {earlier.name!r} lack the arm {lacking[0]!r} of the repair table "
            f"{table.name!r}; they have: {', '.join(earlier.arms)}."
        )
    both = set(earlier.question_ids) & set(table.question_ids)
    same = (earlier.model, earlier.suite_hash) == (table.model, table.suite_hash)
    if both and same:
        raise TableError(
            f"The earlier records {earlier.name!r} hold {len(both)} of the questions of the repair "
            f"table {table.name!r}, for example {min(both)!r}, answered by the same model: name "
            "records of other questions or of another model."
        )


def joined(table: RepairTable, earlier: RepairTable) -> RepairTable:
    """Return one table, the earlier records after its rows, for policies that learn from both.

    Its features are those that both know, by name; its arms are the table's. An earlier cell holds
    the mean reward of its samples.

    Raises
    ------
    TableError
        If both know no feature alike.
    """
    names = tuple(name for name in table.feature_names if name in earlier.feature_names)
    if not names:
        raise TableError(
            f"The earlier records {earlier.name!r} and the repair table {table.name!r} know no "
            f"feature alike: {', '.join(earlier.feature_names)}; {', '.join(table.feature_names)}."
        )
    columns = _columns(table, earlier)
    samples = table.rewards.shape[2]

    def after(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
        told = theirs[:, columns].mean(axis=2, keepdims=True)
        return np.vstack([ours, np.repeat(told, samples, axis=2)])

    means = earlier.means[:, columns]
    # Nearest to the mean that so many samples can say; `joined_means` has it exactly.
    successes = np.arange(samples) < np.rint(means * samples)[:, :, None]
    return replace(
        table,
        name=f"{table.name} and {earlier.name}",
        question_ids=table.question_ids + earlier.question_ids,
        db_ids=table.db_ids + earlier.db_ids,
        contexts=table.contexts + earlier.contexts,
        features=np.vstack([_named(table, names), _named(earlier, names)]),
        feature_names=names,
        successes=np.vstack([table.successes, successes]),
        rewards=after(table.rewards, earlier.rewards),
        expected=None if table.expected is None else np.vstack([table.expected, means]),
        signals=None
        if table.signals is None or earlier.signals is None
        else np.vstack([table.signals, earlier.signals]),
        tokens=None
        if table.tokens is None or earlier.tokens is None
        else after(table.tokens, earlier.tokens),
    )


def joined_means(table: RepairTable, earlier: RepairTable) -> NDArray[np.float64]:
    """Return the mean outcome of each of the table's arms in each row of the joined table."""
    return np.vstack([table.means, earlier.means[:, _columns(table, earlier)]])


def told(earlier: RepairTable | None) -> list[Text]:
    """Return the sentence that a result shows of its earlier records, if it has some."""
    return [] if earlier is None else [Text(f"Told before the first decision: {earlier.label}.")]


def tell(policy: StackedPolicy, rows: NDArray[np.intp]) -> None:
    """Tell every copy of a policy the mean outcome of every arm in some rows of its table."""
    mean_rewards = policy.rewards.mean(axis=2)
    for row in told_order(rows):
        for column in policy.columns:
            now, chosen = np.full(policy.seeds, row), np.full(policy.seeds, column)
            policy.learn(now, chosen, np.full(policy.seeds, mean_rewards[row, column]))


def told_order(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return rows in the order in which they are told: a table lists them task by task."""
    return generator(0, Role.ORDER, "told").permutation(rows)


def _columns(table: RepairTable, earlier: RepairTable) -> list[int]:
    """Return where the earlier records have the table's arms.

    One that no bandit chooses (`resample`) may be missing there: any column stands for it.
    """
    return [earlier.arms.index(a) if a in earlier.arms else 0 for a in table.arms]


def _named(table: RepairTable, names: tuple[str, ...]) -> NDArray[np.float64]:
    features: NDArray[np.float64] = table.features[:, [table.feature_names.index(n) for n in names]]
    return features
