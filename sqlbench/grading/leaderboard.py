"""Graded predictions as tables: rates with intervals, failures, and the paired comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sqlbench.exceptions import ConfigError
from sqlbench.grading.neighbour_rows import Kind
from sqlbench.stats import Rate, mcnemar, paired_difference, small_n_warning, wilson
from sqlbench.words import carried

if TYPE_CHECKING:
    import pandas as pd

    from sqlbench.grading.graded import Graded
    from sqlbench.grading.predictions import Predictions
    from sqlbench.suites import Suite


def share(count: int, n: int) -> Rate:
    """Return a share with its Wilson interval; empty for n = 0."""
    if not n:
        return Rate(0, 0, None, None, None)
    return Rate(count, n, count / n, *wilson(count, n))


def accuracy(graded: Graded, by: str | None = None) -> pd.DataFrame:
    """Return the share of right predictions with its Wilson interval.

    Parameters
    ----------
    graded : Graded
        A graded file.
    by : str or None
        A column of `Graded.frame`, for example ``hardness`` or ``db_id``; None takes all.

    Returns
    -------
    DataFrame
        Index: the values of ``by`` in the benchmark's order, then ``all``. Columns: correct, n,
        rate, low, high.
    """
    import pandas as pd

    frame = graded.frame
    groups: list[tuple[str, pd.DataFrame]] = []
    if by is not None:
        order = frame[by].drop_duplicates() if by == "db_id" else _tiers(frame[by])
        groups = [(str(value), frame[frame[by] == value]) for value in order]
    rates = {name: share(int(g["correct"].sum()), len(g)) for name, g in [*groups, ("all", frame)]}
    return pd.DataFrame(
        [(r.count, r.n, r.rate, r.low, r.high) for r in rates.values()],
        index=pd.Index(rates, name=by),
        columns=["correct", "n", "rate", "low", "high"],
    )


def _tiers(values: pd.Series[str]) -> list[str]:
    known = ["easy", "simple", "medium", "moderate", "hard", "challenging", "extra"]
    found = set(values)
    return [v for v in known if v in found] + sorted(found - set(known))


def failures(graded: Graded) -> pd.DataFrame:
    """Return how often each reason and error class occurs among the wrong predictions.

    Columns: reason, error_class, n, share (of all wrong ones); most frequent first.
    """
    frame = graded.frame
    wrong = frame[~frame["correct"]]
    counts = wrong.groupby(["reason", "error_class"]).size().rename("n").reset_index()
    counts = counts.sort_values(["n", "reason", "error_class"], ascending=[False, True, True])
    return counts.assign(share=counts["n"] / max(len(wrong), 1)).reset_index(drop=True)


def leaderboard(graded: Sequence[Graded]) -> pd.DataFrame:
    """Return a row a prediction file, best first.

    Columns: correct, n, rate, low, high (Wilson), vacuous (matches of two empty results), ties
    (golds whose LIMIT cuts a tie), lucky and tested (matches that fail on a neighbour database,
    of those with a usable one), invalid (golds that fail, left out).
    """
    import pandas as pd

    rows = []
    for g in graded:
        frame = g.frame
        total = share(int(frame["correct"].sum()), len(frame))
        rows.append(
            {
                "predictions": g.name,
                "correct": total.count,
                "n": total.n,
                "rate": total.rate,
                "low": total.low,
                "high": total.high,
                "vacuous": int(frame["vacuous"].sum()),
                "ties": int(frame["tie"].sum()),
                "lucky": int((frame["lucky"] == True).sum()),  # noqa: E712  None is neither
                "tested": int(frame["lucky"].notna().sum()),
                "invalid": len(g.invalid),
            }
        )
    table = pd.DataFrame(rows).set_index("predictions")
    return table.sort_values("rate", ascending=False, kind="stable")


def compare_pair(first: Graded, second: Graded) -> dict[str, object]:
    """Compare two files on the questions that both answer.

    Returns
    -------
    dict
        ``n``, ``both``, ``only_first``, ``only_second``, ``neither``; ``difference`` (first −
        second) with ``low`` and ``high`` paired and clustered by database, of which
        there are ``databases``; ``p`` of McNemar's exact test; ``sentence``, the finding in words.

    Raises
    ------
    ConfigError
        If the two were not graded on the same suite with the same metric.
    """
    for key in ("suite_hash", "metric"):
        if first.meta[key] != second.meta[key]:
            raise ConfigError(
                f"{first.name!r} and {second.name!r} cannot be compared: their {key} differ "
                f"({first.meta[key]!r} and {second.meta[key]!r})."
            )
    a, b = (g.frame.set_index("question_id") for g in (first, second))
    b = b.loc[a.index]
    right_a, right_b = a["correct"].to_numpy(bool), b["correct"].to_numpy(bool)
    test = mcnemar(right_a, right_b)
    interval = paired_difference(right_a, right_b, a["db_id"].tolist())
    names = (first.name, second.name)
    return {
        "n": test.n,
        "both": int((right_a & right_b).sum()),
        "only_first": test.only_first,
        "only_second": test.only_second,
        "neither": int((~right_a & ~right_b).sum()),
        "difference": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "databases": interval.clusters,
        "p": test.p_value,
        "sentence": _finding(right_a, right_b, names, test.p_value, interval.excludes_zero),
    }


def _finding(
    a: np.ndarray, b: np.ndarray, names: tuple[str, str], p: float, excludes_zero: bool
) -> str:
    better, worse = names if a.mean() >= b.mean() else names[::-1]
    gap = 100 * abs(float(a.mean() - b.mean()))
    if p < 0.05 and excludes_zero:
        return f"{better} is better than {worse} by {gap:.1f} points: more than chance would give."
    warning = small_n_warning(a, b, names)
    if warning is not None:
        return f"This does not tell which is better. {warning}"
    return (
        f"{better} is ahead by {gap:.1f} points, but not in every sample of databases: on other "
        "databases the order may turn."
    )


def disagreements(graded: Sequence[Graded]) -> pd.DataFrame:
    """Return the questions on which gradings of one file by several metrics differ.

    Index: question_id; a column a metric, with its reason.
    """
    import pandas as pd

    columns = {g.metric: g.frame.set_index("question_id")["reason"] for g in graded}
    table = pd.DataFrame(columns)
    matches = table == "match"
    return table[matches.any(axis=1) & ~matches.all(axis=1)]


def reasons_by_file(graded: Sequence[Graded]) -> pd.DataFrame:
    """Return the share of each reason among all answers of each file, best file first."""
    import pandas as pd

    by_name = {g.name: g for g in graded}
    names = [str(name) for name in leaderboard(graded).index]
    rows = {
        name: frame.loc[~frame["correct"], "reason"].value_counts() / len(frame)
        for name in names
        for frame in [by_name[name].frame]
    }
    return pd.DataFrame(rows).T.reindex(names).fillna(0.0)


def lucky_matches(graded: Graded, suite: Suite, predictions: Predictions) -> pd.DataFrame:
    """Return the lucky matches with question, gold and prediction, to be read.

    Columns: question_id, db_id, lucky_on, question, gold, prediction; those on plain neighbours
    first.
    """
    frame = graded.frame
    lucky = frame[frame["lucky"].fillna(False).astype(bool)]
    questions = [suite.question(i) for i in lucky["question_id"]]
    table = lucky[["question_id", "db_id", "lucky_on"]].assign(
        question=[carried(q.text) for q in questions],
        gold=[carried(str(q.gold)) for q in questions],
        prediction=[carried(predictions.sql[q.id]) for q in questions],
    )
    order = [str(kind) for kind in Kind]
    rank = table["lucky_on"].map(lambda on: order.index(on.rsplit(" ", 1)[0]))
    return table.iloc[rank.argsort(kind="stable")].reset_index(drop=True)
