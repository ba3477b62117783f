"""What the choice among several answers and the audit of repairs are worth on real ones.

    python tests/benchmarks/bench_choice.py ../shared/spider --chains ../shared/bird_superhero \\
        [--candidates FILE …] [--cache FOLDER] [--write]

Doubt's weights are learned from ``systems.jsonl.gz`` with databases held out, in `FOLDS` folds; the
choice's weights from the same answers and from the candidates of the other databases. So no answer
is judged by weights that have seen its database, and one rule serves all sources. Candidates given
by ``--candidates`` beside the folder's own are judged, and nothing is learned from them. The
audit's doubts are learned from Spider alone. ``--write`` learns from everything and writes the
weights that the package brings. Measuring all answers takes some ten minutes; ``--cache`` keeps it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import pickle
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from sqlbench.databases.base import QueryError
from sqlbench.signals.audit import audit_chain
from sqlbench.signals.base import Outcome
from sqlbench.signals.choice import Candidate, agreement, repeats
from sqlbench.signals.choice_fit import Group, fit_choice
from sqlbench.signals.choice_weights import (
    DEFAULT,
    ChoiceWeights,
    place_features,
    save_choice_weights,
)
from sqlbench.signals.registry import NAMES
from sqlbench.signals.train import Answers, gather, inputs_of_answers, measure_answer, train
from sqlbench.stats import cluster_bootstrap, paired_difference
from sqlbench.suites import load_suite
from sqlbench.suites.base import Suite

FOLDS = 6


@dataclass
class Set:
    """The candidates of one source for one question; ``rows`` are places among the answers."""

    source: str
    question: str
    database: str
    statements: list[str]
    right: np.ndarray
    rows: np.ndarray
    same: np.ndarray
    ran: np.ndarray


class Measured:
    """All answers of a suite, measured once each, with their outcomes' agreement at hand."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.places: dict[tuple[str, str], int] = {}
        self.found: list[Any] = []
        self.outcomes: list[Outcome] = []

    def add(self, question_id: str, sql: str) -> int:
        """Measure an answer, if it is new, and return its place."""
        key = question_id, sql
        if key not in self.places:
            question = self.suite.question(question_id)
            database = self.suite.databases[question.db_id]
            try:
                outcome: Outcome = database.execute(sql)
            except QueryError as error:
                outcome = error
            hint = f"\n{question.evidence}" if question.evidence else ""
            found = measure_answer(question.text + hint, sql, database, outcome, key=question_id)
            self.places[key] = len(self.found)
            self.found.append(found)
            self.outcomes.append(outcome)
        return self.places[key]


def rows_of(path: Path) -> Iterable[dict[str, Any]]:
    """Yield the lines of a JSONL file, packed or not."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        for line in file:
            yield json.loads(line)


def read_spider(folder: Path, files: Sequence[Path]) -> dict[str, Any]:
    """Return systems' answers and sets of candidates, measured."""
    suite = load_suite(f"spider:{folder}")
    ids = {e.position: e.question_id for e in suite.entries}
    measured = Measured(suite)
    systems = [
        (measured.add(str(ids[r["index"]]), r["pred"]), r["official_exec"], len(r["systems"]))
        for r in tqdm(list(rows_of(folder / "systems.jsonl.gz")), desc="systems")
        if ids[r["index"]] is not None
    ]
    sets = []
    for file in files:
        for r in tqdm(list(rows_of(file)), desc=file.name):
            question = ids[r["index"]]
            if question is None:
                continue
            rows = np.array([measured.add(question, sql) for sql in r["candidates"]])
            outcomes = [measured.outcomes[i] for i in rows]
            sets.append(
                Set(
                    r["source"], question, suite.question(question).db_id, r["candidates"],
                    np.array(r["official_exec"], dtype=bool), rows, agreement(outcomes),
                    np.array([not isinstance(o, QueryError) for o in outcomes]),
                )
            )  # fmt: skip
    return {"systems": systems, "sets": sets, "found": measured.found}


