"""Real chains of repairs, held against what a gate and an audit by doubt would have made of them.

A chain is a file of first answers and what a published method repaired them to, once or several
times, with verdicts. The gate stops at the first answer that ran and is little doubted; the audit
keeps an answer where its repair does not make it likelier to be right.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from sqlbench.databases.base import outcome_of
from sqlbench.exceptions import ConfigError
from sqlbench.paths import located
from sqlbench.signals.audit import audit_chain
from sqlbench.signals.base import Diagnosis
from sqlbench.signals.choice import Candidate
from sqlbench.signals.diagnose import diagnose
from sqlbench.signals.doubt import Weights, load_weights
from sqlbench.stats.estimates import paired_difference
from sqlbench.suites.base import Question, Suite

if TYPE_CHECKING:
    import pandas as pd

CHAINS, PREDICTIONS = "chains.json", "predictions.jsonl.gz"
"""The files' names in a benchmark's folder."""


@dataclass(frozen=True, slots=True)
class Link:
    """One answer of a chain, with what is known of it and its verdict."""

    candidate: Candidate
    diagnosis: Diagnosis
    right: bool


@dataclass(frozen=True, eq=False)
class Chain:
    """A method's repairs of the same questions.

    Attributes
    ----------
    name : str
    questions : tuple of Question
    links : tuple of tuple of Link
        For each question the first answer and what it was repaired to, in order.
    """

    name: str
    questions: tuple[Question, ...]
    links: tuple[tuple[Link, ...], ...]

    def first(self) -> NDArray[np.bool_]:
        """Return which first answers are right, shape (questions,)."""
        return np.array([links[0].right for links in self.links])

    def last(self) -> NDArray[np.bool_]:
        """Return which last answers are right."""
        return np.array([links[-1].right for links in self.links])

    def gated(self, max_doubt: float) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
        """Return which answers are right that a gate stops at, and after how many repairs."""
        places = [
            next(
                (i for i, x in enumerate(links)
                 if not x.candidate.raised and x.diagnosis.doubt < max_doubt),
                len(links) - 1,
            )
            for links in self.links
        ]  # fmt: skip
        right = [links[i].right for links, i in zip(self.links, places, strict=True)]
        return np.array(right), np.array(places)

    def audited(self) -> NDArray[np.bool_]:
        """Return which answers are right that stand at the end of the audit."""
        return np.array(
            [links[audit_chain([x.candidate for x in links])].right for links in self.links]
        )


def read_chains(
    folder: str | Path,
    suite: Suite,
    *,
    questions: int | None = None,
    weights: Weights | None = None,
    progress: bool = True,
) -> list[Chain]:
    """Run a folder's chains in the sandbox and diagnose their answers; no gold is read.

    Parameters
    ----------
    folder : path-like
        With ``chains.json`` (by name the sources in order) and ``predictions.jsonl.gz``
        (``source``, ``question_id``, ``pred`` and the verdict ``bird_ex`` a line).
    suite : Suite
        Whose questions they answer, by the benchmark's own numbers.
    questions : int, optional
        How many of them, the first ones; by default all.
    weights : Weights, optional
        By default those that come with the package.
    progress : bool
        Whether to show a bar.

    Raises
    ------
    ConfigError
        If a file cannot be read, or an answer of a chain is missing.
    """
    folder = located(folder)
    chains, stored = _read(folder)
    by_number = {e.number: e.question_id for e in suite.entries if e.question_id is not None}
    numbers = sorted(by_number)[:questions]
    known = weights if weights is not None else load_weights()
    seen: dict[tuple[int, str], tuple[Candidate, Diagnosis]] = {}
    found = []
    bar = tqdm(chains.items(), unit="chain", disable=not progress, leave=False)
    for name, sources in bar:
        rows = []
        for number in numbers:
            question, links = suite.question(by_number[number]), []
            for source in sources:
                if (source, number) not in stored:
                    raise ConfigError(
                        f"The chain {name!r} has no answer of {source!r} to question {number}."
                    )
                sql, right = stored[source, number]
                if (number, sql) not in seen:
                    seen[number, sql] = _judge(suite, question, sql, known)
                links.append(Link(*seen[number, sql], right))
            rows.append(tuple(links))
        asked = tuple(suite.question(by_number[n]) for n in numbers)
        found.append(Chain(str(name), asked, tuple(rows)))
    return found


def chains_table(chains: Sequence[Chain], max_doubt: float) -> pd.DataFrame:
    """Return a row a chain.

    Columns: chain, questions, first, last, gated, audited (right answers); repairs and
    gated_repairs (made, and made if the gate stops); fixed, broken, audited_fixed and
    audited_broken (of the first answers); audited_low, audited_high (95% interval by question of
    audited less first, in answers).
    """
    import pandas as pd

    rows = []
    for chain in chains:
        first, last, audited = chain.first(), chain.last(), chain.audited()
        gated, places = chain.gated(max_doubt)
        n = len(first)
        gain = paired_difference(audited, first, list(range(n)))
        rows.append(
            {
                "chain": chain.name, "questions": n, "first": int(first.sum()),
                "last": int(last.sum()), "gated": int(gated.sum()),
                "audited": int(audited.sum()),
                "repairs": sum(len(links) - 1 for links in chain.links),
                "gated_repairs": int(places.sum()),
                "fixed": int((last & ~first).sum()), "broken": int((first & ~last).sum()),
                "audited_fixed": int((audited & ~first).sum()),
                "audited_broken": int((first & ~audited).sum()),
                "audited_low": n * gain.low, "audited_high": n * gain.high,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def gate_curve(chains: Sequence[Chain], limits: Sequence[float]) -> pd.DataFrame:
    """Return what a gate gives at each limit, over all chains: right and repairs, as shares."""
    import pandas as pd

    rows = []
    for limit in limits:
        stopped = [chain.gated(limit) for chain in chains]
        right = np.concatenate([r for r, _ in stopped])
        made = sum(int(places.sum()) for _, places in stopped)
        every = sum(len(links) - 1 for chain in chains for links in chain.links)
        rows.append({"max_doubt": limit, "right": right.mean(), "repairs": made / every})
    return pd.DataFrame(rows)


def told(chains: Sequence[Chain]) -> pd.DataFrame:
    """Return of how many first answers, wrong and right, a repair prompt is told which facts.

    Columns: fact, wrong, right (shares of those answers, each distinct answer once).
    """
    import pandas as pd

    answers: dict[tuple[str, str], Link] = {}
    for chain in chains:
        for question, links in zip(chain.questions, chain.links, strict=True):
            answers.setdefault((question.id, links[0].candidate.sql), links[0])
    counts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    sizes: Counter[bool] = Counter()
    for link in answers.values():
        facts = link.diagnosis.facts
        kinds = {"names": facts.names, "values": facts.values, "paths": facts.paths,
                 "emptied": facts.emptied}  # fmt: skip
        counts[link.right].update(k for k, held in kinds.items() if held)
        counts[link.right]["any"] += any(kinds.values())
        counts[link.right]["some evidence"] += bool(link.diagnosis.evidence)
        sizes[link.right] += 1
    kinds_told = ("names", "values", "paths", "emptied", "any", "some evidence")
    return pd.DataFrame(
        [
            {
                "fact": kind,
                "wrong": counts[False][kind] / max(sizes[False], 1),
                "right": counts[True][kind] / max(sizes[True], 1),
            }
            for kind in kinds_told
        ]
    )


def _judge(
    suite: Suite, question: Question, sql: str, weights: Weights
) -> tuple[Candidate, Diagnosis]:
    database = suite.databases[question.db_id]
    outcome = outcome_of(database, sql)
    found = diagnose(question.asked, sql, database, outcome, weights=weights)
    return Candidate(sql, outcome, found.doubt), found


def _read(folder: Path) -> tuple[dict[str, list[str]], dict[tuple[str, int], tuple[str, bool]]]:
    try:
        chains = json.loads((folder / CHAINS).read_text(encoding="utf-8"))
        stored = {}
        with gzip.open(folder / PREDICTIONS, "rt", encoding="utf-8") as file:
            for row in map(json.loads, file):
                key = str(row["source"]), int(row["question_id"])
                stored[key] = str(row["pred"]), bool(row["bird_ex"])
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{str(folder)!r} holds no chains of repairs: {error}. Expected {CHAINS} and "
            f"{PREDICTIONS}."
        ) from None
    return chains, stored
