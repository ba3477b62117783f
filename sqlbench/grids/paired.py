"""Variants of a comparison question by question: who gets what, and whether that is chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlbench.html import Grid
from sqlbench.stats import McNemar, mcnemar

if TYPE_CHECKING:
    import pandas as pd

    from sqlbench.grids.comparison import Comparison

NAMED = 5


def by_question(comparison: Comparison) -> pd.DataFrame:
    """Return a row a question, and for each variant the share of its episodes with a right answer.

    Index: question_id. Columns: db_id, then the variants.
    """
    frame = comparison.episodes
    rates = frame.pivot_table(
        index="question_id", columns="policy", values="any", aggfunc="mean", sort=False
    )
    databases = frame.groupby("question_id", sort=False)["db_id"].first()
    return (
        rates[comparison.names].astype(float).assign(db_id=databases)[["db_id", *comparison.names]]
    )


def only(comparison: Comparison, name: str) -> list[str]:
    """Return the questions that a variant answered right at least once, and no other one ever."""
    table = by_question(comparison)
    others = [n for n in comparison.names if n != name]
    alone = (table[name] > 0) & (table[others].fillna(0) == 0).all(axis=1)
    return [str(q) for q in table.index[alone]]


def paired_test(comparison: Comparison, name: str, baseline: str) -> McNemar:
    """Compare two variants on questions: McNemar's exact test.

    A question counts once, as right where at least half of its episodes are: its episodes are no
    independent cases.
    """
    table = by_question(comparison)[[name, baseline]].dropna() >= 0.5
    return mcnemar(table[name], table[baseline])


def solved_costs(comparison: Comparison, name: str) -> dict[str, float | None]:
    """Return the tokens and the cost of a variant for each question that it solved in a run.

    Solved is what ended right, as in a run's own tables; what a variant gets is `any`, the rate.
    """
    mine = comparison.episodes[comparison.episodes["policy"] == name]
    right = mine[mine["success"].astype(bool)]
    solved = len(right[["seed", "question_id"]].drop_duplicates())
    cost = mine["cost"].sum(min_count=len(mine)) if "cost" in mine else float("nan")
    known = cost == cost
    return {
        "solved": float(solved),
        "tokens": float(mine["tokens"].sum()) / solved if solved else None,
        "cost": float(cost) / solved if solved and known else None,
    }


def paired_grid(comparison: Comparison) -> Grid:
    """Return the paired table: against the baseline on questions, and what a solved one costs."""
    base = comparison.baseline
    header = ["variant", "both", "only it", f"only {base}", "neither", "McNemar p"]
    header += ["tokens a solved question", "cost a solved question", "nobody else gets"]
    rows: list[list[Any]] = []
    for name in map(str, comparison.summary["policy"]):
        if name == base:
            cells: list[Any] = ["—"] * 5
        else:
            test = paired_test(comparison, name, base)
            table = by_question(comparison)[[name, base]].dropna() >= 0.5
            both = int((table[name] & table[base]).sum())
            neither = test.n - both - test.only_first - test.only_second
            cells = [both, test.only_first, test.only_second, neither, f"{test.p_value:.2g}"]
        costs, alone = solved_costs(comparison, name), only(comparison, name)
        tokens, cost = costs["tokens"], costs["cost"]
        cells += ["—" if tokens is None else f"{tokens:,.0f}"]
        cells += ["—" if cost is None else f"{cost:.4f}"]
        names = ", ".join(alone[:NAMED]) + (", …" if len(alone) > NAMED else "")
        gets = f"{len(alone)} ({names})" if alone else "0"
        gets = gets if len(comparison.names) > 1 else "—"  # one variant has no others
        rows.append([comparison.label(name), *cells, gets])
    if not any(row[-2] != "—" for row in rows):  # nobody knows a price
        header.pop(-2)
        rows = [[*row[:-2], row[-1]] for row in rows]
    return Grid(header, rows)