def read_chains(folder: Path) -> dict[str, Any]:
    """Return the chains of repairs, each answer measured."""
    suite = load_suite(f"bird:{folder}")
    ids = {e.number: e.question_id for e in suite.entries}
    measured = Measured(suite)
    places: dict[str, dict[str, tuple[int, bool]]] = defaultdict(dict)
    chains = json.loads((folder / "chains.json").read_text())
    wanted = {source for steps in chains.values() for source in steps}
    for r in tqdm(list(rows_of(folder / "predictions.jsonl.gz")), desc="chains"):
        if r["source"] in wanted:
            question = str(ids[r["question_id"]])
            place = measured.add(question, r["pred"])
            places[r["source"]][question] = place, bool(r["bird_ex"])
    outcomes = [
        o if isinstance(o, QueryError) else replace(o, elapsed=0.0) for o in measured.outcomes
    ]
    return {"chains": chains, "places": dict(places), "found": measured.found, "outcomes": outcomes}


def kept(folder: Path | None, name: str, make: Any) -> Any:
    """Return what was measured before, or measure it."""
    if folder is None:
        return make()
    path = folder / f"{name}.pickle"  # written and read by this script alone
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(make()))
    return pickle.loads(path.read_bytes())


def learning(data: dict[str, Any]) -> Answers:
    """Return all answers; those that no system gave have no weight."""
    wrong, weight = np.zeros(len(data["found"])), np.zeros(len(data["found"]))
    for place, right, count in data["systems"]:
        wrong[place], weight[place] = 1 - right, count
    return gather(data["found"], wrong.tolist(), weight.tolist())


def crossed(answers: Answers) -> tuple[np.ndarray, np.ndarray, list[set[str]]]:
    """Return inputs and doubts of all answers by weights that have not seen their database."""
    databases = sorted(set(answers.database.tolist()))
    folds = [set(databases[k::FOLDS]) for k in range(FOLDS)]
    rows = doubts = None
    for fold in folds:
        held = np.isin(answers.database, list(fold))
        weights = train(answers.take(~held & (answers.weight > 0)))
        inputs = inputs_of_answers(answers.take(held), weights)
        if rows is None or doubts is None:
            rows, doubts = np.zeros((len(held), inputs.shape[1])), np.zeros(len(held))
        rows[held], doubts[held] = inputs, weights.probability(inputs)
    assert rows is not None and doubts is not None
    return rows, doubts, folds


def groups_of(
    data: dict[str, Any],
    sets: Sequence[Set],
    rows: np.ndarray,
    doubts: np.ndarray,
    answers: Answers,
) -> list[Group]:
    """Return what the choice learns from: systems' answers by question, and candidates."""
    by_question: dict[int, list[int]] = defaultdict(list)
    for place, _, _ in data["systems"]:
        by_question[int(answers.question[place])].append(place)
    groups = [
        Group(
            str(answers.databases[q]), rows[p], doubts[p], answers.wrong[p] == 0, answers.weight[p]
        )
        for q, p in by_question.items()
    ]
    return groups + [group_of(s, rows, doubts) for s in sets]


def group_of(s: Set, rows: np.ndarray, doubts: np.ndarray) -> Group:
    """Return a set of candidates as the choice learns from it."""
    ones = np.ones(len(s.rows))
    return Group(
        s.database, rows[s.rows], doubts[s.rows], s.right, ones, s.same, repeats(s.statements)
    )


def pick(s: Set, group: Group, weights: ChoiceWeights) -> int:
    """Return the place of the answer that the weights choose."""
    strength = weights.strength(group.rows, group.doubts, NAMES)
    scores = weights.scores(strength, group.same, group.repeated)  # type: ignore[arg-type]
    return int(np.argmax(np.where(s.ran, scores, -np.inf)))


