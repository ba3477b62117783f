"""From what is wrong to what mends it, as real chains of repairs show it: with counts.

Every first answer of a chain is put down by what an agent sees of it (the class of its error, no
rows, or rows) and by which signals speak; what its last answer came to is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sqlbench.databases.base import QueryError
from sqlbench.environment.doubting import context_features
from sqlbench.episodes.context import SIGNAL_FEATURES
from sqlbench.episodes.errors import ErrorClass, classify_error
from sqlbench.evidence.real_chains import Chain, Link
from sqlbench.stats import rate

if TYPE_CHECKING:
    import pandas as pd

ROWS = "rows"
TOO_FEW = 20
"""With fewer wrong answers a rate of its own says too little."""
_KINDS = tuple(n.partition("=")[2] for n in SIGNAL_FEATURES if n.startswith("speaks="))


@dataclass(frozen=True, slots=True)
class Mended:
    """One first answer of a chain, and what became of it."""

    chain: str
    question_id: str
    seen: str
    speaks: frozenset[str]
    doubt: float
    before: bool
    after: bool


def seen_class(link: Link) -> str:
    """Return what an agent sees of an answer: its error's class, ``empty_result`` or ``rows``."""
    outcome = link.candidate.outcome
    if isinstance(outcome, QueryError):
        return str(classify_error(outcome))
    return ROWS if outcome.rows else str(ErrorClass.EMPTY_RESULT)


def mended(chains: Sequence[Chain]) -> list[Mended]:
    """Return what became of every first answer."""
    return list(_mended(chains))


def _mended(chains: Sequence[Chain]) -> Iterator[Mended]:
    for chain in chains:
        for question, links in zip(chain.questions, chain.links, strict=True):
            block = context_features(links[0].diagnosis)
            speaks = {kind for kind in _KINDS if block[SIGNAL_FEATURES.index(f"speaks={kind}")] > 0}
            yield Mended(
                chain.name, question.id, seen_class(links[0]), frozenset(speaks), block[0],
                links[0].right, links[-1].right,
            )  # fmt: skip


def map_table(found: Sequence[Mended], by: str = "seen") -> pd.DataFrame:
    """Return a row a class (``seen``), signal (``speaks``) or level of doubt (``doubt``).

    Columns: what, answers, wrong (of them), fixed (of the wrong), right, broken (of the right),
    net, fix_rate with fix_low and fix_high, break_rate with break_low and break_high (95%, by
    question), enough (at least `TOO_FEW` wrong ones). An answer counts under each of its signals.
    """
    import pandas as pd

    groups: dict[str, list[Mended]] = {}
    for one in found:
        for name in _names(one, by):
            groups.setdefault(name, []).append(one)
    rows = []
    for name, mine in groups.items():
        before = np.array([m.before for m in mine])
        after = np.array([m.after for m in mine])
        ids = [m.question_id for m in mine]
        fixed, broken = ~before & after, before & ~after
        row: dict[str, object] = {
            "what": name, "answers": len(mine), "wrong": int((~before).sum()),
            "fixed": int(fixed.sum()), "right": int(before.sum()), "broken": int(broken.sum()),
            "net": int(fixed.sum() - broken.sum()), "enough": bool((~before).sum() >= TOO_FEW),
        }  # fmt: skip
        for label, hits, cases in (("fix", fixed, ~before), ("break", broken, before)):
            share = rate(hits[cases], [i for i, case in zip(ids, cases, strict=True) if case])
            ends = {"rate": share.rate, "low": share.low, "high": share.high}
            row |= {f"{label}_{k}": np.nan if v is None else v for k, v in ends.items()}
        rows.append(row)
    frame = pd.DataFrame(rows)
    return frame.sort_values("answers", ascending=False, kind="stable", ignore_index=True)


def chain_map(found: Sequence[Mended]) -> pd.DataFrame:
    """Return a row a chain and class: chain, seen, wrong, fixed, right, broken."""
    import pandas as pd

    rows: dict[tuple[str, str], list[int]] = {}
    for m in found:
        counts = rows.setdefault((m.chain, m.seen), [0, 0, 0, 0])
        counts[0] += not m.before
        counts[1] += m.after and not m.before
        counts[2] += m.before
        counts[3] += m.before and not m.after
    columns = ["chain", "seen", "wrong", "fixed", "right", "broken"]
    return pd.DataFrame([[*key, *counts] for key, counts in rows.items()], columns=columns)


def _names(one: Mended, by: str) -> list[str]:
    if by == "seen":
        return [one.seen]
    if by == "doubt":
        return ["below 0.5" if one.doubt < 0.5 else "0.5 and more"]
    return sorted(one.speaks) or ["none speaks"]