def choice_table(sets: Sequence[Set], choices: Sequence[int], seed: int) -> None:
    """Print what each source's choices close of the gap, and by how much agreement is beaten."""
    by: dict[str, list[tuple[Set, int]]] = defaultdict(list)
    for s, chosen in zip(sets, choices, strict=True):
        by[s.source].append((s, chosen))
    for source, mine in by.items():
        voted = [int(np.argmax(np.where(s.ran, s.same.sum(axis=1), -1))) for s, _ in mine]
        hits = np.array(
            [(s.right[0], s.right[c], s.right.any(), s.right[v])
             for (s, c), v in zip(mine, voted, strict=True)], dtype=float,
        )  # fmt: skip
        databases = [s.database for s, _ in mine]
        closed, agreed = (
            cluster_bootstrap(
                hits, databases, lambda t, i=i: (t[..., i] - t[..., 0]) / (t[..., 2] - t[..., 0]),
                seed=seed,
            )
            for i in (1, 3)
        )  # fmt: skip
        over = paired_difference(hits[:, 1], hits[:, 3], databases, seed=seed)
        print(
            f"{source:12} first {hits[:, 0].mean():.3f} chosen {hits[:, 1].mean():.3f} any "
            f"{hits[:, 2].mean():.3f}  gap closed {closed}  by agreement {agreed}  "
            f"chosen less agreement's {over.points}",
            flush=True,
        )


def audit_table(data: dict[str, Any], doubts: np.ndarray) -> None:
    """Print each chain with and without the audit."""
    gained = saved = 0
    for name, steps in data["chains"].items():
        questions = sorted(data["places"][steps[0]])
        counts = np.zeros(5, dtype=int)
        for question in questions:
            answers = [data["places"][step][question] for step in steps]
            chain = [Candidate("", data["outcomes"][p], float(doubts[p])) for p, _ in answers]
            right = [r for _, r in answers]
            taken = right[audit_chain(chain)]
            counts += (right[0], right[-1], taken, taken > right[0], taken < right[0])
        first, last, audited, fixed, broken = counts.tolist()
        gained += max(0, last - first)
        saved += audited - first if last > first else 0
        print(
            f"{name:18} first {first} last {last} audited {audited} of {len(questions)} "
            f"(fixed {fixed}, broken {broken}, net {fixed - broken:+d})"
        )
    print(f"of what the good chains gain the audit keeps {saved / gained:.0%}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--chains", type=Path)
    parser.add_argument("--candidates", type=Path, nargs="*", default=[])
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    own = options.folder / "candidates.jsonl.gz"
    files = [own, *options.candidates]
    data = kept(options.cache, "spider", lambda: read_spider(options.folder, files))
    known = {s["source"] for s in rows_of(own)}
    answers = learning(data)
    rows, doubts, folds = crossed(answers)
    sets = [s for s in data["sets"] if s.source in known]
    groups = groups_of(data, sets, rows, doubts, answers)
    choices: dict[int, int] = {}
    for fold in folds:
        weights = fit_choice([g for g in groups if g.database not in fold], NAMES)
        for i, s in enumerate(data["sets"]):
            if s.database in fold:
                choices[i] = pick(s, group_of(s, rows, doubts), weights)
    choice_table(data["sets"], [choices[i] for i in range(len(data["sets"]))], options.seed)
    if options.chains is not None:
        chains = kept(options.cache, "chains", lambda: read_chains(options.chains))
        spider = train(answers.take(answers.weight > 0))
        blank = [0.0] * len(chains["found"])
        inputs = inputs_of_answers(gather(chains["found"], blank), spider)
        audit_table(chains, spider.probability(inputs))
    if options.write:
        about = {
            "answers": sum(len(g.right) for g in groups),
            "groups": len(groups),
            "databases": len({g.database for g in groups}),
            "places": list(place_features(np.eye(2, dtype=bool), 0.0)),
        }
        save_choice_weights(fit_choice(groups, NAMES, about=about), DEFAULT)


if __name__ == "__main__":
    main()
